"""Tags: a gap is a lost message; a repeat, a wrap and a tag that does not count are none."""

from __future__ import annotations

import pytest

from agent.lines.atag import SIDS_MAX, AtagTracker
from agent.lines.tl1 import Tl1


@pytest.mark.parametrize(
    ("first", "then"),
    [
        ("5", "6"),
        ("5", "5"),
        ("65535", "1"),
        ("65535", "65536"),
        ("999999", "000001"),
        ("999999", "000000"),
        ("000017", "000018"),
        ("9999", "1"),
        ("5", "1.7"),
        ("atag", "atag"),
        ("5", "x"),
    ],
)
def test_no_gap(first: str, then: str) -> None:
    tracker = AtagTracker()
    assert tracker.follow("S", first) is None
    assert tracker.follow("S", then) is None


@pytest.mark.parametrize(
    ("first", "then", "expected", "lost", "why"),
    [
        ("5", "7", 6, 1, "lost"),
        ("000017", "000020", 18, 2, "lost"),
        ("65534", "2", 65535, 2, "lost"),
        ("65535", "3", 1, 2, "lost"),
        ("999998", "000002", 999999, 2, "lost"),
        ("500", "1", 501, None, "restarted"),
        ("500", "0", 501, None, "restarted"),
        ("500", "400", 501, None, "went back"),
    ],
)
def test_gap(first: str, then: str, expected: int, lost: int | None, why: str) -> None:
    tracker = AtagTracker()
    tracker.follow("S", first)
    gap = tracker.follow("S", then)
    assert gap is not None
    assert (gap.expected, gap.got, gap.lost, gap.why) == (expected, int(then), lost, why)


def test_each_sid_counts_for_itself_and_the_oldest_is_forgotten() -> None:
    tracker = AtagTracker()
    for n in range(SIDS_MAX + 1):
        assert tracker.follow(f"S{n}", str(10 * n)) is None
    assert tracker.forgotten == 1
    assert tracker.follow("S1", "12") is not None
    assert tracker.follow("S0", "7") is None


def test_a_gap_is_a_reading_before_the_alarm_even_over_a_lost_port() -> None:
    parser = Tl1("bank-a")
    text = b'\r\n\n   S 04-10-05 09:14:22\r\n** %d REPT ALM T1\r\n   "101:MJ,LOS,SA"\r\n;'
    parser.feed(text % 5, 0)
    parser.reset(1)
    gap, alarm = parser.feed(text % 9, 2)
    assert (gap.kind, gap.subject, gap.state, alarm.kind) == ("gap", "S", None, "alarm")
    assert gap.detail == {"sid": "S", "expected": 6, "got": 9, "lost": 3, "why": "lost"}
