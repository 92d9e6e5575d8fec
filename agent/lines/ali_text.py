"""What the text of one ALI record says: whether it has a number and a place, and what kind of record it is. Pure.

The layout of the text is each vendor's and each state's own, so nothing is read by columns: a number, a place and a
class of service are known by their form. Sources: NENA 02-010 and NENA-STA-015.10 (classes of service, what a record
holds); a real CAD spill (Spillman KB0010099) and a call centre's own parser of the 30W layout (pastebin KC7bj4g0:
position, number, time, date, address, ESN, class, name, ``P#``, ``ALT#``, ``LEC:``, ``X`` and ``Y``); Bell BID-0013
and the Meridian 911 guide (NN43001-106 p. 422) for ANI failures, ``911-0YYY``; protocols.md section 2.1.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal, NamedTuple

from agent.lines.ali_framing import SEVEN_BITS
from agent.lines.ali_place import has_place

What = Literal["record", "no-record-found", "ani-failure", "broadcast", "query", "test", "heartbeat", "other"]

TEXT_LINES = 64
LINE_CHARS = 240
"""What is read of a record; no layout known is longer."""


class Told(NamedTuple):
    """One record. ``number``: the caller's, as printed; it never leaves the parser but by ``Callers``."""

    what: What
    position: str | None = None
    number: str | None = None
    has_place: bool = False
    trunk: str | None = None
    class_of_service: str | None = None


class Words(NamedTuple):
    """What the site file says of the text: ``folded`` beforehand, but for the digit."""

    no_record: str
    heartbeat: str | None
    record_digit: str


# -- from bytes to lines -----------------------------------------------------------------------------------------

_NOT_LINE = bytes(code for code in range(256) if code & 0x7F in (0x00, 0x7F))
_CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]+")
_LINE_END = re.compile(r"[\r\n\x0b\x0c]+")
_PRINTED = bytes(
    code for code in range(256) if 0x20 <= code & 0x7F < 0x7F or code & 0x7F in (0x00, 0x7F, 9, 10, 12, 13)
)
_EVEN = bytes(code for code in range(256) if code.bit_count() % 2 == 0)
_ODD = bytes(code for code in range(256) if code.bit_count() % 2)
_LOW = bytes(range(128))


def is_text(raw: bytes) -> bool:
    """Whether these bytes can be text at all: three in four are printed characters of one and the same parity."""
    unprinted = len(raw.translate(None, _PRINTED))
    high = len(raw.translate(None, _LOW))
    if high:
        high = min(high, len(raw.translate(None, _EVEN)), len(raw.translate(None, _ODD)))
    return 4 * (unprinted + high) <= len(raw)


def lines_of(raw: bytes) -> list[str]:
    """The record's lines: seven bits, without padding and control characters, none of them blank."""
    text = raw.translate(SEVEN_BITS, _NOT_LINE).decode("ascii")
    found = []
    for line in _LINE_END.split(text):
        line = _CONTROLS.sub("", line).replace("\t", " ").strip()
        if line:
            found.append(line[:LINE_CHARS])
            if len(found) == TEXT_LINES:
                break
    return found


@lru_cache(maxsize=64)
def folded(text: str) -> str:
    """``text`` as phrases are compared: capitals, one blank between words, no signs but ``#`` and ``$``."""
    return " ".join(_SIGNS.sub(" ", text.upper()).split())


_SIGNS = re.compile(r"[^A-Z0-9#$]+")

# -- the head ----------------------------------------------------------------------------------------------------

_HEAD = re.compile(r"(\d)(?: ?(\d{2,3}))?\Z")
_HEAD_INLINE = re.compile(r"(\d)(\d{2,3})\s+(?=\(?\d{3}\)?[ -]{0,2}\d{3}[ -]?\d{4}(?!\d))")
_BARE_POSITION = re.compile(r"(?:POS(?:ITION|N)?|STA(?:TION)?)?[ :#=.]{0,2}(\d{1,4})\Z", re.IGNORECASE)


