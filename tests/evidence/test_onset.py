"""Which fault is the newest: by when its senses first failed, each at its own pace."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agent.clock import NS
from agent.evidence.onset import gap_ns, onset
from agent.site import schema

FAST, SLOW = gap_ns(schema.Icmp(), "router"), gap_ns(schema.Tls(port=5061), "far-end")
TIMES = st.lists(st.tuples(st.integers(0, 10_000).map(lambda s: s * NS), st.sampled_from((FAST, SLOW))), max_size=12)


def test_what_is_asked_often_fails_within_its_gap() -> None:
    assert FAST == 34 * NS
    assert SLOW == (60 + 5 + 30) * NS, "it is asked soon after a fault, whatever its period"
    assert gap_ns(schema.Knock(), "reflector") == (210 + 205 + 30) * NS, "a knock waits out its idle time"


def test_one_fault_is_one_however_slowly_it_shows() -> None:
    assert onset([]) is None
    assert onset([(5 * NS, FAST)]) == 5 * NS
    assert onset([(5 * NS, FAST), (30 * NS, FAST), (90 * NS, SLOW)]) == 5 * NS


def test_what_fails_later_than_it_could_is_a_new_one() -> None:
    assert onset([(0, FAST), (600 * NS, FAST), (602 * NS, FAST)]) == 600 * NS
    assert onset([(0, SLOW), (96 * NS, SLOW)]) == 96 * NS


@given(TIMES)
def test_it_is_one_of_the_failures_and_none_came_too_late_for_it(down: list[tuple[int, int]]) -> None:
    start = onset(down)
    assert (start is None) == (not down)
    if start is not None:
        assert any(bad_ns == start for bad_ns, _ in down)
        assert all(bad_ns - gap <= start for bad_ns, gap in down)
    assert onset(down[::-1]) == start
