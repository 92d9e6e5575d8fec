"""A path's checks as conditions: a box that can't test says so of itself, and nothing of the device."""

from __future__ import annotations

from agent.alarms.paths import PathAlarms
from agent.readings import Reading, State
from agent.site import schema

PATH = schema.Path(id="fw", role="firewall", address="192.0.2.1", checks=(schema.Icmp(),))


def said(path: PathAlarms, state: State, times: int) -> dict[str, bool]:
    """What stands after so many results that are alike."""
    stands: dict[str, bool] = {}
    for _ in range(times):
        kind = "probe-ok" if state == "up" else "probe-fail"
        for c in path.conditions(Reading("fw", "icmp", kind, "", state, 0, {"reason": "x"}), 0):  # type: ignore[arg-type]
            stands[c.type] = c.holds
    return stands


def test_what_could_not_be_tested_is_no_fault_of_the_device() -> None:
    path = PathAlarms.of(PATH, 20.0)
    assert said(path, "up", 3) == {"sense-failed": False, "firewall-fault": False}
    assert said(path, "unknown", 10) == {"sense-failed": True}
    assert path.state("icmp") == "unknown"
    assert said(path, "down", 5) == {"sense-failed": False, "firewall-fault": True}
    assert path.state("icmp") == "down"
