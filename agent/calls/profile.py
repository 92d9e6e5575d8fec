"""What rate of calls is usual in each half hour of the local week, learned from few numbers. Pure.

rate = level x shape of the day (weekday or weekend) x day of the week. Not 168 separate bins: each hour's shape is
drawn from its neighbours and shrunk towards a coarser one (weekend towards all days, all days towards a wide
smoothing, that towards a common day's shape), by how many calls stand behind it. The level forgets in 2 to 8 weeks
and follows growth and season; the shape in 7 weeks. A lasting change of volume is followed in steps: down when each
of the last 3 days stayed clearly below what was expected, up when each of 5 stayed above, so that neither a night's
outage nor a two-day storm moves it.

Everything is counted in elapsed time; the wall clock only picks the half hour.
"""

from __future__ import annotations

import math
import zoneinfo
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from agent.calls.burst import numbers

SLOT_S = 1800
SLOTS = 336
WEEK_S = 604_800
# Seattle Fire 911 dispatches, years 2 to 5 (tests/data/arrivals), by local hour over the day's mean.
COMMON_DAY = (
    0.79, 0.72, 0.64, 0.53, 0.52, 0.54, 0.65, 0.79, 0.97, 1.09, 1.17, 1.22,
    1.26, 1.30, 1.29, 1.29, 1.31, 1.31, 1.29, 1.22, 1.16, 1.09, 0.97, 0.87,
)  # fmt: skip
GUESS_CALLS = 3.0  # a first guess from the site file is worth so many calls: it may be wrong by a factor of two
YOUNG_CALLS = 200.0
COMMON_PRIOR = 8.0  # calls; another site's night may be half as deep or twice
FINE_PRIOR = 30.0
DAYTYPE_PRIOR = 40.0
WEEKDAY_PRIOR = 150.0
SHAPE_KEPT_H = 7 * 168.0
LEVEL_KEPT_H = (2 * 168.0, 8 * 168.0)
LEVEL_CALLS = 400.0
WIDE = (1.0, 0.75, 0.5, 0.25)  # weights of the hours 0 to 3 away
NARROW = (1.0, 0.5)
BUILD_H = 6.0
BLOCK_H = 24.0
BLOCK_CALLS = 40.0  # a stream of two calls a day takes ten days for a block
STORM_SHARE = 1.25  # of what a block expects: what comes above it is learned only when it lasts UP_BLOCKS
DOWN_BLOCKS, UP_BLOCKS = 3, 5
VERSION = 1
LEAST_H = 1e-6  # a few milliseconds: less would be a rate without bound


