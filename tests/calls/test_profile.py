"""The learned rates: shape, level, lasting changes, what must not be learned; the local week."""

from __future__ import annotations

import json
import math
import random
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.calls.burst import LEVELS, Burst, inflated
from agent.calls.profile import COMMON_DAY, SLOTS, Profile, Week, usable


def poisson(rng: random.Random, mean: float) -> int:
    count, left = 0, rng.expovariate(1.0)
    while left < mean:
        count += 1
        left += rng.expovariate(1.0)
    return count


def teach(profile: Profile, rng: random.Random, days: int, rate: object, start_day: int = 0) -> None:
    for day in range(start_day, start_day + days):
        for part in range(48):
            slot = day % 7 * 48 + part
            profile.learn(slot, 0.5, poisson(rng, rate(slot) / 2))  # type: ignore[operator]


def utc(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("zone", "at", "slot"),
    [
        ("UTC", "2024-06-17T00:00:00", 0),  # a Monday
        ("UTC", "2024-06-23T23:59:59", 335),
        ("America/New_York", "2024-06-17T04:00:00", 0),
        ("America/New_York", "2024-06-17T03:59:59", 335),
        # 10 March 2024: 01:59 EST is followed by 03:00 EDT
        ("America/New_York", "2024-03-10T06:59:00", 6 * 48 + 3),
        ("America/New_York", "2024-03-10T07:00:00", 6 * 48 + 6),
        # 3 November 2024: 01:59 EDT is followed by 01:00 EST
        ("America/New_York", "2024-11-03T05:30:00", 6 * 48 + 3),
        ("America/New_York", "2024-11-03T06:00:00", 6 * 48 + 2),
        ("Asia/Kathmandu", "2024-06-16T18:15:00", 0),  # +05:45
        ("No/Such_Zone", "2024-06-17T00:00:00", 0),
    ],
)
def test_the_local_half_hour(zone: str, at: str, slot: int) -> None:
    assert Week(zone).slot(utc(at))[0] == slot


