"""Plain-text alarms of CSU/DSUs: every sentence of the manuals, however wrapped; menus are no alarms."""

from __future__ import annotations

import itertools
import textwrap

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.alarms.trunks import LineJudge
from agent.lines.console import LINE_BYTES
from agent.lines.csu import FIELDS, Csu
from agent.readings import Reading

# Source: Paradyne 7110 manual, 7110-A2-GB20-00, page 6-2.
GOLDEN = b"NE815378\r\n283:14:57\r\nContinuous Loss of Signal detected\r\nat the Network Interface\r\n"
# Source: Paradyne 3162-A2-GB20-30 page 4-8, 3170-A2-GB20-20 page 4-9, 3360-A2-GB20-20 page 4-10, 7110 page 6-2.
SENTENCES = [
    ("Continuous Loss Of Signal detected at the {} Interface.", "alarm", "LOS"),
    ("Alarm Cleared. Loss Of Signal condition at the {} Interface.", "clear", "LOS"),
    ("Continuous Out Of Frame condition detected at the {} Interface.", "alarm", "OOF"),
    ("Alarm Cleared. Out of Frame condition at the {} Interface.", "clear", "OOF"),
    ("Alarm Indication Signal received at the {} Interface.", "alarm", "AIS"),
    ("Alarm Cleared. Alarm Indication Signal at the {} Interface.", "clear", "AIS"),
    ("An Excessive Error Rate has been detected at the {} Interface.", "alarm", "BER-SF"),
    ("Alarm Cleared. An Excessive Error Rate at the {} Interface.", "clear", "BER-SF"),
    ("Yellow Alarm signal received at the {} Interface.", "alarm", "RAI"),
    ("Yellow alarm signal received at the {} Interface", "alarm", "RAI"),
    ("Alarm Cleared. Yellow Alarm signal at the {} Interface.", "clear", "RAI"),
    ("Remote Alarm Indication signal received at the {} Interface.", "alarm", "RAI"),
    ("Alarm Cleared. Remote Alarm Indication signal at the {} Interface.", "clear", "RAI"),
    ("Loss of Multiframe alignment condition detected at the {} Interface.", "alarm", "LOMF"),
    ("Alarm Cleared. Loss of Multiframe alignment condition at the {} Interface.", "clear", "LOMF"),
]
JUNK = st.one_of(
    st.binary(max_size=80),
    st.lists(
        st.one_of(
            st.sampled_from(
                [
                    *(
                        b"\r \n \x00 : . > NE815378 283:14:57 Alarm Cleared. LOS at the Network Interface DTE".split(
                            b" "
                        )
                    ),
                    b"\r\n",
                    b" ",
                    b"Continuous Loss of Signal detected",
                    b"Alarm Cleared.\r\n",
                    b"Alarm Cleared. Loss Of Signal\r\n",
                    b"An Excessive\r\n",
                    b"03/15/99 10:22:31 ",
                    GOLDEN,
                    GOLDEN[:50],
                    b"x" * 1500,
                ]
            ),
            st.binary(max_size=3),
        ),
        max_size=20,
    ).map(b"".join),
)


def read(data: bytes, trunk: str = "network") -> list[Reading]:
    parser = Csu("csu-a", trunk)
    return parser.feed(data, 5) + parser.idle(5)


def brief(reading: Reading) -> tuple[str, str, object, object]:
    return reading.kind, reading.subject, reading.detail.get("condtype"), reading.detail.get("locn")


LOS = ("alarm", "network", "LOS", "NEND")


@pytest.mark.parametrize("ending", [b"\r\n", b"\n", b"\r", b"\r\r\n", b" \r\n\x00\x00", b"\r\n\r\n"])
def test_the_manuals_own_example_field_by_field(ending: bytes) -> None:
    (reading,) = read(GOLDEN.replace(b"\r\n", ending))
    assert (reading.kind, reading.subject, reading.state, reading.source, reading.sense) == (
        "alarm",
        "network",
        "down",
        "csu-a",
        "csu",
    )
    assert dict(reading.detail) == {
        **dict.fromkeys(FIELDS),
        "unit": "NE815378",
        "since_reset": "283:14:57",
        "aid": "network",
        "condtype": "LOS",
        "ntfcncde": "MJ",
        "srveff": "SA",
        "locn": "NEND",
        "interface": "network",
        "conddescr": "Continuous Loss of Signal detected at the Network Interface",
        "implied": False,
    }
    assert reading.raw_ref == 0


