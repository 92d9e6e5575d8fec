"""Sending a few datagrams and waiting for the one that answers them: what ping and SIP OPTIONS share."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Generic, TypeVar

from agent.paths.outcome import OURS, REFUSED_UDP, Outcome, no_answer, of_error

T = TypeVar("T")
PACKET_MAX = 65_536
# Read in one go before the loop's other work gets its turn, and in one check: then it is deaf, and says so.
BATCH_MAX = 64
PACKETS_MAX = 4096


class Exchange(Generic[T]):
    """A connected, non-blocking datagram or raw socket, and what has become of its check.

    ``judge`` gets a packet and its sender's address: the answer, or None for what is not ours. The socket is read in
    this task and not by ``sock_recv`` under a timeout: where the whole process has stalled, the answer and the timeout
    are found together, and a cancelled ``sock_recv`` would lose the answer.
    """

    def __init__(self, sock: socket.socket, judge: Callable[[bytes, str], T | None]) -> None:
        self._sock, self._judge = sock, judge
        self._problem: OSError | None = None
        self._read = 0  # packets and errors: what the limit counts
        self.ignored = 0  # packets that were not ours
        self.sent = 0

    def send(self, data: bytes) -> None:
        """Send; an error is kept for ``failure``."""
        for _ in range(2):  # the first send may only report the ICMP error of an earlier datagram
            try:
                self._sock.send(data)
            except OSError as error:
                self._problem = error
            else:
                self.sent += 1
                return

    async def hear(self, until: float) -> T | None:
        """The answer, or None when the loop's time ``until`` has come. Never raises OSError."""
        loop = asyncio.get_running_loop()
        while True:
            over = loop.time() >= until
            answer, more = self._drain()
            if answer is not None or over:
                return answer
            if more:
                await asyncio.sleep(0)
            elif self._read >= PACKETS_MAX:
                await asyncio.sleep(until - loop.time())
            else:
                await _readable(self._sock, until)

    def _drain(self) -> tuple[T | None, bool]:
        """What stands in the socket's buffer, a batch of it at most: the answer, and whether there may be more."""
        for _ in range(min(BATCH_MAX, PACKETS_MAX - self._read)):
            self._read += 1
            try:
                packet, where = self._sock.recvfrom(PACKET_MAX)
            except BlockingIOError:
                self._read -= 1
                return None, False
            except OSError as error:
                self._problem = error
                continue
            answer = self._judge(packet, str(where[0]).partition("%")[0])
            if answer is not None:
                return answer, False
            self.ignored += 1
        return None, self._read < PACKETS_MAX

    def failure(self, timeout_s: float, refused: str = REFUSED_UDP) -> Outcome:
        """The outcome where no answer has come.

        Trouble of our own with one datagram does not make the silence after the others unknown.
        """
        if self._problem is not None and (not self.sent or self._problem.errno not in OURS):
            return of_error(self._problem, refused)
        deaf = {"deaf_after": self._read} if self._read >= PACKETS_MAX else {}
        return no_answer(timeout_s, {"sent": self.sent, **deaf})


async def _readable(sock: socket.socket, until: float) -> None:
    """Wait until there is something to read, an error too, or the time has come."""
    loop = asyncio.get_running_loop()
    woken: asyncio.Future[None] = loop.create_future()
    loop.add_reader(sock, _wake, woken)
    timer = loop.call_at(until, _wake, woken)
    try:
        await woken
    finally:
        loop.remove_reader(sock)
        timer.cancel()


def _wake(woken: asyncio.Future[None]) -> None:
    if not woken.done():
        woken.set_result(None)
