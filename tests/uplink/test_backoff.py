"""When to try again, where, and in which version."""

from __future__ import annotations

from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from agent.uplink.backoff import BELIEFS, LEAST_S, MOST_S, NS, Backoff, Belief, Outcome, Ways


def test_the_wait_doubles_to_a_minute() -> None:
    backoff = Backoff(lambda: 1.0)
    assert [backoff.after_failure_s() for _ in range(9)] == [1, 2, 4, 8, 16, 32, 60, 60, 60]


@given(st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=200))
def test_the_wait_has_bounds(draws: list[float]) -> None:
    backoff = Backoff(iter(draws).__next__)
    assert all(LEAST_S <= backoff.after_failure_s() <= MOST_S for _ in draws)


def test_chance_spreads_the_wait_from_nothing_to_its_most() -> None:
    """Boxes that one broker's end has cut off do not come back in one second."""
    draws = iter([0.0, 0.5, 0.25, 0.75])
    backoff = Backoff(lambda: next(draws))
    assert [backoff.after_failure_s() for _ in range(4)] == [LEAST_S, 1.0, 1.0, 6.0]


def test_only_a_stable_connection_begins_again() -> None:
    backoff = Backoff(lambda: 1.0)
    for _ in range(5):
        backoff.after_failure_s()
    assert not backoff.lasted(59 * NS)
    assert backoff.after_failure_s() == 32
    assert backoff.lasted(60 * NS)
    assert backoff.after_failure_s() == 1


def test_the_table_of_versions_is_complete() -> None:
    assert set(BELIEFS) == {(b, o) for b in get_args(Belief) for o in get_args(Outcome)}


def test_a_server_without_5_is_asked_in_311_at_once_and_remembered() -> None:
    ways = Ways(["mqtt://a"])
    assert ways.version == "5"
    assert ways.ended("version")
    assert ways.version == "3.1.1"
    assert not ways.ended("accepted")
    assert not ways.ended("failed")
    assert ways.version == "3.1.1"


def test_a_restarting_server_pins_nobody_to_311() -> None:
    ways = Ways(["mqtt://a"])
    assert ways.ended("closed")
    assert ways.version == "3.1.1"
    assert not ways.ended("accepted")
    assert ways.version == "5"


@given(st.lists(st.sampled_from(get_args(Outcome)), max_size=50))
def test_never_twice_at_once_in_a_row(outcomes: list[Outcome]) -> None:
    ways = Ways(["mqtt://a"])
    before = False
    for outcome in outcomes:
        again = ways.ended(outcome)
        assert not (before and again)
        before = again


def test_a_server_that_never_answers_a_5_is_remembered() -> None:
    ways = Ways(["mqtt://a"])
    assert ways.ended("silent")
    assert not ways.ended("accepted")
    assert ways.version == "3.1.1"
    proven = Ways(["mqtt://a"])
    proven.ended("accepted")
    assert not proven.ended("silent")
    assert proven.version == "5"


def test_urls_go_round_in_their_order() -> None:
    ways = Ways(["mqtt://a", "mqtt://b", "mqtt://c"])
    ways.ended("version")
    assert [(ways.next(), ways.url) for _ in range(4)] == [
        (False, "mqtt://b"),
        (False, "mqtt://c"),
        (True, "mqtt://a"),
        (False, "mqtt://b"),
    ]
    assert ways.version == "5"  # what a speaks says nothing of b
    ways.first()
    assert (ways.url, ways.version) == ("mqtt://a", "3.1.1")
