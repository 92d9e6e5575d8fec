"""When to check, and what several results mean together: m of n, pure.

A check that fails every other time must still alarm, and 5 % loss must not: so a check alarms when ``fail`` of its
last ``of`` results failed (default 3 of 5) and goes back to normal after ``CLEAR_GOOD`` good ones in a row.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from agent.readings import State
from agent.site import schema

NS = 1_000_000_000
CLEAR_GOOD = 3
DEGRADED_FAILS = 2
OVERDUE_S = 5.0


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


@dataclass(slots=True)
class _Slot:
    every_ns: int
    timeout_ns: int
    next_ns: int
    started_ns: deque[int] = field(default_factory=deque)


class CheckSchedule:
    """When each check is next due. Starts are spread; a check in flight too often is put off, never piled up."""

    def __init__(self, paths: Sequence[schema.Path], now_ns: int) -> None:
        self._slots: dict[tuple[str, str], _Slot] = {}
        pairs = [(p, n, c) for p in paths for n, c in schema.active(p)]
        for number, (path, name, check) in enumerate(pairs):
            every = schema.every_s(check, path.role)
            # Within the first second, or the first period if that is shorter: the panel must be judged soon.
            offset_ns = int(min(1.0, every) * number / len(pairs) * NS)
            timeout_ns = int(schema.timeout_s(check, path.role) * NS)
            self._slots[path.id, name] = _Slot(int(every * NS), timeout_ns, now_ns + offset_ns)

    def due(self, now_ns: int) -> list[tuple[str, str]]:
        """The checks to start now; each is then due again a period later, however late we were."""
        starts = []
        for key, slot in self._slots.items():
            if now_ns < slot.next_ns:
                continue
            late_periods = (now_ns - slot.next_ns) // slot.every_ns
            slot.next_ns += (late_periods + 1) * slot.every_ns
            if len(slot.started_ns) <= math.ceil(slot.timeout_ns / slot.every_ns):
                slot.started_ns.append(now_ns)
                starts.append(key)
        return starts

    def finished(self, path: str, check: str) -> None:
        """A result came in."""
        slot = self._slots.get((path, check))
        if slot is not None and slot.started_ns:
            slot.started_ns.popleft()

    def overdue(self, now_ns: int) -> list[tuple[str, str]]:
        """Checks whose oldest start gave no result within its time and ``OVERDUE_S`` more; each start is told once."""
        late = []
        for key, slot in self._slots.items():
            while slot.started_ns and now_ns >= slot.started_ns[0] + slot.timeout_ns + int(OVERDUE_S * NS):
                slot.started_ns.popleft()
                late.append(key)
        return late

    def deadline(self) -> int | None:
        """When ``due`` or ``overdue`` next has something."""
        times = [slot.next_ns for slot in self._slots.values()]
        times += [
            slot.started_ns[0] + slot.timeout_ns + int(OVERDUE_S * NS)
            for slot in self._slots.values()
            if slot.started_ns
        ]
        return min(times, default=None)
