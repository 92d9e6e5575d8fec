"""A port lent to a technician: really free, said so, left alone, and taken back by itself. Each wait is bounded."""

from __future__ import annotations

import asyncio
import fcntl
import os
import socket
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest
import serial

from agent.lines import port as port_module
from agent.lines.wire import GONE
from tests.real.ports import GOOD, PATIENCE_S, Pty, watching

TIOCGEXCL = 0x80045440
TECHNICIAN = """
import fcntl, os, serial, struct, sys, termios
s = serial.Serial(sys.argv[1], exclusive=True)
assert not struct.unpack("i", fcntl.ioctl(s.fd, 0x80045440, bytes(4)))[0], "TIOCEXCL is still set"
s.write(b"hello")
print("mine", flush=True)
sys.stdin.read()
"""
TRIES_TO_OPEN = "import serial, sys; serial.Serial(sys.argv[1], exclusive=True)"


def exclusive(pty: Pty) -> bool:
    return bool(struct.unpack("i", fcntl.ioctl(pty.slave, TIOCGEXCL, bytes(4)))[0])


def opens_here(pty: Pty) -> int:
    """How often this process has the tty open, the test's own slave aside."""
    name = os.ttyname(pty.slave)
    found = 0
    for fd in Path("/proc/self/fd").iterdir():
        try:
            found += str(fd.readlink()) == name
        except OSError:
            continue
    return found - 1


