"""The calls of a simulated centre in virtual time: when they arrive, what each link prints of them. Pure, from a seed.

Arrivals are a Poisson process with the day's course of a real fire dispatch (outages.md section 6) and small clusters.
A call's record on the data link comes as it rings, the switch's record when it is over.
"""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from agent.sim.calls import STREETS, call_record, number
from agent.sim.outages.story import Setting, Situation

# Calls by hour of the day over their mean: low 0.50 at 4, high 1.34 at 17 (Seattle Fire, 2,556 days).
SHAPE = (
    0.82, 0.72, 0.64, 0.55, 0.50, 0.53, 0.63, 0.80, 0.96, 1.06, 1.13, 1.19,
    1.23, 1.24, 1.25, 1.28, 1.32, 1.34, 1.32, 1.26, 1.19, 1.11, 1.02, 0.91,
)  # fmt: skip
CLUSTER, CLUSTER_S = 1.12, 300.0
"""Mean calls of one happening, and how long they are spread: fitted to police and fire data (tests/bench/arrivals)."""
CLASSES: Mapping[str, tuple[str, float]] = {
    "wireless": ("WRLS", 0.80),
    "landline": ("RESD", 0.12),
    "voip": ("VOIP", 0.08),
}
ABANDONED = 0.08
TALK_MEAN_S, TALK_SIGMA = 110.0, 0.7
CALL_BACK = 0.5
PRESSES = 0.9
MAX_WAITING = 4096


@dataclass(frozen=True, slots=True)
class Printed:
    """Bytes on a line at a time; ``button``: a position's no-voice button is pressed (and let go a second later)."""

    at_s: float
    line: str
    data: bytes
    button: int = 0


@dataclass(order=True, slots=True)
class _Due:
    at_s: float
    number: int
    caller: int
    attempt: int


