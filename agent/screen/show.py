"""The screen's shell: asks the agent each second and sends the console what has changed, and nothing otherwise.

An agent that is dead or frozen answers nothing, and after ``MUTE_S`` the screen says so, large. The screen's own life
is the service manager's business: it is fed (sd_notify(3)) only by rounds that were gone through, and a screen that
hangs is ended and its console cleared.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from agent.client import Unanswered, ask
from agent.screen.canvas import changed
from agent.screen.face import Face, Steady, face, mute
from agent.screen.layout import draw

EACH_S = 1.0
ANSWER_S = 2.0
MUTE_S = 3.0
WHOLE_S = 60.0
"""So often every row is sent again: what the kernel wrote across the picture is gone, and nothing is seen to move."""
BEGIN = "\x1b[?25l\x1b[?7l\x1b[0m\x1b[2J"
END = "\x1b[0m\x1b[2J\x1b[H\x1b[?7h\x1b[?25h"
LINUX = "\x1b%G\x1b[9;0]\x1b[14;0]"
"""console_codes(4): UTF-8, never blank, never power the monitor down."""


class Show:
    """One run. ``out``: the terminal's file descriptor; ``asked``: how the agent is asked, in tests something else."""

    def __init__(self, path: Path, out: int, asked: Callable[..., dict[str, Any]] = ask) -> None:
        self._path, self._out, self._ask = path, out, asked
        self._steady = Steady()
        self._face: Face | None = None
        self._answered_s: float | None = None
        self._shown: list[str] | None = None
        self._whole_s = 0.0
        self._over = False

    def run(self) -> int:
        """Until it is told to end (SIGTERM, SIGINT, SIGHUP)."""
        woken, wakes = os.pipe()
        os.set_blocking(wakes, False)
        signal.set_wakeup_fd(wakes)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._end)
        signal.signal(signal.SIGWINCH, lambda *_: None)
        self._send((LINUX if os.environ.get("TERM") == "linux" else "") + BEGIN)
        notify("READY=1")
        try:
            while not self._over:
                self.once(time.monotonic())
                notify("WATCHDOG=1")
                if select.select([woken], [], [], EACH_S)[0]:
                    os.read(woken, 256)
        finally:
            with contextlib.suppress(OSError):
                self._send(END)
        return 0

    def once(self, now_s: float) -> None:
        """One look: ask, and send what differs."""
        try:
            status = self._steady.hold(self._ask(self._path, "status", timeout_s=ANSWER_S))
            self._face, self._answered_s = face(status, _zone(status)), now_s
        except (Unanswered, KeyError, TypeError, ValueError, AttributeError) as error:
            late = self._answered_s is None or time.monotonic() - self._answered_s >= MUTE_S
            if late or self._face is None:
                self._face = mute(str(error))
        columns, rows = _size(self._out)
        lines = draw(self._face, columns, rows).lines()
        whole = now_s - self._whole_s >= WHOLE_S
        if whole:
            self._whole_s = now_s
        known = self._shown if self._shown is not None and len(self._shown) == len(lines) else None
        self._send(changed([""] * len(lines) if whole and known else known, lines))
        self._shown = lines

    def _send(self, text: str) -> None:
        data = text.encode()
        while data:
            data = data[os.write(self._out, data) :]

    def _end(self, *_: object) -> None:
        self._over = True


def notify(word: str) -> None:
    """Tell the service manager, where one asked to be told (sd_notify(3))."""
    name = os.environ.get("NOTIFY_SOCKET")
    if name:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.sendto(word.encode(), "\0" + name[1:] if name.startswith("@") else name)


def _size(out: int) -> tuple[int, int]:
    try:
        size = os.get_terminal_size(out)
    except OSError:
        return 80, 25
    return (min(size.columns, 1000), min(size.lines, 500)) if size.columns and size.lines else (80, 25)


def _zone(status: dict[str, Any]) -> Any:
    """The site's own time zone, or none: then times are the box's."""
    name = status.get("timezone")
    if not name:
        return None
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(name)
    except (OSError, ValueError):
        return None
