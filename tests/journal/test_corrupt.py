"""A damaged store is set aside, three are kept, and a new one starts; ``verify`` says where it breaks."""

from __future__ import annotations

import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.journal.store import Store, StoreCorrupt
from agent.journal.verify import verify
from tests.journal.made import number, routine, urgent

MIB = 1 << 20
ROOT = Path(__file__).parent.parent.parent


def filled(directory: Path, *, closed: bool = True) -> Path:
    """A store of 300 entries; the file's path."""
    store = Store.open(directory, 16 * MIB, "0badcafe")
    for n in range(0, 300, 3):
        store.append([urgent(n, key=f"k{n % 4}", size=300), routine(n + 1, size=300), urgent(n + 2)])
    if closed:
        store.close()
    return directory / "journal.db"


def changed(path: Path, sql: str, *values: object) -> None:
    with sqlite3.connect(path) as db:
        assert db.execute(sql, values).rowcount != 0
    db.close()


def flip_header(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"\xff" * 40)


def cut_half(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2 // 4096 * 4096)


def cut_odd(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 5000)


def directory_in_place(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGE: dict[str, Callable[[Path], object]] = {
    "empty": lambda path: os.truncate(path, 0),
    "zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "garbage": lambda path: path.write_bytes(random.Random(1).randbytes(40_000)),
    "text": lambda path: path.write_text("not a journal"),
    "flipped header": flip_header,
    "cut in half": cut_half,
    "cut within a page": cut_odd,
    "a directory in its place": directory_in_place,
    "no tables": lambda path: [changed(path, "DROP TABLE chain"), None][1],
    "no facts": lambda path: changed(path, "DELETE FROM meta"),
    "a newer schema": lambda path: changed(path, "UPDATE meta SET value = 99 WHERE name = 'version'"),
    "a wrong type": lambda path: changed(path, "UPDATE chain SET kind = x'ff' WHERE seq = 299"),
    "text that is not UTF-8": lambda path: changed(path, "UPDATE chain SET wall = CAST(x'ff' AS TEXT) WHERE seq = 299"),
    "the newest entry changed": lambda path: changed(path, "UPDATE chain SET payload = '{}' WHERE seq = 300"),
    "an entry of the newest gone": lambda path: changed(path, "DELETE FROM chain WHERE seq = 290"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_store_is_set_aside_and_a_new_one_starts(tmp_path: Path, damage: str) -> None:
    path = filled(tmp_path)
    DAMAGE[damage](path)
    store = Store.open(tmp_path, 16 * MIB, "11111111")
    assert store.set_aside == "journal.db.corrupt-1"
    assert store.why
    assert (tmp_path / store.set_aside).exists()
    assert (store.store_id, store.boot) == ("11111111", 1)
    assert store.head == len(store.newest()) in (0, 4), "it holds something else than what was salvaged"
    store.append([urgent(1)])
    store.close()
    assert verify(tmp_path).broken is None
    store = Store.open(tmp_path, 16 * MIB, "22222222")
    assert (store.set_aside, store.store_id, store.boot) == (None, "11111111", 2)
    store.close()


def test_three_are_kept(tmp_path: Path) -> None:
    for n in range(1, 6):
        (tmp_path / "journal.db").write_text("not a journal")
        store = Store.open(tmp_path, 16 * MIB, f"{n:08x}")
        assert store.set_aside == f"journal.db.corrupt-{n}"
        store.close()
    assert sorted(p.name for p in tmp_path.glob("*.corrupt-*")) == [f"journal.db.corrupt-{n}" for n in (3, 4, 5)]


def test_a_wal_goes_with_its_store(tmp_path: Path) -> None:
    alive, dead = tmp_path / "alive", tmp_path / "dead"
    dead.mkdir()
    path = filled(alive, closed=False)
    for name in ("journal.db", "journal.db-wal"):
        shutil.copy(path.parent / name, dead)
    os.truncate(dead / "journal.db", 0)
    store = Store.open(dead, 16 * MIB, "11111111")
    assert store.head == 0
    names = {p.name for p in dead.glob("*.corrupt-1*")}
    assert {"journal.db.corrupt-1", "journal.db.corrupt-1-wal"} <= names
    store.close()


def test_a_store_killed_while_new_is_made_again(tmp_path: Path) -> None:
    (tmp_path / "journal.db.new").write_text("half")
    (tmp_path / "journal.db-wal").write_text("of nobody")
    store = Store.open(tmp_path, 16 * MIB, "0badcafe")
    assert (store.set_aside, store.boot) == (None, 1)
    store.close()


def test_any_flipped_byte_is_found_or_harmless(tmp_path: Path) -> None:
    """Never an exception that is not meant, never another entry than was written."""
    rng = random.Random(911)
    clean = filled(tmp_path / "clean").read_bytes()
    found = 0
    for _ in range(150):
        directory = tmp_path / "one"
        directory.mkdir()
        data = bytearray(clean)
        for _ in range(rng.choice([1, 1, 30])):
            data[rng.randrange(len(data))] ^= rng.randint(1, 255)
        (directory / "journal.db").write_bytes(data)
        broken = verify(directory).broken is not None
        store = Store.open(directory, 16 * MIB, "11111111")
        found += broken
        if not broken and store.set_aside is None:
            entries = store.read(0, store.head, 1000)
            assert [number(e.payload) for e in entries if e.payload] == [e.seq - 1 for e in entries if e.payload]
            assert store.append([urgent(1)])
        store.close()
        shutil.rmtree(directory)
    assert found > 75


TAMPERED = {
    "UPDATE chain SET payload = '{\"n\":7}' WHERE seq = 100": 100,
    "UPDATE chain SET wall = '2030-01-01T00:00:00.000Z' WHERE seq = 101": 101,
    "UPDATE chain SET payload = NULL WHERE seq = 100": 100,
    "DELETE FROM chain WHERE seq = 50": 50,
    "DELETE FROM chain WHERE seq < 50": 1,
    "DELETE FROM chain WHERE seq > 200": 201,
    "UPDATE chain SET seq = 1000 WHERE seq = 300": 300,
    "UPDATE routine SET payload = '{}' WHERE seq = 62": 62,
    "UPDATE meta SET value = '22222222' WHERE name = 'store'": 1,
    "UPDATE meta SET value = 0 WHERE name = 'boot'": 300,
}


@pytest.mark.parametrize("sql", TAMPERED)
def test_verify_says_where_and_why(tmp_path: Path, sql: str) -> None:
    changed(filled(tmp_path), sql)
    broken = verify(tmp_path).broken
    assert broken is not None
    assert (broken.seq, bool(broken.why)) == (TAMPERED[sql], True)


def test_a_routine_payload_may_be_gone(tmp_path: Path) -> None:
    changed(filled(tmp_path), "DELETE FROM routine WHERE seq < 100")
    report = verify(tmp_path)
    assert (report.broken, report.dropped, report.entries) == (None, 33, 300)


def test_verify_makes_no_files_and_disturbs_nobody(tmp_path: Path) -> None:
    filled(tmp_path / "closed")
    before = sorted(p.name for p in (tmp_path / "closed").iterdir())
    assert verify(tmp_path / "closed").broken is None
    assert sorted(p.name for p in (tmp_path / "closed").iterdir()) == before

    store = Store.open(tmp_path / "running", 16 * MIB, "0badcafe")
    for n in range(50):
        store.append([urgent(n)])
        report = verify_elsewhere(tmp_path / "running") if n % 10 == 0 else None
        assert report is None or (report["whole"], report["entries"], report["running"]) == (True, n + 1, True)
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in ("journal.db", "journal.db-wal"):
        shutil.copy(tmp_path / "running" / name, copy)
    report = verify_elsewhere(copy)
    assert (report["whole"], report["entries"]) == (True, 50)
    assert sorted(p.name for p in copy.iterdir()) == ["journal.db", "journal.db-wal"]
    store.close()


COMMAND = """
import argparse, sys
from agent.commands import verify
top = argparse.ArgumentParser()
verify.add(top.add_subparsers())
args = top.parse_args()
sys.exit(args.run(args))
"""


def verify_elsewhere(directory: Path) -> dict[str, object]:
    """``dialtone verify --json`` in a process of its own: POSIX locks of one process would hide a fault."""
    command = [sys.executable, "-c", COMMAND, "verify", str(directory), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    report: dict[str, object] = json.loads(done.stdout)
    return report


def test_a_store_found_damaged_while_open_is_replaced_and_seq_goes_on(tmp_path: Path) -> None:
    filled(tmp_path)
    store = Store.open(tmp_path, 16 * MIB, "11111111")
    new = store.replaced("22222222", "for the test")
    assert (new.store_id, new.boot, new.head, new.set_aside) == ("22222222", 1, 300, "journal.db.corrupt-1")
    assert new.append([urgent(1)])[0].id == "22222222.1.301"
    new.close()
    assert verify(tmp_path).broken is None
    with pytest.raises(OSError, match="memory"):
        Store.in_memory(MIB, "33333333").replaced("44444444", "for the test")


def test_errors_are_told_apart() -> None:
    from agent.journal.store import is_corrupt

    full = sqlite3.OperationalError("database or disk is full")
    full.sqlite_errorcode = sqlite3.SQLITE_FULL
    assert not is_corrupt(full)
    assert not is_corrupt(OSError())
    assert is_corrupt(StoreCorrupt())
    assert is_corrupt(sqlite3.OperationalError("Could not decode to UTF-8"))