@pytest.mark.parametrize("width", [24, 28, 32, 36, 40, 60, 80])
@pytest.mark.parametrize(("place", "locn"), [("Network", "NEND"), ("DTE", "FEND")])
@pytest.mark.parametrize(("sentence", "kind", "condtype"), SENTENCES)
def test_every_sentence_at_every_width(
    sentence: str, kind: str, condtype: str, place: str, locn: str, width: int
) -> None:
    lines = textwrap.wrap(sentence.format(place), width)
    assert len(lines) <= 4
    for head in ("", "NE815378\r\n001:00:09\r\n", "Boston 911 #2\r\n"):
        wrapped = head + "\r\n".join(lines) + "\r\n"
        for text in (wrapped, wrapped.upper(), wrapped.removesuffix(".\r\n")):
            (reading,) = read(text.encode())
            assert brief(reading) == (kind, "network", condtype, locn), text
            assert (reading.detail["unit"] is None) == (head == "")


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("Continuous Out Of Frame condition detected at data\r\nport 2.", ("alarm", "network-port-2", "OOF")),
        ("Alarm Cleared. An Excessive Error Rate at\r\ndata port 1.", ("clear", "network-port-1", "BER-SF")),
        ("Continuous Loss Of Signal detected at the HDSL Network Loop 2 Interface.", ("alarm", "network-2", "LOS")),
        ("Flux fault detected at the Network Interface", ("alarm", "network", "FLUX-FAULT")),
        ("Alarm Cleared. Flux fault condition at the Network Interface", ("clear", "network", "FLUX-FAULT")),
        ("Alarm Cleared.", ("clear", "network", None)),
        ("LOS at Network", ("alarm", "network", "LOS")),
        ("Network Red Alarm cleared", ("clear", "network", "RED")),
        ("NI: AIS detected", ("alarm", "network", "AIS")),
        ("Yellow alarm inactive on network", ("clear", "network", "RAI")),
    ],
)  # fmt: skip
def test_other_sides_and_short_forms(text: str, want: tuple[str, str, str | None]) -> None:
    (reading,) = read(text.encode() + b"\r\n")
    assert brief(reading)[:3] == want


@pytest.mark.parametrize(
    "text",
    [
        "Login:",
        "Main Menu",
        "Loss of Signal Alarm: Enabled",
        "Yellow Alarm at Network: Disable",
        "LOS count at network 5",
        "No LOS at Network",
        "RED ALARM",
        "Select LOS at Network",
        "Alarm Cleared. Something or other",
        "283:14:57",
        "Continuous Loss of Signal",
        "no LOS detected at the Network Interface",
        "Password received from user",
    ],
)
def test_what_is_no_alarm_is_garbage_and_counted(text: str) -> None:
    parser = Csu("c", "network")
    (reading,) = parser.feed(text.encode() + b"\r\n", 0) + parser.idle(0)
    assert (reading.kind, reading.detail["bytes"]) == ("garbage", len(text))
    assert parser.counters["garbage_bytes"] == len(text)


def test_menus_round_an_alarm_do_not_hide_it_and_a_name_is_kept() -> None:
    readings = read(b"Main Menu\r\nYellow Alarm   Disable\r\nOther thing\r\n" + GOLDEN + b"> \r\n")
    assert [brief(r)[:3] for r in readings if r.kind != "garbage"] == [LOS[:3]]
    assert next(r for r in readings if r.kind == "alarm").detail["unit"] == "NE815378"


def test_two_sentences_in_a_row_are_two() -> None:
    readings = read(
        b"Alarm Cleared.\r\nYellow Alarm signal received at the Network Interface\r\n"
        b"Alarm Cleared. Loss Of Signal\r\ndetected at the DTE Interface\r\nLOS at Network\r\n"
    )
    assert [brief(r) for r in readings if r.kind != "garbage"][:2] == [
        ("clear", "network", None, None),
        ("alarm", "network", "RAI", "NEND"),
    ]
    assert brief(readings[-1]) == LOS


def test_parity_bits_and_terminal_sequences_are_taken_off() -> None:
    even = bytes(b | 0x80 if b.bit_count() % 2 else b for b in GOLDEN)
    assert [brief(r) for r in read(even)] == [LOS]
    assert [brief(r) for r in read(b"\x1b[2J\x1b[1;1H" + GOLDEN.replace(b"at the", b"\x1b[7mat\x1b[0m the"))] == [LOS]


def test_a_sentence_without_line_end_is_told_when_it_is_quiet_and_half_a_one_is_not() -> None:
    parser = Csu("c", "network")
    assert parser.feed(GOLDEN.rstrip(), 0) == []
    assert [brief(r) for r in parser.idle(9)] == [LOS]
    parser.feed(GOLDEN.rstrip()[:-12], 0)  # "at the Netwo"
    assert parser.idle(1) == []
    assert [brief(r) for r in parser.feed(b"rk Interface\r\n", 2)] == [LOS]
    parser.feed(GOLDEN.rstrip()[:-12], 0)
    assert {r.kind for r in parser.reset(1)} == {"garbage"}


# -- one alarm at a time (7110) ---------------------------------------------------------------------------------


