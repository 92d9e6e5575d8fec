"""One-way audio: calls are answered as ever and soon over. A sequential test of how long answered calls last. Pure.

The lengths of this stream's calls are learned; their lower quarter and their median cut every call into one of three
classes. Usually no more than a quarter and another quarter of the calls fall below; where one side hears nothing most
do (``BAD``). CUSUM of the log likelihood ratio (Page 1954), alarm at ln N, N the calls a year over the false alarms
allowed: the mean run between false alarms is at least N calls (Lorden 1971). ``USUAL`` supposes more short calls than a
quarter, since the quarter itself is only known from ``LENGTHS_MAX`` calls. One caller counts once in an excursion.

Lengths are learned once the sum is back at nought, so what led to an alarm never is. It clears after ``LONG_TO_CLEAR``
calls in a row that last as long as the usual half, by chance at most one in 400 while most calls are cut short.
"""

from __future__ import annotations

import math
from bisect import insort
from dataclasses import dataclass, field
from typing import Any

LENGTHS_ABLE, LENGTHS_MAX = 100, 300
USUAL = (0.30, 0.27, 0.43)
BAD = (0.60, 0.35, 0.05)
WEIGHTS = tuple(math.log(bad / usual) for bad, usual in zip(BAD, USUAL, strict=True))
LONG_TO_CLEAR = 2
EXCURSION_MAX = 64
LENGTH_MAX_S = 172_800.0


@dataclass(slots=True)
class OneWay:
    """The test of one stream. ``holds``: the collapse stands."""

    holds: bool = False
    score: float = 0.0
    _lengths: list[float] = field(default_factory=list)
    _sorted: list[float] = field(default_factory=list)
    _excursion: list[float] = field(default_factory=list)
    _callers: dict[str, None] = field(default_factory=dict)
    _long: int = 0

    @property
    def able(self) -> bool:
        """Whether enough lengths are known, and they differ."""
        return not self.why

    @property
    def why(self) -> str:
        """Why it can't judge; "" where it can."""
        if len(self._sorted) < LENGTHS_ABLE:
            return f"learns: {len(self._sorted)} of {LENGTHS_ABLE} answered calls"
        return "" if self._cuts()[1] > 0.0 else "the records tell no lengths"

    def answered(self, talk_s: float, caller_key: str | None, limit: float) -> None:
        """One answered call's length; ``limit``: ln N."""
        talk_s = min(max(talk_s, 0.0), LENGTH_MAX_S)
        if not self.able:
            self.holds = self.holds and not self._lasts(talk_s, 60.0)
            self._learn(talk_s)
            return
        quarter, median = self._cuts()
        if self.holds:
            if self._lasts(talk_s, median):
                self.holds = False
                self._forget()
            return
        kind = 0 if talk_s < quarter else 1 if talk_s < median else 2
        if kind < 2 and caller_key is not None:
            if caller_key in self._callers:
                return
            if len(self._callers) < EXCURSION_MAX:
                self._callers[caller_key] = None
        self.score = max(0.0, self.score + WEIGHTS[kind])
        if len(self._excursion) < EXCURSION_MAX:
            self._excursion.append(talk_s)
        if self.score >= limit:
            self.holds = True
            self._long = 0
        elif self.score == 0.0:
            for one in self._excursion:
                self._learn(one)
            self._forget()

    def _lasts(self, talk_s: float, median: float) -> bool:
        self._long = self._long + 1 if talk_s >= median else 0
        return self._long >= LONG_TO_CLEAR

    def _forget(self) -> None:
        self.score, self._long = 0.0, 0
        self._excursion.clear()
        self._callers.clear()

    def _learn(self, talk_s: float) -> None:
        self._lengths.append(talk_s)
        insort(self._sorted, talk_s)
        if len(self._lengths) > LENGTHS_MAX:
            self._sorted.remove(self._lengths.pop(0))

    def _cuts(self) -> tuple[float, float]:
        """The quarter and the median: strictly below them fall no more of the learned calls than that."""
        count = len(self._sorted)
        return self._sorted[count // 4], self._sorted[count // 2]

    def saved(self) -> list[int]:
        """The lengths in whole seconds, oldest first."""
        return [round(one) for one in self._lengths]

    def restore(self, saved: Any) -> None:
        """Take over what ``saved`` gave. Raises ValueError and TypeError where it is something else."""
        if not isinstance(saved, list) or not all(
            isinstance(one, int | float) and not isinstance(one, bool) and 0 <= one <= LENGTH_MAX_S for one in saved
        ):
            raise ValueError("not a list of lengths")
        self._lengths = [float(one) for one in saved][-LENGTHS_MAX:]
        self._sorted = sorted(self._lengths)
