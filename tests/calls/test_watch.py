"""Everything about calls joined: what the alarm book and the verdict are told, what is kept, and that no number is."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from agent.callers import Callers
from agent.calls.facts import CallCondition
from agent.calls.flaps import Flaps
from agent.calls.watch import CallWatch
from agent.lines.dialects import parser_for
from agent.lines.parser import CALL_FIELDS, DATA_FIELDS
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
        detail: dict[str, Any] = {"meaning": "no-voice", "active": active, "position": "seat-1"}
        world.see(Reading("pins", "contacts", "contact", "voice", "up", at_s * NS, detail))
    assert world.holds("voice-reported")
    assert not world.holds("no-voice-button")
    world.call(1, 60.0)
    detail = {"meaning": "no-voice", "active": True, "position": "seat-1"}
    world.see(Reading("pins", "contacts", "contact", "voice", "up", int(world.at_s * NS), detail))
    assert world.holds("no-voice-button") == [("testville", "all", False)]
    assert world.look()["V"] == "d"


def contact(world: World, meaning: str, active: bool | None) -> None:
    detail = {"meaning": meaning, "active": active, "position": None, "trunk": None}
    world.see(Reading("pins", "contacts", "contact", meaning, None, int(world.at_s * NS), detail))


def test_calls_diverted_on_purpose_are_no_silence() -> None:
    world = World(site())
    for number in range(300):
        world.call(number, 60.0)
    contact(world, "make-busy", True)
    contact(world, "make-busy", None)  # what can't be read is as it was
    assert world.watch.diverted
    for _ in range(100):
        world.at_s += H
        world.clock()
    assert world.holds("silence") == []
    assert world.look()["A"] == "-"
    contact(world, "make-busy", False)
    for _ in range(100):
        world.at_s += H
        world.clock()
    assert world.holds("silence")


def test_a_group_is_judged_though_data_comes_before_the_trunk_is_known() -> None:
    world = World(site())
    for number in range(300):
        world.call(number, 60.0)
    rates = {one["stream"]: one["rate_per_h"] for one in world.watch.status(0) if one["detector"] == "silence"}
    assert rates["north"] > 0


def test_a_class_of_service_becomes_a_stream_and_stays_one() -> None:
    world = World(site())
    for number in range(60):
        world.at_s += 120
        world.see(data(world.at_s, f"k{number}", class_of_service="WRLS"))
    streams = {one.get("stream") for one in world.watch.status(int(world.at_s * NS))}
    assert "class:WRLS" in streams
    saved = json.loads(json.dumps(world.watch.to_save(int(world.at_s * NS), force=True)))
    again = World(site(), saved)
    assert again.watch.restored
    assert "class:WRLS" in {one.get("stream") for one in again.watch.status(0)}


def test_what_is_proved_stays_proved() -> None:
    world = World(site(shadow_days=1))
    for number in range(1500):
        world.call(number, 60.0)
    for start in (5000, 6000):
        for number in range(20):
            world.call(start + number, 4.0)
        assert world.holds("data-without-voice") == [("testville", "all", False), ("north", "north", False)]
        for number in range(3):
            world.call(start + 100 + number, 60.0)
        assert world.holds("data-without-voice") == []


def test_a_silence_of_an_earlier_run_stands_until_a_call_comes() -> None:
    world = World(site())
    for number in range(100):
        world.call(number, 60.0)
    saved = json.loads(json.dumps(world.watch.to_save(int(world.at_s * NS), force=True)))
    again = World(site(), saved)
    again.watch.stood("testville", "silence", "all", False, 0)
    for _ in range(3):
        again.at_s += 60
        again.clock()
    assert again.look()["A"] == "d"
    again.call(1, 60.0)
    assert again.look()["A"] == "u"
    assert again.stands["testville", "silence", "all"].holds is False


def test_an_alarm_that_nobody_judges_any_more_ends() -> None:
    world = World(site(voice=False))
    world.watch.stood("testville", "data-without-voice", "all", False, 0)
    world.take()
    assert world.stands["testville", "data-without-voice", "all"].holds is False


def test_a_line_that_flaps_all_day_is_no_news() -> None:
    flaps = Flaps()
    odds = [flaps.alarm(int(hour * H * NS)) for hour in range(30 * 24)]
    assert odds[0] == 100.0
    assert odds[-1] is not None
    assert odds[-1] < 8
    assert flaps.alarm(int((30 * 24 - 1) * H * NS) + NS) is None


def test_no_digits_of_any_caller_leave_the_parsers_and_judges() -> None:
    """From the bytes on: parsers, book, judges; what is told, shown and saved."""
    callers, made = Callers(bytes(range(32))), site()
    parsers = {line.id: parser_for(line, callers) for line in LINES if isinstance(line, AliLine | SmdrLine)}
    world, told = World(made), []
    for index in range(150):
        number = f"{201 + index}55501{index % 90 + 10:02}"
        shown = f"({number[:3]}) {number[3:6]}-{number[6:]}"
        text = f"\x02107\r{shown} 13:15 0618\r\nJ DOE\r\n12 ELM ST\r\nWRLS ESN 319\r\n\x03"
        took = "00:00:06" if index > 100 else "00:01:35"
        row = f"N {index:03} 00 T010 016 6101 06/18 13:15 {took} {number}\r\n"
        out = f"N {index:03} 00 6101 T011 003 06/18 13:17 00:00:40 A 1{number}\r\n"
        for line, sent in (("ali-a", text), ("smdr", row), ("smdr", out)):
            world.at_s += 40
            for reading in parsers[line].feed(sent.encode(), int(world.at_s * NS)):
                told.append(str(reading))
                world.see(reading)
    now_ns = int(world.at_s * NS)
    told += [str(one) for one in world.stands.values()]
    told.append(json.dumps([world.watch.status(now_ns), world.watch.to_save(now_ns, force=True)]))
    everything = "\n".join(told)
    assert world.holds("data-without-voice")
    assert world.stands["testville", "data-without-voice", "all"].evidence["called_back"]
    assert '"seen": 150' in everything
    for index in range(150):
        number = f"{201 + index}55501{index % 90 + 10:02}"
        for form in (number, number[3:], f"{number[3:6]}-{number[6:]}"):
            assert form not in everything
    assert "ELM" not in everything


READINGS = st.lists(
    st.tuples(
        st.sampled_from(["ali-a", "smdr", "pins", "else"]),
        st.sampled_from(["call", "data", "contact", "port-up", "port-down", "heartbeat", "alarm", "clear", "garbage"]),
        st.sampled_from(["up", "down", "unknown", None]),
        st.integers(-(10**9), 10**15),
        st.dictionaries(
            st.sampled_from([*CALL_FIELDS, *DATA_FIELDS, "meaning", "active", "dialled_key"]),
            st.one_of(
                st.none(), st.booleans(), st.floats(), st.integers(),
                st.sampled_from(["in", "out", "whole", "record", "k1", "no-voice", "make-busy", "T010016", "WRLS"]),
            ),
        ),
    ),
    max_size=30,
)  # fmt: skip


@given(READINGS)
@settings(max_examples=60)
def test_any_readings_in_any_order_never_raise_and_give_the_same_again(many: list[Any]) -> None:
    def run() -> list[str]:
        watch, out = CallWatch(site(), 0), []
        for source, kind, state, at_ns, detail in many:
            sense = "clock" if source == "else" else source
            watch.saw(
                Reading(source, sense, kind, "x", state, at_ns, {"utc_s": 1.7e9, "synced": True, **detail}), at_ns
            )
            watch.tick(at_ns)
            due = watch.deadline(at_ns)
            assert due is None or due > at_ns
            out.append(str((watch.conditions(), watch.columns(at_ns), watch.good_ns(), watch.shadowed())))
        out.append(json.dumps([watch.status(1 << 52), watch.to_save(1 << 52, force=True)]))
        return out

    assert run() == run()
