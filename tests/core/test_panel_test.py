"""The whole panel shown once, its result in the journal; the panel's own no-voice button; a stuck button."""

from __future__ import annotations

from typing import Any

from agent.alarms.panel_test import STEPS, WHOLE_S
from agent.effects import Record, SetPanel
from agent.panel import LAMPS, levels
from agent.readings import Reading, Request
from tests.core.test_core import NS, World, healthy


def held(world: World) -> None:
    world.give(Request("button-1", "test", {"whole": True}, "button on the panel", "button"))


def results(world: World) -> list[dict[str, Any]]:
    return [dict(e.payload) for e in world.effects if isinstance(e, Record) and e.kind == "panel-test"]


def test_held_for_3_s_it_shows_every_lamp_and_voice_and_tells_the_result() -> None:
    world = healthy()
    world.effects.clear()
    begun_ns = world.now_ns
    held(world)
    world.run(WHOLE_S + 1)
    alone, voices = [], []
    views = [e.view for e in world.effects if isinstance(e, SetPanel)]
    for view in views:
        lit = levels(view, view.horn.since_ns).lit
        if [*lit.values()].count(True) == 1 and view.tested:
            alone += [lamp for lamp, on in lit.items() if on]
        if view.horn.voice != "none":
            voices.append(view.horn.voice)
            assert view.horn.since_ns <= world.now_ns
    assert tuple(alone) == LAMPS
    assert voices == ["alarm", "ringback", "trouble"]
    assert len([v for v in views if v.tested]) == len(STEPS)
    (result,) = results(world)
    assert (result["result"], result["who"], result["pins"]) == ("passed", "button on the panel", "mock")
    assert abs(result["seconds"] - WHOLE_S) < 0.2
    assert world.status()["lamps"]["ok"] == "wink", "and then it is as it was"
    assert world.status()["horn"] == "none"
    assert not views[-1].tested
    assert world.now_ns > begun_ns


def test_an_alarm_breaks_it_off_and_sounds() -> None:
    world = healthy()
    held(world)
    world.run(3)
    world.line("alarm")
    assert results(world)[-1]["result"] == "broken-off"
    assert (world.status()["lamps"]["trunks"], world.status()["horn"]) == ("flash", "alarm")


def test_what_fails_meanwhile_fails_it() -> None:
    world = healthy()
    held(world)
    world.run(3)
    world.give(Reading("host", "panel", "host", "panel", "down", world.now_ns, {"reason": "trunks: reads wrong"}))
    world.give(Reading("host", "panel", "host", "panel", "up", world.now_ns + 1))
    world.run(WHOLE_S)
    (result,) = results(world)
    assert result["result"] == "failed"
    assert "trunks: reads wrong" in result["why"]


def test_it_does_not_run_over_what_sounds_nor_from_afar() -> None:
    world = healthy()
    afar = Request("1", "test", {"whole": True}, "noc", "mqtt")
    assert "sees and hears" in str([e for e in world.give(afar) if hasattr(e, "error")])
    world.line("alarm")
    assert "sounds; silence" in str(world.ask("test", whole=True).error)
    assert world.status()["horn"] == "alarm"
    world.ask("silence")
    assert world.ask("test", whole=True).error is None


def pressed(world: World, position: str, active: bool) -> None:
    detail = {"meaning": "no-voice", "active": active, "position": position}
    world.give(Reading("panel", "button", "contact", position, "down" if active else "up", world.now_ns, detail))


def test_the_panels_no_voice_button_and_the_heads_are_two_positions() -> None:
    world = healthy()
    pressed(world, "head", True)
    assert world.alarm("testville_voice-reported_all") or world.status()["lamps"]["calls"] == "steady"
    pressed(world, "head", False)
    world.run(5)
    assert not world.alarm("testville_no-voice-button_all")
    pressed(world, "panel", True)
    alarm = world.alarm("testville_no-voice-button_all")
    assert alarm is not None
    assert world.status()["lamps"]["calls"] == "flash"
    assert world.status()["horn"] == "alarm"


def test_a_stuck_button_is_trouble_and_silences_nothing() -> None:
    world = healthy()
    world.give(Request("b", "silence", {}, "button on the panel", "button"))
    stuck = {"reason": "silence has been held down for 30 s"}
    world.give(Reading("host", "button", "host", "silence", "down", world.now_ns, stuck))
    world.run(15)
    alarm = world.alarm("host_button-stuck_silence")
    assert alarm is not None
    assert alarm["active"]
    assert world.status()["horn"] == "trouble"
    world.line("alarm")
    assert world.status()["horn"] == "alarm"
    assert world.now_ns > 15 * NS
