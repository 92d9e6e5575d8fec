"""What waits to be written: a bounded queue between the loop's thread and the writer's.

Everything here holds its own lock for as long as a few list operations take, never across a write.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from agent.journal.entry import Pending, Ranges

WAITING_MAX = 10_000
BATCH_MAX = 1_000
RANGES_S = 60.0  # cursors ride with a commit no more often than this: each costs a page


@dataclass(slots=True)
class Batch:
    """What one transaction is to write."""

    pending: list[Pending]
    ranges: dict[str, Ranges]
    dropped: Counter[str]

    def __bool__(self) -> bool:
        return bool(self.pending or self.ranges or self.dropped)


@dataclass(slots=True)
class Waiting:
    """The queue, the entries now in a transaction, cursors, questions, and what had to be dropped.

    Times are monotonic seconds. ``routine_s``: how long routine entries and cursors may wait.
    """

    routine_s: float
    ranges_at: float
    wake: threading.Condition = field(default_factory=threading.Condition)
    calls: deque[Callable[[], None]] = field(default_factory=deque)
    closing: bool = False
    dropped_all: int = 0
    _queue: deque[Pending] = field(default_factory=deque)
    _flight: list[Pending] = field(default_factory=list)
    _urgent: int = 0  # in the queue
    _routine_since: float | None = None
    _ranges: dict[str, Ranges] = field(default_factory=dict)
    _dropped: Counter[str] = field(default_factory=Counter)  # by kind, not yet told in an entry

    def __len__(self) -> int:
        return len(self._queue) + len(self._flight)

    # -- from the loop's thread ----------------------------------------------------------------------------------

    def put(self, pending: Pending, now_s: float) -> None:
        """Queue an entry. Where 10,000 wait the oldest routine one goes, or this one if there is none."""
        with self.wake:
            if len(self) >= WAITING_MAX and not self._make_room(pending):
                return
            self._queue.append(pending)
            self._urgent += pending.urgent
            first = self._routine_since is None
            if first and not pending.urgent:
                self._routine_since = now_s
            if pending.urgent or first or len(self._queue) == BATCH_MAX:
                self.wake.notify()

    def _make_room(self, pending: Pending) -> bool:
        self.dropped_all += 1
        if self._urgent < len(self._queue):
            index = next(i for i, p in enumerate(self._queue) if not p.urgent)
            self._dropped[self._queue[index].kind] += 1
            del self._queue[index]
            return True
        self._dropped[pending.kind] += 1
        return False

    def save_ranges(self, uplink: str, ranges: Ranges, now_s: float) -> None:
        """Cursors wait like routine entries."""
        with self.wake:
            self._ranges[uplink] = ranges
            if self._routine_since is None:
                self._routine_since = now_s
                self.wake.notify()

    def ranges(self, uplink: str) -> Ranges | None:
        """What was saved and is not yet written."""
        with self.wake:
            return self._ranges.get(uplink)

    def ask(self, call: Callable[[], None]) -> None:
        """Have something done in the writer's thread. Raises RuntimeError once closing."""
        with self.wake:
            if self.closing:
                raise RuntimeError("the journal is closed")
            self.calls.append(call)
            self.wake.notify()

    def close(self) -> None:
        """Nothing more is asked; what waits is still written."""
        with self.wake:
            self.closing = True
            self.wake.notify()

    # -- from the writer's thread --------------------------------------------------------------------------------

    def due_s(self, now_s: float, retry_at: float) -> float | None:
        """When the next commit is due; None: when something comes. Call with ``wake`` held."""
        if self._flight or self._urgent or len(self._queue) >= BATCH_MAX:
            return max(now_s, retry_at)
        if self._routine_since is not None:
            return max(now_s, retry_at, self._routine_since + self.routine_s)
        return None

    def all_written(self) -> bool:
        """Whether nothing at all waits."""
        with self.wake:
            return not (len(self) or self._ranges or self._dropped)

    def take(self, now_s: float, *, most: int, most_bytes: int, last: bool) -> Batch:
        """What the next transaction writes: it stays here, in order, until ``written``. At least one entry if any."""
        with self.wake:
            size = sum(len(p.payload) for p in self._flight)
            while self._queue and len(self._flight) < most:
                size += len(self._queue[0].payload)
                if self._flight and size > most_bytes:
                    break
                pending = self._queue.popleft()
                self._urgent -= pending.urgent
                self._flight.append(pending)
            routine_due = self._routine_since is not None and now_s >= self._routine_since + self.routine_s
            ranges_due = last or routine_due or now_s >= self.ranges_at + RANGES_S
            ranges = dict(self._ranges) if ranges_due else {}
            return Batch(self._flight[:most], ranges, Counter(self._dropped))

    def written(self, batch: Batch, now_s: float) -> None:
        """A batch is on disk."""
        with self.wake:
            del self._flight[: len(batch.pending)]
            self._dropped -= batch.dropped
            for uplink, saved in batch.ranges.items():
                if self._ranges.get(uplink) == saved:
                    del self._ranges[uplink]
            if batch.ranges:
                self.ranges_at = now_s
            routine_waits = any(not p.urgent for p in self._flight) or self._urgent < len(self._queue)
            self._routine_since = now_s if routine_waits or self._ranges else None

    def put_first(self, pending: Pending) -> None:
        """An entry of the journal's own, before all that waits."""
        with self.wake:
            self._flight.insert(0, pending)

    def drop_first(self) -> None:
        """The first entry can't be written at all: count it among the dropped."""
        with self.wake:
            self.dropped_all += 1
            self._dropped[self._flight.pop(0).kind] += 1
