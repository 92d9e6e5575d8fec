"""Data without voice on simulated calls: callers to the alarm beside the bound, false alarms a year, p learned."""

from __future__ import annotations

import math
import random

from agent.calls.facts import Ended
from agent.calls.voice import HOURS_A_YEAR, PRIOR_ABANDONED, PRIOR_DURATION, Voice
from tests.bench.rows import Row

NS = 1_000_000_000
PER_YEAR = 1.0


def interval(count: int) -> tuple[float, float]:
    """The exact 95 % interval of a Poisson mean, by bisection of its sums."""

    def tail(mean: float, most: int) -> float:
        term = total = math.exp(-mean)
        for k in range(1, most + 1):
            term *= mean / k
            total += term
        return total

    def solve(most: int, wanted: float) -> float:
        low, high = 0.0, 10.0 * (count + 5)
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (middle, high) if tail(middle, most) > wanted else (low, middle)
        return low

    return (0.0 if count == 0 else solve(count - 1, 0.975)), solve(count, 0.025)


def call(number: int, rng: random.Random, p: float, abandoned: bool) -> Ended:
    """One call's end; of those without a talk some are abandoned where the switch says so."""
    talked = rng.random() >= p
    talk_s = 20.0 + rng.expovariate(1 / 90) if talked else rng.uniform(0, 19)
    gone = not talked and abandoned
    key = f"{rng.randrange(1 << 40):016x}"
    return Ended(number, number * NS, ("all",), True, not gone, None if gone else talk_s, gone or None, key)


def learned(p: float, prior: float, rate: float, rng: random.Random, calls: int) -> Voice:
    """A judge that has listened to so many calls."""
    voice = Voice(20.0, prior, PER_YEAR, rate)
    for number in range(calls):
        voice.ended(call(number, rng, p, prior < 0.2))
    return voice


def delay(p: float, prior: float, rate: float, rng: random.Random) -> tuple[int, int]:
    """Callers from the loss of voice to the alarm, and the bound ceil(ln N / ln(1/p)) of the true p."""
    voice = learned(p, prior, rate, rng, 3000)
    callers = 0
    voice.ended(Ended(0, 0, ("all",), True, True, 60.0, None, None))  # the last good talk
    while not voice.alarm:
        callers += 1
        voice.ended(call(callers, rng, 1.0, prior < 0.2))
    return callers, math.ceil(math.log(rate * HOURS_A_YEAR / PER_YEAR) / math.log(1 / p))


def false_alarms(p: float, prior: float, rate: float, years: float, rng: random.Random) -> int:
    """Alarms in so many years of calls with nothing wrong."""
    voice, count, standing = Voice(20.0, prior, PER_YEAR, rate), 0, False
    for number in range(int(years * rate * HOURS_A_YEAR)):
        voice.ended(call(number, rng, p, prior < 0.2))
        count += voice.alarm and not standing
        standing = voice.alarm
    return count


def measure(quick: bool, seed: int) -> list[Row]:
    """Rows for p = 0.08 and 0.38 at 2 and 20 calls an hour, and p learned from elsewhere."""
    rows = []
    for p, prior in ((0.08, PRIOR_ABANDONED), (0.38, PRIOR_DURATION)):
        for rate in (2.0, 20.0):
            rng = random.Random(f"{seed} {p} {rate}")
            callers, bound = delay(p, prior, rate, rng)
            years = (40 if rate < 10 else 4) / (10 if quick else 1)
            count = false_alarms(p, prior, rate, years, rng)
            low, high = (one / years for one in interval(count))
            what = f"data without voice, p = {p}, {rate:g} calls/h"
            rows.append(
                Row(f"{what}: callers to the alarm", f"<= {bound}", f"{callers}", callers <= bound, f"seed {seed}")
            )
            told = f"{count / years:.2f} a year (95 %: {low:.2f} to {high:.2f})"
            rows.append(
                Row(f"{what}: false alarms", "<= 1 a year", told, count / years <= 1, f"{years:g} years, seed {seed}")
            )
    for true, prior in ((0.10, PRIOR_DURATION), (0.5, PRIOR_ABANDONED)):
        voice = learned(true, prior, 10.0, random.Random(seed), 2000)
        rows.append(
            Row(f"p of {true} learned from a prior of {prior}", "within 20 %", f"{voice.p:.3f}",
                abs(voice.p - true) <= 0.2 * true, "2000 calls")
        )  # fmt: skip
    return rows
