"""Whatever stood before it, the next good message is read; nothing raises, nothing grows, nothing is lost silently."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from agent.lines.framing import COMMENT_LINES, LINE_BYTES
from agent.lines.tl1 import _HELD_MAX, _TABLE, GARBAGE_BYTES, REASONS_MAX, Tl1
from agent.readings import Reading

GOOD = b'\r\n\n   MX2800 04-10-05 09:14:22\r\n** 000017 REPT ALM T1\r\n   "101:MJ,LOS,SA,10-05,09-14-22,NEND"\r\n;'
LOS = ("alarm", "down", "101", "LOS", "MX2800")

# Scraps of the grammar, so that junk gets into every corner of it.
SCRAPS = st.sampled_from(
    [
        *(b'" \\" \\ / /* */ * ; > < \r \n \r\n : , M ** A 5 REPT ALM EVT COMPLD PF 12'.split(b" ")),
        b" ",
        b"\r\n\n",
        b"   SID 04-10-05 09:14:22",
        b'\r\n"S I D" 2004-10-05 09:14:22\r\n',
        b"A 5 REPT ALM T1\r\n",
        b'"101:CL,LOS,SA"',
        b"M  1 COMPLD\r\n",
        b"RTRV-HDR:X:1;",
        b"\x00",
        b"\xff",
        GOOD,
        GOOD[:60],
        b"x" * 5000,
    ]
)
JUNK = st.one_of(st.binary(max_size=200), st.lists(st.one_of(SCRAPS, st.binary(max_size=3)), max_size=30).map(b"".join))


def brief(reading: Reading) -> tuple[str, str | None, str, object, object]:
    detail = reading.detail
    return reading.kind, reading.state, reading.subject, detail.get("condtype"), detail.get("sid")


def whole(data: bytes) -> list[Reading]:
    parser = Tl1("a")
    return parser.feed(data, 0) + parser.reset(0)


@settings(max_examples=400, deadline=None)
@given(junk=JUNK)
@example(junk=b'"')
@example(junk=b"/*")
@example(junk=b'\r\n   "101:MJ\\')
@example(junk=b"\r\n   SID 04-10-05 09:14:22")
@example(junk=b"\r\n   SID 04-10-05 09:14:22\r\nA 5 REPT ALM T1\r\n/* ")
@example(junk=b"x" * (LINE_BYTES + 1))
@example(junk=b"/*" + b"\n" * 200)
@example(junk=b"RTRV-HDR:X:1")
def test_the_next_good_message_is_always_read(junk: bytes) -> None:
    readings = Tl1("a").feed(junk + GOOD, 0)
    assert LOS in [brief(r) for r in readings if r.raw_ref == len(junk) + 3]


@settings(max_examples=300, deadline=None)
@given(data=JUNK, cuts=st.lists(st.integers(0, 6000), max_size=12))
def test_any_chunks_give_the_same_readings(data: bytes, cuts: list[int]) -> None:
    data += GOOD
    parser, got, at = Tl1("a"), [], 0
    for cut in [*sorted(cuts), len(data)]:
        got += parser.feed(data[at:cut], 0)
        at = max(at, cut)
    assert got + parser.reset(0) == whole(data)


@settings(max_examples=100, deadline=None)
@given(data=JUNK)
def test_byte_by_byte_gives_the_same_readings_and_holds_little(data: bytes) -> None:
    parser, got = Tl1("a"), []
    for byte in data[:4000]:
        got += parser.feed(bytes([byte]), 0)
        assert parser.held_bytes <= _HELD_MAX
    assert got + parser.reset(0) == whole(data[:4000])


@settings(max_examples=200, deadline=None)
@given(pieces=st.lists(st.tuples(JUNK, st.sampled_from(["feed", "idle", "reset"])), max_size=12))
def test_nothing_raises_and_what_is_held_is_bounded(pieces: list[tuple[bytes, str]]) -> None:
    parser = Tl1("a")
    for data, then in pieces:
        parser.feed(data * 5, 0)
        if then != "feed":
            getattr(parser, then)(0)
        assert parser.held_bytes <= _HELD_MAX
    assert LOS in [brief(r) for r in parser.feed(GOOD, 0)]


@pytest.mark.parametrize(
    "endless",
    [b"x", b'"', b"/*", b"\n", b";", b"/* \n", b"\r\n S 04-10-05 09:14:22", b'\r\nA 5 REPT ALM T1\r\n"1:MJ,LOS'],
)
def test_an_endless_stream_holds_little_and_tells_little(endless: bytes) -> None:
    parser, told, fed = Tl1("a"), 0, 0
    for _ in range(200):
        told += sum(r.kind == "garbage" for r in parser.feed(endless * 1000, 0))
        fed += 1000 * len(endless)
        assert parser.held_bytes <= _HELD_MAX
    # One for each resync, never one for each byte.
    assert told <= fed / 16 + 1


def test_many_sids_are_followed_within_a_bound_and_it_is_told_once() -> None:
    parser = Tl1("a")
    data = b"".join(GOOD.replace(b"MX2800", b"S%d" % n + b"I" * 3000) for n in range(100))
    readings = parser.feed(data, 0) + parser.reset(0)
    assert parser.held_bytes <= _HELD_MAX
    assert sum(r.kind == "alarm" for r in readings) == 100
    assert sum("SIDs" in str(r.detail.get("reason")) for r in readings) == 1


def test_junk_is_one_reading_that_counts_its_bytes() -> None:
    junk = b"\r\nlogin:\r\n\x80\x81\x82garbage\r\nmore of it"
    garbage, alarm = Tl1("a").feed(junk + GOOD, 0)
    assert garbage.kind == "garbage"
    assert garbage.state is None
    assert garbage.detail == {"bytes": 6 + 10 + 10, "reason": "not TL1"}
    assert garbage.raw_ref == 2
    assert brief(alarm) == LOS


def test_endless_junk_is_told_without_waiting_for_a_good_message() -> None:
    parser = Tl1("a")
    readings = parser.feed(b"rubbish\r\n" * 10_000, 0)
    assert 1 <= len(readings) <= 10_000 * 9 // GARBAGE_BYTES + 1
    assert sum(int(r.detail["bytes"] or 0) for r in readings + parser.reset(0)) == 70_000


def test_a_message_cut_off_by_the_next_one_keeps_its_whole_lines() -> None:
    cut = GOOD[: GOOD.rindex(b"\r\n;")] + b'\r\n   "102:MJ,LO'
    readings = Tl1("a").feed(cut + GOOD.replace(b"017", b"018"), 0)
    assert [brief(r)[:3] for r in readings if r.kind == "alarm"] == [("alarm", "down", "101")] * 2
    garbage = [r for r in readings if r.kind == "garbage"]
    assert len(garbage) == 1
    assert "cut off by the next message" in str(garbage[0].detail["reason"])


@pytest.mark.parametrize(
    "damaged",
    [
        GOOD.replace(b"MX2800 04-10-05", b"MX28\xf0\xf00410-05"),
        GOOD.replace(b"REPT ALM", b"RE\x90T ALM"),
        GOOD.replace(b'NEND"', b"NEND"),
        GOOD[:-1],
    ],
    ids=["header", "identification", "closing quote", "terminator"],
)
def test_one_damaged_place_does_not_lose_the_alarm_and_is_told(damaged: bytes) -> None:
    readings = whole(damaged)
    assert [r.subject for r in readings if r.kind == "alarm"] == ["101"]
    assert [r.kind for r in readings].count("garbage") == 1


def test_half_a_text_line_is_no_alarm() -> None:
    assert [r.kind for r in whole(GOOD[: GOOD.index(b"LOS") + 2])] == ["garbage"]


def test_silence_tells_what_is_unfinished_once_and_the_rest_is_still_read() -> None:
    parser = Tl1("a")
    assert parser.feed(GOOD[: GOOD.index(b"\r\n;")], 0) == []
    assert [r.kind for r in parser.idle(7)] == ["alarm", "garbage"]
    assert parser.idle(8) == []
    assert parser.feed(b'\r\n   "102:MJ,LOS,SA"\r\n;', 9)[0].subject == "102"
    assert parser.reset(10) == []


def test_a_comment_without_end_is_given_up() -> None:
    parser = Tl1("a")
    readings = parser.feed(b"/* " + b"words\r\n" * (COMMENT_LINES + 2) + b"A 5 REPT ALM T1\r\n", 0)
    assert "comment without end" in str(readings[0].detail["reason"])
    assert parser.feed(b'"101:MJ,LOS,SA"\r\n;', 0)[0].kind == "alarm"


def test_garbage_reasons_are_bounded() -> None:
    parser = Tl1("a")
    for n in range(100):
        parser._garbage(0, 0, f"reason {n}")
    assert str(parser.idle(0)[0].detail["reason"]).count(";") == REASONS_MAX - 1


def test_the_table_is_complete() -> None:
    states, tokens = {s for s, _ in _TABLE}, {t for _, t in _TABLE}
    assert states == {"idle", "headed", "report", "answer"}
    assert set(_TABLE) == {(s, t) for s in states for t in tokens}
    assert len(tokens) == 7
