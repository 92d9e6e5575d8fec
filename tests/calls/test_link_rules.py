"""The rules of the link judge alone: how often they raise for nothing, over simulated years."""

from __future__ import annotations

import random

import pytest

from agent.calls.link_quality import QualityTest, Rate, threshold
from agent.calls.link_rules import Share

NS = 1_000_000_000


@pytest.mark.parametrize(("loss", "alternate"), [(0.002, False), (0.0, True)])
def test_sides_raise_less_than_one_false_alarm_a_year(loss: float, alternate: bool) -> None:
    """20 records an hour for a year, straight to the rule."""
    random_ = random.Random(3)
    share = Share()
    alarms = 0
    for _ in range(175_000):
        heard = random_.random() < 0.5 if alternate else random_.random() >= loss
        before = share.quiet
        share.event(heard=heard, events_a_year=175_000)
        alarms += share.quiet and not before
    assert alarms <= 1


def test_an_outage_is_not_learned_as_usual() -> None:
    share = Share()
    for _ in range(60):
        share.event(heard=True, events_a_year=175_000)
    before = share.share
    for _ in range(50):
        share.event(heard=False, events_a_year=175_000)
    assert share.quiet
    share.event(heard=True, events_a_year=175_000)
    assert (share.quiet, share.share) == (False, before)


@pytest.mark.parametrize("per_hour", [2, 20])
def test_less_than_one_false_alarm_a_year(per_hour: int) -> None:
    """Three years at the usual share of 2 %, 5 % and 10 %, three tests each: at most one a year and link."""
    random_ = random.Random(per_hour)
    for usual in (0.02, 0.05, 0.1):
        alarms = 0
        for _ in range(9):
            test = QualityTest()
            for _ in range(per_hour * 8766):
                alarms += test.saw(bad=random_.random() < usual, records_a_year=per_hour * 8766.0) is True
        assert alarms <= 3, usual


def test_the_threshold_is_the_written_one_and_the_rate_is_bounded() -> None:
    assert threshold(17_532.0) == pytest.approx(10.87, abs=0.01)
    rate = Rate()
    for hour in range(100):
        rate.saw(hour * 1800 * NS)
    assert rate.a_year == pytest.approx(2 * 8766, rel=0.02)
    flood = Rate()
    for number in range(100_000):
        flood.saw(number * NS)
    assert flood.a_year == 5_000_000