class Week:
    """The local half hour of the week for UTC seconds, across both changes of daylight saving."""

    def __init__(self, timezone: str) -> None:
        try:
            self._zone: zoneinfo.ZoneInfo | None = zoneinfo.ZoneInfo(timezone)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
            self._zone = None  # the site file is checked when it is read; without a zone, UTC shifts the shape alike

    def slot(self, utc_s: float) -> tuple[int, float]:
        """Which half hour since Monday 00:00 local, and the seconds left of it."""
        offset_s = 0.0
        if self._zone is not None:
            offset = datetime.fromtimestamp(utc_s, UTC).astimezone(self._zone).utcoffset()
            offset_s = offset.total_seconds() if offset is not None else 0.0
        into_s = (utc_s + offset_s + 3 * 86_400) % WEEK_S  # 1 January 1970 was a Thursday
        slot = min(int(into_s // SLOT_S), SLOTS - 1)
        return slot, max((slot + 1) * SLOT_S - into_s, 0.001)


def usable(utc_s: float | None) -> bool:
    """Whether ``utc_s`` is a time a calendar can hold (1971 to 2200)."""
    return utc_s is not None and 31_536_000.0 <= utc_s <= 7.26e9


class Profile:
    """One stream's rates. ``guess``: calls an hour, or None."""

    def __init__(self, guess: float | None = None) -> None:
        has_guess = guess is not None and guess > 0.0 and math.isfinite(guess)
        self._calls = GUESS_CALLS if has_guess else 0.0
        self._hours = GUESS_CALLS / guess if has_guess and guess else 0.0  # weighted by the shape
        self._seen = [[0.0] * 24, [0.0] * 24]  # calls by weekday or weekend and hour
        self._flat = [[0.0] * 24, [0.0] * 24]  # calls expected there, had the day no shape
        self._day_seen = [0.0] * 7
        self._day_expected = [0.0] * 7
        self._blocks: list[list[float]] = []
        self._block = [0.0, 0.0, 0.0, 0.0]  # hours, calls, expected, calls as learned
        self._since_built = self._since_faded = 0.0
        self.shape = [1.0] * SLOTS
        self._day_factor = [1.0] * 7
        self.variance = [0.0] * SLOTS  # of the shape, relative: 1 / (calls known from)
        self._build()

    @property
    def calls(self) -> float:
        """How many calls stand behind the level, the first guess included; they fade."""
        return self._calls

    @property
    def level_per_h(self) -> float:
        """Calls an hour, the week's mean; 0 before the first."""
        return self._calls / self._hours if self._hours > 0.0 else 0.0

    def rate_per_h(self, slot: int | None) -> float:
        """Calls an hour in that half hour; the lowest of the week for None (no clock)."""
        return self.level_per_h * (self._lowest if slot is None else self.shape[slot])

    def shape_variance(self, slot: int | None) -> float:
        """Relative variance of the shape there."""
        return self._lowest_variance if slot is None else self.variance[slot]

    def learn(self, slot: int, hours: float, calls: float) -> tuple[float, float] | None:
        """``calls`` in ``hours`` (at most 0.5) of that half hour. A block of about a day that it ended, or None.

        The block is (calls, expected).
        """
        hours = max(hours, LEAST_H)
        before = self.level_per_h
        expected = before * self.shape[slot] * hours
        counted = self._without_storm(calls, expected)
        keep = math.exp(-hours / self._level_kept_h())
        young = self._calls < YOUNG_CALLS
        self._calls = self._calls * keep + counted
        self._hours = self._hours * keep + hours * self.shape[slot]
        if young and before > 0.0:
            # What was expected at a poor first level is restated at the better one, or the shape would carry the error.
            self._restate(self.level_per_h / before)
        day, hour = slot // 48, slot % 48 // 2
        level = self.level_per_h
        kind = int(day >= 5)
        self._seen[kind][hour] += counted
        self._flat[kind][hour] += level * hours
        self._day_seen[day] += counted
        self._day_expected[day] += level * self.shape[slot] / self._day_factor[day] * hours
        self._since_built += hours
        self._since_faded += hours
        if self._since_faded >= 24.0:
            self._fade()
        if self._since_built >= (BUILD_H if self._hours > BLOCK_H * 2 else 0.5):
            self._build()
        self._block[3] += counted
        return self._count_block(hours, calls, expected)

    def _without_storm(self, calls: float, expected: float) -> float:
        """Calls as the level may learn them: a storm's tenfold must not raise it, or later days would look silent."""
        if self.level_per_h <= 0.0:
            return calls
        counted = min(calls, 2.0 * expected + 3.0 * math.sqrt(1.25 * expected) + 2.0)
        if self._calls < YOUNG_CALLS:
            return counted  # the level itself is not known yet
        usual = self._block[2] + expected
        room = STORM_SHARE * usual + 4.0 * math.sqrt(1.25 * usual) + 2.0 - self._block[3]
        return min(counted, max(room, 0.0))

    def _level_kept_h(self) -> float:
        level = self.level_per_h
        return min(max(LEVEL_CALLS / level, LEVEL_KEPT_H[0]), LEVEL_KEPT_H[1]) if level > 0.0 else LEVEL_KEPT_H[1]

    def _restate(self, factor: float) -> None:
        for sums in (*self._flat, self._day_expected):
            for index in range(len(sums)):
                sums[index] *= factor

    def _fade(self) -> None:
        keep = math.exp(-self._since_faded / SHAPE_KEPT_H)
        self._since_faded = 0.0
        for sums in (*self._seen, *self._flat, self._day_seen, self._day_expected):
            for index in range(len(sums)):
                sums[index] *= keep

    def _count_block(self, hours: float, calls: float, expected: float) -> tuple[float, float] | None:
        block = self._block
        block[0] += hours
        block[1] += calls
        block[2] += expected
        if block[0] < BLOCK_H or block[2] < BLOCK_CALLS:
            return None
        done = (block[1], block[2])
        self._block = [0.0, 0.0, 0.0, 0.0]
        if self._calls < YOUNG_CALLS:
            return done  # the level still moves by itself
        self._blocks = [*self._blocks, [done[0], done[1]]][-UP_BLOCKS:]
        self._follow()
        return done

    def _follow(self) -> None:
        """Take a lasting change of volume into the level: no further than the mildest of those days."""
        ratios = [calls / expected for calls, expected in self._blocks]
        margins = [1.5 * math.sqrt(1.3 / expected + 0.01) for _, expected in self._blocks]
        recent = list(zip(ratios, margins, strict=True))
        step = 1.0
        if len(recent) >= DOWN_BLOCKS and all(r < 1.0 - max(0.15, m) for r, m in recent[-DOWN_BLOCKS:]):
            step = max(0.02, *ratios[-DOWN_BLOCKS:])
            used = self._blocks[-DOWN_BLOCKS:]
        elif len(recent) == UP_BLOCKS and all(r > 1.0 + max(0.15, m) for r, m in recent):
            step, used = min(ratios), self._blocks
        if step == 1.0:
            return
        level = self.level_per_h * step
        self._calls = min(self._calls, max(sum(calls for calls, _ in used), 10.0))
        self._hours = self._calls / level
        self._blocks = [[calls, expected * step] for calls, expected in self._blocks]

    def _build(self) -> None:
        """The shape of the week and how well it is known, from the sums."""
        self._since_built = 0.0
        seen = [a + b for a, b in zip(*self._seen, strict=True)]
        flat = [a + b for a, b in zip(*self._flat, strict=True)]
        coarse, coarse_variance = _shrunk(seen, flat, list(COMMON_DAY), [0.0] * 24, WIDE, COMMON_PRIOR)
        every, every_variance = _shrunk(seen, flat, coarse, coarse_variance, NARROW, FINE_PRIOR)
        hourly: list[float] = []
        variance: list[float] = []
        for day in range(7):
            kind = int(day >= 5)
            if day in (0, 5):
                shape, var = _shrunk(self._seen[kind], self._flat[kind], every, every_variance, NARROW, DAYTYPE_PRIOR)
            known = self._day_expected[day] + WEEKDAY_PRIOR
            factor = self._day_factor[day] = (self._day_seen[day] + WEEKDAY_PRIOR) / known
            hourly += [value * factor for value in shape]
            variance += [value + 1.0 / known for value in var]
        mean = sum(hourly) / 168
        hourly = [value / mean for value in hourly]
        for hour in range(168):  # each half hour leans a quarter towards the hour next to it
            before, here, after = hourly[hour - 1], hourly[hour], hourly[(hour + 1) % 168]
            self.shape[2 * hour] = 0.75 * here + 0.25 * before
            self.shape[2 * hour + 1] = 0.75 * here + 0.25 * after
            self.variance[2 * hour] = self.variance[2 * hour + 1] = variance[hour]
        lowest = min(range(SLOTS), key=self.shape.__getitem__)
        self._lowest, self._lowest_variance = self.shape[lowest], self.variance[lowest]

    def saved(self) -> dict[str, Any]:
        """Plain numbers, about 2 kB. The shape is built anew first, so that what resumes equals what goes on."""
        self._build()
        return {
            "level": _short([self._calls, self._hours]),
            "seen": [_short(row) for row in self._seen],
            "flat": [_short(row) for row in self._flat],
            "days": [_short(self._day_seen), _short(self._day_expected)],
            "blocks": [_short(row) for row in self._blocks],
            "block": _short(self._block),
            "ages": _short([self._since_built, self._since_faded]),
        }

    @classmethod
    def restored(cls, saved: Any) -> Profile:
        """From ``saved()``. Raises ValueError for anything else."""
        if not isinstance(saved, dict):
            raise ValueError("not a profile")
        profile = cls()
        big = 1e8
        profile._calls, profile._hours = numbers(saved.get("level"), 2, 0.0, big)
        profile._seen = [numbers(row, 24, 0.0, big) for row in _rows(saved.get("seen"), 2, 2)]
        profile._flat = [numbers(row, 24, 0.0, big) for row in _rows(saved.get("flat"), 2, 2)]
        profile._day_seen, profile._day_expected = (numbers(row, 7, 0.0, big) for row in _rows(saved.get("days"), 2, 2))
        profile._blocks = [numbers(row, 2, 0.0, big) for row in _rows(saved.get("blocks"), 0, UP_BLOCKS)]
        if any(expected < 1e-6 for _, expected in profile._blocks):
            raise ValueError("a day without calls expected")
        profile._block = numbers(saved.get("block"), 4, 0.0, big)
        if profile._calls > 0.0 and not profile._hours >= 1e-6:
            raise ValueError("calls in no time")
        ages = numbers(saved.get("ages"), 2, 0.0, 1e4)
        profile._build()
        profile._since_built, profile._since_faded = ages
        return profile


def _shrunk(
    seen: Sequence[float],
    flat: Sequence[float],
    towards: Sequence[float],
    towards_variance: Sequence[float],
    weights: Sequence[float],
    prior: float,
) -> tuple[list[float], list[float]]:
    """Each hour's shape as a ratio to a coarser one, from its neighbours, held back by ``prior`` calls; variances."""
    shape, variance = [], []
    reach = len(weights) - 1
    for hour in range(24):
        count = expected = 0.0
        for step in range(-reach, reach + 1):
            weight = weights[abs(step)]
            there = (hour + step) % 24
            count += weight * seen[there]
            expected += weight * flat[there] * towards[there]
        shape.append(towards[hour] * (count + prior) / (expected + prior))
        held = prior / (expected + prior)
        variance.append(1.0 / (expected + prior) + held * held * towards_variance[hour])
    return shape, variance


def _short(values: Sequence[float]) -> list[float]:
    return [float(f"{value:.10g}") for value in values]


def _rows(value: Any, least: int, most: int) -> list[Any]:
    if not isinstance(value, list) or not least <= len(value) <= most:
        raise ValueError("not that many rows")
    return value
