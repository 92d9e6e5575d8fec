"""SonicWall (SonicOS): ``key=value`` with address, port and interface in one value. Pure.

Source: SonicOS Log Events Reference Guide (m=36 TCP connection dropped, 37 UDP packet dropped, 38 ICMP packet dropped,
713 TCP packet received on non-existent/closed connection; fw_action since 6.x); real lines: elastic/integrations
sonicwall_firewall tests. Values: ``src=192.0.2.1:5060:X1:name``; IPv6 stands in ``srcV6`` and ``dstV6``.
"""

from __future__ import annotations

import re

from agent.paths.syslog.deny import Deny, deny
from agent.paths.syslog.keyvalue import pairs_of
from agent.paths.syslog.message import Message

_REFUSED = re.compile(r"\b(?:dropped|denied|blocked|rejected|prevent\w{0,5})\b", re.IGNORECASE)
_PASSED = frozenset({"na", "allow", "forward", "mgmt"})
_REFUSES = frozenset({"drop", "deny", "reject", "block", "forbid"})


def read(message: Message) -> Deny | None:
    """The refusal that a line tells of."""
    fields = pairs_of(message.whole)
    action, said = fields.get("fw_action", "").lower(), fields.get("msg", "")
    refused = action in _REFUSES or (action not in _PASSED and _REFUSED.search(said) is not None)
    if not refused or "login" in said.lower():
        return None
    source, sport = _place(fields.get("src", ""))
    target, dport = _place(fields.get("dst", ""))
    proto, _, service = fields.get("proto", "").partition("/")
    words = said.lower().split()
    if not proto and words and words[0] in ("tcp", "udp", "icmp"):
        proto = words[0]
    return deny(
        fields.get("srcv6") or source,
        sport,
        fields.get("dstv6") or target,
        dport or service,
        proto,
        fields.get("rule"),
        f"message {fields['m']}" if fields.get("m", "").isdigit() else "dropped",
    )


def _place(text: str) -> tuple[str, str | None]:
    host, _, rest = text.partition(":")
    return host, rest.partition(":")[0] or None
