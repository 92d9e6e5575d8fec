"""Sites lost together, named as one event; and alarms that are critical at several sites at once. Pure.

One site that is lost may be its own modem. Several within two minutes are something they share, or the way to us.
How many are needed: if each site is lost by itself once in 30 days (``OWN_LOSS_S``; a deliberate overestimate), the
losses among m sites in a window of 120 s are Poisson with mean m × 120 s / 30 days; so many are needed that chance
gives them less than once a year, and never fewer than 3. Among the sites that share something (a ``shares`` of their
``calls``, or the provider of their alarms and verdict) m is the size of that group, and 3 are enough up to some 600.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from agent.clock import NS
from agent.fleet.said import Severity
from agent.fleet.state import SiteLook

WINDOW_NS = 120 * NS
LEAST = 3
OWN_LOSS_S = 30 * 86_400.0
YEAR_S = 31_557_600.0
NAMES_MAX = 20
EVENTS_MAX = 16
SHARED_MAX = 8
SHARED_PART = 0.8
Shared = tuple[str, str]
"""What kind of thing (``share`` or ``provider``), and which."""


@dataclass(frozen=True, slots=True)
class Common:
    """Something shared: by how many of the event's sites, and how many sites are known to have it."""

    kind: str
    name: str
    here: int
    known: int


@dataclass(frozen=True, slots=True)
class Event:
    """``what``: "lost", or the type of an alarm. ``sites``: the first 20 by name, ``count`` all of them.

    ``begin_ns``: when the first was lost; None for alarms, whose times are labels of many clocks.
    """

    what: str
    severity: Severity
    count: int
    known: int
    begin_ns: int | None
    sites: tuple[str, ...]
    shared: tuple[Common, ...]


def least(known: int) -> int:
    """How many of ``known`` sites must be lost within one window to be more than chance, at least 3."""
    mean = known * (WINDOW_NS / NS) / OWN_LOSS_S
    allowed = WINDOW_NS / NS / YEAR_S
    count, term, below = 0, math.exp(-mean), 0.0
    while count < LEAST or 1.0 - below > allowed:
        below += term
        count += 1
        term *= mean / count
        if count > known and count >= LEAST:
            break
        if term < 1e-18 and count > mean:
            break
    return max(LEAST, count)


def shared_by(site: SiteLook) -> tuple[Shared, ...]:
    """What it is known to share."""
    shares = tuple(("share", share) for share in site.shares)
    return (*shares, ("provider", site.psap.provider)) if site.psap.provider else shares


def lost_together(sites: Sequence[SiteLook]) -> list[Event]:
    """The events among the sites that are lost now, the largest first; each site is in one of them at most."""
    groups: Counter[Shared] = Counter(thing for site in sites for thing in shared_by(site))
    left = sorted((s for s in sites if s.state == "lost" and s.lost_ns is not None), key=_lost_ns)
    events: list[Event] = []
    needed = least(len(sites))
    while len(events) < EVENTS_MAX:
        found = _densest(left)
        if len(found) < needed:
            break
        events.append(_lost(found, len(sites), groups))
        left = _without(left, found)
    for thing, known in sorted(groups.items(), key=lambda item: (-item[1], item[0])):
        if known < LEAST or len(left) < LEAST or len(events) >= EVENTS_MAX:
            continue
        found = _densest([site for site in left if thing in shared_by(site)])
        if len(found) >= least(known):
            events.append(_lost(found, len(sites), groups))
            left = _without(left, found)
    return sorted(events, key=lambda event: (-event.count, event.sites))


def critical_together(sites: Sequence[SiteLook]) -> list[Event]:
    """Types of alarm that are critical at three sites or more at once."""
    groups: Counter[Shared] = Counter(thing for site in sites for thing in shared_by(site))
    where: dict[str, list[SiteLook]] = {}
    for site in sites:
        critical = {a.type for probe in site.probes for a in probe.alarms if a.counts and a.severity == "critical"}
        for kind in critical:
            where.setdefault(kind, []).append(site)
    events = [
        Event(kind, "critical", len(found), len(sites), None, _names(found), _common(found, groups))
        for kind, found in where.items()
        if len(found) >= LEAST
    ]
    return sorted(events, key=lambda event: (-event.count, event.what))[:EVENTS_MAX]


def _lost_ns(site: SiteLook) -> int:
    return site.lost_ns or 0


def _densest(lost: Sequence[SiteLook]) -> list[SiteLook]:
    """The window of 120 s with the most of them; ``lost`` is in the order of time."""
    best, first = (0, 0), 0
    for last, site in enumerate(lost):
        while _lost_ns(site) - _lost_ns(lost[first]) > WINDOW_NS:
            first += 1
        if last + 1 - first > best[1] - best[0]:
            best = (first, last + 1)
    return list(lost[best[0] : best[1]])


def _without(lost: Sequence[SiteLook], found: Sequence[SiteLook]) -> list[SiteLook]:
    names = {site.site for site in found}
    return [site for site in lost if site.site not in names]


def _lost(found: Sequence[SiteLook], known: int, groups: Counter[Shared]) -> Event:
    return Event("lost", "critical", len(found), known, _lost_ns(found[0]), _names(found), _common(found, groups))


def _names(found: Sequence[SiteLook]) -> tuple[str, ...]:
    return tuple(sorted(site.site for site in found)[:NAMES_MAX])


def _common(found: Sequence[SiteLook], groups: Counter[Shared]) -> tuple[Common, ...]:
    """What most of them share, first what the fewest others have."""
    counted: Counter[Shared] = Counter(thing for site in found for thing in shared_by(site))
    told = [Common(*thing, n, groups[thing]) for thing, n in counted.items() if n >= SHARED_PART * len(found)]
    return tuple(sorted(told, key=lambda common: (common.known - common.here, common.kind, common.name))[:SHARED_MAX])
