"""A wall clock that steps by ten years, forward and back: order, durations, deadlines and the journal stay right."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from agent.app import App
from agent.clock import NS, Wall, rfc3339, timesyncd_synchronised, unix_s
from agent.journal.entry import Entry
from agent.journal.store import Store
from agent.journal.verify import verify
from agent.panel import Levels
from agent.readings import Reading, Request, Wake
from agent.remote import commands
from agent.site import schema
from agent.site.load import load
from agent.uplink.backoff import MOST_S, Backoff
from tests.calls.test_watch import H, World
from tests.calls.test_watch import site as calls_site
from tests.real.brokers import broker, subscriber
from tests.real.sites import PATIENCE_S, Site, site, tl1

YEARS_10_S = 10 * 365.25 * 86_400
STEPS = pytest.mark.parametrize("step_s", [YEARS_10_S, -YEARS_10_S], ids=["forward", "back"])


class SteppedClock:
    """This machine's clocks, moved: ``ahead_s`` the monotonic one, ``off_s`` the wall clock's label."""

    def __init__(self, off_s: float = 0.0, *, synced: bool = True) -> None:
        self.ahead_s, self.off_s, self.synced = 0.0, off_s, synced

    def now_ns(self) -> int:
        return time.monotonic_ns() + int(self.ahead_s * NS)

    def wall(self) -> Wall:
        return Wall(rfc3339(time.time() + self.ahead_s + self.off_s), self.synced)


class Dark:
    """A panel of no lamps."""

    def apply(self, _levels: Levels) -> None:
        return

    def close(self) -> None:
        return


class Running:
    """An agent in this process."""

    def __init__(self, s: Site, clock: SteppedClock) -> None:
        self.s, self.clock = s, clock
        self.app = App(load(s.file), clock=clock, panel=Dark())

    def ask(self, do: str, **args: Any) -> dict[str, Any]:
        reply = self.app.ask(Request("1", do, args, "test"))
        assert reply.result is not None, reply.error
        return dict(reply.result)

    def alarm(self, n: int) -> dict[str, Any] | None:
        return next((a for a in self.ask("status")["alarms"] if a["id"] == f"bank-a_los_t1-{n}"), None)

    def pass_s(self, seconds: float) -> None:
        self.clock.ahead_s += seconds
        self.app.post(Wake())

    async def until(self, what: Callable[[], Any], why: str) -> Any:
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            if value := what():
                return value
            await asyncio.sleep(0.02)
        raise AssertionError(why)

    async def fails(self, n: int) -> dict[str, Any]:
        os.write(self.s.master, tl1(f"T1-{n}", "MJ", "LOS", n))
        found: dict[str, Any] = await self.until(lambda: self.alarm(n), f"trunk {n} was not told")
        return found

    def hears(self) -> bool:
        return all(one["state"] != "unknown" for one in self.ask("status")["senses"] if one["sense"] == "tl1")

    async def written(self) -> None:
        await self.until(lambda: self.ask("status")["journal"]["waiting"] == 0, "not written")


@contextlib.asynccontextmanager
async def running(s: Site, clock: SteppedClock) -> AsyncIterator[Running]:
    made = Running(s, clock)
    task = asyncio.create_task(made.app.run())
    try:
        await made.until(lambda: made.app._begun or task.done(), "the agent never came up")
        await made.until(made.hears, "the port was never open")
        yield made
    finally:
        made.app.stop()
        await asyncio.wait_for(task, PATIENCE_S)


def journal(s: Site) -> list[Entry]:
    store = Store.open(s.journal, 256 << 20, "00000000")
    try:
        return store.read(0, store.head, 10_000)
    finally:
        store.close()


def raised(entries: list[Entry]) -> list[Entry]:
    told = [(e, json.loads(e.payload or b"{}")) for e in entries if e.kind == "alarm"]
    return [e for e, p in told if p["change"] == "raised" and p["type"] == "los"]


@STEPS
def test_order_ages_and_labels(step_s: float) -> None:
    async def main(s: Site) -> None:
        clock = SteppedClock()
        async with running(s, clock) as agent:
            first = await agent.fails(1)
            agent.pass_s(3600)
            clock.off_s = step_s
            second = await agent.fails(2)
            assert 3600 <= (second["raised_ns"] - first["raised_ns"]) / NS < 3600 + 2 * PATIENCE_S
            shown = agent.alarm(1)
            assert shown is not None
            since_s = unix_s(clock.wall().utc) - unix_s(shown["raised"])
            assert 3600 <= since_s < 3600 + 3 * PATIENCE_S, "shown as old as it is, in the clock's own present terms"
            clock.off_s = -step_s
            await agent.fails(3)
            assert agent.ask("status")["uptime_s"] < 3600 + 4 * PATIENCE_S
            assert agent.ask("status")["core_faults"] == 0
            await agent.written()

    with site(trunks='"T1-1" = "cama", "T1-2" = "cama", "T1-3" = "cama", "T1-4" = "cama"') as s:
        s.file.write_text(s.file.read_text().replace("[journal]", "[journal]\nmax_days = 1"))
        asyncio.run(main(s))
        entries = journal(s)
        assert [e.key for e in raised(entries)] == [f"bank-a_los_t1-{n}" for n in (1, 2, 3)]
        assert [e.seq for e in entries] == list(range(1, len(entries) + 1)), "the journal kept everything"
        assert [e.mono_ns for e in entries] == sorted(e.mono_ns for e in entries)
        years = [int(e.wall[:4]) for e in raised(entries)]
        assert abs(years[1] - years[0] - round(step_s / YEARS_10_S) * 10) <= 1
        assert verify(s.journal).broken is None


@STEPS
def test_what_ends_by_itself_ends_in_its_time(step_s: float) -> None:
    async def main(s: Site) -> None:
        clock = SteppedClock()
        async with running(s, clock) as agent:
            await agent.fails(1)
            agent.ask("shelve", what="bank-a", minutes=30)
            agent.ask("mode", mode="service", minutes=30)
            clock.off_s = step_s
            agent.pass_s(29 * 60)
            status = agent.ask("status")
            assert (status["mode"], list(status["shelved"])) == ("service", ["bank-a"])
            clock.off_s = -step_s
            agent.pass_s(2 * 60)
            status = agent.ask("status")
            assert (status["mode"], status["shelved"]) == ("normal", {})

    with site() as s:
        asyncio.run(main(s))


@STEPS
def test_a_step_between_two_runs(step_s: float) -> None:
    async def first(s: Site) -> None:
        async with running(s, SteppedClock(step_s)) as agent:
            await agent.fails(1)
            await agent.written()

    async def second(s: Site) -> None:
        clock = SteppedClock()
        async with running(s, clock) as agent:
            alarm = agent.alarm(1)
            assert alarm is not None, "what stood was forgotten"
            assert alarm["active"]
            assert alarm["raised_ns"] <= clock.now_ns()
            assert unix_s(alarm["raised"]) <= unix_s(clock.wall().utc)
            await agent.fails(2)
            assert agent.ask("status")["core_faults"] == 0

    with site(trunks='"T1-1" = "cama", "T1-2" = "cama", "T1-3" = "cama"') as s:
        s.file.write_text(s.file.read_text().replace("[journal]", "[journal]\nmax_days = 1"))
        asyncio.run(first(s))
        asyncio.run(second(s))
        entries = journal(s)
        assert [e.key for e in raised(entries)] == ["bank-a_los_t1-1", "bank-a_los_t1-2"]
        assert entries[0].seq == 1, "nothing was old"


@STEPS
def test_an_uplink_stays_up_and_reports_in_order(step_s: float) -> None:
    async def main(s: Site, noc: Any) -> None:
        clock = SteppedClock()
        async with running(s, clock) as agent:
            await agent.until(lambda: agent.ask("status")["uplinks"][0]["connected"], "not connected")
            session = agent.ask("status")["uplinks"][0]["session"]
            for n, off_s in ((1, 0.0), (2, step_s), (3, -step_s)):
                clock.off_s = off_s
                await agent.fails(n)
            await agent.until(lambda: len(subjects(noc)) == 3, "not reported")
            assert agent.ask("status")["uplinks"][0]["session"] == session, "it lost its connection over the step"

    trunks = '"T1-1" = "cama", "T1-2" = "cama", "T1-3" = "cama", "T1-4" = "cama"'
    with broker() as b, subscriber(b.port) as noc:
        with site(trunks=trunks, extra=f'[[uplink]]\nid = "noc"\nurls = ["{b.url}"]\n') as s:
            asyncio.run(main(s, noc))
        assert subjects(noc) == [f"bank-a_los_t1-{n}" for n in (1, 2, 3)]


def subjects(noc: Any) -> list[str]:
    told = [str(h.body.get("subject", "")) for h in noc.events()]
    return list(dict.fromkeys(name for name in told if name.startswith("bank-a_los")))


def test_backoff_is_of_durations_alone() -> None:
    backoff = Backoff(lambda: 1.0)
    waits = [backoff.after_failure_s() for _ in range(10)]
    assert waits == sorted(waits)
    assert waits[-1] == MOST_S
    assert not backoff.lasted(59 * NS)
    assert backoff.lasted(60 * NS)


@STEPS
@pytest.mark.parametrize("synced", [True, False])
def test_a_step_is_no_silence_and_hides_none(step_s: float, synced: bool) -> None:
    world = World(calls_site())
    off_s = 0.0

    def clock() -> None:
        detail = {"utc_s": 1.7e9 + world.at_s + off_s, "synced": synced}
        world.see(Reading("host", "clock", "host", "clock", "up", int(world.at_s * NS), detail))

    for number in range(300):
        world.call(number, 60.0)
        if number % 50 == 49:
            off_s = step_s if off_s == 0.0 else 0.0
            clock()
    assert world.holds("silence") == [], "a step was taken for silence"
    off_s = step_s
    for _ in range(100):
        world.at_s += H
        clock()
    assert ("testville", "all", False) in world.holds("silence"), "silence was hidden by a step"


def judged(now_s: float) -> str:
    """What becomes of a command that was sent now and is good for five minutes, on a box whose clock says ``now_s``."""
    told = {"id": "one", "expires": rfc3339(1.8e9 + 300), "args": {}}
    try:
        commands.read(json.dumps(told).encode(), "lamp-test", by="", site=schema.Site(id="here"), now_utc_s=now_s)
    except commands.Refused as refused:
        return str(refused)
    return "taken"


def test_a_command_is_refused_by_a_clock_that_is_years_off() -> None:
    assert judged(1.8e9) == "taken"
    assert "expired" in judged(1.8e9 + YEARS_10_S)
    assert "at the latest" in judged(1.8e9 - YEARS_10_S), "else it could be sent again for ten years"


@pytest.mark.parametrize(
    ("age_s", "said"), [(0.0, True), (3 * 3600.0, True), (3 * 3601.0, False), (-4 * 3600.0, False)]
)
def test_timesyncds_mark_counts_while_it_is_young(tmp_path: Path, age_s: float, said: bool) -> None:
    mark = tmp_path / "synchronized"
    assert not timesyncd_synchronised(1e9, mark)
    mark.touch()
    os.utime(mark, (1e9 - age_s, 1e9 - age_s))
    assert timesyncd_synchronised(1e9, mark) is said
