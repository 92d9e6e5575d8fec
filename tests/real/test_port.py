"""The serial shell over real ptys, TCP and RFC 2217: messages, unplugging, silence. Each wait is bounded."""

from __future__ import annotations

import asyncio
import contextlib
import os
import queue
import socket
import threading
import tty
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import serial
from serial import rfc2217

from agent.clock import RealClock
from agent.lines import port as port_module
from agent.lines import wire as wire_module
from agent.lines.port import Port
from agent.readings import Reading
from agent.site.schema import Line

PATIENCE_S = 40.0
GOOD = b'\r\n\n   MX2800 04-10-05 09:14:22\r\n** 000017 REPT ALM T1\r\n   "101:MJ,LOS,SA,10-05,09-14-22,NEND"\r\n;'


class Pty:
    """A pty whose tty is named by a link, as /dev/serial/by-path names an adapter."""

    def __init__(self, link: Path) -> None:
        self.link = link
        self.master, self.slave = os.openpty()
        tty.setraw(self.slave)
        link.unlink(missing_ok=True)
        link.symlink_to(os.ttyname(self.slave))

    def unplug(self) -> None:
        self.link.unlink(missing_ok=True)
        for fd in (self.slave, self.master):
            with contextlib.suppress(OSError):
                os.close(fd)


class Watched:
    """A port under test and what it has posted."""

    def __init__(self, where: str, **more: Any) -> None:
        self.readings: list[Reading] = []
        self.progressed = 0
        line = Line(id="bank-a", port=where, dialect="tl1", **more)
        self.port = Port(line, self.readings.append, RealClock(), self._progress)

    def _progress(self) -> None:
        self.progressed += 1

    def kinds(self) -> list[str]:
        return [r.kind for r in self.readings]

    def last(self, kind: str) -> Reading:
        return next(r for r in reversed(self.readings) if r.kind == kind)

    async def until(self, what: Callable[[], object], why: str) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_S):
                while not what():
                    await asyncio.sleep(0.01)
        assert what(), f"{why}: {self.readings} {self.port.status()}"

    async def up(self, times: int = 1) -> None:
        await self.until(lambda: self.kinds().count("port-up") >= times, "the port did not come up")


@contextlib.asynccontextmanager
async def watching(where: str, **more: Any) -> AsyncIterator[Watched]:
    watched = Watched(where, **more)
    task = asyncio.create_task(watched.port.run())
    try:
        yield watched
        assert not task.done(), task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def held_files() -> list[str]:
    """What this process has open."""
    found = []
    for fd in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            found.append(str(fd.readlink()))
    return found


def test_a_message_through_a_pty(tmp_path: Path) -> None:
    async def scenario() -> None:
        pty = Pty(tmp_path / "port")
        async with watching(str(pty.link), format="8N1") as w:
            await w.up()
            up = w.readings[0]
            assert (up.source, up.sense, up.kind, up.subject, up.state) == ("bank-a", "tl1", "port-up", "port", "up")
            for at in range(0, len(GOOD), 7):
                os.write(pty.master, GOOD[at : at + 7])
            await w.until(lambda: "alarm" in w.kinds(), "no alarm")
            assert w.last("alarm").detail["condtype"] == "LOS"
            status = w.port.status()
            assert (status["state"], status["bytes"], status["opens"]) == ("up", len(GOOD), 1)
            assert status["line_quality"] == "unsupported"  # ptys have no TIOCGICOUNT: said, never an error
            assert status["parser"]["alarms"] == 1
            assert w.progressed > 0
        assert w.port.status()["state"] == "down"
        pty.unplug()

    before = len(held_files())
    asyncio.run(scenario())
    assert len(held_files()) <= before


def test_it_never_writes(tmp_path: Path) -> None:
    async def scenario() -> None:
        pty = Pty(tmp_path / "port")
        os.set_blocking(pty.master, False)
        async with watching(str(pty.link)) as w:
            await w.up()
            os.write(pty.master, GOOD)
            await w.until(lambda: "alarm" in w.kinds(), "no alarm")
        with pytest.raises(BlockingIOError):
            os.read(pty.master, 100)
        pty.unplug()

    asyncio.run(scenario())


