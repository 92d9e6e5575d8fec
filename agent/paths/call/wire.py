"""The sockets of a test call: one for its signalling, UDP or TCP, and one for its audio. Shell."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable
from typing import Any

from agent.paths.call.framing import Stream
from agent.paths.target import Target

DATAGRAM_MAX = 65_536
BATCH_MAX = 64
PACKETS_MAX = 4096
"""Datagrams, or messages of a stream, that one socket reads in one call; then it is deaf, and says so."""
PORT_TRIES = 16
# ip(7), ipv6(7): errors of a socket that is not connected are told too.
_RECVERR = {socket.AF_INET: (socket.IPPROTO_IP, 11), socket.AF_INET6: (socket.IPPROTO_IPV6, 25)}

Hop = tuple[str, int]
Took = Callable[[bytes, Hop], None]


class PortTaken(Exception):
    """The audio's port belongs to somebody else on this machine."""


def local_address(target: Target, port: int) -> str:
    """The address by which this machine reaches the target. Raises OSError."""
    with target.socket(socket.SOCK_DGRAM) as sock:
        sock.connect(target.sockaddr(port))
        return str(sock.getsockname()[0]).partition("%")[0]


class Datagrams:
    """A UDP socket that is not connected, since a call may go on by way of another hop. Closing twice is harmless.

    ``took`` gets each datagram with its sender in numbers; ``problem`` is the newest error of the socket. ``refused``:
    how often something said that nobody has the port.
    """

    def __init__(self, target: Target, local: str, port: int, took: Took) -> None:
        self._target, self._took = target, took
        self._sock = target.socket(socket.SOCK_DGRAM)
        self._loop = asyncio.get_running_loop()
        self.problem: OSError | None = None
        self.read = self.refused = 0
        try:
            self._sock.setsockopt(*_RECVERR[target.family], 1)
            self._sock.bind((local, port, 0, target.scope) if target.v6 else (local, port))
            self.port = int(self._sock.getsockname()[1])
            self._loop.add_reader(self._sock, self._ready)
        except BaseException:
            self._sock.close()
            raise

    def send(self, data: bytes, hop: Hop) -> bool:
        """Whether it went out; an error is kept in ``problem``."""
        where = (hop[0], hop[1], 0, self._target.scope) if self._target.v6 else hop
        for _ in range(2):  # the first send may only report the ICMP error of an earlier datagram
            try:
                self._sock.sendto(data, where)
            except OSError as error:
                self._failed(error)
            else:
                return True
        return False

    def _ready(self) -> None:
        for _ in range(BATCH_MAX):
            if self.read >= PACKETS_MAX:
                self._loop.remove_reader(self._sock)
                return
            try:
                data, where = self._sock.recvfrom(DATAGRAM_MAX)
            except BlockingIOError:
                break
            except OSError as error:
                self._failed(error)
                self.read += 1
                continue
            self.read += 1
            self._took(data, (str(where[0]).partition("%")[0], int(where[1])))
        self._drain_errors()

    def _failed(self, error: OSError) -> None:
        self.problem = error
        self.refused += error.errno == errno.ECONNREFUSED

    def _drain_errors(self) -> None:
        """The queue of errors keeps the socket readable until it is empty."""
        for _ in range(BATCH_MAX):
            try:
                self._sock.recvmsg(0, 512, socket.MSG_ERRQUEUE)
            except OSError:
                return
            self.read += 1

    def close(self) -> None:
        """Deaf and mute from now on."""
        if self._sock.fileno() >= 0:
            self._loop.remove_reader(self._sock)
            self._sock.close()


def audio_socket(target: Target, local: str, port: int | None, took: Took) -> Datagrams:
    """A socket for RTP on ``port``, else on a free even one (RFC 3550 section 11). Raises OSError and ``PortTaken``."""
    if port is not None:
        try:
            return Datagrams(target, local, port, took)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise PortTaken(f"port {port} for the audio is in use") from None
            raise
    for _ in range(PORT_TRIES):
        opened = Datagrams(target, local, 0, took)
        if opened.port % 2 == 0:
            return opened
        opened.close()
    return Datagrams(target, local, 0, took)


class Connection:
    """Signalling over TCP: one connection for the whole call. ``ended``: the far end has closed it, or it broke."""

    def __init__(self, sock: socket.socket, took: Took) -> None:
        self._sock, self._took = sock, took
        self._peer = _hop(sock.getpeername())
        self._stream = Stream()
        self._out = bytearray()
        self._loop = asyncio.get_running_loop()
        self.problem: OSError | None = None
        self.ended = False
        self.read = 0
        self.port = int(sock.getsockname()[1])
        self._loop.add_reader(sock, self._ready)

    @classmethod
    async def open(cls, target: Target, port: int, timeout_s: float, took: Took) -> Connection:
        """Connect. Raises OSError, TimeoutError where nothing answers."""
        sock = target.socket(socket.SOCK_STREAM)
        try:
            async with asyncio.timeout(timeout_s):
                await asyncio.get_running_loop().sock_connect(sock, target.sockaddr(port))
            if sock.getsockname() == sock.getpeername():
                raise ConnectionRefusedError(errno.ECONNREFUSED, "connected to itself")
            return cls(sock, took)
        except BaseException:
            sock.close()
            raise

    def send(self, data: bytes, _hop: Hop) -> bool:
        """Whether it is sent or waits for the socket; the hop is always the connection's other end."""
        if self.ended or len(self._out) > DATAGRAM_MAX:
            return False
        self._out += data
        self._flush()
        return not self.ended

    def _flush(self) -> None:
        try:
            while self._out:
                del self._out[: self._sock.send(self._out)]
        except BlockingIOError:
            self._loop.add_writer(self._sock, self._flush)
            return
        except OSError as error:
            self._end(error)
            return
        self._loop.remove_writer(self._sock)

    def _ready(self) -> None:
        try:
            data = self._sock.recv(DATAGRAM_MAX)
        except BlockingIOError:
            return
        except OSError as error:
            self._end(error)
            return
        for message in self._stream.feed(data):
            self.read += 1
            self._took(message, self._peer)
        if not data or self._stream.broken or self.read >= PACKETS_MAX:
            self._end(None)

    def _end(self, error: OSError | None) -> None:
        self.problem, self.ended = error or self.problem, True
        self._loop.remove_reader(self._sock)
        self._loop.remove_writer(self._sock)

    def close(self) -> None:
        """Close the connection; twice is harmless."""
        if self._sock.fileno() >= 0:
            self._end(None)
            self._sock.close()


def _hop(name: tuple[Any, ...]) -> Hop:
    return str(name[0]).partition("%")[0], int(name[1])
