"""The no-voice button: one press is reported, a second caller's is an alarm."""

from __future__ import annotations

import pytest

from agent.calls.button import Buttons
from agent.readings import Plain, Reading

NS = 1_000_000_000


def press(buttons: Buttons, at_s: float, position: str = "seat-1", held_s: float = 0.5) -> None:
    for active, when_s in ((True, at_s), (False, at_s + held_s)):
        detail: dict[str, Plain] = {"meaning": "no-voice", "active": active, "position": position}
        reading = Reading("pins", "contacts", "contact", f"voice-{position}", None, int(when_s * NS), detail)
        buttons.pressed(reading, int(when_s * NS))


def test_one_press_is_reported_for_a_quarter_of_an_hour() -> None:
    buttons = Buttons(sees_calls=True)
    press(buttons, 10)
    assert (buttons.reported, buttons.critical) == (True, False)
    due = buttons.deadline(11 * NS)
    assert due == 910 * NS
    buttons.tick(due)
    assert not buttons.reported


def test_two_presses_on_one_call_are_one_caller() -> None:
    buttons = Buttons(sees_calls=True)
    press(buttons, 10)
    press(buttons, 12)
    press(buttons, 60)
    assert not buttons.critical


def test_a_second_caller_at_the_same_seat() -> None:
    buttons = Buttons(sees_calls=True)
    press(buttons, 10)
    buttons.arrivals += 1
    press(buttons, 200)
    assert buttons.critical


def test_another_seat_is_another_caller() -> None:
    buttons = Buttons(sees_calls=True)
    press(buttons, 10)
    press(buttons, 12, "seat-2")
    assert buttons.critical


@pytest.mark.parametrize(("later_s", "critical"), [(20, False), (45, True), (1000, False)])
def test_where_no_sense_tells_of_calls_time_parts_them(later_s: float, critical: bool) -> None:
    buttons = Buttons(sees_calls=False)
    press(buttons, 10)
    press(buttons, later_s)
    assert buttons.critical is critical


def test_a_button_held_down_is_stuck_and_one_press() -> None:
    buttons = Buttons(sees_calls=False)
    press(buttons, 10, held_s=100)
    assert buttons.presses == 1
    buttons._held["seat-1"] = 0
    assert buttons.stuck(30 * NS) == ["seat-1"]


def test_a_critical_press_stands_for_its_time_after_a_restart() -> None:
    buttons = Buttons(sees_calls=True)
    buttons.stand(0)
    assert buttons.critical
    buttons.tick(899 * NS)
    assert buttons.critical
    buttons.tick(900 * NS)
    assert not buttons.critical


def test_each_press_renews_what_stands() -> None:
    buttons = Buttons(sees_calls=True)
    press(buttons, 10)
    press(buttons, 800)
    buttons.tick(1000 * NS)
    assert (buttons.reported, buttons.critical) == (True, False)
    buttons.arrivals += 1
    press(buttons, 1500)
    looks = []
    for at_s in (1500, 2399, 2400):
        buttons.tick(at_s * NS)
        looks.append(buttons.critical)
    assert looks == [True, True, False]


def test_a_contact_that_cannot_be_read_is_neither_pressed_nor_let_go() -> None:
    buttons = Buttons(sees_calls=False)
    for at_s, active in ((10, True), (60, None), (120, True), (121, None), (150, True)):
        detail: dict[str, Plain] = {"meaning": "no-voice", "active": active, "position": "seat-1"}
        buttons.pressed(Reading("pins", "contacts", "contact", "v", None, at_s * NS, detail), at_s * NS)
    assert (buttons.presses, buttons.critical) == (1, False)
    assert buttons.stuck(150 * NS) == ["seat-1"]


def test_a_press_of_an_earlier_run_is_no_other_seat() -> None:
    buttons = Buttons(sees_calls=True)
    buttons.stand(0, critical=False)
    press(buttons, 10)
    assert (buttons.reported, buttons.critical) == (True, False)


def test_ever_more_seats_are_bounded() -> None:
    buttons = Buttons(sees_calls=True)
    for number in range(500):
        press(buttons, number, f"seat-{number}")
    assert len(buttons._let_go) <= 64
    assert buttons.presses == 500
