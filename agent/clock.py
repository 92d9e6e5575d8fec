"""The two clocks. Durations come from the monotonic one alone; the wall clock is a label on paper.

A Pi 4 has no battery-backed clock: after a power cut its wall clock may be weeks off and then jump, so
each wall time carries whether the kernel held it for synchronised (adjtimex(2), STA_UNSYNC).
"""

from __future__ import annotations

import ctypes
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

NS = 1_000_000_000
TIMESYNCD = Path("/run/systemd/timesync/synchronized")  # systemd-timesyncd.service(8)
TIMESYNCD_S = 3 * 3600.0
_TIME_ERROR = 5  # adjtimex(2): the clock is not synchronised


@dataclass(frozen=True, slots=True)
class Wall:
    """UTC as RFC 3339 with milliseconds, and whether the clock was synchronised when it was read."""

    utc: str
    synced: bool


class Clock(Protocol):
    """What the shells ask for the time; simulation has its own."""

    def now_ns(self) -> int:
        """CLOCK_MONOTONIC in nanoseconds; never goes back."""

    def wall(self) -> Wall:
        """The wall clock as a label."""


class RealClock:
    """This machine's clocks."""

    def __init__(self) -> None:
        self._synced = False
        self._asked_ns: int | None = None

    def now_ns(self) -> int:
        return time.monotonic_ns()

    def wall(self) -> Wall:
        now_ns = time.monotonic_ns()
        if self._asked_ns is None or now_ns - self._asked_ns > NS:  # one system call a second is plenty
            self._asked_ns, self._synced = now_ns, kernel_synchronised()
        return Wall(rfc3339(time.time()), self._synced)


def rfc3339(unix_s: float) -> str:
    """``unix_s`` as RFC 3339 in UTC with milliseconds: ``2024-06-18T17:15:00.000Z``."""
    at = datetime.fromtimestamp(unix_s, UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z"


def unix_s(utc: str) -> float:
    """An RFC 3339 label as seconds since 1970. Raises ValueError."""
    return datetime.fromisoformat(utc.replace("Z", "+00:00")).astimezone(UTC).timestamp()


def timesyncd_synchronised(now_s: float, mark: Path = TIMESYNCD) -> bool:
    """Whether systemd-timesyncd has set the clock of late: it touches its mark at each answer, each 34 min."""
    try:
        return abs(now_s - mark.stat().st_mtime) <= TIMESYNCD_S
    except OSError:
        return False


def kernel_synchronised() -> bool:
    """Whether the kernel holds its clock for synchronised; where that may not be asked, timesyncd's word for it.

    systemd's ``ProtectClock=`` forbids the question with the setting. False where nobody can say.
    """
    # struct timex is 208 bytes on 64-bit Linux; modes=0 (all zero) only reads.
    buffer = ctypes.create_string_buffer(512)
    try:
        state = ctypes.CDLL(None, use_errno=True).adjtimex(buffer)
    except (OSError, AttributeError):
        return False
    if state < 0:
        return timesyncd_synchronised(time.time())
    return bool(state < _TIME_ERROR)
