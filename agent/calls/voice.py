"""Data without voice, and one-way audio, told from how calls end. Pure. One ``Voice`` a stream.

Data without voice: r = ceil(ln N / ln(1/p)) distinct callers in a row without a talk, where p is how often a call of
this site ends without one and N the calls a year over the allowed false alarms (outages.md section 7). p is learned
from calls outside such runs, from a prior that stands for ``PRIOR_CALLS`` calls, and forgotten slowly.

One-way audio: answered calls whose talk collapses. A sequential test (CUSUM of the log likelihood ratio) on whether an
answered call is shorter than the site's own lower quarter: ``SHORT_USUAL`` of them are, ``SHORT_BAD`` when people hear
nobody; it alarms at ln N.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from agent.calls.facts import Ended

PRIOR_DURATION = 0.35
"""No talk over 20 s where only talk time is known: over a third of New York's calls lasted 19 s or less (2010)."""
PRIOR_ABANDONED = 0.08
"""Vermont's share of abandoned calls (2017), where the switch records them."""
PRIOR_CALLS = 30.0
MEMORY_CALLS = 3000.0
P_MIN, P_MAX = 0.01, 0.8
TALKS_TO_CLEAR = 2
CALLERS_MAX = 64
SHORT_USUAL, SHORT_BAD = 0.25, 0.8
LENGTHS_MAX = 200
LENGTHS_ABLE = 50
HOURS_A_YEAR = 8766.0


@dataclass(slots=True)
class Voice:
    """The judge of one stream. ``per_year``: false alarms a year it may give; ``calls_per_h``: a first guess."""

    talk_s: float
    prior: float
    per_year: float
    calls_per_h: float
    talks: float = 0.0
    misses: float = 0.0
    alarm: bool = False
    collapsed: bool = False
    _run: dict[str, None] = field(default_factory=dict)
    _held: int = 0
    _good: int = 0
    _score: float = 0.0
    _lengths: list[float] = field(default_factory=list)
    talked_ns: int | None = None

    @property
    def p(self) -> float:
        """How often a call ends without a talk."""
        seen = self.talks + self.misses + PRIOR_CALLS
        return min(P_MAX, max(P_MIN, (self.misses + self.prior * PRIOR_CALLS) / seen))

    @property
    def needed(self) -> int:
        """So many distinct callers in a row without a talk are an alarm."""
        return max(2, math.ceil(self.threshold / math.log(1.0 / self.p)))

    @property
    def threshold(self) -> float:
        """ln N."""
        return math.log(max(math.e, self.calls_per_h * HOURS_A_YEAR / self.per_year))

    @property
    def run(self) -> int:
        """Distinct callers in a row without a talk, now."""
        return len(self._run)

    def ended(self, fact: Ended) -> None:
        """A call is over. What does not say whether there was a talk counts nothing."""
        talked = self._talked(fact)
        if talked is None:
            return
        if talked:
            self._talk(fact)
        else:
            self._miss(fact)
        if fact.answered is not False and fact.talk_s is not None:
            self._length(fact.talk_s)

    def _talked(self, fact: Ended) -> bool | None:
        if fact.abandoned is True or fact.answered is False:
            return False
        if fact.talk_s is None:
            return None
        return fact.talk_s >= self.talk_s

    def _talk(self, fact: Ended) -> None:
        self.talked_ns = fact.at_ns
        self._good += 1
        if self.alarm and self._good < TALKS_TO_CLEAR:
            return
        if not self.alarm:  # a run that ended in a talk was chance, and is learned; an outage's is not
            self.misses += self._held
        self.alarm = False
        self._run.clear()
        self._held = 0
        self._remember(1.0)

    def _miss(self, fact: Ended) -> None:
        self._good = 0
        self._held = min(self._held + 1, CALLERS_MAX)
        if len(self._run) < CALLERS_MAX:
            self._run[fact.caller_key or f"call {fact.call}"] = None
        if len(self._run) >= self.needed:
            self.alarm = True

    def _remember(self, talks: float) -> None:
        self.talks += talks
        total = self.talks + self.misses
        if total > MEMORY_CALLS:
            self.talks *= MEMORY_CALLS / total
            self.misses *= MEMORY_CALLS / total

    def _length(self, talk_s: float) -> None:
        """One answered call's talk time, for the collapse."""
        if len(self._lengths) < LENGTHS_ABLE:
            self._lengths.append(talk_s)
            return
        usual = sorted(self._lengths)
        short = talk_s <= usual[len(usual) // 4] / 2 and talk_s < self.talk_s
        bad, well = (SHORT_BAD, SHORT_USUAL) if short else (1 - SHORT_BAD, 1 - SHORT_USUAL)
        self._score = max(0.0, self._score + math.log(bad / well))
        if self._score >= self.threshold:
            self.collapsed = True
        elif self._score <= 0.0:
            self.collapsed = False
            self._lengths.append(talk_s)
            del self._lengths[:-LENGTHS_MAX]
        self._score = min(self._score, 2 * self.threshold)

    def saved(self) -> dict[str, Any]:
        """What is learned, as plain JSON."""
        return {
            "talks": round(self.talks, 2),
            "misses": round(self.misses, 2),
            "lengths": [round(s) for s in self._lengths[-LENGTHS_MAX:]],
        }

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Take over what an earlier run learned. Raises ValueError, TypeError, KeyError where it is something else."""
        talks, misses = float(saved["talks"]), float(saved["misses"])
        lengths = [float(one) for one in saved["lengths"]][-LENGTHS_MAX:]
        if not all(math.isfinite(n) and 0 <= n <= 1e6 for n in (talks, misses, *lengths)):
            raise ValueError("numbers out of range")
        self.talks, self.misses, self._lengths = talks, misses, lengths

    def status(self) -> dict[str, Any]:
        """For ``status --json``."""
        return {
            "p": round(self.p, 3),
            "callers_needed": self.needed,
            "run": self.run,
            "learned_from": round(self.talks + self.misses),
            "one_way_able": len(self._lengths) >= LENGTHS_ABLE,
        }
