"""The core with call senses: alarms in shadow, what is learned, what is never journalled, lending a port."""

from __future__ import annotations

from typing import Any

import msgspec

from agent.core import Core
from agent.effects import Effect, Record, Reply, SetPanel
from agent.payloads import AlarmState
from agent.readings import Reading, Request, Wake
from agent.site import schema
from agent.site.line import AliLine, ContactsLine, PinContact, SmdrLine
from tests.calls.test_evidence import data, record

NS = 1_000_000_000
LINES = (
    AliLine(id="ali-a", port="/dev/a", link="ali"),
    SmdrLine(id="smdr", port="/dev/s", switch="nortel-old", trunks={"T010 016": "north"}, abandoned_recorded=True),
    ContactsLine(id="pins", port="/dev/p", contacts=(PinContact(name="voice", meaning="no-voice", position="seat-1"),)),
)


def site(shadow_days: int = 0) -> schema.SiteFile:
    return schema.SiteFile(
        site=schema.Site(id="testville", calls_per_hour=20, noc_phone="555-0100"),
        line=LINES,
        uplink=(schema.Uplink(id="noc", urls=("mqtt://127.0.0.1",)),),
        calls=schema.Calls(shadow_days=shadow_days),
    )


class World:
    """Drives a core through calls; the uplink is there."""

    def __init__(self, made: schema.SiteFile, restored: list[AlarmState] | None = None) -> None:
        self.core, self.at_s, self.effects = Core(made, 0, restored or []), 0.0, list[Effect]()
        self.give(Wake())
        self.give(Reading("noc", "uplink", "probe-ok", "", "up", 0))
        for line, sense in (("ali-a", "ali"), ("smdr", "smdr"), ("pins", "contacts")):
            self.give(Reading(line, sense, "port-up", "port", "up", 0))
        self.give(Reading("pins", "contacts", "contact", "voice", "up", 0, {"meaning": "no-voice", "active": False}))

    def give(self, item: Any) -> list[Effect]:
        now_ns = int(self.at_s * NS)
        while (due := self.core.deadline()) is not None and due < now_ns:
            self.effects += self.core.handle(Wake(), due)
        effects = self.core.handle(item, now_ns)
        self.effects += effects
        return effects

    def call(self, number: int, talk_s: float) -> None:
        self.at_s += 60
        self.give(data(self.at_s, f"k{number}"))
        self.at_s += talk_s
        self.give(record(self.at_s, f"k{number}", duration_s=talk_s))

    def alarm(self, alarm_id: str) -> dict[str, Any] | None:
        return next((a for a in self.core.status()["alarms"] if a["id"] == alarm_id), None)


VOICE = "testville_data-without-voice_all"


def test_no_voice_sounds_and_the_verdict_says_that_calls_fail() -> None:
    world = World(site())
    for number in range(5):
        world.call(number, 60.0)
    for number in range(100, 120):
        world.call(number, 4.0)
    assert (world.alarm(VOICE) or {})["severity"] == "critical"
    status = world.core.status()
    assert (status["horn"], status["lamps"]["calls"], status["lamps"]["ok"]) == ("alarm", "flash", "off")
    assert status["verdict"]["calls_fail"] is not False
    assert status["verdict"]["cause"] != "none"


def test_in_shadow_it_lights_and_reports_and_is_silent() -> None:
    world = World(site(shadow_days=14))
    for number in range(30):
        world.call(number, 60.0 if number < 5 else 4.0)
    assert (world.alarm(VOICE) or {})["shadow"] is True
    status = world.core.status()
    assert (status["horn"], status["lamps"]["calls"], status["lamps"]["ok"]) == ("none", "flash", "off")
    assert any(isinstance(e, Record) and e.payload.get("id") == VOICE for e in world.effects)
    world.at_s += 300
    world.give(Wake())
    assert all(a["type"] != "nobody-knows" for a in world.core.status()["alarms"])


def test_no_call_is_ever_journalled() -> None:
    world = World(site())
    for number in range(20):
        world.call(number, 60.0)
    for effect in world.effects:
        assert not (isinstance(effect, Record) and "caller_key" in str(effect.payload))


