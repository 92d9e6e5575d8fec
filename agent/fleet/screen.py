"""The fleet as lines of text for a terminal of any size, and as one JSON object. Pure.

Whatever came over the network is cleaned before it gets near a terminal: no control characters, no escape sequences,
none that turn the direction of writing, only what is printable.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from agent.clock import NS, rfc3339
from agent.fleet import together
from agent.fleet.pool import Judged, Pools
from agent.fleet.state import Fleet, ProbeLook, SiteLook
from agent.fleet.together import Common, Event

WIDTH_MIN, WIDTH_MAX = 20, 1000
EVENT_LINES_MAX = 6
MIDDLE_MIN = 30
_WORDS = ("alarm", "lost", "unknown", "well")


def clean(text: object, width: int) -> str:
    """``text`` as one line of at most ``width`` characters; what can't be printed becomes ``·``."""
    start = str(text)[: width + 1]
    line = "".join(" " if ch in " \t\r\n" else ch if ch.isprintable() else "·" for ch in start).rstrip()
    return line if len(line) <= width else line[: max(0, width - 1)] + "…"


@dataclass(frozen=True, slots=True)
class View:
    """All that is shown at one moment. ``remarks``: the shell's own words (not connected, reduced by sharing)."""

    now_ns: int
    now_utc_s: float
    sites: tuple[SiteLook, ...]
    events: tuple[Event, ...]
    pools: tuple[Judged, ...]
    remarks: tuple[str, ...]
    refused: dict[str, int]
    news: tuple[str, ...]
    said: tuple[dict[str, Any], ...]

    @property
    def counts(self) -> Counter[str]:
        """Sites by their word."""
        counted: Counter[str] = Counter(site.state for site in self.sites)
        return Counter({word: counted[word] for word in _WORDS})

    @property
    def fault(self) -> bool:
        """Whether any site is in alarm or lost, or a pool is silent."""
        return any(site.state in ("alarm", "lost") for site in self.sites) or any(p.calls == "lost" for p in self.pools)


def view(fleet: Fleet, pools: Pools | None, now_ns: int, now_utc_s: float, remarks: Sequence[str] = ()) -> View:
    """What there is to show now."""
    sites = tuple(fleet.look(now_ns))
    refused = fleet.refused + (pools.refused if pools is not None else Counter())
    return View(
        now_ns,
        now_utc_s,
        sites,
        (*together.lost_together(sites), *together.critical_together(sites)),
        tuple(pools.judge(now_ns)) if pools is not None else (),
        tuple(remarks),
        dict(sorted(refused.items())),
        tuple(fleet.news),
        tuple({name: getattr(word, name) for name in word.__struct_fields__} for word in fleet.pools_said.values()),
    )


# -- for a terminal ----------------------------------------------------------------------------------------------------


def lines(shown: View, width: int, height: int) -> list[str]:
    """At most ``height`` lines of at most ``width`` characters, the worst first; what does not fit is counted."""
    width = min(max(width, WIDTH_MIN), WIDTH_MAX)
    height = max(height, 1)
    counts = shown.counts
    at = rfc3339(shown.now_utc_s)[:19] + "Z"
    head = f"{at}  {len(shown.sites)} sites: " + ", ".join(f"{counts[word]} {word}" for word in _WORDS)
    top = [head, *shown.remarks]
    # Late ones are no loss: of a probe's two uplinks one is the slower.
    refused = ", ".join(f"{count} {kind}" for kind, count in shown.refused.items() if kind != "late")
    if refused:
        top.append(f"not taken: {refused}")
    told = [_event(event, shown.now_ns) for event in shown.events]
    told += [_pool(pool) for pool in shown.pools if pool.calls == "lost"]
    top += told[:EVENT_LINES_MAX]
    if len(told) > EVENT_LINES_MAX:
        top.append(f"and {len(told) - EVENT_LINES_MAX} more events")
    top = [clean(line, width) for line in top][:height]
    room = height - len(top)
    sites = shown.sites if len(shown.sites) <= room else shown.sites[: max(0, room - 1)]
    out = top + [clean(_site(site, width), width) for site in sites]
    if len(sites) < len(shown.sites) and room > 0:
        out.append(clean(f"and {len(shown.sites) - len(sites)} more", width))
    return out


