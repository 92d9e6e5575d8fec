"""Every cell of the sequences, written out a second time and by hand: a slip in one table shows in the other."""

from __future__ import annotations

import pytest

from agent.alarms import sequence as isa

# state: after abnormal, normal, ack, reset, realarm. n normal, u unacknowledged, v returned-unacknowledged,
# k acknowledged, r returned.
LETTERS: dict[str, isa.State] = {
    "n": "normal",
    "u": "unacknowledged",
    "v": "returned-unacknowledged",
    "k": "acknowledged",
    "r": "returned",
}
CELLS = {
    "A": {"n": "unnnn", "u": "uvkuu", "v": "uvnvv", "k": "knkku", "r": "unnnr"},
    "M": {"n": "unnnn", "u": "uvkuu", "v": "uvrvv", "k": "krkku", "r": "urrnr"},
    "R": {"n": "unnnn", "u": "uvkuu", "v": "uvrvv", "k": "krkku", "r": "urrnr"},
    "minor": {"n": "unnnn", "u": "unkuu", "v": "unnnv", "k": "knkku", "r": "unnnr"},
}
# The lamp in n, u, v, k, r: . off, f flash, s steady, S slow-flash, F first-flash, d first-steady.
PATTERNS = {".": "off", "f": "flash", "s": "steady", "S": "slow-flash", "F": "first-flash", "d": "first-steady"}
LAMPS = {"A": ".ffs.", "M": ".ffss", "R": ".ffsS", "minor": ".s.s."}
FIRSTS = {"A": ".FFd.", "M": ".FFdd", "R": ".FFdS", "minor": ".s.s."}
# The horn in n, u, v, k, r: own voice, ringback, none.
HORNS = {"A": "-oo--", "M": "-oo--", "R": "-oo-r", "minor": "-o---"}
SOUNDS = {"-": "none", "o": "own", "r": "ringback"}


@pytest.mark.parametrize(
    ("sequence", "state", "event", "after"),
    [
        (name, LETTERS[state], event, LETTERS[letter])
        for name, rows in CELLS.items()
        for state, row in rows.items()
        for event, letter in zip(("abnormal", "normal", "ack", "reset", "realarm"), row, strict=True)
    ],
)
def test_cell(sequence: isa.Sequence, state: isa.State, event: isa.Event, after: isa.State) -> None:
    assert isa.NEXT[sequence][state][event] == after


@pytest.mark.parametrize(("sequence", "number"), [(name, n) for name in LAMPS for n in range(5)])
def test_look_and_sound(sequence: isa.Sequence, number: int) -> None:
    state = list(LETTERS.values())[number]
    assert isa.LAMP[sequence][state] == PATTERNS[LAMPS[sequence][number]]
    assert isa.FIRST[sequence][state] == PATTERNS[FIRSTS[sequence][number]]
    assert isa.HORN[sequence][state] == SOUNDS[HORNS[sequence][number]]


def test_the_tables_have_no_other_cells() -> None:
    assert set(isa.NEXT) == set(CELLS) == set(isa.LAMP) == set(isa.FIRST) == set(isa.HORN)
    assert set(LETTERS.values()) == set(isa.STATES)
    assert len(isa.EVENTS) == 5
