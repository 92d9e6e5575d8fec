"""False alarms and delay of the silence detector, on real arrivals and on simulated ones, beside the bound ln N / rate.

Delay: calls stop at a random second of each hour; how long until the alarm, in a copy of the detector as it then
stands. The bound is the time in which ln N calls would have been expected from there on (N calls a year, one false
alarm); ``least`` is one call less, the mean of the best detector at one false alarm a year. False alarms count from
the very start, the learning included.
"""

from __future__ import annotations

import copy
import math
import random
import time
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Any

from agent.calls.silence import Silence
from tests.bench import arrivals
from tests.bench.arrivals import DAY_S, HOUR_S, START_UTC_S, YEAR_S
from tests.bench.rows import Row

NS = 1_000_000_000
REAL = ((2.0, 1), (5.0, 1), (0.0, 1), (20.0, 2), (50.0, 5))  # calls an hour (0: as they are), copies laid over
SIMULATED = (2.0, 5.0, 10.0, 20.0, 50.0)
FULL_YEARS, QUICK_YEARS = 20, 1
HARSH = arrivals.Bursts(1.3, 300.0, 0.10, "outages.md section 7, harsher than these data")


@dataclass(slots=True)
class Run:
    """What came of one stream of arrivals."""

    calls: int = 0
    years: float = 0.0
    able_after_h: float | None = None
    alarms: list[float] = field(default_factory=list)
    delays: dict[int, list[tuple[float, float, float]]] = field(default_factory=dict)  # hour: (delay, bound, least)
    threshold: float = 0.0
    told: dict[str, Any] = field(default_factory=dict)
    took_s: float = 0.0


def run(times: list[float], end_s: float, gaps: list[tuple[float, float]], stops: list[float], guess: float) -> Run:
    """A detector from its first minute through ``times``; ``stops`` are when calls are tried stopping."""
    result = Run(calls=len(times), years=(end_s - sum(b - a for a, b in gaps)) / YEAR_S)
    began = time.perf_counter()
    silence = Silence(["all"], "UTC", guess, 1.0, 0)
    silence.clock(0, START_UTC_S, True)
    events: list[tuple[float, int]] = [(a, 1) for a, _ in gaps] + [(b, 2) for _, b in gaps]
    events += [(s, 3) for s in stops]
    events.sort()
    events.append((end_s, 4))
    per_h = len(times) / (end_s / HOUR_S)
    position, due_ns, down = 0, silence.deadline(0) or 0, False
    for at, kind in events:
        upto = bisect_right(times, at)
        for arrival in times[position:upto]:
            now_ns = int(arrival * NS)
            while due_ns <= now_ns:
                look = silence.judge(due_ns)[0]
                if look.able and result.able_after_h is None:
                    result.able_after_h = due_ns / NS / HOUR_S
                if look.state == "d" and not down:
                    result.alarms.append(due_ns / NS)
                down = look.state == "d"
                due_ns = silence.deadline(due_ns) or now_ns
            silence.call(("all",), now_ns)
            due_ns = silence.deadline(now_ns) or now_ns
            down = False
        position = upto
        now_ns = int(at * NS)
        if kind in (1, 2):
            silence.feed("all", kind == 2, now_ns)
            due_ns = silence.deadline(now_ns) or now_ns
        elif kind == 3:
            _stop(silence, now_ns, per_h, result)
    result.told = silence.status(int(end_s * NS))[0]
    result.threshold = silence.judge(int(end_s * NS))[0].threshold
    result.took_s = time.perf_counter() - began
    return result


