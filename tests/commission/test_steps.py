"""What a step proves, what is written of it, and when commissioning is asked for again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from agent.clock import Wall
from agent.commission.steps import Step, cut, passed, raised, receipt, standing, steps
from agent.commissioned import Commissioned, Wrong, checked

THEN = Wall("2026-01-01T00:00:00.000Z", True)
SEALED = {"kind": "all", "id": "all", "technician": "pat", "steps": 3, "failed": 0, "passed": True}


def status(*alarms: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "alarms": list(alarms),
        "ports": [{"id": "bank-a", "dialect": "tl1", "port": "/dev/ttyS0"}],
        "senses": [
            {"source": "bank-a", "sense": "tl1"},
            {"source": "esrp", "sense": "icmp"},
            {"source": "esrp", "sense": "sip-options"},
            {"source": "host", "sense": "disk"},
        ],
        "uplinks": [{"id": "primary", "url": "mqtt://x", "connected": True, "stored": [], "acknowledged": []}],
        "journal": {"head": 7},
    } | more


def alarm(resource: str, type_name: str = "x", **more: Any) -> dict[str, Any]:
    base = {"id": f"{resource}_{type_name}_q", "resource": resource, "type": type_name, "severity": "major"}
    return base | {"active": True, "times_raised": 1} | more


def test_every_line_path_and_uplink_is_a_step_once() -> None:
    assert [(step.kind, step.id) for step in steps(status())] == [
        ("line", "bank-a"),
        ("path", "esrp"),
        ("uplink", "primary"),
    ]
    assert steps(status())[-1].alone


def test_only_a_new_alarm_of_the_step_itself_counts() -> None:
    step = Step("line", "bank-a", "")
    old = alarm("bank-a")
    assert raised(step, standing(status(old)), status(old, alarm("esrp"))) is None
    assert raised(step, standing(status(old)), status(alarm("bank-a", times_raised=2))) is not None
    assert raised(step, {}, status(alarm("bank-a", active=False))) is None
    worst = raised(step, {}, status(alarm("bank-a", "y", severity="minor"), old))
    assert worst is not None
    assert worst["severity"] == "major"


def test_one_uplink_of_two_lights_nothing_and_is_seen_all_the_same() -> None:
    down = [{"id": "a", "connected": False}, {"id": "b", "connected": True}]
    assert cut(Step("uplink", "a", ""), status(uplinks=down))
    assert not cut(Step("uplink", "b", ""), status(uplinks=down))
    assert not cut(Step("uplink", "a", "", alone=True), status(uplinks=down))


@pytest.mark.parametrize(
    ("stored", "acknowledged", "who"),
    [
        ([[1, 9]], [], "receiver"),
        ([], [[1, 9]], "broker"),
        ([[1, 6]], [[1, 6]], "none"),
        ([[1, 6], [8, 9]], [], "none"),
    ],
)
def test_a_receipt_covers_everything_since_the_cable_was_pulled(stored: Any, acknowledged: Any, who: str) -> None:
    told = status(uplinks=[{"stored": stored, "acknowledged": acknowledged}])
    assert receipt(told, 6, 8) == who


GOOD = {"alarm_after_s": 3.0, "lamp": "calls", "lamp_seen": True, "horn_heard": True, "receipt": "receiver"} | {
    "restored_after_s": 1.0
}


@pytest.mark.parametrize(
    "wrong",
    [
        {"alarm_after_s": None},
        {"lamp_seen": False},
        {"horn_heard": False},
        {"receipt": "none"},
        {"restored_after_s": None},
    ],
)
def test_a_step_is_proved_only_whole(wrong: dict[str, Any]) -> None:
    assert passed(GOOD, True)
    assert not passed(GOOD | wrong, True)
    assert passed(GOOD | {"horn_heard": None}, False)


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "x"},
        {"id": ""},
        {"technician": None},
        {"technician": "x\n"},
        {"note": "x" * 121},
        {"lamp_seen": 1},
        {"passed": None},
        {"alarm_after_s": -1},
        {"alarm_after_s": float("nan")},
        {"steps": True},
        {"receipt": "x"},
        {"caller": "617"},
    ],
)
def test_what_cannot_be_a_step_is_refused(wrong: dict[str, Any]) -> None:
    assert checked(SEALED) == SEALED
    with pytest.raises(Wrong):
        checked(SEALED | wrong)


@dataclass
class Entry:
    payload: bytes
    wall: str = THEN.utc
    synced: bool = True


def at(day: int, month: int, year: int, synced: bool = True) -> Wall:
    return Wall(f"{year}-{month:02d}-{day:02d}T00:00:00.000Z", synced)


def test_asked_for_again_after_a_year_and_never_by_a_clock_that_cannot_know() -> None:
    state = Commissioned()
    assert state.status(THEN)["due"] is True
    state.saw("commission", SEALED | {"kind": "line"}, THEN)
    assert state.status(THEN)["due"] is True
    state.saw("commission", SEALED, THEN)
    assert state.status(at(1, 12, 2026))["due"] is False
    assert state.status(at(2, 1, 2027))["due"] is True
    assert state.status(at(2, 1, 2027, synced=False))["due"] is False
    assert state.status(at(1, 1, 1970))["due"] is False
    state.saw("commission", SEALED, Wall(THEN.utc, synced=False))
    assert state.status(at(2, 1, 2037))["due"] is False


def test_a_sealing_that_found_faults_reminds_at_once() -> None:
    state = Commissioned()
    state.saw("commission", SEALED | {"passed": False, "failed": 1}, THEN)
    assert "faults" in state.status(THEN)["reminder"]


def test_read_back_from_the_journal_and_garbage_is_nothing() -> None:
    state = Commissioned()
    state.restore([Entry(b"{"), Entry(b'{"kind": "all", "technician": "pat", "passed": true}')])
    assert state.status(THEN)["technician"] == "pat"
