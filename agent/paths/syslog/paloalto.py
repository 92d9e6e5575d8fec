"""Palo Alto Networks: TRAFFIC and THREAT logs, comma-separated. Pure.

Source: PAN-OS Administrator's Guide, "Syslog Field Descriptions"; real lines: elastic/integrations panw tests. Fields
from 0: 3 type, 4 subtype, 7 source, 8 destination, 11 rule, 24 and 25 ports, 29 protocol, 30 action, 46 why the
session ended. Older versions are shorter at the end; a syslog header may or may not stand before.
"""

from __future__ import annotations

import csv
import re

from agent.paths.syslog.deny import Deny, deny
from agent.paths.syslog.message import Message

_START = re.compile(r"(?:(?<=[\s>])|\A)\d{0,2},\d{4}/\d\d/\d\d \d\d:\d\d:\d\d,")
_REFUSES = ("deny", "drop", "reset", "block", "random-drop", "syncookie")
SHORTEST = 31


def fields_of(message: Message) -> list[str]:
    """The record's fields; none where there is no record."""
    start = _START.search(message.whole)
    if start is None:
        return []
    try:
        return next(csv.reader((message.whole[start.start() :],)), [])
    except csv.Error:
        return []


def read(message: Message) -> Deny | None:
    """The refusal that a record tells of."""
    fields = fields_of(message)
    if len(fields) < SHORTEST or fields[3] not in ("TRAFFIC", "THREAT"):
        return None
    action = fields[30].strip().lower()
    refused = action.startswith(_REFUSES) or (fields[3] == "TRAFFIC" and fields[4] in ("drop", "deny"))
    if not refused or action == "allow":
        return None
    ended = fields[46] if fields[3] == "TRAFFIC" and len(fields) > 46 else ""
    reason = ended if ended and not ended.isdigit() else f"{fields[3].lower()} {action}"
    return deny(fields[7], fields[24], fields[8], fields[25], fields[29], fields[11], reason[:32])
