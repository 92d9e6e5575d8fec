"""When a way out is used that others are preferred to. Pure: time is an argument."""

from __future__ import annotations

from agent.clock import NS

BACK_S = 60.0
"""So long a preferred way must have been up before a standby is given up again; as for a stable connection."""


class Standby:
    """``after_s``: seconds with no preferred way before this one is used; None where it always is."""

    def __init__(self, after_s: float | None) -> None:
        self._after_ns = None if after_s is None else int(after_s * NS)
        self._up = False
        self._since_ns: int | None = None
        self._used = after_s is None

    def wanted(self, preferred_up: bool, now_ns: int) -> bool:
        """Whether it is to be used now; to be asked again and again, about each second."""
        if self._after_ns is None:
            return True
        if self._since_ns is None or preferred_up != self._up:
            self._up, self._since_ns = preferred_up, now_ns
        lasted_ns = now_ns - self._since_ns
        if self._used:
            self._used = not (preferred_up and lasted_ns >= BACK_S * NS)
        else:
            self._used = not preferred_up and lasted_ns >= self._after_ns
        return self._used