def _stop(silence: Silence, now_ns: int, per_h: float, result: Run) -> None:
    """How long until the alarm if no call comes from here on; nothing if it alarms already or can't judge."""
    trial = copy.deepcopy(silence)
    due_ns = now_ns
    while True:
        look = trial.judge(due_ns)[0]
        if look.state == "d":
            break
        if not look.able and due_ns == now_ns:
            return
        due_ns = trial.deadline(due_ns) or due_ns
    if due_ns > now_ns:
        log_n = math.log(per_h * 8766)
        start = now_ns / NS
        bound, least = _time_for(start, log_n, per_h), _time_for(start, log_n - 1.0, per_h)
        hour = int(start // HOUR_S) % 24
        result.delays.setdefault(hour, []).append(((due_ns - now_ns) / NS, bound, least))


def _time_for(start: float, calls: float, per_h: float) -> float:
    """Seconds from ``start`` in which ``calls`` are expected."""
    shape, at, left = arrivals.fire_shape(), start, calls
    while True:
        end = (at // HOUR_S + 1) * HOUR_S
        rate = per_h * shape[int(at // HOUR_S) % 24] / HOUR_S
        if (end - at) * rate >= left:
            return at + left / rate - start
        left -= (end - at) * rate
        at = end


def stops(seed: int, end_s: float, gaps: list[tuple[float, float]], each: int, after_s: float) -> list[float]:
    """``each`` random moments in every hour of the day, from ``after_s`` on, none within two days of a feed gap."""
    rng = random.Random(seed)
    found: list[float] = []
    for hour in range(24):
        count = 0
        while count < each:
            day = rng.randrange(int(after_s // DAY_S), int(end_s // DAY_S) - 3)
            at = day * DAY_S + (hour + rng.random()) * HOUR_S
            if all(at < a - 2 * DAY_S or at > b + 2 * DAY_S for a, b in gaps):
                found.append(at)
                count += 1
    return found


def poisson_interval(count: int) -> tuple[float, float]:
    """Exact 95 % interval of a Poisson mean (Garwood), by bisection."""

    def at_most(mean: float, k: int) -> float:
        term = total = math.exp(-mean)
        for i in range(1, k + 1):
            term *= mean / i
            total += term
        return total

    def solve(k: int, tail: float) -> float:
        low, high = 0.0, 10.0 * (k + 5)
        for _ in range(80):
            middle = (low + high) / 2
            low, high = (middle, high) if at_most(middle, k) > tail else (low, middle)
        return low

    return (0.0 if count == 0 else solve(count - 1, 0.975), solve(count, 0.025))


def summary(runs: list[Run]) -> dict[str, Any]:
    """False alarms a year and delays of ``runs`` put together."""
    alarms, years = sum(len(r.alarms) for r in runs), sum(r.years for r in runs)
    low, high = poisson_interval(alarms)
    hours: dict[int, list[tuple[float, float, float]]] = {}
    for one in runs:
        for hour, delays in one.delays.items():
            hours.setdefault(hour, []).extend(delays)
    every = [d for delays in hours.values() for d in delays]
    calls_a_year = sum(r.calls for r in runs) / years
    flat_s = math.log(calls_a_year) / (calls_a_year / YEAR_S)
    mean = _mean([d for d, _, _ in every])
    # What the best detector with this one's own false alarms would need; half an alarm stands for none.
    own_s = (math.log(calls_a_year * years / max(alarms, 0.5)) - 1.0) / (calls_a_year / YEAR_S)
    return {
        "calls_per_h": round(calls_a_year / 8766, 2),
        "years": round(years, 2),
        "alarms": alarms,
        "per_year": round(alarms / years, 3),
        "per_year_95": [round(low / years, 3), round(high / years, 3)],
        "delay_min": round(mean[0] / 60, 1),
        "delay_95": [round((mean[0] - mean[1]) / 60, 1), round((mean[0] + mean[1]) / 60, 1)],
        "bound_min": round(flat_s / 60, 1),
        "bound_by_hour_mean_min": round(_mean([b for _, b, _ in every])[0] / 60, 1),
        "least_by_hour_mean_min": round(_mean([b for _, _, b in every])[0] / 60, 1),
        "least_at_own_alarms_min": round(own_s / 60, 1),
        "times_bound": round(mean[0] / flat_s, 3),
        "able_after_h": [round(r.able_after_h, 1) if r.able_after_h is not None else None for r in runs[:20]],
        "threshold": round(_mean([r.threshold for r in runs])[0], 2),
        "fit": {k: runs[-1].told[k] for k in ("phi", "day_cv", "tail")},
        "us_per_call": round(1e6 * sum(r.took_s for r in runs) / sum(r.calls for r in runs), 1),
        "hours": {
            f"{hour:02}": {
                "n": len(delays),
                "min": round(_mean([d for d, _, _ in delays])[0] / 60, 1),
                "plus_minus": round(_mean([d for d, _, _ in delays])[1] / 60, 1),
                "bound": round(_mean([b for _, b, _ in delays])[0] / 60, 1),
                "least": round(_mean([b for _, _, b in delays])[0] / 60, 1),
            }
            for hour, delays in sorted(hours.items())
        },
    }


def _mean(values: list[float]) -> tuple[float, float]:
    """Mean and half of its 95 % interval."""
    n = len(values)
    if n < 2:
        return (values[0] if values else math.nan), math.nan
    mean = sum(values) / n
    return mean, 1.96 * math.sqrt(sum((v - mean) ** 2 for v in values) / (n - 1) / n)


def measure(quick: bool, seed: int) -> list[Row]:
    """The rows: real arrivals, then simulated ones."""
    rows: list[Row] = []
    for per_h, copies in REAL:
        if quick and copies > 1:
            continue
        times, gaps = arrivals.fire_times(seed, per_h, copies)
        end = float(arrivals.FIRE_DAYS * DAY_S)
        when = stops(seed + 1, end, gaps, 5 if quick else 20, 60 * DAY_S)
        told = summary([run(times, end, gaps, when, (per_h or 10.0))])
        told |= {"seed": seed, "copies": copies}
        what = f"silence, real arrivals, {told['calls_per_h']}/h"
        rows += _rows(
            what, told, f"Seattle Fire, 4 years, {copies} laid over, {len(gaps)} feed gaps; goal is of simulated"
        )
    fit = arrivals.fitted()
    years = QUICK_YEARS if quick else FULL_YEARS
    for per_h in SIMULATED[1:3] if quick else SIMULATED:
        rows += simulated("fitted", per_h, fit, years, seed, quick)
    for per_h in () if quick else (2.0, 10.0):
        rows += simulated("harsher", per_h, HARSH, years // 2, seed, quick)
    return rows


def simulated(name: str, per_h: float, bursts: arrivals.Bursts, years: int, seed: int, quick: bool) -> list[Row]:
    """Separate years, each learning anew."""
    runs = []
    end = 366.0 * DAY_S
    for year in range(years):
        own = seed * 1009 + int(per_h) * 101 + year
        when = stops(own, end, [], 5 if quick else 2, 60 * DAY_S)
        runs.append(run(arrivals.simulated_year(own, per_h, bursts), end, [], when, per_h))
    told = summary(runs) | {
        "seeds": [seed * 1009 + int(per_h) * 101, years], "size": bursts.size, "spread_s": bursts.spread_s,
        "day_cv": bursts.day_cv, "fitted": bursts.told,
    }  # fmt: skip
    how = f"{name}: clusters {bursts.size}, day CV {bursts.day_cv}, {years} years each learning anew"
    return _rows(f"silence, simulated, {per_h:g}/h", told, how, judged=name == "fitted")


def _rows(what: str, told: dict[str, Any], how: str, judged: bool = False) -> list[Row]:
    low, high = told["per_year_95"]
    by_hour = " ".join(f"{hour}:{d['min']:g}±{d['plus_minus']:g}({d['bound']:g})" for hour, d in told["hours"].items())
    return [
        Row(
            f"{what}: false alarms a year", "<= 2 simulated",
            f"{told['per_year']:g} [{low:g}, {high:g}] ({told['alarms']} in {told['years']:g})",
            told["per_year"] <= 2.0 if judged else None, how, told,
        ),
        Row(
            f"{what}: mean delay", "<= 1.5 x ln N/rate at >= 10/h",
            f"{told['delay_min']:g} min [{told['delay_95'][0]:g}, {told['delay_95'][1]:g}], "
            f"bound {told['bound_min']:g} = {told['times_bound']:g} x; "
            f"the best at its own alarms {told['least_at_own_alarms_min']:g}",
            told["times_bound"] <= 1.5 if told["calls_per_h"] >= 9.5 else None,
            f"by hour, minutes (bound): {by_hour}",
        ),
    ]  # fmt: skip