def test_unplugged_is_closed_at_once_and_found_again_by_its_path(tmp_path: Path) -> None:
    async def scenario() -> None:
        pty = Pty(tmp_path / "port")
        gone = os.ttyname(pty.slave)
        async with watching(str(pty.link)) as w:
            await w.up()
            os.write(pty.master, GOOD + b"\r\n\n   MX28")
            await w.until(lambda: w.port.status()["held_bytes"] > 0 and "alarm" in w.kinds(), "not read")
            pty.unplug()
            await w.until(lambda: "port-down" in w.kinds(), "not told")
            assert not [name for name in held_files() if name.startswith(gone)]
            down = w.last("port-down")
            assert (down.state, down.subject) == ("down", "port")
            assert down.detail["reason"]
            # The half message went with the port, and is told before it.
            assert w.kinds().index("garbage") < w.kinds().index("port-down")
            # Then the path is gone too: another reason, told once however often it is tried.
            await w.until(lambda: w.last("port-down").detail["errno"] == "ENOENT", "ENOENT not told")
            await w.until(lambda: w.port.status()["failures"] >= 2, "not tried again")
            assert sum(r.detail.get("errno") == "ENOENT" for r in w.readings) == 1
            back = Pty(tmp_path / "port")
            await w.up(2)
            os.write(back.master, GOOD.replace(b"17 REPT", b"20 REPT"))
            await w.until(lambda: w.kinds().count("alarm") == 2, "no alarm after it came back")
            assert w.last("gap").detail["lost"] == 2
            assert w.port.status()["reason"] is None
            back.unplug()

    asyncio.run(scenario())


def test_a_port_that_others_have_locked_and_one_that_is_no_tty_say_so(tmp_path: Path) -> None:
    async def scenario() -> None:
        pty = Pty(tmp_path / "port")
        plain = tmp_path / "plain"
        plain.write_text("")
        with serial.Serial(str(pty.link), exclusive=True):
            async with watching(str(pty.link)) as locked, watching(str(plain)) as no_tty:
                await locked.until(lambda: "port-down" in locked.kinds(), "the lock was not told")
                assert "locked" in str(locked.last("port-down").detail["reason"])
                await no_tty.until(lambda: "port-down" in no_tty.kinds(), "no tty: not told")
                assert "ioctl" in str(no_tty.last("port-down").detail["reason"])
        pty.unplug()

    asyncio.run(scenario())


def test_silence_beyond_three_heartbeats_and_bytes_again(tmp_path: Path) -> None:
    async def scenario() -> None:
        pty = Pty(tmp_path / "port")
        async with watching(str(pty.link), heartbeat_s=1) as w:
            await w.up()
            await w.until(lambda: "heartbeat" in w.kinds(), "silence not told")
            quiet = w.last("heartbeat")
            assert (quiet.state, quiet.subject) == ("down", "link")
            assert float(quiet.detail["quiet_s"] or 0) >= 3
            os.write(pty.master, b"\r\n")
            await w.until(lambda: w.last("heartbeat").state == "up", "bytes again, not told")
        pty.unplug()

    asyncio.run(scenario())


def test_a_message_without_end_is_told_after_a_silence(tmp_path: Path) -> None:
    async def scenario() -> None:
        pty = Pty(tmp_path / "port")
        async with watching(str(pty.link)) as w:
            await w.up()
            os.write(pty.master, GOOD[:-3])
            await w.until(lambda: "garbage" in w.kinds(), "not told")
            assert w.kinds() == ["port-up", "alarm", "garbage"]
        pty.unplug()

    asyncio.run(scenario())


def test_a_storm_of_rubbish_is_bounded_and_the_alarm_after_it_is_read(tmp_path: Path) -> None:
    async def scenario() -> None:
        pty = Pty(tmp_path / "port")
        rubbish = os.urandom(1 << 20)
        async with watching(str(pty.link)) as w:
            await w.up()

            def pour() -> None:
                data = rubbish + GOOD
                while data:
                    data = data[os.write(pty.master, data) :]

            await asyncio.to_thread(pour)
            await w.until(lambda: "101" in [r.subject for r in w.readings], "the alarm after the storm was lost")
            assert w.kinds().count("garbage") < len(rubbish) / 1000
        pty.unplug()

    asyncio.run(scenario())


def test_errors_that_the_driver_counts_are_told_when_they_rise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No tty here has TIOCGICOUNT, so the ioctl is a fake: linux/serial.h's order of counts, one of them wrapping."""
    looks = 0

    def ioctl(fd: int, request: int, buffer: bytes) -> bytes:
        nonlocal looks
        assert request == 0x545D
        looks += 1
        counts = [0] * 20
        counts[6] = 7
        counts[8] = 2 if looks > 1 else -1
        return wire_module._ICOUNT.pack(*counts)

    async def scenario() -> None:
        pty = Pty(tmp_path / "port")
        monkeypatch.setattr(wire_module, "fcntl", type("Fake", (), {"ioctl": staticmethod(ioctl)}))
        monkeypatch.setattr(port_module, "ERRORS_EVERY_S", 0.1)
        async with watching(str(pty.link)) as w:
            await w.until(lambda: looks >= 4, "not looked at")
            told = [r for r in w.readings if r.kind == "line-quality"]
            assert len(told) == 1
            assert told[0].state == "degraded"
            assert {k: v for k, v in told[0].detail.items() if v and k != "over_s"} == {"parity": 3}
            assert w.port.status()["line_quality"] == "counted"
        pty.unplug()

    asyncio.run(scenario())


