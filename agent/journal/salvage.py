"""What can still be read of a store that won't open: the newest entry of each key, so that what stood stands again.

Alarms that are back to normal are left out. A store that is damaged, or on a disk that takes no writes, may be whole in
just these places. Each entry is taken only with the payload that was sealed with it. Nothing is written, and whatever
is wrong with the file is no error here.
"""

from __future__ import annotations

import logging
import sqlite3
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from agent.journal import schema
from agent.journal.chain import payload_fits
from agent.journal.entry import Entry, Pending, Ranges
from agent.journal.room import LATEST_MAX, back_to_normal

log = logging.getLogger("dialtone.journal")


@dataclass(frozen=True, slots=True)
class Salvaged:
    """The newest of each key, oldest first, the number of the newest entry of all, and where more can be read."""

    newest: tuple[Pending, ...] = ()
    head: int = 0
    path: Path | None = None
    store: str = ""

    def read(self, after: int, upto: int, limit: int) -> list[Entry]:
        """As ``Store.read``: what waits to be reported is there still. Empty where it can't be read."""
        if self.path is None or after >= min(upto, self.head):
            return []
        try:
            with _opened(self.path) as db:
                rows = schema.rows_after(db, after, min(upto, self.head), limit)
            return [sealed.entry for sealed in schema.sealed_all(self.store, rows)]
        except (sqlite3.Error, OSError, ValueError, schema.StoreCorrupt) as error:
            log.error("the journal on disk can't be read: %s", error)
            return []

    def ranges(self, uplink: str) -> Ranges:
        """As ``Store.ranges``."""
        if self.path is None:
            return ()
        try:
            with _opened(self.path) as db:
                return schema.ranges(db, uplink)
        except (sqlite3.Error, OSError) as error:
            log.error("the journal on disk can't be read: %s", error)
            return ()


def _opened(path: Path) -> AbstractContextManager[sqlite3.Connection]:
    from agent.journal import verify  # brings shutil and tempfile: their memory only where it is needed

    return verify.opened(path, running=False)


def salvaged(path: Path) -> Salvaged:
    """From the store at ``path``; empty where nothing can be read."""
    try:
        with _opened(path) as db:
            return _read(db, path)
    except (sqlite3.Error, OSError, ValueError, TypeError) as error:
        log.error("nothing can be read from %s: %s", path, error)
        return Salvaged()


def _read(db: sqlite3.Connection, path: Path) -> Salvaged:
    (store,) = db.execute("SELECT value FROM meta WHERE name = 'store'").fetchone()
    (head,) = db.execute(
        "SELECT max((SELECT coalesce(max(seq), 0) FROM chain), (SELECT value FROM meta WHERE name = 'cut_seq'))"
    ).fetchone()
    found: dict[int, Entry] = {}
    for (seq,) in db.execute("SELECT seq FROM latest ORDER BY seq").fetchall():
        for table in ("entry", "kept"):
            try:
                row = db.execute(f"SELECT {schema.COLUMNS} FROM {table} WHERE seq = ?", (seq,)).fetchone()  # noqa: S608
                sealed = schema.sealed_of(str(store), row) if row is not None else None
            except (sqlite3.Error, schema.StoreCorrupt):
                continue
            if sealed is not None and sealed.entry.payload is not None and payload_fits(sealed):
                found[seq] = sealed.entry
    newest = [again(entry) for _, entry in sorted(found.items()) if not back_to_normal(entry.payload)]
    return Salvaged(tuple(newest), max(int(head), len(newest)), path, str(store))


def again(entry: Entry) -> Pending:
    """An entry to be written once more, as it was."""
    assert entry.payload is not None
    return Pending(entry.kind, entry.payload, entry.urgent, entry.mono_ns, entry.wall, entry.synced, entry.key)


NOTHING = Salvaged()


class Newest:
    """The newest entry of each key, as they were committed: what a new store in place of a damaged one begins with."""

    def __init__(self) -> None:
        self._kinds: dict[str, dict[str, Pending]] = {}

    def saw(self, pending: Pending) -> None:
        """One that is committed. Of each kind as many are kept as a store keeps."""
        if not pending.key:
            return
        keys = self._kinds.setdefault(pending.kind, {})
        keys.pop(pending.key, None)
        if not back_to_normal(pending.payload):
            keys[pending.key] = pending
        if len(keys) > LATEST_MAX:
            del keys[next(iter(keys))]

    def all(self) -> tuple[Pending, ...]:
        """Those of each kind oldest first."""
        return tuple(pending for keys in self._kinds.values() for pending in keys.values())
