"""Callers' numbers: masked, and a hash that means nothing without its key."""

from __future__ import annotations

from agent.callers import HASH_CHARS, Callers

NUMBER = "+1 (617) 555-0142"
ONE, OTHER = Callers(b"1" * 32), Callers(b"2" * 32)


def test_one_caller_has_one_hash_with_or_without_a_country_code() -> None:
    hashed = ONE.hash_of(NUMBER)
    assert hashed is not None
    assert len(hashed) == HASH_CHARS
    assert hashed == ONE.hash_of("6175550142")
    assert hashed != ONE.hash_of("6175550143")


def test_the_hash_is_as_private_as_its_key() -> None:
    """Ten digits are tried in minutes: without the key, of each start its own, nobody may come to the same hash."""
    assert ONE.hash_of(NUMBER) != OTHER.hash_of(NUMBER)


def test_what_is_no_number_has_no_hash() -> None:
    assert ONE.hash_of("911") is None
    assert ONE.fields(None) == ONE.fields("  ") == {"caller": None, "caller_key": None}


def test_a_number_is_shown_only_where_a_person_asked_for_it() -> None:
    assert ONE.fields(NUMBER)["caller"] == "+* (***) ***-****"
    assert Callers(b"1" * 32, show=True).fields(NUMBER)["caller"] == NUMBER
