"""What commissioning asks for, from the running agent's own status, and what each answer of it proves. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

RANK = {"critical": 0, "major": 1, "minor": 2}


@dataclass(frozen=True, slots=True)
class Step:
    """One cable. ``alone``: an uplink that is the only way out, so that its lamp must light."""

    kind: str
    id: str
    what: str
    alone: bool = False


def steps(status: Mapping[str, Any]) -> list[Step]:
    """Every line, path and uplink of the site that runs, in this order."""
    out = [Step("line", port["id"], f"{port['dialect']} on {port['port']}") for port in status.get("ports", ())]
    uplinks = [uplink["id"] for uplink in status["uplinks"]]
    known = {"host", "peers", *(step.id for step in out), *uplinks}
    checks: dict[str, list[str]] = {}
    for sense in status["senses"]:
        if sense["source"] not in known:
            checks.setdefault(sense["source"], []).append(str(sense["sense"]))
    out += [Step("path", path, ", ".join(names)) for path, names in checks.items()]
    return out + [Step("uplink", one["id"], str(one["url"]), len(uplinks) == 1) for one in status["uplinks"]]


def ask_for(step: Step) -> str:
    """What the technician is to pull."""
    where = {
        "line": f"Pull the cable of line {step.id} ({step.what}).",
        "path": f"Break the way to {step.id} ({step.what}): pull its network cable, on the box's side.",
        "uplink": f"Break uplink {step.id} ({step.what}): pull its cable, or the modem's aerial.",
    }
    return where[step.kind]


def standing(status: Mapping[str, Any]) -> dict[str, int]:
    """Alarms that are active, and how often each was raised."""
    return {alarm["id"]: alarm["times_raised"] for alarm in status["alarms"] if alarm["active"]}


def raised(step: Step, before: Mapping[str, int], status: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The worst alarm of this step's own that was not active before; None where there is none."""
    own = "uplink" if step.kind == "uplink" else step.id
    new = [
        alarm
        for alarm in status["alarms"]
        if alarm["active"]
        and before.get(alarm["id"]) != alarm["times_raised"]
        and alarm["resource"] == own
        and (step.kind != "uplink" or alarm["type"] == "uplink-lost")
    ]
    return min(new, key=lambda alarm: RANK[alarm["severity"]], default=None)


def cut(step: Step, status: Mapping[str, Any]) -> bool:
    """Whether an uplink beside others is seen to be down; its lamp stays dark, for the NOC is still told."""
    down = {uplink["id"] for uplink in status["uplinks"] if not uplink["connected"]}
    return step.kind == "uplink" and not step.alone and step.id in down


def receipt(status: Mapping[str, Any], first: int, last: int) -> str:
    """Who has entries ``first`` to ``last``: a ``receiver`` that has stored them, the ``broker``, or ``none``."""
    for name, who in (("stored", "receiver"), ("acknowledged", "broker")):
        for uplink in status["uplinks"]:
            if any(low <= first and last <= high for low, high in uplink[name]):
                return who
    return "none"


def passed(result: Mapping[str, Any], horn_due: bool) -> bool:
    """Whether a step proved the chain: noticed, seen, heard where it should sound, and told outside."""
    lamp = result.get("lamp") is None or result.get("lamp_seen") is True
    horn = not horn_due or result.get("horn_heard") is True
    noticed = result.get("alarm_after_s") is not None
    return noticed and lamp and horn and result.get("receipt") != "none" and result.get("restored_after_s") is not None


def summary(results: Sequence[Mapping[str, Any]]) -> list[str]:
    """A line a step, for the end."""
    out = []
    for one in results:
        word = "proved" if one["passed"] else "NOT PROVED"
        facts = [f"alarm after {one['alarm_after_s']:.0f} s" if one.get("alarm_after_s") is not None else "no alarm"]
        for name, text in (("lamp_seen", "lamp"), ("horn_heard", "horn")):
            if one.get(name) is not None:
                facts.append(f"{text} {'yes' if one[name] else 'NO'}")
        if one.get("receipt") == "none":
            facts.append("no receipt")
        elif one.get("receipt"):
            facts.append(f"receipt ({one['receipt']}) after {one['receipt_after_s']:.0f} s")
        out.append(f"  {one['kind']} {one['id']}: {word} ({', '.join(facts)})")
    return out
