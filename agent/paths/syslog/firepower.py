"""Cisco Firepower Threat Defense connection events, 430002 (begin) and 430003 (end). Pure.

Source: Cisco Secure Firewall Threat Defense Syslog Messages, "Security Event Syslog Messages"; real lines:
elastic/integrations cisco_ftd test-security-connection.log. Values are not quoted and may hold commas and colons, so
each is read by its own key.
"""

from __future__ import annotations

import re

from agent.paths.syslog.deny import Deny, deny
from agent.paths.syslog.message import Message

_EVENT = re.compile(r"(?:FTD|NGIPS)-(?:[A-Za-z0-9_]{1,16}-)?\d-43000[1235]\b")
_FIELD = re.compile(
    r"(?:(?<=[:,] )|(?<=,))(AccessControlRuleAction|AccessControlRuleReason|InlineResult|SrcIP|DstIP|SrcPort|DstPort"
    r"|Protocol|AccessControlRuleName): ?([^,]{1,128})"
)


def read(message: Message) -> Deny | None:
    """The refusal that an event tells of: its action is one of "Block", "Block with reset", "Interactive Block"."""
    tag = _EVENT.search(message.whole)
    if tag is None:
        return None
    fields: dict[str, str] = {}
    for found in _FIELD.finditer(message.whole, tag.end()):
        fields.setdefault(found[1], found[2].strip())
    action = fields.get("AccessControlRuleAction", "") or fields.get("InlineResult", "")
    if "block" not in action.lower() and "drop" not in action.lower():
        return None
    return deny(
        fields.get("SrcIP", ""),
        fields.get("SrcPort"),
        fields.get("DstIP", ""),
        fields.get("DstPort"),
        fields.get("Protocol"),
        fields.get("AccessControlRuleName"),
        action.lower()[:32],
    )