def stamped(sentence: str, minute: int = 0) -> bytes:
    return f"NE815378\r\n283:14:{minute:02d}\r\n{sentence} at the Network Interface\r\n".encode()


def test_a_unit_that_shows_one_alarm_at_a_time_ends_the_one_before() -> None:
    readings = read(
        stamped("Continuous Loss of Signal detected")
        + stamped("Yellow alarm signal received", 1)
        + stamped("Alarm Cleared. Yellow alarm signal", 2)
    )
    assert [(r.kind, r.detail["condtype"], r.detail["implied"]) for r in readings] == [
        ("alarm", "LOS", False),
        ("clear", "LOS", True),
        ("alarm", "RAI", False),
        ("clear", "RAI", False),
    ]
    judge = LineJudge("csu-a", {"network": "cama"})
    for reading in readings:
        list(judge.judge(reading))
    assert judge._standing == {}


def test_without_that_form_alarms_stand_side_by_side() -> None:
    readings = read(b"LOS at Network\r\nAIS at Network\r\nNetwork AIS cleared\r\n")
    assert [(r.kind, r.detail["condtype"]) for r in readings] == [("alarm", "LOS"), ("alarm", "AIS"), ("clear", "AIS")]


def test_a_clear_without_a_condition_ends_all_on_the_trunk_also_after_a_restart() -> None:
    judge = LineJudge("csu-a", {"network": "cama"})
    for reading in read(b"LOS at Network\r\nLOS at DTE\r\n"):
        list(judge.judge(reading))
    judge.restore("network", "ais", {"aid": "network", "condtype": "AIS", "locn": "NEND"})
    judge.restore("network-2", "ais", {"aid": "network-2", "condtype": "AIS", "locn": "NEND"})
    (cleared,) = read(b"Alarm Cleared.\r\n")
    said = list(judge.judge(cleared))
    assert not judge.down("network")
    assert judge.down("network-2")
    assert [(c.type, c.holds) for c in said] == [
        ("los", False),
        ("ais", False),
        ("trunk-group-down", False),
        ("trunk-partial", False),
    ]


# -- any bytes --------------------------------------------------------------------------------------------------


@settings(max_examples=300, deadline=None)
@given(data=JUNK, cuts=st.lists(st.integers(0, 3000), max_size=10))
def test_any_chunks_give_the_same_readings(data: bytes, cuts: list[int]) -> None:
    data += GOLDEN
    parser, got = Csu("a", "network"), []
    for start, stop in itertools.pairwise([0, *sorted(min(c, len(data)) for c in cuts), len(data)]):
        got += parser.feed(data[start:stop], 5)
    assert got + parser.idle(5) == read_as("a", data)


def read_as(source: str, data: bytes) -> list[Reading]:
    parser = Csu(source, "network")
    return parser.feed(data, 5) + parser.idle(5)


@settings(max_examples=300, deadline=None)
@given(junk=JUNK)
def test_the_next_good_message_is_always_read(junk: bytes) -> None:
    readings = read(junk + b"\r\n" + GOLDEN + GOLDEN)
    assert [brief(r) for r in readings if r.kind == "alarm"][-1] == LOS
    assert readings[-1].raw_ref == len(junk) + 2 + len(GOLDEN)


@settings(max_examples=200, deadline=None)
@given(pieces=st.lists(st.tuples(JUNK, st.sampled_from(["feed", "idle", "reset"])), max_size=10))
def test_nothing_raises_and_what_is_held_is_bounded(pieces: list[tuple[bytes, str]]) -> None:
    parser = Csu("a", "network")
    told = 0
    for data, then in pieces:
        told += len(parser.feed(data * 4, 0))
        if then != "feed":
            getattr(parser, then)(0)
        assert parser.held_bytes <= 8 * LINE_BYTES
    parser.feed(b"\r\n", 0)
    assert LOS in [brief(r) for r in parser.feed(GOLDEN * 2, 0)]


@pytest.mark.parametrize(
    "endless", [b"x", b"\n", b"Alarm Cleared.\n", b"Loss of\n", b"NE\r1:02:03\r", b"\xff", b"\x1b["]
)
def test_an_endless_stream_holds_little_and_every_byte_of_it_is_accounted_for(endless: bytes) -> None:
    parser, readings = Csu("a", "network"), []
    for _ in range(100):
        readings += parser.feed(endless * 500, 0)
        assert parser.held_bytes <= 8 * LINE_BYTES
    readings += parser.reset(0)
    told = sum(int(r.detail["bytes"] or 0) for r in readings if r.kind == "garbage")
    assert told == parser.counters["garbage_bytes"]
    if b"Cleared" not in endless and endless.strip(b"\n\x1b["):
        assert told >= 100 * 500 * (len(endless) - endless.count(b"\n") - endless.count(b"\r"))
