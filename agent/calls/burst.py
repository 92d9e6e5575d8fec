"""How bursty a stream's calls are, and so how long a gap must be before it means silence. Pure.

Gaps are counted in expected calls, so that under a plain Poisson stream they are exponential with mean 1 and the
threshold for one false alarm in N gaps is ln N (outages.md section 7). Real calls come in bursts (one fire, five
callers): the gaps between bursts are longer by the burst's mean size. So the tail of the gaps is fitted as an
exponential of mean ``beta`` on what exceeds each of ``LEVELS``, each level shrunk towards the one below it and the
lowest towards ``BETA_0``; and days differ (``cv``), which is a gamma mixture: ``h' = m (e^(h/m) - 1)`` with
``m = 1 / cv**2``. With the two priors the threshold starts at 1.3 ln N, the design's figure.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

LEVELS = (1.5, 2.5, 3.5, 5.0)  # expected calls
BETA_0 = 1.2  # mean excess at the start: with CV_0 this gives about 1.3 ln N
CV_0 = 0.10  # day-to-day coefficient of variation at the start
KEPT_H = 20 * 168.0  # e-folding time of what is remembered
TAIL_PRIOR = 30.0  # exceedances' worth of belief in the level below
EXTRAPOLATION_PRIOR = 70.0
HOURS_PRIOR = 100.0
BETA_RANGE = (1.0, 3.0)
PHI_RANGE = (1.0, 6.0)
CV_MAX = 0.35
FLOOR = 1.05  # never below this times ln N: fewer gaps than Poisson would have are luck, or calls merged into one


def inflated(h: float, one_over_m: float) -> float:
    """The threshold that keeps its false alarms when the rate is only known as well as from m calls.

    ``P(gap > x)`` is then ``(1 + x/m)**-m``, and the threshold ``m (e**(h/m) - 1)``; ``math.inf`` past reason.
    """
    if one_over_m <= 1e-9:
        return h
    power = h * one_over_m
    return math.inf if power > 50.0 else (math.exp(power) - 1.0) / one_over_m


class Burst:
    """The fit. All counts fade with ``KEPT_H``."""

    __slots__ = ("_above", "_days", "_excess", "_gaps", "_hours")

    def __init__(self) -> None:
        self._gaps = 0.0
        self._above = [0.0] * len(LEVELS)
        self._excess = [0.0] * len(LEVELS)
        self._hours = [0.0, 0.0, 0.0]  # sums of squared deviation, of expected, of expected squared
        self._days = [0.0, 0.0, 0.0, 0.0]  # the same, and how many

    def gap(self, expected: float) -> None:
        """A gap that a call ended, in expected calls."""
        self._gaps += 1.0
        if expected <= LEVELS[0]:
            return
        for index, level in enumerate(LEVELS):
            if expected <= level:
                break
            self._above[index] += 1.0
            self._excess[index] += min(expected, 40.0) - level

    def hour(self, calls: float, expected: float) -> None:
        """A block of about an hour."""
        _moments(self._hours, calls, expected, self.phi)

    def day(self, calls: float, expected: float) -> None:
        """A block of about a day."""
        _moments(self._days, calls, expected, self.phi)
        self._days[3] += 1.0

    def fade(self, hours: float) -> None:
        """``hours`` have gone by."""
        keep = math.exp(-hours / KEPT_H)
        self._gaps *= keep
        for sums in (self._above, self._excess, self._hours, self._days):
            for index in range(len(sums)):
                sums[index] *= keep

    @property
    def phi(self) -> float:
        """Variance over mean of hourly counts."""
        square, expected, _ = self._hours
        phi = (square + BETA_0 * HOURS_PRIOR) / (expected + HOURS_PRIOR)
        return min(max(phi, PHI_RANGE[0]), PHI_RANGE[1])

    @property
    def cv2(self) -> float:
        """Squared coefficient of variation from day to day, beyond what bursts explain."""
        square, expected, expected2, count = self._days
        if count < 1.0 or expected <= 0.0:
            return CV_0**2
        noise = self.phi * expected / expected2  # relative variance of a day's count from bursts alone
        prior_days = 2.0 * (noise + CV_0**2) ** 2 / CV_0**4
        seen = square / expected2 - noise
        cv2 = (seen * count + prior_days * CV_0**2) / (count + prior_days)
        return min(max(cv2, 0.0), CV_MAX**2)

    def threshold(self, log_n: float) -> float:
        """Expected calls whose excess by a gap is one in e**``log_n`` gaps, at a rate known exactly."""
        above_before, gaps_before = self._gaps, self._gaps
        survival, beta, level_before = 1.0, BETA_0, 0.0
        for index, level in enumerate(LEVELS):
            usual = math.exp(-(level - level_before) / beta) / (beta if index == 0 else 1.0)
            survival *= (self._above[index] + TAIL_PRIOR * usual) / (above_before + TAIL_PRIOR)
            weight = self._above[index] + TAIL_PRIOR
            beta = (self._excess[index] + TAIL_PRIOR * beta) / weight
            beta = min(max(beta, BETA_RANGE[0]), BETA_RANGE[1])
            above_before, gaps_before, level_before = self._above[index], weight, level
        beyond = max(0.0, log_n + math.log(survival))
        h = level_before + beta * inflated(beyond, 1.0 / (gaps_before + EXTRAPOLATION_PRIOR))
        return max(h, FLOOR * log_n)

    def saved(self) -> list[float]:
        """Plain numbers."""
        flat = [self._gaps, *self._above, *self._excess, *self._hours, *self._days]
        return [float(f"{value:.10g}") for value in flat]

    @classmethod
    def restored(cls, saved: Any) -> Burst:
        """From ``saved()``. Raises ValueError for anything else."""
        burst = cls()
        count = len(LEVELS)
        flat = numbers(saved, 1 + 2 * count + 7, 0.0, 1e9)
        burst._gaps = flat[0]
        burst._above, burst._excess = flat[1 : 1 + count], flat[1 + count : 1 + 2 * count]
        burst._hours, burst._days = flat[1 + 2 * count : 4 + 2 * count], flat[4 + 2 * count :]
        tails = [burst._gaps, *burst._above]
        if any(after > before * 1.000001 + 1e-9 for before, after in pairwise(tails)):
            raise ValueError("more gaps above a level than in all")
        if burst._days[3] > 0 and burst._days[2] <= 0:
            raise ValueError("days without calls expected")
        return burst

    def told(self) -> Mapping[str, float]:
        """For status: over-dispersion, day CV and the tail's mean excess at the highest level."""
        top = (self._excess[-1] + TAIL_PRIOR * BETA_0) / (self._above[-1] + TAIL_PRIOR)
        return {"phi": round(self.phi, 2), "day_cv": round(math.sqrt(self.cv2), 3), "tail": round(top, 2)}


def _moments(sums: list[float], calls: float, expected: float, phi: float) -> None:
    # A storm's tenfold calls say nothing of silences: what deviates is held to what a common day could be.
    bound = 0.5 * expected + 3.0 * math.sqrt(phi * expected)
    off = min(max(calls - expected, -bound), bound)
    sums[0] += off * off
    sums[1] += expected
    sums[2] += expected * expected


def numbers(value: Any, count: int, low: float, high: float) -> list[float]:
    """``value`` as ``count`` finite numbers within bounds. Raises ValueError."""
    if not isinstance(value, list) or len(value) != count:
        raise ValueError("not that many numbers")
    for item in value:
        if isinstance(item, bool) or not isinstance(item, int | float) or not low <= item <= high:
            raise ValueError("not a number within bounds")
    return [float(item) for item in value]
