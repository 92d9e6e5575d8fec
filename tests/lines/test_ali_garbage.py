"""Whatever stood before it, the next good record is read; any chunking gives the same; nothing grows or is silent."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from agent.callers import Callers
from agent.lines.ali import GARBAGE_BYTES, HELD_MAX, Ali
from agent.lines.ali_framing import RECORD_BYTES, lrc
from agent.readings import Reading
from agent.site.line import AliLine

TEXT = b"207\r\n555-555-0123 11:41:01 12312015\r\nSMITH\r\n4625 RESD\r\nLAKE PARK BLVD\r\nSALT LAKE CITY UT"
GOOD: dict[str, bytes] = {
    "stx-etx": b"\x02" + TEXT + b"\x03",
    "lines": b"(555) 555-0123 RESD 123 MAIN ST\r\n",
    "blank-line": TEXT + b"\r\n\r\n",
    "idle-gap": TEXT,
}
CHECKED = b"\x02" + TEXT + b"\x03" + bytes([lrc(TEXT + b"\x03")])
FRAMINGS = sorted(GOOD)
SCRAPS = st.sampled_from(
    [
        *(bytes([code]) for code in (0, 2, 3, 6, 10, 13, 21, 32, 72, 127, 0x82, 0x83, 0x8D, 0xFF)),
        b"\r\n",
        b"\r\n\r\n",
        b"H\r",
        b"0555012307\r",
        b"NO RECORD FOUND",
        b"911-0042",
        TEXT,
        TEXT[:50],
        CHECKED,
        b"x" * 300,
        b"\x02" + b"y" * (RECORD_BYTES + 5),
        b"5" * (RECORD_BYTES - 1),
    ]
)
JUNK = st.one_of(st.binary(max_size=200), st.lists(st.one_of(SCRAPS, st.binary(max_size=3)), max_size=25).map(b"".join))
KEYS = st.fixed_dictionaries(
    {
        "framing": st.sampled_from(FRAMINGS),
        "carries": st.sampled_from(["records", "queries", "both"]),
        "check_chars": st.sampled_from([0, 0, 1, 2]),
    }
)


def parser(**keys: Any) -> Ali:
    return Ali(AliLine(id="a", port="/dev/x", **keys), Callers(b"k" * 32))


def plain(readings: list[Reading]) -> list[Any]:
    return [(r.kind, r.subject, r.state, r.raw_ref, dict(r.detail)) for r in readings]


@settings(max_examples=300, deadline=None)
@given(junk=JUNK, framing=st.sampled_from(FRAMINGS))
@example(junk=b"\x02", framing="stx-etx")
@example(junk=b"\x02" + b"z" * RECORD_BYTES, framing="stx-etx")
@example(junk=b"q" * 5000, framing="blank-line")
@example(junk=b"q" * 5000, framing="lines")
def test_after_any_garbage_the_next_good_record_is_read(junk: bytes, framing: str) -> None:
    reader = parser(framing=framing)
    readings = reader.feed(junk, 0)
    end = {"lines": b"\r\n", "blank-line": b"\r\n\r\n"}.get(framing, b"")
    readings += reader.feed(end, 0)
    readings = reader.feed(GOOD[framing], 10**9) + reader.idle(2 * 10**9)
    want = [r for r in readings if r.detail.get("what") == "record" and r.state == "up"]
    assert want, readings
    assert want[-1].raw_ref == len(junk) + len(end)


@settings(max_examples=100, deadline=None)
@given(junk=JUNK)
def test_with_a_check_character_too(junk: bytes) -> None:
    readings = parser(check_chars=1).feed(junk.rstrip(b"\x03\x83") + CHECKED * 2, 0)
    assert [r.detail["check_ok"] for r in readings if r.subject == "record"][-1:] == [True]


@settings(max_examples=300, deadline=None)
@given(data=st.lists(st.one_of(JUNK, SCRAPS), max_size=6).map(b"".join), cuts=st.lists(st.integers(0, 9000)), keys=KEYS)
@example(data=b"ab\r\r  cd\r\r", cuts=[5], keys={"framing": "blank-line"})
@example(data=b"x" * 5000 + b"\r\r   y\r\r", cuts=[5003], keys={"framing": "blank-line"})
@example(data=b"x" * 5000 + b"\r" + b"x" * 40000, cuts=[4096, 9000], keys={"framing": "lines"})
def test_any_chunking_gives_the_same_readings(data: bytes, cuts: list[int], keys: dict[str, Any]) -> None:
    whole, parts = parser(**keys), parser(**keys)
    want = whole.feed(data, 7) + whole.idle(8) + whole.reset(9)
    got: list[Reading] = []
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    for start, stop in pairwise(edges):
        got += parts.feed(data[start:stop], 7)
        assert parts.held_bytes <= HELD_MAX
    got += parts.idle(8) + parts.reset(9)
    assert plain(got) == plain(want)
    assert parts.counters == whole.counters


@settings(max_examples=60, deadline=None)
@given(data=JUNK, keys=KEYS)
def test_byte_by_byte_is_the_same(data: bytes, keys: dict[str, Any]) -> None:
    whole, parts = parser(**keys), parser(**keys)
    want = whole.feed(data, 7) + whole.reset(9)
    got = [r for at in range(len(data)) for r in parts.feed(data[at : at + 1], 7)] + parts.reset(9)
    assert plain(got) == plain(want)


@settings(max_examples=150, deadline=None)
@given(data=st.binary(max_size=600), keys=KEYS)
def test_every_byte_is_told_or_padding(data: bytes, keys: dict[str, Any]) -> None:
    """What is neither in a reading nor counted as garbage is padding: blanks, controls, line ends."""
    reader = parser(**keys)
    readings = reader.feed(data, 0) + reader.idle(1) + reader.reset(2)
    told = sum(r.detail["bytes"] for r in readings if isinstance(r.detail["bytes"], int))
    padding = sum(1 for code in data if code & 0x7F <= 0x20 or code & 0x7F == 0x7F)
    assert told >= len(data) - padding
    assert reader.counters["bytes"] == len(data)


@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize(
    "data", [b"\x02" * 999, b"A" * 997, b"\r" * 991, b"\x06A" * 500, b"\x02A\r\n" * 250, bytes(range(256)) * 4]
)
def test_memory_is_bounded_whatever_comes(framing: str, data: bytes) -> None:
    reader = parser(framing=framing, check_chars=1)
    told = 0
    for _ in range(300):
        told += sum(r.detail["bytes"] for r in reader.feed(data, 0) if isinstance(r.detail["bytes"], int))
        assert reader.held_bytes <= HELD_MAX
    reader.reset(1)
    assert reader.held_bytes == 0
    assert told > 0 or not data.strip(b"\r\x02")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (GOOD["stx-etx"][:40] + GOOD["stx-etx"], "record cut off by the next"),
        (b"\x02" + b"x" * 5000 + b"\r" + GOOD["stx-etx"], "record too long; bytes outside a record"),
        (b"\x03" + GOOD["stx-etx"], "ETX without STX"),
        (b"hello\r\n" + GOOD["stx-etx"], "bytes outside a record"),
        (b"\x02" + bytes(range(0x8E, 0xA0)) * 3 + b"\x03" + GOOD["stx-etx"], "not text"),
        (GOOD["stx-etx"][1:-1].replace(b"\r\n", b" ") + b"\r" + GOOD["stx-etx"], "a record without STX and ETX"),
    ],
)
def test_garbage_is_told_before_the_good_record_and_why(data: bytes, reason: str) -> None:
    reader = parser()
    readings = reader.feed(data, 0)
    if reason == "a record without STX and ETX" and readings[0].kind == "data":
        return  # a number and a place on one line are a record, framed or not
    assert [r.kind for r in readings] == ["garbage", "data"]
    assert readings[0].detail["reason"] == reason
    assert readings[0].detail["bytes"] == reader.counters["garbage_bytes"] > 0


def test_a_record_whose_end_is_lost_is_told_when_the_line_falls_quiet() -> None:
    reader = parser()
    assert reader.feed(GOOD["stx-etx"][:-1], 0) == []
    (garbage,) = reader.idle(3)
    assert (garbage.kind, garbage.detail["reason"]) == ("garbage", "record without end")
    assert [r.subject for r in reader.feed(GOOD["stx-etx"], 4)] == ["record"]


@pytest.mark.parametrize("framing", ["lines", "blank-line", "idle-gap"])
def test_the_end_of_a_file_ends_a_whole_record_but_not_a_scrap(framing: str) -> None:
    reader = parser(framing=framing)
    whole = reader.feed(GOOD[framing].rstrip(), 0) + reader.reset(1)
    assert [(r.subject, r.state) for r in whole] == [("record", "up")]
    scrap = reader.feed(b"SALT LAKE", 2) + reader.reset(3)
    assert [r.kind for r in scrap] == ["garbage"]


def test_garbage_without_end_is_told_piece_by_piece() -> None:
    reader = parser()
    readings = reader.feed(b"z" * (3 * GARBAGE_BYTES + 5), 0)
    assert [r.detail["bytes"] for r in readings] == [GARBAGE_BYTES] * 3
    assert [r.raw_ref for r in readings] == [0, GARBAGE_BYTES, 2 * GARBAGE_BYTES]
    assert [r.detail["bytes"] for r in reader.idle(1)] == [5]
