"""RFC 2217 (Telnet COM port control): pyserial's client, read and written by threads of ours.

pyserial keeps a queue and no descriptor. The protocol itself sends (options, the line's settings, on request the
modem lines): a line that only listens sends no data over it, but it is not silent. ``close`` gives the connection
up within ``READ_TIMEOUT_S`` and pyserial's own 0.3 s.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import socket
import threading
from collections.abc import Callable
from typing import Any

import serial

from agent.lines.wire import CHUNK, FULL, GONE, HUNG, WRITE_MAX, Lost, Wire, keep_alive, write_s
from agent.site.line import Wired

WAITING_MAX = 262_144
"""Bytes that may wait in pyserial's own (unbounded) queue before the connection is given up."""
IN_FLIGHT = 8
READ_TIMEOUT_S = 0.2


def open_rfc2217(line: Wired, *, sends: bool) -> Wire:
    """Blocks up to 11 s; raises OSError, ValueError, AttributeError and what else pyserial does."""
    opened = serial.serial_for_url(
        line.port,
        baudrate=line.baud,
        bytesize=int(line.format[0]),
        parity=line.format[1],
        stopbits=int(line.format[2]),
        rtscts=line.flow == "rts-cts",
        xonxoff=line.flow == "xon-xoff",
        timeout=READ_TIMEOUT_S,
    )
    inner = getattr(opened, "_socket", None)
    if isinstance(inner, socket.socket):
        keep_alive(inner)
    return TwoWayThreadWire(opened, write_s=write_s(line.baud)) if sends else ThreadWire(opened)


class ThreadWire:
    """A thread reads pyserial's queue, at most 8 chunks ahead of the loop."""

    def __init__(self, opened: Any) -> None:
        self._opened = opened
        self._stop = threading.Event()
        self._room = threading.Semaphore(IN_FLIGHT)
        self._started = False
        self._lost: Callable[[Lost], None] = lambda _lost: None

    def start(self, received: Callable[[bytes], None], lost: Callable[[Lost], None]) -> None:
        loop = asyncio.get_running_loop()

        def hand(data: bytes) -> None:
            self._room.release()
            if not self._stop.is_set():
                received(data)

        self._started, self._lost = True, lost
        threading.Thread(target=self._read, args=(loop, hand), name="rfc2217", daemon=True).start()

    def _end(self, reason: Lost) -> None:
        if not self._stop.is_set():
            self._stop.set()
            self._lost(reason)

    def _read(self, loop: asyncio.AbstractEventLoop, hand: Callable[[bytes], None]) -> None:
        try:
            reason = self._read_on(loop, hand)
            loop.call_soon_threadsafe(self._end, reason)
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


class TwoWayThreadWire(ThreadWire):
    """As above, and a second thread writes; pyserial's ``write`` blocks while the connection does."""

    def __init__(self, opened: Any, *, write_s: Callable[[int], float]) -> None:
        super().__init__(opened)
        self._write_s = write_s
        self._words: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._given = self._written = self._target = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._deadline: asyncio.TimerHandle | None = None

    def start(self, received: Callable[[bytes], None], lost: Callable[[Lost], None]) -> None:
        super().start(received, lost)
        self._loop = asyncio.get_running_loop()
        threading.Thread(target=self._write, args=(self._loop,), name="rfc2217 write", daemon=True).start()

    def write(self, data: bytes) -> None:
        """Send, without waiting. RFC 2217 does not say when bytes have left the far port: only the network counts."""
        if self._loop is None or self._stop.is_set() or not data:
            return
        if self._given - self._written + len(data) > WRITE_MAX:
            self._end(FULL)
            return
        self._given += len(data)
        self._words.put(data)
        if self._deadline is None:
            self._arm(self._loop, len(data))

    def _arm(self, loop: asyncio.AbstractEventLoop, size: int) -> None:
        self._target = self._given
        self._deadline = loop.call_later(self._write_s(size), self._check)

    def _check(self) -> None:
        self._deadline = None
        if self._stop.is_set() or self._loop is None:
            return
        if self._written < self._target:
            self._end(HUNG)
        elif self._written < self._given:
            self._arm(self._loop, self._given - self._written)

    def _write(self, loop: asyncio.AbstractEventLoop) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed
            while (data := self._words.get()) is not None and not self._stop.is_set():
                try:
                    self._opened.write(data)
                except Exception as error:
                    loop.call_soon_threadsafe(self._end, Lost.of(error))
                    return
                loop.call_soon_threadsafe(self._wrote, len(data))

    def _wrote(self, size: int) -> None:
        self._written += size

    def _end(self, reason: Lost) -> None:
        self._words.put(None)
        super()._end(reason)

    def close(self) -> None:
        self._words.put(None)
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        super().close()


def _close_quietly(opened: Any) -> None:
    with contextlib.suppress(Exception):  # the library's business; the descriptor goes with the object
        opened.close()
