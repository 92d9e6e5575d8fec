"""A listening TCP socket that can fall silent as one behind a dropping firewall does. Unprivileged.

A listening socket of the kernel answers a connect even when nobody accepts it. To be silent without rights to
filter packets, the gate stops accepting and fills its own accept queue (``listen(0)`` and its own connections):
Linux then drops every further SYN (tcp(7), tcp_abort_on_overflow=0), so a connect runs into its deadline. Where
a kernel does otherwise the gate closes its socket instead: a connect is then refused, not dropped.
"""

from __future__ import annotations

import asyncio
import contextlib
import select
import socket
from collections.abc import Callable

BACKLOG = 32
MAX_FILLERS = 8
FILLED_AFTER_S = 0.05

Address = tuple[str, int]


class Gate:
    """One listener. ``on_accept`` is handed each new connection, non-blocking, while the gate is open."""

    def __init__(self, host: str, on_accept: Callable[[socket.socket], None], port: int = 0) -> None:
        self._on_accept = on_accept
        self._socket: socket.socket | None = _listener((host, port))
        self.address: Address = self._socket.getsockname()[:2]
        self._fillers: list[socket.socket] = []
        self._watching = False
        self.open = False
        self.drops = True
        self.set_open(True)

    def set_open(self, is_open: bool) -> None:
        """Open the gate, or let it drop everything. Doing it twice is harmless."""
        if is_open == self.open:
            return
        self.open = is_open
        if is_open:
            self._wake()
        else:
            self._silence()

    def close(self) -> None:
        """End for good."""
        self.open = False
        self._unwatch()
        self._close_fillers()
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _wake(self) -> None:
        self._close_fillers()
        if self._socket is None:
            self._socket = _listener(self.address)
        self._socket.listen(BACKLOG)
        self._socket.setblocking(False)
        self._drain(lambda stale: stale.close())
        asyncio.get_running_loop().add_reader(self._socket.fileno(), self._readable)
        self._watching = True

    def _silence(self) -> None:
        self._unwatch()
        if self._socket is None:
            return
        self._socket.listen(0)
        for _ in range(MAX_FILLERS):
            filler = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            filler.setblocking(False)
            filler.connect_ex(self.address)
            self._fillers.append(filler)
            if not select.select([], [filler], [], FILLED_AFTER_S)[1]:
                return
        self.drops = False
        self._close_fillers()
        self._socket.close()
        self._socket = None

    def _readable(self) -> None:
        self._drain(self._on_accept)

    def _drain(self, take: Callable[[socket.socket], None]) -> None:
        if self._socket is None:
            return
        for _ in range(BACKLOG + MAX_FILLERS):
            try:
                connection, _peer = self._socket.accept()
            except OSError:
                return
            connection.setblocking(False)
            take(connection)

    def _unwatch(self) -> None:
        if self._watching and self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket.fileno())
        self._watching = False

    def _close_fillers(self) -> None:
        for filler in self._fillers:
            with contextlib.suppress(OSError):
                filler.close()
        self._fillers.clear()


def _listener(address: Address) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener
