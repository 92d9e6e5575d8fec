"""The journal's store: SQLite, owned by one thread, one transaction at a time.

What is synced, by trace: with WAL and ``synchronous=FULL`` each commit ends in one ``fdatasync`` of the -wal, and
making the -wal syncs its header and the directory. A checkpoint syncs the -wal, then the database. So an append that
has returned survives a power cut, as far as the disk tells the truth.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import logging
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from agent.journal import files, schema
from agent.journal.chain import Walk, seal
from agent.journal.days import DAYS_MAX, Days
from agent.journal.entry import Entry, Pending, Ranges
from agent.journal.files import StoreBusy
from agent.journal.room import LATEST_MAX, PAGE, Bounds, Room
from agent.journal.salvage import NOTHING, Salvaged, salvaged
from agent.journal.schema import COLUMNS, FILE, StoreCorrupt

__all__ = ["Store", "StoreBusy", "StoreCorrupt", "StoreMoved", "is_corrupt"]

log = logging.getLogger("dialtone.journal")
CHECKED_AT_OPEN = 64
# A constraint can fail only where the tree already holds what it should not.
_DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH}
_SHORT_READ = sqlite3.SQLITE_IOERR_SHORT_READ


class StoreMoved(Exception):
    """The store's file is open, and gone from its place."""


def is_corrupt(error: Exception, *, opening: bool = False) -> bool:
    """Whether an error says that the file is damaged, rather than that the disk is full, slow or read-only."""
    if isinstance(error, StoreCorrupt | UnicodeDecodeError):  # the latter: damage quoted in SQLite's own message
        return True
    if not isinstance(error, sqlite3.Error):
        return False
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:  # raised by the module itself, for a value it can't take
        return isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.ProgrammingError)
    # SQLITE_ERROR, when opening: a table or column that should be there is not.
    return (code & 0xFF) in _DAMAGE or code == _SHORT_READ or (opening and code == sqlite3.SQLITE_ERROR)


