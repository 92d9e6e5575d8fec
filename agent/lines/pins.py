"""The contacts' shell: a port's modem lines (DCD, DSR, CTS, RI) sampled, with the driver's edge counts. No data sent.

The tty is opened read-only; DTR and RTS are set as the wetting voltage. Each ``every_s`` the lines are read
(TIOCMGET) and their edges (TIOCGICOUNT); where the driver has TIOCMIWAIT, a thread waits in it, so that a change is
seen at once. Drivers and ptys without modem lines answer ENOTTY or EINVAL: that is told as blind, and tried again.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import errno
import fcntl
import os
import signal
import struct
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from agent.clock import NS, Clock
from agent.lines.exchange import Ended, Mode
from agent.lines.parser import PinReader
from agent.lines.receive import close_tty, counts, open_tty
from agent.lines.wire import Lost, Wire
from agent.readings import Reading
from agent.site.line import ContactsLine

TIOCMGET, TIOCMBIS, TIOCMBIC, TIOCMIWAIT = 0x5415, 0x5416, 0x5417, 0x545C
BITS = {"dcd": 0x040, "dsr": 0x100, "cts": 0x020, "ri": 0x080}
DTR, RTS = 0x002, 0x004
ALL_INPUTS = 0x040 | 0x100 | 0x020 | 0x080
WETTING = {"dtr": (DTR, RTS), "rts": (RTS, DTR), "both": (DTR | RTS, 0)}
"""Which lines are set and which cleared."""
NONE_HERE = frozenset({errno.ENOTTY, errno.EINVAL, errno.EOPNOTSUPP})
BLIND_RETRY_S = 5.0
SOONEST_S = 0.01
WAKE_S, WAKES = 0.02, 25
INTERRUPT = signal.SIGURG
_INT = struct.Struct("I")


class ModemLines(Protocol):
    """The ioctls of one open tty; ``Ioctls`` is the kernel's. Each raises OSError."""

    def asserted(self) -> int: ...
    def counts(self) -> dict[str, int]: ...
    def wet(self, on: int, off: int) -> None: ...
    def wait(self) -> None:
        """Return when an input has changed, or with EINTR."""


class Ioctls:
    """The kernel's ioctls (tty_ioctl(4), ioctl_tty(2))."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._libc = ctypes.CDLL(None, use_errno=True)

    def asserted(self) -> int:
        return int(_INT.unpack(fcntl.ioctl(self._fd, TIOCMGET, bytes(4)))[0])

    def counts(self) -> dict[str, int]:
        return counts(self._fd)

    def wet(self, on: int, off: int) -> None:
        fcntl.ioctl(self._fd, TIOCMBIS, _INT.pack(on))
        fcntl.ioctl(self._fd, TIOCMBIC, _INT.pack(off))

    def wait(self) -> None:
        # Not fcntl.ioctl: after a signal Python would go back into it, and the port could never be let go.
        if self._libc.ioctl(self._fd, ctypes.c_ulong(TIOCMIWAIT), ctypes.c_ulong(ALL_INPUTS)) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))


class Waiter:
    """A thread in ``wait`` that can be brought home: while it waits, the kernel keeps the device open.

    A closed descriptor does not wake TIOCMIWAIT; a signal to that very thread does. SIGURG is nobody's here; where it
    has a handler already, or this is not the main thread, none is installed and ``start`` does nothing.
    """

    def __init__(self, wait: Callable[[], None], changed: Callable[[], None]) -> None:
        self._wait, self._changed = wait, changed
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to wait; ``changed`` is called in the running loop after each change."""
        if not _interruptible():
            return
        loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, args=(loop,), name="modem lines", daemon=True)
        self._thread.start()

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        handled = threading.Event()

        def tell() -> None:
            handled.set()
            if not self._stop.is_set():
                self._changed()

        with contextlib.suppress(OSError, RuntimeError):  # no TIOCMIWAIT here, or the device or the loop is gone
            while not self._stop.is_set():
                try:
                    self._wait()
                except InterruptedError:
                    continue
                handled.clear()
                loop.call_soon_threadsafe(tell)
                while not handled.wait(WAKE_S) and not self._stop.is_set():
                    pass
                self._stop.wait(SOONEST_S)  # a bouncing contact may not flood the loop

    def stop(self) -> bool:
        """Bring it home, within half a second; whether it came. The signal may come just before it waits: repeated."""
        self._stop.set()
        thread = self._thread
        if thread is None:
            return True
        libc = ctypes.CDLL(None, use_errno=True)
        for _ in range(WAKES):
            if not thread.is_alive():
                break
            if thread.native_id is not None:
                libc.tgkill(os.getpid(), thread.native_id, int(INTERRUPT))  # ESRCH where it has just ended
            thread.join(WAKE_S)
        return not thread.is_alive()


def _nothing(_signal: int, _frame: object) -> None:
    """A handler that is there, so that the signal interrupts and does not kill."""


def _interruptible() -> bool:
    """Whether SIGURG interrupts a system call here, without SA_RESTART (as Python installs its handlers)."""
    handler = signal.getsignal(INTERRUPT)
    if handler is _nothing:
        return True
    if handler is not signal.SIG_DFL or threading.current_thread() is not threading.main_thread():
        return False
    signal.signal(INTERRUPT, _nothing)
    return True


