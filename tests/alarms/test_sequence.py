"""ISA-18.1 tables, cell by cell, against the tables the makers' manuals print."""

from __future__ import annotations

import pytest

from agent.alarms import sequence as isa

# Sequence A and M as Dwyer AN24 and RTK UC625 print them: (events from normal) -> lamp, own voice sounding.
PRINTED = {
    "A": [
        ((), "off", False),
        (("abnormal",), "flash", True),
        (("abnormal", "normal"), "flash", True),  # lock-in
        (("abnormal", "ack"), "steady", False),
        (("abnormal", "normal", "ack"), "off", False),
        (("abnormal", "ack", "normal"), "off", False),
        (("abnormal", "ack", "normal", "abnormal"), "flash", True),
        (("abnormal", "ack", "reset"), "steady", False),
        (("abnormal", "normal", "reset"), "flash", True),
    ],
    "M": [
        ((), "off", False),
        (("abnormal",), "flash", True),
        (("abnormal", "normal"), "flash", True),
        (("abnormal", "ack"), "steady", False),
        (("abnormal", "normal", "ack"), "steady", False),
        (("abnormal", "ack", "normal"), "steady", False),
        (("abnormal", "ack", "normal", "reset"), "off", False),
        (("abnormal", "normal", "ack", "reset"), "off", False),
        (("abnormal", "reset"), "flash", True),
        (("abnormal", "normal", "reset"), "flash", True),
        (("abnormal", "ack", "reset"), "steady", False),
        (("abnormal", "ack", "normal", "abnormal"), "flash", True),
    ],
    "R": [
        (("abnormal",), "flash", True),
        (("abnormal", "ack"), "steady", False),
        (("abnormal", "ack", "normal"), "slow-flash", False),
        (("abnormal", "ack", "normal", "reset"), "off", False),
    ],
    "minor": [
        (("abnormal",), "steady", True),
        (("abnormal", "ack"), "steady", False),
        (("abnormal", "normal"), "off", False),
        (("abnormal", "ack", "normal"), "off", False),
    ],
}


@pytest.mark.parametrize(
    ("sequence", "events", "lamp", "sounds"),
    [(name, events, lamp, sounds) for name, rows in PRINTED.items() for events, lamp, sounds in rows],
)
def test_printed_sequence(sequence: isa.Sequence, events: tuple[isa.Event, ...], lamp: str, sounds: bool) -> None:
    state: isa.State = "normal"
    for event in events:
        state = isa.NEXT[sequence][state][event]
    assert isa.LAMP[sequence][state] == lamp
    assert (isa.HORN[sequence][state] == "own") == sounds


def test_every_cell_is_there_and_names_a_state() -> None:
    for sequence in ("A", "M", "R", "minor"):
        assert set(isa.NEXT[sequence]) == set(isa.LAMP[sequence]) == set(isa.HORN[sequence]) == set(isa.STATES)
        for row in isa.NEXT[sequence].values():
            assert set(row) == set(isa.EVENTS)
            assert set(row.values()) <= set(isa.STATES)


@pytest.mark.parametrize("sequence", ["A", "M", "R", "minor"])
def test_an_abnormal_condition_is_never_dark(sequence: isa.Sequence) -> None:
    for state in isa.STATES:
        for event in ("ack", "reset"):
            after = isa.NEXT[sequence][isa.NEXT[sequence][state]["abnormal"]][event]
            assert isa.LAMP[sequence][after] != "off"


def test_ringback_belongs_to_sequence_r_alone() -> None:
    ringing = [(name, state) for name in isa.HORN for state, sound in isa.HORN[name].items() if sound == "ringback"]
    assert ringing == [("R", "returned")]