class Store:
    """An open store. All methods belong to the thread that opened it.

    ``set_aside`` names the damaged file that this new store took the place of, ``why`` says what was wrong with it.
    """

    def __init__(self, db: sqlite3.Connection, directory: Path | None, lock_fd: int | None, bounds: Bounds) -> None:
        self._db = db
        self._directory = directory
        self._lock_fd = lock_fd
        self._bounds = bounds
        self._room = Room(db, bounds)
        self.set_aside: str | None = None
        self.why = ""
        self._least_size, self._place = 0, (0, 0)
        self._was = NOTHING  # where this store is in memory: the one on disk, which can still be read
        self._begin()

    # -- opening -------------------------------------------------------------------------------------------------

    @classmethod
    def open(cls, directory: Path, max_bytes: int, store_id: str, max_days: int = DAYS_MAX, after: int = 0) -> Store:
        """Open or make the store in ``directory``; ``store_id`` (8 random hex digits) names a new one, whose first
        entry will be ``after + 1``.

        A damaged store is set aside and a new one made. Raises StoreBusy where another agent has it open, OSError
        where the directory won't do, sqlite3.Error where the disk won't.
        """
        bounds = Bounds.of(max_bytes, max_days)
        files.check_directory(directory)
        lock_fd = files.lock(directory)
        try:
            try:
                return cls(_connect(directory, bounds, store_id, after), directory, lock_fd, bounds)
            except (sqlite3.Error, StoreCorrupt, UnicodeDecodeError) as error:
                if not (is_corrupt(error, opening=True) or (directory / FILE).is_dir()):
                    raise
                store = cls._anew(directory, bounds, store_id, lock_fd, after, str(error) or type(error).__name__)
                with contextlib.suppress(sqlite3.Error):
                    store.begin_with(salvaged(directory / str(store.set_aside)).newest)
                return store
        except BaseException:
            os.close(lock_fd)
            raise

    @classmethod
    def _anew(cls, directory: Path, bounds: Bounds, store_id: str, lock_fd: int, after: int, why: str) -> Store:
        name = files.set_aside(directory)
        log.error("the journal is damaged (%s); set aside as %s, starting a new one", why, name)
        store = cls(_connect(directory, bounds, store_id, after), directory, lock_fd, bounds)
        store.set_aside, store.why = name, why
        return store

    def begin_with(self, newest: Sequence[Pending]) -> None:
        """What stood in a store that could not be opened stands in this new one. Raises sqlite3.Error."""
        for _ in self.append_all(newest):
            pass

    @classmethod
    def in_memory(cls, max_bytes: int, store_id: str, was: Salvaged = NOTHING) -> Store:
        """A store that lasts as long as the process, of at most 8 MiB, for a disk that won't be written. It begins with
        what stood in the one on disk, reads on from it, and is carried over later under the same numbers."""
        bounds = Bounds.of(min(max_bytes, 8 << 20))
        db = sqlite3.connect(":memory:", isolation_level=None)
        schema.create(db, store_id, was.head - len(was.newest))
        db.execute(f"PRAGMA max_page_count={bounds.pages}")
        store = cls(db, None, None, bounds)
        store.begin_with(was.newest)
        store._was = was
        return store

    def replaced(self, store_id: str, why: str) -> Store:
        """A new store in place of this one, found damaged while open; its ``seq`` goes on where this one's ended."""
        with contextlib.suppress(sqlite3.Error):
            self._db.close()
        if self._directory is None or self._lock_fd is None:
            raise OSError(f"a journal in memory can't be damaged: {why}")
        return Store._anew(self._directory, self._bounds, store_id, self._lock_fd, self.head, why)

    def check_place(self) -> None:
        """Raises StoreMoved where the file is no longer under its name, StoreCorrupt where it was cut short."""
        if self._directory is None:
            return
        try:
            found = (self._directory / FILE).stat()
        except OSError as error:
            raise StoreMoved(f"{self._directory / FILE} has vanished: {error.strerror}") from error
        if (found.st_dev, found.st_ino) != self._place:
            raise StoreMoved(f"{self._directory / FILE} is another file now")
        if found.st_size < self._least_size:
            raise StoreCorrupt(f"the file was cut short, from {self._least_size} bytes to {found.st_size}")
        self._least_size = found.st_size  # SQLite makes it smaller only as it is opened

    def put_back(self) -> Store:
        """This store, whose file is gone from its place, whole in a new file there; it must still be readable. What is
        in its place now is set aside. Raises StoreBusy, OSError, sqlite3.Error."""
        directory, lock_fd = self._directory, self._lock_fd
        if directory is None or lock_fd is None:
            raise OSError("a journal in memory has no place")
        files.check_directory(directory)
        new_fd = files.lock_again(directory, lock_fd)
        try:
            path = files.new_file(directory)
            self._db.execute("VACUUM INTO ?", (str(path),))
            files.sync(path)
            if os.path.lexists(directory / FILE):
                files.set_aside(directory)
            files.put_in_place(directory, path)
            store = Store(_connect(directory, self._bounds, self.store_id, 0), directory, new_fd, self._bounds)
        except BaseException:
            if new_fd != lock_fd:
                os.close(new_fd)
            raise
        with contextlib.suppress(sqlite3.Error):
            self._db.close()
        if new_fd != lock_fd:
            os.close(lock_fd)
        return store

    def _begin(self) -> None:
        """Check the newest entries and start a boot; nothing is written if the check fails."""
        db = self._db
        try:
            meta = schema.meta(db)
            self.store_id: str = meta["store"]
            self.head, self._hash = self._checked_tail(meta)
            self.boot: int = meta["boot"] + 1
            db.execute("BEGIN IMMEDIATE")
            db.execute(schema.DAY)
            db.execute("UPDATE meta SET value = ? WHERE name = 'boot'", (self.boot,))
            db.execute("COMMIT")
            self.cut_entries: int = meta["cut_entries"]
            self.dropped_payloads: int = meta["dropped_payloads"]
            self._first: int = meta["cut_seq"] + 1
            self._days = Days(db, self.boot, self._bounds.max_days)
            if self._directory is not None:
                found = (self._directory / FILE).stat()
                self._least_size, self._place = found.st_size, (found.st_dev, found.st_ino)
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                db.close()
            raise

    def _checked_tail(self, meta: Mapping[str, Any]) -> tuple[int, bytes]:
        db, store = self._db, self.store_id
        rows = db.execute(f"SELECT {COLUMNS} FROM entry ORDER BY seq DESC LIMIT ?", (CHECKED_AT_OPEN + 1,))  # noqa: S608
        tail = schema.sealed_all(store, rows.fetchall())[::-1]
        for table in ("latest", "ranges", "kept", "routine"):
            db.execute(f"SELECT * FROM {table} LIMIT 1").fetchall()  # noqa: S608
        if len(tail) <= CHECKED_AT_OPEN:
            walk = Walk(store, meta["cut_seq"], meta["cut_hash"])
        else:
            walk = Walk(store, tail[0].entry.seq, tail[0].hash, tail[0].entry.boot)
            tail = tail[1:]
        for sealed in tail:
            broken = walk.step(sealed)
            if broken is not None:
                raise StoreCorrupt(f"entry {broken.seq}: {broken.why}")
        if walk.boot > meta["boot"]:
            raise StoreCorrupt(f"entry {walk.seq} is of boot {walk.boot}, the store of boot {meta['boot']}")
        return walk.seq, walk.hash

    # -- writing -------------------------------------------------------------------------------------------------

    @property
    def batch_bytes(self) -> int:
        """How many payload bytes one append should take at most, so that the -wal keeps within its share."""
        return self._bounds.batch_bytes

    def append(self, pending: Sequence[Pending], ranges: Mapping[str, Ranges] | None = None) -> list[Entry]:
        """Commit ``pending`` in order, with cursors; on disk when it returns, and nothing of it if it raises.

        What comes back are all the entries written: those of the journal's own, saying what had to go for room, are
        among them. Raises sqlite3.Error.
        """
        db = self._db
        db.execute("BEGIN IMMEDIATE")
        try:
            told = self._room.make(pending, self.head, self._days) if pending else []
            sealed_head, sealed_hash, entries = self._insert([*told, *pending], self.head, self._hash)
            more = self._update_latest(entries, pending)
            if more:
                sealed_head, sealed_hash, added = self._insert(more, sealed_head, sealed_hash)
                entries += added
            for uplink, kept in (ranges or {}).items():
                db.execute("INSERT OR REPLACE INTO ranges VALUES (?, ?)", (uplink, json.dumps(kept)))
            db.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                db.execute("ROLLBACK")
            self._days.forget()
            raise
        self.head, self._hash = sealed_head, sealed_hash
        if told:
            self._count_gone()
        return entries

    def append_all(self, pending: Sequence[Pending]) -> Iterator[int]:
        """Commit many, as many at a time as one append should take; yields how many of them are written."""
        done = 0
        while done < len(pending):
            sizes = itertools.accumulate(len(p.payload) for p in pending[done:])
            most = done + max(1, sum(1 for _ in itertools.takewhile(lambda size: size <= self.batch_bytes, sizes)))
            self.append(pending[done:most])
            done = most
            yield done

    def _insert(self, pending: Sequence[Pending], head: int, hash_: bytes) -> tuple[int, bytes, list[Entry]]:
        rows, routine, entries = [], [], []
        for p in pending:
            head += 1
            entry = Entry(
                self.store_id, self.boot, head, p.kind, p.urgent, p.mono_ns, p.wall, p.synced, p.key, p.payload
            )
            sealed = seal(hash_, entry)
            hash_ = sealed.hash
            rows.append(schema.row_of(sealed))
            entries.append(entry)
            if not p.urgent:
                routine.append((head, p.payload))
        self._db.executemany(f"INSERT INTO chain ({COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?)", rows)  # noqa: S608
        self._db.executemany("INSERT INTO routine VALUES (?, ?)", routine)
        return head, hash_, entries

    def _update_latest(self, entries: Sequence[Entry], pending: Sequence[Pending]) -> list[Pending]:
        newest = {(e.kind, e.key): e.seq for e in entries if e.key}
        for (kind, key), seq in newest.items():
            self._db.execute(
                "DELETE FROM kept WHERE seq = (SELECT seq FROM latest WHERE kind = ? AND key = ?)", (kind, key)
            )
            self._db.execute("INSERT OR REPLACE INTO latest VALUES (?, ?, ?)", (kind, key, seq))
        return [
            told for kind in dict.fromkeys(k for k, _ in newest) for told in self._room.bound_latest(kind, pending[-1])
        ]

    def _count_gone(self) -> None:
        meta = schema.meta(self._db)
        self.cut_entries, self.dropped_payloads = meta["cut_entries"], meta["dropped_payloads"]
        self._first = meta["cut_seq"] + 1

    # -- reading -------------------------------------------------------------------------------------------------

    def read(self, after: int, upto: int, limit: int) -> list[Entry]:
        """Entries with ``after < seq <= upto`` in order, at most ``limit``; those that were cut are absent."""
        below = self._was.read(after, upto, limit)
        rows = schema.rows_after(self._db, below[-1].seq if below else after, upto, limit - len(below))
        return below + [sealed.entry for sealed in schema.sealed_all(self.store_id, rows)]

    def latest(self, kind: str) -> list[Entry]:
        """The newest entry for each key of ``kind``, at most 512, oldest first."""
        sql = " UNION ALL ".join(
            f"SELECT {COLUMNS} FROM {table} WHERE seq IN (SELECT seq FROM latest WHERE kind = ?)"  # noqa: S608
            for table in ("kept", "entry")
        )
        rows = self._db.execute(f"SELECT * FROM ({sql}) ORDER BY seq LIMIT {LATEST_MAX}", (kind, kind))  # noqa: S608
        return [sealed.entry for sealed in schema.sealed_all(self.store_id, rows.fetchall())]

    def newest(self) -> list[Entry]:
        """The newest entry for each key of any kind."""
        kinds = self._db.execute("SELECT DISTINCT kind FROM latest").fetchall()
        return [entry for (kind,) in kinds for entry in self.latest(str(kind))]

    def ranges(self, uplink: str) -> Ranges:
        """What was last saved for this uplink; empty where nothing was, or nothing that makes sense."""
        return schema.ranges(self._db, uplink) or self._was.ranges(uplink)

    def all_ranges(self) -> dict[str, Ranges]:
        """What was saved for each uplink."""
        return {name: schema.ranges(self._db, name) for (name,) in self._db.execute("SELECT uplink FROM ranges")}

    def entries(self) -> int:
        """How many entries are in the chain."""
        return self.head - self._first + 1

    def size_bytes(self) -> int:
        """The database and its -wal on disk."""
        if self._directory is None:
            return 0
        total = 0
        for side in ("", "-wal"):
            with contextlib.suppress(OSError):
                total += Path(f"{self._directory / FILE}{side}").stat().st_size
        return total

    def close(self) -> None:
        """Close the file, which checkpoints it, and let another agent have it."""
        try:
            self._db.close()
        finally:
            if self._lock_fd is not None:
                os.close(self._lock_fd)