class PinWire:
    """The open tty of a contacts line."""

    def __init__(self, fd: int, modem: ModemLines) -> None:
        self._fd, self.modem = fd, modem
        self._closed = False
        self.waiter: Waiter | None = None

    def start(self, received: Callable[[bytes], None], lost: Callable[[Lost], None]) -> None:
        """Nothing to start: the exchange samples. Bytes that come are not read."""

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            if self.waiter is not None:
                self.waiter.stop()
            close_tty(self._fd)

    def errors(self) -> dict[str, int] | None:
        return None


def open_pins(line: ContactsLine) -> PinWire:
    """Open the tty and set the wetting voltage. Raises OSError; not where the port has no modem lines."""
    fd = open_tty(line, sends=False)
    try:
        modem: ModemLines = Ioctls(fd)
        try:
            modem.wet(*WETTING[line.wetting])
        except OSError as error:
            if error.errno not in NONE_HERE:
                raise
        return PinWire(fd, modem)
    except BaseException:
        close_tty(fd)
        raise


class PinExchange:
    """Samples the modem lines and hands them to the contacts' judge."""

    mode: Mode = "receive-only"
    held_bytes = 0
    session = None

    def __init__(
        self,
        pins: PinReader,
        line: ContactsLine,
        post_all: Callable[[Sequence[Reading]], None],
        clock: Clock,
    ) -> None:
        self._pins, self._line, self._post_all, self._clock = pins, line, post_all, clock
        self._counts = {"samples": 0, "changes": 0, "blind": 0}
        self._wire: PinWire | None = None
        self._ended: Ended = lambda _why: None
        self._timer: asyncio.TimerHandle | None = None
        self._base: dict[str, int] | None = None
        self._blind: str | None = None
        self._begun = False

    @property
    def counters(self) -> Mapping[str, int]:
        return self._counts

    def open(self) -> Wire:
        return open_pins(self._line)

    def begin(self, wire: Wire, ended: Ended) -> None:
        if not isinstance(wire, PinWire):
            raise TypeError("contacts need a tty's modem lines")
        if self._begun:
            self.end(self._clock.now_ns())
        self._begun, self._wire, self._ended, self._blind = True, wire, ended, None
        try:
            self._base = self._edge_counts(wire)
        except OSError as error:
            ended(Lost.of(error))
            return
        wire.waiter = Waiter(wire.modem.wait, self._changed)
        wire.waiter.start()
        self._look()

    def feed(self, data: bytes, now_ns: int) -> None:
        """No bytes are read."""

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._wire = None

    def end(self, now_ns: int) -> None:
        """The contacts can't be read from here on."""
        self.stop()
        if self._begun:
            self._begun = False
            self._post_all(self._pins.blind("the port is closed", now_ns))

    def _changed(self) -> None:
        self._counts["changes"] += 1
        self._look()

    def _look(self) -> None:
        """Sample, judge, and come back: in ``every_s``, or when a debouncing ends."""
        wire = self._wire
        if wire is None:
            return
        if self._timer is not None:
            self._timer.cancel()
        try:
            wait_s = self._sample(wire)
        except OSError as error:
            self.stop()
            self._ended(Lost.of(error))
            return
        except Exception as bug:
            self.stop()
            self._ended(bug)
            return
        self._timer = asyncio.get_running_loop().call_later(wait_s, self._look)

    def _sample(self, wire: PinWire) -> float:
        now_ns = self._clock.now_ns()
        try:
            lines = wire.modem.asserted()
        except OSError as error:
            if error.errno not in NONE_HERE:
                raise
            reason = f"this port has no modem lines to read ({os.strerror(error.errno or 0)})"
            if reason != self._blind:
                self._blind = reason
                self._counts["blind"] += 1
                self._post_all(self._pins.blind(reason, now_ns))
            return max(BLIND_RETRY_S, self._line.every_s)
        if self._blind is not None:
            self._blind, self._base = None, self._edge_counts(wire)
        self._counts["samples"] += 1
        asserted = {name: bool(lines & bit) for name, bit in BITS.items()}
        self._post_all(self._pins.sample(asserted, self._edges(wire), now_ns))
        due_ns = self._pins.due_ns()
        due_s = self._line.every_s if due_ns is None else (due_ns - now_ns) / NS
        return max(min(due_s, self._line.every_s), SOONEST_S)

    def _edges(self, wire: PinWire) -> dict[str, int] | None:
        """Since the port was opened; the driver's counts wrap at 32 bits."""
        now = self._edge_counts(wire)
        if now is None or self._base is None:
            return None
        base = self._base
        return {name: (count - base[name]) & 0xFFFF_FFFF for name, count in now.items()}

    @staticmethod
    def _edge_counts(wire: PinWire) -> dict[str, int] | None:
        try:
            found = wire.modem.counts()
        except OSError as error:
            if error.errno not in NONE_HERE:
                raise
            return None
        return {name: found[name] for name in BITS}
