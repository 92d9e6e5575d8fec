"""Calls a minute, against a plain list."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agent.calls.minutes import MINUTE_NS, Minutes


@given(
    st.lists(st.tuples(st.integers(0, 20 * 60), st.sampled_from(["all", "east"])), max_size=80), st.integers(0, 8000)
)
def test_the_last_whole_minutes_are_counted(calls: list[tuple[int, str]], more_s: int) -> None:
    minutes, at_s, came = Minutes(0), 0, []
    for after_s, stream in calls:
        at_s += after_s
        came.append((at_s, stream))
        minutes.call([stream], at_s * 1_000_000_000)
    now_s = at_s + more_s
    this = now_s // 60
    for stream in ("all", "east"):
        mine = [s // 60 for s, name in came if name == stream]
        wanted = tuple(sum(this - over <= minute < this for minute in mine) for over in (1, 5, 15, 60))
        assert minutes.seen(stream, now_s * 1_000_000_000) == wanted
        last = [s for s, name in came if name == stream]
        assert minutes.since_s(stream, now_s * 1_000_000_000) == (now_s - last[-1] if last else None)
    assert MINUTE_NS == 60_000_000_000
