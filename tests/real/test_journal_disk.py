"""The agent on bad disks: it goes on watching, drives the panel, raises an alarm, loses nothing it said it had
written, and is well again by itself.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.journal.store import Store
from tests.journal.made import urgent
from tests.real.brokers import Broker, broker, subscriber
from tests.real.disks import card, filled, tmpfs
from tests.real.sites import Site, site, tl1, until
from tests.real.test_agent_kill import TRUNKS, alarms_in, check, verified
from tests.real.trace import Trace

FAULT = "host_journal-fault_journal"
LONG_S = 120.0  # a journal alarm takes 10 s to set and 30 s to clear


def los(n: int) -> str:
    return f"bank-a_los_t1-{n}"


def fails(s: Site, n: int) -> None:
    """Trunk n goes down: told, lit and flashing, whatever the disk does."""
    s.send(tl1(f"T1-{n}", "MJ", "LOS", n))
    until(lambda: s.alarm(los(n)), f"the alarm of trunk {n} was not raised")
    assert s.status()["lamps"]["trunks"] == "flash"


def ends(s: Site, n: int) -> None:
    s.send(tl1(f"T1-{n}", "CL", "LOS", 100 + n, almcde="A "))
    until(lambda: not (s.alarm(los(n)) or {"active": False})["active"], f"the alarm of trunk {n} did not clear")


def fault_of(s: Site) -> str | None:
    found: str | None = s.status()["journal"]["fault"]
    return found


def written(s: Site) -> bool:
    """Whether all that happened so far is in the journal, and the journal is well."""
    journal = s.status()["journal"]
    return journal["waiting"] == 0 and journal["fault"] is None


def alarmed(s: Site) -> dict[str, Any]:
    """The journal's own alarm, once it stands."""

    def stands() -> dict[str, Any] | None:
        alarm = s.alarm(FAULT)
        return alarm if alarm is not None and alarm["active"] else None

    alarm: dict[str, Any] = until(stands, "no alarm for the journal", LONG_S)
    assert s.status()["lamps"]["probe"] in ("flash", "steady")
    return alarm


def well(s: Site) -> None:
    """The journal's alarm has gone by itself."""
    until(lambda: written(s), "the journal did not recover by itself", LONG_S)
    until(lambda: not (s.alarm(FAULT) or {"active": False})["active"], "the journal's alarm did not clear", LONG_S)


def stands(s: Site) -> set[str]:
    return {a["id"] for a in s.status()["alarms"] if a["active"] and a["resource"] == "bank-a"}


@contextlib.contextmanager
def traced(s: Site) -> Iterator[tuple[subprocess.Popen[bytes], Trace]]:
    """The agent, telling what it showed and what it said it had written."""
    trace = Trace()
    command = (sys.executable, "-m", "tests.real.traced", str(s.file), str(trace.write_fd))
    with s.agent(*command, wait=False, pass_fds=(trace.write_fd,)) as child:
        trace.started()
        until(lambda: s.ready() or child.poll() is not None, "the agent never came up", 60)
        assert child.poll() is None
        yield child, trace
    trace.finish()


def test_a_full_disk() -> None:
    with site(trunks=TRUNKS) as s, tmpfs(s.journal):
        with traced(s) as (_child, trace):
            fails(s, 1)
            until(lambda: written(s), "not written")
            with filled(s.journal):
                fails(s, 2)
                until(lambda: fault_of(s), "nothing is told of a full disk")
                ends(s, 1)
                alarmed(s)
                fails(s, 3)
                assert s.status()["journal"]["waiting"] > 0
            well(s)
        assert check(s, 0, trace) == 0
    assert {(los(2), "raised"), (los(1), "returned"), (los(3), "raised")} <= set(trace.recorded())


def test_killed_on_a_full_disk() -> None:
    with site(trunks=TRUNKS) as s, tmpfs(s.journal):
        with traced(s) as (child, trace):
            fails(s, 1)
            until(lambda: written(s), "not written")
            with filled(s.journal):
                fails(s, 2)
                until(lambda: fault_of(s), "nothing is told of a full disk")
                child.kill()
                child.wait()
        check(s, 0, trace)
        with s.agent():
            assert los(1) in stands(s)


def test_started_on_a_full_disk_what_stood_stands_and_is_carried_over() -> None:
    with site(trunks=TRUNKS) as s, tmpfs(s.journal):
        with s.agent():
            fails(s, 1)
            until(lambda: written(s), "not written")
        with filled(s.journal):
            with s.agent():
                assert los(1) in stands(s), "what stood before was forgotten"
                assert s.status()["lamps"]["trunks"] == "flash"
                fails(s, 2)
                alarmed(s)
            with s.agent():
                assert los(1) in stands(s)
                fails(s, 2)
                (s.journal / "filler").write_bytes(b"")  # room
                well(s)
                fails(s, 3)
                until(lambda: written(s), "not written")
        assert verified(s) == ""
        entries = alarms_in(s, 0)[0]
        raised = [alarm_id for alarm_id, change in entries if change == "raised" and alarm_id.startswith("bank-a_los")]
        assert raised == [los(1), los(2), los(3)]
        with s.agent():
            assert {los(1), los(2), los(3)} <= stands(s)


