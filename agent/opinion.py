"""The verdict as it is held and told: when a new one is due, whether it still changes, and what it means for an alarm.

Pure. The judge gives a verdict for each set of columns; this keeps the one that was last told. ``none`` is told only
when no critical alarm stands, and a verdict whose evidence changed less than ``SETTLE_S`` ago says so. What keeps
changing is told ever more seldom, down to once in ``REST_S``; that calls fail is always told at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from agent.evidence.feeds import Doubt
from agent.site import schema
from agent.verdict.duty import duty
from agent.verdict.judge import Verdict, judge
from agent.verdict.say import SENTENCE_MAX

NS = 1_000_000_000
SETTLE_S = 15.0
"""By then every check that is asked often has failed as often as it must (3 of 2 s and 5 s), and the cause is clear."""

OF_CALLS = frozenset({"A", "R", "V"})
"""Columns that say nothing while no call comes."""
CALM_S = 2.0
"""While one check after the other fails or comes back, causes pass by within a second: nobody could act on them."""
AT_ONCE, REST_S = 8, 60.0
"""So many sentences may follow one another, and one more comes in each ``REST_S``: a way that loses half of its packets
looks different every two seconds, and nobody reads that."""


class Opinion:
    """One site's verdict over time."""

    def __init__(self, site: schema.Site, covers: frozenset[str] | None) -> None:
        self._site, self._covers = site, covers
        self._doubt = Doubt()
        self._columns: Mapping[str, str] = {}
        self._changed_ns: int | None = None
        self._since_ns: int | None = None
        self._new_ns: int | None = None
        self._full_ns = 0  # when as many sentences as may be could follow one another again
        self._rest_until_ns: int | None = None
        self.candidate: Verdict | None = None
        self.told: Verdict | None = None
        self._calls_seen: set[str] = set()
        self._settled: tuple[Verdict, bool, str | None] | None = None

    def judge(self, columns: Mapping[str, str], doubt: Doubt, now_ns: int) -> Verdict:
        """A new set of columns. ``doubt``: whether a reflector of ours may be dead itself."""
        self._columns, self._doubt = dict(columns), doubt
        self._calls_seen |= {column for column in OF_CALLS if columns.get(column, "-") != "-"}
        verdict = judge(columns, self._site, self._covers, doubt, self._calls_seen)
        before = self.candidate
        if before is not None and before.causes != verdict.causes:
            self._new_ns = now_ns
        if before is None or before.causes != verdict.causes:
            # The first verdict after a start and a return to health settle by themselves.
            self._changed_ns = now_ns if before is not None and verdict.cause != "none" else None
        self.candidate = verdict
        if verdict.calls_fail is not True:
            self._since_ns = None
        elif self._since_ns is None:
            self._since_ns = now_ns
        return verdict

    def without(self, columns: frozenset[str]) -> Verdict:
        """What the verdict would be if these columns said nothing."""
        rest = {column: "-" if column in columns else look for column, look in self._columns.items()}
        return judge(rest, self._site, self._covers, self._doubt)

    def to_tell(self, critical: Callable[[], str | None], now_ns: int) -> Verdict | None:
        """The verdict to tell now, None where nothing is new. ``critical``: what a critical alarm says that stands."""
        verdict = self.candidate
        self._expire(now_ns)
        changing = self._changed_ns is not None
        if verdict is None:
            return None
        says = critical() if verdict.cause == "none" else None
        if self._settled == (verdict, changing, says):
            return None
        worse = verdict.calls_fail is True and (self.told is None or self.told.calls_fail is not True)
        if self.told is not None and not worse and self._waits(verdict, self.told, now_ns):
            return None
        if says is not None and self.told is not None and self.told.cause != "none":
            return None  # the sentence does not say that all is well before the alarm has cleared
        self._settled = (verdict, changing, says)
        now = replace(verdict, under_change=changing)
        if says is not None:  # an alarm that no cause explains speaks for itself
            now = replace(now, sentence=says[:SENTENCE_MAX], do_now=says[:SENTENCE_MAX], calls_fail=None)
        if now == self.told or (self.told is not None and now.cause == "none" and now.sentence == self.told.sentence):
            return None
        if self.told is None or now.sentence != self.told.sentence:
            latest_ns = now_ns + AT_ONCE * int(REST_S * NS)
            self._full_ns = min(max(self._full_ns, now_ns) + int(REST_S * NS), latest_ns)
        self.told = now
        return now

    def _waits(self, verdict: Verdict, told: Verdict, now_ns: int) -> bool:
        """Whether this has not stood for long enough, or too much was told of late."""
        if self._new_ns is not None and verdict.calls_fail is not True:
            return True
        if verdict.sentence == told.sentence:
            return False
        rest_ns = self._full_ns - (AT_ONCE - 1) * int(REST_S * NS)
        self._rest_until_ns = rest_ns if now_ns < rest_ns else None
        return self._rest_until_ns is not None

    def _expire(self, now_ns: int) -> None:
        """What time alone ends; nothing that is over may stay a deadline."""
        if self._changed_ns is not None and now_ns - self._changed_ns >= int(SETTLE_S * NS):
            self._changed_ns = None
        if self._new_ns is not None and now_ns - self._new_ns >= int(CALM_S * NS):
            self._new_ns = None
        if self._rest_until_ns is not None and now_ns >= self._rest_until_ns:
            self._rest_until_ns = None

    def deadline(self) -> int | None:
        """When the verdict has settled, or has stood long enough to be told."""
        times = [
            since_ns + int(after_s * NS)
            for since_ns, after_s in ((self._changed_ns, SETTLE_S), (self._new_ns, CALM_S))
            if since_ns is not None
        ]
        if self._rest_until_ns is not None:
            times.append(self._rest_until_ns)
        return min(times, default=None)

    def duty(self, now_ns: int) -> dict[str, Any] | None:
        """The regulatory clock, None while no verdict says that calls fail."""
        if self.candidate is None or self._since_ns is None:
            return None
        return duty(self.candidate, self._since_ns, now_ns, self._site)