def _head(lines: list[str]) -> tuple[str | None, str | None, list[str]]:
    """The message type's digit and the position in front of the text, and the lines after it."""
    if not lines:
        return None, None, lines
    alone = _HEAD.match(lines[0])
    if alone:
        return alone[1], alone[2], lines[1:]
    inline = _HEAD_INLINE.match(lines[0])
    if inline:
        return inline[1], inline[2], [lines[0][inline.end() :], *lines[1:]]
    bare = _BARE_POSITION.match(lines[0])
    if bare:
        return None, bare[1], lines[1:]
    return None, None, lines


# -- numbers -----------------------------------------------------------------------------------------------------

_NUMBER = re.compile(
    r"(?<![\d.])(?:1[ -]?)?(?:\(\s?(?P<a>\d{3})\s?\)\s{0,2}|(?P<b>\d{3})[-. /]?)"
    r"(?P<nxx>\d{3})[-. ]?(?P<xxxx>\d{4})(?![\d.]\d|\d)"
)
_SEVEN = re.compile(r"(?<![\d-])(?P<nxx>[2-9]\d\d)-(?P<xxxx>\d{4})(?![\d-])")
_LABEL = re.compile(
    r"(?:(?P<back>C(?:ALL)?[ -]?B(?:AC)?K|CALL[ -]?BACK|CBN|CB|CLBK|CPN|MDN|CALLER|CALLING|ANI|TN|TEL|PH(?:ONE)?)"
    r"|(?P<pani>P|P-?ANI|PILOT|ESR[KD]|ESQK|RTE?|ROUTE|KEY|MTN|MAIN)"
    r"|(?P<alt>ALT))\.?(?:[ ]?(?:NO|NUM|NUMBER|NBR))?\s?[#:=.]{0,2}\s?\Z",
    re.IGNORECASE,
)
_AGENCY = re.compile(
    r"\b(?:PD|POLICE|SHERIFF|SO|FIRE|FD|VFD|EMS|RESCUE|AMBULANCE|AMB|MEDIC|LAW|PATROL|TROOPER|HOSPITAL|POISON|LEC|TELCO"
    r"|PROVIDER|NOC|TRACE)\b",
    re.IGNORECASE,
)
_FAILED = re.compile(
    r"(?<![\d-])(?:(?:\(?(?P<npa>\d{3})\)?|\d)[ -]?)?911[ -]?0(?P<trunk>[0-9A-Z]{3})(?![\w-])"
    r"|(?<![\d-])(?:\(?000\)?[ -]?)?000[ -]?0000(?![\d-])",
    re.IGNORECASE,
)
_FAILED_WORDS = re.compile(
    r"\b(?:ANI (?:FAIL(?:URE|ED)?|NOT AVAILABLE|NOT RECEIVED|UNAVAILABLE|ERROR|TROUBLE)|NO ANI)\b"
)
FIRST_LINES = 3
"""The lines whose numbers are the caller's, whatever else stands on them; agencies' numbers come at the end."""


class _Number(NamedTuple):
    text: str
    rank: int  # the lower, the likelier the one to ring back
    at: int


def _ranked(line: str, index: int, found: re.Match[str]) -> _Number | None:
    npa, nxx = found["a"] or found["b"], found["nxx"]
    if npa[0] in "01" or nxx[0] in "01" or nxx == "911":
        return None
    label = _LABEL.search(line, max(0, found.start() - 16), found.start())
    if label and label["back"]:
        rank = 0
    elif label and label["alt"]:
        rank = 4
    elif label:
        rank = 2
    elif index >= FIRST_LINES and _AGENCY.search(line):
        return None
    else:
        rank = 1
    if nxx[1:] == "11":  # 511, 211 and so on: a pseudo-ANI that nobody can ring
        rank += 5
    return _Number(found[0], rank, index)


def _number(lines: list[str]) -> _Number | None:
    """The caller's number: a call-back number before a pseudo-ANI, the first before the later ones."""
    best: _Number | None = None
    for index, line in enumerate(lines):
        for found in _NUMBER.finditer(line):
            number = _ranked(line, index, found)
            if number is not None and (best is None or number.rank < best.rank):
                best = number
    if best is not None:
        return best
    for index, line in enumerate(lines[:FIRST_LINES]):
        local = _SEVEN.search(line)
        if local and local["nxx"] != "911":
            return _Number(local[0], 3, index)
    return None