def test_a_card_that_turns_read_only_and_is_exchanged() -> None:
    with site(trunks=TRUNKS) as s, card(s.directory, s.journal) as disk:
        with traced(s) as (child, trace):
            fails(s, 1)
            until(lambda: written(s), "not written")
            disk.fail()
            fails(s, 2)
            until(lambda: fault_of(s), "nothing is told of a read-only disk")
            alarmed(s)
            fails(s, 3)
            assert child.poll() is None
            disk.exchange()
            until(lambda: s.status()["journal"]["waiting"] == 0, "it did not recover by itself", LONG_S)
        assert check(s, 0, trace) == 0
        with s.agent():
            assert {los(1), los(2), los(3)} <= stands(s)


def test_started_on_a_read_only_disk() -> None:
    with site(trunks=TRUNKS) as s, card(s.directory, s.journal):
        with s.agent():
            fails(s, 1)
            until(lambda: written(s), "not written")
        subprocess.run(["mount", "-o", "remount,ro", s.journal], check=True)
        with s.agent():
            assert los(1) in stands(s), "what stood before was forgotten"
            fails(s, 2)
            alarmed(s)
            subprocess.run(["mount", "-o", "remount,rw", s.journal], check=True)
            well(s)
        assert verified(s) == ""
        assert (los(2), "raised") in alarms_in(s, 0)[0]
        with s.agent():
            assert {los(1), los(2)} <= stands(s)


MANY = [f"T{n // 28 + 1}-{n % 28 + 1}" for n in range(12 * 28)]


