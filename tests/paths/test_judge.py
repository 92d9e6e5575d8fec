"""m of n, and when the next check is due."""

from __future__ import annotations

import itertools
import math
import random
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.clock import NS
from agent.paths.judge import CheckJudge
from agent.paths.schedule import OVERDUE_S, CheckSchedule
from agent.site import schema

# Results (1 good, 0 failed, ? could not be tested) of a 3-of-5 check: whether it alarms at the end, and its state.
TABLE = [
    ("", False, "unknown"),
    ("?", False, "unknown"),
    ("1", False, "up"),
    ("10", False, "up"),
    ("1010", False, "degraded"),
    ("0", False, "degraded"),
    ("00", False, "degraded"),
    ("000", True, "down"),
    ("0001", True, "degraded"),
    ("00011", True, "degraded"),
    ("000111", False, "up"),
    ("0101", False, "degraded"),
    ("01010", True, "degraded"),  # every other time
    ("0110110", False, "degraded"),
    ("110011", False, "degraded"),
    ("1100", False, "degraded"),
    ("11000", True, "down"),
    ("0?0?0", True, "down"),
    ("000?", True, "unknown"),
    ("000?111", False, "up"),
    ("00011?111", False, "up"),
    ("111?", False, "unknown"),
    ("0111", False, "up"),
]
# The same for 3 of 10: good results between do not make failures that are still among the last n forgotten.
LONG_TABLE = [
    ("001110", True, "degraded"),
    ("0011100", True, "degraded"),
    ("00" + "1" * 8 + "0", False, "degraded"),
    ("0001110", False, "degraded"),  # the alarm is over, and its failures with it
    ("000111000", True, "down"),
]


def judged(results: str, fail: int = 3, of: int = 5) -> CheckJudge:
    judge = CheckJudge(fail, of)
    for number, result in enumerate(results):
        judge.result({"1": True, "0": False, "?": None}[result], number * NS)
    return judge


@pytest.mark.parametrize(("results", "alarming", "state"), TABLE)
def test_three_of_five(results: str, alarming: bool, state: str) -> None:
    judge = judged(results)
    assert (judge.alarming, judge.state) == (alarming, state)


@pytest.mark.parametrize(("results", "alarming", "state"), LONG_TABLE)
def test_three_of_ten(results: str, alarming: bool, state: str) -> None:
    judge = judged(results, 3, 10)
    assert (judge.alarming, judge.state) == (alarming, state)


def test_what_passes_but_not_as_it_should_never_looks_up() -> None:
    judge = CheckJudge(3, 5)
    for number in range(10):
        judge.result(True, number * NS, degraded=True)
        assert (judge.state, judge.alarming) == ("degraded", False)
    judge.result(True, 10 * NS)
    assert judge.state == "up"


@given(st.lists(st.sampled_from("10?"), max_size=60), st.integers(1, 6), st.integers(0, 6))
def test_any_results(results: list[str], fail: int, more: int) -> None:
    judge = judged("".join(results), fail, fail + more)
    tested = [r for r in results if r != "?"]
    if not tested or results[-1:] == ["?"]:
        assert judge.state == "unknown"  # missing data never reads as healthy
    if results[-3:] == ["1", "1", "1"]:
        assert not judge.alarming
        assert judge.clearing
    if results[-fail:] == ["0"] * fail and fail <= len(results):
        assert judge.alarming
    if judge.clearing:
        assert not judge.alarming


YEAR_S = 365 * 86_400
LOSS = 1 - 0.95**2  # 5 % each way


def alarms_in_a_year(loss_of_one_check: float, every_s: float, rng: random.Random) -> int:
    """Only failures are drawn; of the good results between two, as many as the judge can remember are handed in."""
    judge, alarms, number = CheckJudge(3, 5), 0, 0
    while True:
        gap = int(math.log(1.0 - rng.random()) / math.log1p(-loss_of_one_check))
        number += gap + 1
        if number >= YEAR_S / every_s:
            return alarms
        for _ in range(min(gap, 8)):
            judge.result(True, 0)
        before = judge.alarming
        judge.result(False, 0)
        alarms += judge.alarming and not before


@pytest.mark.parametrize(("kind", "datagrams"), [("icmp", 4), ("sip-options", 3), ("tcp", 3)])
@pytest.mark.parametrize("role", get_args(schema.Role))
def test_a_year_at_5_percent_loss_each_way_raises_nothing(kind: str, datagrams: int, role: str) -> None:
    every_s = schema.EVERY_S[kind, role]
    loss = LOSS**datagrams
    # An alarm begins with a failure and two more among the four before it. SIP every 2 s has the most: 0.075 a year.
    expected = YEAR_S / every_s * 6 * loss**3
    assert expected < (0.001 if kind == "icmp" else 0.1)
    assert alarms_in_a_year(loss, every_s, random.Random(20240618)) == 0


