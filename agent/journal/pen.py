"""The thread that owns SQLite: it commits what waits, answers what is asked, and outlives every fault of the disk."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from agent.clock import Clock
from agent.journal.entry import Entry, Pending
from agent.journal.room import record
from agent.journal.store import Store, is_corrupt
from agent.journal.waiting import BATCH_MAX, Batch, Waiting

log = logging.getLogger("dialtone.journal")
T = TypeVar("T")

RETRY_S = (1.0, 2.0, 4.0, 8.0, 10.0)
CLOSE_S = 10.0
NOTICE_S = 600.0  # how long a replaced store stands as a fault
_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO}


@dataclass(frozen=True, slots=True)
class Tell:
    """What the thread has to say. Each is called in the thread and hands over to the loop by itself."""

    opened: Callable[[Exception | None], None]
    identity: Callable[[str, int, int, str | None], None]
    committed: Callable[[Sequence[Entry], dict[str, Any]], None]
    fault: Callable[[str | None], None]
    ended: Callable[[], None]


class Pen:
    """The thread. ``start`` it once; it ends when ``waiting`` is closed and written, or cannot be in 10 s."""

    def __init__(
        self, directory: Path, max_bytes: int, clock: Clock, waiting: Waiting, tell: Tell, retry_s: Sequence[float]
    ) -> None:
        self._directory, self._max_bytes, self._clock = directory, max_bytes, clock
        self._waiting, self._tell, self._retry_s = waiting, tell, retry_s
        self._failing: str | None = None
        self._failures = 0
        self._retry_at = 0.0
        self._close_by: float | None = None
        self._single = 0  # how many commits to make of one entry each, looking for the one that can't be written
        self._notice: tuple[str, float] | None = None
        self._fault_told: str | None = None
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)

    def start(self) -> None:
        """Open the store and begin."""
        self._thread.start()

    def join(self, timeout_s: float) -> None:
        """Wait for the thread's end."""
        self._thread.join(timeout_s)

    def ask(self, what: Callable[[Store], T]) -> T:
        """Read from the store; a file found damaged is replaced, and the new one answers. In the thread only."""
        try:
            return what(self._store)
        except Exception as error:
            if not is_corrupt(error):
                raise
            self._replace(str(error))
            return what(self._store)

    # -- its life ------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._store = self._open()
        except Exception as error:
            self._tell.opened(error)
            return
        self._identified()
        self._tell.committed((), self._facts())
        self._tell.opened(None)
        while True:
            try:
                if not self._turn():
                    break
            except Exception as bug:  # our bug: tell it, keep writing
                log.exception("the journal's thread failed")
                self._failed(f"{type(bug).__name__}: {bug}")
                time.sleep(0.1)
        with contextlib.suppress(sqlite3.Error, OSError):
            self._store.close()
        self._tell.ended()

    def _open(self) -> Store:
        """The store; one in memory, told as a fault, where the disk is full, failing or read-only: the panel must
        come up and the uplinks must report, whatever the disk does."""
        try:
            return Store.open(self._directory, self._max_bytes, os.urandom(4).hex())
        except (sqlite3.Error, OSError) as error:
            if isinstance(error, OSError) and error.errno not in _DISK:
                raise
            log.exception("the journal can't be opened")
            why = f"the journal can't be opened ({error}): entries are lost at the next restart, which tries again"
            self._notice = (why, float("inf"))
            return Store.in_memory(self._max_bytes, os.urandom(4).hex())

    def _identified(self) -> None:
        """Say which store this is. One that took the place of a damaged one says so as its first entry, and as a
        fault that stands for ten minutes."""
        store = self._store
        self._tell.identity(store.store_id, store.boot, store.head, store.set_aside)
        if store.set_aside is not None:
            why = f"the journal was damaged ({store.why}); set aside as {store.set_aside}"
            self._notice = (why, time.monotonic() + NOTICE_S)
            told = {"set_aside": store.set_aside, "why": store.why[:300]}
            self._waiting.put_first(record("store", told, self._now("store")))
        self._show_fault()

    def _facts(self) -> dict[str, Any]:
        store = self._store
        gone = {"dropped_payloads": store.dropped_payloads, "cut": store.cut_entries}
        return {"entries": store.entries(), "bytes": store.size_bytes(), **gone, "set_aside": store.set_aside}

    def _turn(self) -> bool:
        """Answer what is asked, commit what is due; False when closed and done."""
        waiting = self._waiting
        with waiting.wake:
            while not (waiting.calls or waiting.closing):
                wait_s = self._wait_s()
                if wait_s is not None and wait_s <= 0:
                    break
                waiting.wake.wait(wait_s)
            calls = list(waiting.calls)
            waiting.calls.clear()
            if waiting.closing and self._close_by is None:
                self._close_by = time.monotonic() + CLOSE_S
                self._retry_at = 0.0
            due = self._commit_due()
        for call in calls:
            call()
        self._show_fault()
        if self._close_by is not None:
            return self._close_turn(self._close_by)
        if due:
            self._commit()
        return True

    def _close_turn(self, close_by: float) -> bool:
        waiting, now_s = self._waiting, time.monotonic()
        if not waiting.all_written() and now_s < close_by:
            if now_s >= self._retry_at:
                self._commit()
                self._retry_at = min(self._retry_at, now_s + 1.0)
            else:
                time.sleep(0.05)
            return True
        if len(waiting):
            log.error("closing with %d journal entries that could not be written: %s", len(waiting), self._failing)
        return bool(waiting.calls)

    def _wait_s(self) -> float | None:
        """How long until there is something to do; None: until told."""
        now_s = time.monotonic()
        due_s = self._waiting.due_s(now_s, self._retry_at)
        ends = [] if self._notice is None or self._notice[1] == float("inf") else [self._notice[1]]
        ends += [] if due_s is None else [due_s]
        return min(ends) - now_s if ends else None

    def _commit_due(self) -> bool:
        now_s = time.monotonic()
        due_s = self._waiting.due_s(now_s, self._retry_at)
        return due_s is not None and due_s <= now_s

    # -- one commit ----------------------------------------------------------------------------------------------

    def _commit(self) -> None:
        waiting = self._waiting
        batch = waiting.take(
            time.monotonic(),
            most=1 if self._single else BATCH_MAX,
            most_bytes=self._store.batch_bytes,
            last=self._close_by is not None,
        )
        if self._single:
            batch.dropped = Counter()
        try:
            told = [self._dropped_entry(batch.dropped)] if batch.dropped else []
            entries = self._store.append([*batch.pending, *told], batch.ranges) if batch else []
        except Exception as error:
            if is_corrupt(error):
                self._replace(str(error))
            elif isinstance(error, sqlite3.Error):
                self._failed(str(error))
            else:
                log.exception("an entry can't be written")
                self._unwritable(batch, f"{type(error).__name__}: {error}")
        else:
            waiting.written(batch, time.monotonic())
            self._single = max(0, self._single - 1)
            self._failing, self._failures, self._retry_at = None, 0, 0.0
            self._tell.committed(entries, self._facts())
            self._show_fault()

    def _failed(self, why: str) -> None:
        """A commit failed: everything stays in memory, and is tried again."""
        if self._failing is None:
            log.error("the journal can't be written: %s", why)
        self._failing = f"the journal can't be written: {why}"
        self._retry_at = time.monotonic() + self._retry_s[min(self._failures, len(self._retry_s) - 1)]
        self._failures += 1
        self._show_fault()

    def _unwritable(self, batch: Batch, why: str) -> None:
        """Our own bug: look for the one entry at fault, drop it and count it, so that the others are written."""
        if len(batch.pending) > 1:
            self._single = len(batch.pending)
        elif batch.pending:
            self._waiting.drop_first()
        self._failed(why)

    def _replace(self, why: str) -> None:
        """The file was found damaged while open: a new one takes its place, and what waits goes there."""
        try:
            self._store = self._store.replaced(os.urandom(4).hex(), why)
        except (sqlite3.Error, OSError) as error:
            self._failed(f"{why}; and no new one can be made: {error}")
            return
        self._identified()

    def _show_fault(self) -> None:
        if self._notice is not None and time.monotonic() >= self._notice[1]:
            self._notice = None
        fault = self._failing or (self._notice[0] if self._notice else None)
        if fault != self._fault_told:
            self._fault_told = fault
            self._tell.fault(fault)

    def _dropped_entry(self, dropped: Counter[str]) -> Pending:
        told = {"why": "waiting", "count": dropped.total(), "kinds": dict(dropped.most_common(32))}
        return record("dropped", told, self._now("dropped"))

    def _now(self, kind: str) -> Pending:
        wall = self._clock.wall()
        return Pending(kind, b"", True, self._clock.now_ns(), wall.utc, wall.synced)
