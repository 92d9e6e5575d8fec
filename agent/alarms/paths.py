"""What the checks of one path say, as conditions for the alarm book."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from agent.alarms.points import FAULT_OF_ROLE
from agent.alarms.trunks import Condition
from agent.paths.judge import CheckJudge
from agent.readings import Reading
from agent.site import schema


@dataclass(slots=True)
class PathAlarms:
    """One path: an m of n for each of its checks. ``hold_s``: how long the horn waits for evidence of this kind."""

    path: schema.Path
    checks: dict[str, CheckJudge]
    hold_s: float

    @classmethod
    def of(cls, path: schema.Path, hold_s: float) -> PathAlarms:
        """For a path of the site file."""
        names = schema.check_names(path)
        judges = {name: CheckJudge(c.fail, c.of) for name, c in zip(names, path.checks, strict=True)}
        return cls(path, judges, hold_s)

    def knows(self, reading: Reading) -> bool:
        """Whether this is a result of one of its checks."""
        return reading.sense in self.checks and reading.kind.startswith("probe-")

    def conditions(self, reading: Reading, now_ns: int) -> Iterator[Condition]:
        """What a check's result changes."""
        check, name, path = self.checks[reading.sense], reading.sense, self.path
        blind = reading.state in ("unknown", None)
        check.result(None if blind else reading.state != "down", now_ns, degraded=reading.state == "degraded")
        why = str(reading.detail.get("reason") or "no answer")
        text = f"{path.id}: {name} can't test ({why})."
        yield Condition(path.id, "sense-failed", name, blind, text, {}, declared=False, place="own")
        if check.alarming or check.clearing:
            text = f"{path.id} ({path.address}): {name} fails; {why}." if check.alarming else ""
            evidence = {"reason": why, "check": name, "address": path.address}
            fault = FAULT_OF_ROLE[path.role]
            yield Condition(path.id, fault, name, check.alarming, text, evidence, place="own", hold_s=self.hold_s)

    def overdue(self, name: str, now_ns: int) -> Condition:
        """A check that gave no result at all: what it would say is unknown."""
        self.checks[name].result(None, now_ns)
        text = f"{self.path.id}: {name} gives no result; this box can't see it."
        return Condition(self.path.id, "sense-failed", name, True, text, {}, declared=False, place="own")
