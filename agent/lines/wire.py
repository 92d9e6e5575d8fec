"""The two kinds of wire a port may be: one with a file descriptor (a tty, a socket), and RFC 2217, which has none.

pyserial opens both. What it reads is not used where there is a descriptor: its ``read`` loses the bytes that
came just before an end of file, and one ``os.read`` in the loop costs less than a thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
import queue
import socket
import struct
import termios
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import serial

from agent.site import schema

CHUNK = 4096
"""Bytes handed on at once; the readings of one chunk are bounded by it."""
WAITING_MAX = 262_144
"""Bytes that may wait in pyserial's own (unbounded) RFC 2217 queue before the connection is given up."""
IN_FLIGHT = 8
READ_TIMEOUT_S = 0.2
TIOCGICOUNT = 0x545D
_ICOUNT = struct.Struct("20i")  # linux/serial.h, struct serial_icounter_struct
_ICOUNT_PLACES = {"framing": 6, "overrun": 7, "parity": 8, "break": 9, "buffer_overrun": 10}

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Lost:
    """Why a wire is gone or can't be opened; ``code`` is errno's name (``ENOENT``) where there is one."""

    reason: str
    code: str | None

    @classmethod
    def of(cls, error: BaseException) -> Lost:
        """From whatever was raised. pyserial's own texts name the port and nothing secret."""
        number = error.errno if isinstance(error, OSError) else None
        if not isinstance(number, int):
            return cls(f"{error or type(error).__name__}"[:200], None)
        if number == errno.EAGAIN:
            return cls("another program has it open and locked", "EAGAIN")
        return cls(os.strerror(number), errno.errorcode.get(number))


GONE = Lost("the device is gone (ready to read, but no data)", None)


class Wire(Protocol):
    """An open port. ``close`` twice is harmless; nothing is called after it."""

    def start(self, received: Callable[[bytes], None], lost: Callable[[Lost], None]) -> None:
        """Begin to hand on bytes, in the running loop; ``lost`` is called once, at the end."""

    def close(self) -> None:
        """Give the device back at once."""

    def errors(self) -> dict[str, int] | None:
        """The driver's counts of damaged characters since it was loaded; None where it has none."""


def open_wire(line: schema.Line) -> Wire:
    """Open a line's port. Blocks (RFC 2217 up to 11 s); raises OSError, ValueError, termios.error and others.

    pyserial flushes what came in before: the first message may begin in its middle.
    """
    settings: dict[str, Any] = {
        "baudrate": line.baud,
        "bytesize": int(line.format[0]),
        "parity": line.format[1],
        "stopbits": int(line.format[2]),
        "rtscts": line.flow == "rts-cts",
        "xonxoff": line.flow == "xon-xoff",
        "timeout": READ_TIMEOUT_S,
    }
    if "://" not in line.port:
        settings["exclusive"] = True
    opened = serial.serial_for_url(line.port, **settings)
    _keep_alive(opened)
    if line.port.lower().startswith("rfc2217://"):
        return ThreadWire(opened)
    if "://" not in line.port:
        try:
            _for_the_loop(opened.fileno())
        except BaseException:
            opened.close()
            raise
    return FdWire(opened, tty="://" not in line.port)


def _for_the_loop(fd: int) -> None:
    """What pyserial leaves: with VMIN 0 "nothing yet" reads like an end of file; BRKINT makes a break flush input."""
    attributes = termios.tcgetattr(fd)
    attributes[0] &= ~termios.BRKINT
    attributes[6][termios.VMIN] = 1
    termios.tcsetattr(fd, termios.TCSANOW, attributes)


def _keep_alive(opened: Any) -> None:
    """A device server that loses its power says nothing: have the kernel notice within 35 s."""
    wire = getattr(opened, "_socket", None)
    if isinstance(wire, socket.socket):
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 20)
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5)
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)


