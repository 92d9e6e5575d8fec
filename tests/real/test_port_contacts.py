"""Contacts on a port's modem lines, through the shell. No hardware here has modem lines: a pty answers ENOTTY (that is
tested as it is), so the rest stands on a faked ioctl table behind a real pty; signals and threads are real."""

from __future__ import annotations

import asyncio
import ctypes
import errno
import os
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

from agent.lines import pins as pins_module
from agent.lines.pins import BITS, DTR, RTS, Waiter
from agent.site.line import ContactsLine, PinContact
from tests.real.ports import PATIENCE_S, Pty, Watched, watching
from tests.real.test_port import fds_of


class Modem:
    """The ioctl table of one adapter; all of its descriptors share it."""

    def __init__(self) -> None:
        self.lines = 0
        self.edges = dict.fromkeys(BITS, 0xFFFF_FFFE)
        self.out = DTR | RTS
        self.fault: int | None = None
        self.no_counts = self.no_wait = False
        self.waits = 0
        self._change = threading.Condition()

    def __call__(self, fd: int) -> Modem:
        return self

    def asserted(self) -> int:
        if self.fault is not None:
            raise OSError(self.fault, os.strerror(self.fault))
        return self.lines | self.out

    def counts(self) -> dict[str, int]:
        if self.no_counts:
            raise OSError(errno.EINVAL, "none")
        return dict(self.edges)

    def wet(self, on: int, off: int) -> None:
        self.out = (self.out | on) & ~off

    def wait(self) -> None:
        if self.no_wait:
            raise OSError(errno.ENOTTY, "none")
        with self._change:
            self.waits += 1
            if not self._change.wait(0.05):
                raise InterruptedError

    def set(self, name: str, on: bool) -> None:
        if bool(self.lines & BITS[name]) != on:
            self.lines ^= BITS[name]
            self.edges[name] = (self.edges[name] + 1) & 0xFFFF_FFFF
            with self._change:
                self._change.notify_all()


@pytest.fixture
def modem(monkeypatch: pytest.MonkeyPatch) -> Modem:
    made = Modem()
    monkeypatch.setattr(pins_module, "Ioctls", made)
    return made


def line(port: object, **more: Any) -> ContactsLine:
    contacts = (
        PinContact(name="cpe", meaning="cpe-major", input="dcd"),
        PinContact(name="button", meaning="no-voice", input="cts", position="3", debounce_s=0.05),
    )
    return ContactsLine(id="dry", port=str(port), contacts=contacts, **more)


def contact(w: Watched, name: str) -> list[str | None]:
    return [r.state for r in w.readings if r.kind == "contact" and r.subject == name]


def test_levels_edges_and_a_press_between_two_looks(tmp_path: Path, modem: Modem) -> None:
    modem.no_wait = True

    async def scenario() -> None:
        pty = Pty(tmp_path / "port")
        modem.set("dcd", True)
        async with watching(line(pty.link, every_s=0.1)) as w:
            await w.until(lambda: contact(w, "cpe") == ["up"], "the first look was not told")
            assert contact(w, "button") == ["up"]
            modem.set("dcd", False)
            await w.until(lambda: contact(w, "cpe") == ["up", "down"], "the change was not told")
            modem.set("cts", True)  # pressed and let go between two looks: only the driver's count knows
            modem.set("cts", False)
            await w.until(lambda: contact(w, "button") == ["up", "down", "up"], "the short press was lost")
            status = w.port.status()
            assert (status["mode"], status["dialect"], status["held_bytes"]) == ("receive-only", "contacts", 0)
            assert status["parser"]["samples"] > 2
            assert status["parser"]["changes"] == 0
        pty.unplug()

    asyncio.run(scenario())


def test_without_counts_levels_are_still_read(tmp_path: Path, modem: Modem) -> None:
    modem.no_wait = modem.no_counts = True

    async def scenario() -> None:
        pty = Pty(tmp_path / "port")
        async with watching(line(pty.link)) as w:
            await w.until(lambda: contact(w, "cpe") == ["down"], "open is a CPE major alarm")
            modem.set("dcd", True)
            await w.until(lambda: contact(w, "cpe") == ["down", "up"], "the change was not told")
        pty.unplug()

    asyncio.run(scenario())


@pytest.mark.parametrize(("wetting", "out"), [("dtr", DTR), ("rts", RTS), ("both", DTR | RTS)])
def test_the_wetting_voltage_is_set(tmp_path: Path, modem: Modem, wetting: str, out: int) -> None:
    async def scenario() -> None:
        pty = Pty(tmp_path / "port")
        async with watching(line(pty.link, wetting=wetting)) as w:
            await w.up()
            assert modem.out == out
        assert pty.heard() == b""
        pty.unplug()

    asyncio.run(scenario())


