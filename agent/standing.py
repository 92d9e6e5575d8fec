"""What stood when the box last ran: its alarms, read back from the journal, and which of them nobody has received."""

from __future__ import annotations

import logging
from collections.abc import Iterable

import msgspec

from agent import labels
from agent.clock import Clock
from agent.journal.writer import JournalWriter
from agent.payloads import AlarmState

log = logging.getLogger("dialtone")


async def standing(journal: JournalWriter, uplinks: Iterable[str], clock: Clock) -> tuple[list[AlarmState], set[str]]:
    """The alarms' last states, with times of this start; the ids of those that no uplink has had acknowledged."""
    now_ns, wall = clock.now_ns(), clock.wall()
    states, unreceived = [], set()
    acknowledged = [r for uplink in uplinks for r in await journal.ranges(uplink)]
    for entry in await journal.latest("alarm"):
        if entry.payload is None:
            continue
        try:
            states.append(labels.rebase(msgspec.json.decode(entry.payload, type=AlarmState), entry, now_ns, wall))
        except msgspec.MsgspecError as error:
            log.error("alarm %s of entry %s can't be read back: %s", entry.key, entry.id, error)
            continue
        if not any(first <= entry.seq <= last for first, last in acknowledged):
            unreceived.add(entry.key)
    return states, unreceived
