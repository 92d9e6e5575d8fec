"""A real firewall (nftables) stops forwarding, and answers pings and SNMP: until lamp, report, verdict and horn.

Real packets in network namespaces, the real agent twice in the probe's: with the site file's defaults, and with every_s
= 0.5 and no hold. The whole table of faults is measured too, but not with ``quick``.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.bench.rows import Row
from tests.real.network import site
from tests.real.network.namespaces import Network
from tests.real.network.scenario import BUILT, LAMPS, Record, lay, play, raised
from tests.real.network.servers import Noc
from tests.real.network.site import DEFAULTS, Pace, Watched
from tests.real.network.test_outages import AT_ONCE, SCENARIOS
from tests.real.sites import until
from tests.real.trace import Trace

FASTEST = Pace(
    "fastest",
    often=", every_s = 0.5",
    far_often=", every_s = 0.5",
    snmp=", every_s = 0.5",
    call=", every_s = 5, talk_s = 0.5, ring_s = 2",
    panel="path_hold_s = 0",
    syslog=True,
)
# A knock's default takes minutes to come; it has no part in these figures. Nor have the fast agent's test calls: to the
# reflector both agents are one probe, and a probe's new call ends its last one.
HERE = BUILT - {"knock"}
KINDS = {"defaults": HERE, "fastest": HERE - {"test-call"}}
GOALS = {
    "defaults": {"lamp": 10.0, "report": 10.0, "verdict": 10.0, "horn": 30.0},
    "fastest": {"lamp": 3.0, "report": 3.0, "verdict": 3.0, "horn": 3.0},
}
TOLD = {"defaults": "defaults", "fastest": "every_s = 0.5, hold 0"}


def once(wait_s: float) -> dict[str, dict[str, float]]:
    """One fault, seen by both agents: seconds to each thing."""
    with Network() as net:
        bed = lay(net)
        traces = {pace.id: Trace() for pace in (DEFAULTS, FASTEST)}
        agents = [site.run(net, pace, KINDS[pace.id], traces[pace.id]) for pace in (DEFAULTS, FASTEST)]
        for agent in agents:
            until(agent.healthy, f"{agent.pace.id} never healthy", 120)
        time.sleep(wait_s)
        began_s = time.monotonic()
        bed.firewall.forward_nothing()
        return {agent.pace.id: times(agent, traces[agent.pace.id], bed.noc, began_s) for agent in agents}


def times(agent: Watched, trace: Trace, noc: Noc, began_s: float) -> dict[str, float]:
    """Wait until everything has been shown, and say when it was."""

    def shown(what: Callable[[dict[str, object]], bool]) -> float | None:
        at_ns = [int(str(f["at_ns"])) for f in list(trace.facts) if "at_ns" in f and what(f)]
        return next((at / 1e9 - began_s for at in at_ns if at / 1e9 > began_s), None)

    def heard(verdict: bool) -> float | None:
        events = [h for h in noc.since(began_s, agent.pace.id) if h.topic == "event"]
        named = [h.at_s for h in events if h.body["data"].get("cause") == "firewall-blocking"]
        alarms = [h.at_s for h in events if raised(h)]
        return next((at - began_s for at in (named if verdict else alarms)), None)

    def lit(fact: dict[str, object]) -> bool:
        lamps = fact["lit"]
        return isinstance(lamps, list) and any(lamp in lamps for lamp in LAMPS)

    return {
        "lamp": until(lambda: shown(lit), "no lamp", 60),
        "report": until(lambda: heard(False), "no report", 60),
        "verdict": until(lambda: heard(True), "no verdict", 60),
        "horn": until(lambda: shown(lambda f: f["voice"] == "alarm"), "no horn", 120),
    }


def measure(quick: bool, repetitions: int = 3) -> list[Row]:
    """Both paces; the table of faults where there is time."""
    rng = random.Random(1)
    try:
        runs = [once(rng.uniform(0, 2)) for _ in range(repetitions)]
    except pytest.skip.Exception as skipped:
        return [Row("firewall in a namespace stops forwarding", "-", None, None, str(skipped))]
    rows = []
    for pace, goals in GOALS.items():
        for what, goal_s in goals.items():
            took = sorted(run[pace][what] for run in runs)
            middle = took[len(took) // 2]
            figures = {"min_s": round(took[0], 2), "median_s": round(middle, 2), "max_s": round(took[-1], 2)}
            measured = " / ".join(f"{value} s" for value in figures.values())
            name = f"firewall stops forwarding to {what}, {TOLD[pace]}"
            how = f"min / median / max of {repetitions}, namespaces and nftables"
            rows.append(Row(name, f"<= {goal_s:g} s", measured, took[-1] <= goal_s, how, figures))
    return rows if quick else rows + faults()


def faults() -> list[Row]:
    """Every scenario of the tests, once."""
    playable = [scenario for scenario in SCENARIOS.values() if scenario.needs <= BUILT]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return [_row(record) for record in pool.map(play, playable)]


def _row(record: Record) -> Row:
    last = record.last()
    cause = "+".join(last.causes) if last is not None else record.before[-1].cause
    figures = {
        "cause": cause,
        "lamp_s": record.lamp_s,
        "critical_s": record.critical_s,
        "report_s": record.report_s,
        "horn_s": record.horn_s,
        "cause_s": record.cause_s,
    }
    told = ", ".join(f"{key[:-2]} {value:.1f} s" for key, value in figures.items() if isinstance(value, float))
    return Row(f"firewall {record.name}", "-", f"{cause}; {told or 'nothing lit'}", None, "namespaces", figures)
