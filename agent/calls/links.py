"""The ALI links judged: does an answer come, do both sides carry, is the heartbeat there, are the records good. Pure.

Data arrived and voice did not, or voice and no data: the second is told here, and it is what names a record service's
outage (Modesto 2021). Points: ``link-quiet`` with the qualifiers ``no-answer``, ``side-a``, ``side-b`` and a line's id
(its heartbeat); ``data-quality`` with ``no-record``, ``no-number`` and ``no-place``; the resource is always the link.
A port that is wholly silent is the serial shell's to tell (``link-quiet`` of the line itself) and is not told twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from agent.calls.facts import CallCondition
from agent.calls.link_quality import CLEAR_GOOD, MEMORY_RECORDS, RECORDS_A_YEAR_MAX, QualityTest, Rate, threshold
from agent.calls.link_rules import EVENTS_MEMORY, OTHER, Beats, Side, Sides, Unanswered
from agent.readings import Plain, Reading
from agent.site.line import AliLine, Line

NS = 1_000_000_000
HEARTBEATS_MISSED = 3
GRACE_S = 2.0
"""After the serial shell's own time for a silent port, so that one silence is told once."""
RECORD_FRESH_S = 1800.0
"""So long a record shows that records arrive; a quiet hour shows nothing, neither good nor bad."""
BEAT_FRESH_S = 300.0
"""So long a heartbeat of unknown interval (about a minute as a rule) shows that the link lives."""
REBID_S = 300.0
"""A caller whose record is asked for again within so long is one caller for the share of bad records."""
RECENT_MAX = 64
ANSWERS = frozenset({"record", "no-record-found", "ani-failure"})

NO_ANSWER = "the last {n} location requests got no answer. Ask every caller for the place and the number to ring back."
NEVER_ANSWERED = NO_ANSWER + " None was answered since this box started: its tap may be on the wrong wire."
SIDE_QUIET = "side {side} is quiet: the last {n} records came on side {other} only."
BEATS_QUIET = "side {side} is quiet: heartbeats come on side {other} only."
NO_HEARTBEAT = "no heartbeat on line {line} for {n} s (expected every {every:g} s)."
QUALITY: dict[str, str] = {
    "no-record": "{n} of the last {of} callers came without a location record. Ask every caller for the place.",
    "no-number": "{n} of the last {of} callers came without a number. Ask every caller for the number to ring back.",
    "no-place": "{n} of the last {of} records had no place in them. Ask every caller for the place.",
}


@dataclass(slots=True)
class _Port:
    """One line of a link. ``life_ns``: the last sign of life, or when its port opened (``heard`` tells which)."""

    line: AliLine
    down: bool = False
    silent: bool = False
    heard: bool = False
    beats: bool = False
    life_ns: int | None = None
    quiet: bool = False

    @property
    def asks(self) -> bool:
        return self.line.carries in ("queries", "both")

    @property
    def answers(self) -> bool:
        return self.line.carries in ("records", "both")

    @property
    def fresh_s(self) -> float:
        every = self.line.heartbeat_s
        return BEAT_FRESH_S if every is None else HEARTBEATS_MISSED * every + GRACE_S

    @property
    def due_ns(self) -> int | None:
        """When its last sign of life is too old."""
        return None if self.life_ns is None else self.life_ns + int(self.fresh_s * NS)

    @property
    def own_interval(self) -> bool:
        """Whether the heartbeat's interval is judged here: other bytes than its text are no sign of life."""
        return self.line.heartbeat_s is not None and self.line.heartbeat_text is not None

    def look(self, now_ns: int) -> str:
        if self.down or not (self.beats or self.line.heartbeat_s is not None):
            return "-"
        if self.quiet or self.silent:
            return "d"
        due = self.due_ns
        return "u" if self.heard and due is not None and now_ns < due else "-"


