"""Which refusals are of calls, and which are of strangers who try every address. Pure.

A refusal is of calls when all of this holds:

1. A port is a call port (``[listen] call_ports``): the destination's; or the source's, where the destination's is no
   system port (an answer goes from 5060 to some high port). No port, no call.
2. An end is a carrier of calls (``[listen] calls_at``; all addresses where it is empty).
3. The source is known: a carrier itself, one of ours (a private address, a name the firewall has for it, or the
   network that the firewall itself stands in). The Internet tries 5060 all day, from addresses that are neither: such
   a refusal is the firewall's work, and only counted.

So a site whose own hosts have public addresses names them in ``calls_at`` too. Where ``calls_at`` is empty every source
counts: then behind an Internet line this sense is noise, and better named addresses help.
"""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import Literal

from agent.paths.syslog.deny import Deny, ip
from agent.site import schema

Kind = Literal["call", "stranger", "other"]
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network

SYSTEM_PORTS = 1024  # RFC 6335 section 6
# RFC 1918, RFC 6598, RFC 3927, RFC 4193, RFC 4291. Python's is_private also holds the documentation's networks.
_PRIVATE: tuple[_Network, ...] = tuple(
    ipaddress.ip_network(text)
    for text in (
        "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "127.0.0.0/8",
        "fc00::/7", "fe80::/10", "::1/128",
    )
)  # fmt: skip


class CallPackets:
    """What the site file says of the packets that carry calls. ``firewall``: the address of the device that logs."""

    def __init__(self, listen: schema.Listen, firewall: str) -> None:
        self._at = tuple(ipaddress.ip_network(text, strict=False) for text in listen.calls_at)
        self._ports = tuple(_range(text) for text in listen.call_ports)
        own = ip(firewall)
        length = None if own is None else 24 if own.version == 4 else 64
        near = () if own is None else (ipaddress.ip_network(f"{own}/{length}", strict=False),)
        self._ours: tuple[_Network, ...] = (*_PRIVATE, *near)
        self._of_address = lru_cache(maxsize=1024)(self._look_up)

    def kind(self, deny: Deny) -> Kind:
        """Whose packet was refused."""
        to_call_port = deny.dport is not None and self._is_call_port(deny.dport)
        answer = deny.sport is not None and deny.dport is not None and deny.dport >= SYSTEM_PORTS
        if not to_call_port and not (answer and self._is_call_port(deny.sport or 0)):
            return "other"
        from_carrier, source_ours = self._of_address(deny.src)
        to_carrier, _ = self._of_address(deny.dst)
        if from_carrier:
            return "call"
        if not to_carrier:
            return "other"
        return "call" if source_ours else "stranger"

    def carrier(self, deny: Deny) -> str | None:
        """The end that carries calls: what the refusal is told of."""
        to_carrier, _ = self._of_address(deny.dst)
        return deny.dst if to_carrier else deny.src

    def _is_call_port(self, port: int) -> bool:
        return any(low <= port <= high for low, high in self._ports)

    def _look_up(self, where: str | None) -> tuple[bool, bool]:
        """Whether it carries calls, and whether it is one of ours."""
        if where is None:
            return False, False
        found = ip(where)
        if found is None:
            return not self._at, True
        carries = not self._at or any(found in network for network in self._at)
        return carries, any(found in network for network in self._ours)


def _range(text: str) -> tuple[int, int]:
    low, _, high = text.partition("-")
    return int(low), int(high or low)
