"""Arrivals for the silence detector: the real ones of tests/data/arrivals, and simulated ones with their burstiness.

All times are seconds from the start, in site-local time without daylight saving (the fire counts have none left that
can be told). Every draw comes from a seed that is printed.
"""

from __future__ import annotations

import csv
import gzip
import math
import random
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

DATA = Path(__file__).parent.parent / "data" / "arrivals"
HOUR_S = 3600
DAY_S = 86_400
YEAR_S = 8766 * HOUR_S
FIRE_DAYS = 1461  # years 2 to 5: 365, 366, 365, 365
YEAR_STARTS = {2: 0, 3: 365, 4: 731, 5: 1096}
# 2019 to 2022 is one calendar in which the third year is the leap year; which years they were is not told.
START_UTC_S = datetime(2019, 1, 1, tzinfo=UTC).timestamp()


@cache
def fire_counts() -> dict[int, int]:
    """Dispatches by hour since the start of year 2; hours without a row are absent."""
    counts = {}
    with gzip.open(DATA / "seattle-fire-hourly-years-1-5.csv.gz", "rt") as file:
        for row in csv.DictReader(file):
            year = int(row["year_index"])
            if year in YEAR_STARTS:
                day = YEAR_STARTS[year] + int(row["day_of_year"]) - 1
                counts[day * 24 + int(row["hour"])] = int(row["calls"])
    return counts


@cache
def fire_gaps() -> tuple[int, ...]:
    """The hours declared as gaps in the feed: tests/data/arrivals/feed-gaps.csv."""
    with (DATA / "feed-gaps.csv").open() as file:
        rows = csv.DictReader(line for line in file if not line.startswith("#"))
        return tuple(
            (YEAR_STARTS[int(row["year_index"])] + int(row["day_of_year"]) - 1) * 24 + int(row["hour"]) for row in rows
        )


def implausible_hours() -> list[int]:
    """Hours without a row whose absence chance does not explain, and those that lie in one run with such an hour.

    Implausible: over the four years fewer than 0.1 hours like it (that hour of the day) would be empty by chance,
    at the over-dispersion of the hourly counts, or of two or more empty hours in a row fewer than 0.1 such runs.
    """
    counts = fire_counts()
    mean = [sum(counts.get(d * 24 + h, 0) for d in range(FIRE_DAYS)) / FIRE_DAYS for h in range(24)]
    missing = [t for t in range(FIRE_DAYS * 24) if t not in counts]
    runs: list[list[int]] = []
    for hour in missing:
        if runs and runs[-1][-1] == hour - 1:
            runs[-1].append(hour)
        else:
            runs.append([hour])
    phi = 1.23
    return [t for run in runs if FIRE_DAYS * math.exp(-sum(mean[t % 24] for t in run) / phi) < 0.1 for t in run]


def fire_times(seed: int, per_h: float, copies: int) -> tuple[list[float], list[tuple[float, float]]]:
    """Years 2 to 5 as arrival times, uniform within their hours, ``copies`` laid over each other each a week further
    (around the end), thinned to ``per_h`` (0: not); and the feed's gaps as (from, to), of every copy."""
    rng = random.Random(seed)
    counts, span = fire_counts(), FIRE_DAYS * 24
    keep = 1.0 if per_h == 0 else per_h * span / (sum(counts.values()) * copies)
    times: list[float] = []
    gaps = set()
    for copy in range(copies):
        shift = copy * 168
        gaps |= {(hour + shift) % span for hour in fire_gaps()}
        for hour, count in counts.items():
            start = (hour + shift) % span * HOUR_S
            times += [start + rng.random() * HOUR_S for _ in range(count) if keep >= 1.0 or rng.random() < keep]
    times.sort()
    joined: list[tuple[float, float]] = []
    for hour in sorted(gaps):
        if joined and joined[-1][1] == hour * HOUR_S:
            joined[-1] = (joined[-1][0], (hour + 1) * HOUR_S)
        else:
            joined.append((hour * HOUR_S, (hour + 1) * HOUR_S))
    return times, joined


@dataclass(frozen=True, slots=True)
class Bursts:
    """A cluster process: geometric clusters of mean ``size``, offsets exponential with mean ``spread_s``; days vary."""

    size: float
    spread_s: float
    day_cv: float
    told: str = ""


