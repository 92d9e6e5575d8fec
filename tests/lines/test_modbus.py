"""The Modbus line: what is asked and when; what becomes of answers, refusals, silence and noise. Time is given."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.lines import modbus, modbus_rtu
from agent.lines.dialects import DialectRefused
from agent.lines.modbus import FAILS, SLOWEST_S, Modbus
from agent.lines.parser import Talker
from agent.readings import Reading
from agent.site.line import ModbusContact, ModbusLine

NS = 1_000_000_000
MS = 1_000_000
ASK = bytes.fromhex("01 02 00 00 00 08 79 CC")  # protocols.md section 3.1, as all frames here
ALL_OFF = bytes.fromhex("01 02 01 00 A1 88")
FIRST_ON = bytes.fromhex("01 02 01 01 60 48")
ALL_ON = bytes.fromhex("01 02 01 FF E1 C8")
BAD_FUNCTION = bytes.fromhex("01 82 01 81 60")
BAD_ADDRESS = bytes.fromhex("01 82 02 C1 61")


def line(**more: Any) -> ModbusLine:
    contacts = (
        ModbusContact(name="cpe", meaning="cpe-major", input=0),
        ModbusContact(name="button", meaning="no-voice", position="p1", input=7),
    )
    return ModbusLine(**{"id": "io", "port": "/dev/ttyS9", "contacts": contacts, **more})


class Bus:
    """A unit under test and the time."""

    def __init__(self, **more: Any) -> None:
        self.unit = Modbus(line(**more))
        self.now_ns = 1_000 * NS
        self.told: list[Reading] = []
        self.sent: list[int] = []
        self.unit.opened(self.now_ns)

    def until_asked(self, limit_s: float = 100.0) -> bytes:
        """Go from due time to due time until a question is sent."""
        end_ns = self.now_ns + int(limit_s * NS)
        while self.now_ns < end_ns:
            due_ns = self.unit.due_ns()
            assert due_ns is not None
            self.now_ns = max(self.now_ns, due_ns)
            words, readings = self.unit.speak(self.now_ns)
            self.told += readings
            if words:
                self.sent.append(self.now_ns)
                return words
        raise AssertionError("nothing is asked")

    def hears(self, data: bytes, after_ms: float = 20) -> list[Reading]:
        self.now_ns += int(after_ms * MS)
        readings = self.unit.feed(data, self.now_ns)
        self.told += readings
        return readings

    def exchange(self, data: bytes) -> list[Reading]:
        self.until_asked()
        return self.hears(data)


def brief(readings: list[Reading]) -> list[tuple[object, ...]]:
    return [(r.kind, r.subject, r.state, r.detail.get("active")) for r in readings]


def test_the_first_question_comes_after_a_silence_and_is_for_the_inputs_named() -> None:
    bus = Bus()
    assert isinstance(bus.unit, Talker)
    assert bus.unit.speak(bus.now_ns) == (b"", [])  # the port has just been opened
    assert bus.until_asked() == ASK
    assert bus.sent[0] - 1_000 * NS == pytest.approx(3_645_833, abs=2)
    assert bus.unit.speak(bus.now_ns) == (b"", [])  # never two at once


def test_an_answer_tells_every_contact_once_then_changes_only() -> None:
    bus = Bus()
    assert brief(bus.exchange(FIRST_ON)) == [("contact", "cpe", "up", False), ("contact", "button", "up", False)]
    for _ in range(5):
        assert bus.exchange(FIRST_ON) == []
    assert bus.exchange(ALL_OFF) == []  # seen once: it may bounce
    (changed,) = bus.exchange(ALL_OFF)
    assert brief([changed]) == [("contact", "cpe", "down", True)]
    assert changed.detail == {"meaning": "cpe-major", "active": True, "edges": 1, "trunk": None, "position": None}
    assert changed.source == "io"
    assert changed.sense == "modbus"


def test_it_asks_every_every_s_and_sooner_to_settle_a_contact_that_moved() -> None:
    bus = Bus(every_s=1.0)
    bus.exchange(FIRST_ON)
    bus.exchange(ALL_OFF)
    bus.exchange(ALL_OFF)
    bus.exchange(ALL_OFF)
    first, second, third, fourth = bus.sent
    assert second - first == NS
    assert third - second == 20 * MS + 100 * MS  # debounce_s after it was seen to move
    assert fourth - third == NS


def test_all_the_inputs_up_to_the_highest_and_the_coils_where_the_site_says_so() -> None:
    top = (ModbusContact(name="a", meaning="generator", input=255),)
    ask = Bus(contacts=top, address=16, unit=17).until_asked()
    assert ask[:6] == bytes.fromhex("11 02 00 10 01 00")
    assert Bus(function="coils").until_asked() == bytes.fromhex("01 01 00 00 00 08 3D CC")


@pytest.mark.parametrize("position", ["open", "closed"])
def test_inversion(position: str) -> None:
    contacts = (ModbusContact(name="a", meaning="on-battery", input=7, active=position),)
    (reading,) = Bus(contacts=contacts).exchange(ALL_ON)
    assert reading.detail["active"] is (position == "closed")


def test_exceptions_are_told_once_with_their_names_and_make_contacts_unknown() -> None:
    bus = Bus()
    bus.exchange(FIRST_ON)
    (event,) = bus.exchange(BAD_FUNCTION)
    assert (event.kind, event.subject, event.state) == ("event", "unit", "unknown")
    assert event.detail["reason"] == "exception 1: illegal function"
    assert event.detail["hint"] == 'function = "coils"'
    assert bus.exchange(BAD_FUNCTION) == []
    assert brief(bus.exchange(BAD_FUNCTION)) == [
        ("contact", "cpe", "unknown", None),
        ("contact", "button", "unknown", None),
    ]
    assert bus.exchange(BAD_FUNCTION) == []
    (other,) = bus.exchange(BAD_ADDRESS)
    assert (other.detail["name"], other.detail["hint"]) == ("illegal data address", None)
    assert brief(bus.exchange(FIRST_ON)) == [("contact", "cpe", "up", False), ("contact", "button", "up", False)]
    assert [r.kind for r in bus.exchange(BAD_ADDRESS)] == ["event"]  # after a good answer it is news again


def test_a_silent_unit_makes_contacts_unknown_once_and_is_asked_more_slowly() -> None:
    bus = Bus()
    bus.exchange(FIRST_ON)
    bus.told.clear()
    for _ in range(20):
        bus.until_asked()
    assert brief(bus.told) == [("contact", "cpe", "unknown", None), ("contact", "button", "unknown", None)]
    assert bus.told[0].detail["reason"] == "no answer"
    steps_s = [(b - a) / NS for a, b in zip(bus.sent, bus.sent[1:], strict=False)]
    assert steps_s[:FAILS] == [1.0, 1.0, 1.0]
    assert steps_s[FAILS : FAILS + 4] == [2.0, 4.0, 8.0, SLOWEST_S]
    assert max(steps_s) == SLOWEST_S
    assert brief(bus.hears(ALL_ON)) == [("contact", "cpe", "up", False), ("contact", "button", "down", True)]
    bus.until_asked()
    assert bus.sent[-1] - bus.sent[-2] == NS


def test_a_unit_that_never_answered_is_told_too() -> None:
    bus = Bus()
    for _ in range(FAILS + 1):
        bus.until_asked()
    assert {r.state for r in bus.told} == {"unknown"}
    assert len(bus.told) == 2


def test_the_time_out_leaves_room_for_the_bytes_themselves() -> None:
    top = (ModbusContact(name="a", meaning="generator", input=255),)
    bus = Bus(contacts=top, baud=300, timeout_s=0.05)
    bus.until_asked()
    body = bytes((1, 2, 32)) + bytes(32)
    assert len(bus.hears(body + modbus_rtu.crc16(body), after_ms=1500)) == 1


def test_noise_before_an_answer_and_our_own_echo() -> None:
    bus = Bus()
    assert len(bus.exchange(ASK + b"\xff\x00" + FIRST_ON)) == 2
    assert bus.unit.counters["echoes"] == 1
    assert bus.unit.counters["garbage_bytes"] == 2
    bus.until_asked()
    (garbage,) = [r for r in bus.told if r.kind == "garbage"]
    assert garbage.detail == {"bytes": 2, "reason": "no Modbus frame"}
    assert garbage.raw_ref == len(ASK)


def test_an_echo_alone_is_no_answer() -> None:
    bus = Bus()
    for _ in range(FAILS):
        bus.exchange(ASK)
    bus.until_asked()
    assert {r.state for r in bus.told} == {"unknown"}


def test_a_damaged_answer_is_told_and_counts_as_none() -> None:
    bus = Bus()
    for _ in range(FAILS):
        bus.exchange(FIRST_ON[:-1] + b"\x00")
    bus.until_asked()
    garbage = [r for r in bus.told if r.kind == "garbage"]
    assert [(r.detail["bytes"], r.detail["reason"]) for r in garbage] == [(6, "wrong check bytes")] * FAILS
    assert [r.detail["reason"] for r in bus.told if r.kind == "contact"] == ["wrong check bytes"] * 2


def test_a_late_answer_is_not_the_next_ones() -> None:
    bus = Bus()
    bus.exchange(FIRST_ON)
    bus.until_asked()
    late_ms = (bus.unit.due_ns() or 0) - bus.now_ns
    bus.now_ns += late_ms
    assert bus.unit.speak(bus.now_ns) == (b"", [])
    assert bus.hears(ALL_OFF, after_ms=1) == []
    bus.until_asked()
    assert [r.detail["reason"] for r in bus.told if r.kind == "garbage"] == ["not asked for"]


def test_it_waits_for_silence_and_a_line_that_never_falls_silent_is_no_health() -> None:
    bus = Bus()
    bus.exchange(FIRST_ON)
    bus.told.clear()
    for _ in range(20_000):
        bus.hears(b"\x55", after_ms=1)
        words, readings = bus.unit.speak(bus.now_ns)
        assert words == b""
        bus.told += readings
    unknown = [r for r in bus.told if r.kind == "contact"]
    assert [(r.state, r.detail["reason"]) for r in unknown] == [("unknown", "the line is never silent")] * 2
    asked_ns = bus.now_ns
    assert bus.until_asked(SLOWEST_S + 1) == ASK
    assert bus.sent[-1] - asked_ns >= 3 * MS


def test_a_port_that_is_lost_takes_what_was_known_with_it() -> None:
    bus = Bus()
    bus.exchange(FIRST_ON)
    bus.until_asked()
    bus.unit.feed(FIRST_ON[:4], bus.now_ns)
    readings = bus.unit.reset(bus.now_ns)
    assert [r.kind for r in readings] == ["garbage", "contact", "contact"]
    assert bus.unit.due_ns() is None
    assert bus.unit.speak(bus.now_ns + NS) == (b"", [])
    assert bus.unit.reset(bus.now_ns) == []
    bus.unit.opened(bus.now_ns)
    assert len(bus.exchange(FIRST_ON)) == 2


def test_a_capture_is_read_without_asking() -> None:
    unit = Modbus(line())
    readings = unit.feed(ASK + FIRST_ON + ASK + BAD_ADDRESS + b"noise" + ALL_ON, 0) + unit.reset(0)
    assert [r.kind for r in readings] == ["contact", "contact", "event", "garbage"]
    assert [r.raw_ref for r in readings] == [8, 8, 22, 27]


@pytest.mark.parametrize(
    ("more", "at"),
    [({"address": 65_529}, "address"), ({"format": "7E1"}, "format"), ({"flow": "xon-xoff"}, "flow")],
)
def test_what_no_unit_could_answer_is_refused(more: dict[str, Any], at: str) -> None:
    modbus.check(line())
    with pytest.raises(DialectRefused) as refused:
        modbus.check(line(**more))
    assert refused.value.at == (at,)


SCRAPS = st.sampled_from([ASK, FIRST_ON, ALL_ON, ALL_OFF, BAD_FUNCTION, BAD_ADDRESS, FIRST_ON[:3], b"\x01\x02\x01"])
STREAM = st.lists(st.one_of(SCRAPS, st.binary(max_size=5)), max_size=30).map(b"".join)


def run(pieces: list[bytes], *, asked: bool) -> list[Reading]:
    unit = Modbus(line())
    if asked:
        unit.opened(0)
        assert unit.speak(NS)[0]
    told = [r for piece in pieces for r in unit.feed(piece, 2 * NS)]
    assert unit.held_bytes <= modbus.HEARD_BYTES
    return told + unit.reset(3 * NS)


@settings(max_examples=300, deadline=None)
@given(data=STREAM, sizes=st.lists(st.integers(1, 9), min_size=1, max_size=8), asked=st.booleans())
def test_any_chunks_give_the_same(data: bytes, sizes: list[int], asked: bool) -> None:
    pieces, at = [], 0
    while at < len(data):
        size = sizes[len(pieces) % len(sizes)]
        pieces.append(data[at : at + size])
        at += size
    assert run(pieces, asked=asked) == run([data], asked=asked)


@settings(max_examples=200, deadline=None)
@given(junk=st.binary(max_size=600))
def test_after_any_garbage_the_next_answer_is_read_and_every_byte_is_told(junk: bytes) -> None:
    bus = Bus()
    bus.exchange(junk)
    bus.until_asked()
    assert len(bus.hears(FIRST_ON)) == 2
    garbage = [r for r in bus.told + bus.unit.reset(bus.now_ns) if r.kind == "garbage"]
    assert sum(int(r.detail["bytes"] or 0) for r in garbage) == len(junk)


def test_a_soak_of_noise_holds_little_and_tells_little() -> None:
    unit = Modbus(line())
    told = 0
    for n in range(400):
        told += len(unit.feed(bytes((n * k) & 0xFF for k in range(4096)), 0))
        assert unit.held_bytes <= modbus.HEARD_BYTES
    assert told <= 400 * 4096 // modbus.NOISE_BYTES
    assert [r.subject for r in unit.feed(FIRST_ON, 0) if r.kind == "contact"] == ["cpe", "button"]
