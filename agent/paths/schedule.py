"""When each check is next due: spread, never piled up, and sooner where its word is wanted. Pure."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from agent.clock import NS
from agent.site import schema

OVERDUE_S = 5.0
OVERDUE_NS = int(OVERDUE_S * NS)
HASTE_S = 10.0


@dataclass(slots=True)
class _Slot:
    every_ns: int
    patient: bool  # asked more seldom than again, and free to be asked at another time
    timeout_ns: int
    next_ns: int
    started_ns: deque[int] = field(default_factory=deque)
    asked_ns: int | None = None

    @property
    def late_ns(self) -> int:
        """When its oldest start is overdue; only while one is in flight."""
        return self.started_ns[0] + self.timeout_ns + OVERDUE_NS


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
            self._slots[path.id, name] = _Slot(
                int(every * NS), schema.patient(check, path.role), timeout_ns, now_ns + offset_ns
            )
        self._due_ns, self._late_ns = self._next_due(), self._next_late()

    def _next_due(self) -> int | None:
        return min((slot.next_ns for slot in self._slots.values()), default=None)

    def _next_late(self) -> int | None:
        times = [slot.late_ns for slot in self._slots.values() if slot.started_ns]
        return min(times, default=None)

    def due(self, now_ns: int) -> list[tuple[str, str]]:
        """The checks to start now; each is then due again a period later, however late we were."""
        if self._due_ns is None or now_ns < self._due_ns:
            return []
        starts = []
        for key, slot in self._slots.items():
            if now_ns < slot.next_ns:
                continue
            late_periods = (now_ns - slot.next_ns) // slot.every_ns
            slot.next_ns += (late_periods + 1) * slot.every_ns
            if len(slot.started_ns) <= math.ceil(slot.timeout_ns / slot.every_ns):
                slot.started_ns.append(now_ns)
                slot.asked_ns = now_ns
                starts.append(key)
        self._due_ns, self._late_ns = self._next_due(), self._next_late()
        return starts

    def finished(self, path: str, check: str) -> None:
        """A result came in."""
        slot = self._slots.get((path, check))
        if slot is not None and slot.started_ns:
            slot.started_ns.popleft()
            self._late_ns = self._next_late()

    def again(self, path: str, check: str, now_ns: int) -> None:
        """Its last result speaks against how it stands: asked seldom, it is asked again after ``schema.AGAIN_S``."""
        slot = self._slots.get((path, check))
        if slot is not None and slot.patient:
            slot.next_ns = min(slot.next_ns, now_ns + int(schema.AGAIN_S * NS))
            self._due_ns = self._next_due()

    def hasten(self, now_ns: int) -> None:
        """A fault stands: what is asked seldom is asked within ``HASTE_S``, one after the other.

        Never twice within ``schema.AGAIN_S``, however often a fault comes and goes.
        """
        seldom = [slot for slot in self._slots.values() if slot.patient]
        for number, slot in enumerate(seldom):
            soon_ns = now_ns + int(HASTE_S * number / len(seldom) * NS)
            if slot.asked_ns is not None:
                soon_ns = max(soon_ns, slot.asked_ns + int(schema.AGAIN_S * NS))
            slot.next_ns = min(slot.next_ns, soon_ns)
        self._due_ns = self._next_due()

    def ask(self, path: str, check: str, now_ns: int) -> bool:
        """A person asks for it now; False where it was started less than ``schema.AGAIN_S`` ago, or is no check."""
        slot = self._slots.get((path, check))
        if slot is None or (slot.asked_ns is not None and now_ns - slot.asked_ns < int(schema.AGAIN_S * NS)):
            return False
        slot.next_ns = min(slot.next_ns, now_ns)
        self._due_ns = self._next_due()
        return True

    def overdue(self, now_ns: int) -> list[tuple[str, str]]:
        """Checks whose oldest start gave no result within its time and ``OVERDUE_S`` more; each start is told once."""
        late: list[tuple[str, str]] = []
        if self._late_ns is None or now_ns < self._late_ns:
            return late
        for key, slot in self._slots.items():
            while slot.started_ns and now_ns >= slot.late_ns:
                slot.started_ns.popleft()
                late.append(key)
        self._late_ns = self._next_late()
        return late

    def deadline(self) -> int | None:
        """When ``due`` or ``overdue`` next has something."""
        return min((time for time in (self._due_ns, self._late_ns) if time is not None), default=None)