def test_the_simulated_year_can_alarm() -> None:
    alarms = alarms_in_a_year(LOSS, 60.0, random.Random(1))  # one datagram a check would not do
    assert 1000 < alarms < 4000


def path(name: str = "p", **check: float) -> schema.Path:
    return schema.Path(id=name, role="firewall", address="192.0.2.1", checks=(schema.Icmp(**check),))  # type: ignore[arg-type]


def test_starts_are_spread_and_come_each_period() -> None:
    schedule = CheckSchedule([path("a"), path("b"), path("c"), path("d")], 0)
    starts: dict[str, list[int]] = {}
    while (now_ns := schedule.deadline()) is not None and now_ns < 20 * NS:
        for source, check in schedule.due(now_ns):
            starts.setdefault(source, []).append(now_ns)
            schedule.finished(source, check)
    assert {len(times) for times in starts.values()} == {10}
    assert len({times[0] for times in starts.values()}) == 4
    assert all(b - a == 2 * NS for times in starts.values() for a, b in itertools.pairwise(times))


def test_no_burst_after_a_long_sleep() -> None:
    schedule = CheckSchedule([path()], 0)
    assert schedule.due(0) == [("p", "icmp")]
    schedule.finished("p", "icmp")
    assert schedule.due(3600 * NS) == [("p", "icmp")]
    assert schedule.due(3600 * NS) == []
    assert (schedule.deadline() or 0) > 3600 * NS


def test_a_start_without_a_result_is_told_once_and_does_not_stop_the_rest() -> None:
    schedule = CheckSchedule([path()], 0)
    assert schedule.due(0)
    late_ns = 2 * NS + int(OVERDUE_S * NS)
    assert schedule.overdue(late_ns - 1) == []
    assert schedule.overdue(late_ns) == [("p", "icmp")]
    assert schedule.overdue(late_ns) == []
    assert schedule.due(late_ns)


@given(st.lists(st.tuples(st.integers(0, 30), st.booleans()), max_size=80), st.sampled_from([0.2, 0.5, 2.0, 60.0]))
def test_never_too_many_in_flight_and_the_deadline_lies_ahead(steps: list[tuple[int, bool]], every_s: float) -> None:
    schedule = CheckSchedule([path(every_s=every_s)], 0)
    now_ns, flying = 0, 0
    for wait_s, answers in steps:
        now_ns += wait_s * NS // 4
        flying += len(schedule.due(now_ns))
        flying -= len(schedule.overdue(now_ns))
        if answers and flying:
            schedule.finished("p", "icmp")
            flying -= 1
        assert 0 <= flying <= 2 + max(1.0, 2 * every_s) / every_s
        assert (schedule.deadline() or 0) > now_ns


def test_what_is_asked_seldom_is_asked_again_soon_after_a_failure() -> None:
    tls = schema.Path(id="t", role="far-end", address="192.0.2.1", checks=(schema.Tls(port=5061),))
    knock = schema.Path(id="k", role="reflector", address="192.0.2.2", checks=(schema.Knock(),))
    schedule = CheckSchedule([path(), tls, knock], 0)
    judge = CheckJudge(3, 5)
    for key in schedule.due(NS):
        schedule.finished(*key)
    judge.result(False, NS)
    assert judge.undecided
    for source, check in (("p", "icmp"), ("t", "tls"), ("k", "knock"), ("nobody", "tls")):
        schedule.again(source, check, NS)
    starts = [(at_s, key) for at_s in range(2, 200) for key in schedule.due(at_s * NS) if key[0] != "p"]
    assert starts == [(61, ("t", "tls"))]


def test_a_check_is_decided_once_it_alarms_or_is_well() -> None:
    judge = CheckJudge(3, 5)
    seen = []
    for ok in (True, False, True, False, False, False, True, True, True, None):
        judge.result(ok, 0)
        seen.append((judge.alarming, judge.undecided))
    assert [undecided for _, undecided in seen] == [False, True, False, True, False, False, True, True, False, False]


def test_a_fault_hastens_what_is_asked_seldom() -> None:
    paths = [
        schema.Path(id=f"t{n}", role="far-end", address="192.0.2.1", checks=(schema.Tls(port=5061),)) for n in range(5)
    ]
    schedule = CheckSchedule([path(), *paths], 0)
    for key in schedule.due(NS):
        schedule.finished(*key)
    schedule.hasten(100 * NS)
    starts = [(at_s, key) for at_s in range(100, 112) for key in schedule.due(at_s * NS) if key[0] != "p"]
    assert [key[0] for _, key in starts] == ["t0", "t1", "t2", "t3", "t4"]
    assert [at_s for at_s, _ in starts] == [100, 102, 104, 106, 108]
    for at_s in range(112, 122):  # it comes and goes: no far end is asked oftener for that
        schedule.hasten(at_s * NS)
    again = [(at_s, key) for at_s in range(112, 200) for key in schedule.due(at_s * NS) if key[0] != "p"]
    assert [at_s for at_s, _ in again] == [160, 162, 164, 166, 168]
