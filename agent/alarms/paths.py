"""What the checks of one path say, as conditions for the alarm book."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from agent.alarms.points import FAULT_OF_ROLE, POINTS
from agent.alarms.trunks import Condition
from agent.paths.judge import CheckJudge
from agent.readings import Reading, State
from agent.site import schema

KNOCKS_UNASKED = 3
"""A knock that could not be asked for is unknown; at 5 % loss that comes most days: so many in a row are trouble."""
FOUND = frozenset({"alarm", "clear"})


@dataclass(slots=True)
class PathAlarms:
    """One path: an m of n for each check that this box starts, the last word of each that only listens.

    ``hold_s``: how long the horn waits for evidence of this kind.
    """

    path: schema.Path
    checks: dict[str, CheckJudge]
    passive: dict[str, State]
    hold_s: float
    blind_in_row: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, path: schema.Path, hold_s: float) -> PathAlarms:
        """For a path of the site file."""
        judges = {name: CheckJudge(c.fail, c.of) for name, c in schema.active(path)}
        passive: dict[str, State] = {name: "unknown" for name in schema.check_names(path) if name not in judges}
        return cls(path, judges, passive, hold_s)

    def knows(self, reading: Reading) -> bool:
        """Whether this is a word of one of its checks."""
        return reading.sense in self.checks or reading.sense in self.passive

    def ends(self, reading: Reading) -> bool:
        """Whether a check that this box started ends with it."""
        return reading.sense in self.checks and reading.kind.startswith("probe-")

    def state(self, name: str) -> State | None:
        """How a check looks after its last readings; None where it is none of this path's."""
        judge = self.checks.get(name)
        return judge.state if judge is not None else self.passive.get(name)

    def undecided(self, name: str) -> bool:
        """Whether its next results decide how the check stands."""
        return name in self.checks and self.checks[name].undecided

    def conditions(self, reading: Reading, now_ns: int) -> Iterator[Condition]:
        """What a reading of a check changes."""
        if reading.kind in FOUND:
            yield from self._found(reading)
        elif not reading.kind.startswith("probe-"):
            return
        elif reading.sense in self.passive:
            yield from self._heard(reading)
        else:
            yield from self._result(reading, now_ns)

    def _result(self, reading: Reading, now_ns: int) -> Iterator[Condition]:
        check, name, path = self.checks[reading.sense], reading.sense, self.path
        blind = reading.state in ("unknown", None)
        check.result(None if blind else reading.state != "down", now_ns, degraded=reading.state == "degraded")
        why = str(reading.detail.get("reason") or "no answer")
        text = f"{path.id}: {name} can't test ({why})."
        self.blind_in_row[name] = self.blind_in_row.get(name, 0) + 1 if blind else 0
        failed = self.blind_in_row[name] >= (KNOCKS_UNASKED if name.startswith("knock") else 1)
        if failed or not blind:
            yield Condition(path.id, "sense-failed", name, failed, text, {}, declared=False, place="own")
        if check.alarming or check.clearing:
            text = f"{path.id} ({path.address}): {name} fails; {why}." if check.alarming else ""
            evidence = {"reason": why, "check": name, "address": path.address}
            fault = FAULT_OF_ROLE[path.role]
            yield Condition(path.id, fault, name, check.alarming, text, evidence, place="own", hold_s=self.hold_s)

    def _heard(self, reading: Reading) -> Iterator[Condition]:
        """A passive check judges by itself; a log that is silent is no fault of the device."""
        name = reading.sense
        self.passive[name] = reading.state or "unknown"
        if name.startswith("syslog") and reading.state in ("up", "down"):
            refused = reading.state == "down"
            text = f"{self.path.id}: {reading.detail.get('reason') or 'it refuses calls'}." if refused else ""
            evidence = {"reason": reading.detail.get("reason"), "denies": reading.detail.get("denies")}
            yield Condition(self.path.id, "calls-refused", name, refused, text, evidence, place="own")

    def _found(self, reading: Reading) -> Iterator[Condition]:
        point = str(reading.detail.get("point"))
        if point not in POINTS:
            return
        holds = reading.kind == "alarm"
        said = str(reading.detail.get("reason") or point.replace("-", " "))
        text = f"{self.path.id}: {said}{'' if said.endswith('.') else '.'}" if holds else ""
        evidence = {key: value for key, value in reading.detail.items() if key not in ("point", "reason")}
        evidence["subject"] = reading.subject
        qualifier = reading.subject or reading.sense
        yield Condition(
            self.path.id, point, qualifier, holds, text, evidence, declared=False, place="trunk", hold_s=self.hold_s
        )

    def overdue(self, name: str, now_ns: int) -> Condition:
        """A check that gave no result at all: what it would say is unknown."""
        self.checks[name].result(None, now_ns)
        text = f"{self.path.id}: {name} gives no result; this box can't see it."
        return Condition(self.path.id, "sense-failed", name, True, text, {}, declared=False, place="own")
