"""A real device server: Debian's ser2net before a pty, over RFC 2217 and as a raw socket. Each wait is bounded.

``ign_set_control`` is pyserial's: ser2net can't set DTR and RTS on a pty, which has none, and does not answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import subprocess
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.site.line import Session, Tl1Line
from tests.real.ports import GOOD, PATIENCE_S, Pty, watching
from tests.real.sites import until

SER2NET = shutil.which("ser2net", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
pytestmark = pytest.mark.skipif(SER2NET is None, reason="needs ser2net")


class DeviceServer:
    """ser2net in front of a pty: ``start`` and ``kill`` may be called again and again."""

    def __init__(self, directory: Path, *, rfc2217: bool) -> None:
        self.pty = Pty(directory / "tty")
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        accepter = f"telnet(rfc2217=true),tcp,127.0.0.1,{self.port}" if rfc2217 else f"tcp,127.0.0.1,{self.port}"
        self.file = directory / "ser2net.yaml"
        self.file.write_text(
            f"""%YAML 1.1
---
connection: &line
  accepter: {accepter}
  connector: serialdev,{self.pty.link},9600n81,local
"""
        )
        self.where = (
            f"rfc2217://127.0.0.1:{self.port}?ign_set_control" if rfc2217 else f"socket://127.0.0.1:{self.port}"
        )
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        assert SER2NET is not None
        self.process = subprocess.Popen(
            [SER2NET, "-n", "-d", "-u", "-c", str(self.file)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        until(self._listens, "ser2net does not listen")

    def _listens(self) -> bool:
        """Asked of the kernel: a connection of ours would be the one that the port may have."""
        listening = f"0100007F:{self.port:04X} 00000000:0000 0A"
        return listening in Path("/proc/net/tcp").read_text()

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(PATIENCE_S)
            self.process = None


@contextlib.contextmanager
def device_server(directory: Path, *, rfc2217: bool) -> Iterator[DeviceServer]:
    server = DeviceServer(directory, rfc2217=rfc2217)
    try:
        server.start()
        yield server
    finally:
        server.kill()
        server.pty.unplug()


@pytest.mark.parametrize("rfc2217", [True, False])
def test_messages_and_a_server_that_is_killed_and_returns(tmp_path: Path, rfc2217: bool) -> None:
    async def scenario(server: DeviceServer) -> None:
        async with watching(server.where, baud=19200, format="7E1") as w:
            await w.up()
            if rfc2217:  # the settings went over; a pty keeps the speed and drops size and parity
                await w.until(lambda: termios.tcgetattr(server.pty.slave)[4] == termios.B19200, "the speed was not set")
            server.pty.send(GOOD)
            await w.until(lambda: "alarm" in w.kinds(), "no alarm")
            assert w.port.status()["mode"] == "receive-only"
            server.kill()
            await w.until(lambda: "port-down" in w.kinds(), "the kill was not told")
            await asyncio.to_thread(server.start)
            await w.up(2)
            server.pty.send(GOOD.replace(b"17 REPT", b"18 REPT"))
            await w.until(lambda: w.kinds().count("alarm") == 2, "no alarm after it came back")
        assert server.pty.heard() == b""

    with device_server(tmp_path, rfc2217=rfc2217) as server:
        asyncio.run(scenario(server))


@pytest.mark.parametrize("rfc2217", [True, False])
def test_a_session_through_it_and_lent_it_is_free(tmp_path: Path, rfc2217: bool) -> None:
    async def scenario(server: DeviceServer) -> None:
        line = Tl1Line(id="bank-a", port=server.where, session=Session(user="dialtone", password="tl1"))
        heard = bytearray()

        def said(what: bytes) -> bool:
            heard.extend(server.pty.heard())
            return what in heard

        async with watching(line, password="Secret1") as w:
            await w.up()
            assert w.port.status()["mode"] == "two-way"
            await w.until(lambda: said(b"ACT-USER:"), "it did not log in")
            w.port.release(10)
            free = await asyncio.to_thread(until, lambda: accepted(server.port), "the server still has a client")
            free.close()
            assert w.port.status()["state"] == "down"

    with device_server(tmp_path, rfc2217=rfc2217) as server:
        asyncio.run(scenario(server))


def accepted(port: int) -> socket.socket | None:
    """A connection that ser2net keeps: it tells a second client that the port is in use, and hangs up."""
    peer = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
    peer.settimeout(1)
    try:
        first = peer.recv(100)
    except TimeoutError:
        return peer  # a raw socket says nothing to the one it serves
    if first.startswith(b"\xff"):  # Telnet options
        return peer
    peer.close()
    return None
