"""What several results of a check mean together: m of n, pure.

A check that fails every other time must still alarm, and 5 % loss must not: so a check alarms when ``fail`` of its
last ``of`` results failed (default 3 of 5) and goes back to normal after ``CLEAR_GOOD`` good ones in a row.
"""

from __future__ import annotations

from collections import deque

from agent.readings import State

CLEAR_GOOD = 3
DEGRADED_FAILS = 2


class CheckJudge:
    """The last results of one check. None is a result too: the check could not see."""

    def __init__(self, fail: int, of: int) -> None:
        self._fail = fail
        self._results: deque[bool] = deque(maxlen=of)
        self._good_in_row = 0
        self._bad_in_row = 0
        self._blind = True
        self._newest_degraded = False
        self.alarming = False

    def result(self, ok: bool | None, at_ns: int, *, degraded: bool = False) -> None:  # noqa: ARG002
        """Take one result: True passed, False failed, None could not be tested.

        ``degraded``: it passed, but not as it should (a SIP 503): the path is not failing, nor does it look up.
        ``at_ns`` is taken for every judge's sake; time matters to no count here.
        """
        self._newest_degraded = degraded
        if ok is None:
            self._blind, self._good_in_row = True, 0
            return
        self._blind = False
        self._results.append(ok)
        self._good_in_row = self._good_in_row + 1 if ok else 0
        self._bad_in_row = 0 if ok else self._bad_in_row + 1
        if not ok and self._results.count(False) >= self._fail:
            self.alarming = True
        elif self.alarming and self._good_in_row >= CLEAR_GOOD:
            self.alarming = False
            self._results.clear()  # the failures of an alarm that is over count towards no new one

    @property
    def undecided(self) -> bool:
        """Whether the last result speaks against how it stands: the next ones decide."""
        return self._good_in_row > 0 if self.alarming else self._bad_in_row > 0

    @property
    def clearing(self) -> bool:
        """Whether enough good results stand in a row to end an alarm, also one of an earlier run."""
        return not self.alarming and self._good_in_row >= CLEAR_GOOD

    @property
    def state(self) -> State:
        """unknown until it has seen; down while alarming without an answer; degraded while it alarms with some, or
        while several failed, until as many good as clear.

        One failure among good results says nothing: at 5 % loss each way it comes every half hour.
        """
        if self._blind:
            return "unknown"
        if self.alarming:
            # Answers in between: what loses packets is not dead, whatever its alarm says.
            dead = self._bad_in_row >= min(self._fail, len(self._results))
            return "down" if dead else "degraded"
        never_good = bool(self._results) and True not in self._results
        if (
            self._newest_degraded
            or never_good
            or (self._results.count(False) >= DEGRADED_FAILS and self._good_in_row < CLEAR_GOOD)
        ):
            return "degraded"
        return "up"
