"""Nortel Meridian 1, SL-1, Succession and CS 1000 (NTP 553-2631-100; real lines: tek-tips 1082039, 1607822). Pure.

``type record customer originator terminator MM/DD HH:MM[:SS] duration [A] digits``, in columns or with collapsed
blanks. The new format adds seconds, tenths, and lines that begin with `` &`` and may hold the caller's number. A trunk
is ``T`` route member, with or without the blank; ``A`` for ``T`` once answer supervision was received. The record types
are those of the NTP's table (tek-tips 1607822). Toshiba's Strata CTX prints the same shape (see ``toshiba``).
"""

from __future__ import annotations

import re

from agent.lines.smdr.record import Call, Phase, Refused, hms_s

PHASES: dict[str, Phase] = {
    "N": "whole",  # normal
    "B": "whole",  # abandoned
    "L": "whole",  # internal
    "S": "start",  # start of a call that was extended
    "X": "part",  # transfer
    "E": "end",  # end of such a call
    "Q": "part",  # connection of a trunk to an ACD agent
    "R": "part",  # the same, transferred
    "F": "part",  # the same, conferenced
    "A": "other",  # authorisation code
    "C": "other",  # charge (account) code
    "D": "other",  # station activity
    "G": "other",  # internal data call
    "H": "other",  # external data call
    "I": "other",  # initialisation
    "M": "other",  # charge for a conference
    "P": "other",  # calling party number
    "T": "other",  # time of day changed
    "Y": "other",  # public network feature
}
TIMED = frozenset("NXELQRF")
"""Types that always tell how long: without it the line was cut."""
SECRET = frozenset("AC")
"""Types whose digits are a code that a person keys in; it is never told."""
_HEAD = re.compile(r" ?([A-Z]) {1,4}(\d{1,5})(?: {1,4}(\d{1,2}))?(?= )")
_DAY = r"(?:[0-2]\d|3[01])/(?:[0-2]\d|3[01])(?:/\d\d(?:\d\d)?)?"
_TIME = r"(?:[01]\d|2[0-4]):[0-5]\d(?::[0-5]\d)?"
_WHEN = re.compile(rf" ({_DAY}) +({_TIME})(?: +(\d{{1,4}}:[0-5]\d:[0-5]\d(?:\.\d)?))?(?= |\Z)")
_PARTY = re.compile(r" +([TA]\d{3}(?: \d{3}|\d{3,5})|[A-Z]{0,4}\d{1,7}|[A-Z]{3,4})(?= |\Z)")
_TRUNK = re.compile(r"[TA]\d{3}(?: \d{3}|\d{3,5})\Z")
_TAIL = re.compile(r"[0-9A-Z*#$.,/+ -]*\Z")
_DIGITS = re.compile(r"(?<![0-9A-Z#*])(?:[A-Z]{1,2} {0,2})?([0-9*#]{2,32})X*(?![0-9A-Z#*])")
_CLID = re.compile(r"(?<![0-9A-Z])(\d{7,16})X*(?![0-9A-Z])")


def waits(text: str) -> bool:
    """Whether lines with ``&`` may follow."""
    return _HEAD.match(text.upper()) is not None


def read_old(text: str) -> Call | Refused:
    """One record of the old format."""
    if text.lstrip().startswith("&"):
        return Refused("a continued line: this is the new format", near=True)
    return read(text)


def read(text: str) -> Call | Refused:
    """One record of either format."""
    line, _, more = text.upper().partition("\n")
    head = _HEAD.match(line)
    if head is None or head[1] not in PHASES:
        if line.lstrip().startswith("&"):
            return Refused("a continued line without its record", near=True)
        return Refused("no record type and number at the beginning")
    kind = head[1]
    when = _WHEN.search(line, head.end())
    if when is None:
        return Refused("no date and time", near=True)
    duration_s = hms_s(when[3]) if when[3] else None
    if duration_s is None and kind in TIMED:
        return Refused("no duration", near=True)
    tail = line[when.end() :]
    if _TAIL.match(tail) is None and kind != "T":
        return Refused("something that is no digits behind the duration", near=True)
    parties = _parties(line[head.end() : when.start()])
    if parties is None or (len(parties) < 2 and PHASES[kind] != "other"):
        return Refused("no originator and terminator", near=True)
    call = Call(start=f"{when[1]} {when[2]}", duration_s=duration_s, code=kind, phase=PHASES[kind], record=head[2])
    _ends(call, parties)
    _numbers(call, kind, tail, more)
    if kind == "T":
        call.trouble = "clock-changed"
    elif kind == "B":
        call.abandoned, call.answered = True, False
    return call


def _parties(text: str) -> list[str] | None:
    """The originator, the terminator and what else stands there; None where anything is no party."""
    found, at = [], 0
    while at < len(text) and text[at:].strip():
        party = _PARTY.match(text, at)
        if party is None or len(found) == 4:
            return None
        found.append(party[1])
        at = party.end()
    return found


def _ends(call: Call, parties: list[str]) -> None:
    trunks = [_TRUNK.match(party) is not None for party in parties[:2]]
    if trunks[:1] == [True]:
        call.direction, call.trunk = "in", parties[0]
        call.station = parties[1] if trunks == [True, False] else None
    elif trunks == [False, True]:
        call.direction, call.trunk, call.station = "out", parties[1], parties[0]
        call.answered = True if parties[1].startswith("A") else None
    elif len(parties) >= 2:
        call.direction, call.station = "internal", parties[0]
    elif parties:
        call.station = parties[0]


def _numbers(call: Call, kind: str, tail: str, more: str) -> None:
    """The caller's number stands on a continued line, or among the digits of a call that came in."""
    digits = None if kind in SECRET else _DIGITS.search(tail)
    clid = _CLID.search(more)
    if clid:
        call.caller = clid[1]
        call.dialled = digits[1] if digits else None
    elif digits and (call.direction == "in" or kind == "P"):
        call.caller = digits[1]
    elif digits:
        call.dialled = digits[1]