@dataclass(slots=True)
class _Link:
    id: str
    ports: list[_Port] = field(default_factory=list)
    unanswered: Unanswered = field(default_factory=Unanswered)
    sides: Sides | None = None
    beats: dict[Side, Beats] = field(default_factory=dict)
    rate: Rate = field(default_factory=Rate)
    tests: dict[str, QualityTest] = field(default_factory=lambda: {name: QualityTest() for name in QUALITY})
    recent: dict[str, int] = field(default_factory=dict)
    record_ns: int | None = None

    def two_sided(self) -> bool:
        return {port.line.side for port in self.ports if port.answers} == {"a", "b"}

    def deaf(self) -> bool:
        """Whether an answer could come where we can't hear it."""
        answering = [port for port in self.ports if port.answers]
        return not answering or any(port.down for port in answering)

    def look(self, now_ns: int) -> str:
        if all(port.down for port in self.ports if port.answers):
            return "-"
        if self.unanswered.holds:
            return "d"
        quiet = self.sides is not None and any(share.quiet for share in self.sides.shares.values())
        if quiet or any(test.holds for test in self.tests.values()):
            return "g"
        fresh = self.record_ns is not None and now_ns < self.record_ns + int(RECORD_FRESH_S * NS)
        return "u" if fresh else "-"


