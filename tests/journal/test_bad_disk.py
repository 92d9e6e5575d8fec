"""A journal whose disk fails, whose file is taken away, or that must live in memory for a while; and what is kept."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from agent.journal.salvage import NOTHING, salvaged
from agent.journal.store import Store, StoreBusy, StoreCorrupt, StoreMoved
from agent.journal.verify import verify
from tests.journal.made import number, routine, urgent
from tests.journal.test_writer import Heard, error, opened, until

MIB = 1 << 20


def run(main: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(main())  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.journal.pen.LOOK_S", 0.05)


def full(*_args: object) -> Any:
    raise error(sqlite3.SQLITE_FULL, "database or disk is full")


def test_what_stood_stands_in_memory_and_all_is_carried_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        before = await opened(tmp_path, Heard())
        before.put(urgent(0, key="a"))
        before.put(urgent(1, key="b", state="normal"))
        before.put(routine(2))
        before.save_ranges("primary", ((1, 2),))
        await before.close()
        real, heard = Store.open, Heard()
        monkeypatch.setattr(Store, "open", full)
        journal = await opened(tmp_path, heard)
        assert [number(e.payload) for e in await journal.latest("alarm")] == [0]
        assert journal.head == 3
        assert [number(e.payload) for e in await journal.read(0, 3, 10)] == [0, 1, 2], "what waits to be reported"
        assert [number(e.payload) for e in await journal.read(0, 3, 2)] == [0, 1]
        assert await journal.ranges("primary") == ((1, 2),)
        journal.save_ranges("primary", ((1, 3),))
        for n in range(3, 2003):
            journal.put(urgent(n, key=f"k{n % 5}") if n % 2 else routine(n))
        journal.put(urgent(2003))
        await until(lambda: heard.numbers()[-1:] == [2003])
        assert [number(e.payload) for e in await journal.read(1, 5, 10)] == [1, 2, 3, 4]
        assert "memory" in str(heard.faults)
        monkeypatch.setattr(Store, "open", real)
        await until(lambda: heard.faults[-1] is None)
        assert journal.head == 2004
        journal.put(urgent(2004))
        await until(lambda: heard.numbers()[-1] == 2004)
        await journal.close()

    run(main)
    store = Store.open(tmp_path, 16 * MIB, "00000000")
    assert [number(e.payload) for e in store.read(0, store.head, 5000)] == list(range(2005))
    assert {number(e.payload) for e in store.latest("alarm")} == {
        0,
        1,
        2003 - 6,
        2003 - 4,
        2003 - 2,
        2003 - 8,
        2003 - 10,
    }
    assert store.ranges("primary") == ((1, 3),)
    store.close()
    assert verify(tmp_path).broken is None


def test_carried_over_at_the_end_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        monkeypatch.setattr("agent.journal.pen.LOOK_S", 1000.0)
        real = Store.open
        monkeypatch.setattr(Store, "open", full)
        journal = await opened(tmp_path, Heard())
        journal.put(urgent(0))
        journal.put(routine(1))
        monkeypatch.setattr(Store, "open", real)
        await journal.close()

    run(main)
    assert verify(tmp_path).entries == 2


def test_a_carrying_over_that_is_broken_off_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        real_open, real_append, heard = Store.open, Store.append, Heard()
        monkeypatch.setattr(Store, "open", full)
        journal = await opened(tmp_path, heard)
        for n in range(100):
            journal.put(urgent(n, size=60_000))
        await until(lambda: len(heard.numbers()) == 100)
        left = [7]

        def append(store: Store, *args: Any) -> Any:
            if store._directory is not None:
                left[0] -= 1
                if left[0] % 7 == 0:
                    full()
            return real_append(store, *args)

        monkeypatch.setattr(Store, "append", append)
        monkeypatch.setattr(Store, "open", real_open)
        await until(lambda: heard.faults[-1] is None)
        await journal.close()

    run(main)
    store = Store.open(tmp_path, 16 * MIB, "00000000")
    assert [number(e.payload) for e in store.read(0, store.head, 5000)] == list(range(100))
    store.close()


@pytest.mark.parametrize("gone", ["file", "directory"])
def test_a_file_that_vanished_is_put_back_whole(tmp_path: Path, gone: str) -> None:
    directory = tmp_path / "journal"

    async def main() -> None:
        heard = Heard()
        journal = await opened(directory, heard)
        for n in range(50):
            journal.put(urgent(n, key=f"k{n % 3}"))
        journal.save_ranges("primary", ((1, 9),))
        await until(lambda: journal.head == 50)
        store_id = journal.store_id
        if gone == "file":
            (directory / "journal.db").unlink()
        else:
            shutil.rmtree(directory)
        await until(
            lambda: heard.faults,
        )
        assert "vanished" in str(heard.faults)
        journal.put(urgent(50))
        await until(lambda: 50 in heard.numbers())
        assert (journal.store_id, journal.boot) == (store_id, 2)
        await journal.close()
        with pytest.raises(FileNotFoundError):
            Store.open(tmp_path / "not" / "there", MIB, "00000000")

    run(main)
    report = verify(directory)
    assert (report.broken, report.boots) == (None, 2)
    assert report.entries == 52, "50 entries, what was put afterwards, and the journal's own"


def test_where_another_agent_has_taken_the_place_it_is_left_alone(tmp_path: Path) -> None:
    directory = tmp_path / "journal"
    store = Store.open(directory, MIB, "0badcafe")
    store.append([urgent(0)])
    shutil.rmtree(directory)
    other = Store.open(directory, MIB, "11111111")
    with pytest.raises(StoreMoved):
        store.check_place()
    with pytest.raises(StoreBusy):
        store.put_back()
    other.append([urgent(1)])
    other.close()
    back = store.put_back()
    assert (back.store_id, back.head) == ("0badcafe", 1)
    assert (directory / "journal.db.corrupt-1").exists()
    back.close()
    assert verify(directory).broken is None


def test_a_file_that_was_cut_short_is_damaged(tmp_path: Path) -> None:
    store = Store.open(tmp_path, MIB, "0badcafe")
    store.check_place()
    with (tmp_path / "journal.db").open("r+b") as file:
        file.truncate(4096)
    with pytest.raises(StoreCorrupt, match="cut short"):
        store.check_place()
    store.close()


def test_a_new_store_begins_with_what_stood(tmp_path: Path) -> None:
    async def main() -> None:
        heard = Heard()
        journal = await opened(tmp_path, heard)
        for n, state in enumerate(("unacknowledged", "normal", "acknowledged", "unacknowledged")):
            journal.put(urgent(n, key=f"k{n % 3}", state=state))
        journal.put(urgent(9, kind="command", key="id-1"))
        await until(lambda: journal.head == 5)
        with (tmp_path / "journal.db").open("r+b") as file:
            file.truncate(0)
        await until(lambda: journal.set_aside)
        await until(lambda: len(heard.entries) == 5 + 1 + 3)
        assert [e.kind for e in heard.entries[5:]] == ["store", "alarm", "alarm", "command"]
        await journal.close()

    run(main)
    store = Store.open(tmp_path, 16 * MIB, "00000000")
    assert [number(e.payload) for e in store.latest("alarm")] == [2, 3]
    assert [e.key for e in store.latest("command")] == ["id-1"]
    store.close()


def test_what_can_be_read_of_a_damaged_store_stands(tmp_path: Path) -> None:
    store = Store.open(tmp_path, MIB, "0badcafe")
    store.append([urgent(n, key=f"k{n}") for n in range(4)])
    store.close()
    with sqlite3.connect(tmp_path / "journal.db") as db:
        db.execute("UPDATE chain SET payload = x'7b7d' WHERE seq = 4")
    db.close()
    store = Store.open(tmp_path, MIB, "11111111")
    assert store.set_aside
    assert [number(e.payload) for e in store.latest("alarm")] == [0, 1, 2], "what was changed is not believed"
    store.close()
    assert salvaged(tmp_path / "nothing.db") == NOTHING
    (tmp_path / "garbage.db").write_bytes(b"\xa5" * 9000)
    assert salvaged(tmp_path / "garbage.db") == NOTHING
