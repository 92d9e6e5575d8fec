"""Cisco ASA, PIX, FWSM and Firepower's own ASA messages that refuse packets. Pure.

Source: Cisco Secure Firewall ASA Series Syslog Messages; real lines: elastic/integrations, cisco_asa and cisco_ftd. The
level and the session class in the tag differ by device and version, the colon behind the number may be missing,
interfaces may carry their context (``ctx:outside``), addresses may be names (``names``), users stand in parentheses.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from agent.paths.syslog.deny import Deny, behind_interface, deny, host_and_port
from agent.paths.syslog.message import Message

TAG = re.compile(r"(?:ASA|PIX|FWSM|FTD|ASAv)-(?:[A-Za-z0-9_]{1,16}-)?\d-(\d{6})\b:?")

# By message number: what kind of refusal it is. The text tells the rest.
_REASONS: Mapping[str, str] = {
    "106001": "inbound connection denied",
    "106002": "denied by an outbound list",
    "106006": "inbound denied",
    "106007": "inbound DNS denied",
    "106010": "inbound denied",
    "106011": "no translation",
    "106012": "IP options",
    "106013": "echo to a translated address",
    "106014": "inbound ICMP denied",
    "106015": "no connection",
    "106016": "spoofed address",
    "106017": "land attack",
    "106018": "ICMP denied by an outbound list",
    "106020": "fragments",
    "106021": "reverse path check",
    "106022": "connection spoofed",
    "106023": "access list",
    "106027": "access list",
    "106100": "access list",
    "106102": "access list",
    "106103": "access list",
    "201010": "too many half-open connections",
    "201011": "too many connections",
    "201012": "too many half-open connections of one client",
    "201013": "too many connections of one client",
    "305005": "no translation",
    "305006": "translation failed",
    "305013": "asymmetric translation",
    "313001": "ICMP denied",
    "313004": "ICMP without a session",
    "313005": "ICMP error without a connection",
    "313008": "ICMP denied",
    "313009": "invalid ICMP",
    "401004": "shunned",
    "434002": "dropped by the inspection module",
    "507003": "ended by inspection",
    "607003": "SIP inspection",
    "607004": "SIP inspection",
    "710003": "access to the firewall itself denied",
    "710005": "no service at the firewall",
}
_LISTS = frozenset({"106100", "106102", "106103"})
_NEEDS_DROP = frozenset({"607003", "607004"})
_DROPS = re.compile(r"\b(?:drop|reset|den)", re.IGNORECASE)
# proto inside/10.0.0.16(2011) -> outside/192.168.0.89(2000)
_LIST = re.compile(
    r"access-list (\S+) (?:denied|est-allowed) (\S+) (?:for user (?:'[^']*'|\S+) )?"
    r"[^\s(/]*/([^\s(/]+)\((\d+)\)(?:\([^)]*\)){0,2} -> [^\s(/]*/([^\s(/]+)\((\d+)\)"
)
_GROUP = re.compile(r'by access-group "?([^"\[]{1,128})')
_OUTBOUND = re.compile(r"outbound list (\S+)")
_FROM_TO = re.compile(
    r"\bfrom (?:laddr )?(?:IP )?(\(?[^\s(),]+\)?)(?:\([^)]*\))?(?: on interface \S+)?(?: to ([^\s,;]+))?"
)
_PROTO = re.compile(r"\b(tcp|udp|icmp6?|sctp|IPv6-ICMP|gre|esp|protocol (\d+))\b", re.IGNORECASE)
# What follows the destination in a "src … dst …".
_AFTER = re.compile(r" (?:by|type|code|on|\(|denied|due|with)|\(|,|;|\]|\. |\.\Z")


def read(message: Message) -> Deny | None:
    """The refusal that a message tells of."""
    tag = TAG.search(message.whole)
    if tag is None:
        return None
    number = tag[1]
    reason = _REASONS.get(number)
    if reason is None:
        return None
    text = message.whole[tag.end() :].partition("riginal IP payload")[0]
    if number in _LISTS:
        found = _LIST.search(text)
        if found is None:
            return None
        rule, proto, source, sport, target, dport = found.groups()
        return deny(source, sport, target, dport, proto, rule, reason)
    if number in _NEEDS_DROP and not _DROPS.search(text):
        return None
    return _plain(text, reason)


def _plain(text: str, reason: str) -> Deny | None:
    group = _GROUP.search(text) or _OUTBOUND.search(text)
    named = _PROTO.search(text)
    proto = None if named is None else named[2] or named[1]
    pair = _source_target(text)
    if pair is None:
        found = _FROM_TO.search(text)
        if found is None:
            return None
        pair = found[1].strip("()"), found[2] or ""
    source, sport = _endpoint(pair[0])
    target, dport = _endpoint(pair[1])
    return deny(source, sport, target, dport, proto, group[1] if group else None, reason)


def _source_target(text: str) -> tuple[str, str] | None:
    """What stands between ``src``, ``dst`` and what follows; there may be blanks around the colons."""
    _, found, rest = text.partition(" src ")
    source, dst, rest = rest.partition(" dst ")
    if not found or not dst:
        return None
    after = _AFTER.search(rest)
    return source.partition("(")[0], rest[: after.start()] if after is not None else rest


def _endpoint(text: str) -> tuple[str, str | None]:
    text = text.strip().rstrip(".")
    where, port = host_and_port(text if text.endswith("::") else text.removesuffix(":"), "/")
    return behind_interface(where), port
