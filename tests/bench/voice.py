"""Data without voice and one-way audio on simulated calls: callers to the alarm beside the bound, false alarms a year.

Calls arrive by chance at an even rate and last as made up here: of those with no talk, where the switch records it, all
are abandoned; else they last under 20 s. The bound is ceil(ln N / ln(1/p)) with the true p and N = calls a year, one
false alarm a year. Each trial learns anew, so how well p is known counts.
"""

from __future__ import annotations

import copy
import math
import random

from agent.calls.facts import CalledBack, Ended
from agent.calls.voice import HOURS_A_YEAR, PRIOR_ABANDONED, PRIOR_DURATION, Voice
from tests.bench.rows import Row, percentile
from tests.bench.silence import poisson_interval

NS = 1_000_000_000
PER_YEAR = 1.0
LEARNED_CALLS = 4000
CALLED_BACK_USUAL, CALLED_BACK_BAD = 0.1, 0.8


class Calls:
    """Calls of a made-up centre. ``p``: how many have no talk; ``abandons``: whether the switch records those."""

    def __init__(self, seed: str, p: float, per_h: float, abandons: bool) -> None:
        self.rng = random.Random(seed)
        self.p, self.per_h, self.abandons = p, per_h, abandons
        self.at_s, self.number = 0.0, 0

    def next(self, p: float | None = None) -> Ended:
        """The next call's end."""
        rng = self.rng
        self.number += 1
        self.at_s += rng.expovariate(self.per_h / 3600.0)
        talked = rng.random() >= (self.p if p is None else p)
        talk_s = 20.0 + rng.lognormvariate(4.2, 0.8) if talked else rng.uniform(1.0, 19.0)
        gone = self.abandons and not talked
        key = f"{rng.getrandbits(48):012x}"
        ns = int(self.at_s * NS)
        return Ended(self.number, ns, ("all",), True, not gone, None if gone else talk_s, gone or None, key)


def judge(prior: float, per_h: float) -> Voice:
    """A new judge whose first guess of the rate is right."""
    return Voice(20.0, prior, PER_YEAR, per_h)


def callers(p: float, prior: float, per_h: float, seed: str, backs: bool = False) -> tuple[int, int, Voice]:
    """Callers from the loss of voice to the alarm, and the bound of the true p."""
    calls, voice = Calls(seed, p, per_h, prior < 0.2), judge(prior, per_h)
    for _ in range(LEARNED_CALLS):
        one = calls.next()
        voice.ended(one)
        if backs and calls.rng.random() < CALLED_BACK_USUAL:
            called_back(voice, one)
    while voice.run or voice.alarm:
        voice.ended(calls.next(0.0))
    count = 0
    while not voice.alarm and count < 1000:
        count += 1
        one = calls.next(1.0)
        voice.ended(one)
        if backs and calls.rng.random() < CALLED_BACK_BAD:
            called_back(voice, one)
    return count, math.ceil(math.log(per_h * HOURS_A_YEAR / PER_YEAR) / math.log(1 / p)), voice


def called_back(voice: Voice, one: Ended) -> None:
    """The dispatcher rings that number two minutes later."""
    voice.back(CalledBack(one.call, one.at_ns + 120 * NS, one.streams, one.caller_key or ""))


def false_alarms(p: float, prior: float, per_h: float, years: float, seed: str, backs: bool) -> tuple[int, int]:
    """Alarms in so many years of calls with nothing wrong, from the first call on: data without voice, one-way."""
    calls, voice, alarms, collapses = Calls(seed, p, per_h, prior < 0.2), judge(prior, per_h), 0, 0
    stands = collapsed = False
    for _ in range(int(years * per_h * HOURS_A_YEAR)):
        one = calls.next()
        voice.ended(one)
        if backs and calls.rng.random() < CALLED_BACK_USUAL:
            called_back(voice, one)
        alarms += voice.alarm and not stands
        collapses += voice.collapsed and not collapsed
        stands, collapsed = voice.alarm, voice.collapsed
    return alarms, collapses


