"""Avaya (Lucent, AT&T) Definity: the "printer" and TELESEER formats (555-233-506, pages 1231 to 1256). Pure.

Columns from 1. A line has no date; its time is the call's end. Durations are hours, minutes and tenths of a minute. For
an incoming call the calling field holds the trunk's access code. Code 4 is a call of over 10 h, which goes on.
"""

from __future__ import annotations

from dataclasses import dataclass

from agent.lines.smdr.record import Call, Refused, blank, clock, field, number

INCOMING = "9"
UNANSWERED = frozenset("GHI")
"""G rings at a station, H is given up while it rings, I is busy."""
INEFFECTIVE = frozenset("EF")
"""E no facility free, F not allowed."""


@dataclass(frozen=True, slots=True)
class Layout:
    """First and last columns."""

    time: tuple[int, int]
    hours: tuple[int, int]
    minutes: tuple[int, int]
    tenths: int
    code: int
    dialled: tuple[int, int]
    calling: tuple[int, int]
    inward: tuple[int, int]
    outward: tuple[int, int]
    blanks: tuple[int, ...]


PRINTER = Layout((1, 4), (6, 6), (7, 8), 9, 11, (21, 35), (37, 41), (74, 76), (78, 80), (5, 10, 12, 16, 20, 36, 42))
TELESEER = Layout((4, 7), (8, 8), (9, 10), 11, 12, (19, 33), (34, 38), (56, 58), (59, 61), (1, 2, 3))


def read_printer(text: str) -> Call | Refused:
    """One record of the printer format."""
    return _read(text, PRINTER)


def read_teleseer(text: str) -> Call | Refused:
    """One record of the TELESEER format."""
    return _read(text, TELESEER)


def _read(text: str, layout: Layout) -> Call | Refused:
    if not blank(text, *layout.blanks):
        return Refused("something stands where this format has blanks")
    time = text[layout.time[0] - 1 : layout.time[1]]
    if len(time) != 4 or not time.isdigit() or not clock(time):
        return Refused(f"no time in columns {layout.time[0]} to {layout.time[1]}")
    hours, minutes = field(text, *layout.hours), field(text, *layout.minutes)
    tenths, code = field(text, layout.tenths, layout.tenths), field(text, layout.code, layout.code)
    if not (hours.isdigit() and minutes.isdigit() and tenths.isdigit()) or int(minutes) > 59:
        return Refused(f"no duration in columns {layout.hours[0]} to {layout.tenths}")
    if not code.isalnum():
        return Refused(f"no condition code in column {layout.code}")
    calling, dialled = field(text, *layout.calling), field(text, *layout.dialled)
    if not all(ch.isdigit() or ch in "#*" for ch in calling + dialled.replace(" ", "")):
        return Refused("no number where one must stand")
    call = Call(start=time, duration_s=int(hours) * 3600.0 + int(minutes) * 60.0 + int(tenths) * 6.0, code=code)
    call.phase = "part" if code == "4" else "whole"
    inward, outward = field(text, *layout.inward), field(text, *layout.outward)
    _direction(call, code, calling, dialled, inward, outward)
    if code.upper() in UNANSWERED:
        call.answered = False
        call.abandoned = True if code.upper() == "H" else None
    elif code.upper() in INEFFECTIVE:
        call.answered = False
        call.trouble = "all-lines-busy" if code.upper() == "E" else None
    return call


def _direction(call: Call, code: str, calling: str, dialled: str, inward: str, outward: str) -> None:
    if code == INCOMING or (inward and not outward):
        call.direction, call.station = "in", dialled or None
        call.trunk = "/".join(part for part in (calling, inward) if part) or None
    elif code == "0":
        call.direction, call.station, call.dialled = "internal", calling or None, number(dialled)
    else:
        call.direction, call.station, call.dialled = "out", calling or None, number(dialled)
        call.trunk = outward or None
