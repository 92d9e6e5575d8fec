"""Keeps the store within its bounds: oldest routine payloads first, then the oldest entries, every drop counted.

A chain can only be cut at its front, so when all routine payloads are gone the oldest entries go whatever they are;
the newest entry of each key stays in ``kept``. Each time room is made, one entry says what went: ``dropped`` for
payloads, ``checkpoint`` for entries that were cut. Room is made many pages at a time, so these stay few. What is older
than ``max_days`` (``days``) goes once a day in the same order, at most 4,096 entries a commit.

The file does not shrink: freed pages are used again (no auto_vacuum, whose page map costs a write more for each new
page). SQLite's own ``max_page_count`` is the hard bound.
"""

from __future__ import annotations

import itertools
import json
import sqlite3
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from agent.journal.days import DAYS_MAX, Days
from agent.journal.entry import Pending
from agent.journal.schema import COLUMNS

PAGE = 4096
MIN_BYTES = 1 << 20
LATEST_MAX = 512
LATEST_EVICTED = 32  # at a time: looking for those back to normal costs a read of all of them
_CHUNK = 64
_CHUNK_BYTES = 65_536
_CHUNKS_MAX = 512
_CHUNKS_OLD = 64
_ALL = (1 << 63) - 1
_SPARE = 10  # pages for latest, ranges, meta and the entries that say what was dropped