def test_a_small_bound_is_kept() -> None:
    with site(trunks=", ".join(f'"{name}" = "cama"' for name in MANY)) as s:
        s.file.write_text(s.file.read_text().replace("[journal]", "[journal]\nmax_mb = 4"))
        bound, n, largest = 4 << 20, 0, 0
        # What happened long ago: alarms that come again and again are one alarm that stands, and fill no journal.
        store = Store.open(s.journal, bound, "0badcafe")
        while store.size_bytes() < bound * 3 // 4:
            store.append([urgent(number, size=1000, kind="note") for number in range(50)])
        store.close()
        with s.agent():

            def cut() -> bool:
                nonlocal n, largest
                for _ in range(100):
                    n += 1
                    s.send(tl1(MANY[n // 2 % len(MANY)], "CL" if n % 2 else "MJ", "LOS", n % 999_999))
                largest = max(largest, sum((s.journal / f).stat().st_size for f in ("journal.db", "journal.db-wal")))
                return bool(s.status()["journal"]["cut"])

            until(cut, "nothing was ever cut", 300)
            assert largest <= bound
            fails(s, 1)
        assert verified(s) == ""
        with sqlite3.connect(s.journal / "journal.db") as db:
            told = [json.loads(p) for (p,) in db.execute("SELECT payload FROM chain WHERE kind = 'checkpoint'")]
            (counted,) = db.execute("SELECT value FROM meta WHERE name = 'cut_entries'").fetchone()
        db.close()
        assert sum(one["count"] for one in told) == counted > 0
        print(f"{n} messages, {counted} entries cut, at most {largest} of {bound} bytes")


def overwrite(s: Site) -> None:
    with (s.journal / "journal.db").open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(size // 2)
        file.write(b"\xa5" * 8192)


def overwrite_all(s: Site) -> None:
    for name in ("journal.db", "journal.db-wal"):
        with (s.journal / name).open("r+b") as file:
            file.write(b"\xa5" * (s.journal / name).stat().st_size)


def delete_all(s: Site) -> None:
    for file in s.journal.iterdir():
        file.unlink()


def away(s: Site) -> None:
    s.journal.rename(s.directory / "elsewhere")


DAMAGE: dict[str, Callable[[Site], object]] = {
    "overwritten in the middle": overwrite,
    "cut short": lambda s: os.truncate(s.journal / "journal.db", 5000),
    "emptied": lambda s: os.truncate(s.journal / "journal.db", 0),
    "deleted": lambda s: (s.journal / "journal.db").unlink(),
    "all deleted": delete_all,
    "the directory removed": lambda s: shutil.rmtree(s.journal),
    "the directory moved away": away,
}
LOST = {"deleted", "all deleted", "the directory removed", "the directory moved away"}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_under_a_running_agent(damage: str) -> None:
    with site(trunks=TRUNKS) as s:
        with traced(s) as (child, trace):
            for n in range(1, 6):
                fails(s, n)
            until(lambda: written(s), "not written")
            DAMAGE[damage](s)
            fails(s, 6)
            until(lambda: s.status()["journal"]["waiting"] == 0, "it did not recover by itself", LONG_S)
            told = s.status()["journal"]["fault"] or ""
            if damage != "overwritten in the middle":  # found when these pages are read again
                assert told, "nothing is told of the damage"
                alarmed(s)
            assert child.poll() is None
            assert s.status()["core_faults"] == 0
        if damage in LOST:  # the open file was still whole
            assert check(s, 0, trace) == 0
        with s.agent():
            assert {los(n) for n in range(1, 7)} <= stands(s), f"what stood was forgotten ({told})"
        assert verified(s) == ""


def test_a_file_overwritten_as_a_whole_is_found_at_the_next_start() -> None:
    with site(trunks=TRUNKS) as s:
        with s.agent() as child:
            fails(s, 1)
            until(lambda: written(s), "not written")
            overwrite_all(s)
            fails(s, 2)
            assert child.poll() is None
        with s.agent():
            alarmed(s)
            assert (s.journal / "journal.db.corrupt-1").exists()
            fails(s, 3)
            until(lambda: s.status()["journal"]["waiting"] == 0, "not written")
        assert verified(s) == ""


BEFORE: dict[str, Callable[[Path], object]] = {
    "garbage": lambda path: path.write_bytes(os.urandom(40_000)),
    "emptied": lambda path: os.truncate(path, 0),
    "header": lambda path: path.write_bytes(b"\xff" * 40 + path.read_bytes()[40:]),
    "cut short": lambda path: os.truncate(path, path.stat().st_size - 5000),
}


@pytest.mark.parametrize("damage", BEFORE)
def test_damage_found_at_start(damage: str) -> None:
    with site(trunks=TRUNKS) as s:
        with s.agent():
            fails(s, 1)
            until(lambda: written(s), "not written")
        BEFORE[damage](s.journal / "journal.db")
        with s.agent():
            alarmed(s)
            assert (s.journal / "journal.db.corrupt-1").exists()
            fails(s, 2)
            assert "corrupt-1" in str(fault_of(s))
        assert verified(s) == ""
        with s.agent():
            assert los(2) in stands(s)


def test_damage_on_a_full_disk_recovers_when_there_is_room() -> None:
    with site(trunks=TRUNKS) as s, tmpfs(s.journal):
        with s.agent():
            fails(s, 1)
            until(lambda: written(s), "not written")
            with filled(s.journal):
                os.truncate(s.journal / "journal.db", 0)
                fails(s, 2)
                alarmed(s)
            until(lambda: "in memory" not in str(fault_of(s)), "it did not go to the disk again", LONG_S)
            fails(s, 3)
            until(lambda: s.status()["journal"]["waiting"] == 0, "not written")
        assert verified(s) == ""
        with s.agent():
            assert {los(1), los(2), los(3)} <= stands(s)


def test_what_is_reported_meanwhile() -> None:
    """Health goes on and tells of it; an entry goes out once it is written, in order and once."""
    with broker() as b, subscriber(b.port) as noc:
        reported(f'[[uplink]]\nid = "noc"\nurls = ["{b.url}"]\n', noc)


def reported(uplink: str, noc: Any) -> None:
    with site(trunks=TRUNKS, extra=uplink) as s, tmpfs(s.journal), s.agent():
        fails(s, 1)
        until(lambda: subjects(noc.events(), los(1)), "not reported")
        with filled(s.journal):
            fails(s, 2)
            until(lambda: fault_of(s), "nothing is told of a full disk")
            until(lambda: (h := noc.last("health")) and h.body["box"]["journal"]["fault"], "no health", LONG_S)
            fails(s, 3)
            assert not subjects(noc.events(), los(2)), "sent before it was written"
            assert noc.last("health").body["box"]["alarms"]["standing"] >= 2
        until(lambda: subjects(noc.events(), los(3)), "not reported after the disk was well again", LONG_S)
        first = [h.body["subject"] for h in noc.events() if h.body.get("subject", "").startswith("bank-a_los")]
        assert list(dict.fromkeys(first)) == [los(1), los(2), los(3)]


def test_what_waits_to_be_reported_is_read_from_a_full_disk() -> None:
    with broker(start=False) as b:
        waits_then_reported(b)


def waits_then_reported(b: Broker) -> None:
    with site(trunks=TRUNKS, extra=f'[[uplink]]\nid = "noc"\nurls = ["{b.url}"]\n') as s, tmpfs(s.journal):
        with s.agent():
            fails(s, 1)
            until(lambda: written(s), "not written")
        b.start()
        with subscriber(b.port) as noc, filled(s.journal), s.agent():
            fails(s, 2)
            until(lambda: subjects(noc.events(), los(2)), "not reported from memory", LONG_S)
            raised = until(lambda: subjects(noc.events(), los(1)), "what waited was not reported", LONG_S)
            assert raised[0].body["data"]["change"] == "raised"


def subjects(events: list[Any], alarm_id: str) -> list[Any]:
    return [h for h in events if h.body.get("subject") == alarm_id]
