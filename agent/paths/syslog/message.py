"""One syslog message taken apart: RFC 5424, RFC 3164, and what devices send that is neither. Pure.

Liberal as a collector must be: nothing is refused. What can't be told apart stays in ``text``; the clock of the
device is kept as it stands, since nothing is dated by it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

BYTES_MAX = 8192
"""The longest message that is looked at (RFC 5425 section 4.3.1 asks for as much); what follows is left out."""
PARAMS_MAX = 128
_PEELS = 10

_PRI = re.compile(r"\s{0,8}<(\d{1,5})>")
_5424 = re.compile(
    r"([1-9]\d?) +(-|\d{4}-\d\d-\d\d[T ]\S{1,40}) (\S{1,255}) (\S{1,255}) (\S{1,128}) (\S{1,64})(?: |\Z)"
)
_ELEMENT = re.compile(r'\[([^\s="\]]{1,64})')
_PARAM = re.compile(r'\s*([^\s="\]]{1,64})="([^"\\\]]*(?:\\.[^"\\\]]*)*)"', re.DOTALL)
_ESCAPED = re.compile(r'\\(["\\\]])')
_STAMP = re.compile(
    r"[*.]?(?:[A-Z][a-z]{2} {1,2}\d{1,2},?(?: \d{4})? \d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?: \d{4}(?=[ :]))?"
    r"|\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?"
    r"|\d{1,3}[ywd]\d{1,2}[wdh]|\d{1,2}:\d\d:\d\d)"
    r"(?: (?:UTC|GMT|[A-Z]{1,4}T|[a-z]{1,4}t)(?:[+-]\d\d?(?::?\d\d)?)?(?=: ))?"
    r"(?=[\s:]|\Z)"
)
_FILLER = re.compile(r"[\s:]{1,32}")
_NUMBER = re.compile(r"\d{1,12}:(?=\s)")  # Cisco's sequence number
_LEVEL = re.compile(r"([a-z]{2,8}\d?)\.([a-z]{3,13}):?(?=\s)", re.IGNORECASE)  # what PRI means, in words
_HOST = re.compile(r"([A-Za-z0-9_][A-Za-z0-9_.:-]{0,254})(?=\s)")
_TAG = re.compile(r"([^\s\[\]:=,%\"<>]{1,64})(?:\[[^\]\s]{0,32}\])?:(?=\s|\Z)")

_FACILITIES = {
    name: number
    for number, name in enumerate(
        "kern user mail daemon auth syslog lpr news uucp cron authpriv ftp ntp audit alert clock".split()
    )
} | {f"local{n}": 16 + n for n in range(8)}
_SEVERITIES = {
    "emerg": 0, "emergency": 0, "panic": 0, "alert": 1, "crit": 2, "critical": 2, "err": 3, "error": 3,
    "warn": 4, "warning": 4, "notice": 5, "info": 6, "informational": 6, "information": 6, "debug": 7,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Message:
    """``whole`` is everything behind PRI, ``text`` what stands behind the header.

    ``facility`` (0 to 23) and ``severity`` (0 to 7) are None without a valid PRI (RFC 5424 section 6.2.1).
    ``host``, ``app``, ``id`` and ``stamp`` are "" where not given (NILVALUE too). ``data``: the parameters of the
    structured data, the first of a name.
    """

    whole: str
    text: str
    facility: int | None = None
    severity: int | None = None
    host: str = ""
    app: str = ""
    id: str = ""
    stamp: str = ""
    data: Mapping[str, str] = field(default_factory=dict)


def parse(data: bytes) -> Message:
    """A datagram's or a frame's message. Never raises; bytes that are no UTF-8 become U+FFFD."""
    whole = data[:BYTES_MAX].decode("utf-8", "replace").rstrip("\r\n\0 ")
    whole = whole.removeprefix("\ufeff")
    facility = severity = None
    pri = _PRI.match(whole)
    if pri is not None:
        whole = whole[pri.end() :]
        number = int(pri[1])
        if number <= 191:
            facility, severity = divmod(number, 8)
    modern = _5424.match(whole)
    if modern is not None:
        return _modern(whole, modern, facility, severity)
    return _old(whole, facility, severity)


def _modern(whole: str, head: re.Match[str], facility: int | None, severity: int | None) -> Message:
    """RFC 5424 section 6. What should be structured data and is none stays text."""
    _version, stamp, host, app, _process, identity = ("" if part == "-" else part for part in head.groups())
    at = head.end()
    params: dict[str, str] = {}
    if whole.startswith("-", at) and (len(whole) == at + 1 or whole[at + 1] == " "):
        at += 1
    else:
        at = _structured(whole, at, params)
    text = whole[at:].removeprefix(" ").removeprefix("\ufeff")
    return Message(whole, text, facility, severity, host, app, identity, stamp, params)


def _structured(whole: str, at: int, params: dict[str, str]) -> int:
    """The end of the structured data (RFC 5424 section 6.3) that begins at ``at``; ``at`` where there is none."""
    element = _ELEMENT.match(whole, at)
    while element is not None:
        here = element.end()
        param = _PARAM.match(whole, here)
        while param is not None:
            if len(params) < PARAMS_MAX:
                value = param[2]
                params.setdefault(param[1], _ESCAPED.sub(r"\1", value) if "\\" in value else value)
            here = param.end()
            param = _PARAM.match(whole, here)
        if not whole.startswith("]", here):
            # Junos writes typographic quotes in some values: what was read stands, the rest is text.
            return here if params else at
        at = here + 1
        element = _ELEMENT.match(whole, at)
    return at


def _old(whole: str, facility: int | None, severity: int | None) -> Message:
    """RFC 3164, and the headers that devices make of it: any order of clocks, numbers and names, or none at all."""
    host = app = stamp = ""
    at = 0
    for _ in range(_PEELS):
        filler = _FILLER.match(whole, at)
        at = filler.end() if filler is not None else at
        found = _STAMP.match(whole, at)
        if found is not None:
            stamp, at = stamp or found[0].lstrip("*."), found.end()
            continue
        found = _NUMBER.match(whole, at)
        if found is not None:
            at = found.end()
            continue
        found = _LEVEL.match(whole, at)
        if found is not None and found[2].lower() in _SEVERITIES:
            if severity is None:
                facility, severity = _FACILITIES.get(found[1].lower()), _SEVERITIES[found[2].lower()]
            at = found.end()
            continue
        found = _HOST.match(whole, at) if stamp and not host else None
        if found is not None and not found[1].endswith(":"):
            host, at = found[1], found.end()
            continue
        found = _TAG.match(whole, at)
        if found is None:
            break
        rest = whole[found.end() : found.end() + 64].lstrip()
        if not host and (rest.startswith("%") or _STAMP.match(rest) or _NUMBER.match(rest)):
            host, at = found[1], found.end()  # Cisco: "name: 12: *Mar  1 00:00:00: %SYS-…"
            continue
        app, at = found[1], found.end()
        break
    filler = _FILLER.match(whole, at)
    return Message(whole, whole[filler.end() if filler is not None else at :], facility, severity, host, app, "", stamp)
