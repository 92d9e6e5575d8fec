"""What a box has learned of a site after some weeks there: a replay does not begin with a newcomer's patience."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from agent.callers import Callers
from agent.calls.watch import CallWatch
from agent.lines.dialects import parser_for
from agent.readings import Plain, Reading
from agent.replay.calls import Calls, local_start, utc_s
from agent.replay.site import ALI, site_of
from agent.sim.outages.story import Case, Situation, healthy

NS = 1_000_000_000
WEEKS = 8
CALLS_MAX = 12_000
"""A busy site has seen all that matters in fewer weeks."""
CLOCK_S = 3600.0


def learned(case: Case) -> Mapping[str, Any] | None:
    """The learned state for a case's site, None where it hears of no calls. The same for every seed."""
    site = case.site
    if not (site.ali or site.smdr):
        return None
    key = Situation(
        calls_per_hour=site.calls_per_hour, ali=site.ali, smdr=site.smdr, abandons=site.abandons, short=site.short,
        heartbeat=site.heartbeat, trunks=False, far_ends=0, reflectors=0, contacts=False,
    )  # fmt: skip
    start = case.story.start
    begins = local_start(start, case.story.timezone) - timedelta(seconds=case.story.before_s)
    return json.loads(_learned(key, case.story.timezone, begins.isoformat()))  # type: ignore[no-any-return]


@lru_cache(maxsize=64)
def _learned(situation: Situation, timezone: str, until: str) -> str:
    """As JSON, since a learned state is changed by whoever takes it over."""
    rng = random.Random(f"learned {situation.calls_per_hour} {timezone}")
    hours = min(WEEKS * 168.0, CALLS_MAX / situation.calls_per_hour)
    site = site_of(situation, timezone)
    end = datetime.fromisoformat(until)
    start = end - timedelta(hours=hours)
    watch = CallWatch(site, 0)
    parsers = {line.id: parser_for(line, Callers(b"k" * 32)) for line in site.line}
    for line in site.line:
        watch.saw(Reading(line.id, line.dialect, "port-up", "port", "up", 0), 0)
    calls = Calls(situation, start, healthy(), rng)
    calls.begin(0.0)
    clock_s, now_ns = 0.0, 0
    beat = situation.ali and situation.heartbeat
    while True:
        at_s = min(calls.next_s(), clock_s)
        if at_s >= hours * 3600.0:
            break
        now_ns = int(at_s * NS)
        if at_s == clock_s:
            detail: dict[str, Plain] = {"utc_s": utc_s(start) + at_s, "synced": True}
            watch.saw(Reading("host", "clock", "host", "clock", "up", now_ns, detail), now_ns)
            clock_s += CLOCK_S
        for printed in list(calls.take(at_s)):
            if printed.line in parsers:
                for reading in parsers[printed.line].feed(printed.data, now_ns):
                    watch.saw(reading, now_ns)
        if beat and at_s < clock_s:
            for reading in parsers[ALI].feed(b"\x02H\x03", now_ns):
                watch.saw(reading, now_ns)
        watch.tick(now_ns)
        list(watch.conditions())
    return json.dumps(watch.to_save(now_ns, force=True))
