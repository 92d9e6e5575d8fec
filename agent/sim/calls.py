"""A simulated call centre's two call links: callers' data as an ALI link sends it, and the switch's call records.

Callers are made up (555-01xx). A call's data comes when it rings, its record when it is over; the demo's calls are over
at once, their records say how long they were.
"""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime
from pathlib import Path

from agent.sim.ports import SerialPort

EVERY_S = 0.8
TALK_S, DEAD_AIR_S = (35, 300), (3, 15)
STREETS = ("ELM ST", "STATE ST", "MAPLE AV", "RIVER RD")


def number(caller: int) -> str:
    """The made-up number of a caller, 10 digits ending in 555-01xx."""
    return f"{201 + caller // 100 % 700}55501{caller % 100:02d}"


def ali_record(caller: int, position: int, at: datetime) -> bytes:
    """STX, the type of message and the position, the record's lines, ETX. The framing is nobody's in particular."""
    n = number(caller)
    lines = (
        f"({n[:3]}) {n[3:6]}-{n[6:]} {at:%H:%M %m%d}",
        "A MADE-UP RESIDENT",
        f"{1 + caller % 900} {STREETS[caller % len(STREETS)]}",
        "SPRINGFIELD MA",
        f"{'WRLS' if caller % 5 else 'RESD'}  ESN 319",
    )
    return f"\x021{position:02d}\r".encode() + "\r\n".join(lines).encode() + b"\r\n\x03"


def call_record(record: int, caller: int, position: int, at: datetime, duration_s: int) -> bytes:
    """One incoming trunk call as a Meridian 1 prints it (protocols.md section 2.3, old format)."""
    took = f"{duration_s // 3600:02d}:{duration_s // 60 % 60:02d}:{duration_s % 60:02d}"
    member = f"T010 {1 + caller % 8:03d}"
    return f"N {record % 1000:03d} 00 {member} {6100 + position} {at:%m/%d %H:%M} {took} {number(caller)}\r\n".encode()


class CallCentre:
    """Both links. ``reached`` False: no call comes in at all. ``voice`` False: calls and data go on arriving and nobody
    hears a word, as on 18 June 2024."""

    def __init__(self, directory: Path, seed: int = 0) -> None:
        self.ali = SerialPort(directory / "ali-a")
        self.records = SerialPort(directory / "smdr")
        self.reached = True
        self.voice = True
        self.data = True
        self._rng = random.Random(seed)
        self._task: asyncio.Task[None] | None = None
        self.count = 0

    def plug(self) -> None:
        """Make both ports. Raises OSError."""
        self.ali.plug()
        self.records.plug()

    def open(self) -> None:
        """Calls begin to arrive."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._calls())

    def close(self) -> None:
        """No more calls, no more ports. Twice is harmless."""
        if self._task is not None:
            self._task.cancel()
            self._task = None
        self.ali.unplug()
        self.records.unplug()

    async def _calls(self) -> None:
        while True:
            if self.reached:
                self.one_call()
            await asyncio.sleep(EVERY_S)

    def one_call(self) -> None:
        """A caller's data, and the record of the call."""
        self.count += 1
        at, position = datetime.now(UTC), 1 + self.count % 4
        if self.data:
            self.ali.send(ali_record(self.count, position, at))
        low, high = TALK_S if self.voice else DEAD_AIR_S
        self.records.send(call_record(self.count, self.count, position, at, self._rng.randint(low, high)))
