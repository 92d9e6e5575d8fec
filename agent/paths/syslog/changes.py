"""What a device says of itself that changes what its silence means: a new configuration, a failover. Pure.

Only the message's own identity is kept: what was changed and by whom stays in the device's log.
"""

from __future__ import annotations

import re
from typing import Literal

from agent.paths.syslog import asa, paloalto
from agent.paths.syslog.message import Message

Subject = Literal["config-change", "failover"]

# 111009 (a command that only shows) is none.
_ASA_CONFIG = frozenset({"111001", "111004", "111005", "111007", "111008", "111010"})
_ASA_FAILOVER = frozenset({"104001", "104002", "104003", "104004"})
_CISCO = re.compile(
    r"%((?:[A-Z0-9_]+-)*?(?:SYS-(?:[A-Z]{2}\d+-)?5-CONFIG_I|PARSER-5-CFGLOG_LOGGEDCMD|CONFIG-6-DB_COMMIT"
    r"|VSHD-5-VSHD_SYSLOG_CONFIG_I))\b"
)
_STANDBY = re.compile(
    r"%((?:HSRP|STANDBY|VRRP|GLBP)-\d-STATECHANGE)\b.{0,120}(?:->\s{0,2}(?:Active|Master)|(?:Active|Master)\s{0,2}->)"
)
_FORTI_ID = re.compile(r'\blogid="?(\d{8,10})')
_FORTI_CONFIG = frozenset({"0100044545", "0100044546", "0100044547"})
_FORTI_HA = re.compile(
    r"fail-?over|state (?:has )?(?:moved|changed?)|(?:became|becomes|selected|elected|new) (?:the )?(?:primary|master)"
    r"|member (?:dead|down|left)|switch",
    re.IGNORECASE,
)
_JUNOS = re.compile(r"\b(UI_COMMIT|UI_COMMIT_COMPLETED)\b")
_JUNOS_HA = re.compile(r"\b(JSRPD_(?:RG|REDUNDANCY|HA)\w{0,40}|JSRPD_\w{0,32}(?:STATE|FAILOVER)\w{0,16})")
_PAN_HA = re.compile(r"[Mm]oved from state|state-change|[Ff]ailover")
_MIKROTIK = re.compile(
    r"\b(filter|nat|mangle|raw|route|address) rule (added|changed|removed|moved) by|\b(nat|raw) changed by"
)
_SENSE = re.compile(r"Configuration Change|config-event: new_config")
_CARP = re.compile(
    r"\bcarp: .{0,80}?(?:BACKUP -> MASTER|MASTER -> (?:BACKUP|INIT)|INIT -> MASTER)"
    r"|\bEntering (?:MASTER|BACKUP) STATE"
)
_SONICWALL = re.compile(r"\bm=(1382|1383)\b")
_SONICWALL_HA = re.compile(
    r"(?:Primary|Secondary|Backup) (?:firewall|unit) has transitioned to (?:Active|Idle|Standby)"
)
_CHECKPOINT = re.compile(r'operation:{1,2}"Install Policy"|sys_message:{1,2}"installed ')
# One look for all: most messages have none of these.
_ANY = re.compile(
    r"(?:ASA|FTD|PIX|FWSM|ASAv)-|CONFIG_I|CFGLOG|DB_COMMIT|STATECHANGE|cfgpath=|logid=|UI_COMMIT|JSRPD_|,CONFIG,|,SYSTEM,"
    r"| rule (?:added|changed|removed|moved)|changed by|Configuration Change|new_config|carp: |Entering |\bm=138"
    r"|has transitioned|Install Policy|sys_message"
)


def change_of(message: Message) -> tuple[Subject, str] | None:
    """What has changed and the message's identity (``asa-111010``, ``UI_COMMIT``); None for any other message."""
    whole = message.whole
    if _ANY.search(whole) is None:
        return None
    tag = asa.TAG.search(whole)
    if tag is not None:
        if tag[1] in _ASA_CONFIG:
            return "config-change", f"asa-{tag[1]}"
        return ("failover", f"asa-{tag[1]}") if tag[1] in _ASA_FAILOVER else None
    if "logid=" in whole or "cfgpath=" in whole:
        return _fortigate(whole)
    if ",CONFIG," in whole or ",SYSTEM," in whole:
        return _paloalto(message)
    return _others(whole)


def _fortigate(whole: str) -> tuple[Subject, str] | None:
    found = _FORTI_ID.search(whole)
    identity = found[1] if found is not None else "cfgpath"
    if identity in _FORTI_CONFIG or " cfgpath=" in whole:
        return "config-change", f"fortigate-{identity}"
    if ('subtype="ha"' in whole or "subtype=ha" in whole) and _FORTI_HA.search(whole):
        return "failover", f"fortigate-{identity}"
    return None


def _paloalto(message: Message) -> tuple[Subject, str] | None:
    fields = paloalto.fields_of(message)
    if len(fields) > 3 and fields[3] == "CONFIG":
        return "config-change", "pan-config"
    if len(fields) > 4 and fields[3:5] == ["SYSTEM", "ha"] and _PAN_HA.search(message.whole):
        return "failover", "pan-ha"
    return None


def _others(whole: str) -> tuple[Subject, str] | None:
    for pattern in (_CISCO, _JUNOS):
        found = pattern.search(whole)
        if found is not None:
            return "config-change", found[1][:48]
    for pattern in (_STANDBY, _JUNOS_HA):
        found = pattern.search(whole)
        if found is not None:
            return "failover", found[1][:48]
    if _CARP.search(whole):
        return "failover", "vrrp-state"
    if _SONICWALL_HA.search(whole):
        return "failover", "sonicwall-ha"
    if "id=" in whole and _SONICWALL.search(whole):
        return "config-change", "sonicwall-configuration"
    if _MIKROTIK.search(whole):
        return "config-change", "routeros-rule"
    if _SENSE.search(whole):
        return "config-change", "pf-configuration"
    return ("config-change", "checkpoint-policy") if _CHECKPOINT.search(whole) else None
