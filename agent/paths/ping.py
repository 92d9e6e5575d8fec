"""The ping check's shell: up to four echo requests in one check, the first good reply passes it.

With 5 % loss each way one request fails with 1 - 0.95 squared = 9.75 %; four in a row with 0.0975 to the fourth, 9 in
100,000 checks. Three such checks of five never meet in a year.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from typing import Literal

from agent.clock import NS, Clock
from agent.paths import icmp
from agent.paths.outcome import Outcome, no_answer, of_error

PingAccess = Literal["unprivileged", "raw", "none"]
REQUESTS = 4
PACKET_MAX = 2048
PING_HELP = (
    "this box may not ping. Allow it with `sysctl net.ipv4.ping_group_range='0 2147483647'` (for good: a file in "
    "/etc/sysctl.d), or give the agent CAP_NET_RAW; or watch this path by a tcp check instead"
)


def ping_access() -> PingAccess:
    """Which way of pinging the kernel allows this process (icmp(7), capabilities(7))."""
    ways: tuple[tuple[socket.SocketKind, PingAccess], ...] = (
        (socket.SOCK_DGRAM, "unprivileged"),
        (socket.SOCK_RAW, "raw"),
    )
    for kind, access in ways:
        try:
            socket.socket(socket.AF_INET, kind, socket.IPPROTO_ICMP).close()
        except OSError:
            continue
        return access
    return "none"


async def ping(address: str, v6: bool, timeout_s: float, access: PingAccess, clock: Clock) -> Outcome:
    """One check of a numeric address. Never raises OSError."""
    if access == "none":
        return Outcome("unknown", PING_HELP)
    kind = socket.SOCK_DGRAM if access == "unprivileged" else socket.SOCK_RAW
    family, protocol = (socket.AF_INET6, socket.IPPROTO_ICMPV6) if v6 else (socket.AF_INET, socket.IPPROTO_ICMP)
    try:
        with socket.socket(family, kind, protocol) as sock:
            sock.setblocking(False)
            sock.connect((address, 0))
            return await _exchange(sock, v6, timeout_s, access, clock)
    except OSError as error:
        return of_error(error)


async def _exchange(sock: socket.socket, v6: bool, timeout_s: float, access: PingAccess, clock: Clock) -> Outcome:
    token = os.urandom(icmp.TOKEN_BYTES)
    identifier = None if access == "unprivileged" else int.from_bytes(os.urandom(2))
    sent_ns: list[int] = []
    problem: OSError | None = None
    deadline = asyncio.get_running_loop().time() + timeout_s
    for sequence in range(REQUESTS):
        sent_ns.append(clock.now_ns())
        try:
            sock.send(icmp.request(identifier or 0, sequence, token, v6=v6))
        except OSError as error:
            problem = error
        until = deadline - timeout_s * (1 - (sequence + 1) / REQUESTS)
        got = await _reply(sock, identifier, token, v6, access, until)
        if isinstance(got, OSError):
            problem = got
            await asyncio.sleep(max(0.0, until - asyncio.get_running_loop().time()))
        elif got is not None and got < len(sent_ns):
            return Outcome(
                "up", "", {"rtt_ms": round((clock.now_ns() - sent_ns[got]) / (NS / 1000), 2), "sent": len(sent_ns)}
            )
    return no_answer(timeout_s) if problem is None or problem.errno == errno.EAGAIN else of_error(problem)


async def _reply(
    sock: socket.socket, identifier: int | None, token: bytes, v6: bool, access: PingAccess, until: float
) -> int | OSError | None:
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout_at(until):
            while True:
                packet = await loop.sock_recv(sock, PACKET_MAX)
                ip_header = access == "raw" and not v6
                sequence = icmp.reply_sequence(packet, identifier, token, v6=v6, ip_header=ip_header)
                if sequence is not None:
                    return sequence
    except TimeoutError:
        return None
    except OSError as error:
        return error
