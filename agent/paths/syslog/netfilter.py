"""Linux: iptables' LOG, nftables' ``log``, UFW, firewalld, EdgeOS, UniFi and VyOS. Pure.

Source: nf_log_syslog.c of the kernel; real lines: elastic/integrations iptables tests. The kernel writes one line for
whatever a rule matched: only the prefix, a text of the administrator's, says whether the packet was refused.
"""

from __future__ import annotations

import re

from agent.paths.syslog.deny import Deny, deny, verdict
from agent.paths.syslog.message import Message

_START = re.compile(r"IN=[^\s=]* ?(?:OUT|PHYSIN|MAC)=")
# An address may be shortened to nothing, never to a word with a blank in it.
_FIELD = re.compile(r"(?<![A-Za-z])(SRC|DST|PROTO|SPT|DPT)=(\S{1,64})")
# EdgeOS, UniFi and VyOS: [rule set-rule-Action], with the rule's number before or behind the letter.
_EDGE = re.compile(r"\[([^\[\]]{1,80})-([ADR])(?:-\d{1,12})?\]")
PREFIX_MAX = 128


def read(message: Message) -> Deny | None:
    """The refusal that a line tells of; None where its prefix names none."""
    whole = message.whole
    start = _START.search(whole)
    if start is None:
        return None
    edge = _EDGE.search(whole, max(0, start.start() - PREFIX_MAX), start.start())
    if edge is not None:
        refused, rule = edge[2] != "A", edge[1]
    else:
        rule, refused = _prefix(message, start.start())
    if not refused:
        return None
    # An ICMP error carries the packet it is about, in brackets: its ports are not this packet's.
    text = whole[start.start() :].partition("[SRC=")[0]
    fields: dict[str, str] = {}
    for found in _FIELD.finditer(text):
        fields.setdefault(found[1], found[2])
    return deny(
        fields.get("SRC", ""),
        fields.get("SPT"),
        fields.get("DST", ""),
        fields.get("DPT"),
        fields.get("PROTO"),
        rule,
        "packet filter",
    )


def _prefix(message: Message, end: int) -> tuple[str, bool | None]:
    """The administrator's words before ``IN=``, and what they say. What a header looks like may be such a word."""
    head = message.whole[max(0, end - PREFIX_MAX) : end]
    _, kernel, words = head.rpartition("kernel:")
    if not kernel:
        own = len(message.text) - (len(message.whole) - end)
        words = message.text[:own][-PREFIX_MAX:] if own > 0 else ""
    words = words.lstrip()
    if words.startswith("["):  # the kernel's own clock: [  307.757925]
        clock, closed, rest = words.partition("]")
        words = rest if closed and clock.strip("[ .0123456789") == "" else words
    said = verdict(words)
    if said is None and not kernel:
        words = message.app or head
        said = verdict(words)
    return words, said
