"""Counters and uptimes that wrap, stand still or begin anew. Pure.

A counter of 32 bits goes from 4294967295 to 0 (RFC 2578 section 7.1.6), and sysUpTime does so after 497 days; neither
is a restart. What can't be told apart counts for nothing: a delta is either right or there is none.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from agent.paths.snmp.ber import Oid, Value

NS = 1_000_000_000
TICKS = 1 << 32
RESTARTED_S = 600.0
# How far an uptime may fall behind our own clock before it means anything: lost answers, a slow device, a bad crystal.
SLACK_S = 30.0
ELAPSED_MAX_S = 900.0
# Octets a second that no interface moves: 400 Gb/s. What would be more was no wrap.
FASTEST = 50_000_000_000.0

SYS_UP_TIME: Oid = (1, 3, 6, 1, 2, 1, 1, 3, 0)
HR_SYSTEM_UPTIME: Oid = (1, 3, 6, 1, 2, 1, 25, 1, 1, 0)
SNMP_ENGINE_TIME: Oid = (1, 3, 6, 1, 6, 3, 10, 2, 1, 3, 0)
UPTIMES = (SYS_UP_TIME, HR_SYSTEM_UPTIME, SNMP_ENGINE_TIME)


def delta(old: Value, new: Value, elapsed_s: float, fastest: float = FASTEST) -> int | None:
    """How far a counter has moved; None where that can't be known: it was reset, or may have wrapped more than once.

    ``fastest``: what it can move in a second at most.
    """
    if old.number is None or new.number is None or old.kind != new.kind or not 0 < elapsed_s <= ELAPSED_MAX_S:
        return None
    size = 1 << 64 if new.kind == "counter64" else TICKS
    if fastest * elapsed_s >= size and size == TICKS and fastest < FASTEST:
        return None  # it may have gone round more than once
    moved = new.number - old.number
    if moved < 0:
        moved += size
        # A reset looks like a wrap from anywhere; a wrap comes from near the end, and is no faster than the wire.
        if moved > size // 2 or moved > fastest * elapsed_s:
            return None
    return moved


@dataclass(slots=True)
class Rate:
    """A rate over the last half minute: agents count in steps of up to 30 s; a sample between them shows nothing."""

    window_s: float = 30.0
    _steps: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=64))

    def add(self, moved: float, elapsed_s: float) -> float | None:
        """Per second, over the window; None until that long was seen."""
        self._steps.append((moved, elapsed_s))
        total_s = sum(step[1] for step in self._steps)
        while len(self._steps) > 1 and total_s - self._steps[0][1] >= self.window_s:
            total_s -= self._steps.popleft()[1]
        return sum(step[0] for step in self._steps) / total_s if total_s >= self.window_s else None

    def clear(self) -> None:
        """The next sample begins anew."""
        self._steps.clear()


@dataclass(frozen=True, slots=True)
class Age:
    """What the uptimes say. ``up_s``: since its start; ``restarted``: it was; ``agent_alone``: only its agent was."""

    up_s: float | None
    restarted: bool = False
    agent_alone: bool = False


@dataclass(slots=True)
class Uptimes:
    """The uptimes of the last sample: the agent's, the host's and the engine's. The longest is the device's."""

    _last: dict[Oid, int] = field(default_factory=dict)
    _wraps: dict[Oid, int] = field(default_factory=dict)
    _at_ns: int | None = None

    def hear(self, values: Mapping[Oid, Value], now_ns: int) -> Age:
        """One sample's uptimes."""
        found = {oid: number for oid in UPTIMES if (number := _seconds_100(values, oid)) is not None}
        fell = {oid for oid in found if oid in self._last and self._fell(oid, found[oid], now_ns)}
        for oid in found:
            self._last[oid] = found[oid]
            if oid in fell:
                self._wraps.pop(oid, None)
        self._at_ns = now_ns
        if not found:
            return Age(None)
        up_s = {oid: (ticks + self._wraps.get(oid, 0) * TICKS) / 100 for oid, ticks in found.items()}
        longest_s = max(up_s.values())
        held = (
            [oid for oid in found if oid not in fell and up_s[oid] > min(up_s[f] for f in fell) + SLACK_S]
            if fell
            else []
        )
        return Age(longest_s, bool(fell) and not held, bool(fell) and bool(held))

    def _fell(self, oid: Oid, ticks: int, now_ns: int) -> bool:
        before = self._last[oid]
        if ticks >= before:
            return False
        elapsed = (now_ns - (self._at_ns or now_ns)) / NS * 100
        expected = before + elapsed
        slack = SLACK_S * 100 + elapsed * 0.01
        if oid != SNMP_ENGINE_TIME and expected + slack >= TICKS and abs(ticks + TICKS - expected) <= slack:
            self._wraps[oid] = self._wraps.get(oid, 0) + 1
            return False
        return before - ticks > 100 or elapsed > 200  # an answer that overtook an older one is no restart


def _seconds_100(values: Mapping[Oid, Value], oid: Oid) -> int | None:
    value = values.get(oid)
    number = value.number if value is not None else None
    if number is None or number < 0:
        return None
    return number * 100 if oid == SNMP_ENGINE_TIME else number
