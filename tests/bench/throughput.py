"""Throughput of the TL1 parser and of the backlog's drain."""

from __future__ import annotations

from tests.bench import tl1_throughput, uplink_drain
from tests.bench.rows import Row


def measure(quick: bool) -> list[Row]:
    """Three rows; ``quick`` drains a smaller backlog."""
    tl1 = tl1_throughput.measure()
    drain = uplink_drain.measure(20_000 if quick else 100_000)
    live = drain["live"]
    return [
        Row(
            "TL1 parsed",
            ">= 1.15 MB/s (100 x 115,200 baud)",
            f"{tl1['mb_per_s']} MB/s",
            tl1["mb_per_s"] >= 1.15,
            "",
            tl1,
        ),
        Row(
            "backlog drain", ">= 2,000 events/s", f"{drain['events_per_s']}/s", drain["events_per_s"] >= 2000, "", drain
        ),
        Row(
            "a new alarm during it, put to PUBACK, p99",
            "<= 1 s",
            f"{live['p99_ms']:g} ms",
            live["p99_ms"] <= 1000,
            f"{live['n']} of them beside {drain['events']} events, longest {live['max_ms']:g} ms",
        ),
    ]
