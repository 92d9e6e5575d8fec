"""How many calls came, minute by minute, for whoever pools several centres (outages.md section 7). Pure.

Numbers only: nothing here knows of a caller.
"""

from __future__ import annotations

from collections.abc import Sequence

from agent.payloads import OVER_MIN

NS = 1_000_000_000
MINUTE_NS = 60 * NS
KEPT = max(OVER_MIN)


class Minutes:
    """The last 60 whole minutes of each stream, and the one under way. ``streams``: at most as many as are watched."""

    def __init__(self, now_ns: int) -> None:
        self._began_ns = now_ns
        self._now = 0  # the minute under way
        self._counts: dict[str, list[int]] = {}
        self._last_ns: dict[str, int] = {}

    def call(self, streams: Sequence[str], now_ns: int) -> None:
        """A call came on these streams."""
        self._turn(now_ns)
        for stream in streams:
            self._counts.setdefault(stream, [0] * (KEPT + 1))[self._now % (KEPT + 1)] += 1
            self._last_ns[stream] = now_ns

    def seen(self, stream: str, now_ns: int) -> tuple[int, int, int, int]:
        """Calls of the last 1, 5, 15 and 60 minutes that are over."""
        self._turn(now_ns)
        counts = self._counts.get(stream)
        if counts is None:
            return (0, 0, 0, 0)
        past = [counts[(self._now - back) % (KEPT + 1)] for back in range(1, KEPT + 1)]
        one, five, fifteen, sixty = (sum(past[:over]) for over in OVER_MIN)
        return (one, five, fifteen, sixty)

    def since_s(self, stream: str, now_ns: int) -> float | None:
        """Seconds since its last call; None where none came since the start."""
        last_ns = self._last_ns.get(stream)
        return None if last_ns is None else (now_ns - last_ns) / NS

    def _turn(self, now_ns: int) -> None:
        """Minutes that have passed since begin empty."""
        minute = max(self._now, (now_ns - self._began_ns) // MINUTE_NS)
        for passed in range(self._now + 1, min(minute, self._now + KEPT + 1) + 1):
            for counts in self._counts.values():
                counts[passed % (KEPT + 1)] = 0
        if minute - self._now > KEPT + 1:
            for counts in self._counts.values():
                counts[:] = [0] * (KEPT + 1)
        self._now = minute