class FdWire:
    """A tty or a socket, read by the loop."""

    def __init__(self, opened: Any, tty: bool) -> None:
        self._opened, self._tty = opened, tty
        self._fd: int = opened.fileno()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False

    def start(self, received: Callable[[bytes], None], lost: Callable[[Lost], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._fd, self._ready, received, lost)

    def _ready(self, received: Callable[[bytes], None], lost: Callable[[Lost], None]) -> None:
        try:
            data = os.read(self._fd, CHUNK)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._stop_reading()
            lost(Lost.of(error))
            return
        if data:
            received(data)
        else:
            self._stop_reading()
            lost(GONE)

    def _stop_reading(self) -> None:
        if self._loop is not None:
            self._loop.remove_reader(self._fd)
            self._loop = None

    def close(self) -> None:
        self._stop_reading()
        if self._closed:
            return
        self._closed = True
        if self._tty:  # at once: while it is open, an adapter that comes back gets another name (pyserial#36)
            with contextlib.suppress(OSError):
                self._opened.close()
        else:  # pyserial sleeps after closing a socket
            threading.Thread(target=_close_quietly, args=(self._opened,), daemon=True).start()

    def errors(self) -> dict[str, int] | None:
        if not self._tty or self._closed:
            return None
        try:
            counts = _ICOUNT.unpack(fcntl.ioctl(self._fd, TIOCGICOUNT, bytes(_ICOUNT.size)))
        except OSError:  # ENOTTY on a pty, EINVAL with some drivers
            return None
        return {name: counts[place] & 0xFFFF_FFFF for name, place in _ICOUNT_PLACES.items()}


class ThreadWire:
    """RFC 2217: pyserial keeps a queue and no descriptor, so a thread of ours reads it, at most 8 chunks ahead."""

    def __init__(self, opened: Any) -> None:
        self._opened = opened
        self._stop = threading.Event()
        self._room = threading.Semaphore(IN_FLIGHT)
        self._started = False

    def start(self, received: Callable[[bytes], None], lost: Callable[[Lost], None]) -> None:
        loop = asyncio.get_running_loop()

        def hand(data: bytes) -> None:
            self._room.release()
            if not self._stop.is_set():
                received(data)

        def end(reason: Lost) -> None:
            if not self._stop.is_set():
                lost(reason)

        self._started = True
        threading.Thread(target=self._read, args=(loop, hand, end), name="rfc2217", daemon=True).start()

    def _read(
        self, loop: asyncio.AbstractEventLoop, hand: Callable[[bytes], None], end: Callable[[Lost], None]
    ) -> None:
        try:
            reason = self._read_on(loop, hand)
            loop.call_soon_threadsafe(end, reason)
        except RuntimeError:
            pass  # the loop is closed: nobody is left to tell
        finally:
            _close_quietly(self._opened)

    def _read_on(self, loop: asyncio.AbstractEventLoop, hand: Callable[[bytes], None]) -> Lost:
        while not self._stop.is_set():
            failed: Lost | None = None
            try:
                data = self._opened.read(1)
                if data:
                    waiting = self._opened.in_waiting
                    if waiting > WAITING_MAX:
                        return Lost(f"more than {WAITING_MAX} bytes wait to be read", None)
                    data += self._opened.read(min(waiting, CHUNK - 1)) if waiting else b""
            except Exception as error:  # pyserial raises what it likes when its own thread has ended
                failed = Lost.of(error)
                data = self._left()
            for at in range(0, len(data), CHUNK):
                while not self._room.acquire(timeout=READ_TIMEOUT_S):
                    if self._stop.is_set():
                        return GONE
                loop.call_soon_threadsafe(hand, data[at : at + CHUNK])
            if failed is not None:
                return failed
        return GONE

    def _left(self) -> bytes:
        """pyserial raises as soon as its thread has ended, although bytes may be left in its queue."""
        left: Any = getattr(self._opened, "_read_buffer", None)
        data = bytearray()
        with contextlib.suppress(queue.Empty):
            while left is not None and len(data) < WAITING_MAX:
                data += left.get_nowait() or b""
        return bytes(data)

    def close(self) -> None:
        self._stop.set()
        if not self._started:
            self._started = True
            threading.Thread(target=_close_quietly, args=(self._opened,), daemon=True).start()

    def errors(self) -> dict[str, int] | None:
        return None


def _close_quietly(opened: Any) -> None:
    with contextlib.suppress(Exception):  # the library's business; the descriptor goes with the object
        opened.close()


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