class LinkJudge:
    """All ALI links of a site. Times are monotonic nanoseconds; what it gives are changes only.

    ``learned``: what ``learned()`` of an earlier run gave; whatever in it does not fit is left out.
    """

    def __init__(self, lines: Sequence[Line], learned: Mapping[str, object] | None = None) -> None:
        self._links: dict[str, _Link] = {}
        self._ports: dict[str, tuple[_Link, _Port]] = {}
        for line in lines:
            if isinstance(line, AliLine):
                name = line.link or line.id
                link = self._links.setdefault(name, _Link(name))
                port = _Port(line)
                link.ports.append(port)
                self._ports[line.id] = (link, port)
        for link in self._links.values():
            if link.two_sided():
                link.sides = Sides()
                link.beats = {"a": Beats(), "b": Beats()}
        self._stands: dict[tuple[str, str, str], tuple[bool, bool]] = {}
        self._now_ns = 0
        for name, link in self._links.items():
            known = (learned or {}).get(name)
            if isinstance(known, Mapping):
                _restore(link, known)

    def learned(self) -> dict[str, dict[str, float]]:
        """What to give the next run: a few numbers a link."""
        return {name: _learned(link) for name, link in self._links.items()}

    def saw(self, reading: Reading, now_ns: int) -> list[CallCondition]:
        """What a reading of one of the site's lines changes."""
        out = self.tick(now_ns)
        found = self._ports.get(reading.source)
        if found is not None:
            link, port = found
            if reading.kind in ("port-up", "port-down"):
                self._port(link, port, down=reading.kind == "port-down", now_ns=now_ns)
            elif reading.kind == "heartbeat":
                self._heartbeat(link, port, reading, now_ns)
            elif reading.kind == "data":
                self._data(link, port, reading, now_ns)
            elif reading.kind in ("gap", "garbage"):
                self._lost(link, port, now_ns)
            out += self._changes(link)
        return out

    def tick(self, now_ns: int) -> list[CallCondition]:
        """What time alone changes. Call it at ``deadline()``."""
        self._now_ns = max(self._now_ns, now_ns)
        out: list[CallCondition] = []
        for link in self._links.values():
            link.unanswered.expire(now_ns)
            if link.sides is not None:
                link.sides.expire(now_ns, link.rate.a_year)
            for port in link.ports:
                due = port.due_ns
                if port.own_interval and not port.down and not port.silent and due is not None and now_ns >= due:
                    port.quiet = True
            out += self._changes(link)
        return out

    def deadline(self) -> int | None:
        """When to call ``tick``: a time after the last call's, or None."""
        return min((time for time in self._times() if time > self._now_ns), default=None)

    def _times(self) -> Iterator[int]:
        for link in self._links.values():
            pairs = link.sides.due_ns if link.sides is not None else None
            fresh = None if link.record_ns is None else link.record_ns + int(RECORD_FRESH_S * NS)
            for time in (link.unanswered.due_ns, pairs, fresh, *(port.due_ns for port in link.ports)):
                if time is not None:
                    yield time

    # -- readings ------------------------------------------------------------------------------------------------

    def _port(self, link: _Link, port: _Port, *, down: bool, now_ns: int) -> None:
        port.down = down
        port.silent = False
        if not down:
            port.life_ns, port.heard = now_ns, False
        link.unanswered.forget()
        if port.answers and link.sides is not None:
            link.sides.forget()

    def _heartbeat(self, link: _Link, port: _Port, reading: Reading, now_ns: int) -> None:
        if reading.state == "down":  # the shell's word: not a byte
            port.silent, port.quiet = True, False
            return
        port.silent = False
        if "expected_s" in reading.detail:  # the shell's word again: bytes, of whatever kind
            if port.line.heartbeat_text is None:
                self._lives(port, now_ns)
            return
        port.beats = True
        self._lives(port, now_ns)
        if link.beats and port.answers and all(one.line.heartbeat_s is None for one in link.ports):
            link.beats[port.line.side].beat()
            link.beats[OTHER[port.line.side]].other()

    def _lives(self, port: _Port, now_ns: int) -> None:
        port.life_ns, port.heard, port.quiet, port.silent = now_ns, True, False, False

    def _lost(self, link: _Link, port: _Port, now_ns: int) -> None:
        """Something came that could not be read: perhaps an answer; a sign of life where any byte is one."""
        if port.answers:
            link.unanswered.forget()
        if port.line.heartbeat_text is None:
            self._lives(port, now_ns)

    def _data(self, link: _Link, port: _Port, reading: Reading, now_ns: int) -> None:
        what = reading.detail.get("what")
        if what not in ("ack", "nak", "other", "query") or port.line.heartbeat_text is None:
            self._lives(port, now_ns)
        if what == "query" and port.asks:
            if not link.deaf():
                asked = reading.detail.get("caller_key") or reading.detail.get("position") or ""
                link.unanswered.asked(str(asked), now_ns)
        elif what in ANSWERS:
            link.record_ns = now_ns
            link.unanswered.answered()
            self._record(link, port, reading.detail, now_ns)

    def _record(self, link: _Link, port: _Port, detail: Mapping[str, Plain], now_ns: int) -> None:
        caller = detail.get("caller_key")
        key = f"{detail.get('what')} {caller} {detail.get('position')}"
        if link.sides is not None and link.sides.saw(port.line.side, key, now_ns, link.rate.a_year):
            return
        if detail.get("check_ok") is False:
            return
        if isinstance(caller, str):
            before = link.recent.pop(caller, None)
            link.recent[caller] = now_ns
            if len(link.recent) > RECENT_MAX:
                del link.recent[next(iter(link.recent))]
            if before is not None and now_ns - before < int(REBID_S * NS):
                return
        link.rate.saw(now_ns)
        for name, bad in _judged(detail).items():
            link.tests[name].saw(bad=bad, records_a_year=link.rate.a_year)

    # -- conditions ----------------------------------------------------------------------------------------------

    def _changes(self, link: _Link) -> list[CallCondition]:
        out: list[CallCondition] = []
        missed = link.unanswered
        words = NO_ANSWER if missed.ever else NEVER_ANSWERED
        self._set(out, link, "link-quiet", "no-answer", missed.holds, words.format(n=missed.missed))
        for port in link.ports:
            if port.own_interval:
                every = port.line.heartbeat_s or 0.0
                seconds = (self._now_ns - (port.life_ns or 0)) // NS
                text = NO_HEARTBEAT.format(line=port.line.id, n=seconds, every=every)
                self._set(out, link, "link-quiet", port.line.id, port.quiet, text)
        for side, beats in link.beats.items():
            assert link.sides is not None
            share = link.sides.shares[side]
            words = SIDE_QUIET if share.quiet else BEATS_QUIET
            text = words.format(side=side.upper(), other=OTHER[side].upper(), n=share.misses)
            self._set(out, link, "link-quiet", f"side-{side}", share.quiet or beats.quiet, text)
        for name, test in link.tests.items():
            text = QUALITY[name].format(n=test.bad_since, of=test.since)
            self._set(out, link, "data-quality", name, test.holds, text, shadow=not test.learned)
        return out

    def _set(
        self,
        out: list[CallCondition],
        link: _Link,
        type_name: str,
        qualifier: str,
        holds: bool,
        text: str,
        shadow: bool = False,
    ) -> None:
        key, now = (link.id, type_name, qualifier), (holds, shadow and holds)
        if self._stands.get(key, (False, False)) == now:
            return
        self._stands[key] = now
        said = f"ALI link {link.id}: {text}" if holds else ""
        evidence: dict[str, Plain] = {"link": link.id, "records_a_year": round(link.rate.a_year)} if holds else {}
        out.append(CallCondition(link.id, type_name, qualifier, holds, said, evidence, now[1]))

    # -- looks ---------------------------------------------------------------------------------------------------

    def columns(self, now_ns: int) -> dict[str, str]:
        """The verdict's ``R`` (records arrive) and ``H`` (heartbeat): u, d, g, or "-" where nothing is known now."""
        return {
            "R": _together(link.look(now_ns) for link in self._links.values()),
            "H": _together(port.look(now_ns) for _, port in self._ports.values()),
        }

    def status(self, now_ns: int) -> list[dict[str, Plain]]:
        """One object a link for ``status --json``; ages in seconds."""
        out: list[dict[str, Plain]] = []
        for link in self._links.values():
            said: dict[str, Plain] = {
                "link": link.id,
                "look": link.look(now_ns),
                "record_age_s": None if link.record_ns is None else round((now_ns - link.record_ns) / NS, 1),
                "queries_waiting": len(link.unanswered.pending),
                "queries_unanswered": link.unanswered.missed,
                "records_a_year": round(link.rate.a_year),
            }
            if link.sides is not None:
                for side, share in link.sides.shares.items():
                    said[f"side_{side}_share"] = round(share.share, 3)
                    said[f"side_{side}_judged"] = share.judged
            for name, test in link.tests.items():
                flat = name.replace("-", "_")
                said[f"{flat}_usual"] = round(test.bad / test.weight, 4)
                said[f"{flat}_score"] = round(test.score, 2)
                said[f"{flat}_judged"] = test.judges
            said["score_limit"] = round(threshold(link.rate.a_year), 2)
            said["clears_after_good"] = CLEAR_GOOD
            out.append(said)
        return out


