"""Ptys and ports under test: what the serial shell's real tests share."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tty
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from agent.callers import Callers
from agent.clock import RealClock
from agent.lines.port import Port
from agent.readings import Reading
from agent.site.line import Line, Tl1Line

PATIENCE_S = 40.0
GOOD = b'\r\n\n   MX2800 04-10-05 09:14:22\r\n** 000017 REPT ALM T1\r\n   "101:MJ,LOS,SA,10-05,09-14-22,NEND"\r\n;'
CALLERS = Callers(b"k" * 32)


class Pty:
    """A pty whose tty is named by a link, as /dev/serial/by-path names an adapter."""

    def __init__(self, link: Path, *, raw: bool = True) -> None:
        self.link = link
        self.master, self.slave = os.openpty()
        if raw:
            tty.setraw(self.slave)
        link.unlink(missing_ok=True)
        link.symlink_to(os.ttyname(self.slave))

    def send(self, data: bytes) -> None:
        while data:
            data = data[os.write(self.master, data) :]

    def heard(self) -> bytes:
        """What has been sent to this end so far."""
        os.set_blocking(self.master, False)
        heard = b""
        with contextlib.suppress(BlockingIOError):
            while True:
                heard += os.read(self.master, 65_536)
        return heard

    def unplug(self) -> None:
        self.link.unlink(missing_ok=True)
        for fd in (self.slave, self.master):
            with contextlib.suppress(OSError):
                os.close(fd)


class Watched:
    """A port under test and what it has posted."""

    def __init__(self, line: Line, **more: Any) -> None:
        self.readings: list[Reading] = []
        self.progressed = 0
        more.setdefault("callers", CALLERS)
        self.port = Port(line, self.readings.append, RealClock(), progress=self._progress, **more)

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
async def watching(where: str | Line, **more: Any) -> AsyncIterator[Watched]:
    """A running port: of a line, or of a passive TL1 line at that port with those settings."""
    watched = Watched(Tl1Line(id="bank-a", port=where, **more)) if isinstance(where, str) else Watched(where, **more)
    task = asyncio.create_task(watched.port.run())
    try:
        yield watched
        assert not task.done(), task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
