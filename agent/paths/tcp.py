"""The TCP check: can a connection be opened? Several attempts with new source ports, the first that opens passes.

Nothing is sent over it. The kernel repeats a lost SYN only after 1 s, so one attempt alone would fail too often.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from typing import TYPE_CHECKING

from agent.clock import NS, Clock
from agent.paths.outcome import OURS, Outcome, no_answer, of_error
from agent.paths.target import Target
from agent.site import schema

if TYPE_CHECKING:
    from agent.paths.runner import Tools

STARTS = (0.0, 0.25, 0.5)
"""When the attempts start, as shares of the time allowed."""


async def connect(target: Target, port: int, timeout_s: float, clock: Clock) -> Outcome:
    """One check. Never raises OSError."""
    loop = asyncio.get_running_loop()
    began_ns, deadline = clock.now_ns(), loop.time() + timeout_s
    pending = {asyncio.create_task(_attempt(target, port, share * timeout_s)) for share in STARTS}
    problems: list[OSError] = []
    try:
        while pending:
            # wait() cancels nothing: a connection that opened while the whole process stalled is still seen.
            done, pending = await asyncio.wait(
                pending, timeout=max(0.0, deadline - loop.time()), return_when=asyncio.FIRST_COMPLETED
            )
            if not done:
                break
            results = [attempt.result() for attempt in done]
            if None in results:
                sent = len(STARTS) - len(pending)
                rtt_ms = round((clock.now_ns() - began_ns) / (NS / 1000), 2)
                return Outcome("up", "", {"rtt_ms": rtt_ms, "sent": sent})
            problems += [error for error in results if error is not None]
            if any(isinstance(error, ConnectionRefusedError) for error in problems):
                break  # an answer, and the same one each time
    finally:
        for attempt in pending:
            attempt.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
    return _failure(problems, bool(pending), timeout_s)


class TcpRunner:
    """The ``tcp`` check of one path."""

    def __init__(self, _path: schema.Path, check: schema.Tcp, tools: Tools) -> None:
        self._port, self._clock = check.port, tools.clock

    async def run(self, target: Target, timeout_s: float) -> Outcome:
        return await connect(target, self._port, timeout_s, self._clock)


def _failure(problems: list[OSError], some_unanswered: bool, timeout_s: float) -> Outcome:
    """A refusal says most, then an error of the way, then silence; trouble of our own only where it is all there is."""
    theirs = [error for error in problems if error.errno not in OURS and not isinstance(error, TimeoutError)]
    refused = [error for error in theirs if error.errno == errno.ECONNREFUSED]
    if refused or theirs:
        return of_error((refused or theirs)[0])
    if some_unanswered or not problems or any(isinstance(error, TimeoutError) for error in problems):
        return no_answer(timeout_s)
    return of_error(problems[-1])


async def _attempt(target: Target, port: int, wait_s: float) -> OSError | None:
    await asyncio.sleep(wait_s)
    try:
        with target.socket(socket.SOCK_STREAM) as sock:
            await asyncio.get_running_loop().sock_connect(sock, target.sockaddr(port))
            # Connecting to a closed port of this machine may meet itself, by simultaneous open (RFC 9293, 3.5).
            if sock.getsockname() == sock.getpeername():
                return ConnectionRefusedError(errno.ECONNREFUSED, "connected to itself")
    except OSError as error:
        return error
    return None
