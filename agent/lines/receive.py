"""How a tty is opened: locked, raw, set as the line says, and without the means to send where the line only listens.

``O_RDONLY`` keeps our own writes out (``EBADF``); the kernel's own are kept out by termios: no ECHO, no IXOFF (it
sends XOFF when its buffer fills) and no IMAXBEL. On the first opening after plugging in, the driver's default echo
is on for the few microseconds until it is set; only an unwired TX (``hw/WIRING.md``) shuts that gap.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import struct
import termios
from typing import Any

from agent.site.line import Wired

TIOCEXCL, TIOCNXCL = 0x540C, 0x540D
TIOCMBIS = 0x5416
TIOCGICOUNT = 0x545D
DTR, RTS = 0x002, 0x004
_INT = struct.Struct("I")
_ICOUNT = struct.Struct("20i")  # linux/serial.h, struct serial_icounter_struct
_ICOUNT_NAMES = (
    "cts", "dsr", "ri", "dcd", "rx", "tx", "framing", "overrun", "parity", "break", "buffer_overrun",
)  # fmt: skip
ERRORS = ("framing", "overrun", "parity", "break", "buffer_overrun")
_SIZES = {"7": termios.CS7, "8": termios.CS8}
_PARITIES = {"N": 0, "E": termios.PARENB, "O": termios.PARENB | termios.PARODD}
_STOPS = {"1": 0, "2": termios.CSTOPB}


def open_tty(line: Wired, *, sends: bool) -> int:
    """The descriptor of a line's tty. Raises OSError, EAGAIN where another program has locked it.

    What came in before is thrown away (it may be of another speed): the first message may begin in its middle.
    """
    fd = os.open(line.port, (os.O_RDWR if sends else os.O_RDONLY) | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)  # first: what another program uses is not to be changed
        _set(fd, line, sends)
        fcntl.ioctl(fd, TIOCEXCL)  # from here on the next open fails with EBUSY (root's does not)
        _assert_lines(fd, line)
    except BaseException:
        close_tty(fd)
        raise
    return fd


def close_tty(fd: int) -> None:
    """Give the device back at once: what could not be sent is dropped, else close would wait 30 s for CTS."""
    with contextlib.suppress(termios.error):
        termios.tcflush(fd, termios.TCOFLUSH)
    with contextlib.suppress(OSError):  # another may have it open, who would keep the tty, and our mark, alive
        fcntl.ioctl(fd, TIOCNXCL)
    with contextlib.suppress(OSError):
        os.close(fd)


def raw(attributes: list[Any], line: Wired, *, sends: bool) -> list[Any]:
    """The termios attributes of a raw tty with a line's settings, from those it has. Pure.

    A break reads as a NUL and bytes with a wrong parity bit as they came; the driver counts both. With flow
    ``xon-xoff`` a receive-only line drops the XON and XOFF it hears and sends none.
    """
    size, parity, stop = line.format
    iflag = 0
    if line.flow == "xon-xoff":
        iflag = termios.IXON | (termios.IXOFF if sends else 0)
    # A session ends when DTR falls, so a port that sends hangs up on close; the others stay as they were set.
    cflag = termios.HUPCL if sends else attributes[2] & termios.HUPCL
    cflag |= termios.CLOCAL | termios.CREAD | _SIZES[size] | _PARITIES[parity] | _STOPS[stop]
    if line.flow == "rts-cts":
        cflag |= termios.CRTSCTS
    speed = getattr(termios, f"B{line.baud}")
    cc = list(attributes[6])
    # VMIN 1: with 0 "nothing yet" would read like an end of file.
    cc[termios.VMIN], cc[termios.VTIME], cc[termios.VSTART], cc[termios.VSTOP] = 1, 0, b"\x11", b"\x13"
    return [iflag, 0, cflag, 0, speed, speed, cc]


def counts(fd: int) -> dict[str, int]:
    """What the driver has counted since it was loaded, modulo 2^32. Raises OSError (ENOTTY on a pty)."""
    values = _ICOUNT.unpack(fcntl.ioctl(fd, TIOCGICOUNT, bytes(_ICOUNT.size)))
    return {name: value & 0xFFFF_FFFF for name, value in zip(_ICOUNT_NAMES, values[: len(_ICOUNT_NAMES)], strict=True)}


def _set(fd: int, line: Wired, sends: bool) -> None:
    try:
        termios.tcsetattr(fd, termios.TCSANOW, raw(termios.tcgetattr(fd), line, sends=sends))
        termios.tcflush(fd, termios.TCIOFLUSH)
    except termios.error as error:  # no OSError, although it says the same
        raise OSError(*error.args) from error


def _assert_lines(fd: int, line: Wired) -> None:
    """DTR, and RTS where the driver does not work it: many a device sends only to a terminal that shows itself."""
    shown = DTR if line.flow == "rts-cts" else DTR | RTS
    try:
        fcntl.ioctl(fd, TIOCMBIS, _INT.pack(shown))
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTTY):  # a pty has none
            raise
