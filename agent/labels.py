"""Monotonic times and their wall-clock labels: put beside them on the way out, taken back after a restart."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from agent.clock import NS, Clock, Wall, rfc3339
from agent.clock import unix_s as unix_s
from agent.journal.entry import Entry, Journal
from agent.payloads import AlarmState

RECENT = 200


def labelled(payload: Mapping[str, Any], clock: Clock) -> dict[str, Any]:
    """``payload`` with a wall-clock label ``raised`` beside each ``raised_ns``, in nested objects too."""
    now_ns, wall_s = clock.now_ns(), unix_s(clock.wall().utc)

    def walk(value: Any) -> Any:
        if isinstance(value, Mapping):
            out: dict[str, Any] = {}
            for key, member in value.items():
                out[key] = walk(member)
                if key.endswith("_ns") and isinstance(member, int):
                    out[key.removesuffix("_ns")] = rfc3339(max(0.0, wall_s - (now_ns - member) / NS))
            return out
        if isinstance(value, list | tuple):
            return [walk(member) for member in value]
        return value

    labelled_payload: dict[str, Any] = walk(payload)
    return labelled_payload


async def newest_s(journal: Journal) -> float:
    """When the newest entry was written by a clock that was set (UTC): it is later than that. 0 where none is known.

    Looked for among the last 200: a box without a clock of its own writes some at each start before it is set. Raises
    what ``journal.read`` raises.
    """
    head = journal.head
    for entry in reversed(await journal.read(max(0, head - RECENT), head, RECENT)):
        if entry.synced:
            with contextlib.suppress(ValueError, OverflowError):
                return unix_s(entry.wall)
    return 0.0


def rebase(state: AlarmState, entry: Entry, now_ns: int, wall: Wall) -> AlarmState:
    """An alarm of an earlier run in this run's monotonic time, by the wall clock's word: a label, no more.

    A time that would lie in the future (the clock went back) becomes now.
    """
    try:
        written_ago_ns = int((unix_s(wall.utc) - unix_s(entry.wall)) * NS)
    except ValueError:
        written_ago_ns = 0
    written_ns = now_ns - max(0, written_ago_ns)

    def moved(at_ns: int) -> int:
        return written_ns - max(0, entry.mono_ns - at_ns)

    cleared_ns = None if state.cleared_ns is None else moved(state.cleared_ns)
    return msgspec.structs.replace(state, raised_ns=moved(state.raised_ns), cleared_ns=cleared_ns)


def digest(alarms: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """How many alarms stand, and a hash over their ids and states, so that a receiver sees when it missed one."""
    lines = sorted(f"{alarm['id']} {alarm['state']}" for alarm in alarms)
    return {"standing": len(lines), "sha256": hashlib.sha256("\n".join(lines).encode()).hexdigest()}
