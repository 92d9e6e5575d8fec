"""The journal as the agent uses it: the asyncio face of the one thread that owns SQLite.

The guarantee: entries are committed in the order in which they were put. After any end of the process, kill -9 and
power cut included, the journal holds a prefix of what was put. What may be missing is only what was put after the
last completed commit began: the write in flight and what queued behind it (routine entries may wait ``routine_s``
for a commit, unless an urgent one takes them along). What was told to ``on_committed`` is on disk. The exception is
told, never silent: when commits fail for so long that 10,000 entries wait, the oldest routine ones are dropped, then
new ones refused; both are counted, in ``status`` and in an entry ``dropped`` once the disk is well again.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from agent.clock import Clock, RealClock
from agent.journal.days import DAYS_MAX
from agent.journal.entry import Entry, Pending, Ranges
from agent.journal.pen import CLOSE_S, RETRY_S, Pen, Tell
from agent.journal.store import Store
from agent.journal.waiting import Waiting

log = logging.getLogger("dialtone.journal")
T = TypeVar("T")

PAYLOAD_MAX = 65_536
READ_MAX = 1_000


class JournalWriter:
    """The journal; ``entry.Journal`` is what uplinks see of it. Every method is the loop thread's.

    Nothing is told (``on_fault``, ``on_committed``) before the first ``put``, so the callbacks may use what their
    owner makes after ``open`` returned. ``set_aside`` names the damaged file that this store took the place of.
    """

    def __init__(
        self,
        on_committed: Callable[[Sequence[Entry]], None],
        on_fault: Callable[[str | None], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_committed, self._on_fault = on_committed, on_fault
        self._opened: asyncio.Future[None] = self._loop.create_future()
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._put_once = False
        self._fault: str | None = None
        self._fault_told: str | None = None
        self._facts: dict[str, Any] = {}
        self._head = 0
        self._waiting: Waiting
        self._pen: Pen
        self.store_id = ""
        self.boot = 0
        self.set_aside: str | None = None

    @classmethod
    async def open(
        cls,
        directory: Path,
        max_bytes: int,
        *,
        on_committed: Callable[[Sequence[Entry]], None],
        on_fault: Callable[[str | None], None],
        max_days: int = DAYS_MAX,
        clock: Clock | None = None,
        routine_s: float = 600.0,
        retry_s: Sequence[float] = RETRY_S,
    ) -> JournalWriter:
        """Open the store in its thread. ``on_committed`` gets what each commit wrote, in order of seq; ``on_fault``
        gets a text when commits begin to fail and None when all is well again.

        A damaged store is replaced, a disk that is full, failing or read-only gives a journal in memory until it takes
        writes again: both are told as faults. Raises StoreBusy where another agent has it open, OSError where the
        directory won't do, ValueError where ``max_bytes`` is below 1 MiB. ``max_days``: see ``days``.
        """
        writer = cls(on_committed, on_fault)
        tell = Tell(
            opened=lambda error: writer._to_loop(_settle, writer._opened, None, error),
            identity=lambda *facts: writer._to_loop(writer._identified, *facts),
            committed=lambda entries, facts: writer._to_loop(writer._committed, entries, facts),
            fault=lambda fault: writer._to_loop(writer._faulted, fault),
            ended=lambda: writer._to_loop(_settle, writer._ended, None, None),
        )
        writer._waiting = Waiting(routine_s, time.monotonic())
        writer._pen = Pen(directory, max_bytes, max_days, clock or RealClock(), writer._waiting, tell, retry_s)
        writer._pen.start()
        await writer._opened
        return writer

    @property
    def head(self) -> int:
        """The newest committed sequence number; 0 when empty."""
        return self._head

    def put(self, pending: Pending) -> None:
        """Hand an entry over; never blocks on the disk, never raises. A payload over 64 KiB is replaced by its size."""
        self._waiting.put(_fit(pending), time.monotonic())
        if not self._put_once:
            self._put_once = True
            self._loop.call_soon(self._tell_fault)

    async def read(self, after: int, upto: int, limit: int) -> Sequence[Entry]:
        """Entries with ``after < seq <= upto`` in order, at most ``limit`` and 1,000; those cut for room are absent."""
        return await self._ask(lambda store: store.read(after, upto, min(limit, READ_MAX)))

    async def latest(self, kind: str) -> Sequence[Entry]:
        """The newest entry for each key of ``kind``, at most 512, oldest first."""
        return await self._ask(lambda store: store.latest(kind))

    async def ranges(self, uplink: str) -> Ranges:
        """What this uplink had acknowledged when it was last saved."""
        waiting = self._waiting.ranges(uplink)
        return waiting if waiting is not None else await self._ask(lambda store: store.ranges(uplink))

    def save_ranges(self, uplink: str, ranges: Ranges) -> None:
        """Keep what is acknowledged; rides with a commit, at most once a minute, and is written on close."""
        self._waiting.save_ranges(uplink, ranges, time.monotonic())

    def status(self) -> dict[str, Any]:
        """What the journal is like: store, boot, head, entries, bytes, waiting, dropped, fault and more."""
        return {
            "store": self.store_id,
            "boot": self.boot,
            "head": self._head,
            **self._facts,
            "waiting": len(self._waiting),
            "dropped": self._waiting.dropped_all,
            "fault": self._fault,
        }

    async def close(self) -> None:
        """Commit everything, close the file, end the thread; gives up after 15 s of a disk that does not answer."""
        self._waiting.close()
        try:
            await asyncio.wait_for(asyncio.shield(self._ended), CLOSE_S + 5)
        except TimeoutError:
            log.error("the journal's disk does not answer; leaving it")
            return
        self._pen.join(5)

    # -- what the thread has to say, in the loop's thread ----------------------------------------------------------

    async def _ask(self, what: Callable[[Store], T]) -> T:
        answer: asyncio.Future[T] = self._loop.create_future()

        def call() -> None:
            try:
                value = self._pen.ask(what)
            except Exception as error:
                self._to_loop(_settle, answer, None, error)
            else:
                self._to_loop(_settle, answer, value, None)

        self._waiting.ask(call)
        return await answer

    def _to_loop(self, call: Callable[..., None], *args: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended: nobody is left to tell
            self._loop.call_soon_threadsafe(call, *args)

    def _identified(self, store_id: str, boot: int, head: int, set_aside: str | None) -> None:
        self.store_id, self.boot, self._head, self.set_aside = store_id, boot, head, set_aside

    def _committed(self, entries: Sequence[Entry], facts: dict[str, Any]) -> None:
        self._facts = facts
        if entries:
            self._head = entries[-1].seq
            self._on_committed(entries)

    def _faulted(self, fault: str | None) -> None:
        self._fault = fault
        if self._put_once:
            self._tell_fault()

    def _tell_fault(self) -> None:
        if self._fault != self._fault_told:
            self._fault_told = self._fault
            self._on_fault(self._fault)


def _settle(future: asyncio.Future[Any], value: Any, error: Exception | None) -> None:
    if future.done():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(value)


def _fit(pending: Pending) -> Pending:
    """An entry that SQLite takes: a payload of bounded size, texts without lone surrogates."""
    if len(pending.payload) > PAYLOAD_MAX:
        pending = replace(pending, payload=b'{"too_large":%d}' % len(pending.payload))
    if not (pending.kind.isascii() and pending.key.isascii() and pending.wall.isascii()):
        clean = {n: getattr(pending, n).encode("utf-8", "replace").decode() for n in ("kind", "key", "wall")}
        pending = replace(pending, **clean)
    return pending
