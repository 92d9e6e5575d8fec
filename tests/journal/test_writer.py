"""The writer: order, what waits and what does not, a disk that fails and comes back, and the end."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from agent.journal import waiting
from agent.journal.entry import Entry, Journal
from agent.journal.store import Store, StoreBusy
from agent.journal.verify import verify
from agent.journal.writer import JournalWriter
from tests.journal.made import number, routine, urgent

MIB = 1 << 20
PATIENCE_S = 40.0


class Heard:
    """What the callbacks were told."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.commits: list[int] = []
        self.faults: list[str | None] = []

    def committed(self, entries: Sequence[Entry]) -> None:
        self.entries += entries
        self.commits.append(len(entries))

    def numbers(self) -> list[int]:
        return [number(e.payload) for e in self.entries if e.kind in ("alarm", "event")]


async def opened(directory: Path, heard: Heard, **more: Any) -> JournalWriter:
    more = {"retry_s": (0.05,), **more}
    return await JournalWriter.open(
        directory, 16 * MIB, on_committed=heard.committed, on_fault=heard.faults.append, **more
    )


async def until(what: Callable[[], Any]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not what():
            await asyncio.sleep(0.005)


def run(main: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(main())  # type: ignore[arg-type]


class Disk:
    """Makes the store's appends fail, or wait, at will."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.error: Exception | None = None
        self.gate = threading.Event()
        self.gate.set()
        self.tries = 0
        real = Store.append

        def append(store: Store, *args: Any) -> list[Entry]:
            self.tries += 1
            assert self.gate.wait(PATIENCE_S)
            if self.error is not None:
                raise self.error
            return real(store, *args)

        monkeypatch.setattr(Store, "append", append)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


def test_it_is_a_journal(tmp_path: Path) -> None:
    async def main() -> None:
        heard = Heard()
        journal = await opened(tmp_path, heard)
        face: Journal = journal
        assert (len(face.store_id), face.boot, face.head) == (8, 1, 0)
        for n in range(50):
            journal.put(urgent(n, key=f"k{n % 3}"))
        await until(lambda: face.head == 50)
        assert heard.numbers() == list(range(50))
        assert [e.seq for e in heard.entries] == list(range(1, 51))
        assert [number(e.payload) for e in await face.read(10, 20, 5)] == [10, 11, 12, 13, 14]
        assert [number(e.payload) for e in await face.latest("alarm")] == [47, 48, 49]
        assert await face.ranges("primary") == ()
        face.save_ranges("primary", ((1, 50),))
        assert await face.ranges("primary") == ((1, 50),)
        status = journal.status()
        assert {"entries", "bytes", "waiting", "dropped", "fault", "head", "store", "boot"} <= status.keys()
        assert (status["entries"], status["waiting"], status["dropped"], status["fault"]) == (50, 0, 0, None)
        await journal.close()
        with pytest.raises(RuntimeError):
            await face.read(0, 1, 1)
        journal = await opened(tmp_path, heard)
        assert (journal.boot, journal.head) == (2, 50)
        assert await journal.ranges("primary") == ((1, 50),)
        await journal.close()
        assert heard.faults == []

    run(main)


def test_routine_waits_and_rides_with_an_urgent_one(tmp_path: Path) -> None:
    async def main() -> None:
        heard = Heard()
        journal = await opened(tmp_path, heard)
        journal.put(routine(0))
        journal.put(routine(1))
        await asyncio.sleep(0.3)
        assert (heard.entries, journal.status()["waiting"]) == ([], 2)
        journal.put(urgent(2))
        await until(lambda: heard.entries)
        assert (heard.numbers(), heard.commits) == ([0, 1, 2], [3])
        await journal.close()

    run(main)


def test_routine_is_written_when_its_time_has_come_and_cursors_with_it(tmp_path: Path) -> None:
    async def main() -> None:
        heard = Heard()
        journal = await opened(tmp_path, heard, routine_s=0.2)
        journal.put(routine(0))
        journal.save_ranges("primary", ((1, 1),))
        await until(lambda: heard.entries)
        assert heard.numbers() == [0]
        journal.save_ranges("cellular", ((1, 1),))
        await until(lambda: journal._waiting.all_written())
        await journal.close()

    run(main)


def test_close_writes_what_waits(tmp_path: Path) -> None:
    async def main() -> None:
        heard = Heard()
        journal = await opened(tmp_path, heard)
        for n in range(2500):
            journal.put(routine(n))
        journal.save_ranges("primary", ((1, 9),))
        await journal.close()
        assert heard.numbers() == list(range(2500))
        assert max(heard.commits) <= waiting.BATCH_MAX
        journal = await opened(tmp_path, heard)
        assert await journal.ranges("primary") == ((1, 9),)
        await journal.close()

    run(main)
    assert verify(tmp_path).entries == 2500


def test_what_waits_during_a_commit_goes_in_one(tmp_path: Path, disk: Disk) -> None:
    async def main() -> None:
        heard = Heard()
        journal = await opened(tmp_path, heard)
        disk.gate.clear()
        journal.put(urgent(0))
        await until(lambda: disk.tries)
        for n in range(1, 100):
            journal.put(urgent(n))
        disk.gate.set()
        await until(lambda: len(heard.entries) == 100)
        assert heard.numbers() == list(range(100))
        assert heard.commits == [1, 99]
        await journal.close()

    run(main)


def error(code: int, text: str) -> sqlite3.OperationalError:
    made = sqlite3.OperationalError(text)
    made.sqlite_errorcode = code
    return made


@pytest.mark.parametrize("code", [sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR_FSYNC])
def test_a_failing_disk_is_told_once_and_loses_nothing(tmp_path: Path, disk: Disk, code: int) -> None:
    async def main() -> None:
        heard = Heard()
        journal = await opened(tmp_path, heard)
        disk.error = error(code, "the disk says no")
        for n in range(10):
            journal.put(urgent(n))
            journal.put(routine(n))
        await until(lambda: disk.tries > 3)
        assert len(heard.faults) == 1
        assert heard.faults[0] is not None
        assert "the disk says no" in heard.faults[0]
        assert (heard.entries, journal.status()["waiting"]) == ([], 20)
        assert journal.status()["fault"] == heard.faults[0]
        disk.error = None
        await until(lambda: heard.faults[-1] is None)
        assert len(heard.faults) == 2
        assert heard.numbers() == [n // 2 for n in range(20)]
        await journal.close()

    run(main)
    assert verify(tmp_path).broken is None


def test_too_much_waiting_is_dropped_routine_first_and_told(
    tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "WAITING_MAX", 100)

    async def main() -> None:
        heard = Heard()
        journal = await opened(tmp_path, heard)
        disk.error = error(sqlite3.SQLITE_FULL, "full")
        journal.put(urgent(0))
        await until(lambda: heard.faults)  # entry 0 is in flight
        for n in range(1, 51):
            journal.put(routine(n))
        for n in range(51, 151):
            journal.put(urgent(n))
        status = journal.status()
        assert (status["waiting"], status["dropped"]) == (100, 51)
        disk.error = None
        await until(lambda: heard.faults[-1] is None and journal.status()["waiting"] == 0)
        await journal.close()
        assert heard.numbers() == [0, *range(51, 150)]
        (told,) = [e for e in heard.entries if e.kind == "dropped"]
        assert told.payload == b'{"why":"waiting","count":51,"kinds":{"event":50,"alarm":1}}'

    run(main)
    assert verify(tmp_path).broken is None


def test_closing_on_a_dead_disk_ends(tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.journal.pen.CLOSE_S", 0.3)

    async def main() -> None:
        journal = await opened(tmp_path, Heard())
        disk.error = error(sqlite3.SQLITE_FULL, "full")
        journal.put(urgent(0))
        async with asyncio.timeout(PATIENCE_S):
            await journal.close()
        Store.open(tmp_path, 16 * MIB, "0badcafe").close()  # and lets go of the lock

    run(main)


def test_an_entry_that_cannot_be_written_costs_only_itself(tmp_path: Path) -> None:
    async def main() -> None:
        heard = Heard()
        journal = await opened(tmp_path, heard, retry_s=(0.01,))
        for n in range(5):
            journal.put(routine(n))
        journal.put(routine(1 << 70))  # its time does not fit 64 bits: a bug of ours
        journal.put(urgent(6))
        await until(lambda: 6 in heard.numbers())
        assert heard.numbers() == [0, 1, 2, 3, 4, 6]
        assert journal.status()["dropped"] == 1
        await until(lambda: heard.faults[-1] is None)
        await journal.close()
        assert [e.kind for e in heard.entries if e.kind == "dropped"] == ["dropped"]

    run(main)


def test_texts_and_sizes_that_do_not_fit(tmp_path: Path) -> None:
    async def main() -> None:
        heard = Heard()
        journal = await opened(tmp_path, heard)
        journal.put(urgent(0, kind="\ud800"))
        journal.put(urgent(1, size=70_000))
        await until(lambda: len(heard.entries) == 2)
        assert heard.entries[0].kind == "?"
        assert (heard.entries[1].payload or b"").startswith(b'{"too_large":700')
        await journal.close()

    run(main)


def test_a_damaged_store_is_told_as_a_fault_after_the_first_put(tmp_path: Path) -> None:
    (tmp_path / "journal.db").write_text("not a journal")

    async def main() -> None:
        heard = Heard()
        journal = await opened(tmp_path, heard)
        assert journal.set_aside == "journal.db.corrupt-1"
        await asyncio.sleep(0.1)
        assert heard.faults == []
        journal.put(urgent(0))
        await until(lambda: heard.faults and len(heard.entries) == 2)
        assert "journal.db.corrupt-1" in str(heard.faults)
        assert [e.kind for e in heard.entries] == ["store", "alarm"]
        await journal.close()

    run(main)


def test_damage_found_while_running_starts_a_new_store(tmp_path: Path, disk: Disk) -> None:
    async def main() -> None:
        heard = Heard()
        journal = await opened(tmp_path, heard)
        journal.put(urgent(0))
        await until(lambda: journal.head == 1)
        old = journal.store_id
        real, disk.error = disk.error, error(sqlite3.SQLITE_CORRUPT, "malformed")
        journal.put(urgent(1))
        await until(lambda: journal.store_id != old)
        disk.error = real
        await until(lambda: 1 in heard.numbers())
        assert [e.seq for e in heard.entries][:2] == [1, 2]
        assert "store" in [e.kind for e in heard.entries]
        assert heard.faults[-1] is not None
        await journal.close()

    run(main)
    assert verify(tmp_path).broken is None


def test_damage_found_by_a_read_starts_a_new_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        journal = await opened(tmp_path, Heard())
        journal.put(urgent(0, key="a"))
        await until(lambda: journal.head == 1)
        real = Store.latest

        def broken(store: Store, kind: str) -> list[Entry]:
            if store.set_aside is None:
                raise error(sqlite3.SQLITE_CORRUPT, "malformed")
            return real(store, kind)

        monkeypatch.setattr(Store, "latest", broken)
        assert await journal.latest("alarm") == []
        assert journal.set_aside is not None
        await journal.close()

    run(main)


def test_a_disk_that_cannot_be_opened_gives_a_journal_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object) -> Store:
        raise error(sqlite3.SQLITE_FULL, "database or disk is full")

    monkeypatch.setattr(Store, "open", full)

    async def main() -> None:
        heard = Heard()
        journal = await opened(tmp_path, heard)
        journal.put(urgent(0, key="a"))
        await until(lambda: heard.entries and heard.faults)
        assert "disk is full" in str(heard.faults)
        assert [number(e.payload) for e in await journal.latest("alarm")] == [0]
        await journal.close()
        assert None not in heard.faults

    run(main)


def test_a_second_agent_is_refused(tmp_path: Path) -> None:
    async def main() -> None:
        journal = await opened(tmp_path, Heard())
        with pytest.raises(StoreBusy):
            await opened(tmp_path, Heard())
        with pytest.raises(FileNotFoundError):
            await opened(tmp_path / "not" / "there", Heard())
        await journal.close()

    run(main)
