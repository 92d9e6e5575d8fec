"""Modes, shelves, the verdict under change and the regulatory clock, as the core tells them."""

from __future__ import annotations

from agent.alarms.paths import PathAlarms
from agent.effects import Record
from agent.payloads import AlarmState
from agent.readings import Reading
from agent.site import schema
from tests.core.test_core import NS, World


def verdicts(world: World) -> list[dict[str, object]]:
    return [dict(e.payload) for e in world.effects if isinstance(e, Record) and e.kind == "verdict"]


def forwarding_stops(world: World) -> None:
    world.run(30)
    world.up["rt", "icmp"] = world.up["refl", "sip-options"] = False


def test_a_verdict_under_change_says_so_and_settles() -> None:
    world = World()
    forwarding_stops(world)
    world.run(60)
    told = verdicts(world)
    assert told[-1]["causes"] == ("firewall-blocking", "router-down") or told[-1]["causes"] == [
        "firewall-blocking",
        "router-down",
    ]
    assert told[-1]["under_change"] is False
    assert any(one["under_change"] for one in told)


def test_the_clock_of_the_rules_runs_while_calls_fail() -> None:
    world = World()
    forwarding_stops(world)
    world.run(60)
    duty = verdicts(world)[-1]["duty"]
    assert isinstance(duty, dict)
    assert duty["notify_by_ns"] == duty["since_ns"] + 1800 * NS
    assert world.core.status()["duty"]["minutes"] > 0
    world.up["rt", "icmp"] = world.up["refl", "sip-options"] = True
    world.run(120)
    assert world.core.status()["duty"] is None


def test_service_mode_lights_and_reports_without_a_horn_nor_a_cry_for_help() -> None:
    world = World()
    assert world.ask("mode", mode="service", minutes=60).error is None
    world.line("alarm")
    world.line("alarm", aid="T1-2")
    world.run(120)
    status = world.core.status()
    assert status["mode"] == "service"
    assert status["lamps"]["trunks"] == "flash"
    assert status["horn"] == "none"
    raised = [e.payload for e in world.effects if isinstance(e, Record) and e.kind == "alarm"]
    assert {one["mode"] for one in raised} == {"service"}
    assert not any(one["type"] == "nobody-knows" and one["active"] for one in raised)
    world.run(3600)
    assert world.core.status()["horn"] == "alarm", "what still stands sounds when the technicians' hour is over"


def test_shelved_by_the_path_it_does_not_sound() -> None:
    world = World()
    assert world.ask("shelve", what="rt", minutes=30).error is None
    world.run(30)
    world.up["rt", "icmp"] = False
    world.run(60)
    status = world.core.status()
    assert [a["shelved"] for a in status["alarms"] if a["resource"] == "rt"] == [True]
    assert status["lamps"]["router"] == "flash"
    assert status["horn"] == "none"


def test_what_can_not_be_shelved_is_refused() -> None:
    world = World()
    assert "nothing of that name" in str(world.ask("shelve", what="no-such", minutes=5).error)
    assert "minutes" in str(world.ask("shelve", what="rt", minutes="x").error)
    assert "one of" in str(world.ask("mode", mode="holiday").error)


def test_what_a_check_finds_is_a_point_and_ends_with_it() -> None:
    world = World()
    detail = {"point": "ha-degraded", "reason": "its standby is gone", "peer": "b"}
    world.give(Reading("fw", "icmp", "alarm", "ha", None, world.now_ns, detail))
    world.run(61)
    (alarm,) = [a for a in world.core.status()["alarms"] if a["type"] == "ha-degraded"]
    assert alarm["text"] == "fw: its standby is gone."
    assert alarm["evidence"] == {"peer": "b", "subject": "ha"}
    world.give(Reading("fw", "icmp", "clear", "ha", None, world.now_ns, {"point": "ha-degraded"}))
    world.run(301)
    assert not [a for a in world.core.status()["alarms"] if a["type"] == "ha-degraded"]
    world.give(Reading("fw", "icmp", "alarm", "ha", None, world.now_ns, {"point": "no such point"}))


def test_peers_are_no_strangers() -> None:
    world = World()
    world.give(Reading("peers", "pool", "probe-ok", "", "up", world.now_ns))
    assert world.core.status()["strays"] == 0


def test_an_alarm_written_before_shelving_was_known_is_read_back() -> None:
    import msgspec

    world = World()
    world.line("alarm")
    state = next(e.payload for e in world.effects if isinstance(e, Record) and e.kind == "alarm")
    old = {key: value for key, value in state.items() if key not in ("shelved", "mode")}
    assert msgspec.convert(old, AlarmState).mode == "normal"


def test_a_knock_that_could_not_be_asked_for_is_trouble_the_third_time() -> None:
    knock = schema.Knock(idle_s=1)
    paths = (schema.Path(id="refl", role="reflector", address="192.0.2.3", checks=(knock,), secret="s"),)
    alarms = PathAlarms.of(paths[0], 0.0)

    def troubled() -> bool:
        reading = Reading("refl", "knock", "probe-fail", "", "unknown", 0, {"reason": "not asked"})
        return any(c.type == "sense-failed" and c.holds for c in alarms.conditions(reading, 0))

    assert [troubled() for _ in range(3)] == [False, False, True]
