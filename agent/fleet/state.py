"""The fleet's state from messages, whatever comes in whatever order. Pure: time is an argument.

Every store has a limit (``Limits``); what does not fit and what is not understood is counted by kind, and the newest
of it told in words. ``hearing`` is the shell's word on whether it is connected: while it is not, silence is no news.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import msgspec

from agent.clock import NS, rfc3339
from agent.fleet import said
from agent.fleet.probe import SEVERITIES, Probe, Uplink, Word
from agent.fleet.probe import said as status_said
from agent.fleet.said import ID, Alarm, NotUnderstood, Psap, Severity, Verdict
from agent.payloads import Calls, CloudEvent, Health, Pool, Status
from agent.remote.envelope import NotSigned, opened
from agent.uplink.messages import Message
from agent.uplink.topics import LEVEL_MAX, ROOT, TOPIC_BYTES_MAX, level

QUESTIONS_MAX = 50
QUESTION_LIFE_S = 300
SHARED_PATIENCE = 5
"""Of watchers that share the load each gets a part of the heartbeats: so many times longer one is relied on."""
DEAF_S = 30.0
"""A pause of our own that is longer (stopped, suspended, starved) counts as not having listened."""
NEWS_MAX = 16


@dataclass(frozen=True, slots=True)
class Limits:
    """What is held at most. ``alarms_all``: of all probes together, so that memory is bounded by what is real."""

    sites: int = 10_000
    probes: int = 8
    uplinks: int = 8
    alarms: int = 512
    streams: int = 32
    shares: int = 64
    alarms_all: int = 200_000


@dataclass(frozen=True, slots=True)
class ProbeLook:
    """A probe at one moment. Times in seconds of age; ``lost_ns`` monotonic, None where it was before our time."""

    site: str
    probe: str
    state: Word
    severity: Severity | None
    why: str
    uplinks: tuple[tuple[str, str, int, str], ...]  # name, up/lost/stale/unheard, session, why
    version: str
    clock_synced: bool | None
    clock_offset_s: float | None
    heartbeat_age_s: float | None
    heartbeat_fresh: bool
    waiting: int | None
    alarms: tuple[Alarm, ...]
    verdict: Verdict | None
    config: str
    agrees: bool | None
    lost_ns: int | None


@dataclass(frozen=True, slots=True)
class SiteLook:
    """A site at one moment: lost where all its probes are, else as its worst probe."""

    site: str
    state: Word
    severity: Severity | None
    why: str
    psap: Psap
    shares: tuple[str, ...]
    probes: tuple[ProbeLook, ...]
    lost_ns: int | None


@dataclass(slots=True)
class Site:
    """What is held of a site beside its probes."""

    probes: dict[str, Probe]
    psap: Psap
    shares: tuple[str, ...] = ()


class Fleet:
    """All sites. ``tag`` makes the ids of our questions ours. ``heard_calls`` gets each good ``calls``, with when.

    ``only``: the sites to look at; all, where None. ``shared``: heartbeats, calls and events come in part.
    """

    def __init__(
        self,
        limits: Limits | None = None,
        *,
        tag: str = "watch",
        only: Iterable[str] | None = None,
        heard_calls: Callable[[Calls, int], None] | None = None,
        shared: bool = False,
    ) -> None:
        self._patience = SHARED_PATIENCE if shared else 1
        self.limits = limits or Limits()
        self.sites: dict[str, Site] = {}
        self.pools_said: dict[str, Pool] = {}
        self.counts: Counter[str] = Counter()  # messages by what they were, taken or not
        self.refused: Counter[str] = Counter()  # messages that were not taken, by why
        self.news: deque[str] = deque(maxlen=NEWS_MAX)
        self.hearing_ns: int | None = None
        self._only = None if only is None else frozenset(only)
        self._tag, self._questions = tag, 0
        self._alarms = 0
        self._heard_calls = heard_calls
        self._ticked_ns: int | None = None
        self._utc_s, self._utc_ns = 0.0, 0

    # -- what comes ---------------------------------------------------------------------------------------------------

    def hearing(self, connected: bool, now_ns: int) -> None:
        """Whether we are connected and subscribed."""
        if not connected:
            if self.hearing_ns is not None:
                for probe in (probe for site in self.sites.values() for probe in site.probes.values()):
                    probe.broker_ended(now_ns)
            self.hearing_ns = None
        elif self.hearing_ns is None:
            self.hearing_ns = now_ns
            for site in self.sites.values():
                for probe in site.probes.values():
                    probe.again.clear()

    def tick(self, now_ns: int, now_utc_s: float) -> None:
        """At least every few seconds: a pause of our own is noticed by it."""
        paused = self._ticked_ns is not None and now_ns - self._ticked_ns > DEAF_S * NS
        if paused and self.hearing_ns is not None:
            self.hearing_ns = now_ns
            self._refuse("deaf", "this watch stood still; what was sent meanwhile is unheard")
        self._ticked_ns = now_ns
        self._utc_s, self._utc_ns = now_utc_s, now_ns

    def message(self, topic: str, payload: bytes, retained: bool, now_ns: int, now_utc_s: float) -> None:
        """Take a message. Never raises: what is not understood is counted in ``refused`` and told in ``news``."""
        self._utc_s, self._utc_ns = now_utc_s, now_ns
        try:
            self._take(topic, payload, retained, now_ns, now_utc_s)
        except NotUnderstood as refused:
            self._refuse(refused.kind, f"{topic[:120]}: {refused}")

    def dropped(self, count: int) -> None:
        """The shell had to drop so many messages before they came here."""
        if count > 0:
            self.refused["dropped"] += count
            self.news.append(f"{count} messages came faster than they could be taken and are lost")

    def _refuse(self, kind: str, why: str) -> None:
        self.refused[kind] += 1
        self.news.append(f"{kind}: {why}")

    def _take(self, topic: str, payload: bytes, retained: bool, now_ns: int, now_utc_s: float) -> None:
        levels = topic.split("/")
        if len(topic) > TOPIC_BYTES_MAX or "/".join(levels[:2]) != ROOT or not 4 <= len(levels) <= 7:
            raise NotUnderstood("topic", "no topic of ours")
        if len(levels) == 4:
            if levels[2] != "pool":
                raise NotUnderstood("topic", "no topic of ours")
            self._pool(levels[3], payload)
            return
        site, name, what, rest = levels[2], levels[3], levels[4], levels[5:]
        if not ID.match(site) or not ID.match(name):
            raise NotUnderstood("topic", "no name of a site or probe")
        if self._only is not None and site not in self._only:
            return
        if what == "status" and len(rest) == 1:
            self._status(site, name, rest[0], said.read(payload, Status), retained, now_ns, now_utc_s)
        elif what == "alarm" and len(rest) == 1:
            self._alarm(site, name, rest[0], said.read(payload, Alarm), retained, now_ns)
        elif what == "cmd" and rest == ["state", "reply"]:
            self._reply(site, name, said.read(payload, said.Reply), retained, now_ns)
        elif what == "verdict" and not rest:
            self._verdict(site, name, said.read(payload, Verdict), retained, now_ns)
        elif what == "health" and not rest:
            self._health(site, name, said.read(payload, Health), retained, now_ns, now_utc_s)
        elif what == "calls" and not rest:
            self._calls(site, name, said.read(payload, Calls), retained, now_ns)
        elif what == "event" and not rest:
            said.read(payload, CloudEvent)
            probe = self._probe(site, name)
            if not retained:
                probe.live(now_ns)
        else:
            raise NotUnderstood("topic", "no topic that a probe sends to a NOC")
        self.counts[what] += 1

    def _probe(self, site: str, name: str) -> Probe:
        found = self.sites.get(site)
        if found is None:
            if len(self.sites) >= self.limits.sites:
                raise NotUnderstood("sites", f"more than {self.limits.sites} sites")
            found = self.sites[site] = Site({}, Psap())
        probe = found.probes.get(name)
        if probe is None:
            if len(found.probes) >= self.limits.probes:
                raise NotUnderstood("probes", f"more than {self.limits.probes} probes at one site")
            probe = found.probes[name] = Probe(site, name)
        return probe

    def _status(
        self, site: str, name: str, uplink: str, status: Status, retained: bool, now_ns: int, utc_s: float
    ) -> None:
        if (status.site, status.probe, level(status.uplink)) != (site, name, uplink):
            raise NotUnderstood("misaddressed", "it speaks of another")
        probe = self._probe(site, name)
        book = probe.uplinks.get(uplink)
        if book is None:
            if len(probe.uplinks) >= self.limits.uplinks:
                raise NotUnderstood("uplinks", f"more than {self.limits.uplinks} uplinks of one probe")
            book = probe.uplinks[uplink] = Uplink()
        if not book.heard(status_said(status, retained, now_ns, utc_s), now_ns, self.hearing_ns):
            raise NotUnderstood("late", f"a status of session {status.session}, which is over")
        # Versions may differ between what was retained: the newest word of all uplinks tells.
        newest = max((u.now for u in probe.uplinks.values()), key=lambda word: (word.live, word.at_s, word.version))
        probe.version = newest.version
        if status.state == "up" and not retained:
            probe.live(now_ns)
            probe.clock(status.at, status.synced, utc_s)

    def _alarm(self, site: str, name: str, key: str, alarm: Alarm, retained: bool, now_ns: int) -> None:
        if not alarm.id or len(alarm.id) > 2 * LEVEL_MAX or level(alarm.id) != key:
            raise NotUnderstood("misaddressed", "the alarm's id is not the topic's")
        probe = self._probe(site, name)
        room = len(probe.alarms) < self.limits.alarms and self._alarms < self.limits.alarms_all
        self._alarms += probe.alarm(key, alarm.trimmed(), said.entry(alarm.entry), room)
        self._about(site, alarm.psap)
        if not retained:
            probe.live(now_ns)

    def _verdict(self, site: str, name: str, verdict: Verdict, retained: bool, now_ns: int) -> None:
        probe, entry = self._probe(site, name), said.entry(verdict.entry)
        if said.late(entry, probe.verdict_entry):
            raise NotUnderstood("late", "an older verdict")
        probe.verdict, probe.verdict_entry = verdict.trimmed(), entry or probe.verdict_entry
        self._about(site, verdict.psap)
        if not retained:
            probe.live(now_ns)

    def _about(self, site: str, psap: Any) -> None:
        about = said.psap(psap)
        if about is not None:
            self.sites[site].psap = about

    def _health(self, site: str, name: str, health: Health, retained: bool, now_ns: int, utc_s: float) -> None:
        if (health.site, health.probe) != (site, name):
            raise NotUnderstood("misaddressed", "it speaks of another")
        if retained:
            raise NotUnderstood("late", "a heartbeat is never retained")
        probe = self._probe(site, name)
        box = said.box(health.box)
        kept = msgspec.structs.replace(health, box=box, at="", store=health.store[:32], uplink=health.uplink[:32])
        self._alarms += probe.heartbeat(kept, now_ns)
        probe.live(now_ns)
        probe.clock(health.at, health.synced, utc_s)
        probe.config = box["config"]
        probe.version = box["version"] or probe.version

    def _calls(self, site: str, name: str, calls: Calls, retained: bool, now_ns: int) -> None:
        if (calls.site, calls.probe) != (site, name):
            raise NotUnderstood("misaddressed", "it speaks of another")
        if retained:
            raise NotUnderstood("late", "counts of calls are never retained")
        probe = self._probe(site, name)
        probe.live(now_ns)
        if len(calls.streams) > self.limits.streams:
            self._refuse("streams", f"{site}: more than {self.limits.streams} streams")
        good = tuple(share for share in calls.shares[: said.SHARES_MAX] if ID.match(share))
        kept = tuple(
            msgspec.structs.replace(stream, stream=stream.stream[:64])
            for stream in calls.streams[: self.limits.streams]
        )
        calls = msgspec.structs.replace(calls, shares=good, streams=kept, at=calls.at[:40], store=calls.store[:32])
        probe.calls = calls
        self.sites[site].shares = good
        if self._heard_calls is not None:
            self._heard_calls(calls, now_ns)

    def _reply(self, site: str, name: str, reply: said.Reply, retained: bool, now_ns: int) -> None:
        if retained:
            raise NotUnderstood("late", "an answer is never retained")
        probe = self._probe(site, name)
        probe.live(now_ns)
        if not reply.ok or reply.result is None:
            raise NotUnderstood("no-state", f"it did not tell its state: {(reply.error or 'without a reason')[:120]}")
        alarms: dict[str, Alarm] = {}
        for alarm in reply.result.alarms:
            if not alarm.id or len(alarm.id) > 2 * LEVEL_MAX:
                raise NotUnderstood("garbage", "an alarm without a usable id")
            if alarm.state != "normal":
                alarms[level(alarm.id)] = alarm.trimmed()
        if len(alarms) > self.limits.alarms or self._alarms + len(alarms) > self.limits.alarms_all:
            raise NotUnderstood("alarms", f"{len(alarms)} alarms of one probe: no room")
        verdict = reply.result.verdict
        self._alarms += probe.whole(alarms, None if verdict is None else verdict.trimmed())

    def _pool(self, share: str, payload: bytes) -> None:
        """A word on a share, by whoever signed it: shown as said, its signature is for the probes to verify."""
        if not payload:
            self.pools_said.pop(share, None)
            return
        try:
            pool = said.read(opened(payload)[0], Pool)
        except NotSigned as error:
            raise NotUnderstood("garbage", str(error)[:160]) from None
        if level(pool.share) != share or not ID.match(pool.share):
            raise NotUnderstood("misaddressed", "it speaks of another share")
        if pool.share not in self.pools_said and len(self.pools_said) >= self.limits.shares:
            raise NotUnderstood("shares", f"more than {self.limits.shares} shares")
        self.pools_said[pool.share] = msgspec.structs.replace(pool, at=pool.at[:40], by=pool.by[:64])
        self.counts["pool"] += 1

    # -- what follows -------------------------------------------------------------------------------------------------

    def due_questions(self, now_ns: int) -> list[Message]:
        """``cmd/state`` for each probe whose alarms are not those it says stand: at most once a minute for each."""
        out: list[Message] = []
        expires = rfc3339(self._utc_s + (now_ns - self._utc_ns) / NS + QUESTION_LIFE_S)
        for site in self.sites.values():
            for probe in site.probes.values():
                if len(out) < QUESTIONS_MAX and probe.to_ask(now_ns):
                    self._questions += 1
                    ask = {"id": f"{self._tag}-{self._questions}", "expires": expires, "args": {}}
                    topic = f"{ROOT}/{probe.site}/{probe.probe}/cmd/state"
                    # Not kept by the broker: it expires, and is asked anew.
                    out.append(Message(topic, msgspec.json.encode(ask), 1, False, expiry_s=QUESTION_LIFE_S))
        self.counts["asked"] += len(out)
        return out

    def look(self, now_ns: int) -> list[SiteLook]:
        """All sites, worst first."""
        looks = [self._look(name, site, now_ns) for name, site in self.sites.items()]
        return sorted(looks, key=lambda look: (_rank(look.state, look.severity), look.site))

    def _look(self, name: str, site: Site, now_ns: int) -> SiteLook:
        probes = tuple(
            _probe_look(probe, now_ns, self.hearing_ns, self._patience) for _, probe in sorted(site.probes.items())
        )
        lost = [probe for probe in probes if probe.state == "lost"]
        lost_ns = None
        if not probes:
            return SiteLook(name, "unknown", None, "no probe of it is known", site.psap, site.shares, (), None)
        worst = min(probes, key=lambda probe: (_rank(probe.state, probe.severity), probe.probe))
        state, severity, why = worst.state, worst.severity, worst.why
        if len(lost) == len(probes):
            times = [probe.lost_ns for probe in lost if probe.lost_ns is not None]
            lost_ns = max(times) if len(times) == len(lost) else None
        elif lost:  # part of the site is not seen: a fault, and no more than that
            seen = [probe for probe in probes if probe.state != "lost"]
            worst = min(seen, key=lambda probe: (_rank(probe.state, probe.severity), probe.probe))
            state, severity = "alarm", worst.severity if worst.severity == "critical" else "major"
            why = f"{len(lost)} of {len(probes)} probes lost"
        return SiteLook(name, state, severity, why, site.psap, site.shares, probes, lost_ns)


def _probe_look(probe: Probe, now_ns: int, hearing_ns: int | None, patience: int) -> ProbeLook:
    state, why = probe.state(now_ns, hearing_ns, patience)
    health = probe.health
    order = {severity: index for index, severity in enumerate(SEVERITIES)}
    return ProbeLook(
        site=probe.site,
        probe=probe.probe,
        state=state,
        severity=probe.worst(),
        why=why,
        uplinks=tuple(
            (name, uplink.state(now_ns, hearing_ns), uplink.now.session, uplink.now.why)
            for name, uplink in sorted(probe.uplinks.items())
        ),
        version=probe.version,
        clock_synced=probe.clock_synced,
        clock_offset_s=probe.clock_offset_s,
        heartbeat_age_s=None if health is None else round((now_ns - probe.health_ns) / NS, 1),
        heartbeat_fresh=probe.heartbeat_fresh(now_ns, patience),
        waiting=None if health is None else health.waiting,
        alarms=tuple(sorted(probe.alarms.values(), key=lambda a: (not a.counts, order[a.severity], a.id))),
        verdict=probe.verdict,
        config=probe.config,
        agrees=probe.agrees,
        lost_ns=probe.lost_ns() if state == "lost" else None,
    )


def _rank(state: Word, severity: Severity | None) -> int:
    """Worst first: critical, lost, major, unknown, minor, well."""
    if state == "alarm":
        return {"critical": 0, "major": 2, "minor": 4}[severity or "major"]
    return {"lost": 1, "unknown": 3, "well": 5}[state]