def police_dispersion() -> dict[int, float]:
    """Variance over mean of police counts by window in minutes, against hour of day and the days around."""
    with gzip.open(DATA / "seattle-police-2015-jan-aug.csv.gz", "rt") as file:
        next(file)
        start = datetime(2015, 1, 1)  # noqa: DTZ001  # local time as told
        minutes = [int((datetime.fromisoformat(line.strip()) - start).total_seconds() // 60) for line in file]
    days = max(minutes) // 1440
    by_day, by_hour = Counter(m // 1440 for m in minutes), Counter(m // 60 % 24 for m in minutes)
    level = {d: sum(by_day[j] for j in range(d - 14, d + 15) if j != d) / 28 for d in range(14, days - 14)}
    found = {}
    for window in (1, 2, 5, 10, 15):
        counts = Counter(m // window for m in minutes)
        square = mean = 0.0
        for day, usual in level.items():
            for part in range(1440 // window):
                hour = part * window // 60
                if hour in (12, 20) or day in (27, 28):
                    continue
                e = usual * by_hour[hour] / len(minutes) * window / 60
                square += (counts[day * (1440 // window) + part] - e) ** 2
                mean += e
        found[window] = square / mean
    return found


@cache
def fitted() -> Bursts:
    """Burstiness of the real data: the larger of police within minutes and fire within hours; day CV of fire's counts.

    Variance over mean rises with the window as phi + slow x expected: its value at no window is the bursts' own.
    For geometric clusters of mean c it is 2c - 1.
    """
    found = police_dispersion()
    n = len(found)
    mx, my = sum(found) / n, sum(found.values()) / n
    slope = sum((w - mx) * (v - my) for w, v in found.items()) / sum((w - mx) ** 2 for w in found)
    police_phi = my - slope * mx
    fire_phi, day_cv = _fire_dispersion()
    phi = max(police_phi, fire_phi)
    told = f"phi police {police_phi:.3f} (window to 0), fire {fire_phi:.3f} (hourly)"
    return Bursts(round((phi + 1) / 2, 3), 300.0, round(day_cv, 3), told)


def _fire_dispersion() -> tuple[float, float]:
    counts, gaps = fire_counts(), set(fire_gaps())
    mean = [sum(counts.get(d * 24 + h, 0) for d in range(FIRE_DAYS)) / FIRE_DAYS for h in range(24)]
    total = sum(mean)
    days = [sum(counts.get(d * 24 + h, 0) for h in range(24)) for d in range(FIRE_DAYS)]
    whole = [d for d in range(FIRE_DAYS) if not any(d * 24 + h in gaps for h in range(24))]
    square = expect = dsquare = dexpect = dexpect2 = 0.0
    for d in whole:
        near = [days[j] for j in range(max(0, d - 14), min(FIRE_DAYS, d + 15)) if j != d]
        level = sum(near) / len(near)
        dsquare += (days[d] - level) ** 2
        dexpect += level
        dexpect2 += level * level
        for h in range(24):
            e = level * mean[h] / total
            square += (counts.get(d * 24 + h, 0) - e) ** 2
            expect += e
    # Two equations: hourly square/expect = phi + cv2 x mean hourly e; daily = phi + cv2 x mean daily e.
    hourly, daily = square / expect, dsquare / dexpect
    e_h = dexpect2 / dexpect * sum(m * m for m in mean) / total**2
    e_d = dexpect2 / dexpect
    cv2 = max(0.0, (daily - hourly) / (e_d - e_h))
    return hourly - cv2 * e_h, math.sqrt(cv2)


@cache
def fire_shape() -> tuple[float, ...]:
    """Hour of day over the mean, 24 values."""
    counts = fire_counts()
    mean = [sum(counts.get(d * 24 + h, 0) for d in range(FIRE_DAYS)) for h in range(24)]
    return tuple(24 * m / sum(mean) for m in mean)


def simulated_year(seed: int, per_h: float, bursts: Bursts, days: int = 366) -> list[float]:
    """One year of arrivals: days gamma with ``day_cv``, the day's shape that of the fire data, clusters."""
    rng = random.Random(seed)
    shape = fire_shape()
    times: list[float] = []
    k = 1.0 / bursts.day_cv**2 if bursts.day_cv > 0 else 0.0
    grow = 1.0 - 1.0 / bursts.size
    for day in range(days):
        factor = rng.gammavariate(k, 1.0 / k) if k else 1.0
        for hour in range(24):
            begin, rate = (day * 24 + hour) * HOUR_S, per_h * shape[hour] * factor / bursts.size / HOUR_S
            at = begin + rng.expovariate(rate)
            while at < begin + HOUR_S:
                times.append(at)
                while grow > 0.0 and rng.random() < grow:
                    times.append(at + rng.expovariate(1.0 / bursts.spread_s))
                at += rng.expovariate(rate)
    times.sort()
    return times


def between(times: list[float], start: float, end: float) -> Iterator[float]:
    """Those in [start, end)."""
    for index in range(bisect_left(times, start), len(times)):
        if times[index] >= end:
            return
        yield times[index]
