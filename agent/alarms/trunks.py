"""From line readings to conditions: which T1 fault is which point, and what a trunk group has left.

Condition types are GR-833's as the equipment prints them (protocols.md section 1.5); the table maps the
known ones, what is unknown keeps its raw name and is judged by its notification code and service effect.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from agent.alarms.points import POINTS, slug
from agent.readings import Plain, Reading

MAX_CONDITIONS = 1024
MAX_STRANGERS = 128
"""Conditions on equipment that the site file does not name: a flood of made-up names must not crowd the trunks out."""

BEFORE_THIS_START_NS = -1

TYPE_OF_CONDITION: dict[str, str] = {
    "LOS": "los",
    "LOF": "lof",
    "OOF": "lof",
    "RED": "lof",
    "CGA-RED": "lof",
    "AIS": "ais",
    "AISNAS": "ais",
    "AIS-V": "ais",
    "BLUE": "ais",
    "CGA-BLUE": "ais",
    "RAI": "rai",
    "YEL": "rai",
    "CGA-YEL": "rai",
    "RFI-V": "rai",
    "LPBK": "loopback",
    "ACTLPBK": "loopback",
    "LPBKFACILITY": "loopback",
    "LPBKTERM": "loopback",
    "LPBKPAYLOAD": "loopback",
    "TSA": "loopback",
    "BER-SD": "line-errors",
    "BER-SF": "line-errors",
    "T-CVL": "line-errors",
    "T-ESL": "line-errors",
    "T-SESL": "line-errors",
    "T-UASP": "line-errors",
}
EVIDENCE = (
    "aid", "condtype", "ntfcncde", "srveff", "locn", "dirn", "conddescr", "sid", "atag", "date", "time", "class",
)  # fmt: skip
LINK_CONDITIONS = frozenset({"LINK-DOWN", "LINEPROTO-DOWN"})
"""A router's interface: a trunk's loss where the site file names it as one, a warning where it does not."""
EVENT_CLASS = "-"
"""The class of what an event raised: no RTRV-ALM lists it, so none ends it."""
CARRIES_NO_CALLS = frozenset({"los", "lof", "ais", "rai", "loopback", "trunk-down"})


@dataclass(frozen=True, slots=True)
class Condition:
    """One word for the alarm book; the equipment has qualified it already unless ``declared`` is False."""

    resource: str
    type: str
    qualifier: str
    holds: bool
    text: str
    evidence: Mapping[str, Plain]
    declared: bool = True
    place: Literal["stranger", "trunk", "own"] = "trunk"
    hold_s: float = 0.0
    shadow: bool = False


@dataclass(frozen=True, slots=True)
class _Standing:
    """One standing condition. ``classes``: its TL1 classes as far as known; ``seen_ns``: when it was last said."""

    no_calls: bool
    classes: frozenset[str]
    seen_ns: int


@dataclass(slots=True)
class LineJudge:
    """What one line's equipment says of its trunks. ``groups``: AID to trunk group, from the site file."""

    line: str
    groups: Mapping[str, str]
    refused: int = 0
    _standing: dict[tuple[str, str], dict[tuple[str, str, str], _Standing]] = field(default_factory=dict)

    def judge(self, reading: Reading) -> Iterator[Condition]:
        """The conditions that a reading of kind ``alarm``, ``clear`` or ``event`` changes.

        A clear without a condition type ends everything that stands on its AID; one with a ``point``, the type a
        site's own rule gives, ends that point there, whatever raised it.
        """
        detail = reading.detail
        condition = str(detail.get("condtype") or "").strip().upper()
        if reading.kind == "clear" and detail.get("point"):
            condition = ""
        effect = detail.get("condeff")
        if reading.kind == "event" and (effect not in ("SC", "CL") or condition not in TYPE_OF_CONDITION):
            return
        raised = reading.kind == "alarm" or (reading.kind == "event" and effect == "SC")
        aid = reading.subject
        for type_name in self._types(aid, condition, detail, raised):
            key = (aid, condition, str(detail.get("locn") or ""))
            yield self._raise(key, type_name, reading) if raised else self._clear(key, type_name, detail)
        yield from self._group(aid)

    def listed(self, reading: Reading) -> Iterator[Condition]:
        """What a whole list of standing alarms (kind ``data``, subject ``standing``) does not name has ended.

        Only what is known to be of the class that was asked for, or, where its class is not known (it stood before
        this start), on a trunk of the site file. What has been said since the question was asked stays.
        """
        detail = reading.detail
        asked_ns, name = detail.get("asked_ns"), str(detail.get("retrieved") or "").upper()
        if detail.get("complete") is not True or not isinstance(asked_ns, int) or not name:
            return
        ended: dict[str, None] = {}
        for (where, type_name), standing in list(self._standing.items()):
            gone = [k for k, s in standing.items() if s.seen_ns < asked_ns and self._of_class(k[0], s, name)]
            for key in gone:
                del standing[key]
            if gone:
                aid = gone[0][0]
                ended[aid] = None
                told = {"aid": aid, "condtype": gone[0][1], "conddescr": f"no longer listed by RTRV-ALM-{name}"}
                yield self._condition(aid, (where, type_name), "", told)
        for aid in ended:
            yield from self._group(aid)

    def _of_class(self, aid: str, standing: _Standing, name: str) -> bool:
        if not standing.classes:
            return self._group_of(aid) is not None
        return name in standing.classes or (name == "ALL" and EVENT_CLASS not in standing.classes)

    def _types(self, aid: str, condition: str, detail: Mapping[str, Plain], raised: bool) -> list[str]:
        """Which point a condition belongs to. A clear goes wherever that condition stands, whatever code it has."""
        if raised:
            return [self._classify(aid, condition, detail)]
        point = detail.get("point")
        if isinstance(point, str) and point in POINTS:
            return [point] if (slug(aid), point) in self._standing else []
        key = (aid, condition, str(detail.get("locn") or ""))
        return [
            type_name
            for (where, type_name), standing in self._standing.items()
            if where == slug(aid) and any(_same(key, k) for k in standing)
        ]

    def _classify(self, aid: str, condition: str, detail: Mapping[str, Plain]) -> str:
        point = detail.get("point")
        if isinstance(point, str) and point in POINTS:
            return point
        if condition in TYPE_OF_CONDITION:
            return TYPE_OF_CONDITION[condition]
        urgent = detail.get("ntfcncde") in ("CR", "MJ") or detail.get("srveff") == "SA"
        if condition in LINK_CONDITIONS:
            return "trunk-down" if urgent or self._group_of(aid) is not None else "cpe-warning"
        if not urgent:
            return "line-errors"
        equipment = "EQPT" in (detail.get("mod2"), detail.get("aid_type"))
        return "cpe-alarm" if equipment and aid not in self.groups else "trunk-down"

    def _raise(self, key: tuple[str, str, str], type_name: str, reading: Reading) -> Condition:
        aid, condition, _ = key
        detail, where = reading.detail, (slug(aid), type_name)
        standing = self._standing.setdefault(where, {})
        if key in standing or self._has_room(aid):
            no_calls = _no_calls(type_name, condition, detail)
            standing[key] = _Standing(no_calls, _classes(reading), reading.at_ns)
        else:
            self.refused += 1
        return self._condition(aid, where, describe(self.line, aid, detail), {**detail, "class": _class_of(reading)})

    def _clear(self, key: tuple[str, str, str], type_name: str, detail: Mapping[str, Plain]) -> Condition:
        where = (slug(key[0]), type_name)
        standing = self._standing[where]
        for gone in [k for k in standing if _same(key, k)]:
            del standing[gone]
        return self._condition(key[0], where, "", detail)

    def _condition(self, aid: str, where: tuple[str, str], text: str, detail: Mapping[str, Plain]) -> Condition:
        holds = bool(self._standing[where])
        if not holds:
            del self._standing[where]
        evidence = {k: detail.get(k) for k in EVIDENCE}
        place: Literal["stranger", "trunk"] = "trunk" if self._group_of(aid) is not None else "stranger"
        return Condition(self.line, where[1], aid, holds, text, evidence, place=place)

    def _has_room(self, aid: str) -> bool:
        known = {slug(named) for named in self.groups}
        mine = slug(aid) in known
        count = sum(len(standing) for (where, _), standing in self._standing.items() if (where in known) == mine)
        return count < (MAX_CONDITIONS if mine else MAX_STRANGERS)

    def _group_of(self, aid: str) -> str | None:
        return self.groups.get(aid) or next((g for a, g in self.groups.items() if slug(a) == slug(aid)), None)

    def down(self, aid: str) -> bool:
        """Whether a condition stands on this trunk under which it carries no calls."""
        return any(
            any(one.no_calls for one in s.values()) for (where, _), s in self._standing.items() if where == slug(aid)
        )

    def _group(self, aid: str) -> Iterator[Condition]:
        group = self._group_of(aid)
        if group is not None:
            yield from self.group_conditions(group)

    def group_conditions(self, group: str) -> Iterator[Condition]:
        """What a trunk group has left: all its trunks down, or some of them."""
        members = [a for a, g in self.groups.items() if g == group]
        lost = [a for a in members if self.down(a)]
        evidence: dict[str, Plain] = {"trunks": len(members), "down": len(lost), "which": " ".join(lost)[:200]}
        every = bool(lost) and len(lost) == len(members)
        some = bool(lost) and not every
        which = f"all its {len(members)} trunks are" if len(members) > 1 else "its only trunk is"
        yield Condition(group, "trunk-group-down", "all", every, f"Trunk group {group}: {which} down.", evidence)
        yield Condition(
            group, "trunk-partial", "all", some, f"Trunk group {group}: some of its trunks are down.", evidence
        )

    def restore(self, aid: str, type_name: str, evidence: Mapping[str, Plain]) -> None:
        """A condition that stood when the last run ended stands again, until the equipment clears it."""
        condition = str(evidence.get("condtype") or "").upper()
        named = str(evidence.get("class") or "")
        stood = _Standing(
            _no_calls(type_name, condition, evidence), frozenset({named} if named else ()), BEFORE_THIS_START_NS
        )
        self._standing.setdefault((slug(aid), type_name), {})[aid, condition, str(evidence.get("locn") or "")] = stood

    def forget(self, aid: str, type_name: str) -> Iterator[Condition]:
        """A person says it is gone."""
        self._standing.pop((slug(aid), type_name), None)
        yield from self._group(aid)


