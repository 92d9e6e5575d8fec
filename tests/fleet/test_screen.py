"""The screen and the JSON."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from agent.fleet.pool import Pools
from agent.fleet.screen import as_json, clean, lines, signature, view
from agent.fleet.state import Fleet
from tests.fleet.made import UTC_S, Probe, alarm, give, ns


def fleet_of(count: int) -> Fleet:
    fleet = Fleet()
    fleet.hearing(True, ns(0))
    for index in range(count):
        p = Probe(f"s{index:03d}")
        give(fleet, p.up())
        give(fleet, p.health(waiting=7))
    return fleet


@given(st.text(max_size=60), st.integers(1, 40))
def test_nothing_reaches_a_terminal_but_what_is_printable(text: str, width: int) -> None:
    assert clean(text, width).isprintable()
    assert len(clean(text, width)) <= width


def test_escape_sequences_of_the_network_are_harmless() -> None:
    fleet = fleet_of(1)
    p = Probe("s000")
    give(fleet, p.verdict("\x1b[2J\x1b]0;owned\x07 \u202egood news\x9b31m", cause="far-end"))
    give(fleet, p.alarm(alarm(text="line\nbreak\x1b[31m")), 1)
    text = "\n".join(lines(view(fleet, None, ns(2), UTC_S + 2, ["a\x1bb"]), 200, 50))
    assert not set("\x1b\x07\u202e\x9b") & set(text)
    assert "good news" in text
    assert "line break" in text


@given(st.integers(-5, 300), st.integers(-5, 60), st.integers(0, 12))
def test_any_size_is_kept(width: int, height: int, sites: int) -> None:
    rows = lines(view(fleet_of(sites), None, ns(1), UTC_S + 1), width, height)
    assert 1 <= len(rows) <= max(1, height)
    assert all(len(row) <= max(20, width) for row in rows)


def test_what_does_not_fit_is_counted_and_the_worst_comes_first() -> None:
    fleet = fleet_of(30)
    give(fleet, Probe("s017").alarm(alarm()), 1)
    give(fleet, Probe("s023").lost(), 1)
    rows = lines(view(fleet, None, ns(2), UTC_S + 2), 120, 10)
    assert rows[0].endswith("30 sites: 1 alarm, 1 lost, 0 unknown, 28 well")
    assert rows[1].startswith("s017")
    assert "Trunk T1-1 down" in rows[1]
    assert rows[2].startswith("s023")
    assert "waiting 7" in rows[3]
    assert rows[-1] == "and 22 more"


def test_json_is_plain_and_changes_are_seen() -> None:
    fleet, pools = fleet_of(2), Pools(["esinet-east"])
    before = view(fleet, pools, ns(1), UTC_S + 1)
    told = json.loads(json.dumps(as_json(before)))
    assert told["counts"] == {"sites": 2, "alarm": 0, "lost": 0, "unknown": 0, "well": 2}
    assert told["pools"][0]["calls"] == "unknown"
    assert not before.fault
    assert signature(view(fleet, pools, ns(20), UTC_S + 20)) == signature(before)
    give(fleet, Probe("s001").alarm(alarm()), 21)
    after = view(fleet, pools, ns(21), UTC_S + 21)
    assert signature(after) != signature(before)
    assert after.fault
