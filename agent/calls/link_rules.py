"""The detectors of one ALI link: queries without an answer, a side gone quiet, a heartbeat that stays out. Pure.

Each is told what was seen and when; none keeps more than a bounded few things. The figures stand here with the reason
why they do not cry wolf.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from typing import Literal

NS = 1_000_000_000
Side = Literal["a", "b"]
OTHER: dict[Side, Side] = {"a": "b", "b": "a"}

ANSWER_S = 10.0
"""A host that is there answers within a few seconds, if only that it has no record."""
MISSED_QUERIES, MISSED_CALLERS = 3, 2
MISSED_OF_ONE = 5
"""Three queries in a row without any answer on the link, of two callers at least; or five of one caller.

A query asked again within ``ANSWER_S`` is the same one. Suppose that one in a thousand gets no answer of itself (noise
on our tap, a request lost): two callers in a row, then one query more, is 1e-9 a query, or once in 5,000 years at
20 calls an hour (175,000 a year). What one caller's position asks over and over is no independent evidence (his record
may hang in another system), hence five; any answer to anybody begins the count anew. Real loss of the link is told by
the third query at the latest by the second caller, at any call rate."""
PENDING_MAX = 64

PAIR_S = 5.0
"""The same record on both sides within so long is one event."""
SHARE_LEAST = 0.2
"""A side that carries less is a standby: its quiet is normal, and is not judged by records."""
EVENTS_LEARNED = 20
EVENTS_MEMORY = 500.0
SHARE_MOST = 0.98
MISSES_LEAST = 3

BEATS_LEARNED = 10
BEATS_FACTOR = 3
BEATS_MOST = 100


@dataclass(slots=True)
class Unanswered:
    """Queries that got no answer. ``ever``: one has been answered since the start."""

    pending: deque[tuple[int, str]] = field(default_factory=deque)
    missed: int = 0
    callers: set[str] = field(default_factory=set)
    ever: bool = False
    overflowed: int = 0

    @property
    def holds(self) -> bool:
        return self.missed >= (MISSED_QUERIES if len(self.callers) >= MISSED_CALLERS else MISSED_OF_ONE)

    @property
    def due_ns(self) -> int | None:
        """When the oldest query will have waited long enough."""
        return self.pending[0][0] if self.pending else None

    def asked(self, caller: str, now_ns: int) -> None:
        if any(caller == before for _, before in self.pending):
            return
        if len(self.pending) >= PENDING_MAX:
            self.overflowed += 1
            return
        self.pending.append((now_ns + int(ANSWER_S * NS), caller))

    def answered(self) -> None:
        self.ever = True
        self.forget()
        self.missed = 0
        self.callers.clear()

    def forget(self) -> None:
        """What was asked can't be judged: an answer was damaged, or we were deaf."""
        self.pending.clear()

    def expire(self, now_ns: int) -> None:
        while self.pending and self.pending[0][0] <= now_ns:
            caller = self.pending.popleft()[1]
            self.missed = min(self.missed + 1, 1000)
            if len(self.callers) < MISSED_CALLERS:
                self.callers.add(caller)


@dataclass(slots=True)
class Share:
    """How much of a link's records one side carries as a rule, and how many it has missed since it last had one."""

    misses: int = 0
    heard: float = 0.0
    weight: float = 0.0
    quiet: bool = False

    @property
    def share(self) -> float:
        """Careful at first: two misses are supposed before any is seen."""
        return min(self.heard / (self.weight + 2), SHARE_MOST)

    @property
    def judged(self) -> bool:
        return self.weight >= EVENTS_LEARNED and self.share >= SHARE_LEAST

    def limit(self, events_a_year: float) -> int:
        """So many misses in a row come by chance once a year: n = ln(2 N) / ln(1 / (1 - share))."""
        chance = math.log(max(2 * events_a_year, 10.0)) / -math.log(1 - max(self.share, SHARE_LEAST))
        return max(MISSES_LEAST, math.ceil(chance))

    def event(self, *, heard: bool, events_a_year: float) -> None:
        if not heard:
            self.misses = min(self.misses + 1, 10_000)
            self.quiet = self.quiet or (self.judged and self.misses >= self.limit(events_a_year))
            return
        if not self.quiet:  # the fault itself is not learned
            self.heard += 1
            self.weight += self.misses + 1
            if self.weight > EVENTS_MEMORY:
                self.heard *= EVENTS_MEMORY / self.weight
                self.weight = EVENTS_MEMORY
        self.misses, self.quiet = 0, False


@dataclass(slots=True)
class Sides:
    """Whether records that come on one side of a link have stopped to come on the other.

    Both sides may carry every record, or each about half; which it is, is learned as each side's share.
    """

    shares: dict[Side, Share] = field(default_factory=lambda: {"a": Share(), "b": Share()})
    open: deque[tuple[int, Side, str]] = field(default_factory=deque)

    @property
    def due_ns(self) -> int | None:
        return self.open[0][0] if self.open else None

    def saw(self, side: Side, key: str, now_ns: int, events_a_year: float) -> bool:
        """A record came on ``side``. Whether it is the second copy of one that came on the other."""
        own = self.shares[side]
        if own.quiet:
            own.misses, own.quiet = 0, False
        for at, (_, before, other_key) in enumerate(self.open):
            if before == OTHER[side] and other_key == key:
                del self.open[at]
                self._event(None, events_a_year)
                return True
        self.open.append((now_ns + int(PAIR_S * NS), side, key))
        if len(self.open) > PENDING_MAX:
            self._event(self.open.popleft()[1], events_a_year)
        return False

    def expire(self, now_ns: int, events_a_year: float) -> None:
        while self.open and self.open[0][0] <= now_ns:
            self._event(self.open.popleft()[1], events_a_year)

    def forget(self) -> None:
        """One side can't be heard: what the other carries meanwhile is no evidence."""
        self.open.clear()
        for share in self.shares.values():
            share.misses = 0

    def _event(self, only: Side | None, events_a_year: float) -> None:
        for side, share in self.shares.items():
            share.event(heard=only in (None, side), events_a_year=events_a_year)


@dataclass(slots=True)
class Beats:
    """A side whose heartbeats have stopped while the other's go on, where the site file gives no interval.

    ``longest``: the most heartbeats of the other side between two of this one, as a rule.
    """

    own: int = 0
    since: int = 0
    longest: int = 1
    quiet: bool = False

    def beat(self) -> None:
        if not self.quiet and self.own:
            self.longest = min(max(self.longest, self.since), BEATS_MOST // BEATS_FACTOR)
        self.own = min(self.own + 1, BEATS_LEARNED)
        self.since, self.quiet = 0, False

    def other(self) -> None:
        self.since = min(self.since + 1, BEATS_MOST + 1)
        if self.own >= BEATS_LEARNED and self.since > BEATS_FACTOR * self.longest:
            self.quiet = True
