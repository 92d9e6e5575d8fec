"""A file gets its name when it is on disk, and its name is on disk before anybody relies on it.

SQLite does not sync what VACUUM INTO writes, and no kill shows what a power cut would: so the calls are watched.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.journal import learned
from agent.journal.store import Store
from agent.remote.vault import FOLDER, Kept, Vault
from tests.journal.made import urgent

MIB = 1 << 20


def watched(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """What is synced and what is given a name from here on, in order."""
    calls: list[tuple[str, str]] = []
    real_fsync, real_rename, real_replace = os.fsync, os.rename, os.replace

    def fsync(fd: int) -> None:
        real_fsync(fd)
        calls.append(("sync", Path(f"/proc/self/fd/{fd}").readlink().name))

    def naming(real: Callable[[Path, Path], None]) -> Callable[[Path, Path], None]:
        def named(source: Path, target: Path) -> None:
            real(source, target)
            calls.append(("name", f"{Path(source).name} {Path(target).name}"))

        return named

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "rename", naming(real_rename))
    monkeypatch.setattr(os, "replace", naming(real_replace))
    return calls


def test_a_new_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = tmp_path / "journal"
    calls = watched(monkeypatch)
    Store.open(directory, MIB, "0badcafe").close()
    assert calls == [("sync", tmp_path.name), ("name", "journal.db.new journal.db"), ("sync", "journal")]


def test_a_store_that_is_put_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store.open(tmp_path, MIB, "0badcafe")
    store.append([urgent(0)])
    (tmp_path / "journal.db").unlink()
    calls = watched(monkeypatch)
    back = store.put_back()
    assert calls == [
        ("sync", "journal.db.new"),
        ("name", "journal.db.new journal.db"),
        ("sync", tmp_path.name),
    ]
    assert back.head == 1
    back.close()


def test_a_damaged_store_that_is_set_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "journal.db").write_bytes(b"nothing of the kind")
    calls = watched(monkeypatch)
    Store.open(tmp_path, MIB, "0badcafe").close()
    assert calls == [
        ("name", "journal.db journal.db.corrupt-1"),
        ("sync", tmp_path.name),
        ("name", "journal.db.new journal.db"),
        ("sync", tmp_path.name),
    ]


def test_what_was_learned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = watched(monkeypatch)
    learned.save(tmp_path, {"v": 1})
    assert calls == [
        ("sync", "learned.json.new"),
        ("name", "learned.json.new learned.json"),
        ("sync", tmp_path.name),
    ]


def test_what_was_kept_from_afar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vault = Vault(tmp_path)
    vault.save(Kept(local="00"))
    calls = watched(monkeypatch)
    vault.save(Kept(local="01"))
    assert calls == [("sync", "state.json.new"), ("name", "state.json.new state.json"), ("sync", FOLDER)]
