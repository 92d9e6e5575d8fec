"""The journal's tables, and its rows as entries.

``chain`` holds each entry with an urgent entry's payload; routine payloads stand apart in ``routine``, so that
dropping the oldest of them frees whole pages. ``entry`` is both together, for people and for reading. ``latest``
names the newest entry of each key; ``kept`` holds those of them that were cut from the chain. ``day`` has one
number for each day that the agent has run: the newest entry of that moment.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from typing import Any

from agent.journal.chain import GENESIS, Sealed
from agent.journal.entry import Entry, Ranges

VERSION = 1
FILE = "journal.db"

_FIELDS = (
    "seq INTEGER PRIMARY KEY, boot INTEGER NOT NULL, kind TEXT NOT NULL, urgent INTEGER NOT NULL, "
    "mono_ns INTEGER NOT NULL, wall TEXT NOT NULL, synced INTEGER NOT NULL, key TEXT NOT NULL, "
    "digest BLOB NOT NULL, hash BLOB NOT NULL, payload BLOB"
)
COLUMNS = "seq, boot, kind, urgent, mono_ns, wall, synced, key, digest, hash, payload"
DAY = "CREATE TABLE IF NOT EXISTS day (seq INTEGER PRIMARY KEY)"
TABLES: tuple[str, ...] = (
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID",
    f"CREATE TABLE chain ({_FIELDS})",
    "CREATE TABLE routine (seq INTEGER PRIMARY KEY, payload BLOB NOT NULL)",
    f"CREATE TABLE kept ({_FIELDS})",
    "CREATE TABLE latest (kind TEXT, key TEXT, seq INTEGER NOT NULL, PRIMARY KEY (kind, key)) WITHOUT ROWID",
    "CREATE TABLE ranges (uplink TEXT PRIMARY KEY, ranges TEXT NOT NULL) WITHOUT ROWID",
    DAY,
    "CREATE VIEW entry AS SELECT c.seq AS seq, c.boot AS boot, c.kind AS kind, c.urgent AS urgent, "
    "c.mono_ns AS mono_ns, c.wall AS wall, c.synced AS synced, c.key AS key, c.digest AS digest, c.hash AS hash, "
    "coalesce(c.payload, r.payload) AS payload FROM chain c LEFT JOIN routine r ON r.seq = c.seq",
)

Row = tuple[Any, ...]


class StoreCorrupt(Exception):
    """The file is not a whole journal: says why."""


def create(db: sqlite3.Connection, store: str, after: int) -> None:
    """Make the tables of a new store, inside the caller's transaction; its first entry will be ``after + 1``."""
    for statement in TABLES:
        db.execute(statement)
    values: dict[str, Any] = {
        "version": VERSION,
        "store": store,
        "boot": 0,
        "cut_seq": after,
        "cut_hash": GENESIS,
        "cut_entries": 0,
        "dropped_payloads": 0,
    }
    db.executemany("INSERT INTO meta VALUES (?, ?)", values.items())


def meta(db: sqlite3.Connection) -> dict[str, Any]:
    """The store's own facts. Raises StoreCorrupt where they are not what they must be."""
    values: dict[str, Any] = dict(db.execute("SELECT name, value FROM meta").fetchall())
    if values.get("version") != VERSION:
        raise StoreCorrupt(f"schema version {values.get('version')!r}, not {VERSION}")
    whole = isinstance(values.get("store"), str) and isinstance(values.get("cut_hash"), bytes)
    numbers = ("boot", "cut_seq", "cut_entries", "dropped_payloads")
    if not whole or not all(isinstance(values.get(n), int) and values[n] >= 0 for n in numbers):
        raise StoreCorrupt("the store's own facts are damaged")
    return values


def row_of(sealed: Sealed) -> Row:
    """For ``INSERT INTO chain``; a routine payload goes elsewhere."""
    e = sealed.entry
    payload = e.payload if e.urgent else None
    header = (e.seq, e.boot, e.kind, int(e.urgent), e.mono_ns, e.wall, int(e.synced), e.key)
    return (*header, sealed.digest, sealed.hash, payload)


def sealed_of(store: str, row: Row) -> Sealed:
    """A row of COLUMNS as it was. Raises StoreCorrupt where a column is of a type that was never written."""
    seq, boot, kind, urgent, mono_ns, wall, synced, key, digest, hash_, payload = row
    texts = isinstance(kind, str) and isinstance(wall, str) and isinstance(key, str)
    numbers = all(isinstance(n, int) for n in (seq, boot, mono_ns)) and urgent in (0, 1) and synced in (0, 1)
    blobs = isinstance(digest, bytes) and isinstance(hash_, bytes) and (payload is None or isinstance(payload, bytes))
    if not (texts and numbers and blobs):
        raise StoreCorrupt(f"entry {seq!r}: a field is of the wrong type")
    entry = Entry(store, boot, seq, kind, bool(urgent), mono_ns, wall, bool(synced), key, payload)
    return Sealed(entry, digest, hash_)


def rows_after(db: sqlite3.Connection, after: int, upto: int, limit: int) -> list[Row]:
    """``after < seq <= upto``, in order, at most ``limit``; entries that were cut are absent."""
    sql = f"SELECT {COLUMNS} FROM entry WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?"  # noqa: S608
    return db.execute(sql, (after, upto, limit)).fetchall()


def ranges(db: sqlite3.Connection, uplink: str) -> Ranges:
    """What was last saved for this uplink; empty where nothing was, or nothing that makes sense."""
    row = db.execute("SELECT ranges FROM ranges WHERE uplink = ?", (uplink,)).fetchone()
    try:
        return tuple((int(first), int(last)) for first, last in json.loads(row[0])) if row else ()
    except (ValueError, TypeError):
        return ()


def sealed_all(store: str, rows: Iterable[Row]) -> list[Sealed]:
    """Many rows of COLUMNS."""
    return [sealed_of(store, row) for row in rows]
