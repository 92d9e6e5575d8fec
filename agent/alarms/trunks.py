"""From line readings to conditions: which T1 fault is which point, and what a trunk group has left.

Condition types are GR-833's as the equipment prints them (protocols.md section 1.5); the table maps the
known ones, what is unknown keeps its raw name and is judged by its notification code and service effect.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from agent.alarms.points import slug
from agent.readings import Plain, Reading

MAX_CONDITIONS = 1024
MAX_STRANGERS = 128
"""Conditions on equipment that the site file does not name: a flood of made-up names must not crowd the trunks out."""

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
EVIDENCE = ("aid", "condtype", "ntfcncde", "srveff", "locn", "dirn", "conddescr", "sid", "atag", "date", "time")
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


@dataclass(slots=True)
class LineJudge:
    """What one line's equipment says of its trunks. ``groups``: AID to trunk group, from the site file."""

    line: str
    groups: Mapping[str, str]
    refused: int = 0
    _standing: dict[tuple[str, str], dict[tuple[str, str, str], bool]] = field(default_factory=dict)

    def judge(self, reading: Reading) -> Iterator[Condition]:
        """The conditions that a reading of kind ``alarm``, ``clear`` or ``event`` changes."""
        detail = reading.detail
        condition = str(detail.get("condtype") or "").strip().upper()
        effect = detail.get("condeff")
        if reading.kind == "event" and (effect not in ("SC", "CL") or condition not in TYPE_OF_CONDITION):
            return
        raised = reading.kind == "alarm" or (reading.kind == "event" and effect == "SC")
        aid = reading.subject
        for type_name in self._types(aid, condition, detail, raised):
            yield self._set(aid, type_name, (aid, condition, str(detail.get("locn") or "")), raised, detail)
        yield from self._group(aid)

    def _types(self, aid: str, condition: str, detail: Mapping[str, Plain], raised: bool) -> list[str]:
        """Which point a condition belongs to. A clear goes wherever that condition stands, whatever code it has."""
        if raised:
            return [self._classify(aid, condition, detail)]
        locn = str(detail.get("locn") or "")
        return [
            type_name
            for (where, type_name), standing in self._standing.items()
            if where == slug(aid) and any(_same((aid, condition, locn), key) for key in standing)
        ]

    def _classify(self, aid: str, condition: str, detail: Mapping[str, Plain]) -> str:
        if condition in TYPE_OF_CONDITION:
            return TYPE_OF_CONDITION[condition]
        urgent = detail.get("ntfcncde") in ("CR", "MJ") or detail.get("srveff") == "SA"
        if not urgent:
            return "line-errors"
        equipment = "EQPT" in (detail.get("mod2"), detail.get("aid_type"))
        return "cpe-alarm" if equipment and aid not in self.groups else "trunk-down"

    def _set(
        self, aid: str, type_name: str, key: tuple[str, str, str], raised: bool, detail: Mapping[str, Plain]
    ) -> Condition:
        standing = self._standing.setdefault((slug(aid), type_name), {})
        if raised:
            if key in standing or self._has_room(aid):
                standing[key] = detail.get("srveff") == "SA" or type_name in CARRIES_NO_CALLS - {"trunk-down"}
            else:
                self.refused += 1
        else:
            for gone in [k for k in standing if _same(key, k)]:
                del standing[gone]
        holds = bool(standing)
        if not standing:
            del self._standing[slug(aid), type_name]
        text = describe(self.line, aid, detail) if raised else ""
        evidence = {k: detail.get(k) for k in EVIDENCE}
        place: Literal["stranger", "trunk"] = "trunk" if self._group_of(aid) is not None else "stranger"
        return Condition(self.line, type_name, aid, holds, text, evidence, place=place)

    def _has_room(self, aid: str) -> bool:
        known = {slug(named) for named in self.groups}
        mine = slug(aid) in known
        count = sum(len(standing) for (where, _), standing in self._standing.items() if (where in known) == mine)
        return count < (MAX_CONDITIONS if mine else MAX_STRANGERS)

    def _group_of(self, aid: str) -> str | None:
        return self.groups.get(aid) or next((g for a, g in self.groups.items() if slug(a) == slug(aid)), None)

    def down(self, aid: str) -> bool:
        """Whether a condition stands on this trunk under which it carries no calls."""
        return any(any(s.values()) for (where, _), s in self._standing.items() if where == slug(aid))

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
        key = (aid, str(evidence.get("condtype") or "").upper(), str(evidence.get("locn") or ""))
        no_calls = evidence.get("srveff") == "SA" or type_name in CARRIES_NO_CALLS - {"trunk-down"}
        self._standing.setdefault((slug(aid), type_name), {})[key] = no_calls

    def forget(self, aid: str, type_name: str) -> Iterator[Condition]:
        """A person says it is gone."""
        self._standing.pop((slug(aid), type_name), None)
        yield from self._group(aid)


def _same(cleared: tuple[str, str, str], standing: tuple[str, str, str]) -> bool:
    """Whether a clear ends a standing condition: an unnamed location clears both ends."""
    return cleared[:2] == standing[:2] and (not cleared[2] or not standing[2] or cleared[2] == standing[2])


def describe(line: str, aid: str, detail: Mapping[str, Plain]) -> str:
    """One plain sentence: which trunk, what, and whether calls are affected."""
    what = str(detail.get("conddescr") or detail.get("condtype") or "alarm").strip()
    name = str(detail.get("condtype") or "").strip()
    named = f"{what} ({name})" if name and name.lower() not in what.lower() else what
    where = {"FEND": ", far end", "NEND": ""}.get(str(detail.get("locn") or ""), "")
    effect = {"SA": "; service affected", "NSA": "; service not affected"}.get(str(detail.get("srveff") or ""), "")
    return f"{aid} on {line}: {named}{where}{effect}."