def _connect(directory: Path, bounds: Bounds, store_id: str, after: int) -> sqlite3.Connection:
    path = directory / FILE
    if not os.path.lexists(path):
        _create(directory, store_id, after)
    elif path.stat().st_size == 0:
        raise StoreCorrupt("the file is empty")
    db = sqlite3.connect(path, isolation_level=None, timeout=5.0, cached_statements=64)
    try:
        for pragma in (
            "synchronous=FULL",
            f"wal_autocheckpoint={bounds.wal_frames}",
            f"journal_size_limit={2 * bounds.wal_frames * PAGE}",
            "secure_delete=OFF",  # Debian's default writes zeros over freed pages: a page written more for each
            "cell_size_check=ON",
            "cache_size=-512",
            "temp_store=MEMORY",
            "trusted_schema=OFF",
        ):
            db.execute(f"PRAGMA {pragma}")
        (mode,) = db.execute("PRAGMA journal_mode=WAL").fetchone()
        if mode != "wal":
            raise StoreCorrupt(f"journal_mode is {mode}, not wal")
        _shrink(db, bounds)
    except BaseException:
        with contextlib.suppress(sqlite3.Error):
            db.close()
        raise
    return db


def _create(directory: Path, store_id: str, after: int) -> None:
    """A new store appears whole under its name, or not at all: an empty ``journal.db`` is always damage."""
    path = files.new_file(directory)
    db = sqlite3.connect(path, isolation_level=None)
    try:
        db.execute(f"PRAGMA page_size={PAGE}")
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("BEGIN IMMEDIATE")
        schema.create(db, store_id, after)
        db.execute("COMMIT")
    finally:
        db.close()  # syncs it and removes its -wal
    files.put_in_place(directory, path)


def _shrink(db: sqlite3.Connection, bounds: Bounds) -> None:
    """Hold the file to its bound; where it is larger (the site file was changed), the next append cuts first."""
    (pages,) = db.execute("PRAGMA page_count").fetchone()
    (free,) = db.execute("PRAGMA freelist_count").fetchone()
    if pages > bounds.pages and pages - free <= bounds.pages:
        with contextlib.suppress(sqlite3.OperationalError):  # a full disk: it stays as large as it is
            db.execute("VACUUM")
    db.execute(f"PRAGMA max_page_count={bounds.pages}")
