"""The gap timer: when silence is told, to the nanosecond, and what a silence teaches."""

from __future__ import annotations

import pytest

from agent.calls.silence import NS, Silence

HOUR_NS = 3600 * NS
UTC_S = 1_718_582_400.0  # Monday 17 June 2024, 00:00 UTC


def learned(days: int = 21, every_s: int = 120) -> tuple[Silence, int]:
    """A site with a call every two minutes, day and night, and the moment of its last one."""
    silence = Silence(["all"], "UTC", 30.0, 1.0, 0)
    silence.clock(0, UTC_S, True)
    now_ns = 0
    for number in range(1, days * 86_400 // every_s + 1):
        now_ns = number * every_s * NS
        silence.call(["all"], now_ns)
    return silence, now_ns


def told_ns(silence: Silence, now_ns: int) -> int:
    """When silence is told if nothing comes, by going from deadline to deadline."""
    for _ in range(400):
        (look,) = silence.judge(now_ns)
        if look.state == "d":
            return now_ns
        due_ns = silence.deadline(now_ns)
        assert due_ns is not None
        assert due_ns > now_ns + 1, "at its time nothing was told"
        before = silence.judge(due_ns - 1)[0]
        assert before.state == "u", "a nanosecond before its time nothing is told"
        now_ns = due_ns
    pytest.fail("silence was never told")


def test_silence_is_told_at_the_deadline_and_not_a_nanosecond_beside_it() -> None:
    silence, last_ns = learned()
    at_ns = told_ns(silence, last_ns)
    (look,) = silence.judge(at_ns)
    assert look.since_ns == last_ns
    assert look.expected == pytest.approx(look.threshold, rel=1e-9)
    assert look.delay_s == pytest.approx((at_ns - last_ns) / NS, rel=0.1)


def test_a_call_ends_it_and_starts_the_gap_anew() -> None:
    silence, last_ns = learned()
    wait_ns = told_ns(silence, last_ns) - last_ns
    again_ns = last_ns + 10 * wait_ns
    silence.call(["all"], again_ns)
    (look,) = silence.judge(again_ns)
    assert (look.state, look.expected) == ("u", 0.0)
    (look,) = silence.judge(again_ns + wait_ns // 2)
    assert look.state == "u", "of the gap before nothing is left"


def test_time_without_a_feed_expects_nothing_and_loses_nothing() -> None:
    silence, last_ns = learned()
    wait_ns = told_ns(learned()[0], last_ns) - last_ns
    silence.feed("all", False, last_ns + wait_ns // 2)
    (look,) = silence.judge(last_ns + 20 * wait_ns)
    assert (look.state, look.why) == ("-", "feed gap")
    silence.feed("all", True, last_ns + 20 * wait_ns)
    (look,) = silence.judge(last_ns + 20 * wait_ns + wait_ns // 4)
    assert look.state == "u"
    assert told_ns(silence, last_ns + 20 * wait_ns) - (last_ns + 20 * wait_ns) < wait_ns


def test_a_long_outage_does_not_teach_that_silence_is_usual() -> None:
    silence, last_ns = learned()
    (before,) = silence.judge(last_ns)
    end_ns = last_ns + 48 * HOUR_NS
    assert silence.judge(end_ns)[0].state == "d"
    silence.call(["all"], end_ns)
    (after,) = silence.judge(end_ns)
    assert after.rate_per_h > 0.97 * before.rate_per_h
