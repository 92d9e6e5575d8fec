"""A fleet on one mosquitto: what it costs broker and `watch` at rest, and how it comes back after a restart.

500 probes (100 with ``--quick``), each the product's own uplink over plain TCP, in four child processes. A broker that is
back at once is met by all of them within a second, since the first attempt after a stable connection is drawn from
[0, 1 s): so the time it is away is part of the figure.
"""

from __future__ import annotations

import statistics
import time
from typing import Any

import pytest

from tests.bench.rest import proc
from tests.bench.rows import Row
from tests.real.brokers import Broker, broker
from tests.real.fleet.parts import Children, Receiver, Watch, children, most_within, receiving, watching
from tests.real.fleet.test_fleet import AWAY_S, BACK_S, PROCESSES, prepared
from tests.real.sites import until

SETTLE_S = 5.0
REST_S = 62.0  # a heartbeat of each probe, and so long that every connection counts as a stable one
GOALS = {0.0: None, AWAY_S: 0.5, 30.0: 0.2}
"""Seconds away: which part of the fleet may try within one second. At once it is all of them, and no goal."""


def at_rest(b: Broker, watch: Watch, heard: Receiver) -> dict[str, Any]:
    """Memory and CPU of both, and the messages that one receiver gets, over ``REST_S``."""
    time.sleep(SETTLE_S)
    began_s, before = time.monotonic(), {name: proc(pid) for name, pid in (("broker", b.pid), ("watch", watch.pid))}
    time.sleep(REST_S)
    took_s = time.monotonic() - began_s
    after = {"broker": proc(b.pid), "watch": proc(watch.pid)}
    per_s = [heard.per_s[int(began_s) + i] for i in range(1, int(took_s))]
    figures: dict[str, Any] = {
        "messages_per_s": round(statistics.fmean(per_s), 1),
        "messages_most_in_1_s": max(per_s),
        "line_bytes": watch.bytes_of_last,
    }
    for name, then in before.items():
        figures[f"{name}_rss_mb"] = round(after[name]["rss_mb"], 1)
        figures[f"{name}_peak_mb"] = round(after[name]["peak_mb"], 1)
        figures[f"{name}_cpu_percent"] = round(100 * (after[name]["cpu_s"] - then["cpu_s"]) / took_s, 1)
    return figures


def restarted(b: Broker, watch: Watch, fleet: Children, away_s: float) -> dict[str, Any]:
    """Kill the broker, start it again after ``away_s``, and wait until all report and the watch is right."""
    stopped_s = time.monotonic()
    b.stop(kill=True)
    time.sleep(away_s)
    began_s = time.monotonic()
    b.start()
    up_s = time.monotonic()
    cpu_s = proc(watch.pid)["cpu_s"]
    until(fleet.reporting_again(began_s), "not all came back", BACK_S)
    until(lambda: not watch.wrong(fleet.tell()), "the watch is wrong", BACK_S)
    right_s = time.monotonic()
    probes = fleet.tell()
    after = [[at_s for at_s in probe["attempts"] if at_s > stopped_s] for probe in probes]
    back = sorted(min(at_s for at_s in probe["births"] if at_s >= began_s) - began_s for probe in probes)
    return {
        "away_s": away_s,
        "start_s": round(up_s - began_s, 2),
        "half_back_s": round(back[len(back) // 2], 1),
        "all_back_s": round(back[-1], 1),
        "watch_right_s": round(right_s - began_s, 1),
        "most_in_1_s": most_within([at_s for attempts in after for at_s in attempts if at_s >= began_s]),
        "attempts_mean": round(statistics.fmean(map(len, after)), 1),
        "attempts_most": max(map(len, after)),
        "births": sum(sum(at_s >= began_s for at_s in probe["births"]) for probe in probes),
        "watch_cpu_s": round(proc(watch.pid)["cpu_s"] - cpu_s, 1),
        "broker_peak_mb": round(proc(b.pid)["peak_mb"], 1),
    }


def measure(quick: bool) -> list[Row]:
    """At rest, then the restarts: a short one with ``quick``, else at once, short and long."""
    count = 100 if quick else 500
    try:
        with (
            broker(kind="mosquitto", start=False) as b,
            receiving(prepared(b, keeps=False).port) as heard,
            watching(b.url) as watch,
            children(b.port, count, PROCESSES, "bench") as fleet,
        ):
            return _rows(count, b, watch, fleet, heard, [AWAY_S] if quick else list(GOALS))
    except pytest.skip.Exception as skipped:
        return [Row(f"a fleet of {count} probes", "-", None, None, str(skipped))]


def _rows(count: int, b: Broker, watch: Watch, fleet: Children, heard: Receiver, away: list[float]) -> list[Row]:
    fleet.say("write")  # so that some alarms stand
    time.sleep(SETTLE_S)
    fleet.say("quiet")
    until(fleet.reporting, "not all connect", BACK_S)
    until(lambda: not watch.wrong(fleet.tell()), "the watch is wrong", BACK_S)
    figures = at_rest(b, watch, heard)
    how = f"{REST_S:g} s from /proc; mosquitto, plain TCP, one receiver beside the watch"
    broker_told = f"{figures['broker_rss_mb']} MB, {figures['broker_cpu_percent']} % of a core"
    watch_told = f"{figures['watch_rss_mb']} MB, {figures['watch_cpu_percent']} % of a core"
    sent = f"{figures['messages_per_s']} a second, {figures['messages_most_in_1_s']} in the fullest one"
    rows = [
        Row(f"fleet of {count} at rest: the broker", "-", broker_told, None, how, figures),
        Row(f"fleet of {count} at rest: `watch --json`", "-", watch_told, None, how),
        Row(f"fleet of {count} at rest: messages", "-", sent, None, "as one receiver gets them"),
    ]
    for index, away_s in enumerate(away):
        if index:
            time.sleep(REST_S)
        found = restarted(b, watch, fleet, away_s)
        part = GOALS[away_s]
        told = f"all back after {found['all_back_s']} s, at most {found['most_in_1_s']} attempts in one second"
        rows.append(
            Row(
                f"fleet of {count}: broker away for {away_s:g} s",
                "-" if part is None else f"<= {part * count:g} attempts in any second",
                told,
                None if part is None else found["most_in_1_s"] <= part * count,
                f"SIGKILL; {found['attempts_mean']} attempts each, {found['attempts_most']} at most",
                found,
            )
        )
    return rows