@dataclass(frozen=True, slots=True)
class Bounds:
    """What ``max_bytes`` means in pages of 4096 bytes. Raises ValueError below 1 MiB."""

    pages: int
    wal_frames: int
    batch_bytes: int
    max_days: int = DAYS_MAX

    @staticmethod
    def of(max_bytes: int, max_days: int = DAYS_MAX) -> Bounds:
        """The -wal has room for three checkpoint intervals and one transaction; the rest is the database's."""
        if max_bytes < MIN_BYTES:
            raise ValueError(f"a journal needs at least {MIN_BYTES} bytes, not {max_bytes}")
        total = max_bytes // PAGE
        wal_frames = min(1000, max(16, total // 16))
        return Bounds(total - 3 * wal_frames - 64, wal_frames, min(256 * 1024, max_bytes // 32), max_days)


@dataclass(slots=True)
class Gone:
    """What went, of which kinds."""

    first: int = 0
    last: int = 0
    kinds: Counter[str] = field(default_factory=Counter)

    def add(self, seq: int, kind: str) -> None:
        """One more."""
        self.first = min(self.first or seq, seq)
        self.last = max(self.last, seq)
        self.kinds[kind] += 1

    def told(self, why: str, **more: object) -> dict[str, Any]:
        """As a payload."""
        kinds = dict(self.kinds.most_common(32))
        count = self.kinds.total()
        return {"why": why, "count": count, "from_seq": self.first, "to_seq": self.last, "kinds": kinds, **more}


def record(kind: str, payload: dict[str, Any], like: Pending) -> Pending:
    """An entry of the journal's own, urgent so that it outlives what it tells of, timed as the entry beside it."""
    body = json.dumps(payload, separators=(",", ":")).encode()
    return Pending(kind, body, True, like.mono_ns, like.wall, like.synced)


class Room:
    """Makes room in an open store, inside the caller's transaction."""

    def __init__(self, db: sqlite3.Connection, bounds: Bounds) -> None:
        self._db = db
        self._bounds = bounds
        self._moved = 0  # bytes kept of what was cut, in this transaction

    def free_pages(self) -> int:
        """Pages that may still be filled."""
        return self._bounds.pages - self._pragma("page_count") + self._pragma("freelist_count")

    def make(self, pending: Sequence[Pending], head: int, days: Days) -> list[Pending]:
        """Room for ``pending``; the entries that say what had to go, at most five."""
        self._moved = 0
        old = self._drop_old(days.old_upto(head, pending[-1].mono_ns), pending[0])
        need = _SPARE + sum(_pages_of(p) for p in pending)
        if self.free_pages() >= need:
            return old
        goal = need + min(128, max(_SPARE, self._bounds.pages // 64))
        payloads, cut, evicted = Gone(), Gone(), Gone()
        for _ in range(_CHUNKS_MAX):
            # Keeping the newest of each key costs as much as cutting frees: so much of it, and keys must go.
            heavy = self._heavy()
            free = self.free_pages()
            if free >= goal or (heavy and free >= need):
                break
            if not (self._drop_payloads(payloads) or (not heavy and self._cut(cut)) or self._evict_any(evicted)):
                break
        return [*old, *self._told("room", payloads, cut, evicted, pending[0])]

    def _heavy(self) -> bool:
        return self._moved > 2 * self._bounds.wal_frames * PAGE

    def _drop_old(self, upto: int, like: Pending) -> list[Pending]:
        """Part of what is too old, oldest first; what is left over goes with the next commits."""
        payloads, cut = Gone(), Gone()
        for _ in range(_CHUNKS_OLD if upto else 0):
            if self._heavy() or not (self._drop_payloads(payloads, upto) or self._cut(cut, upto)):
                break
        return self._told("age", payloads, cut, Gone(), like)

    def _told(self, why: str, payloads: Gone, cut: Gone, evicted: Gone, like: Pending) -> list[Pending]:
        told = []
        if payloads.kinds:
            told.append(record("dropped", payloads.told(why), like))
            self._add("dropped_payloads", payloads.kinds.total())
        if cut.kinds:
            row = self._db.execute("SELECT value FROM meta WHERE name = 'cut_hash'").fetchone()
            told.append(record("checkpoint", cut.told(why, hash=bytes(row[0]).hex()), like))
            self._add("cut_entries", cut.kinds.total())
        if evicted.kinds:
            told.append(record("dropped", evicted.told("latest"), like))
        return told

    def _drop_payloads(self, gone: Gone, upto: int = _ALL) -> bool:
        rows = self._db.execute(
            "SELECT r.seq, c.kind FROM routine r LEFT JOIN chain c ON c.seq = r.seq "
            "WHERE r.seq <= ? AND r.seq NOT IN (SELECT seq FROM latest) ORDER BY r.seq LIMIT ?",
            (upto, _CHUNK),
        ).fetchall()
        self._db.executemany("DELETE FROM routine WHERE seq = ?", [(seq,) for seq, _ in rows])
        for seq, kind in rows:
            gone.add(seq, str(kind))
        return bool(rows)

    def _cut(self, gone: Gone, upto: int = _ALL) -> bool:
        db = self._db
        sql = "SELECT seq, kind, hash, coalesce(length(payload), 0) FROM chain WHERE seq <= ? ORDER BY seq LIMIT ?"
        rows = db.execute(sql, (upto, _CHUNK)).fetchall()
        if not rows:
            return False
        sizes = itertools.accumulate(row[3] for row in rows)
        rows = rows[: max(1, sum(size <= _CHUNK_BYTES for size in sizes))]
        last, last_hash = rows[-1][0], rows[-1][2]
        kept = db.execute(
            f"SELECT {COLUMNS} FROM entry WHERE seq <= ? AND seq IN (SELECT seq FROM latest)",  # noqa: S608
            (last,),
        ).fetchall()
        # Out first and in again afterwards: in a full store there is no page for a second copy.
        db.execute("DELETE FROM chain WHERE seq <= ?", (last,))
        db.execute("DELETE FROM routine WHERE seq <= ?", (last,))
        db.executemany(f"INSERT INTO kept ({COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?)", kept)  # noqa: S608
        db.execute("UPDATE meta SET value = ? WHERE name = 'cut_seq'", (last,))
        db.execute("UPDATE meta SET value = ? WHERE name = 'cut_hash'", (last_hash,))
        self._moved += sum(len(row[-1] or b"") + 200 for row in kept)
        for seq, kind, _, _ in rows:
            gone.add(seq, str(kind))
        return True

    def _evict_any(self, gone: Gone) -> bool:
        row = self._db.execute("SELECT kind FROM latest ORDER BY seq LIMIT 1").fetchone()
        return row is not None and self._evict(str(row[0]), gone)

    def bound_latest(self, kind: str, like: Pending) -> list[Pending]:
        """At most 512 keys of a kind: those back to normal go first, then the oldest; says what went."""
        (count,) = self._db.execute("SELECT count(*) FROM latest WHERE kind = ?", (kind,)).fetchone()
        if count <= LATEST_MAX:
            return []
        gone = Gone()
        self._evict(kind, gone)
        return [record("dropped", gone.told("latest"), like)]

    def _evict(self, kind: str, gone: Gone) -> bool:
        rows = self._db.execute(
            "SELECT l.key, l.seq, coalesce(e.payload, k.payload) FROM latest l LEFT JOIN entry e ON e.seq = l.seq "
            "LEFT JOIN kept k ON k.seq = l.seq WHERE l.kind = ? ORDER BY l.seq",
            (kind,),
        ).fetchall()
        rows.sort(key=lambda row: not back_to_normal(row[2]))  # stable: oldest first among equals
        for key, seq, _ in rows[:LATEST_EVICTED]:
            self._db.execute("DELETE FROM latest WHERE kind = ? AND key = ?", (kind, key))
            self._db.execute("DELETE FROM kept WHERE seq = ?", (seq,))
            gone.add(seq, kind)
        return bool(rows)

    def _add(self, name: str, count: int) -> None:
        self._db.execute("UPDATE meta SET value = value + ? WHERE name = ?", (count, name))

    def _pragma(self, name: str) -> int:
        return int(self._db.execute(f"PRAGMA {name}").fetchone()[0])


def _pages_of(pending: Pending) -> int:
    """No fewer than the pages one entry may take: its row, and whole pages for what overflows."""
    size = len(pending.payload) + len(pending.key) + 300
    return -(-size // PAGE) + (size > PAGE // 2)


def back_to_normal(payload: bytes | None) -> bool:
    """Whether an alarm's entry says that nothing stands any more."""
    try:
        return payload is None or json.loads(payload).get("state") == "normal"
    except (ValueError, AttributeError, RecursionError):
        return False
