"""What a line of a TL1 stream is: a header, an identification, an acknowledgement, an echo, or text. Pure."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from agent.lines.framing import Piece

_CONTROLS = dict.fromkeys((*range(32), *range(127, 160)), None) | {9: " "}
_HEADER = re.compile(
    r'\s*(?P<sid>"[^"]*"|\S+)\s+(?P<date>(?:\d\d)?\d\d-\d\d-\d\d)\s+(?P<time>\d\d:\d\d:\d\d)\s*\Z', re.ASCII
)
_REPORT = re.compile(
    r"(?:(?P<code>\*C|\*\*|\*\^?|AA|A\^?)(?=[\s\d])\s*)?(?:(?P<atag>(?!REPT\b)[^\s\"]+)\s+)?"
    r"(?P<verb>[A-Z]{2,12})(?:\s+(?P<mod1>\S+)(?:\s+(?P<mod2>\S.*))?)?\Z",
    re.ASCII,
)
_ANSWER = re.compile(r"M\s+(?P<ctag>\S+)\s+(?P<compl>COMPLD|DENY|PRTL|RTRV|DELAY)\s*(?P<end>[<>]?)\Z", re.ASCII)
_ACK = re.compile(r"(?P<acode>IP|PF|OK|NA|NG|RL)\s+(?P<ctag>\S{1,24})\Z", re.ASCII)
# A command as somebody typed it, echoed (Symmetricom: ECHO=ALW). It may hold a password: never passed on.
_ECHO = re.compile(
    r"(?:[^\s\"]{0,24}[<>;\]#$%])?\s*(?:ACT|ALW|CANC|CPY|DLT|ED|ENT|INH|INIT|OPR|RLS|RMV|RST|RTRV|SCHED|SET|STA|STP|SW|TST)-[A-Z0-9-]+:",
    re.ASCII,
)

Token = Literal["header", "report", "answer", "ack", "echo", "text", "end"]


class Line(NamedTuple):
    """A line (or a terminator), as text without control characters, and what its grammar found in it."""

    piece: Piece
    text: str
    match: re.Match[str] | None


def plain(data: bytes) -> str:
    """Latin-1, without control characters and outer spaces."""
    return data.decode("latin-1").translate(_CONTROLS).strip()


def is_header(line: bytes) -> bool:
    """Whether this is a message's first line: SID, date, time."""
    return _HEADER.match(plain(line)) is not None


def classify(piece: Piece, text: str, headed: bool) -> tuple[Token, Line]:
    """What this line or terminator is. Only after a header may an identification be other than REPT."""
    if piece.kind == "end":
        return "end", Line(piece, text, None)
    match = None if text[0] == text[-1] == '"' else _HEADER.match(text)
    if match:
        return "header", Line(piece, text, match)
    if text[0] == '"':
        return "text", Line(piece, text, None)
    match = _ANSWER.match(text)
    if match:
        return "answer", Line(piece, text, match)
    if headed or "REPT" in text:
        match = _REPORT.match(text)
        if match and (match["verb"] == "REPT" or (headed and _counts(match))):
            return "report", Line(piece, text, match)
    match = _ACK.match(text)
    if match:
        return "ack", Line(piece, text, match)
    return ("echo" if _ECHO.match(text) else "text"), Line(piece, text, None)


def _counts(match: re.Match[str]) -> bool:
    """Whether an identification other than REPT has a tag that counts, so that it is no chance line of words."""
    return any(ch.isdigit() for ch in match["atag"] or "")