def _no_calls(type_name: str, condition: str, detail: Mapping[str, Plain]) -> bool:
    """Whether a trunk under this carries no calls. ``trunk-down`` is said of anything urgent: its effect decides."""
    if type_name != "trunk-down":
        return detail.get("srveff") == "SA" or type_name in CARRIES_NO_CALLS
    return detail.get("srveff") == "SA" or condition in LINK_CONDITIONS or detail.get("point") == "trunk-down"


def _class_of(reading: Reading) -> str | None:
    """The TL1 class by which a condition would be listed."""
    if reading.kind == "event":
        return EVENT_CLASS
    detail = reading.detail
    name = detail.get("retrieved") or detail.get("mod2") or detail.get("aid_type")
    return str(name).upper() if name else None


def _classes(reading: Reading) -> frozenset[str]:
    name, aid_type = _class_of(reading), reading.detail.get("aid_type")
    both = (name, str(aid_type).upper() if aid_type and name != EVENT_CLASS else None)
    return frozenset(one for one in both if one)


def _same(cleared: tuple[str, str, str], standing: tuple[str, str, str]) -> bool:
    """Whether a clear ends a standing condition: an unnamed location clears both ends, an unnamed condition all."""
    return (
        cleared[0] == standing[0]
        and (not cleared[1] or cleared[1] == standing[1])
        and (not cleared[2] or not standing[2] or cleared[2] == standing[2])
    )


def describe(line: str, aid: str, detail: Mapping[str, Plain]) -> str:
    """One plain sentence: which trunk, what, and whether calls are affected; a rule's own words where it has some."""
    if detail.get("text"):
        return f"{aid} on {line}: {str(detail['text']).strip().rstrip('.')}."
    what = str(detail.get("conddescr") or detail.get("condtype") or "alarm").strip()
    name = str(detail.get("condtype") or "").strip()
    named = f"{what} ({name})" if name and name.lower() not in what.lower() else what
    where = {"FEND": ", far end", "NEND": ""}.get(str(detail.get("locn") or ""), "")
    effect = {"SA": "; service affected", "NSA": "; service not affected"}.get(str(detail.get("srveff") or ""), "")
    return f"{aid} on {line}: {named}{where}{effect}."
