"""Pooled silence: how the sites that share something fare by their calls, told in minutes where one needs hours. Pure.

Each site says every minute when its last call came (``since_s``) and how many are to be expected. Silence of one site
is judged there (``agent/calls/silence.py``); here the same gap timer runs over all of them together. With calls as
Poisson processes of rates r_i the chance of no call in a set of (site, time) is exp(-L), where

    L = the sum over sites of r_i × (time of that site, heard of, after the newest call anywhere in the pool)

and no other statistic is faster for a total loss at equal false alarms (El Karoui, Loisel and Salhi 2017). False
alarms a year are about N exp(-h) with N calls a year, so one a year needs h = ln N; real calls come in clusters, for
which the measured factor is 1.3: **lost where L > h = 1.3 ln N** (the reference on outages, section 7: "How fast can
silence be told?"; 204 average Massachusetts centres at 13:15: 1.9 min with ln N, 2.4 min with 1.3 ln N at most after
the last call, and each report is up to a minute old: simulated, 2.6 to 3.0 min; one such centre alone needs 5.4 h).

What keeps it honest:

- L is taken without the site that adds most to it: one site's own outage can't make the pool lost, however large it is.
- A site that had been silent beyond its own threshold before the pool's newest call is out by itself, and left out.
- Left out are sites whose stream ``all`` is not alive, whose mode is not normal, that expect nothing yet, or whose word
  is older than it is valid. With fewer than 2 judged, or less than half of the known rate, the word is ``unknown``.
- Only time is counted of which a site has told, by its own clock and by ours, whichever passed less: what we did not
  hear, while stopped, suspended or cut off, is no silence. More than ``valid_s`` between two words is a gap.
- ``fine`` needs a call in the last 5 minutes and L at most h / 2; between the two nothing is claimed.

It tells a total loss. Where some of the sites still get calls it stays silent: that is each site's own to tell.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from agent.clock import NS
from agent.fleet.said import utc_s, valid_ns
from agent.payloads import Calls, Pool, StreamCounts

STREAM = "all"
FACTOR = 1.3
YEAR_H = 8766.0
LOG_N_MIN = 3.0
SITES_MIN = 2
RATE_SHARE_MIN = 0.5
FRESH_NS = 300 * NS
PIECES_MAX = 32
MEMBERS_MAX = 20_000
"""Of all pools together."""
SHARES_MAX = 64
FORGET_NS = 86_400 * NS
DRIFT = 2e-4
"""A site's clock may run so much slower than ours before its words seem to come late."""
RATE_MAX_H = 1e6
POOL_VALID_S = 180


def threshold(rate_per_h: float) -> float:
    """h for so many pooled calls an hour."""
    return FACTOR * max(LOG_N_MIN, math.log(max(rate_per_h * YEAR_H, 1.0)))