def test_what_is_learned_comes_as_a_record_each_hour() -> None:
    world = World(site())
    for number in range(120):
        world.call(number, 60.0)
    learned = [e for e in world.effects if isinstance(e, Record) and e.kind == "learned"]
    assert 2 <= len(learned) <= 6
    assert Core(site(), 0, [], [], learned[-1].payload).status()["calls"]


def test_a_critical_alarm_stands_again_after_a_restart() -> None:
    world = World(site())
    for number in range(30):
        world.call(number, 60.0 if number < 5 else 4.0)
    states = [msgspec.convert(a, AlarmState) for a in world.core.status()["alarms"]]
    again = World(site(), states)
    assert (again.alarm(VOICE) or {})["active"] is True
    for number in range(500, 503):
        again.call(number, 60.0)
    again.at_s += 61
    again.give(Wake())
    assert (again.alarm(VOICE) or {"active": False})["active"] is False


def ask(world: World, **args: Any) -> Reply:
    effects = world.give(Request("1", "release", args, "eve"))
    assert any(isinstance(e, Record) and e.kind == "request" for e in effects) == (effects[-1].error is None)  # type: ignore[union-attr]
    return next(e for e in effects if isinstance(e, Reply))


def test_a_port_is_lent_by_its_id_or_its_path() -> None:
    world = World(site())
    assert ask(world, line="smdr", minutes=30).result == {"line": "smdr", "minutes": 30}
    assert ask(world, line="/dev/s", minutes=0).result == {"line": "smdr", "minutes": 0}
    for wrong in ({"line": "nobody"}, {"line": "smdr", "minutes": 1e9}, {"line": "smdr", "minutes": True}, {}):
        assert ask(world, **wrong).error


def test_a_lent_port_is_on_the_panel() -> None:
    world = World(site())
    effects = world.give(Reading("smdr", "smdr", "port-down", "released", "unknown", 0, {"minutes": 30}))
    assert any(isinstance(e, SetPanel) and e.view.lamps["probe"].pattern == "steady" for e in effects)
    assert world.core.status()["horn"] == "none"


def test_a_pause_after_calls_without_data_is_no_loss_of_calls() -> None:
    """That they brought none is known by their having come: the horn must not sound at the next pause."""
    world = World(site())
    for number in range(20):
        world.call(number, 60.0)
    for number in range(100, 110):
        world.at_s += 120
        world.give(record(world.at_s, f"k{number}", duration_s=60.0))
    world.at_s += 120
    world.give(Wake())
    assert (world.alarm("ali_link-quiet_data") or {})["active"] is True
    assert world.core.status()["verdict"]["causes"] == ("ali-link-down",)
    for _ in range(20):
        world.at_s += 60
        world.give(Wake())
        assert not [a for a in world.core.status()["alarms"] if a["severity"] == "critical"]
        assert world.core.status()["verdict"]["causes"] == ("ali-link-down",)


def test_no_sentence_says_that_nothing_is_wrong_while_a_critical_alarm_stands() -> None:
    """Also where no cause of the table explains it: then the alarm's own words stand there."""
    world = World(site())
    for number in range(160):
        world.call(number, 60.0 + number % 50)
    assert world.core.status()["verdict"]["cause"] == "none"
    for number in range(200, 260):
        world.call(number, 22.0)
    assert (world.alarm("testville_one-way-audio_all") or {})["active"] is True
    verdict = world.core.status()["verdict"]
    assert "Nothing" not in verdict["sentence"]
    assert verdict["calls_fail"] is not False


def test_a_pause_between_calls_is_no_news() -> None:
    world = World(site())
    for number in range(30):
        world.call(number, 60.0)
    told = [e for e in world.effects if isinstance(e, Record) and e.kind == "verdict"]
    world.effects.clear()
    for number in range(30, 60):
        world.at_s += 1700
        world.call(number, 60.0)
    again = [e for e in world.effects if isinstance(e, Record) and e.kind == "verdict"]
    assert told
    assert [e.payload["sentence"] for e in again] == []
