"""The serial shell over real ptys, TCP and RFC 2217: messages, unplugging, silence. Each wait is bounded."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
import queue
import socket
import termios
import threading
from pathlib import Path
from typing import Any

import pytest
import serial
from serial import rfc2217

from agent.lines import port as port_module
from agent.lines import receive as receive_module
from agent.lines import rfc2217 as rfc2217_module
from agent.lines.wire import FdWire, Lost, TwoWayWire, open_wire
from agent.site.line import Tl1Line
from tests.real.ports import GOOD, PATIENCE_S, Pty, Watched, watching


def held_files() -> list[str]:
    """What this process has open."""
    found = []
    for fd in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            found.append(str(fd.readlink()))
    return found


def fds_of(name: str) -> list[int]:
    """This process's descriptors of that file."""
    found = []
    for fd in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            if str(fd.readlink()) == name:
                found.append(int(fd.name))
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


def test_a_line_that_only_listens_has_no_way_to_send(tmp_path: Path) -> None:
    """Not even by mistake: its descriptor refuses, and its wire has no method for it."""
    pty = Pty(tmp_path / "port")
    wire: Any = open_wire(Tl1Line(id="bank-a", port=str(pty.link)), sends=False)
    assert not isinstance(wire, TwoWayWire)
    assert not hasattr(wire, "write")
    assert isinstance(wire, FdWire)
    with pytest.raises(OSError, match="Bad file descriptor") as refused:
        os.write(wire.fd, b"x")
    assert refused.value.errno == errno.EBADF
    wire.close()
    assert pty.heard() == b""
    pty.unplug()


def test_the_port_itself_holds_its_tty_read_only(tmp_path: Path) -> None:
    """Asked of the kernel, of every descriptor that this process has for the tty of a running port."""

    async def scenario() -> None:
        pty = Pty(tmp_path / "port")
        name = os.ttyname(pty.slave)
        async with watching(str(pty.link)) as w:
            await w.up()
            assert w.port.status()["mode"] == "receive-only"
            held = [fd for fd in fds_of(name) if fd != pty.slave]
            assert len(held) == 1
            assert fcntl.fcntl(held[0], fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY
            with pytest.raises(OSError, match="Bad file descriptor"):
                os.write(held[0], b"x")
        pty.unplug()

    asyncio.run(scenario())


def test_nothing_is_echoed_by_the_kernel(tmp_path: Path) -> None:
    """The tty starts as a new one does, with echo. (Who reads a pty gets no XOFF: for IXOFF see test_port_raw.)"""

    async def scenario() -> None:
        pty = Pty(tmp_path / "port", raw=False)
        assert termios.tcgetattr(pty.slave)[3] & termios.ECHO
        async with watching(str(pty.link)) as w:
            await w.up()
            pty.send(GOOD)
            await w.until(lambda: "alarm" in w.kinds(), "no alarm")
        assert pty.heard() == b""
        pty.unplug()

    asyncio.run(scenario())


def test_9600_7e1_is_set_and_bytes_with_a_parity_bit_are_read(tmp_path: Path) -> None:
    """A pty keeps the speed and drops size and parity (pty_set_termios), so the parity bit comes as bit 7, as it does
    from a device server's raw socket. That the flags are asked for is in tests/lines/test_port_raw.py."""

    async def scenario() -> None:
        pty = Pty(tmp_path / "port")
        async with watching(str(pty.link), format="7E1", baud=9600) as w:
            await w.up()
            now = termios.tcgetattr(pty.slave)
            assert now[4] == now[5] == termios.B9600
            assert (now[0], now[1], now[3]) == (0, 0, 0)
            pty.send(bytes(b | (b.bit_count() & 1) << 7 for b in GOOD))
            await w.until(lambda: "alarm" in w.kinds(), "no alarm")
            assert (w.last("alarm").subject, w.last("alarm").detail["condtype"]) == ("101", "LOS")
        pty.unplug()

    asyncio.run(scenario())


def test_the_last_64_kib_are_kept_and_the_tap_gets_all(tmp_path: Path) -> None:
    async def scenario() -> None:
        pty = Pty(tmp_path / "port")
        chunks: list[tuple[bytes, int]] = []
        poured = os.urandom(300_000)
        async with watching(Tl1Line(id="bank-a", port=str(pty.link)), tap=lambda d, at: chunks.append((d, at))) as w:
            await w.up()
            await asyncio.to_thread(pty.send, poured)
            await w.until(lambda: w.port.status()["bytes"] == len(poured), "not all came")
            assert b"".join(data for data, _ in chunks) == poured
            assert [at for _, at in chunks] == sorted(at for _, at in chunks)
            assert w.port.recent() == poured[-65_536:]
            assert not any("recent" in key or "ring" in key for key in w.port.status())

            def full(_data: bytes, _at_ns: int) -> None:
                raise OSError(errno.ENOSPC, "No space left on device")

            w.port.tap = full
            pty.send(b"\r\n" + GOOD)
            await w.until(lambda: "alarm" in w.kinds(), "a failing tap stopped the line")
            status = w.port.status()
            assert "No space left" in status["tap"]
            assert getattr(w.port, "tap", full) is None
        pty.unplug()

    asyncio.run(scenario())


def test_our_own_bug_ends_the_run_and_is_not_lost_in_a_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The app's supervisor tells it and starts the port again; asyncio would only log what a callback raises."""

    async def scenario() -> None:
        pty = Pty(tmp_path / "port")
        w = Watched(Tl1Line(id="bank-a", port=str(pty.link)))
        parser: Any = w.port._exchange._parser  # type: ignore[attr-defined]
        task = asyncio.create_task(w.port.run())
        await w.up()
        pty.send(GOOD[:40])
        await w.until(lambda: w.port.status()["held_bytes"] > 0, "not read")
        monkeypatch.setattr(parser, "feed", lambda data, now_ns: 1 // 0)
        pty.send(b"x")
        with pytest.raises(ZeroDivisionError):
            await asyncio.wait_for(task, PATIENCE_S)
        monkeypatch.undo()
        task = asyncio.create_task(w.port.run())
        await w.up(2)
        assert w.port.status()["held_bytes"] == 0  # the half message of that life is told, not joined to the next
        pty.send(GOOD)
        await w.until(lambda: "alarm" in w.kinds(), "not read after the bug")
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
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

    def ioctl(fd: int, request: int, buffer: bytes = b"") -> bytes:
        nonlocal looks
        if request != 0x545D:
            return fcntl.ioctl(fd, request, buffer)
        looks += 1
        counts = [0] * 20
        counts[6] = 7
        counts[8] = 2 if looks > 1 else -1
        return receive_module._ICOUNT.pack(*counts)

    async def scenario() -> None:
        pty = Pty(tmp_path / "port")
        flock = {"flock": staticmethod(fcntl.flock), "LOCK_EX": fcntl.LOCK_EX, "LOCK_NB": fcntl.LOCK_NB}
        monkeypatch.setattr(receive_module, "fcntl", type("Fake", (), {"ioctl": staticmethod(ioctl), **flock}))
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
        got, why, ended = bytearray(), list[Lost](), Ended()
        rfc2217_module.ThreadWire(ended).start(got.extend, why.append)
        async with asyncio.timeout(PATIENCE_S):
            while not (why and ended.closed):
                await asyncio.sleep(0.01)
        assert bytes(got) == GOOD
        assert "thread died" in why[0].reason

    asyncio.run(scenario())