def test_it_is_free_at_once_for_another_process_and_comes_back_by_itself(tmp_path: Path) -> None:
    async def scenario() -> None:
        pty = Pty(tmp_path / "port")
        async with watching(str(pty.link)) as w:
            await w.up()
            assert exclusive(pty)
            refused = await asyncio.to_thread(
                subprocess.run, [sys.executable, "-c", TRIES_TO_OPEN, str(pty.link)], capture_output=True, timeout=60
            )
            assert refused.returncode != 0  # before it is lent, it is ours

            w.port.release(5)
            assert opens_here(pty) == 0  # with no await between: free when the call returns
            assert not exclusive(pty)
            lent = w.readings[-1]
            assert (lent.kind, lent.subject, lent.state) == ("port-down", "released", "unknown")
            assert lent.detail == {"reason": "lent to a technician", "minutes": 5}
            status = w.port.status()
            assert status["state"] == "down"
            assert 0 < status["released_s"] <= 300

            with subprocess.Popen(
                [sys.executable, "-c", TECHNICIAN, str(pty.link)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            ) as technician:
                assert technician.stdout is not None
                assert technician.stdin is not None
                assert await asyncio.wait_for(asyncio.to_thread(technician.stdout.readline), PATIENCE_S) == b"mine\n"
                opens, failures = w.port.status()["opens"], w.port.status()["failures"]
                assert (opens, failures) == (1, 0)
                w.port.release(0.01)
                # He keeps it beyond his time: that is told as what it is, and it is tried again.
                await w.until(lambda: w.last("port-down").subject == "port", "his overstaying was not told")
                assert "locked" in str(w.last("port-down").detail["reason"])
                assert w.port.status()["released_s"] is None
                technician.stdin.close()
                technician.wait(PATIENCE_S)
            assert pty.heard() == b"hello"
            await w.up(2)
            pty.send(GOOD)
            await w.until(lambda: "alarm" in w.kinds(), "nothing was read after it came back")
            assert [r.subject for r in w.readings if r.kind == "port-down"] == ["released", "released", "port"]
        pty.unplug()

    asyncio.run(scenario())


def test_no_attempt_is_made_meanwhile_and_take_back_ends_it_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        monkeypatch.setattr(port_module, "TICK_S", 0.05)
        pty = Pty(tmp_path / "port")
        async with watching(str(pty.link)) as w:
            await w.up()
            os.write(pty.master, GOOD[:40])
            await w.until(lambda: w.port.status()["held_bytes"] > 0, "not read")
            w.port.release(30)
            assert w.port.status()["held_bytes"] == 0  # a message cut in two is not joined to what comes in an hour
            assert w.kinds()[-1] == "port-down"
            progressed = w.progressed
            await w.until(lambda: w.progressed > progressed + 10, "progress stopped")
            assert (opens_here(pty), w.port.status()["opens"]) == (0, 1)
            w.port.release(60)  # longer: said again
            assert w.last("port-down").detail["minutes"] == 60
            assert w.port.status()["released_s"] > 3000
            w.port.take_back()
            await w.up(2)
            assert w.port.status()["released_s"] is None
            assert w.port.status()["reason"] is None
            w.port.take_back()  # harmless
            w.port.release(0)
            assert w.port.status()["state"] == "up"
        pty.unplug()

    asyncio.run(scenario())


def test_a_port_that_is_gone_or_being_opened_can_be_lent_too(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with watching(str(tmp_path / "port")) as w:
            await w.until(lambda: "port-down" in w.kinds(), "ENOENT not told")
            w.port.release(20)
            await asyncio.sleep(0.1)
            failures = w.port.status()["failures"]
            await asyncio.sleep(2)
            assert w.port.status()["failures"] == failures
            w.port.take_back()
            await w.until(lambda: w.port.status()["failures"] > failures, "not tried again")
            assert w.last("port-down").detail["errno"] == "ENOENT"  # said again: it had been "lent" meanwhile
        with socket.create_server(("127.0.0.1", 0)) as server:  # accepts and never speaks RFC 2217
            async with watching(f"rfc2217://127.0.0.1:{server.getsockname()[1]}") as w:
                peer, _ = await asyncio.to_thread(server.accept)
                w.port.release(20)
                w.port.take_back()
                w.port.release(20)
                assert w.kinds() == ["port-down", "port-down"]
                await asyncio.sleep(0.2)
                assert w.port.status()["failures"] == 0
                assert w.port._opening is None
                peer.close()

    asyncio.run(scenario())


def test_lent_in_the_very_moment_that_it_is_lost(tmp_path: Path) -> None:
    """The loss is seen, the loan comes before it is told: a port that is lent is lent, not gone."""

    async def scenario() -> None:
        pty = Pty(tmp_path / "port")
        async with watching(str(pty.link)) as w:
            await w.up()
            ended = w.port._ended
            assert ended is not None
            ended.set_result(GONE)
            w.port.release(10)
            await asyncio.sleep(0.3)
            assert [r.subject for r in w.readings if r.kind == "port-down"] == ["released"]
        pty.unplug()

    asyncio.run(scenario())


def test_a_socket_is_hung_up(tmp_path: Path) -> None:
    async def scenario() -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            async with watching(f"socket://127.0.0.1:{server.getsockname()[1]}") as w:
                peer, _ = await asyncio.to_thread(server.accept)
                await w.up()
                w.port.release(1)
                peer.settimeout(PATIENCE_S)
                assert await asyncio.to_thread(peer.recv, 10) == b""
                peer.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("minutes", [-1, 481, float("nan"), float("inf")])
def test_a_time_that_is_none_is_refused(tmp_path: Path, minutes: float) -> None:
    async def scenario() -> None:
        pty = Pty(tmp_path / "port")
        async with watching(str(pty.link)) as w:
            await w.up()
            with pytest.raises(ValueError, match="minutes"):
                w.port.release(minutes)
            assert w.port.status()["state"] == "up"
        pty.unplug()

    asyncio.run(scenario())


def test_who_else_uses_it_keeps_it_as_it_is(tmp_path: Path) -> None:
    """A locked port's speed is not changed by our try."""

    async def scenario() -> None:
        pty = Pty(tmp_path / "port")
        with serial.Serial(str(pty.link), 1200, exclusive=True) as theirs:
            async with watching(str(pty.link), baud=115200) as w:
                await w.until(lambda: "port-down" in w.kinds(), "the lock was not told")
                assert termios.tcgetattr(theirs.fileno())[4] == termios.B1200
        pty.unplug()

    asyncio.run(scenario())