def _event(event: Event, now_ns: int) -> str:
    names = ", ".join(event.sites[:5]) + (f" and {event.count - 5} more" if event.count > 5 else "")
    what = f"{event.count} sites lost together"
    if event.begin_ns is not None:
        what += f" {_age((now_ns - event.begin_ns) / NS)} ago"
    if event.what != "lost":
        what = f"{event.what} critical at {event.count} sites"
    shared = "; ".join(_common(common) for common in event.shared[:3])
    return f"! {what}: {names}" + (f"; they share {shared}" if shared else "")


def _common(common: Common) -> str:
    name = common.name if common.kind == "share" else f"{common.kind} {common.name}"
    return f"{name} ({common.here} of {common.known} that have it)"


def _pool(pool: Judged) -> str:
    since = "" if pool.since_s is None else f" for {_age(pool.since_s)}"
    return (
        f"! calls of {pool.share}: silent{since} at {pool.sites} sites, {pool.expected:.1f} were expected "
        f"(more than {pool.h:.1f} is no chance)"
    )


def _site(site: SiteLook, width: int) -> str:
    """State, worst alarm, verdict, version, clock, heartbeat, backlog; the words in the middle give way."""
    word = f"{site.state.upper()} {site.severity}" if site.state == "alarm" else site.state.upper()
    head = f"{site.site:<16} {word:<14}"
    probe = _worst_probe(site)
    if probe is None:
        return f"{head}  {site.why}"
    middle = [site.why] if site.why else []
    worst = next((alarm for alarm in probe.alarms if alarm.counts), None)
    if worst is not None:
        counting = sum(alarm.counts for alarm in probe.alarms)
        more = f" (+{counting - 1})" if counting > 1 else ""
        middle.append(f"{worst.id}: {worst.text}{more}" if worst.text else worst.id + more)
    if probe.verdict is not None and probe.verdict.sentence and (worst is not None or probe.verdict.cause != "none"):
        middle.append(f"» {probe.verdict.sentence}")
    beat = "no heartbeat" if probe.heartbeat_age_s is None else f"beat {_age(probe.heartbeat_age_s)} ago"
    tail = [f"v{clean(probe.version, 16) or '?'}", _clock(probe), beat]
    if probe.waiting:
        tail.append(f"waiting {probe.waiting}")
    told, facts = "  ".join(middle), "  ".join(tail)
    room = width - len(head) - len(facts) - 4
    if room >= MIDDLE_MIN:
        told = clean(told, room)
    return "  ".join(part for part in (head, told, facts) if part)


def _worst_probe(site: SiteLook) -> ProbeLook | None:
    order = {"alarm": 0, "lost": 1, "unknown": 2, "well": 3}
    rank = {"critical": 0, "major": 1, "minor": 2, None: 3}
    return min(site.probes, key=lambda probe: (order[probe.state], rank[probe.severity], probe.probe), default=None)


def _clock(probe: ProbeLook) -> str:
    if probe.clock_synced is None:
        return "clock ?"
    word = "clock synced" if probe.clock_synced else "clock UNSYNCED"
    offset = probe.clock_offset_s
    return word if offset is None or abs(offset) < 2.0 else f"{word} {offset:+.0f} s"


def _age(age_s: float) -> str:
    whole = max(0, int(age_s))
    if whole < 120:
        return f"{whole} s"
    return f"{whole // 60} min" if whole < 7200 else f"{whole // 3600} h"


# -- as JSON -----------------------------------------------------------------------------------------------------------


