"""Toshiba Strata: what a DK prints of calls to 911 and of any other call, and what a CTX prints. Pure.

- E911 (DK424 Programming 5/00, p8-3; real line there). Columns from 1: S or E 1, trunk 2-4, primary number 7-10, station
  12-15, time 17-21, duration ``HH:MM;SS`` 23-30, station ID 43-52, always 911 61-63, name 65-80 (never read). The
  figure there collapses to ``E004 3710 3710 08:14 00:05;32 5833710 911 MARY M NO.200``.
- Any call (DK40 I&M p6-40, DK16 p7-26; real lines there), on the same port: line 1-3 (1-2 on a DK8 or DK16), ``*`` the
  caller hung up, station or ABAN, time, duration ``HH:MM;SS``, ring ``MM;SS`` (a call that came in), station it was
  transferred to, number, account, ``*`` answered, caller.
- Strata CTX (CTX I&M p9-29 to 9-31): the shape of Nortel's new format, with a node for the customer.
"""

from __future__ import annotations

import re

from agent.lines.smdr import nortel
from agent.lines.smdr.record import Call, Refused, field, hms_s

_SPAN = r"\d\d:[0-5]\d[;:][0-5]\d"
_E911 = re.compile(
    rf"([SE])(\d{{3}})  ?([\d ]{{4}}|\d{{1,4}}) +(\d{{1,4}}) +(\d\d:[0-5]\d)(?: +({_SPAN}))?(?: +(\d{{1,10}}))?? +911(?= |\Z)"
)
_ANY = re.compile(rf"(\d{{2,3}})(\*?) *([A-Z0-9]{{1,4}}) +(\d\d:[0-5]\d) +({_SPAN})(?= |\Z)")
_RING = re.compile(r" +(\d\d)[;:]([0-5]\d)(?= |\Z)")
_CTX = re.compile(r"[A-Z] {1,4}\d{1,5} ")
_NUMBER = re.compile(r"[0-9*#]{1,26}\Z")
SPECIAL = frozenset({"ABAN", "DISA", "MSS", "MODM"})
"""What stands for a station: a call given up, and calls through the switch to a line, a station, its modem."""


def waits(text: str) -> bool:
    """Whether lines with ``&`` may follow: after a CTX record only."""
    return _CTX.match(text) is not None and nortel.waits(text)


def read(text: str) -> Call | Refused:
    """One record of any of the three."""
    kind = text[:1]
    if _CTX.match(text) or text.lstrip().startswith("&"):
        return nortel.read(text)
    if kind in "SE" and text[1:4].isdigit():
        return _e911(text)
    if kind.isdigit() and text[1:2].isdigit():
        return _any(text)
    return Refused("neither a line nor a record type in column 1")


def _e911(text: str) -> Call | Refused:
    found = _E911.match(text)
    if found is None:
        return Refused("no stations, time, duration and 911 behind the trunk", near=True)
    kind, trunk, _, station, time, took, _ = found.groups()
    if kind == "E" and took is None:
        return Refused("no duration at the call's end", near=True)
    return Call(
        start=time,
        duration_s=hms_s(took) if took else None,
        trunk=trunk,
        direction="out",
        code=kind,
        station=station,
        phase="start" if kind == "S" else "end",
        dialled="911",
    )


def _any(text: str) -> Call | Refused:
    found = _ANY.match(text)
    if found is None:
        return Refused("no station, time and duration behind the line", near=True)
    line, _, station, time, took = found.groups()
    rest = text[found.end() :]
    ring = _RING.match(rest)
    call = Call(start=time, duration_s=hms_s(took), trunk=line, station=station, phase="whole")
    numbers = [word for word in rest[ring.end() if ring else 0 :].split() if word != "*"]
    if any(not _NUMBER.match(word) for word in numbers):
        return Refused("something that is no number behind the duration", near=True)
    if station in SPECIAL:
        call.code, call.station = station, None
    if station == "ABAN":
        call.answered, call.abandoned, call.direction = False, True, "in"
    elif ring:
        call.direction, call.answered = "in", True
        call.time_to_answer_s = int(ring[1]) * 60.0 + int(ring[2])
    else:
        call.direction = "in" if station == "MSS" else "out"
    _numbers(call, rest, numbers)
    return call


def _numbers(call: Call, rest: str, words: list[str]) -> None:
    """By columns where there are any: the number 5 behind ring and transfer, the caller 65 behind the duration."""
    if len(rest) > 12 and not field(rest, 1, 12):
        words = words[:1]  # nothing was transferred: the first one is the number
    if call.direction == "out":
        call.dialled = words[0] if words else None
    else:
        call.caller = field(rest, 51, 66) or next((word for word in words if len(word) >= 7), None)
