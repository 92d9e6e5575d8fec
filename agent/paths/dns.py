"""The ``dns`` check's shell: a question to the path's own name server, over UDP with repetitions or over TCP."""

from __future__ import annotations

import asyncio
import os
import socket
from typing import TYPE_CHECKING

from agent.clock import NS
from agent.paths.datagrams import Exchange
from agent.paths.outcome import REFUSED_TCP, Outcome, no_answer, of_error
from agent.paths.target import Target
from agent.site import schema

if TYPE_CHECKING:
    from agent.paths.runner import Tools

SENDS = (0.25, 0.75, 1.0)
"""Until when each datagram is waited for, as shares of the time allowed; each has a socket and an id of its own."""


class DnsRunner:
    """The ``dns`` check of one path."""

    def __init__(self, _path: schema.Path, check: schema.Dns, tools: Tools) -> None:
        self._check, self._clock = check, tools.clock

    async def run(self, target: Target, timeout_s: float) -> Outcome:
        began_ns = self._clock.now_ns()
        try:
            if self._check.transport == "tcp":
                outcome = await self._over_tcp(target, timeout_s)
            else:
                outcome = await self._over_udp(target, timeout_s)
        except OSError as error:
            return of_error(error)
        except ValueError as error:
            return Outcome("unknown", f"this box can't test: {error}")
        rtt_ms = round((self._clock.now_ns() - began_ns) / (NS / 1000), 2)
        return Outcome(outcome.state, outcome.reason, {**outcome.detail, "rtt_ms": rtt_ms})

    async def _over_udp(self, target: Target, timeout_s: float) -> Outcome:
        from agent.paths import answers

        loop = asyncio.get_running_loop()
        began = loop.time()
        failure = no_answer(timeout_s)
        for share in SENDS:
            sent = answers.question(self._check.name, self._check.record, int.from_bytes(os.urandom(2)))
            with target.socket(socket.SOCK_DGRAM) as sock:
                sock.connect(target.sockaddr(self._check.port))
                exchange = Exchange(sock, lambda data, _source, sent=sent: answers.ours(data, sent))  # type: ignore[misc]
                exchange.send(sent.data)
                message = await exchange.hear(began + share * timeout_s)
            if message is not None and answers.truncated(message):
                return await self._over_tcp(target, max(0.1, began + timeout_s - loop.time()))
            if message is not None:
                return answers.judge(message, sent, self._check.expect)
            failure = exchange.failure(timeout_s)
        return failure

    async def _over_tcp(self, target: Target, timeout_s: float) -> Outcome:
        from agent.paths import answers

        sent = answers.question(self._check.name, self._check.record, int.from_bytes(os.urandom(2)))
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(timeout_s):
                with target.socket(socket.SOCK_STREAM) as sock:
                    await loop.sock_connect(sock, target.sockaddr(self._check.port))
                    await loop.sock_sendall(sock, len(sent.data).to_bytes(2, "big") + sent.data)
                    length = int.from_bytes(await _exactly(sock, 2), "big")
                    message = answers.ours(await _exactly(sock, length), sent)
        except TimeoutError:
            return no_answer(timeout_s)
        except ConnectionRefusedError:
            return Outcome("down", REFUSED_TCP)
        except EOFError:
            return Outcome("down", "it ended the connection without an answer")
        if message is None:
            return Outcome("down", "what it answered is no answer to the question")
        return answers.judge(message, sent, self._check.expect)


async def _exactly(sock: socket.socket, length: int) -> bytes:
    """So many bytes (RFC 1035 section 4.2.2: at most 65,535). Raises EOFError."""
    data = b""
    while len(data) < length:
        part = await asyncio.get_running_loop().sock_recv(sock, length - len(data))
        if not part:
            raise EOFError
        data += part
    return data
