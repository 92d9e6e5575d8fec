"""Pooled silence: how fast it tells, and that it tells nothing else."""

from __future__ import annotations

import dataclasses
import math
import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.clock import NS
from agent.fleet.pool import PIECES_MAX, SHARES_MAX, Pooled, Pools, threshold
from agent.fleet.watching import Rounds
from agent.payloads import Calls, StreamCounts
from agent.remote.peers import Peers
from tests.fleet.made import UTC_S, calls, ns, wall
from tests.fleet.simulated_pool import Simulation, delay_s

SEED = 20240618
MASSACHUSETTS = [2.4] * 204
"""Average centres of the state at 13:15."""


def test_the_threshold_is_that_of_the_reference() -> None:
    assert threshold(10) == pytest.approx(1.3 * 11.38, abs=0.01)  # the table's 11.4 for 10 an hour
    assert threshold(0) == pytest.approx(3.9)


def test_a_silent_state_is_told_in_about_two_minutes_where_one_centre_needs_hours() -> None:
    print(f"seed {SEED}")
    delays = [delay_s(MASSACHUSETTS, SEED + n) for n in range(8)]
    print(f"204 centres at 2.4 an hour: {[round(d) for d in delays if d is not None]} s")
    assert all(delay is not None and 100 <= delay <= 240 for delay in delays)
    one_alone_s = threshold(2.4) / 2.4 * 3600
    print(f"h {threshold(204 * 2.4):.2f}; one centre alone {one_alone_s / 3600:.1f} h")
    assert one_alone_s > 4 * 3600


def test_two_an_hour_at_each_of_204() -> None:
    delay = delay_s([2.0] * 204, SEED)
    assert delay is not None
    assert delay <= threshold(408) / 408 * 3600 * 204 / 203 + 61


def test_no_false_alarm_in_a_month() -> None:
    """One pool of the state's calls in 24 centres: the sum of calls is what counts, and it is quicker to simulate."""
    print(f"seed {SEED}")
    words = Simulation([204 * 2.4 / 24] * 24, SEED).minutes(30 * 24 * 60)
    assert not [word for _, word in words if word.calls == "lost"]
    fine = sum(word.calls == "fine" for _, word in words) / len(words)
    print(f"fine {fine:.5f} of {len(words)} words")
    assert fine > 0.999


def test_uneven_centres_over_some_days() -> None:
    rates_h = [200.0, 60.0, *[5.0] * 10, *[0.5] * 20]
    assert not [word for _, word in Simulation(rates_h, SEED).minutes(5 * 24 * 60) if word.calls == "lost"]


@pytest.mark.parametrize("rates_h", [[300.0, 2.0, 2.0], [300.0, 20.0], [20.0] * 5])
def test_one_centres_own_outage_is_no_pools(rates_h: list[float]) -> None:
    simulation = Simulation(rates_h, SEED)
    simulation.minutes(60)
    simulation.centres[0].out_s = simulation.now_s
    assert not [word for _, word in simulation.minutes(24 * 60) if word.calls == "lost"]


def test_a_centre_that_is_out_by_itself_is_left_out() -> None:
    simulation = Simulation([20.0] * 5, SEED)
    simulation.minutes(60)
    simulation.centres[0].out_s = simulation.now_s
    words = simulation.minutes(300)
    assert words[-1][1].sites == 4


def test_calls_that_come_again_end_it() -> None:
    simulation = Simulation(MASSACHUSETTS, SEED)
    simulation.minutes(10)
    for centre in simulation.centres:
        centre.out_s = simulation.now_s
    assert simulation.minutes(5)[-1][1].calls == "lost"
    for centre in simulation.centres:
        centre.out_s = math.inf
    assert simulation.minutes(3)[-1][1].calls == "fine"