def test_a_change_is_seen_at_once_where_the_driver_can_wait(tmp_path: Path, modem: Modem) -> None:
    async def scenario() -> None:
        pty = Pty(tmp_path / "port")
        async with watching(line(pty.link, every_s=60)) as w:  # the next look would be far beyond our patience
            await w.until(lambda: contact(w, "cpe") == ["down"] and modem.waits, "not begun")
            modem.set("dcd", True)
            await w.until(lambda: contact(w, "cpe") == ["down", "up"], "the change was not seen")
            assert w.port.status()["parser"]["changes"] >= 1
        pty.unplug()

    asyncio.run(scenario())


def test_a_pty_has_no_modem_lines_and_that_is_told_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel's own ioctls on a real pty: ENOTTY."""

    async def scenario() -> None:
        monkeypatch.setattr(pins_module, "BLIND_RETRY_S", 0.05)
        pty = Pty(tmp_path / "port")
        async with watching(line(pty.link, every_s=0.1)) as w:
            await w.until(lambda: "contact" in w.kinds(), "not told")
            told = w.last("contact")
            assert told.state == "unknown"
            assert "no modem lines" in str(told.detail["reason"])
            await asyncio.sleep(1)
            assert contact(w, "cpe") == ["unknown"]
            assert w.port.status()["state"] == "up"
            assert w.port.status()["parser"]["blind"] == 1
        pty.unplug()

    asyncio.run(scenario())


def test_blindness_that_passes_and_an_adapter_that_goes(
    tmp_path: Path, modem: Modem, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        monkeypatch.setattr(pins_module, "BLIND_RETRY_S", 0.05)
        pty = Pty(tmp_path / "port")
        modem.set("dcd", True)
        async with watching(line(pty.link)) as w:
            await w.until(lambda: contact(w, "cpe") == ["up"], "not begun")
            modem.fault = errno.EINVAL
            await w.until(lambda: contact(w, "cpe") == ["up", "unknown"], "blindness was not told")
            modem.fault = None
            await w.until(lambda: contact(w, "cpe")[2:] == ["up"], "sight was not told")
            modem.fault = errno.EIO
            await w.until(lambda: "port-down" in w.kinds(), "the loss was not told")
            assert w.last("port-down").detail["errno"] == "EIO"
            assert contact(w, "cpe")[3:] == ["unknown"]
            modem.fault = None
            modem.edges = dict.fromkeys(BITS, 0)  # a driver loaded anew counts from nought
            await w.up(2)
            await w.until(lambda: contact(w, "cpe")[4:] == ["up"], "not read after the return")
        pty.unplug()

    asyncio.run(scenario())


def test_lent_while_it_waits(tmp_path: Path, modem: Modem) -> None:
    async def scenario() -> None:
        pty = Pty(tmp_path / "port")
        name = os.ttyname(pty.slave)
        async with watching(line(pty.link)) as w:
            await w.until(lambda: contact(w, "cpe") and modem.waits, "not begun")
            assert len(fds_of(name)) == 2
            w.port.release(10)
            assert len(fds_of(name)) == 1
            assert not [t for t in threading.enumerate() if t.name == "modem lines"]
            assert contact(w, "cpe")[-1] == "unknown"
            waits = modem.waits
            await asyncio.sleep(0.3)
            assert modem.waits == waits
        pty.unplug()

    asyncio.run(scenario())


def test_a_thread_that_waits_in_the_kernel_is_brought_home() -> None:
    """A read of an empty pipe stands for TIOCMIWAIT: both end with EINTR when a signal comes, and only then."""
    libc = ctypes.CDLL(None, use_errno=True)
    near, far = os.pipe()
    inside = threading.Event()
    interrupted: list[int] = []

    def wait() -> None:
        buffer = ctypes.create_string_buffer(1)
        inside.set()
        if libc.read(near, buffer, 1) < 0:
            interrupted.append(ctypes.get_errno())
            raise OSError(interrupted[-1], os.strerror(interrupted[-1]))

    async def scenario() -> None:
        changes: list[int] = []
        waiter = Waiter(wait, lambda: changes.append(1))
        waiter.start()
        assert inside.wait(PATIENCE_S)
        os.write(far, b"x")
        async with asyncio.timeout(PATIENCE_S):
            while not changes:
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)  # back in the read
        assert waiter.stop()
        assert interrupted == [errno.EINTR]
        assert changes == [1]

    asyncio.run(scenario())
    os.close(near)
    os.close(far)
    assert signal.getsignal(signal.SIGURG) is pins_module._nothing
