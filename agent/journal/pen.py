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
from agent.journal.salvage import Newest, Salvaged, again, salvaged
from agent.journal.schema import FILE
from agent.journal.store import Store, StoreBusy, StoreCorrupt, StoreMoved, is_corrupt
from agent.journal.waiting import BATCH_MAX, Batch, Waiting

log = logging.getLogger("dialtone.journal")
T = TypeVar("T")

RETRY_S = (1.0, 2.0, 4.0, 8.0, 10.0)
CLOSE_S = 10.0
LOOK_S = 10.0
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
        self,
        directory: Path,
        max_bytes: int,
        max_days: int,
        clock: Clock,
        waiting: Waiting,
        tell: Tell,
        retry_s: Sequence[float],
    ) -> None:
        self._directory, self._bounds, self._clock = directory, (max_bytes, max_days), clock
        self._waiting, self._tell, self._retry_s = waiting, tell, retry_s
        self._failing: str | None = None
        self._failures = 0
        self._retry_at = 0.0
        self._close_by: float | None = None
        self._single = 0  # how many commits to make of one entry each, looking for the one that can't be written
        self._notice: tuple[str, float] | None = None
        self._fault_told: str | None = None
        self._newest = Newest()
        self._in_memory = False
        self._carried = 0  # the last entry of a journal in memory that is on disk as well
        self._look_at = time.monotonic() + LOOK_S
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
            self._open()
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
        if self._in_memory:
            self._carry_over()
        with contextlib.suppress(sqlite3.Error, OSError):
            self._store.close()
        self._tell.ended()

    def _open(self) -> None:
        """The store; one in memory, told as a fault, where the disk is full, failing or read-only: the panel must
        come up and the uplinks must report, whatever the disk does."""
        try:
            self._store = self._on_disk(0)
        except (sqlite3.Error, OSError) as error:
            if isinstance(error, OSError) and error.errno not in _DISK:
                raise
            log.exception("the journal can't be opened")
            was = salvaged(self._directory / FILE)
            self._into_memory(f"can't be opened ({error})", was, was.head)
        for entry in self._store.newest():
            if entry.payload is not None:
                self._newest.saw(again(entry))

    def _on_disk(self, after: int) -> Store:
        max_bytes, max_days = self._bounds
        return Store.open(self._directory, max_bytes, os.urandom(4).hex(), max_days, after)

    def _into_memory(self, why: str, was: Salvaged, carried: int) -> None:
        """Go on without a disk: what stood stands, and what is written is carried over when there is one again."""
        self._notice = (f"the journal {why}: until it can be, entries are in memory alone", float("inf"))
        self._store = Store.in_memory(self._bounds[0], os.urandom(4).hex(), was)
        self._in_memory, self._carried = True, carried

    def _carry_over(self) -> None:
        """Try the disk again; what was written in memory meanwhile goes there, in order and under the same numbers
        wherever the store on disk ended where it was thought to."""
        memory = self._store
        try:
            store = self._on_disk(self._carried)
        except (sqlite3.Error, OSError, StoreBusy) as error:
            log.debug("still no journal on disk: %s", error)
            return
        try:
            while entries := memory.read(self._carried, memory.head, BATCH_MAX):
                whole = [entry for entry in entries if entry.payload is not None]
                for done in store.append_all([again(entry) for entry in whole]):
                    self._carried = whole[done - 1].seq
                self._carried = entries[-1].seq
            store.append([], memory.all_ranges())
        except sqlite3.Error as error:
            log.error("the journal can't be carried over to the disk yet: %s", error)
            with contextlib.suppress(sqlite3.Error, OSError):
                store.close()
            return
        log.warning("the journal is on disk again, up to entry %d", store.head)
        memory.close()
        self._store, self._in_memory, self._notice = store, False, None
        self._identified()
        self._tell.committed((), self._facts())

    def _identified(self, stood: Sequence[Pending] = ()) -> None:
        """Say which store this is. One that took the place of a damaged one says so as its first entry, and as a
        fault that stands for ten minutes; ``stood``: what it is to begin with."""
        store = self._store
        self._tell.identity(store.store_id, store.boot, store.head, store.set_aside)
        for one in reversed(stood):
            self._waiting.put_first(one)
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
                if wait_s <= 0:
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
        if time.monotonic() >= self._look_at:
            self._look()
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

    def _look(self) -> None:
        """Now and then, whatever is to be written: whether there is a disk again, and the file still in its place."""
        self._look_at = time.monotonic() + LOOK_S
        if self._in_memory:
            self._carry_over()
        else:
            try:
                self._store.check_place()
            except (StoreMoved, StoreCorrupt) as error:
                self._misplaced(error)

    def _wait_s(self) -> float:
        """How long until there is something to do."""
        now_s = time.monotonic()
        due_s = self._waiting.due_s(now_s, self._retry_at)
        ends = [] if self._notice is None or self._notice[1] == float("inf") else [self._notice[1]]
        ends += [] if due_s is None else [due_s]
        return min([*ends, self._look_at]) - now_s

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
            self._store.check_place()
            told = [self._dropped_entry(batch.dropped)] if batch.dropped else []
            entries = self._store.append([*batch.pending, *told], batch.ranges) if batch else []
        except Exception as error:
            if is_corrupt(error) or isinstance(error, StoreMoved):
                self._misplaced(error)
            elif isinstance(error, sqlite3.Error):
                self._failed(str(error))
            else:
                log.exception("an entry can't be written")
                self._unwritable(batch, f"{type(error).__name__}: {error}")
        else:
            waiting.written(batch, time.monotonic())
            for pending in batch.pending:
                self._newest.saw(pending)
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
        stood, head = self._newest.all(), self._store.head
        try:
            self._store = self._store.replaced(os.urandom(4).hex(), why)
        except (sqlite3.Error, OSError) as error:
            log.exception("no new journal can be made")
            with contextlib.suppress(sqlite3.Error, OSError):
                self._store.close()  # and let go of the lock
            was = Salvaged(stood, max(head, len(stood)))
            self._into_memory(f"is damaged ({why}), and no new one can be made ({error})", was, was.head - len(stood))
            stood = ()
        self._identified(stood)

    def _misplaced(self, error: Exception) -> None:
        """The file is damaged, or no longer under its name: then it is still open and can be read, and is put back."""
        if not isinstance(error, StoreMoved):
            self._replace(str(error))
            return
        try:
            self._store = self._store.put_back()
        except (sqlite3.Error, OSError, StoreBusy, StoreCorrupt) as worse:
            unreadable = is_corrupt(worse) or getattr(worse, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_IOERR
            if unreadable and self._failures >= len(self._retry_s):
                self._replace(f"{error}; {worse}")
            else:
                self._failed(f"{error}; and it can't be put back: {worse}")
            return
        log.error("%s; it was written there again, whole", error)
        self._notice = (f"{error}; it was written there again, whole", time.monotonic() + NOTICE_S)
        self._identified()
        self._waiting.put_first(record("store", {"put_back": str(error)[:300]}, self._now("store")))

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
