"""How fast a backlog drains to a loopback broker, and how far a live alarm overtakes it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from agent.journal.entry import Pending
from agent.journal.writer import JournalWriter
from agent.site import schema
from tests.bench.rows import spread
from tests.real.brokers import broker
from tests.uplink.fakes import Box

PAYLOAD_BYTES = 200


def _pending(number: int, kind: str = "reading", key: str = "") -> Pending:
    body = {"n": number, "id": key, "text": "x" * PAYLOAD_BYTES}
    return Pending(kind, json.dumps(body).encode(), kind == "alarm", number, "2024-06-18T17:15:00.000Z", True, key)


@contextlib.contextmanager
def _listening(port: int) -> Iterator[None]:
    """Somebody who hears, in a process of its own; without one a server of MQTT 5 says so, and the uplink waits."""
    program = shutil.which("mosquitto_sub")
    if program is None:
        yield
        return
    child = subprocess.Popen([program, "-p", str(port), "-q", "1", "-t", "dialtone/v1/#"], stdout=subprocess.DEVNULL)
    try:
        time.sleep(1)
        yield
    finally:
        child.terminate()
        child.wait()


async def _drain(events: int, url: str, directory: Path) -> dict[str, Any]:
    box: Box | None = None
    journal = await JournalWriter.open(
        directory,
        1 << 30,
        on_committed=lambda entries: box.uplink.committed(entries) if box is not None else None,
        on_fault=lambda _reason: None,
        routine_s=0.05,
    )
    for number in range(events):
        journal.put(_pending(number))
        if number % 2000 == 1999:
            while journal.head < number + 1:
                await asyncio.sleep(0.01)
    while journal.head < events:
        await asyncio.sleep(0.01)
    box = Box(schema.Uplink(id="bench", urls=(url,)), journal)
    task = asyncio.create_task(box.uplink.run())
    while not box.uplink.status()["connected"]:
        await asyncio.sleep(0.001)
    began_s = time.perf_counter()
    began_cpu_s = time.process_time()
    live_ms: list[float] = []
    while box.uplink.status()["backlog"]:
        put_s, seen = time.perf_counter(), len(box.readings)
        journal.put(_pending(-len(live_ms) - 1, "alarm", "bank-a_los_t1-1"))
        while len(box.readings) == seen:
            await asyncio.sleep(0.001)
        live_ms.append(1000 * (time.perf_counter() - put_s))
        await asyncio.sleep(0.1)
    took_s, cpu_s = time.perf_counter() - began_s, time.process_time() - began_cpu_s
    status = box.uplink.status()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    await journal.close()
    return {
        "events": events,
        "seconds": round(took_s, 2),
        "events_per_s": round(events / took_s),
        "cpu_us_per_event": round(1e6 * cpu_s / events, 1),
        "live": spread([ms / 1000 for ms in live_ms]),
        "protocol": status["protocol"],
        "acknowledged": status["acknowledged"],
    }


def measure(events: int = 100_000) -> dict[str, Any]:
    """A backlog of ``events`` entries in the real journal; live alarms are put (and synced) while it drains."""
    with (
        broker("allow_anonymous true\nmax_queued_messages 0") as b,
        _listening(b.port),
        tempfile.TemporaryDirectory(prefix="dt-") as directory,
    ):
        return {"broker": b.name, **asyncio.run(_drain(events, b.url, Path(directory)))}


if __name__ == "__main__":
    print(json.dumps(measure()))
