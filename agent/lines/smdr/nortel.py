"""Nortel Meridian 1, SL-1 and Succession (NTP 553-2631-100; real lines: tek-tips 1082039, 1607822). Pure.

``type record customer originator terminator MM/DD HH:MM[:SS] duration digits``; the new format adds seconds and a
second line that begins with `` &`` and may hold the caller's number. A trunk is ``T`` route member, with or without the
blank.
"""

from __future__ import annotations

import re

from agent.lines.smdr.record import Call, Phase, Refused, hms_s

PHASES: dict[str, Phase] = {
    "N": "whole", "S": "start", "E": "end", "X": "part", "B": "whole", "L": "whole", "I": "other", "T": "other",
    "Q": "other", "R": "other", "F": "other", "A": "other", "C": "other", "P": "other", "D": "other", "M": "other",
    "G": "other", "H": "other", "K": "other", "O": "other", "U": "other", "V": "other", "W": "other", "Y": "other",
    "Z": "other",
}  # fmt: skip
"""N normal, S start, E end, X transfer, B abandoned, L internal, I init, T time change, Q R F ACD, A authorisation
code, C charge, P calling party."""
_HEAD = re.compile(r" ?([A-Z]) +(\d{1,5})(?: +(\d{1,2}))?(?= )")
_WHEN = re.compile(r" (\d\d/\d\d) +(\d\d:[0-5]\d(?::[0-5]\d)?)(?: +(\d{1,4}:[0-5]\d:[0-5]\d(?:\.\d{1,3})?))?(?= |\Z)")
_PARTY = re.compile(r"(?<!\S)(T\d{3} ?\d{3}|[A-Z]{1,4}\d{1,7}|\d{1,7}|[A-Z]{3,4})(?!\S)")
_TRUNK = re.compile(r"T\d{3} ?\d{3}\Z")
_DIGITS = re.compile(r"(?<![0-9A-Za-z#*])(?:[A-Z] ?)?([0-9*#]{3,32})(?![0-9A-Za-z#*])")


def join(first: str, second: str) -> str | None:
    """A second line of the new format, put after its record; None where it is no second line."""
    return f"{first} {second.lstrip()}" if second.lstrip().startswith("&") else None


def read(text: str) -> Call | Refused:
    """One record, its second line already behind it."""
    head = _HEAD.match(text)
    if head is None:
        return Refused("no record type and number at the beginning")
    when = _WHEN.search(text, head.end())
    if when is None:
        return Refused("no date and time")
    kind = head[1]
    parties = _PARTY.findall(text[head.end() : when.start()])
    call = Call(
        start=f"{when[1]} {when[2]}", duration_s=hms_s(when[3]) if when[3] else None, code=kind, phase=PHASES[kind]
    )
    call.record = head[2]
    if kind == "T":
        call.trouble = "clock-changed"
        return call
    if kind == "I" and not parties:
        return call
    if len(parties) < 2:
        return Refused("no originator and terminator")
    _parties(call, parties[0], parties[1])
    after = text[when.end() :]
    record, _, second = after.partition("&")
    digits = _DIGITS.search(record)
    clid = _DIGITS.search(second)
    if call.direction == "in":
        found = clid or digits
        call.caller = found[1] if found else None
    elif digits:
        call.dialled = digits[1]
    if kind == "B":
        call.abandoned, call.answered = True, False
    return call


def _parties(call: Call, origin: str, terminal: str) -> None:
    if _TRUNK.match(origin):
        call.direction, call.trunk, call.station = "in", origin, terminal
    elif _TRUNK.match(terminal):
        call.direction, call.trunk, call.station = "out", terminal, origin
    else:
        call.direction, call.station = "internal", origin
