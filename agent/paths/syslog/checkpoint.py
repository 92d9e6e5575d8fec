"""Check Point Log Exporter, format "syslog": ``[key:"value"; key:"value"]``. Pure.

Source: Check Point sk122323 and sk144192; real lines: elastic/integrations checkpoint tests. ``service`` is the port. A
record of optimized drops lists its packets: ``<source,port,destination,port,protocol;interface>``.
"""

from __future__ import annotations

import re

from agent.paths.syslog.deny import Deny, deny
from agent.paths.syslog.message import Message

PACKETS_MAX = 64
_FIELD = re.compile(r'(?<=[\[; ])([a-z_]{1,32}):{1,2}"([^"\\]*(?:\\.[^"\\]*)*)"')
_PACKET = re.compile(r"<([^,<>]{2,64}),(\d{0,5}),([^,<>]{2,64}),(\d{0,5}),(\d{1,3})[;>]")
_REFUSES = frozenset({"drop", "reject", "block", "prevent", "deny"})


def fields_of(message: Message) -> dict[str, str]:
    """The record's fields, the first of a name."""
    fields: dict[str, str] = {}
    for found in _FIELD.finditer(message.whole):
        fields.setdefault(found[1], found[2])
    return fields


def read(message: Message) -> tuple[Deny, ...]:
    """The refusals that a record tells of."""
    fields = fields_of(message)
    action = (fields.get("action") or fields.get("rule_action") or "").lower()
    if action not in _REFUSES:
        return ()
    rule = fields.get("rule_name") or fields.get("rule")
    reason = "out of state" if "tcp_packet_out_of_state" in fields else action
    if "packets" in fields:
        packets = list(_PACKET.finditer(fields["packets"]))[:PACKETS_MAX]
        found = (deny(p[1], p[2], p[3], p[4], p[5], rule, reason) for p in packets)
        return tuple(one for one in found if one is not None)
    one = deny(
        fields.get("src", ""),
        fields.get("s_port"),
        fields.get("dst", ""),
        fields.get("service"),
        fields.get("proto"),
        rule,
        reason,
    )
    return () if one is None else (one,)