class Calls:
    """One centre's calls. Times are seconds after the fault; ``world`` is looked at as each call arrives."""

    def __init__(self, site: Situation, start: datetime, world: Mapping[str, Setting], rng: random.Random) -> None:
        self._rate, self._start, self._world, self._rng = site.calls_per_hour, start, world, rng
        self._button, self._short = site.button, site.short
        self._due: list[_Due] = []
        self._count = 0
        self._out: list[tuple[float, int, Printed]] = []
        self.count = 0
        self.voiceless = 0

    def begin(self, at_s: float) -> None:
        """The first arrival after ``at_s``."""
        self._next_arrival(at_s)

    def next_s(self) -> float:
        """When something is next printed or a call next arrives."""
        first = self._due[0].at_s if self._due else math.inf
        return min(first, self._out[0][0] if self._out else math.inf)

    def take(self, now_s: float) -> Iterator[Printed]:
        """What is printed up to ``now_s``, in order."""
        while self.next_s() <= now_s:
            if self._due and (not self._out or self._due[0].at_s <= self._out[0][0]):
                self._arrive(heapq.heappop(self._due))
            else:
                yield heapq.heappop(self._out)[2]

    # -- arrivals ------------------------------------------------------------------------------------------------

    def _rate_at(self, at_s: float) -> float:
        hour = (self._start + timedelta(seconds=at_s)).astimezone(self._start.tzinfo)
        return self._rate * SHAPE[hour.hour] / CLUSTER / 3600.0

    def _next_arrival(self, after_s: float) -> None:
        """By thinning: the process's rate never exceeds the surge's highest (``calls.arrive`` up to 20)."""
        most = self._rate * max(SHAPE) * max(1.0, self._number("calls.arrive")) / CLUSTER / 3600.0
        at_s = after_s + self._rng.expovariate(most)
        self._push(at_s, self._rng.randrange(60_000), attempt=0)

    def _push(self, at_s: float, caller: int, attempt: int) -> None:
        if len(self._due) < MAX_WAITING:
            self._count += 1
            heapq.heappush(self._due, _Due(at_s, self._count, caller, attempt))

    def _number(self, name: str) -> float:
        return float(self._world[name])

    def _arrive(self, due: _Due) -> None:
        rng = self._rng
        if due.attempt == 0:
            self._next_arrival(due.at_s)
            surge = max(1.0, self._number("calls.arrive"))
            most = self._rate * max(SHAPE) * surge / CLUSTER / 3600.0
            if rng.random() >= self._rate_at(due.at_s) * self._number("calls.arrive") / most:
                return
            while rng.random() < 1.0 - 1.0 / CLUSTER:
                self._push(due.at_s + rng.expovariate(1.0 / CLUSTER_S), rng.randrange(60_000), attempt=1)
        elif rng.random() >= min(1.0, self._number("calls.arrive")):
            return
        kind = rng.choices(list(CLASSES), [share for _, share in CLASSES.values()])[0]
        if rng.random() < min(1.0, self._number(f"calls.{kind}")):
            self._call(due, kind)

    # -- one call ------------------------------------------------------------------------------------------------

    def _call(self, due: _Due, kind: str) -> None:
        rng, at_s = self._rng, due.at_s
        self.count += 1
        position = 1 + self.count % 4
        if rng.random() < self._number("calls.data"):
            self._print(at_s + 2.0, "ali-a", self._ali(due.caller, position, at_s, kind))
        voice = rng.random() < self._number("calls.voice")
        answered = rng.random() < self._number("calls.answered")
        took_s = self._talk_s(answered=answered, voice=voice)
        rings_s = 4.0 + rng.expovariate(1 / 4.0)
        ends_s = at_s + rings_s + took_s
        if rng.random() < self._number("calls.records"):
            when = self._local(ends_s)
            record = call_record(self.count, due.caller, position, when, round(took_s))
            self._print(ends_s, "smdr", record)
        if voice and answered:
            return
        self.voiceless += 1
        if self._button and answered and rng.random() < PRESSES:
            self._print(at_s + rings_s + min(took_s, 8.0), "contacts", b"", button=position)
        redials = self._number("calls.redial")
        if due.attempt < 6 and rng.random() < redials / (1.0 + redials):
            self._push(ends_s + rng.uniform(5.0, 60.0), due.caller, due.attempt + 1)

    def _talk_s(self, *, answered: bool, voice: bool) -> float:
        rng = self._rng
        if not answered:
            return 0.0
        if not voice:
            return rng.uniform(3.0, 15.0)
        if rng.random() < ABANDONED:
            return rng.uniform(0.0, 6.0)
        if rng.random() < self._short:
            return rng.uniform(6.0, 19.0)
        talk_s = rng.lognormvariate(math.log(TALK_MEAN_S), TALK_SIGMA)
        return max(2.0, min(3600.0, talk_s if talk_s >= 20.0 else 21.0) * self._number("calls.talk"))

    def _print(self, at_s: float, line: str, data: bytes, button: int = 0) -> None:
        if len(self._out) < MAX_WAITING:
            self._count += 1
            heapq.heappush(self._out, (at_s, self._count, Printed(at_s, line, data, button)))

    def _local(self, at_s: float) -> datetime:
        return self._start + timedelta(seconds=at_s)

    def _ali(self, caller: int, position: int, at_s: float, kind: str) -> bytes:
        """As ``agent.sim.calls.ali_record``, with what may be missing left out."""
        rng, n = self._rng, number(caller)
        has_number = rng.random() < self._number("calls.number")
        has_place = rng.random() < self._number("calls.place")
        service = CLASSES[kind][0]
        if not has_number:
            n = "9110000000"[:3] + "9110000"
        lines = [f"({n[:3]}) {n[3:6]}-{n[6:]} {self._local(at_s):%H:%M %m%d}", "A MADE-UP RESIDENT"]
        if has_place:
            lines += [f"{1 + caller % 900} {STREETS[caller % len(STREETS)]}", "SPRINGFIELD MA"]
        else:
            lines = [lines[0], "NO RECORD FOUND"]
        lines.append(f"{service}  ESN 319")
        return f"\x021{position:02d}\r".encode() + "\r\n".join(lines).encode() + b"\r\n\x03"


def local_start(start: str, timezone: str) -> datetime:
    """A story's local start. Raises ValueError."""
    return datetime.fromisoformat(start).replace(tzinfo=ZoneInfo(timezone))


def utc_s(at: datetime) -> float:
    return at.astimezone(UTC).timestamp()
