"""The ping check's shell: up to four echo requests in one check, the first good reply passes it.

With 5 % loss each way one request fails with 1 - 0.95 squared = 9.75 %; four in a row with 0.0975 to the fourth, 9 in
100,000 checks. Three such checks of five come together less than once in 10,000 years of a check every 2 s.
"""

from __future__ import annotations

import asyncio
import os
import socket

from agent.clock import NS, Clock
from agent.paths import icmp
from agent.paths.datagrams import Exchange
from agent.paths.outcome import Outcome, of_error
from agent.paths.runner import PingAccess, Tools
from agent.paths.target import Target
from agent.site import schema

REQUESTS = 4
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


async def ping(target: Target, timeout_s: float, access: PingAccess, clock: Clock) -> Outcome:
    """One check. Never raises OSError."""
    if access == "none":
        return Outcome("unknown", PING_HELP)
    kind = socket.SOCK_DGRAM if access == "unprivileged" else socket.SOCK_RAW
    protocol = socket.IPPROTO_ICMPV6 if target.v6 else socket.IPPROTO_ICMP
    try:
        with target.socket(kind, protocol) as sock:
            sock.connect(target.sockaddr(0))
            return await _exchange(sock, target, timeout_s, access, clock)
    except OSError as error:
        return of_error(error)


class PingRunner:
    """The ``icmp`` check of one path."""

    def __init__(self, _path: schema.Path, _check: schema.Icmp, tools: Tools) -> None:
        self._tools = tools

    async def run(self, target: Target, timeout_s: float) -> Outcome:
        return await ping(target, timeout_s, self._tools.ping(), self._tools.clock)


async def _exchange(sock: socket.socket, target: Target, timeout_s: float, access: PingAccess, clock: Clock) -> Outcome:
    token = os.urandom(icmp.TOKEN_BYTES)
    identifier = None if access == "unprivileged" else int.from_bytes(os.urandom(2))
    v6 = target.v6
    sent_ns: list[int] = []

    def ours(packet: bytes, source: str) -> int | None:
        # The kernel compares the source for a connected raw socket, but not for an unprivileged one.
        if source != target.host:
            return None
        ip_header = access == "raw" and not v6
        sequence = icmp.reply_sequence(packet, identifier, token, v6=v6, ip_header=ip_header)
        return sequence if sequence is not None and sequence < len(sent_ns) else None

    exchange = Exchange(sock, ours)
    began = asyncio.get_running_loop().time()
    for sequence in range(REQUESTS):
        sent_ns.append(clock.now_ns())
        exchange.send(icmp.request(identifier or 0, sequence, token, v6=v6))
        answered = await exchange.hear(began + timeout_s * (sequence + 1) / REQUESTS)
        if answered is not None:
            rtt_ms = round((clock.now_ns() - sent_ns[answered]) / (NS / 1000), 2)
            return Outcome("up", "", {"rtt_ms": rtt_ms, "sent": exchange.sent})
    return exchange.failure(timeout_s)
