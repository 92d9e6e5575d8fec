"""Mitel SX-2000 and 3300 (smdr-reader DBInstaller.cs; tek-tips 1385904), standard and extended. Pure.

Columns from 1. Trunks begin with T or X; ``***`` for the time to answer: nobody answered. Where a terminal has
collapsed the blanks the words are read in their order, as far as that is certain.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from agent.lines.smdr.record import Call, Refused, field, hms_s, number

LONG = " -%+"
"""Column 1: under 5 minutes, 5 to 10, 10 to 30, above."""


@dataclass(frozen=True, slots=True)
class Layout:
    """First and last columns; ``took``: the width of a duration."""

    duration: tuple[int, int]
    calling: tuple[int, int]
    answer: tuple[int, int]
    digits: tuple[int, int]
    code: int
    called: tuple[int, int]
    transfer: int
    ani: tuple[int, int] | None
    took: int


STANDARD = Layout((15, 22), (24, 27), (29, 32), (34, 59), 60, (62, 65), 66, (92, 101), 8)
EXTENDED = Layout((15, 24), (26, 32), (34, 37), (39, 64), 65, (67, 73), 74, None, 10)
_WHEN = re.compile(r"[-%+ ]?\d\d/\d\d \d\d:[0-5]\d[apAP ]?")
_WORDS = re.compile(
    r"([-%+]?) ?(\d\d/\d\d) (\d\d:[0-5]\d[apAP]?) (\d{2,4}:[0-5]\d:[0-5]\d) (\S{1,7}) (\d{3,4}|\*{3,4}) "
    r"(?:(\S{1,26}) )??(?:([A-Z]) ?)?(\S{1,7})\Z"
)
_PARTY = re.compile(r"[TX]?\d{1,7}\Z")


def read_standard(text: str) -> Call | Refused:
    """One record of the standard format."""
    return _read(text, STANDARD)


def read_extended(text: str) -> Call | Refused:
    """One record of the extended format."""
    return _read(text, EXTENDED)


def _read(text: str, layout: Layout) -> Call | Refused:
    if text[:1] not in LONG:
        text = f" {text}"
    if not _WHEN.match(text):
        return Refused("no date and time in columns 2 to 13")
    took = field(text, *layout.duration)
    if hms_s(took) is not None and text[layout.duration[1] : layout.duration[1] + 1] == " " and text[13:14] == " ":
        party = field(text, *layout.calling)
        if _PARTY.match(party):
            return _columns(text, layout)
    return _words(text, layout)


def _columns(text: str, layout: Layout) -> Call | Refused:
    answer = field(text, *layout.answer)
    if not (answer == "" or answer.isdigit() or set(answer) == {"*"}):
        return Refused(f"no time to answer in columns {layout.answer[0]} to {layout.answer[1]}")
    called = field(text, *layout.called)
    call = _call(
        field(text, 2, 13), field(text, *layout.duration), field(text, *layout.calling), answer,
        field(text, *layout.digits), field(text, layout.code, layout.code), called,
    )  # fmt: skip
    if field(text, layout.transfer, layout.transfer) in ("T", "X", "C"):
        call.phase = "part"
    if call.direction == "in":
        call.caller = number(field(text, *layout.ani)) if layout.ani else None
    return call


def _words(text: str, layout: Layout) -> Call | Refused:
    found = _WORDS.match(re.sub(r" {2,}", " ", text).strip())
    if found is None:
        return Refused("the fields are not where this switch prints them")
    _, date, time, took, calling, answer, digits, code, called = found.groups()
    if len(took) != layout.took:
        return Refused("the duration has another width in this format")
    if not _PARTY.match(calling) or not _PARTY.match(called):
        return Refused("no extension or trunk where one must stand")
    return _call(f"{date} {time}", took, calling, answer, digits or "", code or "", called)


def _call(start: str, took: str, calling: str, answer: str, digits: str, code: str, called: str) -> Call:
    call = Call(start=start, duration_s=hms_s(took), code=code or None)
    if calling[:1] in ("T", "X"):
        call.direction, call.trunk, call.station = "in", calling, called or None
    elif called[:1] in ("T", "X"):
        call.direction, call.trunk, call.station = "out", called, calling
    elif code == "I" or called:
        call.direction, call.station = "internal", calling
    call.dialled = number(digits)
    if answer.isdigit():
        call.answered, call.time_to_answer_s = True, float(answer)
    elif answer:
        call.answered = False
        call.abandoned = True if call.direction == "in" else None
    return call
