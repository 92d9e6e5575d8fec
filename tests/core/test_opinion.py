"""What is told of a verdict that keeps changing."""

from __future__ import annotations

import itertools

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from agent.evidence.feeds import Doubt
from agent.opinion import AT_ONCE, CALM_S, REST_S, Opinion
from agent.site import schema
from agent.verdict.judge import Verdict

NS = 1_000_000_000
WELL = {"A": "u", "V": "u", "if": "u", "ir": "u", "ie": "u", "O": "u", "To": "u", "Ti": "u", "il": "u"}
DEAD = {**WELL, "A": "-", "V": "-", "ir": "d", "ie": "d", "O": "d", "To": "d", "Ti": "d"}
LOSSY = {**WELL, "ie": "g", "O": "g", "To": "g", "Ti": "g"}
VOICELESS = {**WELL, "A": "-", "V": "-", "To": "d", "Ti": "d"}
LOOKS = (WELL, LOSSY, DEAD, VOICELESS)
NO_PHONE = msgspec.convert({"id": "here", "name": "Here"}, schema.Site)


def run(steps: list[tuple[float, int]], more_s: float = 120.0) -> tuple[Opinion, list[tuple[float, Verdict]]]:
    """Looks after looks, ``steps``: seconds since the one before, and which; every deadline is kept."""
    opinion, told, now_ns = Opinion(NO_PHONE, None), [], 0

    def tell() -> None:
        verdict = opinion.to_tell(lambda: None, now_ns)
        if verdict is not None:
            told.append((now_ns / NS, verdict))

    for after_s, which in [*steps, (more_s, -1)]:
        until_ns = now_ns + int(after_s * NS)
        while (due_ns := opinion.deadline()) is not None and due_ns <= until_ns:
            assert due_ns > now_ns or due_ns == until_ns, "a deadline stays in the past"
            now_ns = max(now_ns, due_ns)
            tell()
        now_ns = until_ns
        if which >= 0:
            opinion.judge(LOOKS[which], Doubt(), now_ns)
        tell()
    return opinion, told


def test_what_changes_every_two_seconds_is_told_once_a_minute() -> None:
    _, told = run([(2.5, n % 2) for n in range(1440)])
    causes = [verdict.causes for _, verdict in told]
    changes = sum(1 for one, other in itertools.pairwise(causes) if one != other)
    assert AT_ONCE <= changes <= 3600 / REST_S + AT_ONCE
    late = [at_s for at_s, _ in told if at_s > AT_ONCE * REST_S]
    assert late, "it is not silent either"


def test_that_calls_fail_is_told_at_once_whatever_was_told_before() -> None:
    steps = [(2.5, n % 2) for n in range(200)]
    opinion, told = run([*steps, (0.5, 2)], more_s=0.0)
    assert told[-1][0] == 200 * 2.5 + 0.5
    assert told[-1][1].calls_fail is True
    assert opinion.told is told[-1][1]


def test_a_plain_fault_is_refined_without_a_wait() -> None:
    _, told = run([(60.0, 0), (6.0, 1), (4.0, 3), (3.0, 2)])
    at_s = [at for at, verdict in told if verdict.calls_fail is True]
    assert at_s[0] == 73.0
    assert [verdict.cause for _, verdict in told][-1] in ("firewall-blocking", "wan-down", "router-down")


@given(st.lists(st.tuples(st.floats(0.01, 90.0), st.integers(0, 3)), min_size=1, max_size=60))
def test_in_the_end_what_stands_is_told(steps: list[tuple[float, int]]) -> None:
    opinion, told = run(steps)
    assert opinion.candidate is not None
    assert opinion.told is not None
    assert opinion.told.causes == opinion.candidate.causes
    for (one_s, one), (other_s, other) in itertools.pairwise(told):
        if one.causes != other.causes and other.calls_fail is not True:
            assert other_s - one_s >= CALM_S - 1e-6
