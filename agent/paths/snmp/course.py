"""Whether a level has collapsed against its own course: a firewall's sessions, the octets it forwards. Pure.

A collapse is sudden and unusual at once. Sudden: at most a fifth of the lowest of the ten minutes before, twice in a
row; the evening's decline takes hours. Unusual: at most half of the lowest that any half hour of the last day had; so
once a night was seen, no night like it is a collapse, nor is the end of a long transfer. What is low anyway is never
judged. The state is 48 numbers and the last ten minutes. While collapsed nothing is learned; after four hours it is
the course.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Literal

NS = 1_000_000_000
SUDDEN, UNUSUAL, RECOVERED = 0.2, 0.5, 0.4
JUST_NOW_S = 45.0
RECENT_S = 600.0
SPACING_S = 10.0
HALF_HOUR_S = 1800.0
HALVES = 48
AT_LEAST_S = 300.0
HOLD_S = 4 * 3600.0
LOW_IN_ROW = 2

Look = Literal["learning", "normal", "collapsed"]


@dataclass(slots=True)
class Course:
    """One level. ``floor``: a course below it is never judged; ``halves``: how many half hours must be known first."""

    floor: float
    halves: int = 0
    _recent: deque[tuple[int, float]] = field(default_factory=lambda: deque(maxlen=96))
    _lowest: deque[float] = field(default_factory=lambda: deque(maxlen=HALVES))
    _half: tuple[int, float] | None = None
    _low: int = 0
    _since_ns: int | None = None
    _was: float = 0.0

    @property
    def was(self) -> float:
        """The level it collapsed from."""
        return self._was

    def feed(self, level: float, now_ns: int) -> Look:
        """One level, not older than the last."""
        if self._since_ns is not None:
            return self._while_collapsed(level, now_ns)
        while self._recent and now_ns - self._recent[0][0] > (RECENT_S + JUST_NOW_S) * NS:
            self._recent.popleft()
        before = [(at, seen) for at, seen in self._recent if now_ns - at > JUST_NOW_S * NS]
        if not before or now_ns - before[0][0] < AT_LEAST_S * NS or len(self._lowest) < self.halves:
            self._learn(level, now_ns)
            return "learning"
        lowest = min(seen for _, seen in before)
        usual = min([lowest, *self._lowest])
        if usual >= self.floor and level <= lowest * SUDDEN and level <= usual * UNUSUAL:
            self._low += 1
            if self._low >= LOW_IN_ROW:
                self._since_ns, self._was = now_ns, lowest
                return "collapsed"
            return "normal"
        self._low = 0
        self._learn(level, now_ns)
        return "normal"

    def forget(self) -> None:
        """The device started anew: what came just before says nothing of what comes."""
        self._recent.clear()
        self._low, self._since_ns = 0, None

    def _while_collapsed(self, level: float, now_ns: int) -> Look:
        assert self._since_ns is not None
        over = now_ns - self._since_ns >= HOLD_S * NS
        if level <= self._was * RECOVERED and not over:
            return "collapsed"
        self.forget()
        if over:
            self._lowest.clear()
            self._half = None
        self._learn(level, now_ns)
        return "normal"

    def _learn(self, level: float, now_ns: int) -> None:
        if not self._recent or now_ns - self._recent[-1][0] >= SPACING_S * NS * 0.9:
            self._recent.append((now_ns, level))
        else:
            at, seen = self._recent[-1]
            self._recent[-1] = (at, min(seen, level))
        if self._half is None:
            self._half = (now_ns, level)
        elif now_ns - self._half[0] >= HALF_HOUR_S * NS:
            self._lowest.append(self._half[1])
            self._half = (now_ns, level)
        else:
            self._half = (self._half[0], min(self._half[1], level))