def one_way_calls(per_h: float, seed: str) -> int:
    """Answered calls from the collapse (all 5 to 30 s) to the alarm, at p = 0.1."""
    calls, voice = Calls(seed, 0.1, per_h, False), judge(PRIOR_DURATION, per_h)
    for _ in range(1000):
        voice.ended(calls.next())
    trial, count = copy.deepcopy(voice), 0
    while not trial.collapsed and count < 1000:
        count += 1
        calls.at_s += 3600.0 / per_h
        ns = int(calls.at_s * NS)
        trial.ended(Ended(10_000 + count, ns, ("all",), True, True, calls.rng.uniform(5.0, 30.0), None, f"x{count}"))
    return count


def measure(quick: bool, seed: int) -> list[Row]:
    """The rows. Seeds are the given one with the row's own figures."""
    rows: list[Row] = []
    for p, prior in ((0.08, PRIOR_ABANDONED), (0.38, PRIOR_DURATION)):
        for per_h in (2.0, 20.0):
            rows += _delay_rows(p, prior, per_h, quick, seed)
            years = (0.5 if quick else 5.0) if per_h > 10 else (3.0 if quick else 50.0)
            rows += _false_rows(p, prior, per_h, years, seed)
    for true, prior in ((0.10, PRIOR_DURATION), (0.5, PRIOR_DURATION), (0.5, PRIOR_ABANDONED), (0.02, PRIOR_ABANDONED)):
        voice, calls = judge(prior, 5.0), Calls(f"{seed} learn {true} {prior}", true, 5.0, prior < 0.2)
        after: dict[int, float] = {}
        for number in range(1, 3001):
            voice.ended(calls.next())
            if number in (100, 300, 1000, 3000):
                after[number] = round(voice.p, 3)
        what = f"voice, p of {true} learned from a prior of {prior}"
        near = abs(after[3000] - true) <= max(0.2 * true, 0.01)
        rows.append(Row(what, "within 20 % after 3000 calls", f"after calls: {after}", near, f"seed {seed}"))
    return rows


def _delay_rows(p: float, prior: float, per_h: float, quick: bool, seed: int) -> list[Row]:
    trials = 10 if quick else 100
    rows = []
    for backs in (False, True):
        found = [callers(p, prior, per_h, f"{seed} {p} {per_h} {trial}", backs) for trial in range(trials)]
        counts, bound = [float(count) for count, _, _ in found], found[0][1]
        within = sum(count <= bound for count in counts)
        told = {"mean": sum(counts) / trials, "p95": percentile(counts, 0.95), "max": max(counts), "within": within}
        measured = (
            f"mean {told['mean']:.2f}, 95 % {told['p95']:.0f}, most {told['max']:.0f}; {within} of {trials} within"
        )
        what = f"voice, p = {p}, {per_h:g}/h, callers to the alarm"
        how = f"seeds {seed} {p} {per_h} 0..{trials - 1}"
        if backs:
            what += ", with call-backs seen"
            how += f"; {CALLED_BACK_USUAL:.0%} called back usually, {CALLED_BACK_BAD:.0%} in the outage"
        rows.append(Row(what, f"<= {bound}", measured, within >= 0.95 * trials, how, told))
    return rows


def _false_rows(p: float, prior: float, per_h: float, years: float, seed: int) -> list[Row]:
    rows = []
    plain = false_alarms(p, prior, per_h, years, f"{seed} false {p} {per_h}", backs=False)
    backed = false_alarms(p, prior, per_h, years, f"{seed} false {p} {per_h}", backs=True)
    names = ("data without voice", "one-way audio", "data without voice, call-backs seen (two tests)")
    for name, count in zip(names, (*plain, backed[0]), strict=True):
        low, high = (one / years for one in poisson_interval(count))
        measured = f"{count / years:.2f} [{low:.2f}, {high:.2f}] ({count} in {years:g})"
        what = f"voice, p = {p}, {per_h:g}/h, {name}: false alarms a year"
        goal = 2 if name == names[2] else 1
        rows.append(Row(what, f"<= {goal}", measured, count / years <= goal, f"seed {seed} false {p} {per_h}"))
    counts = [one_way_calls(per_h, f"{seed} one-way {per_h} {trial}") for trial in range(5)]
    if p > 0.2:
        mean = sum(counts) / len(counts)
        what = f"voice, {per_h:g}/h, one-way audio: answered calls to the alarm"
        rows.append(Row(what, "-", f"mean {mean:.1f}, most {max(counts)}", None, "all calls 5 to 30 s long, 5 trials"))
    return rows
