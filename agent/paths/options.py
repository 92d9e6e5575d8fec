"""The SIP OPTIONS check's shell over UDP: a new socket, source port and Call-ID each time.

Datagrams go out at 0, 1/4 and 3/4 of the time allowed (0, 0.5 and 1.5 s of 2 s: RFC 3261 timer E's first steps; its
timer F of 32 s would overlap the checks that follow).
"""

from __future__ import annotations

import asyncio
import os
import socket

from agent.clock import NS, Clock
from agent.paths import sip
from agent.paths.outcome import Outcome, no_answer, of_error

SENDS = (0.0, 0.25, 0.75)


async def options(name: str, address: str, v6: bool, port: int, timeout_s: float, clock: Clock) -> Outcome:
    """One check of a numeric address, named ``name`` in the request. Never raises OSError."""
    try:
        with socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            sock.connect((address, port))
            local, local_port = sock.getsockname()[:2]
            request = sip.options(name, port, local, local_port, os.urandom(24))
            return await _exchange(sock, request, timeout_s, clock)
    except OSError as error:
        return of_error(error)


async def _exchange(sock: socket.socket, request: sip.Options, timeout_s: float, clock: Clock) -> Outcome:
    began_ns, began = clock.now_ns(), asyncio.get_running_loop().time()
    refused: OSError | None = None
    waits = [*SENDS[1:], 1.0]
    for sent, until in enumerate(waits, 1):
        try:
            sock.send(request.data)
        except OSError as error:  # an earlier datagram's ICMP error comes back here too
            refused = error
        answer = await _answer(sock, request, began + until * timeout_s)
        if isinstance(answer, sip.Answer):
            took_ms = round((clock.now_ns() - began_ns) / (NS / 1000), 2)
            told = {"code": answer.code, "keepalive_ok": answer.keepalive_ok, "rtt_ms": took_ms, "sent": sent}
            if answer.verdict == "alive":
                return Outcome("up", "", told)
            return Outcome("degraded", f"answered {answer.code}, perhaps by a proxy in the middle", told)
        refused = answer or refused
    return no_answer(timeout_s) if refused is None else of_error(refused)


async def _answer(sock: socket.socket, request: sip.Options, until: float) -> sip.Answer | OSError | None:
    """A final answer; an error once the time is up, for the next datagram may fare better; None for silence."""
    loop = asyncio.get_running_loop()
    problem: OSError | None = None
    try:
        async with asyncio.timeout_at(until):
            while True:
                try:
                    data = await loop.sock_recv(sock, sip.MESSAGE_MAX + 1)
                except OSError as error:
                    problem = error
                    await asyncio.sleep(0.05)
                    continue
                answer = sip.judge(data, request)
                if answer is not None and answer.verdict != "provisional":
                    return answer
    except TimeoutError:
        return problem