@given(
    st.floats(31_536_000, 7.25e9), st.sampled_from(["UTC", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"])
)
def test_any_time_has_a_half_hour_and_an_end(at: float, zone: str) -> None:
    slot, left_s = Week(zone).slot(at)
    assert 0 <= slot < SLOTS
    assert 0 < left_s <= 1800


@pytest.mark.parametrize("value", [None, math.nan, math.inf, -math.inf, -1.0, 0.0, 1e300])
def test_times_no_calendar_holds(value: float | None) -> None:
    assert not usable(value)


def test_a_guess_counts_three_calls_and_fades() -> None:
    profile = Profile(10.0)
    assert profile.level_per_h == pytest.approx(10.0)
    assert profile.calls == 3.0
    teach(profile, random.Random(1), 14, lambda slot: 2.0)
    assert profile.level_per_h == pytest.approx(2.0, rel=0.12)
    assert Profile(None).level_per_h == Profile(0.0).level_per_h == 0.0


@pytest.mark.parametrize("per_h", [0.5, 2.0, 10.0, 50.0])
@pytest.mark.parametrize("guess", [None, "right", "ten times"])
def test_a_site_with_another_day_is_learned(per_h: float, guess: str | None) -> None:
    """Deep nights, busy weekends' nights: after 8 weeks the rates are near, the steps and thin streams apart."""

    def rate(slot: int) -> float:
        hour = slot % 48 / 2
        base = per_h * (1.0 + 0.8 * math.cos((hour - 15.0) / 24 * 2 * math.pi))
        return base * (2.0 if slot // 48 >= 5 and hour < 4 else 1.0)

    profile = Profile({None: None, "right": per_h, "ten times": 10 * per_h}[guess])
    teach(profile, random.Random(7), 56, rate)
    errors = [profile.rate_per_h(slot) / rate(slot) for slot in range(SLOTS)]
    within = {0.5: 2.6, 2.0: 2.0, 10.0: 1.5, 50.0: 1.4}[per_h]
    assert max(errors) < within
    assert min(errors) > 1 / within
    mean = sum(rate(slot) for slot in range(SLOTS)) / SLOTS
    assert profile.level_per_h == pytest.approx(mean, rel=0.15 if per_h < 1 else 0.06)


def test_growth_of_a_third_a_year_is_followed() -> None:
    profile, rng = Profile(10.0), random.Random(3)
    for week in range(104):
        teach(profile, rng, 7, lambda slot, w=week: 10.0 * 1.33 ** (w / 52))
    assert profile.level_per_h == pytest.approx(10.0 * 1.33**2, rel=0.06)


@pytest.mark.parametrize(("factor", "days"), [(0.5, 6), (0.1, 12), (3.0, 10), (1.5, 12)])
def test_a_lasting_change_of_volume_is_followed_within_days(factor: float, days: int) -> None:
    profile, rng = Profile(10.0), random.Random(5)
    teach(profile, rng, 56, lambda slot: 10.0)
    teach(profile, rng, days, lambda slot: 10.0 * factor)
    assert profile.level_per_h == pytest.approx(10.0 * factor, rel=0.25)


def test_a_storm_of_a_day_moves_little_and_half_a_day_lost_hardly() -> None:
    profile, rng = Profile(10.0), random.Random(5)
    teach(profile, rng, 56, lambda slot: 10.0)
    before = profile.level_per_h
    teach(profile, rng, 1, lambda slot: 80.0)
    assert profile.level_per_h < before * 1.15
    profile, rng = Profile(10.0), random.Random(5)
    teach(profile, rng, 56, lambda slot: 10.0)
    teach(profile, rng, 2, lambda slot: 1.5)  # 37 hours on and off were the longest partial outage of outages.md
    assert profile.level_per_h > before * 0.84


def test_saved_resumes_and_is_small() -> None:
    profile, rng = Profile(10.0), random.Random(9)
    teach(profile, rng, 40, lambda slot: 10.0 + 5.0 * (slot % 48 > 20))
    text = json.dumps(profile.saved(), separators=(",", ":"))
    assert len(text) < 3000
    again = Profile.restored(json.loads(text))
    for part in range(200):
        calls = rng.randrange(12)
        assert profile.learn(part, 0.5, calls) == pytest.approx(again.learn(part, 0.5, calls))
        assert again.rate_per_h(part) == pytest.approx(profile.rate_per_h(part))
        assert again.shape_variance(None) == pytest.approx(profile.shape_variance(None))


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=8) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
)


@given(JSON)
def test_garbage_is_refused(garbage: object) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        Profile.restored(garbage)
    with pytest.raises(ValueError):  # noqa: PT011
        Burst.restored(garbage)


@given(st.sampled_from(["level", "seen", "flat", "days", "blocks", "block", "ages"]), JSON)
def test_one_bad_part_is_refused_or_harmless(part: str, garbage: object) -> None:
    saved = Profile(5.0).saved()
    saved[part] = garbage
    try:
        profile = Profile.restored(saved)
    except ValueError:
        return
    profile.learn(3, 0.5, 1)
    assert all(math.isfinite(profile.rate_per_h(slot)) for slot in range(SLOTS))


@given(st.lists(st.tuples(st.integers(0, SLOTS - 1), st.floats(0, 0.5), st.integers(0, 10_000)), max_size=60))
def test_any_lesson_leaves_finite_rates(lessons: list[tuple[int, float, int]]) -> None:
    profile = Profile(None)
    for slot, hours, calls in lessons:
        profile.learn(slot, hours, calls)
    for slot in (*range(SLOTS), None):
        assert math.isfinite(profile.rate_per_h(slot))
        assert profile.rate_per_h(slot) >= 0.0
        assert 0.0 < profile.shape_variance(slot) < 1.0


def test_the_common_day_is_a_mean_of_one() -> None:
    assert sum(COMMON_DAY) / 24 == pytest.approx(1.0, abs=0.002)
    assert len(COMMON_DAY) == 24


# ---- burstiness


@pytest.mark.parametrize("calls_a_year", [730, 17_532, 87_660, 438_300])
def test_unlearned_it_starts_near_one_point_three(calls_a_year: int) -> None:
    log_n = math.log(calls_a_year)
    burst = Burst()
    assert inflated(burst.threshold(log_n), burst.cv2) == pytest.approx(1.3 * log_n, rel=0.08)


def test_inflation_as_the_mathematics_has_it() -> None:
    assert inflated(10.0, 1 / 20) / 10.0 == pytest.approx(1.29, abs=0.01)  # outages.md section 7
    assert inflated(10.0, 1 / 100) / 10.0 == pytest.approx(1.05, abs=0.01)
    assert inflated(10.0, 0.0) == 10.0
    assert inflated(10.0, 100.0) == math.inf


@pytest.mark.parametrize("size", [1.0, 1.3, 2.0])
def test_the_tail_is_fitted(size: float) -> None:
    """Clusters of mean ``size``: the gaps that count are exponential with that mean, in expected calls."""
    rng, burst = random.Random(4), Burst()
    for _ in range(60_000):
        if rng.random() < 1 / size:
            burst.gap(rng.expovariate(1 / size))
        else:
            burst.gap(0.0)
    log_n = math.log(87_660)
    right = size * (log_n - math.log(size))
    assert burst.threshold(log_n) == pytest.approx(max(right, 1.05 * log_n), rel=0.10)


@pytest.mark.parametrize("cv", [0.0, 0.2])
def test_days_that_differ_are_seen_and_a_storm_does_not_deafen(cv: float) -> None:
    rng, burst = random.Random(6), Burst()
    for _ in range(120):
        burst.day(poisson(rng, 240.0 * max(0.2, rng.gauss(1.0, cv))), 240.0)
    assert math.sqrt(burst.cv2) == pytest.approx(cv, abs=0.06)
    burst.day(2400.0, 240.0)
    assert math.sqrt(burst.cv2) < cv + 0.08


@given(st.lists(st.floats(0, 1e6), max_size=200), st.floats(3, 20))
def test_any_gaps_give_a_threshold_that_rises_with_n(gaps: list[float], log_n: float) -> None:
    burst = Burst()
    for gap in gaps:
        burst.gap(gap)
    low, high = burst.threshold(log_n), burst.threshold(log_n + 1.0)
    assert log_n <= low <= high < math.inf


def test_burst_saved_resumes_and_lies_are_refused() -> None:
    rng, burst = random.Random(8), Burst()
    for _ in range(5000):
        burst.gap(rng.expovariate(0.8))
        burst.hour(rng.randrange(20), 10.0)
    burst.day(200.0, 240.0)
    burst.fade(100.0)
    saved = json.loads(json.dumps(burst.saved()))
    assert Burst.restored(saved).threshold(11.0) == pytest.approx(burst.threshold(11.0))
    assert Burst.restored(saved).cv2 == pytest.approx(burst.cv2)
    saved[len(LEVELS)] = 1e6  # more gaps above the highest level than above the one below
    with pytest.raises(ValueError, match="more gaps"):
        Burst.restored(saved)
