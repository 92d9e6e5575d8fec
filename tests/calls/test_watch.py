"""Everything about calls joined: what the alarm book and the verdict are told, what is kept, and that no number is."""

from __future__ import annotations

import json
from typing import Any

from agent.calls.facts import CallCondition
from agent.calls.watch import CallWatch
from agent.readings import Reading
from agent.site import schema
from agent.site.line import AliLine, ContactsLine, PinContact, SmdrLine
from tests.calls.test_evidence import data, record

NS = 1_000_000_000
H = 3600
BUTTON = ContactsLine(
    id="pins",
    port="/dev/p",
    contacts=(PinContact(name="voice", meaning="no-voice", position="seat-1"),),
)
LINES = (
    AliLine(id="ali-a", port="/dev/a", link="ali"),
    SmdrLine(id="smdr", port="/dev/s", switch="nortel-old", trunks={"T010 016": "north"}, abandoned_recorded=True),
    BUTTON,
)


def site(**calls: Any) -> schema.SiteFile:
    return schema.SiteFile(
        site=schema.Site(id="testville", calls_per_hour=20, noc_phone="555-0100"),
        line=LINES,
        calls=schema.Calls(**{"shadow_days": 0, **calls}),
    )


class World:
    def __init__(self, made: schema.SiteFile, saved: dict[str, Any] | None = None) -> None:
        self.watch = CallWatch(made, 0, saved)
        self.at_s = 0.0
        self.stands: dict[tuple[str, str, str], CallCondition] = {}
        for line, sense in (("ali-a", "ali"), ("smdr", "smdr"), ("pins", "contacts")):
            self.see(Reading(line, sense, "port-up", "port", "up", 0))
        self.clock()

    def see(self, reading: Reading) -> None:
        now_ns = int(self.at_s * NS)
        self.watch.saw(reading, now_ns)
        self.watch.tick(now_ns)
        self.take()

    def take(self) -> None:
        for c in self.watch.conditions():
            self.stands[c.resource, c.type, c.qualifier] = c

    def clock(self) -> None:
        detail = {"utc_s": 1.7e9 + self.at_s, "synced": True}
        self.see(Reading("host", "clock", "host", "clock", "up", int(self.at_s * NS), detail))

    def call(self, number: int, talk_s: float) -> None:
        self.at_s += 60
        self.see(data(self.at_s, f"k{number}"))
        self.at_s += talk_s
        self.see(record(self.at_s, f"k{number}", duration_s=talk_s))
        self.clock()

    def holds(self, type_name: str) -> list[tuple[str, str, bool]]:
        return [(r, q, c.shadow) for (r, t, q), c in self.stands.items() if t == type_name and c.holds]

    def look(self) -> dict[str, str]:
        return self.watch.columns(int(self.at_s * NS))


def test_data_without_voice_is_told_with_the_action_first() -> None:
    world = World(site())
    for number in range(5):
        world.call(number, 60.0)
    assert world.look()["V"] == "u"
    assert world.look()["A"] == "u"
    for number in range(100, 115):
        world.call(number, 4.0)
    assert ("testville", "all", False) in world.holds("data-without-voice")
    text = world.stands["testville", "data-without-voice", "all"].text
    assert text.startswith("Callers may not hear you. Call back every number from an admin line.")
    assert world.look()["V"] == "d"
    world.call(200, 60.0)
    world.call(201, 60.0)
    world.call(202, 60.0)
    assert world.holds("data-without-voice") == []


def test_a_new_detector_is_in_shadow() -> None:
    world = World(site(shadow_days=14))
    for number in range(20):
        world.call(number, 4.0)
    assert all(shadow for _, _, shadow in world.holds("data-without-voice"))
    assert "V" in world.watch.shadowed()


def test_a_feed_that_is_gone_is_not_silence() -> None:
    world = World(site())
    for number in range(300):
        world.call(number, 60.0)
    world.see(Reading("smdr", "smdr", "port-down", "port", "down", int(world.at_s * NS), {"reason": "gone"}))
    for _ in range(100):
        world.at_s += H
        world.clock()
    assert world.holds("silence") == []
    world.see(Reading("smdr", "smdr", "port-up", "port", "up", int(world.at_s * NS)))
    for _ in range(100):
        world.at_s += H
        world.clock()
    assert ("testville", "all", False) in world.holds("silence")
    assert world.look()["A"] == "d"


def test_nothing_of_this_costs_a_site_without_calls() -> None:
    made = schema.SiteFile(site=schema.Site(id="testville"))
    watch = CallWatch(made, 0)
    assert (watch.columns(0), watch.deadline(0), watch.status(0), watch.to_save(10**18)) == ({}, None, [], None)


def test_what_is_learned_survives_and_garbage_is_refused() -> None:
    world = World(site())
    for number in range(60):
        world.call(number, 60.0)
    saved = world.watch.to_save(int(world.at_s * NS), force=True)
    assert saved is not None
    again = json.loads(json.dumps(saved))
    assert World(site(), again).watch.restored
    for garbage in ({}, {"v": 1, "voices": {"all": {"talks": "x"}}, "silence": 7, "links": [], "quiet_s": "x"}):
        World(site(), garbage).call(1, 60.0)


def test_no_key_of_a_caller_leaves() -> None:
    world = World(site())
    for number in range(30):
        world.call(number, 4.0 if number > 10 else 60.0)
    told = json.dumps([world.watch.status(int(world.at_s * NS)), world.watch.to_save(1 << 62, force=True)])
    told += str(list(world.stands.values()))
    assert not any(f"'k{number}'" in told or f'"k{number}"' in told for number in range(30))


def test_the_button() -> None:
    world = World(site())
    for at_s, active in ((10, True), (11, False)):
        world.at_s = at_s
        detail = {"meaning": "no-voice", "active": active, "position": "seat-1"}
        world.see(Reading("pins", "contacts", "contact", "voice", "up", at_s * NS, detail))
    assert world.holds("voice-reported")
    assert not world.holds("no-voice-button")
    world.call(1, 60.0)
    detail = {"meaning": "no-voice", "active": True, "position": "seat-1"}
    world.see(Reading("pins", "contacts", "contact", "voice", "up", int(world.at_s * NS), detail))
    assert world.holds("no-voice-button") == [("testville", "all", False)]
    assert world.look()["V"] == "d"
