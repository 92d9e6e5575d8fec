"""Panasonic KX-TD, TDA and NS (KX-NS1000 p222), patterns A and the like. Pure.

Date, time, extension, CO line, dialled number (``<I>`` incoming, ``<D>`` by direct dialling in, followed by the
caller's number), ring, duration ``HH:MM'SS``, account, condition code. The time is the call's end. Stars for a date:
the clock was changed.
"""

from __future__ import annotations

import re

from agent.lines.smdr.record import Call, Refused, hms_s, number

_LINE = re.compile(
    r"(\d\d/\d\d/\d\d|\*\*/\*\*/\*\*) +(\d\d:[0-5]\d(?: ?[AP]M)?|\*\*:\*\*(?:\*\*)?)"
    r"(?: +(\S{1,6}) +(\d{1,4})(?= |\Z)(.*))?\Z",
    re.IGNORECASE,
)
_TOOK = re.compile(r"(?<!\S)\d\d:[0-5]\d'[0-5]\d(?!\S)")
_RING = re.compile(r"(?<!\S)(\d{1,2})'([0-5]\d)(?!\S)")
_INCOMING = re.compile(r"<([ID])>? ?|<INCOMING>", re.IGNORECASE)
UNANSWERED, ANSWERED, PART = frozenset({"NA"}), frozenset({"AN"}), frozenset({"TR", "FW"})


def read(text: str) -> Call | Refused:
    """One record."""
    line = _LINE.match(text.strip())
    if line is None:
        return Refused("no date, time, extension and line")
    date, time, station, co, rest = line.groups()
    call = Call(start=f"{date} {time}")
    if date.startswith("*"):
        call.phase, call.trouble = "other", "clock-changed"
        if co is None:
            return call
    if co is None:
        return Refused("no extension and line")
    call.station, call.trunk = station, co
    took = _TOOK.search(rest)
    if took is None and call.trouble is None:
        return Refused("no duration")
    call.duration_s = hms_s(took[0]) if took else None
    head, tail = (rest[: took.start()], rest[took.end() :].split()) if took else (rest, [])
    ring = _RING.search(head)
    if ring:
        head = head[: ring.start()]
    call.code = tail[-1] if tail and tail[-1].isalpha() else None
    _number(call, head.strip())
    word = (call.code or "").upper()
    if word in UNANSWERED:
        call.answered = False
        call.abandoned = True if call.direction == "in" else None
    elif word in ANSWERED:
        call.answered = True
    if ring and call.answered is not False:
        call.time_to_answer_s = int(ring[1]) * 60.0 + int(ring[2])
    if word in PART:
        call.phase = "part"
    return call


def _number(call: Call, head: str) -> None:
    found = _INCOMING.match(head)
    if found is None:
        call.direction, call.dialled = "out", number(head)
    else:
        call.direction, call.caller = "in", number(head[found.end() :])
