"""Contacts: what is told of them and when. Debouncing, pulses and blindness, on the port's own modem lines."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.alarms.lines import POINT_OF_MEANING
from agent.lines import contacts as module
from agent.lines.contact_points import ACTIVE, MOMENTARY, UNSTEADY_NS
from agent.lines.contacts import Contacts
from agent.lines.dialects import DialectRefused
from agent.lines.parser import PinReader
from agent.readings import Reading
from agent.site.line import ContactsLine, Meaning, PinContact

NS = 1_000_000_000
MS = 1_000_000


def contacts(*given: PinContact, **more: Any) -> Contacts:
    return Contacts(ContactsLine(id="pins", port="/dev/ttyS9", contacts=given, **more))


def button(**more: Any) -> Contacts:
    return contacts(PinContact(name="b", meaning="no-voice", position="p1", input="cts", **more))


def loop(**more: Any) -> Contacts:
    return contacts(PinContact(name="l", meaning="loop-current", trunk="T1", input="dcd", **more))


def looks(readings: list[Reading]) -> list[tuple[str, object]]:
    return [(str(r.state), r.detail["active"]) for r in readings]


def test_the_first_look_is_told_at_once_and_then_changes_that_last() -> None:
    pins: PinReader = (reader := loop())
    (first,) = pins.sample({"dcd": True, "cts": False}, None, 0)
    assert (first.source, first.sense, first.kind, first.subject) == ("pins", "contacts", "contact", "l")
    assert first.state == "up"
    expected = {"meaning": "loop-current", "active": False, "edges": 0, "trunk": "T1", "position": None}
    assert first.detail == expected
    assert reader.due_ns() is None
    assert pins.sample({"dcd": True}, None, 1 * NS) == []
    assert pins.sample({"dcd": False}, None, 2 * NS) == []
    assert pins.due_ns() == 2 * NS + 100 * MS
    assert pins.sample({"dcd": False}, None, 2 * NS + 99 * MS) == []
    (lost,) = pins.sample({"dcd": False}, None, 2 * NS + 100 * MS)
    assert lost.state == "down"
    assert lost.detail == {**expected, "active": True, "edges": 1}
    assert pins.due_ns() is None


def test_what_bounces_is_told_once_when_it_is_steady() -> None:
    pins = loop()
    told = pins.sample({"dcd": True}, None, 0)
    for n in range(1, 40):
        told += pins.sample({"dcd": n % 2 == 0}, None, n * 10 * MS)
    told += pins.sample({"dcd": False}, None, 390 * MS + 100 * MS)
    assert looks(told) == [("up", False), ("down", True)]
    assert told[1].detail["edges"] == 39


def test_a_flicker_shorter_than_the_debounce_is_nothing_without_edge_counts() -> None:
    pins = button()
    told = pins.sample({"cts": False}, None, 0)
    for at_ms, level in ((50, True), (100, False), (150, False), (250, False), (2000, False)):
        told += pins.sample({"cts": level}, None, at_ms * MS)
    assert looks(told) == [("up", False)]
    assert pins.due_ns() is None


def test_a_press_between_two_samples_is_one_press() -> None:
    pins = button()
    told = pins.sample({"cts": False}, {"cts": 7}, 0)
    for at_ms, count in ((100, 13), (200, 13), (300, 13), (400, 13)):  # six edges: it bounced
        told += pins.sample({"cts": False}, {"cts": count}, at_ms * MS)
    assert looks(told) == [("up", False), ("down", True), ("up", False)]
    assert [r.detail["edges"] for r in told] == [0, 6, 0]


def test_ri_of_a_16550_counts_the_trailing_edge_only() -> None:
    pins = contacts(PinContact(name="b", meaning="no-voice", position="p1", input="ri"))
    told = pins.sample({"ri": False}, {"ri": 0}, 0)
    told += pins.sample({"ri": False}, {"ri": 1}, 100 * MS) + pins.sample({"ri": False}, {"ri": 1}, 200 * MS)
    assert looks(told)[1:] == [("down", True), ("up", False)]


def test_a_press_that_is_held_is_told_as_held_and_its_bouncing_is_no_second_press() -> None:
    pins = button()
    told = pins.sample({"cts": False}, {"cts": 0}, 0)
    for at_ms, level, count in (
        (100, True, 3),
        (200, True, 3),
        (300, True, 9),
        (400, True, 9),
        (500, False, 10),
        (600, False, 10),
    ):
        told += pins.sample({"cts": level}, {"cts": count}, at_ms * MS)
    assert looks(told) == [("up", False), ("down", True), ("up", False)]


def test_pulses_of_loop_current_are_counted_and_no_alarm() -> None:
    """A dialled digit breaks the loop for 60 ms at a time: the trunk is not down."""
    pins = loop()
    told = pins.sample({"dcd": True}, {"dcd": 0}, 0)
    for n in range(1, 201):
        told += pins.sample({"dcd": True}, {"dcd": 2 * (n // 4)}, n * 100 * MS)
    assert set(looks(told)) == {("up", False)}
    assert 2 <= len(told) <= 1 + 20 * NS // UNSTEADY_NS + 1
    assert told[1].detail["edges"] == 2


def test_edge_counters_wrap_and_start_anew() -> None:
    pins = button()
    pins.sample({"cts": False}, {"cts": 0xFFFF_FFFF}, 0)
    pins.sample({"cts": False}, {"cts": 1}, 1 * NS)
    assert looks(pins.sample({"cts": False}, {"cts": 1}, 2 * NS)) == [("down", True), ("up", False)]
    assert pins.sample({"cts": False}, {"cts": 0}, 3 * NS) == []  # another driver: its counts begin again
    assert pins.sample({"cts": False}, {"cts": 0}, 4 * NS) == []


def test_blindness_is_told_once_and_ends_with_the_next_look() -> None:
    pins = loop()
    (unknown,) = pins.blind("the port is gone", 0)  # before anything was known
    assert (unknown.state, unknown.detail["active"], unknown.detail["reason"]) == ("unknown", None, "the port is gone")
    assert pins.blind("the port is gone", 1) == []
    assert looks(pins.sample({"dcd": True}, None, 2)) == [("up", False)]
    assert looks(pins.blind("again", 3)) == [("unknown", None)]
    assert looks(pins.sample({"dcd": True}, None, 4)) == [("up", False)]
    assert looks(pins.sample({"cts": True}, None, 5)) == [("unknown", None)]  # its line was not among the sampled
    assert pins.due_ns() is None


def test_a_contact_that_is_never_steady_is_unknown_until_it_is() -> None:
    pins = loop()
    told = pins.sample({"dcd": True}, None, 0)
    for n in range(1, 400):
        told += pins.sample({"dcd": n % 2 == 0}, None, n * 50 * MS)
    assert looks(told) == [("up", False), ("unknown", None)]
    assert told[1].detail["reason"] == "never steady"
    assert looks(pins.sample({"dcd": False}, None, 60 * NS)) == [("down", True)]


@pytest.mark.parametrize("meaning", get_args(Meaning))
def test_every_meaning_has_its_place(meaning: Any) -> None:
    assert meaning in POINT_OF_MEANING or meaning in ("loop-current", "no-voice")
    assert {"no-voice"} == MOMENTARY
    told = []
    for active in (None, "open", "closed"):
        pin = PinContact(name="x", meaning=meaning, trunk="T", position="p", active=active)
        told += [r.detail["active"] for r in contacts(pin).sample({"dcd": True}, None, 0)]
    assert told == [ACTIVE[meaning] == "closed", False, True]
    # A cut wire reads open: only what a person works by closing it may look well then.
    assert (ACTIVE[meaning] == "closed") == (meaning in ("no-voice", "make-busy"))


def test_flow_control_on_the_contacts_own_lines_is_refused() -> None:
    pin = PinContact(name="x", meaning="generator", input="cts")
    line = ContactsLine(id="pins", port="/dev/ttyS9", contacts=(pin,), flow="rts-cts")
    with pytest.raises(DialectRefused) as refused:
        module.check(line)
    assert refused.value.at == ("flow",)


STEP = st.tuples(st.integers(1, 400), st.booleans(), st.integers(0, 4))


@settings(max_examples=300, deadline=None)
@given(steps=st.lists(STEP, max_size=60), counted=st.booleans(), meaning=st.sampled_from(get_args(Meaning)))
def test_what_is_told_last_is_what_was_seen_last(
    steps: list[tuple[int, bool, int]], counted: bool, meaning: Any
) -> None:
    pins = contacts(PinContact(name="x", meaning=meaning, trunk="T", position="p"))
    now_ms, count, level = 0, 0, False
    told = pins.sample({"dcd": level}, {"dcd": count} if counted else None, 0)
    for after_ms, level, edges in steps:
        now_ms, count = now_ms + after_ms, count + edges
        told += pins.sample({"dcd": level}, {"dcd": count} if counted else None, now_ms * MS)
        due_ns = pins.due_ns()
        assert due_ns is None or due_ns > now_ms * MS
    told += pins.sample({"dcd": level}, {"dcd": count} if counted else None, now_ms * MS + NS)
    assert pins.due_ns() is None
    assert told[-1].detail["active"] is ((ACTIVE[meaning] == "closed") == level)
    if meaning in MOMENTARY:  # presses and releases alternate: none is counted twice
        assert all(a != b for a, b in zip(looks(told), looks(told)[1:], strict=False))
