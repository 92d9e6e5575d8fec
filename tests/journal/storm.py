"""A child that writes to a journal as fast as it can: ``python -m tests.journal.storm DIRECTORY FD START COUNT``.

On the pipe FD: ``p N`` before entry N is put, ``c N`` once it is told as committed, ``h N`` before all that, the head
found. A pipe keeps what was written to it when the writer is killed. COUNT 0: until killed; otherwise each entry is
waited for, and the journal closed at the end.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from agent.journal.entry import Entry
from agent.journal.writer import JournalWriter
from tests.journal.made import number, routine, urgent

MAX_BYTES = 1 << 20  # small, so that checkpoints, drops and cuts all happen


async def main(directory: Path, fd: int, start: int, count: int) -> None:
    """Put alarms, and here and there an event."""

    def committed(entries: Sequence[Entry]) -> None:
        numbers = [number(e.payload) for e in entries if e.kind in ("alarm", "event")]
        os.write(fd, b"".join(b"c %d\n" % n for n in numbers))

    def fault(text: str | None) -> None:
        os.write(fd, f"fault {text}\n".encode())

    journal = await JournalWriter.open(directory, MAX_BYTES, on_committed=committed, on_fault=fault)
    os.write(fd, b"h %d\n" % journal.head)
    n = start
    while count == 0 or n < start + count:
        os.write(fd, b"p %d\n" % n)
        journal.put(routine(n, size=300) if n % 10 == 9 else urgent(n, key=f"k{n % 20}", size=n % 1500))
        n += 1
        if count:
            journal.save_ranges("primary", ((1, n),))
            while journal.status()["waiting"] and n % 10:
                await asyncio.sleep(0.001)
        elif n % 7 == 0:
            await asyncio.sleep(0)
            while journal.status()["waiting"] > 5000:  # the queue may not overflow: that drops by design
                await asyncio.sleep(0.001)
    await journal.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])))
