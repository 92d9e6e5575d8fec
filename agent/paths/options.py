"""The SIP OPTIONS check's shell over UDP: a new socket, source port and Call-ID each time.

Datagrams go out at 0, 1/4 and 3/4 of the time allowed (0, 0.5 and 1.5 s of 2 s: RFC 3261 timer E's first steps; its
timer F of 32 s would overlap the checks that follow).
"""

from __future__ import annotations

import asyncio
import os
import socket
from typing import TYPE_CHECKING

from agent.clock import NS, Clock
from agent.paths import sip
from agent.paths.datagrams import Exchange
from agent.paths.options_outcome import of_answer
from agent.paths.outcome import Outcome, of_error
from agent.paths.target import Target
from agent.readings import Plain
from agent.site import schema

if TYPE_CHECKING:
    from agent.paths.runner import Tools

SENDS = (0.0, 0.25, 0.75)
"""When the datagrams go out, as shares of the time allowed."""


async def options(name: str, target: Target, port: int, timeout_s: float, clock: Clock) -> Outcome:
    """One check of a target named ``name`` in the request. Never raises OSError."""
    try:
        with target.socket(socket.SOCK_DGRAM) as sock:
            sock.connect(target.sockaddr(port))
            local, local_port = sock.getsockname()[:2]
            request = sip.options(name, port, local, local_port, os.urandom(24))
            return await _exchange(sock, request, timeout_s, clock)
    except OSError as error:
        return of_error(error)


class OptionsRunner:
    """The ``sip-options`` check of one path, over UDP, TCP or TLS."""

    def __init__(self, path: schema.Path, check: schema.SipOptions, tools: Tools) -> None:
        self._path, self._check, self._tools = path, check, tools

    async def run(self, target: Target, timeout_s: float) -> Outcome:
        check, clock = self._check, self._tools.clock
        port = schema.port_of(check)
        if check.transport == "udp":
            outcome = await options(self._path.address, target, port, timeout_s, clock)
        else:
            from agent.paths.options_stream import options_stream

            outcome = await options_stream(self._path, check, target, timeout_s, self._tools)
        if check.keepalive and outcome.state == "up" and not outcome.detail.get("keepalive_ok"):
            reason = f"it lives and answered {outcome.detail.get('code')}; a keep-alive (NENA i3) wants 200"
            return Outcome("degraded", reason, outcome.detail, outcome.findings)
        return outcome


async def _exchange(sock: socket.socket, request: sip.Options, timeout_s: float, clock: Clock) -> Outcome:
    def final(data: bytes, _source: str) -> sip.Answer | None:  # a connected UDP socket hears its peer only
        answer = sip.judge(data, request)
        return None if answer is None or answer.verdict == "provisional" else answer

    exchange = Exchange(sock, final)
    began_ns, began = clock.now_ns(), asyncio.get_running_loop().time()
    for until in (*SENDS[1:], 1.0):
        exchange.send(request.data)
        answer = await exchange.hear(began + until * timeout_s)
        if answer is not None:
            return _of_answer(answer, (clock.now_ns() - began_ns) / (NS / 1000), exchange)
    failure = exchange.failure(timeout_s)
    return Outcome(failure.state, failure.reason, {**failure.detail, **_ignored(exchange)})


def _of_answer(answer: sip.Answer, took_ms: float, exchange: Exchange[sip.Answer]) -> Outcome:
    return of_answer(answer, took_ms, {"sent": exchange.sent, **_ignored(exchange)})


def _ignored(exchange: Exchange[sip.Answer]) -> dict[str, Plain]:
    """Datagrams from the far end that were no final answer to us (garbage, a stranger's, 1xx): told, never silent."""
    return {"ignored": exchange.ignored} if exchange.ignored else {}