def _judged(detail: Mapping[str, Plain]) -> dict[str, bool]:
    """Which tests a record speaks to, and whether it is a bad one there."""
    what, numbered = detail.get("what"), bool(detail.get("has_number"))
    if what == "record":
        return {"no-record": False, "no-number": not numbered, "no-place": not detail.get("has_place")}
    if what == "ani-failure":
        return {"no-number": True}
    return {"no-record": True, **({"no-number": False} if numbered else {})}


def _learned(link: _Link) -> dict[str, float]:
    said: dict[str, float] = {"records_a_year": link.rate.a_year}
    for name, test in link.tests.items():
        said |= {f"{name}.bad": test.bad, f"{name}.weight": test.weight, f"{name}.records": test.records}
    if link.sides is not None:
        for side, share in link.sides.shares.items():
            said |= {f"{side}.heard": share.heard, f"{side}.weight": share.weight}
    return said


def _restore(link: _Link, known: Mapping[str, object]) -> None:
    def number(name: str, most: float) -> float | None:
        value = known.get(name)
        fits = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= most
        return float(value) if fits and isinstance(value, int | float) else None

    link.rate.guess = number("records_a_year", RECORDS_A_YEAR_MAX) or link.rate.guess
    for name, test in link.tests.items():
        bad, weight = number(f"{name}.bad", MEMORY_RECORDS), number(f"{name}.weight", MEMORY_RECORDS)
        if bad is not None and weight and bad <= weight:
            test.bad, test.weight = bad, weight
            test.records = int(number(f"{name}.records", 1e12) or 0)
    for side, share in link.sides.shares.items() if link.sides is not None else ():
        heard, weight = number(f"{side}.heard", EVENTS_MEMORY), number(f"{side}.weight", EVENTS_MEMORY)
        if heard is not None and weight is not None and heard <= weight:
            share.heard, share.weight = heard, weight


def _together(looks: Iterator[str]) -> str:
    """Several links as one: what they agree on, degraded where they do not."""
    known = {look for look in looks if look != "-"}
    if not known:
        return "-"
    return known.pop() if len(known) == 1 else "g"
