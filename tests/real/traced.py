"""The real agent, telling what it showed and what it wrote, as a child: ``python -m tests.real.traced SITE FD``.

Each fact is one line of JSON on the pipe FD; ``os.write`` to a pipe survives kill -9 of the writer, so what was
shown and what was committed is known to the last moment. Facts: ``{"lit":…, "voice":…, "at_ns":…}`` when the panel
was set, ``{"recorded": alarm id, "change":…}`` once the lamps of that change were set and its entry was handed to
the journal, ``{"committed": [seq…]}`` once a commit was done.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from agent.app import App
from agent.effects import Record
from agent.journal.entry import Entry
from agent.panel import Levels
from agent.site.load import load


class Tell:
    """One JSON object a line, on a pipe."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def __call__(self, **fact: object) -> None:
        os.write(self._fd, json.dumps(fact).encode() + b"\n")


class TracedPanel:
    """Writes every change of level down."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._last: Levels | None = None

    def apply(self, levels: Levels) -> None:
        if levels != self._last:
            self._last = levels
            lit = [lamp for lamp, on in levels.lit.items() if on]
            self._tell(at_ns=time.monotonic_ns(), lit=lit, voice=levels.voice)

    def close(self) -> None:
        self._tell(closed=True)


class TracedApp(App):
    """Writes down what was handed to the journal and what was committed."""

    tell: Tell

    def _record(self, record: Record) -> None:
        super()._record(record)
        if record.kind == "alarm":
            self.tell(recorded=record.payload["id"], change=record.payload["change"])

    def _committed(self, entries: Sequence[Entry]) -> None:
        super()._committed(entries)
        self.tell(committed=[entry.seq for entry in entries])


async def main(site: Path, fd: int) -> None:
    """Run the agent of ``run`` with that panel."""
    tell = Tell(fd)
    app = TracedApp(load(site), panel=TracedPanel(tell))
    app.tell = tell
    await app.run()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
