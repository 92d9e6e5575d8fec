"""Data without voice: how many callers it takes, what ends it, what is learned; talk that collapses."""

from __future__ import annotations

import json
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.calls.facts import CalledBack, Ended
from agent.calls.voice import CALLERS_MAX, Voice

NS = 1_000_000_000


def end(number: int, talk_s: float | None, key: str | None = None, answered: bool | None = True) -> Ended:
    return Ended(number, number * NS, ("all",), True, answered, talk_s, None, key or f"k{number}")


def voice(prior: float = 0.35) -> Voice:
    return Voice(20.0, prior, 1.0, 2.0)


@pytest.mark.parametrize(("prior", "callers"), [(0.08, 4), (0.35, 10), (0.38, 10), (0.5, 14)])
def test_so_many_distinct_callers_are_an_alarm(prior: float, callers: int) -> None:
    judge = voice(prior)
    assert judge.needed == callers <= math.ceil(math.log(2 * 8766) / math.log(1 / prior))
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


def hourly(number: int, talk_s: float, key: str | None = None) -> Ended:
    return Ended(number, number * 1800 * NS, ("all",), True, True, talk_s, None, key or f"k{number}")


def test_nothing_is_judged_before_a_record_has_told_something() -> None:
    judge = voice()
    assert not judge.able
    assert judge.status()["why"].startswith("learns")
    judge.ended(end(1, None, answered=None))
    assert not judge.able
    judge.ended(end(2, 3.0))
    assert judge.able


def test_where_few_calls_have_a_talk_it_says_that_it_cannot_judge() -> None:
    judge, rng = voice(), random.Random(5)
    stood = 0
    for number in range(4000):
        judge.ended(hourly(number, 60.0 if rng.random() < 0.08 else 3.0))
        stood += judge.alarm and number > 1500
    assert not judge.able
    assert "too many" in judge.why
    assert stood == 0


def test_records_that_never_tell_of_a_talk_raise_nothing_that_stays() -> None:
    judge = voice()
    for number in range(200):
        judge.ended(hourly(number, 0.0))
    assert not judge.alarm
    assert "do not tell" in judge.why


def test_p_comes_from_a_stream_that_starts_elsewhere() -> None:
    for true, prior in ((0.5, 0.08), (0.1, 0.35), (0.5, 0.35)):
        judge, rng = voice(prior), random.Random(f"{true} {prior}")
        for number in range(2000):
            judge.ended(hourly(number, 3.0 if rng.random() < true else 60.0))
        assert judge.p == pytest.approx(true, abs=0.05)


def test_call_backs_bring_the_alarm_earlier_where_they_are_rare() -> None:
    def to_alarm(called_back: bool) -> int:
        judge, rng = voice(), random.Random(3)
        for number in range(1500):
            one = hourly(number, 3.0 if rng.random() < 0.38 else 60.0)
            judge.ended(one)
            if rng.random() < 0.1:
                judge.back(CalledBack(one.call, one.at_ns + NS, ("all",), one.caller_key or ""))
        judge.ended(hourly(2000, 60.0))
        judge.ended(hourly(2001, 60.0))
        for count in range(1, 40):
            one = hourly(3000 + count, 3.0)
            judge.ended(one)
            if called_back:
                judge.back(CalledBack(one.call, one.at_ns + NS, ("all",), one.caller_key or ""))
            if judge.alarm:
                return count
        raise AssertionError("no alarm")

    without, having = to_alarm(False), to_alarm(True)
    assert having <= 6 < without <= 11


def test_one_caller_who_rings_and_rings_is_no_collapse() -> None:
    judge, rng = voice(), random.Random(2)
    for number in range(500):
        judge.ended(hourly(number, 20 + rng.expovariate(1 / 90)))
    for number in range(60):
        judge.ended(hourly(1000 + number, 21.0, "the-same"))
    assert not judge.collapsed


def test_lengths_that_led_to_an_alarm_are_not_learned() -> None:
    judge, rng = voice(), random.Random(2)
    for number in range(500):
        judge.ended(hourly(number, 20 + rng.expovariate(1 / 90)))
    before = judge.one_way.saved()
    for number in range(30):
        judge.ended(hourly(1000 + number, 21.0))
    assert judge.collapsed
    assert 21 not in set(judge.one_way.saved()) - set(before)
    judge.ended(hourly(2000, 300.0))
    assert judge.collapsed
    judge.ended(hourly(2001, 300.0))
    assert not judge.collapsed


FACTS = st.lists(
    st.one_of(
        st.builds(
            Ended, st.integers(0, 9), st.integers(-NS, 10**15), st.just(("all",)), st.booleans(),
            st.sampled_from([None, True, False]), st.one_of(st.none(), st.floats(0, 1e6)),
            st.sampled_from([None, True]), st.sampled_from([None, "k1", "k2", "k3"]),
        ),
        st.builds(CalledBack, st.integers(0, 9), st.integers(-NS, 10**15), st.just(("all",)), st.sampled_from("ab")),
    ),
    max_size=60,
)  # fmt: skip


@given(FACTS)
def test_any_order_of_facts_is_taken_and_gives_the_same_again(facts: list[Ended | CalledBack]) -> None:
    def told() -> tuple[object, ...]:
        judge = voice()
        for fact in facts:
            if isinstance(fact, Ended):
                judge.ended(fact)
            else:
                judge.back(fact)
        again = voice()
        again.restore(json.loads(json.dumps(judge.saved())))
        assert judge.run <= CALLERS_MAX
        return judge.alarm, judge.collapsed, judge.status(), judge.saved(), again.p

    assert told() == told()
