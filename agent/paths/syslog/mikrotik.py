"""MikroTik RouterOS: lines of firewall rules with ``log=yes``. Pure.

Source: RouterOS documentation, "Log" and "Firewall"; real lines from public configurations and forums. As with Linux
only the rule's ``log-prefix`` says whether the packet was refused.
"""

from __future__ import annotations

import re

from agent.paths.syslog.deny import Deny, deny, host_and_port, verdict
from agent.paths.syslog.message import Message

_LINE = re.compile(r"\b(input|forward|output|prerouting|postrouting|srcnat|dstnat): in:[^,]{0,64} out:[^,]{0,64}, ")
_PACKET = re.compile(r"\bproto (\S{1,16}?)(?: \([^)]{0,64}\))?, (\S{2,64}?)->([^\s,]{2,64}?)(?:,|\s|\Z)")


def read(message: Message) -> Deny | None:
    """The refusal that a line tells of; None where its prefix names none."""
    whole = message.whole
    line = _LINE.search(whole)
    if line is None:
        return None
    before = message.text if message.text.endswith(whole[line.start() :]) else whole
    prefix = before[: len(before) - (len(whole) - line.start())][-128:].rpartition("firewall,info")[2]
    if not verdict(prefix):
        return None
    packet = _PACKET.search(whole, line.end())
    if packet is None:
        return None
    source, sport = host_and_port(packet[2], ":")
    target, dport = host_and_port(packet[3], ":")
    return deny(source, sport, target, dport, packet[1], prefix, f"chain {line[1]}")
