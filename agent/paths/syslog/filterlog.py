"""pf: pfSense's and OPNsense's filterlog, and what pflogd prints (OpenBSD). Pure.

Source: pfSense documentation, "Raw Filter Log Format"; real lines: elastic/integrations pfsense tests. Fields: rule,
subrule, anchor, tracker, interface, reason, action, direction, IP version; then version 4: TOS, ECN, TTL, id, offset,
flags, protocol number and name, length, source, destination; version 6: class, flow, hops, protocol name and number,
length, source, destination; ports follow for TCP, UDP and SCTP.
"""

from __future__ import annotations

import re

from agent.paths.syslog.deny import Deny, deny
from agent.paths.syslog.message import Message

_FIELDS_MAX = 64
_PORTS = frozenset({"tcp", "udp", "sctp", "udplite"})
_REFUSES = frozenset({"block", "reject", "drop"})
_BODY = re.compile(r"filterlog(?:\[\d+\])?:?\s+")
# rule 5/0(match): block in on em0: 192.0.2.1.5060 > 198.51.100.10.5060: udp 300
_PFLOG = re.compile(
    r"\brule (\S{1,32}): block (?:in|out) on \S{1,32}: \(?[^>]{0,160}?"
    r"([0-9A-Fa-f.:]{3,60}) > ([0-9A-Fa-f.:]{3,60}):?\)?(?: (tcp|udp|icmp6?|[A-Z]\b))?"
)


def read(message: Message) -> Deny | None:
    """The refusal that a line tells of."""
    if message.app == "filterlog":
        body = message.text
    else:
        found = _BODY.search(message.whole)
        if found is None:
            return None
        body = message.whole[found.end() :]
    fields = body.split(",", _FIELDS_MAX)
    if len(fields) < 17 or fields[6].lower() not in _REFUSES:
        return None
    four = fields[8] == "4"
    if not four and fields[8] != "6":
        return None
    proto = (fields[16] if four else fields[12]).lower()
    at = 18 if four else 15
    if len(fields) < at + 2:
        return None
    ports = [field.strip() for field in fields[at + 2 : at + 4]] if proto in _PORTS else []
    sport, dport = ports if len(ports) == 2 else (None, None)
    return deny(fields[at], sport, fields[at + 1], dport, proto, f"rule {fields[0]}", fields[5][:32])


def read_pflog(message: Message) -> Deny | None:
    """The refusal that a line of tcpdump's form tells of: the port is the address's last part."""
    found = _PFLOG.search(message.whole)
    if found is None:
        return None
    (source, sport), (target, dport) = _dotted(found[2]), _dotted(found[3])
    proto = found[4] if found[4] and found[4].islower() else ("tcp" if found[4] else None)
    return deny(source, sport, target, dport, proto, f"rule {found[1]}", "packet filter")


def _dotted(text: str) -> tuple[str, str | None]:
    text = text.rstrip(":")
    if text.count(".") == (1 if ":" in text else 4):
        head, _, tail = text.rpartition(".")
        return head, tail
    return text, None
