"""Firewalls that log ``key=value``: FortiGate, Sophos, NetScreen, Meraki, Check Point's exporter; CEF and LEEF. Pure.

Source: FortiOS Log Message Reference (type traffic: action deny; 4.x and 5.0: status=deny; type utm: blocked), Sophos
Firewall Syslog Guide (log_subtype "Denied"), ScreenOS Messages Log Reference (action=Deny), Meraki Syslog Event Types
(pattern: deny all), ArcSight Common Event Format and IBM LEEF 2.0; real lines: elastic/integrations fortinet_fortigate.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from agent.paths.syslog.deny import Deny, deny
from agent.paths.syslog.message import Message

PAIRS_MAX = 160
# Separated by blanks, commas, semicolons, bars or tabs, as the device is set.
_PAIR = re.compile(r'(?:(?<=[\s,;|])|\A)([A-Za-z_][A-Za-z0-9_.-]{0,40})=(?:"([^"\\]*(?:\\.[^"\\]*)*)"|([^\s",;|]*))')
_PATTERN = re.compile(r"\bpattern: (?:\d+ )?(deny|allow)\b")
_ACTIONS = ("action", "status", "act", "log_subtype", "fw_action", "disposition", "firewall_action", "subtype")
_REFUSES = frozenset(
    "deny denied drop dropped block blocked reject rejected reset discard discarded prevent prevented".split()
)
_PASSES = frozenset("accept accepted allow allowed pass passed permit passthrough".split())
_SOURCE = ("srcip", "src_ip", "src", "source_ip", "s_ip", "srcaddr", "source")
_TARGET = ("dstip", "dst_ip", "dst", "destination_ip", "d_ip", "dstaddr", "destination")
_SPORT = ("srcport", "src_port", "spt", "sport", "s_port", "source_port", "sourceport")
_DPORT = ("dstport", "dst_port", "dpt", "dport", "d_port", "destination_port", "destport", "service")
_PROTO = ("proto", "protocol", "ip_protocol", "transport")
_RULE = ("policyname", "fw_rule_name", "rule_name", "rule", "policy_name", "fw_rule_id", "policyid", "policy_id", "cs1")


def pairs_of(text: str) -> dict[str, str]:
    """The pairs of a line, keys in lower case, the first of a name; at most ``PAIRS_MAX``."""
    fields: dict[str, str] = {}
    for found in _PAIR.finditer(text):
        if len(fields) >= PAIRS_MAX:
            break
        fields.setdefault(found[1].lower(), (found[2] if found[2] is not None else found[3]).strip())
    return fields


def read(message: Message) -> Deny | None:
    """The refusal that a line tells of."""
    fields = pairs_of(message.whole)
    reason = _refusal(message.whole, fields)
    if reason is None:
        return None
    rule = _first(fields, _RULE)
    if rule is not None and rule.isdigit():
        rule = f"policy {rule}"
    source, target = _first(fields, _SOURCE), _first(fields, _TARGET)
    sport, dport = _first(fields, _SPORT), _first(fields, _DPORT)
    return deny(source or "", sport, target or "", dport, _first(fields, _PROTO), rule, reason)


def _refusal(text: str, fields: Mapping[str, str]) -> str | None:
    """What kind of refusal; None for what passes, or says nothing of passing."""
    found = _PATTERN.search(text)
    if found is not None:
        return "denied by policy" if found[1] == "deny" else None
    if fields.get("type", "traffic").lower() == "event":
        return None  # FortiOS: a login refused is no packet refused
    for key in _ACTIONS:
        word = fields.get(key, "").lower().partition(" ")[0].partition("-")[0]
        if word in _REFUSES:
            kind = fields.get("subtype", "") if key != "subtype" else ""
            return f"{kind} {word}".strip()[:32]
        if word in _PASSES:
            return None
    return None


def _first(fields: Mapping[str, str], keys: Iterable[str]) -> str | None:
    return next((fields[key] for key in keys if fields.get(key)), None)
