"""Cisco IOS, IOS-XE and IOS-XR: access lists and the zone firewall. Pure.

Source: Cisco System Message Guide (SEC, IPV6_ACL, FMANFP, FW), IOS XR ACL messages; real lines: elastic/integrations
cisco_ios tests. ``log-input`` puts the interface and the MAC address between the source and the arrow.
"""

from __future__ import annotations

import re

from agent.paths.syslog.deny import Deny, deny, host_and_port
from agent.paths.syslog.message import Message

_LIST = re.compile(
    r"%[A-Z0-9_-]{1,40}ACCESSLOG[A-Z]{0,4} {0,2}:[^>]{0,80}?\b(?:access-)?list (\S+) den(?:y|ied) (\S+) +([^>]{3,200})>"
    r" *([0-9A-Fa-f:.]{2,45})(?:\((\d+)\))?"
)
_SOURCE = re.compile(r"(?<![^\s])([0-9A-Fa-f:.]{2,45})(?:\((\d+)\)|(?=[\s-]))")
_SESSION = re.compile(r"%FW-\d-DROP_PKT: *Dropping (\S+) session (\S+) (\S+)(?: on zone-pair (\S+))?")
_PACKET = re.compile(
    r"%FW-\d-DROP_PKT: *Dropping (\S+) pkt (?:from )?(?:\S+ )?(\S+) => ([^\s(]+)(?:\([^)]*\))?(?:-\(([^):]*))?"
)


def read(message: Message) -> Deny | None:
    """The refusal that a message tells of."""
    text = message.whole
    if "ACCESSLOG" in text:
        return _access_list(text)
    found = _SESSION.search(text) or _PACKET.search(text)
    if found is None:
        return None
    source, sport = host_and_port(found[2], ":")
    target, dport = host_and_port(found[3], ":")
    return deny(source, sport, target, dport, found[1], found[4], "zone firewall")


def _access_list(text: str) -> Deny | None:
    found = _LIST.search(text)
    if found is None:
        return None
    source = None
    for source in _SOURCE.finditer(found[3].rstrip("-") + " "):
        if "." in source[1] or ":" in source[1]:
            break  # before it a MAC address may stand, behind it an interface
    if source is None:
        return None
    return deny(source[1], source[2], found[4], found[5], found[2], found[1], "access list")
