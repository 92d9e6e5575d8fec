"""Data without voice, told from how calls end. Pure. One ``Voice`` a stream; one-way audio is in ``one_way.py``.

Alarm after at most r = ceil(ln N / ln(1/p)) distinct callers in a row without a talk of ``talk_s``: p is how often a
call of this site ends so, N the calls a year over the false alarms a year allowed (outages.md section 7). A run begins
after a talk, so only (1 - p) N p^r runs a year come to r by chance. Half of that slack is given away: with
ln N - ln(1/(1-p))/2 for ln N a p learned a little too high still alarms within r, and false alarms stay under
sqrt(1 - p) of what is allowed. p is learned: the prior stands for ``PRIOR_CALLS`` calls; a run counts once a talk has
ended it, and never if it came to an alarm; ``MEMORY_CALLS`` are remembered.

A call-back within five minutes is evidence more: each caller of the run is weighed by how often callers of this site
who had no talk are called back (learned) against ``CALLED_BACK_BAD`` where nobody can talk, and that sum may pass ln N
before r callers have. An alarm clears after ``TALKS_TO_CLEAR`` talks in a row.

It can't judge while no record has told how a call ended, nor where more than ``CALLERS_MAX`` callers would be needed,
nor after as many without one talk ever: such records do not tell of talks. A run is not kept over a restart: nobody
saw what came between.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from agent.calls.facts import CalledBack, Ended
from agent.calls.one_way import OneWay

NS = 1_000_000_000
PRIOR_DURATION = 0.35
"""No talk over 20 s where only talk time is known: over a third of New York's calls lasted 19 s or less (2010)."""
PRIOR_ABANDONED = 0.08
"""Vermont's share of abandoned calls (2017), where the switch records them."""
PRIOR_CALLS = 30.0
MEMORY_CALLS = 6000.0
P_MIN, P_MAX = 0.005, 0.995
CALLERS_LEAST = 2
CALLERS_MAX = 64
TALKS_TO_CLEAR = 2
CALL_BACK_S = 300.0
CALLED_BACK_BAD = 0.8
CALLED_BACK_PRIOR, CALLED_BACK_CALLS = 0.5, 20.0
"""Before anything is learned: every second one is called back, as the rule for abandoned calls would have it."""
HOURS_A_YEAR = 8766.0
GUESS_HOURS = 48.0
TESTS = 3
"""Data without voice, the same with call-backs, one-way audio: each may give ``per_year``."""


@dataclass(slots=True)
class _Caller:
    """One caller of the run."""

    at_ns: int
    called_back: bool = False


