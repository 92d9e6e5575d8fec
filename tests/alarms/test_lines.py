"""A line's readings to conditions: contacts, the port, the session, loop current through its trunk's group."""

from __future__ import annotations

from typing import Any

import pytest

from agent.alarms.lines import LineAlarms
from agent.alarms.trunks import Condition
from agent.readings import Kind, Reading, State
from agent.site.line import ContactsLine, Meaning, ModbusContact, ModbusLine, PinContact, Tl1Line


def contact(name: str, meaning: Meaning, number: int, **more: Any) -> ModbusContact:
    return ModbusContact(name=name, meaning=meaning, input=number, **more)


LINE = ModbusLine(
    id="relays",
    port="/dev/null",
    trunks={"n-1": "north", "n-2": "north"},
    contacts=(
        contact("loop-1", "loop-current", 0, trunk="n-1"),
        contact("loop-2", "loop-current", 1, trunk="n-2"),
        contact("major", "cpe-major", 2),
        contact("busy", "make-busy", 3),
        contact("ups", "on-battery", 4),
        contact("voice", "no-voice", 5, position="seat-1"),
        contact("minor", "cpe-minor", 6),
        contact("gen", "generator", 7),
        contact("modem", "link-power", 8),
    ),
)


def say(alarms: LineAlarms, name: str, active: bool | None) -> dict[tuple[str, str, str], bool]:
    state: State = "unknown" if active is None else "down" if active else "up"
    reading = Reading(alarms.line.id, alarms.line.dialect, "contact", name, state, 0, {"active": active})
    return told(list(alarms.conditions(reading)))


def told(conditions: list[Condition]) -> dict[tuple[str, str, str], bool]:
    return {(c.resource, c.type, c.qualifier): c.holds for c in conditions}


def test_loop_current_lost_on_all_trunks_is_the_group_s_end() -> None:
    alarms = LineAlarms.of(LINE)
    first = say(alarms, "loop-1", True)
    assert first["relays", "trunk-down", "n-1"]
    assert first["north", "trunk-partial", "all"]
    second = say(alarms, "loop-2", True)
    assert second["north", "trunk-group-down", "all"]
    assert not second["north", "trunk-partial", "all"]
    back = say(alarms, "loop-1", False)
    assert not back["relays", "trunk-down", "n-1"]
    assert not back["north", "trunk-group-down", "all"]


@pytest.mark.parametrize(
    ("name", "point"),
    [
        ("major", "cpe-alarm"),
        ("minor", "cpe-warning"),
        ("busy", "diverted"),
        ("ups", "power-on-battery"),
        ("gen", "generator-running"),
        ("modem", "link-quiet"),
    ],
)
def test_each_meaning_has_its_point(name: str, point: str) -> None:
    alarms = LineAlarms.of(LINE)
    assert say(alarms, name, True)["relays", point, name]
    assert not say(alarms, name, False)["relays", point, name]


def test_a_contact_that_cannot_be_read_is_neither_well_nor_ill() -> None:
    alarms = LineAlarms.of(LINE)
    say(alarms, "major", True)
    assert say(alarms, "major", None) == {("relays", "sense-failed", "major"): True}
    assert say(alarms, "major", False) == {
        ("relays", "sense-failed", "major"): False,
        ("relays", "cpe-alarm", "major"): False,
    }


def test_a_button_is_no_alarm_of_the_line_and_a_stranger_is_none() -> None:
    alarms = LineAlarms.of(LINE)
    assert set(say(alarms, "voice", True)) == {("relays", "sense-failed", "voice")}
    assert say(alarms, "nobody", True) == {}


def port(kind: Kind, subject: str = "port", **detail: Any) -> Reading:
    return Reading("bank", "tl1", kind, subject, "up" if kind == "port-up" else "down", 0, detail)


def test_a_lent_port_is_not_a_lost_one() -> None:
    alarms = LineAlarms.of(Tl1Line(id="bank", port="/dev/null"))
    lent = told(list(alarms.conditions(port("port-down", "released", minutes=30))))
    assert lent == {("bank", "port-lent", "port"): True, ("bank", "port-lost", "port"): False}
    lost = told(list(alarms.conditions(port("port-down", reason="gone"))))
    assert lost == {("bank", "port-lent", "port"): False, ("bank", "port-lost", "port"): True}
    back = told(list(alarms.conditions(port("port-up"))))
    assert not any(back.values())


def test_a_refused_session_is_our_own_blindness() -> None:
    alarms = LineAlarms.of(Tl1Line(id="bank", port="/dev/null"))
    down = Reading("bank", "tl1", "event", "session", "down", 0, {"reason": "DENY PICC"})
    (c,) = alarms.conditions(down)
    assert (c.type, c.qualifier, c.holds) == ("sense-failed", "session", True)
    assert "PICC" in c.text


def test_contacts_on_modem_lines_are_contacts_too() -> None:
    line = ContactsLine(id="pins", port="/dev/ttyS0", contacts=(PinContact(name="ups", meaning="on-battery"),))
    assert say(LineAlarms.of(line), "ups", True)["pins", "power-on-battery", "ups"]