@dataclass(slots=True)
class _Site:
    """One site in one pool. Times are in our monotonic clock; ``pieces``: time told of, with its rate a nanosecond."""

    probe: str
    until_ns: int = -(1 << 62)  # its word is valid so long
    told_ns: int = 0  # time is told of up to here
    received_ns: int = 0
    offset_ns: int | None = None  # the least of received - at: how their clock stands to ours
    rate_h: float = 0.0  # its last known one, even while it is left out
    why: str = ""  # it is left out
    own: float = 0.0  # expected since its own last call
    last_ns: int | None = None
    pieces: list[tuple[int, int, float]] = field(default_factory=list)

    def sent_ns(self, at: str, now_ns: int) -> int:
        """When a word received now was sent: what is held up on its way is recognised by its own time label."""
        at_s = utc_s(at)
        if at_s is None:
            return now_ns
        offset_ns = now_ns - int(at_s * NS)
        if self.offset_ns is not None:
            crept = self.offset_ns + int(max(0, now_ns - self.received_ns) * DRIFT)
            # Later than a word may be is no delay but a clock that was set back.
            offset_ns = min(offset_ns, crept) if offset_ns - crept < POOL_VALID_S * NS else offset_ns
        self.offset_ns = offset_ns
        return min(now_ns, int(at_s * NS) + offset_ns)

    def since(self, after_ns: int) -> float:
        """Calls expected in the time told of after ``after_ns``; earlier pieces are forgotten."""
        if self.pieces and self.pieces[0][1] <= after_ns:
            self.pieces = [piece for piece in self.pieces if piece[1] > after_ns]
        return sum(rate * (end_ns - max(begin_ns, after_ns)) for begin_ns, end_ns, rate in self.pieces)

    def out(self, why: str) -> None:
        """Left out; nothing that it told before counts any more."""
        self.why, self.own, self.last_ns = why, 0.0, None
        self.pieces.clear()

    def add(self, begin_ns: int, end_ns: int, rate: float) -> None:
        """Time told of at ``rate`` calls a nanosecond."""
        if end_ns <= begin_ns:
            return
        last = self.pieces[-1] if self.pieces else None
        if last is not None and last[1] == begin_ns and math.isclose(last[2], rate, rel_tol=1e-9):
            self.pieces[-1] = (last[0], end_ns, rate)
        else:
            self.pieces.append((begin_ns, end_ns, rate))
            del self.pieces[:-PIECES_MAX]  # the oldest: less silence is claimed than there was


@dataclass(frozen=True, slots=True)
class Judged:
    """A pool at one moment. ``expected``: L; ``rest``: L without the site that adds most; ``h``: the threshold."""

    share: str
    calls: Literal["fine", "lost", "unknown"]
    sites: int
    left_out: int
    expected: float
    rest: float
    h: float
    rate_per_h: float
    since_s: float | None
    why: str

    def payload(self, at: str, by: str) -> Pool:
        """What is published of it."""
        return Pool(
            share=self.share,
            calls=self.calls,
            sites=self.sites,
            expected=round(self.expected, 3),
            at=at,
            valid_s=POOL_VALID_S,
            by=by,
        )


class Pooled:
    """The pool of one share."""

    def __init__(self, share: str) -> None:
        self.share = share
        self.sites: dict[str, _Site] = {}
        self._newest_ns: int | None = None  # the newest call anywhere in the pool

    def heard(self, calls: Calls, now_ns: int) -> None:
        """One site's counts, received at ``now_ns``. Of several probes of a site one is listened to while it speaks."""
        site = self.sites.get(calls.site)
        if site is None:
            site = self.sites[calls.site] = _Site(calls.probe)
        elif site.probe != calls.probe:
            if now_ns <= site.until_ns and not site.why:
                return
            site.out("")
            site.probe, site.offset_ns = calls.probe, None
        stream = next((one for one in calls.streams if one.stream == STREAM), None)
        why = _left_out(calls, stream)
        sent_ns = site.sent_ns(calls.at, now_ns)
        gap = bool(site.why) or now_ns > site.until_ns or sent_ns < site.told_ns - valid_ns(calls.valid_s)
        site.received_ns, site.until_ns = now_ns, now_ns + valid_ns(calls.valid_s)
        if stream is None or stream.expected is None or why:
            site.out(why or "it expects nothing yet")
            site.told_ns = sent_ns
            return
        if gap:
            site.out("")
            site.told_ns = sent_ns
        site.why = ""
        site.rate_h = stream.expected[3]
        rate = site.rate_h / (3600.0 * NS)
        if sent_ns > site.told_ns:
            site.add(site.told_ns, sent_ns, rate)
            site.own += rate * (sent_ns - site.told_ns)
            site.told_ns = sent_ns
        if stream.since_s is not None:
            self._call(site, sent_ns - int(stream.since_s * NS), rate)

    def _call(self, site: _Site, call_ns: int, rate: float) -> None:
        if site.last_ns is None or call_ns > site.last_ns + NS:  # told again, it wanders by less than a second
            site.last_ns = call_ns
            site.own = min(site.own, rate * max(0, site.told_ns - call_ns))
        if self._newest_ns is None or call_ns > self._newest_ns:
            self._newest_ns = call_ns

    def judge(self, now_ns: int) -> Judged:
        """The word on the pool now."""
        newest_ns = self._newest_ns if self._newest_ns is not None else -(1 << 62)
        parts: list[float] = []
        rate_h = all_h = 0.0
        for name, site in list(self.sites.items()):
            if now_ns - site.received_ns > FORGET_NS:
                del self.sites[name]
                continue
            all_h += site.rate_h
            if now_ns > site.until_ns and not site.why:
                site.out("it has not been heard of late")
            if site.why:
                continue
            part = site.since(newest_ns)
            if site.own - part > threshold(site.rate_h):
                continue  # others got calls while it had none for longer than chance allows: it is out by itself
            parts.append(part)
            rate_h += site.rate_h
        total = sum(parts)
        rest = total - max(parts, default=0.0)
        h = threshold(rate_h)
        since_s = None if self._newest_ns is None else max(0.0, (now_ns - self._newest_ns) / NS)
        word, why = self._word(len(parts), rate_h, all_h, total, rest, h, now_ns)
        return Judged(
            self.share, word, len(parts), len(self.sites) - len(parts), total, rest, h, rate_h, since_s, why
        )  # fmt: skip

    def _word(
        self, sites: int, rate_h: float, all_h: float, total: float, rest: float, h: float, now_ns: int
    ) -> tuple[Literal["fine", "lost", "unknown"], str]:
        if sites < SITES_MIN:
            return "unknown", f"{sites} of {len(self.sites)} sites can be judged; it takes {SITES_MIN}"
        if rate_h <= 0.0 or rate_h < RATE_SHARE_MIN * all_h:
            return "unknown", "those that can be judged get less than half of the calls"
        if rest > h:
            return "lost", f"no call where {total:.1f} were expected"
        if self._newest_ns is None or now_ns - self._newest_ns > FRESH_NS:
            return "unknown", "no call in the last 5 minutes, which may be chance"
        if total > h / 2:
            return "unknown", f"no call where {total:.1f} were expected, which may be chance"
        return "fine", ""


