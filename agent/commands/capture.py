"""``dialtone capture PORT``: what a port says, byte for byte, with its times, into a file only its owner reads."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

MB = 1024 * 1024
RETRY_S = 1.0


def add(verbs: argparse._SubParsersAction[Any]) -> None:
    """Add ``capture`` to the command line."""
    verb = verbs.add_parser(
        "capture",
        help="record what a port says, byte for byte",
        description="Record raw bytes and their times until interrupted. The port is opened so that it can't send. A "
        "capture holds callers' numbers and places in clear: it is made readable for its owner alone; treat it so.",
        epilog="Exit status: 0 ended as asked, 1 the port never opened, 2 wrong usage or an unwritable file.",
    )
    verb.add_argument("port", metavar="PORT", help="a device's path, socket://host:port or rfc2217://host:port")
    verb.add_argument("--baud", type=int, default=9600, metavar="N", help="default 9600")
    verb.add_argument("--format", default="8N1", metavar="F", help="8N1 (default), 7E1 …")
    verb.add_argument("-o", "--output", type=Path, metavar="FILE", help="a new file (default: standard output)")
    verb.add_argument("--seconds", type=float, metavar="N", help="end after so long")
    verb.add_argument("--max-mb", type=float, default=64.0, metavar="N", help="end at this size (default 64)")
    verb.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """0 ended as asked, 1 the port never opened, 2 wrong usage or an unwritable file."""
    import asyncio
    import os

    import msgspec

    from agent.site.line import CsuLine

    try:
        keys = {"id": "capture", "port": args.port, "baud": args.baud, "format": args.format}
        line = msgspec.convert(keys | {"dialect": "csu"}, CsuLine)
    except msgspec.ValidationError as error:
        print(f"dialtone capture: {error}", file=sys.stderr)
        return 2
    try:
        if args.output is None:
            fd = os.dup(sys.stdout.fileno())
        else:
            fd = os.open(args.output, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        print(f"dialtone: {args.output}: {error.strerror or error}", file=sys.stderr)
        return 2
    print("dialtone: this capture will hold callers' numbers and places in clear", file=sys.stderr)
    with os.fdopen(fd, "w", encoding="ascii", buffering=1) as file:
        recorder = Recorder(line, file, int(args.max_mb * MB))
        try:
            return asyncio.run(recorder.run(args.seconds))
        except OSError as error:
            print(f"dialtone: {error.strerror or error}", file=sys.stderr)
            return 2


class Recorder:
    """One capture. Each chunk is written and flushed as it comes."""

    def __init__(self, line: Any, file: Any, max_bytes: int) -> None:
        from agent.clock import RealClock

        self._line, self._file, self._max = line, file, max_bytes
        self._clock = RealClock()
        self._start_ns = self._clock.now_ns()
        self._written = self._bytes = 0
        self._opened = False
        self._why = ""

    async def run(self, seconds: float | None) -> int:
        """Record until ``seconds`` are over, the size is reached, or SIGINT or SIGTERM."""
        import asyncio
        import contextlib
        import signal

        from agent.lines.capture import head

        self._end = asyncio.Event()
        loop = asyncio.get_running_loop()
        for sig in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(sig, self._end.set)
        self._put(head(self._line.port, self._line.baud, self._line.format, self._clock.wall().utc))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not self._end.is_set():
                    await self._once()
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._end.wait(), RETRY_S)
        print(f"dialtone: {self._bytes} bytes recorded{self._why}", file=sys.stderr)
        return 0 if self._opened else 1

    async def _once(self) -> None:
        import asyncio

        from agent.lines.capture import Chunk
        from agent.lines.opening import open_port
        from agent.lines.wire import Lost, in_thread

        try:
            wire = await in_thread(lambda: open_port(self._line, sends=False), lambda late: late.close())
        except Exception as error:  # OSError, and with RFC 2217 whatever the library raises
            reason = Lost.of(error).reason
            if not self._opened:
                print(f"dialtone: {self._line.port}: {reason}; trying on", file=sys.stderr)
            self._chunk(Chunk(self._now_ns(), b"", reason))
            return
        self._opened = True
        lost: asyncio.Future[Lost] = asyncio.get_running_loop().create_future()
        wire.start(self._received, lambda why: None if lost.done() else lost.set_result(why))
        ended = asyncio.ensure_future(self._end.wait())
        try:
            waiting: set[asyncio.Future[Any]] = {lost, ended}
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            if lost.done():
                self._chunk(Chunk(self._now_ns(), b"", lost.result().reason))
        finally:
            ended.cancel()
            wire.close()

    def _received(self, data: bytes) -> None:
        from agent.lines.capture import Chunk

        self._bytes += len(data)
        self._chunk(Chunk(self._now_ns(), data))

    def _now_ns(self) -> int:
        return self._clock.now_ns() - self._start_ns

    def _chunk(self, chunk: Any) -> None:
        from agent.lines.capture import line

        self._put(line(chunk))

    def _put(self, text: str) -> None:
        if self._end.is_set():
            return
        self._file.write(text)
        self._file.flush()
        self._written += len(text)
        if self._written >= self._max:
            self._why = "; it has reached its size (--max-mb)"
            self._end.set()
