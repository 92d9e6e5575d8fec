"""Deliberate bugs of the product: whether the tests would notice what would harm people. ``python -m tests.mutants``.

A list a room, each bug a literal record; ``test_list.py`` keeps the list from rotting.
"""
