"""A real Modbus RTU server (pymodbus, in a process of its own) on one end of a serial pair, our port on the other."""

from __future__ import annotations

import asyncio
import contextlib
import select
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.readings import Reading
from agent.site.line import ModbusContact, ModbusLine
from tests.real.ports import PATIENCE_S, Watched, watching
from tests.real.sites import until

SOCAT = shutil.which("socat")
pytestmark = pytest.mark.skipif(SOCAT is None, reason="needs socat")
UNIT = Path(__file__).with_name("modbus_unit.py")
ALL_WELL = "1" * 10


class Unit:
    """The server; ``start`` and ``kill`` may be called again and again."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.process: subprocess.Popen[str] | None = None

    def start(self, inputs: str = ALL_WELL) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(UNIT), self.where, inputs], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._said("ready")

    def set(self, inputs: str) -> None:
        assert self.process is not None
        assert self.process.stdin is not None
        self.process.stdin.write(inputs + "\n")
        self.process.stdin.flush()
        self._said("set")

    def _said(self, word: str) -> None:
        assert self.process is not None
        assert self.process.stdout is not None
        assert select.select([self.process.stdout], [], [], PATIENCE_S)[0], f"the unit did not say {word}"
        assert self.process.stdout.readline().strip() == word

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(PATIENCE_S)
            for pipe in (self.process.stdin, self.process.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()
            self.process = None


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """Two ttys, joined as by a null-modem cable."""
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    assert SOCAT is not None
    process = subprocess.Popen([SOCAT, f"pty,rawer,link={ours}", f"pty,rawer,link={theirs}"])
    try:
        until(lambda: ours.exists() and theirs.exists(), "socat made no ttys")
        yield str(ours), str(theirs)
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


@pytest.fixture
def unit(pair: tuple[str, str]) -> Iterator[Unit]:
    made = Unit(pair[1])
    try:
        yield made
    finally:
        made.kill()


def line(where: str, **more: Any) -> ModbusLine:
    contacts = (
        ModbusContact(name="cpe", meaning="cpe-major", input=0, debounce_s=0.05),
        ModbusContact(name="button", meaning="no-voice", position="p1", input=9, debounce_s=0.05, active="open"),
    )
    keys = {"every_s": 0.1, "timeout_s": 0.5, "unit": 17, **more}
    return ModbusLine(id="io", port=where, contacts=contacts, **keys)


def looks(readings: list[Reading], name: str) -> list[tuple[str | None, object]]:
    return [(r.state, r.detail["active"]) for r in readings if r.kind == "contact" and r.subject == name]


async def seen(w: Watched, name: str, look: tuple[str, object], times: int = 1) -> None:
    await w.until(lambda: looks(w.readings, name).count(look) >= times, f"{name} was not told {look}")


def test_inputs_are_followed_and_a_unit_that_dies_is_unknown_until_it_is_back(
    pair: tuple[str, str], unit: Unit
) -> None:
    async def scenario() -> None:
        unit.start()
        async with watching(line(pair[0])) as w:
            await seen(w, "button", ("up", False))
            unit.set("0111111111")
            await seen(w, "cpe", ("down", True))
            unit.set("0111111110")
            await seen(w, "button", ("down", True))
            assert looks(w.readings, "cpe") == [("up", False), ("down", True)]
            unit.kill()
            await seen(w, "cpe", ("unknown", None))
            await seen(w, "button", ("unknown", None))
            unknown = w.last("contact")
            assert unknown.detail["reason"] == "no answer"
            await asyncio.sleep(1)
            assert len(looks(w.readings, "cpe")) == 3  # told once
            unit.start(ALL_WELL)
            await seen(w, "cpe", ("up", False), times=2)
            assert looks(w.readings, "button")[-1] == ("up", False)
            counters = w.port.status()["parser"]
            assert counters["records"] >= 4
            assert counters["timeouts"] >= 3

    asyncio.run(scenario())


def test_a_unit_that_has_no_such_inputs_says_so(pair: tuple[str, str], unit: Unit) -> None:
    async def scenario() -> None:
        unit.start()
        async with watching(line(pair[0], address=200)) as w:
            await seen(w, "cpe", ("unknown", None))
            event = w.last("event")
            assert (event.subject, event.state) == ("unit", "unknown")
            assert event.detail["name"] == "illegal data address"

    asyncio.run(scenario())


def test_a_unit_of_another_number_is_no_health(pair: tuple[str, str], unit: Unit) -> None:
    async def scenario() -> None:
        unit.start()
        async with watching(line(pair[0], unit=18)) as w:
            await seen(w, "button", ("unknown", None))
            assert {look for name in ("cpe", "button") for look in looks(w.readings, name)} == {("unknown", None)}

    asyncio.run(scenario())
