"""Whether the text of an ALI record says where the caller is: by the form of its lines, never by columns. Pure.

A place is a street address, a road, an intersection, a town with its state, a labelled address, or coordinates that
are not nought (the 30W layout prints ``X`` and ``Y`` even where it has none).
"""

from __future__ import annotations

import re
from collections.abc import Set

# -- coordinates -------------------------------------------------------------------------------------------------

_LABELLED = re.compile(
    r"\b(?:LATITUDE|LAT|LONGITUDE|LONG|LON|LNG|X|Y)\s?[:=#]?\s?([NSEW]?\s?[+-]?\d{1,3}\.\d{2,})", re.IGNORECASE
)
_DECIMAL = re.compile(r"(?<![\d.])[NSEW]?[+-]?(\d{1,3}\.\d{4,9})(?![\d.])")
_DEGREES = re.compile(
    r"(?<![A-Z])[NSEW]\s?\d{1,3}[ :*-]\s?\d{1,2}[ :'-]\s?\d{1,2}"
    r"|(?<!\d)\d{1,3}[ :*-]\s?\d{1,2}[ :'-]\s?\d{1,2}(?:\.\d+)?[\" ]?\s?[NSEW]\b",
    re.IGNORECASE,
)
_NOUGHT = re.compile(r"[^1-9]*\Z")


def _coordinates(lines: list[str]) -> bool:
    found = 0
    for line in lines:
        found += sum(1 for value in _DEGREES.findall(line) if not _NOUGHT.match(value))
        if "." not in line:
            continue
        values = _LABELLED.findall(line) or [value for value in _DECIMAL.findall(line) if float(value) <= 180]
        found += sum(1 for value in values if not _NOUGHT.match(value))
    return found >= 2


# -- addresses ---------------------------------------------------------------------------------------------------

# fmt: off
STREETS = frozenset(
    "ALY ALLEY AV AVE AVEN AVENUE BLF BLV BLVD BOULEVARD BND BYP BYPASS CIR CIRCLE CSWY CT CTS CV CRES DR DRIVE EXPY "
    "EXPWY FWY FREEWAY HWY HIGHWAY HL HLS LN LANE LNDG LOOP MNR PIKE PK PKWY PARKWAY PKY PT RD ROAD RDG RTE ROUTE RUN "
    "ST STREET STR SQ TER TERR TERRACE TPKE TPK TR TRL TRAIL TRCE TURNPIKE VW WY XING XWAY CRESCENT CHEMIN RUE".split()
)
LOOSE_STREETS = frozenset(
    "WAY COURT PLACE PL PLZ PLAZA PARK SQUARE ROW WALK PATH POINT RIDGE HILL BEND COVE GLEN".split()
)
STATES = frozenset(
    "AL AK AZ AR CA CO CT DE DC FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM NY NC ND OH OK OR "
    "PA RI SC SD TN TX UT VT VA WA WV WI WY PR VI GU AB BC MB NB NL NS ON PE QC SK NT NU YT".split()
)
WORDS_TOO = frozenset("IN OR OK ME HI CO OH PA LA MS MI ON AL DE".split())
# fmt: on
"""States that are words or abbreviations too: taken only where a comma, a wide gap, a ZIP code or an ESN says so."""

_AGENCY = re.compile(
    r"\b(?:PD|POLICE|SHERIFF|SO|FIRE|FD|VFD|EMS|RESCUE|AMBULANCE|AMB|MEDIC|LAW|PATROL|HOSPITAL|DEPT|VERIFY|LEC|TELCO)\b",
    re.IGNORECASE,
)
_HOUSE = re.compile(r"\d{1,6}[A-Z]?(?:-\d{1,5}[A-Z]?)?(?:\s+\d/\d)?(?:\s+(?P<rest>[A-Z0-9].*))?\Z", re.IGNORECASE)
_WORDS = re.compile(r"[A-Z0-9$'-]+")
_NUMBERED_ROAD = re.compile(
    r"\b(?:I|US|SR|CR|FM|RM|SH|TH|CSAH|HWY|HIGHWAY|RT|RTE|ROUTE|STATE ROAD|COUNTY ROAD|EXIT|MM|MILE)[ -]?#?\d{1,4}\b",
    re.IGNORECASE,
)
_TOWN = re.compile(
    r"(?:\A|\s)[A-Z][A-Z.'-]+(?P<gap>,\s?|\s+)(?P<state>[A-Z]{2})(?P<tail>\s+\d{5}(?:-\d{4})?\b|\s+ESN\b|\s+\d{1,5}\b|\s{2,}|,)?(?(tail)|\Z)"
)
_LABEL = re.compile(
    r"\b(?:ADDR(?:ESS)?|ADR|STREET|HOUSE|HSE|CITY|TOWN|COMM(?:UNITY)?|LOC(?:ATION)?)\s?[:=#]\s?"
    r"(?!\s|NOT\b|NO\b|NONE\b|N/A|UNK|UNAVAIL|VERIFY\b|[A-Z]{2,10}\s?[:=#])\S",
    re.IGNORECASE,
)
_NUMBERS = re.compile(
    r"\(?\b\d{3}\)?[ .-]{0,2}\d{3}[ .-]\d{4}\b|\b\d{10}\b|\b\d{3}-\d{4}\b|\b\d{1,2}[:/]\d{2}(?:[:/]\d{2,4})?\b"
)
_CUT = re.compile(r"[|;]|\s{3,}|,(?!\s?[A-Z]{2}\b)")
_DIGIT = re.compile(r"\d")
_NO_STREET = frozenset("ESN UNIT FLR FLOOR APT BLDG STE".split())


def _street(words: list[str], *, housed: bool) -> bool:
    """Whether these words end in a kind of street with a name before it; the loose ones need a house number too."""
    for place, word in enumerate(words[1:], 1):
        name = words[place - 1]
        if word in STREETS and (name[0].isalnum() and name not in STREETS):
            return True
        if housed and word in LOOSE_STREETS:
            return True
    return False


def _town(line: str) -> bool:
    found = _TOWN.search(line)
    if found is None or found["state"] not in STATES:
        return False
    if found["state"] not in WORDS_TOO:
        return True
    return "," in found["gap"] or len(found["gap"]) > 1 or bool(found["tail"] and found["tail"].strip())


def _addressed(segments: list[str], classes: Set[str], *, housed: bool) -> tuple[bool, bool]:
    """Whether one of the pieces of a line is an address; and whether the last was a house number."""
    for segment in segments:
        house = _HOUSE.match(segment)
        words = [word for word in _WORDS.findall(house["rest"] or "" if house else segment) if word not in classes]
        named = any(len(word) > 2 and word.isalpha() and word not in _NO_STREET for word in words)
        if house and named and segment[0] != "0":
            return True, False
        if _street(words, housed=housed or house is not None):
            return True, False
        housed = house is not None and not words
    return False, housed


def has_place(lines: list[str], classes: Set[str]) -> bool:
    """Whether one of ``lines`` says where. ``classes``: words that are classes of service and no street."""
    housed = False
    for line in lines:
        upper = line.upper()
        if _AGENCY.search(upper):
            housed = False
            continue
        cleared = _NUMBERS.sub("   ", upper) if _DIGIT.search(upper) else upper
        found, housed = _addressed([part.strip() for part in _CUT.split(cleared)], classes, housed=housed)
        if found or _NUMBERED_ROAD.search(cleared) or _LABEL.search(upper) or _town(cleared.strip()):
            return True
    return _coordinates(lines)
