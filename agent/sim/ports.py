"""A simulated device's serial port: a real pty whose tty the agent opens by a symbolic link.

The link goes away when the port is unplugged, as an entry of /dev/serial/by-path does.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import tty
from pathlib import Path

CHUNK = 4096


class SerialPort:
    """One port. What can't be written whole is counted as lost, as on a wire nobody listens to."""

    def __init__(self, link: Path) -> None:
        self._link = link
        self._fds: tuple[int, int] | None = None
        self.bytes_heard = 0
        self.messages_lost = 0

    @property
    def plugged(self) -> bool:
        """Whether the port is there."""
        return self._fds is not None

    def plug(self) -> None:
        """Make the port. Raises OSError."""
        if self._fds is not None:
            return
        master, slave = os.openpty()
        tty.setraw(slave)
        os.set_blocking(master, False)
        self._fds = master, slave
        self._link.unlink(missing_ok=True)
        self._link.symlink_to(os.ttyname(slave))
        asyncio.get_running_loop().add_reader(master, self._hear, master)

    def unplug(self) -> None:
        """Take the port away: whoever has it open reads an end of file or an error. Twice is harmless."""
        if self._fds is None:
            return
        (master, slave), self._fds = self._fds, None
        asyncio.get_running_loop().remove_reader(master)
        self._link.unlink(missing_ok=True)
        os.close(slave)
        os.close(master)

    def send(self, told: bytes) -> None:
        """Write one message whole, or count it as lost: the wire is full, or there is none."""
        if self._fds is None:
            self.messages_lost += 1
            return
        try:
            written = os.write(self._fds[0], told)
        except BlockingIOError:
            written = 0
        if written < len(told):
            self.messages_lost += 1

    def _hear(self, master: int) -> None:
        """What is sent to it is counted and ignored: these devices only report."""
        with contextlib.suppress(OSError):
            self.bytes_heard += len(os.read(master, CHUNK))
