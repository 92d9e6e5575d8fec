"""The literal table of points: what can be wrong, how badly, which lamp, which voice.

Severities are RFC 8632's. ``set_s`` and ``clear_s`` qualify a condition that Dialtone judges itself; one
that the sending equipment has already declared by its own timers (a TL1 ``REPT ALM``: T1.231 integrates a
loss of signal for 2.5 s) is raised as it arrives. ``set_by`` says what else qualifies: ``check`` the m of n
of a check, ``interval`` three of the expected intervals; ``clear_good`` how many good results clear it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from agent.panel import Lamp

Severity = Literal["critical", "major", "minor"]
HornClass = Literal["alarm", "trouble", "none"]


@dataclass(frozen=True, slots=True)
class PointType:
    """One row. ``horn_after_s``: how long it must stand before the horn takes it up."""

    name: str
    severity: Severity
    lamp: Lamp
    set_s: float
    clear_s: float
    latches: bool
    horn: HornClass
    horn_after_s: float = 0.0
    set_by: Literal["time", "check", "interval"] = "time"
    clear_good: int = 0


def _table(*rows: PointType) -> dict[str, PointType]:
    return {row.name: row for row in rows}


# fmt: off
POINTS: dict[str, PointType] = _table(
    #         type                  severity    lamp        set  clear  latches horn
    PointType("call-path",          "critical", "calls",      0,   60, True,  "alarm"),
    PointType("data-without-voice", "critical", "calls",      0,   60, True,  "alarm"),
    PointType("no-voice-button",    "critical", "calls",      0,   60, True,  "alarm"),
    PointType("one-way-audio",      "critical", "calls",      0,   60, True,  "alarm"),
    PointType("silence",            "critical", "calls",      0,   60, True,  "alarm"),
    PointType("voice-reported",     "minor",    "calls",      0,    0, False, "none"),
    PointType("diverted",           "minor",    "calls",      2,   10, False, "none"),
    PointType("trunk-group-down",   "critical", "trunks",     2,   10, True,  "alarm"),
    PointType("trunk-down",         "major",    "trunks",     2,   10, True,  "alarm"),
    PointType("trunk-partial",      "major",    "trunks",     2,   10, True,  "alarm"),
    PointType("los",                "major",    "trunks",     2,   10, True,  "alarm"),
    PointType("lof",                "major",    "trunks",     2,   10, True,  "alarm"),
    PointType("ais",                "major",    "trunks",     2,   10, True,  "alarm"),
    PointType("rai",                "major",    "trunks",     2,   10, True,  "alarm"),
    PointType("loopback",           "major",    "trunks",     2,   10, True,  "alarm"),
    PointType("link-quiet",         "major",    "calls",      0,    0, True,  "alarm", set_by="interval", clear_good=1),
    PointType("data-quality",       "major",    "calls",      0,    0, True,  "alarm", set_by="interval", clear_good=1),
    PointType("firewall-fault",     "major",    "firewall",   0,    0, True,  "alarm", set_by="check", clear_good=3),
    PointType("router-fault",       "major",    "router",     0,    0, True,  "alarm", set_by="check", clear_good=3),
    PointType("far-end-fault",      "major",    "far-end",    0,    0, True,  "alarm", set_by="check", clear_good=3),
    PointType("lan-fault",          "major",    "router",     0,    0, True,  "alarm", set_by="check", clear_good=3),
    PointType("reflector-fault",    "minor",    "far-end",    0,    0, True,  "trouble", 60, "check", clear_good=3),
    PointType("test-path-fault",    "minor",    "far-end",   10,   30, False, "trouble"),
    PointType("calls-refused",      "minor",    "firewall",   0,   30, False, "none"),
    PointType("interface-down",     "minor",    "router",     2,   10, False, "none"),
    PointType("device-restarted",   "minor",    "firewall",   0,    0, False, "none"),
    PointType("path-simplex",       "minor",    "far-end",   60,  300, False, "none"),
    PointType("certificate-expiry", "minor",    "firewall",  60,  300, False, "none"),
    PointType("ha-degraded",        "minor",    "firewall",  60,  300, False, "none"),
    PointType("line-errors",        "minor",    "trunks",    60,  300, False, "none"),
    PointType("power-on-battery",   "major",    "probe",      2,   10, True,  "alarm"),
    PointType("cpe-alarm",          "major",    "calls",      2,   10, True,  "alarm"),
    PointType("cpe-warning",        "minor",    "calls",      2,   10, False, "none"),
    PointType("generator-running",  "minor",    "probe",      2,   10, False, "none"),
    PointType("uplink-lost",        "minor",    "uplink",    60,   10, False, "trouble", horn_after_s=600 - 60),
    PointType("uplink-certificate", "minor", "uplink",    60,  300, False, "none"),
    PointType("nobody-knows",       "critical", "uplink",    60,    0, True,  "alarm"),
    PointType("sense-failed",       "minor",    "probe",     10,   30, False, "trouble"),
    PointType("port-lost",          "minor",    "probe",     10,   30, False, "trouble"),
    PointType("port-lent",          "minor",    "probe",      0,    0, False, "none"),
    PointType("journal-fault",      "minor",    "probe",     10,   30, False, "trouble"),
    PointType("clock-unsynced",     "minor",    "probe",     10,   30, False, "trouble"),
    PointType("host",               "minor",    "probe",     10,   30, False, "trouble"),
    PointType("link-down",          "minor",    "probe",     10,   30, False, "trouble"),
    PointType("panel-fault",        "minor",    "probe",     10,   30, False, "trouble"),
    PointType("button-stuck",       "minor",    "probe",     10,   30, False, "trouble"),
    PointType("config-rejected",    "minor",    "probe",     10,   30, False, "trouble"),
)
# fmt: on

FAULT_OF_ROLE: dict[str, str] = {
    "lan": "lan-fault",
    "firewall": "firewall-fault",
    "router": "router-fault",
    "far-end": "far-end-fault",
    "reflector": "reflector-fault",
}


@lru_cache(maxsize=4096)
def slug(text: str) -> str:
    """``text`` as part of a point id and of a topic: ``[a-z0-9-]``, at most 32 characters, never empty.

    Different texts may meet in one slug (``T1-1`` and ``t1.1``); what must stay apart carries the text
    itself in its detail.
    """
    out = "".join(ch if "a" <= ch <= "z" or "0" <= ch <= "9" else "-" for ch in text.lower())[:32]
    return out.strip("-") or "x"


def point_id(resource: str, type_name: str, qualifier: str) -> str:
    """``resource_type_qualifier``, a safe topic level, for example ``bank-a_los_t1-1``."""
    return f"{slug(resource)}_{type_name}_{slug(qualifier)}"


HOST_POINTS = {
    "journal": "journal-fault",
    "learned": "journal-fault",
    "panel": "panel-fault",
    "button": "button-stuck",
    "core": "sense-failed",
    "listen": "sense-failed",
    "link": "link-down",
    "clock-sync": "clock-unsynced",
    "temperature": "host",
    "under-voltage": "host",
    "disk": "host",
    "memory": "host",
    "config": "config-rejected",
}
"""What a reading of the box itself raises, by its sense."""
