"""The alarm book and the annunciator: qualification in time, people's requests, lamps and horn."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.alarms import annunciator
from agent.alarms.book import MAX_ALARMS, NS, AlarmBook
from agent.alarms.points import POINTS, point_id
from agent.panel import DARK, LAMPS, PanelView, levels

LOS = "bank-a_los_t1-1"


def raised(book: AlarmBook, now_ns: int = 0, *, declared: bool = True, hold_s: float = 0.0) -> None:
    book.condition("bank-a", "los", "T1-1", True, now_ns, text="LOS", declared=declared, hold_s=hold_s)


def cleared(book: AlarmBook, now_ns: int, *, declared: bool = True) -> None:
    book.condition("bank-a", "los", "T1-1", False, now_ns, declared=declared)


def shown(book: AlarmBook, now_ns: int, previous: PanelView = DARK) -> PanelView:
    return annunciator.compose(book, annunciator.healthy(book, True), None, previous, now_ns)


def test_a_declared_alarm_is_raised_as_it_arrives() -> None:
    book = AlarmBook("M")
    raised(book)
    assert [(c.id, c.change, c.state) for c in book.take_changes()] == [(LOS, "raised", "unacknowledged")]
    view = shown(book, 0)
    assert view.lamps["trunks"].pattern == "flash"
    assert levels(view, 0).lit["trunks"]
    assert levels(view, 0).voice == "alarm"
    assert view.lamps["ok"].pattern == "off"


def test_what_we_judge_ourselves_must_stand_for_its_set_and_clear_times() -> None:
    book = AlarmBook("M")
    raised(book, 0, declared=False)
    assert book.deadline(0) == 2 * NS
    book.tick(2 * NS - 1)
    assert book.take_changes() == []
    book.tick(2 * NS)
    assert [c.change for c in book.take_changes()] == ["raised"]
    cleared(book, 3 * NS, declared=False)
    raised(book, 4 * NS, declared=False)
    book.tick(60 * NS)
    assert book.take_changes() == []  # it came back before it had been gone for clear_s
    cleared(book, 60 * NS, declared=False)
    book.tick(70 * NS)
    assert [c.change for c in book.take_changes()] == ["returned"]


def test_sequence_m_from_raise_to_dark() -> None:
    book = AlarmBook("M")
    raised(book)
    assert book.acknowledge("eve") == 1
    view = shown(book, NS)
    assert (view.lamps["trunks"].pattern, view.horn.voice) == ("steady", "none")
    assert book.reset() == 0
    cleared(book, 2 * NS)
    assert shown(book, 2 * NS).lamps["trunks"].pattern == "steady"
    assert book.reset() == 1
    assert shown(book, 3 * NS).lamps["trunks"].pattern == "off"
    changes = book.take_changes()
    assert [c.change for c in changes] == ["raised", "acknowledged", "returned", "reset"]
    assert changes[-1].acknowledged_by == "eve"


def test_silence_quiets_what_stands_and_a_new_alarm_sounds_again() -> None:
    book = AlarmBook("M")
    raised(book)
    view = shown(book, 0)
    assert book.silence() == 1
    view = shown(book, NS, view)
    assert (view.lamps["trunks"].pattern, view.horn.voice) == ("flash", "none")
    book.condition("bank-a", "ais", "T1-2", True, 2 * NS, declared=True)
    view = shown(book, 2 * NS, view)
    assert levels(view, 2 * NS).voice == "alarm"


def test_a_held_alarm_that_returns_before_its_voice_is_due_never_sounds() -> None:
    book = AlarmBook("M")
    raised(book, 0, hold_s=20)
    assert book.deadline(0) == 20 * NS
    assert shown(book, 19 * NS).horn.voice == "none"
    assert shown(book, 19 * NS).lamps["trunks"].pattern == "flash"
    cleared(book, 19 * NS)
    assert shown(book, 21 * NS).horn.voice == "none"
    book = AlarmBook("M")
    raised(book, 0, hold_s=20)
    assert shown(book, 20 * NS).horn.voice == "alarm"


def test_minor_lights_steadily_and_sounds_trouble_when_its_time_has_come() -> None:
    book = AlarmBook("M")
    book.condition("uplink", "uplink-lost", "all", True, 0, text="lost")
    book.tick(60 * NS)
    view = shown(book, 60 * NS)
    assert (view.lamps["uplink"].pattern, view.horn.voice) == ("steady", "none")
    assert shown(book, 600 * NS - 1).horn.voice == "none"
    assert shown(book, 600 * NS).horn.voice == "trouble"


def test_the_worst_voice_wins_and_one_lamp_serves_several_alarms() -> None:
    book = AlarmBook("M")
    book.condition("host", "panel-fault", "x", True, 0, declared=True)
    raised(book, 0)
    book.acknowledge("eve", LOS)
    book.condition("bank-a", "ais", "T1-2", True, 0, declared=True)
    view = shown(book, 0)
    assert view.horn.voice == "alarm"
    assert view.lamps["trunks"].pattern == "flash"
    assert view.lamps["probe"].pattern == "steady"


def test_a_flood_does_not_make_the_horn_continuous() -> None:
    book = AlarmBook("M")
    view = DARK
    sounding = 0
    for second in range(60):
        book.condition("bank-a", "los", f"T1-{second}", True, second * NS, declared=True)
        view = shown(book, second * NS, view)
        sounding += sum(levels(view, second * NS + part * NS // 10).voice != "none" for part in range(10))
    assert 60 <= sounding <= 200  # tenths of seconds out of 600: at least the 3 s in 30, at most 3 in 10


def test_a_second_alarm_does_not_cut_the_horn_off() -> None:
    book = AlarmBook("M")
    raised(book, 0)
    view = shown(book, 0)
    later_ns = 5_000_000
    book.condition("bank-a", "los", "T1-2", True, later_ns, declared=True)
    view = shown(book, later_ns, view)
    assert all(levels(view, later_ns + tenth * NS // 10).voice == "alarm" for tenth in range(29))
    assert levels(shown(book, 5 * NS, view), 5 * NS).voice == "none"  # and that alarm has been heard
    book.condition("bank-a", "los", "T1-3", True, 6 * NS, declared=True)
    view = shown(book, 6 * NS, view)
    assert levels(view, 10 * NS).voice == "alarm"  # a third one sounds within 10 s of the last start


def test_the_book_is_bounded_and_tells_what_it_refused() -> None:
    book = AlarmBook("M")
    for number in range(MAX_ALARMS + 7):
        book.condition("bank-a", "los", f"t{number}", True, 0, declared=True)
    assert len(book.standing()) == MAX_ALARMS
    assert book.refused == 7
    book.forget(point_id("bank-a", "los", "t0"), 1)
    book.condition("bank-a", "los", "new", True, 2, declared=True)
    assert point_id("bank-a", "los", "new") in {a.id for a in book.standing()}


def test_restored_alarms_stand_again() -> None:
    book = AlarmBook("M")
    raised(book, 5)
    book.acknowledge("eve")
    again = AlarmBook("M")
    again.restore(book.take_changes()[-1:])
    assert [(a.id, a.state, a.acknowledged_by, a.times_raised) for a in again.standing()] == [
        (LOS, "acknowledged", "eve", 1)
    ]
    cleared(again, 9)
    assert again.standing()[0].state == "returned"


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["raise", "clear", "ack", "silence", "reset", "wait"]),
        st.sampled_from(["los", "trunk-group-down", "call-path", "uplink-lost", "panel-fault", "path-simplex"]),
        st.booleans(),
        st.integers(0, 120),
    ),
    max_size=60,
)


@given(STEPS, st.sampled_from(["A", "M", "R"]))
def test_panel_invariants_under_any_order(steps: list[tuple[str, str, bool, int]], sequence: str) -> None:
    book = AlarmBook(sequence)  # type: ignore[arg-type]
    view, now_ns = DARK, 0
    for do, type_name, declared, wait_s in steps:
        now_ns += wait_s * NS
        new = False
        if do in ("raise", "clear"):
            book.condition("x", type_name, "q", do == "raise", now_ns, declared=declared)
        elif do == "ack":
            book.acknowledge("eve")
        elif do == "silence":
            book.silence()
        elif do == "reset":
            book.reset()
        book.tick(now_ns)
        changes = book.take_changes()
        new = any(c.change == "raised" and c.severity != "minor" for c in changes)
        view = shown(book, now_ns, view)
        lit = levels(view, now_ns).lit
        worst = [a for a in book if a.active and a.point.severity in ("critical", "major")]
        if worst:
            assert view.lamps["ok"].pattern == "off"
            assert not lit["ok"]
            assert all(view.lamps[a.point.lamp].pattern != "off" for a in worst)
        if new:
            assert view.horn.voice == "alarm"
        owed = [a for a in book if a.state == "unacknowledged" and a.point.horn == "alarm" and not a.silenced]
        if owed:
            assert view.horn.voice == "alarm"
        if not book.standing():
            assert view.horn.voice == "none"
            assert {lamp for lamp in LAMPS if view.lamps[lamp].pattern != "off"} == {"ok"}


@pytest.mark.parametrize("type_name", sorted(POINTS))
def test_point_ids_are_safe_topic_levels(type_name: str) -> None:
    made = point_id('bank "A"/+#', type_name, "T1 1.é")
    assert all(ch.isascii() and (ch.isalnum() or ch in "-_") for ch in made)
    assert made.count("_") == 2


@pytest.mark.parametrize(("resource", "point", "winks"), [("host", "host", False), ("fw", "ha-degraded", True)])
def test_trouble_of_the_box_itself_puts_ok_out_and_another_minor_does_not(
    resource: str, point: str, winks: bool
) -> None:
    book = AlarmBook("M")
    book.condition(resource, point, "x", True, 0, text="trouble", declared=True)
    assert (shown(book, 0).lamps["ok"].pattern == "wink") is winks
