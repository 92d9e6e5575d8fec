"""How fast the TL1 parser is, one process, one core: prints a figure, asserts none."""

from __future__ import annotations

import json
import time
from typing import Any

from agent.lines.tl1 import Tl1

MESSAGES = 20_000
CHUNK = 4096  # what the port reads at most at once


def stream(messages: int) -> bytes:
    """Alarms as an MX2800 sends them, one text line each."""
    return b"".join(
        b"\r\n\n   MX2800 04-10-05 09:14:22\r\n** %06d REPT ALM T1\r\n"
        b'   "%d:MJ,LOS,SA,10-05,09-14-22,NEND,RCV:\\"Loss Of Signal\\""\r\n;' % (n % 999_999, 101 + n % 28)
        for n in range(1, messages + 1)
    )


def measure() -> dict[str, Any]:
    """Megabytes and messages a second, in chunks as they come from a port."""
    data, parser, alarms = stream(MESSAGES), Tl1("bench"), 0
    start_s = time.perf_counter()
    for at in range(0, len(data), CHUNK):
        alarms += len(parser.feed(data[at : at + CHUNK], at))
    took_s = time.perf_counter() - start_s
    return {
        "mb_per_s": round(len(data) / took_s / 1e6, 2),
        "messages_per_s": round(MESSAGES / took_s),
        "messages": MESSAGES,
        "readings": alarms,
        "chunk_bytes": CHUNK,
    }


if __name__ == "__main__":
    print(json.dumps(measure()))
