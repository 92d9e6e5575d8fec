"""Deliberate bugs of the product: whether the tests would notice what would harm people. ``python -m tests.mutants``.

A list a room, each bug a literal record; ``test_list.py`` keeps the list from rotting. Chosen by hand, for what they would
do to people: of thousands that a tool makes up (mutmut, cosmic-ray) most mean nothing, and nobody reads the survivors.
A bug that only makes the import fail counts for nothing, nor does a test that merely takes too long.
"""