def _left_out(calls: Calls, stream: StreamCounts | None) -> str:
    """Why this word does not count; empty where it does."""
    if stream is None:
        return "it has no stream of all calls"
    if not stream.alive:
        return "its feed is not alive"
    if calls.mode != "normal":
        return f"its mode is {calls.mode}"
    if stream.expected is None:
        return "it expects nothing yet"
    if not 0.0 <= stream.expected[3] <= RATE_MAX_H:
        return "what it expects is no number of calls"
    if stream.since_s is not None and not 0.0 <= stream.since_s <= 1e9:
        return "its last call is at no possible time"
    return ""


class Pools:
    """A pool for each share. ``shares``: which, or all that sites list (at most 64); ``sites``: which, or all."""

    def __init__(self, shares: Iterable[str] | None = None, sites: Iterable[str] | None = None) -> None:
        self._chosen = None if shares is None else frozenset(shares)
        self._sites = None if sites is None else frozenset(sites)
        self.pools: dict[str, Pooled] = {share: Pooled(share) for share in sorted(self._chosen or ())}
        self.refused: Counter[str] = Counter()

    def heard(self, calls: Calls, now_ns: int) -> None:
        """Counts of one site, for each of its shares."""
        if self._sites is not None and calls.site not in self._sites:
            return
        for share in dict.fromkeys(calls.shares):
            pool = self.pools.get(share)
            if pool is None:
                if self._chosen is not None:
                    continue
                if len(self.pools) >= SHARES_MAX:
                    self.refused["shares"] += 1
                    continue
                pool = self.pools[share] = Pooled(share)
            if calls.site not in pool.sites and sum(len(one.sites) for one in self.pools.values()) >= MEMBERS_MAX:
                self.refused["members"] += 1
                continue
            pool.heard(calls, now_ns)

    def judge(self, now_ns: int) -> list[Judged]:
        """Every pool now, by name."""
        return [self.pools[share].judge(now_ns) for share in sorted(self.pools)]