def _failed(lines: list[str]) -> tuple[int, str | None] | None:
    """The first line that says that no number was received, and the trunk it names."""
    for index, line in enumerate(lines):
        for found in _FAILED.finditer(line):
            label = _LABEL.search(line, max(0, found.start() - 16), found.start())
            if label and not label["back"]:
                continue  # "ALT# 000-0000": an empty field
            trunk = found["trunk"]
            return index, trunk.upper() if trunk and trunk != "000" else None
    return None


# -- classes of service ------------------------------------------------------------------------------------------

CLASSES = frozenset(
    "RESD BUSN RPBX BPBX CNTX COIN COI1 COI2 PAY$ PAY1 PAY2 MOBL ROPX BOPX COCT NOTA VRES VBUS VPAY VMBL VNOM VENT "
    "WRLS WPH0 WPH1 WPH2 VOIP WDL1 WDL2 WCVC WDVC TLMA TELM SATL MLTS TEXT "
    "RSDX BSNX PBXR PBXB CNTR CTRX CENT RSID RESI BUSI CELL PCSW WRL1 WRL2 WIRE".split()
)
"""NENA's classes of service (NENA-STA-015.10 section 18, 02-010 exhibit 18) and spellings of vendors' own."""
SHORT_CLASSES = frozenset("RES BUS CTX PBX CEN PAY PCS CEL FX OPX".split())
"""Taken only where a line names an ESN or begins with a number: they are words or names elsewhere."""
_TOKEN = re.compile(r"(?<![\w$])(?:[A-Za-z]{3}\$|[A-Za-z]{2,4}\d?)(?![\w$])")
_ESN = re.compile(r"\bESN\b|\A\d{1,6}\b", re.IGNORECASE)


def _class_of(lines: list[str]) -> str | None:
    loose: str | None = None
    for line in lines:
        for token in _TOKEN.findall(line):
            upper = str(token).upper()
            if upper in CLASSES:
                return upper
            if loose is None and upper in SHORT_CLASSES and _ESN.search(line):
                loose = upper
    return loose


# -- queries -----------------------------------------------------------------------------------------------------

_QUERY = re.compile(r"(?P<digits>\d{7,17})[^\d]?\Z")
_QUERY_SIGNS = re.compile(r"[ ()/-]+")
_NPD_APART = re.compile(r"\d[ /-]")


def query(line: str) -> Told | None:
    """``NPD NXX XXXX position [trunk] [check]``, or ten digits and perhaps a position; None where it is no query.

    Ten digits that begin with 4 to 7 may be either (those NPD digits flash the display): the full number is taken.
    """
    found = _QUERY.match(_QUERY_SIGNS.sub("", line))
    if found is None or len(line) > 24:
        return None
    digits = found["digits"]
    failed = _query_failed(digits)
    if failed is not None:
        return failed
    if not _NPD_APART.match(line) and len(digits) >= 10 and digits[0] in "23456789" and digits[3] in "23456789":
        return Told("query", digits[10:13] or None, digits[:10])
    if len(digits) >= 8 and digits[0] in "012345678" and digits[1] in "23456789":
        return Told("query", digits[8:11] or None, digits[1:8])
    if len(digits) == 7 and digits[0] in "23456789":
        return Told("query", None, digits)
    return None


def _query_failed(digits: str) -> Told | None:
    """A query for a call whose number was not received: ``NPD 911 0TRK`` or noughts."""
    for start in (1, 3):
        if digits[start : start + 4] == "9110" and len(digits) >= start + 7:
            trunk = digits[start + 4 : start + 7]
            return Told("query", digits[start + 7 : start + 10] or None, None, trunk=None if trunk == "000" else trunk)
    if not digits[:10].strip("0") and len(digits) >= 8:
        return Told("query", digits[10:13] or None)
    return None


# -- what it is --------------------------------------------------------------------------------------------------

