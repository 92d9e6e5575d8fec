"""The watchdog is fed by progress alone: what comes round, what stands still, what fails and tries again."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.clock import NS, Wall
from agent.notify import Notifier
from agent.progress import Progress
from agent.supervisor import NOT_VITAL_S, WITHIN_S, Supervisor


def test_what_comes_round_in_time_does_not_stand_still() -> None:
    made = Progress()
    made.begin("line a", 30.0, 0)
    made.made("line a", 20 * NS)
    assert made.still(50 * NS) == {}
    assert made.may_feed(50 * NS)
    assert made.still(51 * NS) == {"line a": 31.0}
    assert not made.may_feed(51 * NS)


def test_a_pause_that_was_announced_is_no_standing_still() -> None:
    made = Progress()
    made.begin("line a", 30.0, 0)
    made.made("line a", 0, 60.0)
    assert made.may_feed(90 * NS)
    assert not made.may_feed(91 * NS)


def test_what_is_not_vital_is_told_and_starves_nothing() -> None:
    made = Progress()
    made.begin("uplink noc", 600.0, 0, vital=False)
    assert list(made.still(601 * NS)) == ["uplink noc"]
    assert made.may_feed(601 * NS)


def test_a_name_that_nobody_watches_is_ignored() -> None:
    Progress().made("line a", 5)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 100)), max_size=40))
def test_fed_exactly_while_each_came_round_within_its_time(events: list[tuple[str, int]]) -> None:
    made, last = Progress(), dict.fromkeys("abc", 0)
    for name in "abc":
        made.begin(name, 10.0, 0)
    now_s = 0
    for name, wait_s in events:
        now_s += wait_s
        assert made.may_feed(now_s * NS) == all(now_s - at_s <= 10 for at_s in last.values())
        made.made(name, now_s * NS)
        last[name] = now_s


class Heard(Notifier):
    """What systemd would hear."""

    def __init__(self) -> None:
        self.said: list[str] = []

    @property
    def every_s(self) -> float:
        return 0.001

    def ready(self) -> None:
        self.said.append("ready")

    def alive(self) -> None:
        self.said.append("alive")

    def starved(self, why: str) -> None:
        self.said.append(why)


class HandClock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 0

    def now_ns(self) -> int:
        return self.now

    def wall(self) -> Wall:
        raise AssertionError("nobody asks for it")


class World:
    """A supervisor with a clock of our own."""

    def __init__(self, core: Callable[[], bool] = lambda: True) -> None:
        self.clock, self.heard = HandClock(), Heard()
        self.told: list[tuple[str | None, str]] = []
        self.made = Supervisor(
            self.clock, lambda _sense, why, subject: self.told.append((why, subject)), core, self.heard
        )

    def run(self, shells: dict[str, Callable[[], object]], then: Callable[[], object]) -> None:
        async def main() -> None:
            stop = asyncio.Event()

            async def after() -> None:
                try:
                    for _ in range(20):
                        await asyncio.sleep(0)
                    then()
                    await asyncio.sleep(0.05)
                finally:
                    stop.set()  # what fails here must not wait for ever

            ending = asyncio.create_task(after())
            await self.made.run(shells, stop)  # type: ignore[arg-type]
            await ending

        asyncio.run(main())


async def forever() -> None:
    await asyncio.Event().wait()


def test_ready_comes_first_and_a_core_that_looks_feeds() -> None:
    world = World()
    world.run({}, lambda: None)
    assert world.heard.said[0] == "ready"
    assert set(world.heard.said[1:]) == {"alive"}


@pytest.mark.parametrize("name", ["line bank-a", "prober", "listener", "host", "clock"])
def test_a_sense_that_hangs_starves_the_watchdog_and_is_told(name: str) -> None:
    world = World()
    world.run({name: forever}, lambda: setattr(world.clock, "now", int((WITHIN_S[name.split()[0]] + 1) * NS)))
    assert world.heard.said[-1] == f"{name} stands still: the watchdog is not fed"
    assert (f"{name} stands still", f"progress {name}") in world.told


def test_an_uplink_that_hangs_is_told_and_the_panel_goes_on() -> None:
    world = World()
    world.run({"uplink noc": forever}, lambda: setattr(world.clock, "now", int((NOT_VITAL_S["uplink"] + 1) * NS)))
    assert world.heard.said[-1] == "alive"
    assert ("uplink noc stands still", "progress uplink noc") in world.told


def test_a_core_that_fails_whenever_it_looks_starves_the_watchdog() -> None:
    world = World(core=lambda: False)
    world.run({}, lambda: setattr(world.clock, "now", int((WITHIN_S["core"] + 1) * NS)))
    assert "core stands still" in world.heard.said[-1]


def test_a_sense_that_fails_and_tries_again_feeds_the_watchdog() -> None:
    world = World()

    async def fails() -> None:
        raise RuntimeError("a bug of ours")

    world.run({"host": fails}, lambda: setattr(world.clock, "now", int((WITHIN_S["host"] + 0.5) * NS)))
    assert world.heard.said[-1] == "alive"
    assert ("host: RuntimeError: a bug of ours", "host") in world.told


def test_what_comes_round_again_is_told_too() -> None:
    world = World()

    def stall() -> None:
        world.clock.now = int((WITHIN_S["host"] + 1) * NS)
        world.made.look()
        world.made.maker("host")()
        world.made.look()

    world.run({"host": forever}, stall)
    assert (None, "progress host") in world.told
    assert world.heard.said[-1] == "alive"


@pytest.mark.parametrize(
    ("usec", "every_s"), [(None, 5.0), ("15000000", 5.0), ("6000000", 2.0), ("30000000", 5.0), ("x", 5.0), ("1", 0.1)]
)
def test_fed_thrice_in_the_watchdogs_time(monkeypatch: pytest.MonkeyPatch, usec: str | None, every_s: float) -> None:
    monkeypatch.delenv("WATCHDOG_USEC", raising=False)
    if usec is not None:
        monkeypatch.setenv("WATCHDOG_USEC", usec)
    assert Notifier().every_s == every_s
