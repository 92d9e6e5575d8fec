"""What a sentence of a CSU/DSU says: which condition, at which side, begun or ended. Pure.

The grammar of the Paradyne 3160, 3162, 3166, 317x, 336x and 7110 manuals ("Continuous Loss Of Signal detected at the
Network Interface", "Alarm Cleared. Yellow Alarm signal at the DTE Interface", "… at synchronous data port 2"), and a
second one for short forms ("LOS at Network", "Network Red Alarm cleared", "NI: AIS detected"): a condition, a side and
a word for begun or ended, and nothing else but filling, so that no menu and no setting is taken for an alarm.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal, NamedTuple

TEXT_CHARS = 240
PLACE_CHARS = 60
Says = Literal["raise", "clear"]


class Said(NamedTuple):
    """``condtype`` None: every condition. ``side``: network, dte, or other words; None where none is named."""

    says: Says
    condtype: str | None
    side: str | None
    number: str | None
    known: bool


# The first that fits counts: longer words before the shorter ones they hold.
_CONDITIONS: tuple[tuple[str, str], ...] = (
    (r"loss\s+of\s+multi-?\s?frame(?:\s+align?ment)?|\bLOMF\b", "LOMF"),
    (r"loss\s+of\s+signal|signal\s+loss|\bLOS\b|carrier\s+loss|loss\s+of\s+carrier", "LOS"),
    (r"out[\s-]+of[\s-]+frame|\bOOF\b", "OOF"),
    (r"loss\s+of\s+fram(?:e|ing)|frame\s+loss|\bLOF\b", "LOF"),
    (r"red\s+(?:carrier\s+)?alarm|\bRED\b", "RED"),
    (r"alarm\s+indication\s+signal|\bAIS\b|blue\s+alarm|all[\s-]+ones", "AIS"),
    (r"remote\s+alarm\s+indication|\bRAI\b|yellow\s+alarm|\bYEL\b|yellow", "RAI"),
    (r"(?:excessive|high)\s+(?:bit\s+)?error(?:s|\s+rate)|\bEER\b", "BER-SF"),
)  # fmt: skip
_CONDITION = re.compile("|".join(f"(?P<c{at}>{words})" for at, (words, _) in enumerate(_CONDITIONS)), re.IGNORECASE)
_PLACE = re.compile(
    r"(?P<network>\b(?:hdsl\s+)?network(?:\s+loop)?\b|\bNI\b|\bNET\b|\bTELCO\b|\bT1\s+line\b)"
    r"|(?P<dte>\bDTE\b|\bDSX(?:-1)?\b|\bdrop(?:[\s/-]+(?:and[\s-]+)?insert)?\b|\bTI\b|\bterminal\b|\bequipment\b|\bEQPT?\b|\bcustomer\b)"
    r"|(?P<port>\b(?:synchronous\s+)?(?:data\s+)?port\b)",
    re.IGNORECASE,
)
_VERB = re.compile(
    r"\s(?:(?:has|have|been|was|is|being)\s+){0,3}(?:detected|received|declared)\s+(?P<by>at|on|from)\s+(?:the\s+)?",
    re.IGNORECASE,
)
_ARTICLE = re.compile(r"(?:an?\s+)?(?:continuous\s+)?", re.IGNORECASE)
_CLEARED = re.compile(r"alarms?\s+(?:has\s+been\s+|have\s+been\s+)?cleared\s*[.:!-]*\s*(?P<rest>.*)\Z", re.IGNORECASE)
_ALL_CLEARED = re.compile(r"(?:all\s+)alarms?\s+(?:are\s+|have\s+been\s+)?cleared\s*[.!]*\Z", re.IGNORECASE)
_ENDED = re.compile(
    r"(?:an?\s+)?(?:continuous\s+)?(?P<what>\S(?:.{0,100}?\S)?)\s+(?:at|on|from)\s+(?:the\s+)?(?P<where>\S.{0,60}?)\s*\.?\Z",
    re.IGNORECASE,
)
_TAIL = re.compile(r"\s+(?:condition|signal|alarm)\Z", re.IGNORECASE)
_NUMBER = re.compile(r"\b\d{1,3}\b")
_WORD = re.compile(r"[A-Za-z0-9]+")
_BEGUN = frozenset("detected received declared active on set raised occurred started begun present asserted".split())
_OVER = frozenset("cleared clear inactive off reset ended removed restored over gone deasserted".split())
_SETTINGS = frozenset("enabled disabled not no if when select".split())
_FILLING = frozenset(
    "a an the at on in of from has have been was is alarm alarms condition signal state status interface side "
    "line port continuous t1 e1 ds1 near end now major minor".split()
)
_OPENS = re.compile(
    r"(?:an?\s+)?(?:continuous|excessive)\b|alarm\s+(?:cleared|indication)|yellow\s+alarm|remote\s+alarm|loss\s+of|"
    r"out\s+of\s+frame",
    re.IGNORECASE,
)
_MAYBE = re.compile(
    r"los|oof|lof|lomf|ais|rai|red|yel|blue|signal|fram|err|alarm|detec|receiv|declar|ones|carrier", re.IGNORECASE
)
_WHOLE = re.compile(r"(?:\binterface|\bport\s+\d{1,3}|[.!])\Z", re.IGNORECASE)
_BARE = re.compile(r"alarm\s+cleared\s*[.:!]?\Z", re.IGNORECASE)
_BEGUN_IN = re.compile(r"\b(?:detected|received|declared)\b", re.IGNORECASE)
_PLACE_WORDS = re.compile(
    r"(?:(?:the|at|on|from|network|dte|hdsl|loop|interface|synchronous|data|port|\d{1,3})\b[\s.]*)+\Z", re.IGNORECASE
)


def begins(line: str) -> bool:
    """Whether a sentence may begin with this line."""
    return _OPENS.match(line) is not None


def is_whole(sentence: str) -> bool:
    """Whether nothing more of this sentence is to be expected."""
    return _WHOLE.search(sentence) is not None and not is_bare(sentence)


def is_bare(sentence: str) -> bool:
    """Whether this is "Alarm Cleared." alone: what cleared may stand in the next line."""
    return _BARE.match(sentence) is not None


def is_clearing(sentence: str) -> bool:
    """Whether it says, or begins to say, that something has ended."""
    return _CLEARED.match(sentence) is not None


def says_begun(line: str) -> bool:
    """Whether a word of this line says that something has begun."""
    return _BEGUN_IN.search(line) is not None


def only_place(line: str) -> bool:
    """Whether this line holds nothing but words of a place: the rest of a wrapped sentence."""
    return _PLACE_WORDS.match(line) is not None


def _condition(words: str) -> tuple[str, bool]:
    """The condition type of these words; as they are where they are unknown."""
    found = _CONDITION.search(words)
    if found is not None:
        return _CONDITIONS[int(str(found.lastgroup)[1:])][1], True
    raw = re.sub(r"[^A-Z0-9]+", "-", _TAIL.sub("", words).upper()).strip("-")
    return raw[:40] or "ALARM", False


def _side(where: str) -> tuple[str, str | None]:
    found, number = _PLACE.search(where), _NUMBER.search(where)
    count = number[0] if number else None
    if found is None:
        return where.lower()[:40], count
    return str(found.lastgroup), count


@lru_cache(maxsize=256)
def read(sentence: str) -> Said | None:
    """What a whole sentence says; None: it is no alarm."""
    text = sentence.strip()[:TEXT_CHARS]
    if _MAYBE.search(text) is None:
        return None
    if _ALL_CLEARED.match(text):
        return Said("clear", None, None, None, True)
    cleared = _CLEARED.match(text)
    if cleared is not None:
        return _ended(cleared["rest"].strip())
    found = _VERB.search(text)
    if found is None:
        return _short(text)
    what, where = _ARTICLE.sub("", text[: found.start()], count=1).strip(), text[found.end() :].rstrip(" .")
    if not what or not where or len(where) > PLACE_CHARS or _words(where) & _OVER:
        return _short(text)
    condtype, known = _condition(what)
    if _words(what) & _SETTINGS or not (known or found["by"].lower() == "at"):
        return None
    return Said("raise", condtype, *_side(where), known)


def _ended(rest: str) -> Said | None:
    """What stands behind "Alarm Cleared."."""
    if not rest:
        return Said("clear", None, None, None, True)
    found = _ENDED.match(rest)
    if found is None or says_begun(found["what"]):
        return None
    condtype, known = _condition(found["what"])
    return Said("clear", condtype, *_side(found["where"]), known)


def _words(text: str) -> set[str]:
    return {word.lower() for word in _WORD.findall(text)}


def _short(text: str) -> Said | None:
    """The second grammar: exactly one condition, a side, and either a word for begun or one for ended."""
    found = _CONDITION.search(text)
    if found is None or any(mark in text for mark in "?=<>|[]%"):
        return None
    rest = f"{text[: found.start()]} {text[found.end() :]}"
    place = _PLACE.search(rest)
    if place is None or _CONDITION.search(rest):
        return None
    rest = f"{rest[: place.start()]} {rest[place.end() :]}"
    words = [word.lower() for word in _WORD.findall(rest)]
    numbers = [word for word in words if word.isdigit()]
    told = [word for word in words if word not in _FILLING and not word.isdigit()]
    begun, over = [w for w in told if w in _BEGUN], [w for w in told if w in _OVER]
    if len(numbers) > 1 or len(begun) + len(over) != len(told) or (begun and over) or len(told) > 1:
        return None
    if not told and not re.search(r"\b(?:at|on)\b|\balarm\s*:", text, re.IGNORECASE):
        return None  # a label, not a word on its state
    condtype = _CONDITIONS[int(str(found.lastgroup)[1:])][1]
    return Said("clear" if over else "raise", condtype, str(place.lastgroup), numbers[0] if numbers else None, True)