_NO_RECORD = re.compile(
    r"\b(?:NO (?:ALI )?RECORDS? (?:WAS |WERE )?(?:FOUND|AVAILABLE|EXISTS?)|RECORDS? NOT (?:FOUND|AVAILABLE|ON FILE)"
    r"|NO RECORD|NO ALI(?: FOUND| DATA| RECEIVED| INFO\w*| AVAILABLE)?|NO (?:DATA|MATCH|LISTING|LOCATION DATA) FOUND"
    r"|ALI (?:IS |DATA |INFO\w* |RECORD |SERVICE )?(?:NOT (?:AVAILABLE|FOUND|RECEIVED)|UNAVAILABLE)"
    r"|ALI (?:FAIL(?:URE|ED)?|ERROR|TIMEOUT|TIMED OUT|TIME OUT|REQUEST FAILED|LINK (?:DOWN|FAILURE)|OUT OF SERVICE)"
    r"|(?:TN|NUMBER) NOT (?:FOUND|ON FILE|IN DATABASE)|NOT ON FILE|NRF"
    r"|DATABASE (?:NOT AVAILABLE|UNAVAILABLE|DOWN|ERROR|FAILURE))\b"
)
_NO_PLACE_WORDS = re.compile(
    r"\b(?:(?:LOCATION|ADDRESS) (?:INFO\w* |DATA )?(?:NOT (?:AVAILABLE|FOUND)|UN(?:KNOWN|AVAILABLE))"
    r"|NO (?:LOCATION|ADDRESS))\b"
)
_BROADCAST = re.compile(
    r"\bBROADCAST\b|\bALL (?:PSAPS?|POSITIONS|STATIONS)\b|\bALI (?:SYSTEM|HOST|DATABASE) (?:WILL|IS)\b"
)
_TEST = re.compile(r"\b(?:TEST (?:MESSAGE|RECORD|CALL|QUERY|LINE|ONLY)|(?:ALI|LINK|LINE|SYSTEM|THIS IS A) TEST)\b")
_SHORT_TEST = re.compile(r"\bTEST(?:ING)?\b")
SHORT_CHARS = 80
BARE_HEARTBEATS = frozenset({"H", "HB", "HEARTBEAT", "HEART BEAT"})
"""What is a heartbeat where the site file names none."""
BARE_CHARS = 16
BROADCAST_DIGIT = "9"


_FOUR_DIGITS = re.compile(r"\d{4}")
_SAYS_NONE = ("NO", "ALI", "NRF", "DATABASE", "UNAVAIL")
"""No phrase of ``_NO_RECORD`` is without one of these; asked first, since most records have none of the phrases."""


def is_heartbeat(lines: list[str], words: Words) -> bool:
    """Whether the whole record is the link's sign of life."""
    if len(lines) > 4 or sum(map(len, lines)) > (LINE_CHARS if words.heartbeat else BARE_CHARS):
        return False
    text = folded(" ".join(lines))
    return text == words.heartbeat if words.heartbeat else text in BARE_HEARTBEATS


def _says_none(text: str, *, place: bool) -> bool:
    return bool(_NO_RECORD.search(text) or (not place and _NO_PLACE_WORDS.search(text)))


def read(lines: list[str], words: Words) -> Told:
    """What a record of these lines says. The order of the questions is the table of what outweighs what."""
    if is_heartbeat(lines, words):
        return Told("heartbeat")
    digit, position, rest = _head(lines)
    text = " ".join(_SIGNS.sub(" ", " ".join(rest).upper()).split())
    number = _number(rest) if _FOUR_DIGITS.search(text) else None
    failed = _failed(rest) if "911" in text or "000" in text else None
    served = _class_of(rest)
    place = bool(rest) and has_place(rest, CLASSES)
    printed = number.text if number else None
    if words.no_record in text or (any(word in text for word in _SAYS_NONE) and _says_none(text, place=place)):
        return Told("no-record-found", position, printed, False, failed[1] if failed else None, served)
    if (failed and (number is None or failed[0] < number.at or number.rank > 1)) or (
        number is None and "ANI" in text and _FAILED_WORDS.search(text)
    ):
        return Told("ani-failure", position, None, place, failed[1] if failed else None, served)
    if number is not None and place:
        return Told("record", position, printed, True, None, served)
    if _BROADCAST.search(text) or (digit == BROADCAST_DIGIT and words.record_digit != digit):
        return Told("broadcast", position)
    if _TEST.search(text) or (len(text) <= SHORT_CHARS and _SHORT_TEST.search(text)):
        return Told("test", position)
    meant = digit == words.record_digit if words.record_digit and digit else None
    if meant or (meant is None and (number is not None or place or served is not None)):
        return Told("record", position, printed, place, None, served)
    return Told("other", position, printed, place, None, served)
