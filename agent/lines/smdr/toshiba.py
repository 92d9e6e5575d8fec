"""Toshiba Strata DK: the E911 record of a call to 911 from one of its stations (DK424 manual p8-3). Pure.

Columns from 1: S or E 1, trunk 2-4, primary number 7-10, station 12-15, time 17-21, duration 23-30, station ID 43-52,
always 911 in 61-63, name 65-80 (never read).
"""

from __future__ import annotations

from agent.lines.smdr.record import Call, Refused, blank, clock, field, hms_s


def read(text: str) -> Call | Refused:
    """One record."""
    kind = text[:1]
    if kind not in ("S", "E"):
        return Refused("neither S nor E in column 1")
    if not field(text, 2, 4).isdigit():
        return Refused("no trunk in columns 2 to 4")
    if not blank(text, 5, 6, 11, 16, 22) or not clock(field(text, 17, 21)):
        return Refused("no time in columns 17 to 21")
    if field(text, 61, 63) != "911":
        return Refused("no 911 in columns 61 to 63")
    took = field(text, 23, 30)
    duration_s = hms_s(took) if took else None
    if took and duration_s is None:
        return Refused("no duration in columns 23 to 30")
    return Call(
        start=field(text, 17, 21),
        duration_s=duration_s,
        trunk=field(text, 2, 4),
        direction="out",
        code=kind,
        station=field(text, 12, 15) or None,
        phase="start" if kind == "S" else "end",
        dialled="911",
    )