def test_a_tcp_device_server_to_the_last_byte_before_it_hangs_up() -> None:
    async def scenario() -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            where = f"socket://127.0.0.1:{server.getsockname()[1]}"
            async with watching(where) as w:
                for n in (1, 2):
                    peer, _ = await asyncio.to_thread(server.accept)
                    await w.up(n)
                    peer.sendall(GOOD)
                    peer.close()
                    await w.until(lambda n=n: w.kinds().count("alarm") == n, "the last bytes were lost")  # type: ignore[misc]
                    await w.until(lambda n=n: w.kinds().count("port-down") == n, "the hang-up was not told")  # type: ignore[misc]

    asyncio.run(scenario())


def test_a_refused_connection_says_so() -> None:
    async def scenario() -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            where = f"socket://127.0.0.1:{server.getsockname()[1]}"
        async with watching(where) as w:
            await w.until(lambda: "port-down" in w.kinds(), "not told")
            assert "refused" in str(w.last("port-down").detail["reason"])

    asyncio.run(scenario())


def test_cancelled_while_opening_leaves_nothing_behind() -> None:
    """A server that accepts and never speaks RFC 2217: pyserial waits 3 s in its thread, we do not."""

    async def scenario() -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            where = f"rfc2217://127.0.0.1:{server.getsockname()[1]}"
            async with watching(where) as w:
                peer, _ = await asyncio.to_thread(server.accept)
                assert w.port.status()["state"] == "down"
            peer.close()

    asyncio.run(scenario())


class _Rfc2217Server(threading.Thread):
    """pyserial's own server side (rfc2217.PortManager) before a pty, one connection."""

    def __init__(self, tty_name: str) -> None:
        super().__init__(daemon=True)
        self.server = socket.create_server(("127.0.0.1", 0))
        self.device = serial.Serial(tty_name, timeout=0.05)
        self.settings = _Device(self.device)
        self.where = f"rfc2217://127.0.0.1:{self.server.getsockname()[1]}"
        self.stop = threading.Event()

    def run(self) -> None:
        peer, _ = self.server.accept()
        peer.settimeout(0.02)
        lock = threading.Lock()

        class Connection:
            def write(self, data: bytes) -> None:
                with lock:
                    peer.sendall(data)

        manager: Any = rfc2217.PortManager(self.settings, Connection())  # type: ignore[arg-type]
        while not self.stop.is_set():
            with contextlib.suppress(TimeoutError):
                data = peer.recv(1024)
                if not data:
                    break
                list(manager.filter(data))
            got = self.device.read(256)
            if got:
                Connection().write(b"".join(manager.escape(got)))
        peer.close()
        self.device.close()
        self.server.close()


class _Device:
    """A pty has neither modem lines nor parity (ENOTTY, EINVAL): this stands in for them and keeps what is set."""

    cts = dsr = ri = cd = rts = dtr = rtscts = xonxoff = False

    def __init__(self, device: serial.Serial) -> None:
        self._device = device
        self.baudrate, self.bytesize, self.parity, self.stopbits = 9600, 8, "N", 1

    def __getattr__(self, name: str) -> Any:
        return getattr(self._device, name)


def test_rfc2217_and_its_hang_up(tmp_path: Path) -> None:
    async def scenario() -> None:
        pty = Pty(tmp_path / "port")
        server = _Rfc2217Server(str(pty.link))
        server.start()
        async with watching(server.where, baud=19200, format="7E1") as w:
            await w.up()
            assert (server.settings.baudrate, server.settings.bytesize, server.settings.parity) == (19200, 7, "E")
            os.write(pty.master, GOOD)
            await w.until(lambda: "alarm" in w.kinds(), "no alarm")
            assert w.port.status()["line_quality"] == "unsupported"
            os.write(pty.master, GOOD.replace(b"17 REPT", b"18 REPT"))
            server.stop.set()
            await w.until(lambda: "port-down" in w.kinds(), "the hang-up was not told")
        await asyncio.to_thread(server.join, PATIENCE_S)
        pty.unplug()

    asyncio.run(scenario())


def test_rfc2217_gives_up_what_pyserial_still_holds_when_its_thread_ends() -> None:
    """pyserial's read raises once its own thread has ended, although bytes are left in its queue."""
    left: queue.Queue[bytes | None] = queue.Queue()
    for byte in GOOD:
        left.put(bytes([byte]))
    left.put(None)

    class Ended:
        _read_buffer = left
        closed = False

        def read(self, size: int) -> bytes:
            raise serial.SerialException("connection failed (reader thread died)")

        def close(self) -> None:
            self.closed = True

    async def scenario() -> None:
        got, why, ended = bytearray(), [], Ended()
        wire_module.ThreadWire(ended).start(got.extend, why.append)
        async with asyncio.timeout(PATIENCE_S):
            while not (why and ended.closed):
                await asyncio.sleep(0.01)
        assert bytes(got) == GOOD
        assert "thread died" in why[0].reason

    asyncio.run(scenario())
