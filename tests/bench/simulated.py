"""Simulated time: how much faster than real time one site's core runs with nothing wrong, and 5 % loss each way."""

from __future__ import annotations

import heapq
import random
import time

from agent.core import Core
from agent.effects import Effect, Record, SetPanel, StartCheck
from agent.readings import Input, Reading, Wake
from agent.site import schema
from agent.site.line import Tl1Line
from tests.bench.rows import Row

NS = 1_000_000_000
SITE = schema.SiteFile(
    site=schema.Site(id="testville"),
    line=(Tl1Line(id="bank-a", port="/dev/null", trunks={"T1-1": "cama"}),),
    path=(
        schema.Path(id="firewall", role="firewall", address="192.0.2.1", checks=(schema.Icmp(),)),
        schema.Path(id="router", role="router", address="192.0.2.2", checks=(schema.Icmp(),)),
        schema.Path(id="esrp", role="far-end", address="192.0.2.3", checks=(schema.SipOptions(),)),
        schema.Path(id="reflector", role="reflector", address="192.0.2.4", checks=(schema.SipOptions(),)),
    ),
)


def run(days: float, loss: float, seed: int) -> dict[str, float]:
    """The core through ``days`` of checks that each lose datagrams with probability ``loss`` each way."""
    rng = random.Random(seed)
    core = Core(SITE, 0)
    round_trip = 1 - (1 - loss) ** 2
    fails = {"icmp": round_trip**4, "sip-options": round_trip**3}
    queue: list[tuple[int, int, Input]] = [(0, 0, Reading("bank-a", "tl1", "port-up", "port", "up", 0))]
    end_ns, now_ns, count, changes, checks, raised = int(days * 86_400 * NS), 0, 0, 0, 0, 0
    began = time.perf_counter()
    while True:
        deadline = core.deadline()
        if queue and (deadline is None or queue[0][0] <= deadline):
            now_ns, _, item = heapq.heappop(queue)
        elif deadline is not None:
            now_ns, item = deadline, Wake()
        else:
            break
        if now_ns >= end_ns:
            break
        effects: list[Effect] = core.handle(item, now_ns)
        for effect in effects:
            if isinstance(effect, StartCheck):
                count += 1
                checks += 1
                lost = rng.random() < fails[effect.check]
                took_ns = 2 * NS if lost else 5_000_000
                kind, state = ("probe-fail", "down") if lost else ("probe-ok", "up")
                reading = Reading(effect.path, effect.check, kind, "", state, now_ns + took_ns)  # type: ignore[arg-type]
                heapq.heappush(queue, (now_ns + took_ns, count, reading))
            elif isinstance(effect, Record) and effect.kind == "alarm":
                raised += effect.payload["change"] == "raised"
            elif isinstance(effect, SetPanel):
                changes += 1
    took_s = time.perf_counter() - began
    return {
        "days": days,
        "checks": checks,
        "alarms": raised,
        "panel_changes": changes,
        "took_s": round(took_s, 2),
        "times_real": round(days * 86_400 / took_s),
    }


def measure(days: float, seed: int) -> list[Row]:
    """The two rows that this serves."""
    quiet = run(min(days, 1.0), 0.0, seed)
    lossy = run(days, 0.05, seed)
    return [
        Row("simulated time", ">= 10,000 x real time", f"{quiet['times_real']:,} x", quiet["times_real"] >= 10_000,
            "the core alone, 4 checks every 2 to 60 s, one processor core", quiet),
        Row("false alarms at 5 % loss each way", "0 in a simulated year", f"{lossy['alarms']} in {days:g} days",
            lossy["alarms"] == 0, f"seed {seed}", lossy),
    ]  # fmt: skip
