"""The wires a port may be: a tty, a TCP socket, and RFC 2217 (``rfc2217.py``, which has no descriptor).

A wire of a line that only listens has no method that could write. A tty's descriptor is read-only besides; a socket
has no such descriptor, so for ``socket://`` that is all that keeps us quiet (TCP itself acknowledges, no more).
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
import socket
import struct
import termios
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar, runtime_checkable
from urllib.parse import urlsplit

from agent.lines.receive import ERRORS, close_tty, counts, open_tty
from agent.site.line import Wired

CHUNK = 4096
"""Bytes handed on at once; the readings of one chunk are bounded by it."""
CONNECT_S = 5.0
WRITE_S = 5.0
"""How long written bytes may take to leave, besides the time they need at the line's speed."""
WRITE_MAX = 65_536
BITS_A_BYTE = 12

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Lost:
    """Why a wire is gone or can't be opened; ``code`` is errno's name (``ENOENT``) where there is one."""

    reason: str
    code: str | None

    @classmethod
    def of(cls, error: BaseException) -> Lost:
        """From whatever was raised. The texts name the port and nothing secret."""
        number = error.errno if isinstance(error, OSError) else None
        if not isinstance(number, int) or number <= 0:  # a name's look-up counts its errors below nought
            text = getattr(error, "strerror", None) or str(error) or type(error).__name__
            return cls(str(text)[:200], None)
        if number in (errno.EAGAIN, errno.EBUSY):
            return cls("another program has it open and locked", errno.errorcode[number])
        return cls(os.strerror(number), errno.errorcode.get(number))


GONE = Lost("the device is gone (ready to read, but no data)", None)
HUNG = Lost(f"what was written did not leave within {WRITE_S:g} s (held up by flow control, or nobody reads)", None)
FULL = Lost(f"more than {WRITE_MAX} bytes wait to be written", None)


class Wire(Protocol):
    """An open port. ``close`` twice is harmless; nothing is called after it."""

    def start(self, received: Callable[[bytes], None], lost: Callable[[Lost], None]) -> None:
        """Begin to hand on bytes, in the running loop; ``lost`` is called once, at the end."""

    def close(self) -> None:
        """Give the device back at once."""

    def errors(self) -> dict[str, int] | None:
        """The driver's counts of damaged characters since it was loaded; None where it has none."""


@runtime_checkable
class TwoWayWire(Wire, Protocol):
    """An open port of a line that also asks."""

    def write(self, data: bytes) -> None:
        """Send, without waiting; what does not leave in time (``WRITE_S``) loses the port."""


def open_wire(line: Wired, *, sends: bool) -> Wire:
    """Open a tty or a socket (``opening.open_port`` opens RFC 2217 too). Blocks; raises OSError.

    ``sends``: the wire is a ``TwoWayWire``; else it cannot write.
    """
    if line.port.lower().startswith("socket://"):
        opened = _connect(line.port)
        fd, close = opened.fileno(), opened.close
    else:
        fd = open_tty(line, sends=sends)

        def close() -> None:
            close_tty(fd)

    if sends:
        return TwoWayFdWire(fd, close, write_s=write_s(line.baud))
    return FdWire(fd, close)


def write_s(baud: int) -> Callable[[int], float]:
    """How long so many bytes may take to leave, in seconds."""
    return lambda size: WRITE_S + size * BITS_A_BYTE / baud


def keep_alive(wire: socket.socket) -> None:
    """A device server that loses its power says nothing: have the kernel notice within 35 s."""
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 20)
    wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5)
    wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)


def _connect(url: str) -> socket.socket:
    parts = urlsplit(url)
    opened = socket.create_connection((parts.hostname or "", parts.port or 0), timeout=CONNECT_S)
    opened.setblocking(False)
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    keep_alive(opened)
    return opened