def as_json(shown: View) -> dict[str, Any]:
    """One object of plain values; ages in seconds."""
    return {
        "at": rfc3339(shown.now_utc_s),
        "counts": {"sites": len(shown.sites), **shown.counts},
        "events": [_event_json(event, shown.now_ns) for event in shown.events],
        "pools": [_pool_json(pool) for pool in shown.pools],
        "pools_said": list(shown.said),
        "remarks": list(shown.remarks),
        "refused": shown.refused,
        "news": [clean(line, 300) for line in shown.news],
        "sites": [_site_json(site, shown.now_ns) for site in shown.sites],
    }


def signature(shown: View) -> int:
    """Changes where something has changed that is worth a line: words, alarms, verdicts, uplinks, events, pools."""
    sites = tuple(
        (
            site.site,
            site.state,
            site.severity,
            site.why,
            tuple(
                (
                    probe.state,
                    probe.version,
                    probe.config,
                    probe.agrees,
                    tuple((name, state) for name, state, _, _ in probe.uplinks),
                    tuple((alarm.id, alarm.state, alarm.acknowledged_by, alarm.shelved) for alarm in probe.alarms),
                    None if probe.verdict is None else (probe.verdict.cause, probe.verdict.sentence),
                )
                for probe in site.probes
            ),
        )
        for site in shown.sites
    )
    events = tuple((event.what, event.count, event.sites) for event in shown.events)
    pools = tuple((pool.share, pool.calls) for pool in shown.pools)
    said = tuple((word["share"], word["calls"], word["by"]) for word in shown.said)
    return hash((sites, events, pools, said, shown.remarks))


def _event_json(event: Event, now_ns: int) -> dict[str, Any]:
    return {
        "what": event.what,
        "severity": event.severity,
        "count": event.count,
        "known": event.known,
        "age_s": None if event.begin_ns is None else round((now_ns - event.begin_ns) / NS, 1),
        "sites": list(event.sites),
        "shared": [{"kind": c.kind, "name": c.name, "here": c.here, "known": c.known} for c in event.shared],
    }


def _pool_json(pool: Judged) -> dict[str, Any]:
    told = {name: getattr(pool, name) for name in Judged.__slots__}
    return {name: round(value, 3) if isinstance(value, float) else value for name, value in told.items()}


def _site_json(site: SiteLook, now_ns: int) -> dict[str, Any]:
    return {
        "site": site.site,
        "state": site.state,
        "severity": site.severity,
        "why": site.why,
        "name": site.psap.name,
        "provider": site.psap.provider,
        "psap_id": site.psap.psap_id,
        "shares": list(site.shares),
        "lost_s": None if site.lost_ns is None else round((now_ns - site.lost_ns) / NS, 1),
        "probes": [_probe_json(probe) for probe in site.probes],
    }


def _probe_json(probe: ProbeLook) -> dict[str, Any]:
    verdict = probe.verdict
    return {
        "probe": probe.probe,
        "state": probe.state,
        "severity": probe.severity,
        "why": probe.why,
        "uplinks": [
            {"id": name, "state": state, "session": session, "why": why} for name, state, session, why in probe.uplinks
        ],
        "version": probe.version,
        "config": probe.config,
        "clock": {"synced": probe.clock_synced, "offset_s": probe.clock_offset_s},
        "heartbeat": {"age_s": probe.heartbeat_age_s, "fresh": probe.heartbeat_fresh},
        "waiting": probe.waiting,
        "digest_agrees": probe.agrees,
        "alarms": [
            {
                "id": alarm.id,
                "type": alarm.type,
                "resource": alarm.resource,
                "severity": alarm.severity,
                "state": alarm.state,
                "active": alarm.active,
                "raised": alarm.raised,
                "acknowledged_by": alarm.acknowledged_by,
                "shadow": alarm.shadow,
                "shelved": alarm.shelved,
                "mode": alarm.mode,
                "text": alarm.text,
            }
            for alarm in probe.alarms
        ],
        "verdict": None
        if verdict is None
        else {
            "cause": verdict.cause,
            "sentence": verdict.sentence,
            "do_now": verdict.do_now,
            "side": verdict.side,
            "calls_fail": verdict.calls_fail,
            "under_change": verdict.under_change,
        },
    }