@dataclass(slots=True)
class Voice:
    """The judge of one stream. ``talk_s``: less is no talk. ``per_year``: false alarms a year for each of its tests;
    ``calls_per_h``: a first guess, worth ``GUESS_HOURS`` of counting."""

    talk_s: float
    prior: float
    per_year: float
    calls_per_h: float
    alarm: bool = False
    talked_ns: int | None = None
    began_ns: int | None = (
        None  # when the newest talk began: one that a fault found under way says nothing of new calls
    )
    talks: float = 0.0
    misses: float = 0.0
    unknown: int = 0
    one_way: OneWay = field(default_factory=OneWay)
    _run: dict[str, _Caller] = field(default_factory=dict)
    _in_row: int = 0
    _ever_talked: bool = False
    _count: int = 0
    _first_ns: int | None = None
    _last_ns: int = 0
    _back: float = CALLED_BACK_PRIOR * CALLED_BACK_CALLS
    _back_of: float = CALLED_BACK_CALLS
    _sees_backs: bool = False

    # -- what is known -------------------------------------------------------------------------------------------

    @property
    def p(self) -> float:
        """How often a call of this stream ends without a talk."""
        miss = self.prior * PRIOR_CALLS + self.misses
        return min(P_MAX, max(P_MIN, miss / (PRIOR_CALLS + self.misses + self.talks)))

    @property
    def calls_a_year(self) -> float:
        """Calls a year whose end is known, as counted in this run beside the first guess."""
        hours = 0.0 if self._first_ns is None else (self._last_ns - self._first_ns) / NS / 3600.0
        return (self.calls_per_h * GUESS_HOURS + self._count) / (GUESS_HOURS + hours) * HOURS_A_YEAR

    @property
    def log_n(self) -> float:
        """ln N, N the calls a year over the false alarms that each of the tests may give; at least 1."""
        return max(1.0, math.log(max(1.0, self.calls_a_year / self.per_year)))

    @property
    def needed(self) -> int:
        """r: so many distinct callers in a row without a talk are an alarm."""
        p = self.p
        return max(CALLERS_LEAST, math.ceil((self.log_n + math.log(1.0 - p) / 2.0) / -math.log(p)))

    @property
    def run(self) -> int:
        """Distinct callers in a row without a talk, now; at most ``CALLERS_MAX``."""
        return len(self._run)

    @property
    def called_back(self) -> int:
        """How many of the run were called back."""
        return sum(caller.called_back for caller in self._run.values())

    @property
    def why(self) -> str:
        """Why it can't judge; "" where it can."""
        if not self._count and not self.talks:
            return "learns: no record has told yet how a call ended"
        if self.needed > CALLERS_MAX:
            return f"too many calls end without a talk here ({100 * self.p:.0f} %)"
        if not self._ever_talked and self.run >= CALLERS_MAX:
            return f"{CALLERS_MAX} callers and never a talk: these records do not tell of talks"
        return ""

    @property
    def able(self) -> bool:
        """Whether it can judge."""
        return not self.why

    @property
    def collapsed(self) -> bool:
        """Whether one-way audio is told."""
        return self.one_way.holds

    # -- what comes ----------------------------------------------------------------------------------------------

    def ended(self, fact: Ended) -> None:
        """A call is over. One that does not say whether there was a talk counts nothing."""
        talked = self._talked(fact)
        if talked is None:
            self.unknown += 1
            return
        self._first_ns = fact.at_ns if self._first_ns is None else min(self._first_ns, fact.at_ns)
        self._last_ns = max(self._last_ns, fact.at_ns)
        self._count += 1
        if talked:
            self._talk(fact)
        else:
            self._miss(fact)
        if fact.answered is not False and fact.abandoned is not True and fact.talk_s is not None:
            self.one_way.answered(fact.talk_s, fact.caller_key, self.log_n)

    def back(self, fact: CalledBack) -> None:
        """A number that had no talk was rung from here."""
        self._sees_backs = True
        caller = self._run.get(fact.caller_key)
        if caller is not None:
            caller.called_back = True
            self._weigh(fact.at_ns)

    def _talked(self, fact: Ended) -> bool | None:
        if fact.abandoned is True or fact.answered is False:
            return False
        if fact.talk_s is None:
            return None
        return fact.talk_s >= self.talk_s

    def _talk(self, fact: Ended) -> None:
        self.talked_ns = fact.at_ns if self.talked_ns is None else max(self.talked_ns, fact.at_ns)
        began_ns = fact.at_ns - int((fact.talk_s or 0.0) * NS)
        self.began_ns = began_ns if self.began_ns is None else max(self.began_ns, began_ns)
        self._in_row = min(self._in_row + 1, TALKS_TO_CLEAR)
        self._ever_talked = True
        if self.alarm:
            if self._in_row < TALKS_TO_CLEAR:
                return
        else:  # a run that a talk ended was chance, and is learned; an outage is not
            self.misses += len(self._run)
            self._learn_backs(fact.at_ns)
        self.alarm = False
        self._run.clear()
        self.talks += 1.0
        total = self.talks + self.misses
        if total > MEMORY_CALLS:
            self.talks *= MEMORY_CALLS / total
            self.misses *= MEMORY_CALLS / total

    def _miss(self, fact: Ended) -> None:
        self._in_row = 0
        name = fact.caller_key or f"call {fact.call}"
        if name not in self._run and len(self._run) < CALLERS_MAX:
            self._run[name] = _Caller(fact.at_ns)
            self._weigh(fact.at_ns)

    def _weigh(self, now_ns: int) -> None:
        if self.why:
            self.alarm = self.alarm and self._ever_talked  # it rested on records that do not tell
        elif len(self._run) >= self.needed:
            self.alarm = True
        elif self._sees_backs and len(self._run) >= CALLERS_LEAST:
            score = len(self._run) * -math.log(self.p) + self._backs_score(now_ns)
            self.alarm = self.alarm or score >= self.log_n

    def _backs_score(self, now_ns: int) -> float:
        usual = min(0.95, max(0.02, self._back / self._back_of))
        yes, no = math.log(CALLED_BACK_BAD / usual), math.log((1.0 - CALLED_BACK_BAD) / (1.0 - usual))
        late = sum(self._late(caller, now_ns) for caller in self._run.values())
        return yes * self.called_back + no * late

    def _late(self, caller: _Caller, now_ns: int) -> bool:
        return not caller.called_back and now_ns - caller.at_ns > int(CALL_BACK_S * NS)

    def _learn_backs(self, now_ns: int) -> None:
        if not self._sees_backs:
            return
        late = sum(self._late(caller, now_ns) for caller in self._run.values())
        self._back += self.called_back
        self._back_of += self.called_back + late
        if self._back_of > MEMORY_CALLS:
            self._back *= MEMORY_CALLS / self._back_of
            self._back_of = MEMORY_CALLS

    # -- kept across restarts ------------------------------------------------------------------------------------

    def saved(self) -> dict[str, Any]:
        """What is learned, as plain JSON."""
        return {
            "talks": round(self.talks, 2),
            "misses": round(self.misses, 2),
            "per_h": round(self.calls_a_year / HOURS_A_YEAR, 5),
            "back": [round(self._back, 2), round(self._back_of, 2), int(self._sees_backs)],
            "lengths": self.one_way.saved(),
        }

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Take over what an earlier run learned. Raises ValueError, TypeError, KeyError where it is something else."""
        talks, misses, per_h = (number(saved[name], 1e6) for name in ("talks", "misses", "per_h"))
        back, back_of, sees = (number(one, 1e6) for one in saved["back"])
        if back > back_of or back_of < 1.0 or talks + misses > 2 * MEMORY_CALLS:
            raise ValueError("numbers out of range")
        self.one_way.restore(saved["lengths"])
        self.talks, self.misses = talks, misses
        self.calls_per_h = per_h or self.calls_per_h
        self._back, self._back_of, self._sees_backs = back, back_of, sees > 0
        self._ever_talked = talks > 0.0

    def status(self) -> dict[str, Any]:
        """For ``status --json``."""
        return {
            "able": self.able,
            "why": self.why,
            "p": round(self.p, 3),
            "callers_needed": self.needed,
            "run": self.run,
            "called_back": self.called_back,
            "learned_from": round(self.talks + self.misses),
            "not_told": self.unknown,
            "calls_per_h": round(self.calls_a_year / HOURS_A_YEAR, 2),
            "one_way_able": self.one_way.able,
            "one_way_why": self.one_way.why,
        }


def number(value: object, most: float) -> float:
    """A saved number from 0 to ``most``. Raises ValueError."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
        raise ValueError("not a number in range")
    return float(value)
