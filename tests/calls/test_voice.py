"""Data without voice: how many callers it takes, what ends it, what is learned; talk that collapses."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.calls.facts import Ended
from agent.calls.voice import Voice

NS = 1_000_000_000


def end(number: int, talk_s: float | None, key: str | None = None, answered: bool | None = True) -> Ended:
    return Ended(number, number * NS, ("all",), True, answered, talk_s, None, key or f"k{number}")


def voice(prior: float = 0.35) -> Voice:
    return Voice(20.0, prior, 1.0, 2.0)


@pytest.mark.parametrize(("prior", "callers"), [(0.08, 4), (0.35, 10), (0.38, 11)])
def test_so_many_distinct_callers_are_an_alarm(prior: float, callers: int) -> None:
    judge = voice(prior)
    assert judge.needed == math.ceil(math.log(2 * 8766) / math.log(1 / prior)) == callers
    for number in range(callers - 1):
        judge.ended(end(number, 3.0))
    assert not judge.alarm
    judge.ended(end(99, 3.0))
    assert judge.alarm


def test_one_caller_again_and_again_is_one_caller() -> None:
    judge = voice()
    for number in range(50):
        judge.ended(end(number, 3.0, "the-same"))
    assert not judge.alarm
    assert judge.run == 1


def test_a_talk_ends_the_run_and_two_end_the_alarm() -> None:
    judge = voice(0.08)
    for number in range(3):
        judge.ended(end(number, 3.0))
    judge.ended(end(10, 60.0))
    assert judge.run == 0
    for number in range(20, 20 + judge.needed):
        judge.ended(end(number, None, answered=False))
    assert judge.alarm
    judge.ended(end(30, 60.0))
    assert judge.alarm
    judge.ended(end(31, 60.0))
    assert not judge.alarm


def test_what_does_not_say_counts_nothing() -> None:
    judge = voice(0.08)
    for number in range(100):
        judge.ended(end(number, None, answered=None))
    assert (judge.run, judge.alarm, judge.talked_ns) == (0, False, None)


def test_an_outage_is_not_learned_and_a_quiet_habit_is() -> None:
    judge = voice()
    before = judge.p
    for number in range(40):
        judge.ended(end(number, 2.0))
    judge.ended(end(100, 60.0))
    judge.ended(end(101, 60.0))
    assert judge.p <= before
    rng = random.Random(1)
    for number in range(3000):
        judge.ended(end(1000 + number, 3.0 if rng.random() < 0.1 else 60.0))
    assert judge.p == pytest.approx(0.1, abs=0.02)


def test_talk_that_collapses_is_one_way_audio() -> None:
    judge, rng = voice(), random.Random(2)
    for number in range(3000):
        judge.ended(end(number, 20 + rng.expovariate(1 / 90) if rng.random() > 0.1 else rng.uniform(5, 19)))
        assert not judge.collapsed
    count = 0
    while not judge.collapsed:
        count += 1
        judge.ended(end(5000 + count, rng.uniform(3, 9)))
        assert count < 30
    for number in range(60):
        judge.ended(end(9000 + number, 60.0 + number))
    assert not judge.collapsed


@given(st.lists(st.tuples(st.sampled_from([None, True, False]), st.one_of(st.none(), st.floats(0, 1e6)))))
def test_what_is_saved_is_what_was(ends: list[tuple[bool | None, float | None]]) -> None:
    judge = voice()
    for number, (answered, talk_s) in enumerate(ends):
        judge.ended(end(number, talk_s, answered=answered))
    again = voice()
    again.restore(judge.saved())
    assert again.needed == judge.needed
    assert len(str(judge.saved())) < 4096


@pytest.mark.parametrize(
    "saved", [{}, {"talks": "x", "misses": 1, "lengths": []}, {"talks": -1, "misses": 0, "lengths": []}]
)
def test_what_is_no_record_of_ours_is_refused(saved: dict[str, object]) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        voice().restore(saved)
