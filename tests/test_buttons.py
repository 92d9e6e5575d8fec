"""The panel's buttons as a literal table: what happened at which millisecond, and what it meant."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.buttons import ASKS, CUT_NS, DEBOUNCE_NS, MS, NO_VOICE, Buttons, Loop
from hw.board import load_board

# The levels (ms, c closed or o open; the first is the first look), and what follows until the last moment (a look
# without a change is "-").
TABLE: dict[str, tuple[str, str]] = {
    "nothing": ("0o 60000-", ""),
    "a press": ("0o 1000c 1200o 2000-", "1000 pressed, 1200 tapped"),
    "a bouncing press": ("0o 1000c 1004o 1008c 1300o 1303c 1306o 2000-", "1008 pressed, 1306 tapped"),
    "a glitch is no press": ("0o 1000c 1020o 2000-", ""),
    "just long enough": ("0o 1000c 1030o 2000-", "1000 pressed, 1030 tapped"),
    "a press that the loop sees late": ("0o 1000c 1060o 9000-", "1000 pressed, 1060 tapped"),
    "held for 3 s": ("0o 1000c 4000- 4100o 5000-", "1000 pressed, 4000 held, 4100 released"),
    "held, and nobody looked meanwhile": ("0o 1000c 4100o 5000-", "1000 pressed, 4000 held, 4100 released"),
    "let go a moment before 3 s": ("0o 1000c 3999o 4010- 5000-", "1000 pressed, 3999 tapped"),
    "stuck after 30 s": ("0o 1000c 31000- 32000-", "1000 pressed, 4000 held, 31000 stuck"),
    "stuck and freed": (
        "0o 1000c 31000- 40000o 41000-",
        "1000 pressed, 4000 held, 31000 stuck, 40000 released, 40000 freed",
    ),
    "a button taped down presses once": (
        "0o 1000c 5000- 60000- 600000-",
        "1000 pressed, 4000 held, 31000 stuck",
    ),
    "closed at the first look is no press": ("0c 1000- 5000-", ""),
    "closed since the start is stuck": ("0c 30000-", "30000 stuck"),
    "closed since the start, let go, pressed": ("0c 500o 1000c 1100o 2000-", "1000 pressed, 1100 tapped"),
    "taped since the start, let go": ("0c 30000- 40000o 41000-", "30000 stuck, 40000 freed"),
    "two presses": ("0o 1000c 1100o 1300c 1400o 2000-", "1000 pressed, 1100 tapped, 1300 pressed, 1400 tapped"),
}


def played(levels: str) -> tuple[list[str], Buttons]:
    buttons, found = Buttons(["b"]), []
    for mark in levels.split():
        at_ns, what = int(mark[:-1]) * MS, mark[-1]
        events = buttons.tick(at_ns) if what == "-" else buttons.see("b", what == "c", at_ns)
        found += [f"{event.at_ns // MS} {event.what}" for event in events]
    return found, buttons


@pytest.mark.parametrize("name", TABLE)
def test_what_it_meant(name: str) -> None:
    levels, wanted = TABLE[name]
    assert ", ".join(played(levels)[0]) == wanted


def test_a_contact_that_is_never_steady_is_stuck_and_no_press() -> None:
    buttons, found = Buttons(["b"]), []
    buttons.see("b", False, 0)
    for ms in range(0, 40_000, 10):
        found += buttons.see("b", ms // 10 % 2 == 0, ms * MS)
    assert [event.what for event in found] == ["stuck"]
    found = buttons.see("b", False, 41_000 * MS) + buttons.tick(42_000 * MS)
    assert [event.what for event in found] == ["freed"]


@given(st.lists(st.tuples(st.integers(1, 5000), st.booleans()), max_size=60))
def test_looking_when_asked_to_is_as_good_as_looking_always(steps: list[tuple[int, bool]]) -> None:
    """``due_ns`` misses nothing, and presses and their ends take turns."""

    def run(always: bool) -> list[tuple[int, str]]:
        buttons, found, now = Buttons(["b"]), [], 0
        buttons.see("b", False, 0)
        for wait_ms, closed in steps:
            end = now + wait_ms * MS
            while True:
                due = min(end, now + 7 * MS) if always else buttons.due_ns()
                if due is None or due >= end:
                    break
                assert always or due > now or not found or found[-1][0] <= due
                now = max(now + 1, due)
                found += [(event.at_ns, event.what) for event in buttons.tick(now)]
            now = end
            found += [(event.at_ns, event.what) for event in buttons.see("b", closed, now)]
        return found + [(event.at_ns, event.what) for event in buttons.tick(now + DEBOUNCE_NS)]

    seldom = run(False)
    assert seldom == run(True)
    held = False
    for _, what in seldom:
        if what in ("pressed", "tapped", "released"):
            assert (what == "pressed") != held
            held = what == "pressed"


def test_every_button_of_every_board_has_its_meaning() -> None:
    asked = {name for name, _ in ASKS} | set(NO_VOICE) | {"head-loop"}
    for board in ("dialtone-8", "dialtone-8-head", "dialtone-8-relays", "dialtone-8-passive"):
        assert set(load_board(board).inputs()) <= asked
    assert set(load_board("dialtone-8-head").inputs()) == asked


def test_nothing_that_a_stuck_button_says_asks_for_anything() -> None:
    assert not [key for key in ASKS if key[1] in ("stuck", "freed", "released")]


def test_the_loop_through_the_head() -> None:
    wire = Loop()
    assert wire.see(True, 0) is None
    assert wire.due_ns() is None
    assert wire.see(False, 100 * MS) is None
    assert wire.due_ns() == 100 * MS + CUT_NS
    assert wire.see(True, 200 * MS) is None, "a plug that is wiggled"
    assert wire.see(False, 300 * MS) is None
    assert wire.see(False, 300 * MS + CUT_NS) is True
    assert wire.see(False, 900_000 * MS) is None
    assert wire.see(True, 900_001 * MS) is None
    assert wire.see(True, 900_001 * MS + CUT_NS) is False
    missing = Loop()
    missing.see(False, 0)
    assert missing.see(False, CUT_NS) is True
