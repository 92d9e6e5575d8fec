"""Walks a journal's chain from end to end, without writing to it or holding up an agent that has it open.

Entries are read a thousand at a time, each time in a read transaction of its own, so the running agent's -wal can be
used again in between. SQLite makes -wal and -shm files even for ``mode=ro``; so a store that was closed is read as
``immutable`` (no side files), and a -wal found without its -shm is read from a copy.
"""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from agent.journal import files, schema
from agent.journal.chain import Break, Walk, payload_fits
from agent.journal.schema import FILE, Row, StoreCorrupt

STEP = 1_000


@dataclass(slots=True)
class Report:
    """What was found. ``broken`` is None for a whole journal; seq 0 means the file itself can't be read."""

    store: str = ""
    boots: int = 0
    first: int = 0
    head: int = 0
    head_hash: str = ""
    entries: int = 0
    dropped: int = 0
    cut: int = 0
    running: bool = False
    broken: Break | None = None


def verify(directory: Path) -> Report:
    """Verify the journal in ``directory``. Raises FileNotFoundError, PermissionError; damage is in the report."""
    path = directory / FILE
    if not path.is_dir():
        with path.open("rb"):  # says in the system's words why not
            pass
    report = _verify_once(directory)
    if report.broken is not None and not report.running and files.locked(directory):
        report = _verify_once(directory)  # an agent began to write while it was read as immutable
    return report


def _verify_once(directory: Path) -> Report:
    report = Report(running=files.locked(directory))
    try:
        with opened(directory / FILE, running=report.running) as db:
            _walk(db, report)
    except (sqlite3.Error, StoreCorrupt, UnicodeDecodeError) as error:
        report.broken = report.broken or Break(report.head, f"the file can't be read on: {error}")
    return report


@contextlib.contextmanager
def opened(path: Path, *, running: bool) -> Iterator[sqlite3.Connection]:
    """The store at ``path``, to read from alone. ``running``: an agent has it open."""
    with contextlib.ExitStack() as stack:
        wal, shm = (Path(f"{path}{side}") for side in ("-wal", "-shm"))
        mode = "mode=ro"
        if not running and not (wal.exists() and wal.stat().st_size):
            mode = "mode=ro&immutable=1"
        elif not running and not shm.exists():
            copy = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dialtone-verify-")))
            for source in (path, wal):
                shutil.copyfile(source, copy / source.name)
            path = copy / FILE
        uri = f"file:{quote(str(path))}?{mode}"
        db = stack.enter_context(contextlib.closing(sqlite3.connect(uri, uri=True, isolation_level=None, timeout=5)))
        # Bytes that are no UTF-8 must come out as a broken entry, not as an error that names none.
        db.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
        yield db


def _walk(db: sqlite3.Connection, report: Report) -> None:
    meta, rows = _step(db, None)
    report.store, report.cut = meta["store"], meta["cut_entries"]
    walk = Walk(meta["store"], meta["cut_seq"], meta["cut_hash"])
    report.first = report.head = walk.seq
    while rows:
        for row in rows:
            report.broken = _next(walk, row)
            if report.broken is not None:
                return
            report.first = report.first if walk.entries > 1 else walk.seq
            report.head, report.entries, report.dropped = walk.seq, walk.entries, walk.dropped
        report.head_hash = walk.hash.hex()
        meta, rows = _step(db, walk.seq)
        if meta["cut_seq"] > walk.seq:  # the agent made room meanwhile: go on behind the cut
            walk.seq, walk.hash = meta["cut_seq"], meta["cut_hash"]
            report.cut = meta["cut_entries"]
    report.boots = meta["boot"]
    report.broken = _beside(db, meta, walk)


def _next(walk: Walk, row: Row) -> Break | None:
    try:
        return walk.step(schema.sealed_of(walk.store, row))
    except StoreCorrupt as wrong:
        return Break(walk.seq + 1, str(wrong))


def _step(db: sqlite3.Connection, after: int | None) -> tuple[dict[str, Any], list[Row]]:
    """The next entries, and the store's facts of the same moment; None: from the first one."""
    db.execute("BEGIN")
    try:
        meta = schema.meta(db)
        start = meta["cut_seq"] if after is None else max(after, meta["cut_seq"])
        if after is None:  # an entry before the cut would never be walked
            start = min(start, db.execute("SELECT coalesce(min(seq), ?) - 1 FROM chain", (start + 1,)).fetchone()[0])
        return meta, schema.rows_after(db, start, 1 << 62, STEP)
    finally:
        db.execute("COMMIT")


def _beside(db: sqlite3.Connection, meta: dict[str, Any], walk: Walk) -> Break | None:
    """What stands beside the chain must fit it: a name for an entry after the head tells that the newest are gone."""
    if walk.boot > meta["boot"]:
        return Break(walk.seq, f"is of boot {walk.boot}, but the store has seen only {meta['boot']}")
    # One statement, one moment: a running agent may have written more since the walk ended.
    sql = "SELECT max(seq), coalesce((SELECT max(seq) FROM chain), ?) FROM latest"
    latest, head = db.execute(sql, (meta["cut_seq"],)).fetchone()
    if latest is not None and latest > head:
        return Break(head + 1, f"entries up to {latest} were written and are gone")
    for sealed in schema.sealed_all(meta["store"], db.execute(f"SELECT {schema.COLUMNS} FROM kept")):  # noqa: S608
        if not payload_fits(sealed):
            return Break(sealed.entry.seq, "a kept entry's payload does not match its hash")
    return None