class FdWire:
    """A tty or a socket, read by the loop."""

    def __init__(self, fd: int, close: Callable[[], None]) -> None:
        self._fd, self._close = fd, close
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lost: Callable[[Lost], None] = lambda _lost: None
        self._closed = False

    @property
    def fd(self) -> int:
        """The descriptor, for ``termios`` and tests; not to be used after ``close``."""
        return self._fd

    def start(self, received: Callable[[bytes], None], lost: Callable[[Lost], None]) -> None:
        self._loop, self._lost = asyncio.get_running_loop(), lost
        self._loop.add_reader(self._fd, self._ready, received)

    def _ready(self, received: Callable[[bytes], None]) -> None:
        try:
            data = os.read(self._fd, CHUNK)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._end(Lost.of(error))
            return
        if data:
            received(data)
        else:
            self._end(GONE)

    def _end(self, why: Lost) -> None:
        self._stop()
        self._lost(why)

    def _stop(self) -> None:
        if self._loop is not None:
            self._loop.remove_reader(self._fd)
            self._loop = None

    def close(self) -> None:
        self._stop()
        if not self._closed:  # at once: while it is open, an adapter that comes back gets another name (pyserial#36)
            self._closed = True
            with contextlib.suppress(OSError):
                self._close()

    def errors(self) -> dict[str, int] | None:
        if self._closed:
            return None
        try:
            all_counts = counts(self._fd)
        except OSError:  # ENOTTY on a pty or a socket, EINVAL with some drivers
            return None
        return {name: all_counts[name] for name in ERRORS}


class TwoWayFdWire(FdWire):
    """A tty or a socket that is also written to, bounded in bytes and time.

    The kernel takes what fits its buffer, whatever becomes of it: TIOCOUTQ (SIOCOUTQ for a socket) says what has not
    left. A pty says nought always.
    """

    def __init__(self, fd: int, close: Callable[[], None], *, write_s: Callable[[int], float]) -> None:
        super().__init__(fd, close)
        self._write_s = write_s
        self._waiting = bytearray()
        self._given = self._target = 0
        self._deadline: asyncio.TimerHandle | None = None

    def write(self, data: bytes) -> None:
        if self._loop is None or not data:
            return
        if len(self._waiting) + len(data) > WRITE_MAX:
            self._end(FULL)
            return
        self._waiting += data
        self._given += len(data)
        if self._deadline is None:
            self._arm(self._loop, len(data))
        self._push()

    def _arm(self, loop: asyncio.AbstractEventLoop, size: int) -> None:
        self._target = self._given
        self._deadline = loop.call_later(self._write_s(size), self._check)

    def _push(self) -> None:
        loop = self._loop
        if loop is None:
            return
        try:
            del self._waiting[: os.write(self._fd, self._waiting)]
        except (BlockingIOError, InterruptedError):
            pass
        except OSError as error:
            self._end(Lost.of(error))
            return
        if self._waiting:
            loop.add_writer(self._fd, self._push)
        else:
            loop.remove_writer(self._fd)

    def _check(self) -> None:
        """All that was given when the time began must have left by now."""
        self._deadline = None
        left = len(self._waiting) + self._in_the_kernel()
        if self._given - left < self._target:
            self._end(HUNG)
        elif left and self._loop is not None:
            self._arm(self._loop, left)

    def _in_the_kernel(self) -> int:
        try:
            return int(struct.unpack("i", fcntl.ioctl(self._fd, termios.TIOCOUTQ, bytes(4)))[0])
        except OSError:
            return 0

    def _stop(self) -> None:
        if self._loop is not None:
            self._loop.remove_writer(self._fd)
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        super()._stop()


async def in_thread(call: Callable[[], T], undo: Callable[[T], None]) -> T:
    """``call()`` in a daemon thread, so that one that hangs can't hold up our end. Cancelled: ``undo`` what comes."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[T] = loop.create_future()

    def deliver(result: T | None, error: Exception | None) -> None:
        if answer.done():
            if result is not None:
                undo(result)
        elif error is not None:
            answer.set_exception(error)
        else:
            answer.set_result(result)  # type: ignore[arg-type]

    def work() -> None:
        result: T | None = None
        failed: Exception | None = None
        try:
            result = call()
        except Exception as error:
            failed = error
        try:
            loop.call_soon_threadsafe(deliver, result, failed)
        except RuntimeError:  # the loop is closed
            if result is not None:
                undo(result)

    threading.Thread(target=work, name="open", daemon=True).start()
    return await answer