def test_what_is_not_heard_is_no_silence() -> None:
    """All uplinks die with the calls: that is told as sites lost together, not as silence."""
    simulation = Simulation(MASSACHUSETTS, SEED)
    simulation.minutes(10)
    for centre in simulation.centres:
        centre.silent_from_s = centre.out_s = simulation.now_s
    words = simulation.minutes(10)
    assert not [word for _, word in words if word.calls == "lost"]
    assert words[-1][1].calls == "unknown"
    assert words[-1][1].sites == 0


@pytest.mark.parametrize("pause_s", [40, 100, 170, 600, 86_000])
def test_a_stopped_watcher_counts_no_silence(pause_s: int) -> None:
    """What was sent meanwhile comes at once when it goes on."""
    simulation = Simulation(MASSACHUSETTS, SEED)
    simulation.minutes(10)
    begin_s, end_s = simulation.now_s, simulation.now_s + pause_s
    for minute in range(max(0, pause_s // 60 - 2), math.ceil(pause_s / 60)):  # the broker keeps the last of it
        for centre in simulation.order:
            at_s = begin_s + minute * 60 + centre.phase_s
            if at_s < end_s:
                simulation.report(centre, at_s, end_s)
                assert simulation.pool.judge(ns(end_s)).calls != "lost"
    simulation.minute += math.ceil(pause_s / 60)
    assert not [word for _, word in simulation.minutes(10) if word.calls == "lost"]


def test_a_suspended_computer_counts_no_silence() -> None:
    """CLOCK_MONOTONIC stands still while the site's clocks go on."""
    simulation = Simulation(MASSACHUSETTS, SEED)
    simulation.minutes(10)
    for _ in range(10):
        simulation.minute += 1
        for centre in simulation.order:
            at_s = simulation.now_s + centre.phase_s
            simulation.report(centre, at_s, 600 + (at_s - 600) / 60)
            assert simulation.pool.judge(ns(600 + (at_s - 600) / 60)).calls != "lost"


@pytest.mark.parametrize("other", [{"alive": False}, {"mode": "diverted"}, {"rate_h": None}, {"rate_h": -1.0}])
def test_those_that_say_nothing_are_left_out(other: dict[str, object]) -> None:
    pool = Pooled("x")
    for minute in range(30):
        for n in range(4):
            pool.heard(calls(f"s{n}", minute * 60.0, since_s=None, rate_h=600.0), ns(minute * 60.0))
        for n in range(4):
            pool.heard(calls(f"s{n}", minute * 60.0 + 1, **other), ns(minute * 60.0 + 1))  # type: ignore[arg-type]
        word = pool.judge(ns(minute * 60.0 + 1))
        assert (word.calls, word.sites) == ("unknown", 0)


def test_less_than_half_of_the_rate_is_not_enough() -> None:
    pool = Pooled("x")
    for minute in range(60):
        for n in range(10):
            alive = minute < 2 or n < 4
            pool.heard(calls(f"s{n}", minute * 60.0, since_s=minute * 60.0 + 1, alive=alive), ns(minute * 60.0))
    word = pool.judge(ns(60 * 60.0))
    assert (word.calls, word.sites) == ("unknown", 4)


def test_one_site_alone_is_no_pool() -> None:
    pool = Pooled("x")
    for minute in range(600):
        pool.heard(calls("a", minute * 60.0, since_s=None, rate_h=100.0), ns(minute * 60.0))
    assert pool.judge(ns(600 * 60.0)).calls == "unknown"


def test_two_probes_of_a_site_count_once() -> None:
    pool = Pooled("x")
    for minute in range(10):
        for n in range(2):
            for probe in ("p1", "p2"):
                pool.heard(calls(f"s{n}", minute * 60.0, since_s=None, probe=probe), ns(minute * 60.0))
    assert pool.judge(ns(540)).expected == pytest.approx(2 * 20.0 * 9 / 60)
    for n in range(2):  # the first falls silent: the second takes over once its word is over
        pool.heard(calls(f"s{n}", 800.0, since_s=5.0, probe="p2"), ns(800))
    assert pool.judge(ns(800)).sites == 2


def test_shares_are_chosen_or_found_and_bounded() -> None:
    pools = Pools(["x"], ["a", "b"])
    for site in "abc":
        pools.heard(calls(site, 0.0, shares=("x", "y")), ns(0))
    assert [(word.share, word.sites) for word in pools.judge(ns(0))] == [("x", 2)]
    every = Pools()
    every.heard(calls("a", 0.0, shares=tuple(f"s{n}" for n in range(SHARES_MAX + 5))), ns(0))
    assert len(every.pools) == SHARES_MAX
    assert every.refused["shares"] == 5


def test_words_are_due_each_minute_and_on_change() -> None:
    pool, rounds = Pooled("x"), Rounds("noc")
    first = pool.judge(ns(0))
    assert len(rounds.due([first], ns(0), UTC_S)) == 1
    assert not rounds.due([first], ns(59), UTC_S + 59)
    (word,) = rounds.due([first], ns(60), UTC_S + 60)
    assert (word.share, word.calls, word.valid_s, word.by, word.at) == ("x", "unknown", 180, "noc", wall(60).utc)
    (changed,) = rounds.due([dataclasses.replace(first, calls="lost")], ns(61), UTC_S + 61)
    assert changed.calls == "lost"


def test_a_probe_understands_the_word() -> None:
    simulation = Simulation(MASSACHUSETTS, SEED)
    simulation.minutes(10)
    for centre in simulation.centres:
        centre.out_s = simulation.now_s
    judged = simulation.minutes(5)[-1][1]
    document = msgspec.json.encode(judged.payload(wall(900).utc, "noc"))
    reading = Peers(["esinet-east"]).heard(document, "esinet-east", ns(900), UTC_S + 900)
    assert reading is not None
    assert (reading.kind, reading.state, reading.detail["sites"]) == ("probe-fail", "down", 204)


stream = st.builds(
    StreamCounts,
    stream=st.sampled_from(["all", "x"]),
    seen=st.just((0, 0, 0, 0)),
    expected=st.none() | st.tuples(*[st.floats(allow_nan=False)] * 4),
    alive=st.booleans(),
    since_s=st.none() | st.floats(allow_nan=False),
)
word = st.builds(
    Calls,
    site=st.sampled_from(["a", "b", "c"]),
    probe=st.sampled_from(["p1", "p2"]),
    uplink=st.just("lte"),
    store=st.just(""),
    at=st.text(max_size=10) | st.datetimes().map(lambda at: at.isoformat() + "Z"),
    synced=st.booleans(),
    valid_s=st.integers(-5, 10**20),
    mode=st.sampled_from(["normal", "diverted"]),
    shares=st.just(("x",)),
    streams=st.lists(stream, max_size=2).map(tuple),
)


@given(st.lists(st.tuples(word, st.integers(0, 400)), max_size=30))
def test_any_words_keep_within_bounds(words: list[tuple[Calls, int]]) -> None:
    pools, now_s = Pools(["x"]), 0
    for said, pause_s in words:
        now_s += pause_s
        pools.heard(said, ns(now_s))
        (judged,) = pools.judge(ns(now_s))
        assert judged.expected >= judged.rest >= 0.0
        assert math.isfinite(judged.expected)
        assert all(len(site.pieces) <= PIECES_MAX for site in pools.pools["x"].sites.values())


@given(st.integers(0, 2**32), st.floats(0, 30))
def test_no_jitter_of_the_way_makes_more_time_than_there_was(seed: int, jitter_s: float) -> None:
    draw, pool, last_ns = random.Random(seed), Pooled("x"), 0
    for minute in range(30):
        for name in ("a", "b"):
            last_ns = max(last_ns, ns(minute * 60.0 + draw.uniform(0, jitter_s)))
            pool.heard(calls(name, minute * 60.0, since_s=None, rate_h=60.0), last_ns)
    assert pool.judge(last_ns).expected <= 2 * (last_ns - ns(0)) / NS / 60 + 1e-6
