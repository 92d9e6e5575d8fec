"""m of n, and when the next check is due."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.paths.judge import NS, OVERDUE_S, CheckJudge, CheckSchedule
from agent.site import schema

# Results (1 good, 0 failed, ? could not be tested) of a 3-of-5 check: whether it alarms at the end, and its state.
TABLE = [
    ("", False, "unknown"),
    ("?", False, "unknown"),
    ("1", False, "up"),
    ("0", False, "degraded"),
    ("00", False, "degraded"),
    ("000", True, "down"),
    ("0001", True, "down"),
    ("00011", True, "down"),
    ("000111", False, "up"),
    ("0101", False, "degraded"),
    ("01010", True, "down"),  # every other time
    ("0110110", False, "degraded"),
    ("110011", False, "degraded"),
    ("1100", False, "degraded"),
    ("11000", True, "down"),
    ("0?0?0", True, "down"),
    ("000?", True, "unknown"),
    ("000?111", False, "up"),
    ("00011?111", False, "up"),
    ("111?", False, "unknown"),
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


@pytest.mark.parametrize(("kind", "loss_of_one_check"), [("icmp", 0.0975**4), ("sip-options", 0.0975**3)])
def test_a_week_at_5_percent_loss_each_way_raises_nothing(kind: str, loss_of_one_check: float) -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    judge = CheckJudge(3, 5)
    for number in range(7 * 86_400 // 2):
        judge.result(rng.random() >= loss_of_one_check, number * 2 * NS)
        assert not judge.alarming, f"seed {seed}"


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
