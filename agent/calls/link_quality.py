"""Whether a link's records have become worse: one CUSUM for each way in which a record can be bad. Pure.

Each record is a good or a bad one. While ``p`` of them are bad as usual and half of them in a fault, a bad record adds
ln(0.5 / p) to the sum and a good one ln(0.5 / (1 - p)); below nought it is nought (Page 1954). It alarms above
h = ln(TESTS * N), N the records of a year at the rate seen: the mean run between false alarms is at least e^h records
(Lorden 1971), so the three tests of a link together raise less than one a year. ``p`` is learned, from 2 % on.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

NS = 1_000_000_000
YEAR_S = 365.25 * 86_400
TESTS = 3
BAD_SHARE = 0.5
PRIOR_SHARE, PRIOR_RECORDS = 0.02, 50.0
SHARE_MIN, SHARE_MAX = 0.01, 0.25
MEMORY_RECORDS = 2000.0
"""What is learned forgets: never more than so many records' weight."""
LEARNED_RECORDS = 200
"""Until so many records have been judged, an alarm does not sound; if more than ``SHARE_MAX`` of them were bad, this is
how the link is (or the reader does not know this layout), and the test says nothing from then on but that."""
CLEAR_GOOD = 6
"""So many good records in a row clear: with half of them bad they come by chance once in 64."""
RATE_MIN_S = 6 * 3600.0
RECORDS_A_YEAR_DEFAULT = 20 * 8766.0
RECORDS_A_YEAR_MIN, RECORDS_A_YEAR_MAX = 1_000.0, 5_000_000.0


@dataclass(slots=True)
class Rate:
    """How many records a year, from those seen since the first; bounded. ``guess``: until six hours have been seen."""

    first_ns: int | None = None
    last_ns: int = 0
    count: int = 0
    guess: float = RECORDS_A_YEAR_DEFAULT

    def saw(self, now_ns: int) -> None:
        if self.first_ns is None:
            self.first_ns = now_ns
        self.last_ns = max(self.last_ns, now_ns)
        self.count += 1

    @property
    def a_year(self) -> float:
        """Records a year; at least 1,000 and at most 5 million."""
        if self.first_ns is None or self.last_ns - self.first_ns < RATE_MIN_S * NS:
            return self.guess
        seen = self.count * YEAR_S * NS / (self.last_ns - self.first_ns)
        return min(max(seen, RECORDS_A_YEAR_MIN), RECORDS_A_YEAR_MAX)


@dataclass(slots=True)
class QualityTest:
    """One way to be bad. ``saw`` gives True where it begins to hold, False where it ends, None otherwise."""

    holds: bool = False
    score: float = 0.0
    records: int = 0
    bad: float = field(default=PRIOR_SHARE * PRIOR_RECORDS)
    weight: float = PRIOR_RECORDS
    good_run: int = 0
    bad_since: int = 0
    since: int = 0

    @property
    def share(self) -> float:
        """The usual share of bad records, as learned, between 1 and 25 %."""
        return min(max(self.bad / self.weight, SHARE_MIN), SHARE_MAX)

    @property
    def judges(self) -> bool:
        """False where more than a quarter of the records are bad at all times."""
        return self.records < LEARNED_RECORDS or self.bad / self.weight <= SHARE_MAX

    @property
    def learned(self) -> bool:
        return self.records >= LEARNED_RECORDS

    def saw(self, *, bad: bool, records_a_year: float) -> bool | None:
        """Take one record."""
        share = self.share
        self.score = max(0.0, self.score + math.log(BAD_SHARE / share if bad else (1 - BAD_SHARE) / (1 - share)))
        if self.score == 0.0:
            self.since = self.bad_since = 0
        else:
            self.since += 1
            self.bad_since += bad
        self.good_run = 0 if bad else self.good_run + 1
        self._learn(bad)
        self.records += 1
        if self.holds:
            if self.good_run >= CLEAR_GOOD or not self.judges:
                self.holds, self.score = False, 0.0
                return False
            self.score = min(self.score, threshold(records_a_year))
            return None
        if self.judges and self.score > threshold(records_a_year):
            self.holds = True
            return True
        return None

    def _learn(self, bad: bool) -> None:
        """The fault itself is not learned: nothing while it holds, once the test has learned what is usual."""
        if self.holds and self.learned:
            return
        self.bad += bad
        self.weight += 1
        if self.weight > MEMORY_RECORDS:
            self.bad *= MEMORY_RECORDS / self.weight
            self.weight = MEMORY_RECORDS


def threshold(records_a_year: float) -> float:
    """h = ln(TESTS * N)."""
    return math.log(TESTS * records_a_year)
