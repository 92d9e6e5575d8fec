"""The fields of one TL1 text line (GR-833 REPT ALM and REPT EVT), told by their values where makers differ. Pure."""

from __future__ import annotations

import re

Fields = dict[str, str | None]

RAISED = frozenset({"CR", "MJ", "MN"})
CLEARED = "CL"
NOT_ALARMED = frozenset({"NA", "NR", "TC"})
NOTIFICATION = RAISED | {CLEARED} | NOT_ALARMED
EFFECTS = frozenset({"CL", "SC", "TC"})
# Values that name their own field, wherever they stand. NA is left to its place: it may be a code or a direction.
_OF_VALUE = {
    "SA": "srveff",
    "NSA": "srveff",
    "NEND": "locn",
    "FEND": "locn",
    "TRMT": "dirn",
    "RCV": "dirn",
    "BTH": "dirn",
}
_DATE = re.compile(r"(?:\d{2,4}-)?\d\d-\d\d\Z")
_TIME = re.compile(r"\d\d-\d\d-\d\d\Z")
_CODE = re.compile(r"[A-Z]{2}\Z")
_ALARM_PLACES = ("ntfcncde", "condtype", "srveff", "ocrdat", "ocrtm", "locn", "dirn")
_EVENT_PLACES = ("condtype", "condeff", "ocrdat", "ocrtm", "locn", "dirn")
_PARTS = {mark: re.compile(rf'(?:[^"{mark}]+|"[^"]*"|")*') for mark in ":,"}


def unquoted(line: str) -> tuple[str, bool, bool]:
    """A text line's content; whether it was quoted, and whether the closing quote is there."""
    if not line.startswith('"'):
        return line, False, True
    closed = len(line) > 1 and line.endswith('"') and not line.endswith('\\"')
    content = line[1:-1] if closed else line[1:]
    return content.replace('\\"', '"').replace("\\\\", "\\"), True, closed


def _split(text: str, mark: str) -> list[str]:
    """``text`` at each ``mark`` that stands outside inner quotes."""
    if '"' not in text:
        return text.split(mark)
    parts, at, pattern = [], 0, _PARTS[mark]
    while True:
        found = pattern.match(text, at)
        stop = found.end() if found else len(text)
        parts.append(text[at:stop])
        if stop >= len(text):
            return parts
        at = stop + 1


def _named(text: str, fields: Fields) -> list[str]:
    """Fill in what stands round the fields (aid, type, description); return the fields themselves."""
    parts = _split(text, ":")
    aid, _, aid_type = parts[0].partition(",")
    fields["aid"], fields["aid_type"] = aid.strip() or None, aid_type.strip() or None
    if len(parts) > 2:
        words = parts[2].strip()
        if words.startswith('"'):
            described = _split(words, ",")
            fields["conddescr"] = described[0].strip().strip('"').strip() or None
            detail = ",".join(described[1:]).strip()
            fields["aiddet"] = detail or None
        else:
            fields["conddescr"] = ":".join(parts[2:]).strip() or None
    return [part.strip() for part in _split(parts[1], ",")] if len(parts) > 1 else []


def _place(fields: Fields, value: str, place: str | None) -> None:
    """Put ``value`` where it belongs: by what it is, otherwise by where it stands."""
    if value.startswith('"'):
        name: str | None = "conddescr"
        value = value.strip('"').strip()
    elif value in _OF_VALUE:
        name = _OF_VALUE[value]
    elif _TIME.match(value):
        # A full date looks like a time of day; the first of two is the date.
        name = "ocrdat" if place == "ocrdat" and fields.get("ocrdat") is None else "ocrtm"
    elif _DATE.match(value):
        name = "ocrdat"
    else:
        name = place
    if name is not None and value and fields.get(name) is None:
        fields[name] = value


def alarm_fields(text: str) -> Fields | None:
    """``aid[,aidtype]:ntfcncde,condtype,srveff,ocrdat,ocrtm,locn,dirn,…:"conddescr"[,aiddet]``; None: it is not one."""
    fields: Fields = {}
    values = _named(text, fields)
    if not values or not _CODE.match(values[0]):
        return None
    fields["ntfcncde"] = values[0]
    if len(values) > 1:
        fields["condtype"] = values[1] or None
    for at, value in enumerate(values[2:], 2):
        if value:
            _place(fields, value, _ALARM_PLACES[at] if at < len(_ALARM_PLACES) else None)
    return fields


def sure_alarm(text: str) -> Fields | None:
    """The fields of a text line that can be nothing but an alarm or its clear, whatever stands above it."""
    content, quoted, closed = unquoted(text)
    fields = alarm_fields(content) if quoted and closed else None
    if (
        fields is None
        or fields.get("ntfcncde") not in RAISED | {CLEARED}
        or not (fields.get("srveff") and fields.get("condtype"))
    ):
        return None
    return fields


def event_fields(text: str) -> Fields | None:
    """``aid:condtype,condeff,…`` (Wide Bank) or ``aid:ntfcncde[,condtype],condeff,…`` (Adtran); None if it is neither.

    A null ``condeff`` is a transient condition, TC (GR-833).
    """
    fields: Fields = {}
    values = _named(text, fields)
    if not values or not values[0]:
        return None
    shift = 0
    if values[0] in NOTIFICATION:
        fields["ntfcncde"] = values[0]
        second = values[1] if len(values) > 1 else ""
        if second and second not in EFFECTS and not _DATE.match(second):
            shift, fields["condtype"] = 1, second
    else:
        fields["condtype"] = values[0]
    rest = values[1 + shift :]
    if rest and (rest[0] in EFFECTS or not rest[0]):
        fields["condeff"] = rest[0] or None
        rest = rest[1:]
    fields["condeff"] = fields.get("condeff") or "TC"
    for at, value in enumerate(rest):
        if value:
            _place(fields, value, _EVENT_PLACES[at + 2] if at + 2 < len(_EVENT_PLACES) else None)
    return fields


def other_fields(text: str) -> Fields:
    """A report that is neither: its AID, and the rest as it came."""
    aid, colon, rest = text.partition(":")
    if not colon:
        return {"conddescr": text.strip() or None}
    name, _, aid_type = aid.partition(",")
    return {"aid": name.strip() or None, "aid_type": aid_type.strip() or None, "conddescr": rest.strip() or None}
