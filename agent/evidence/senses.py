"""What the senses show together: a state for each, and the columns that the verdict is judged by. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from agent.alarms.trunks import LineJudge
from agent.clock import NS
from agent.evidence import feeds, onset
from agent.payloads import Live
from agent.readings import Reading, State
from agent.site import schema
from agent.site.line import ContactsLine, ModbusLine

SPEAKS = frozenset({"alarm", "clear", "event", "data", "call"})
LINES = frozenset({"L", ""})  # "" feeds no column by itself
FEEDS: Mapping[str, State] = {"u": "up", "g": "degraded", "d": "down"}


@dataclass(slots=True)
class Sense:
    """One sense of the site and how it looks; ``unknown`` until it has spoken."""

    source: str
    sense: str
    columns: tuple[str, ...]
    state: State = "unknown"
    since_ns: int = 0
    heard: bool = False
    detail: str = ""
    polled: bool = False  # an open port says nothing of it: it is asked and has to answer
    good_ns: int | None = None  # when it last looked up
    answered_ns: int | None = None  # when it last answered at all, well or not
    bad_ns: int | None = None  # when it first looked otherwise since
    looks: dict[str, State] = field(default_factory=dict)  # by column, where one sense shows several things
    line: bool = False
    asked: bool = True  # this box starts it again and again
    window_ns: int = 0  # a good word speaks for this long before it was said
    gap_ns: int = 0  # how long after a fault it may first fail of it


class Senses:
    """All senses the site file names. ``ok`` needs every one of them heard."""

    def __init__(self, site: schema.SiteFile) -> None:
        self._senses: dict[tuple[str, str], Sense] = {}
        for line in site.line:
            self._senses[line.id, line.dialect] = Sense(
                line.id,
                line.dialect,
                (feeds.of_line(line),),
                polled=isinstance(line, ModbusLine | ContactsLine),
                line=True,
            )
        for path in site.path:
            for name, check in zip(schema.check_names(path), path.checks, strict=True):
                asked = not isinstance(check, schema.Syslog | schema.Traps)
                window_ns = int(check.within_s * NS) if isinstance(check, schema.Syslog) else 0
                columns = feeds.of_check(path, check)
                gap_ns = 0 if isinstance(check, schema.Syslog | schema.Traps) else onset.gap_ns(check, path.role)
                self._senses[path.id, name] = Sense(
                    path.id, name, columns, asked=asked, window_ns=window_ns, gap_ns=gap_ns
                )
        if site.site.shares:
            self._senses["peers", "pool"] = Sense("peers", "pool", ("X",), asked=False)
        self._twins = {path.beside: path.id for path in site.path if path.beside is not None}
        self._far_ends = feeds.own_far_ends(site)
        self._site = site
        self._before: frozenset[tuple[str, str]] = frozenset()  # what has been down since an earlier fault
        self._reflectors = {path.id for path in site.path if path.role == "reflector" and path.beside is None}
        self._diverted: bool | None = None
        self._changed = True
        self._fault_ns: int | None = None
        self._began = False
        self._all_heard: bool | None = None  # asked for at each input
        self._columns: dict[str, str] = {}
        self._power: dict[tuple[str, str], str] = {}
        self._calls: Mapping[str, str] = {}
        self._calls_good_ns: Mapping[str, int | None] = {}

    def saw(self, reading: Reading, state: State | None) -> None:
        """A reading came; ``state`` is how its sense looks after it (a check's m of n, a port's own state)."""
        sense = self._senses.get((reading.source, reading.sense))
        if sense is None:
            return
        lines = sense.line
        fault_ns, good_ns = self._fault_ns, sense.good_ns
        # While a fault stands, the first good answer after it is news.
        stale = fault_ns is not None and (good_ns is None or good_ns - sense.window_ns < fault_ns)
        fresh = reading.kind == "probe-ok" and stale
        self._changed = self._changed or state != sense.state or fresh or lines
        if reading.kind in ("probe-ok", "probe-degraded"):
            sense.answered_ns = reading.at_ns
        if reading.kind == "probe-ok":
            sense.good_ns, sense.bad_ns = reading.at_ns, None
        elif sense.bad_ns is None:
            sense.bad_ns = reading.at_ns
        if reading.kind in ("port-up", "port-down"):
            sense.heard = sense.heard and reading.kind == "port-up"
            state = "up" if reading.kind == "port-up" and not sense.polled else "unknown"
        elif reading.kind == "heartbeat":
            sense.heard = reading.state == "up"
            state = "up" if sense.heard else "unknown"
        elif lines:
            if reading.kind == "contact":
                self._contact(sense, reading)
            else:
                sense.heard = sense.heard or reading.kind in SPEAKS
            return
        elif not reading.kind.startswith("probe-"):
            return
        else:
            sense.heard = state not in ("unknown", None)
            sense.detail = str(reading.detail.get("reason") or "")[:200]
            self._look(sense, reading, state)
        if state is not None and state != sense.state:
            sense.state, sense.since_ns = state, reading.at_ns
            self._all_heard = None

    def _look(self, sense: Sense, reading: Reading, state: State | None) -> None:
        """What one check shows in each of its columns, where they may differ."""
        looks: dict[str, State] = {}
        bad = state in ("down", "degraded")
        if "To" in sense.columns:
            for column, key in (("To", "out"), ("Ti", "in")):
                said = FEEDS.get(str(reading.detail.get(key)), "unknown")
                said = said if bad and reading.kind != "probe-ok" else sense.looks.get(column, said)
                both = {str(reading.detail.get(one)) for one in ("out", "in")}
                if both == {"g"} and reading.state == "down":
                    said = "down"  # nothing came back, and an echo can't say where it was lost
                # A second failure is not yet three of five.
                said = "degraded" if said == "down" and state == "degraded" else said
                looks[column] = "up" if state == "up" else said
        elif "N" in sense.columns and bad:
            named = reading.detail.get("fault") in feeds.NAMES
            looks = {c: (state or "unknown") if (c == "N") is named else "unknown" for c in sense.columns}
        if looks != sense.looks:
            sense.looks, self._changed = looks, True

    def _contact(self, sense: Sense, reading: Reading) -> None:
        """A port that is open says nothing of the contacts behind it: what can't be read is unknown."""
        sense.heard = reading.state not in ("unknown", None)
        sense.state = "up" if sense.heard else "unknown"
        self._all_heard = None
        if reading.detail.get("meaning") == "on-battery":
            look = "-" if not sense.heard else "d" if reading.detail.get("active") else "u"
            self._power[reading.source, reading.subject] = look

    def calls(self, columns: Mapping[str, str], good_ns: Mapping[str, int | None]) -> None:
        """What the calls say (``agent/calls``); ``good_ns``: when a column that looks up was last seen so."""
        if columns != self._calls or (self._fault_ns is not None and good_ns != self._calls_good_ns):
            self._changed = True
        self._calls, self._calls_good_ns = columns, good_ns

    def lost(self, source: str, name: str, now_ns: int) -> None:
        """A check gave no result at all: what it would say is unknown."""
        sense = self._senses[source, name]
        if sense.state != "unknown":
            sense.state, sense.since_ns, sense.heard = "unknown", now_ns, False
            self._all_heard = None
            self._changed = True

    def all_heard(self) -> bool:
        """Whether no sense is unknown. A passive line counts as heard while its port is open."""
        if self._all_heard is None:
            self._all_heard = all(sense.state != "unknown" for sense in self._senses.values())
        return self._all_heard

    def columns_if_changed(self, lines: Iterable[LineJudge]) -> dict[str, str] | None:
        """The verdict's columns, or None where they are as they were."""
        if not self._changed:
            return None
        self._changed = False
        # What only listens (a log, peers) dates no fault: nothing asked since then would be newer.
        fault_ns = self._find_onset()
        dead = self._dead()
        named = {column for s in self._senses.values() for column in s.columns} - LINES
        columns = {
            column: _together([_fresh(s, column, fault_ns) for s in self._feeding(column, dead)])
            for column in sorted(named)
        }
        if self._far_ends:
            columns["F"] = self._own_far_ends(fault_ns)
        if self._diverted is not None:
            columns["B"] = "d" if self._diverted else "u"
        for column, look in self._calls.items():
            good_ns = self._calls_good_ns.get(column)
            stale = look == "u" and fault_ns is not None and (good_ns is None or good_ns < fault_ns)
            columns[column] = "-" if stale else look
        if self._power:
            known = set(self._power.values()) - {"-"}
            columns["P"] = "d" if "d" in known else "u" if known else "-"
        if any("L" in s.columns for s in self._senses.values()):
            columns["L"] = self._lines_column(list(lines))
        if columns == self._columns:
            return None
        self._columns = columns
        return columns

    def _find_onset(self) -> int | None:
        down = {
            key: (s.bad_ns, s.gap_ns)
            for key, s in self._senses.items()
            if s.state == "down" and s.bad_ns is not None and s.asked
        }
        fault_ns = onset.onset(down.values())
        self._began = self._began or (fault_ns is not None and fault_ns > (self._fault_ns or -1))
        self._fault_ns = fault_ns
        self._before = frozenset(key for key, (bad_ns, _) in down.items() if fault_ns is not None and bad_ns < fault_ns)
        return fault_ns

    def _feeding(self, column: str, dead: frozenset[str]) -> list[Sense]:
        """What shows in a column: of what failed before the newest fault nothing, where there is anything else."""
        feeding = [s for s in self._senses.values() if column in s.columns and s.source not in dead]
        return [s for s in feeding if (s.source, s.sense) not in self._before] or feeding

    def fault_began(self) -> bool:
        """Whether a fault has begun since this was last asked."""
        began, self._began = self._began, False
        return began

    def _own_far_ends(self, fault_ns: int | None) -> str:
        """How the provider's own far ends look: by their call systems; by pings where nothing is known of those."""
        for wanted in ("O", "ie"):
            others = frozenset(s.source for s in self._senses.values()) - self._far_ends
            own = self._feeding(wanted, others)
            look = _together([_failed_since(s, fault_ns) for s in own])
            if look != "-":
                return look
        return "-"

    def doubt(self) -> feeds.Doubt:
        """Whether a reflector of ours may be dead itself: no other way to it has answered."""
        lives = {
            path
            for path, twin in self._twins.items()
            if any(s.source == twin and _fresh(s, "", self._fault_ns) == "up" for s in self._senses.values())
        }
        asked = self._reflectors - self._dead() - self._gone()
        dead = bool(asked - lives)
        rare = feeds.coincidence([path for path in self._site.path if path.id in asked])
        rare *= feeds.HEARD_BESIDE if lives and not dead else 1.0
        return feeds.Doubt(dead, rare, bool(asked))

    def _gone(self) -> frozenset[str]:
        """Reflectors that failed before the newest fault and answer nothing."""
        failed = {source for source, _ in self._before}
        answering = {s.source for s in self._senses.values() if s.state in ("up", "degraded")}
        return frozenset((self._reflectors & failed) - answering)

    def _dead(self) -> frozenset[str]:
        """Paths whose very machine does not answer by another way either: they say nothing of the way."""
        return frozenset(
            path
            for path, twin in self._twins.items()
            if any(s.state == "down" for s in self._senses.values() if s.source == twin)
            and all(s.state in ("down", "unknown") for s in self._senses.values() if s.source == twin)
        )

    def diverted(self, diverted: bool | None) -> None:
        """Whether calls go elsewhere on purpose, by a contact or a command; None where nothing can say so."""
        if diverted != self._diverted:
            self._diverted, self._changed = diverted, True

    def columns(self) -> Mapping[str, str]:
        """The columns as last judged."""
        return self._columns

    def _lines_column(self, lines: list[LineJudge]) -> str:
        trunks = [(line, aid) for line in lines for aid in line.groups]
        down = [line.down(aid) for line, aid in trunks]
        if down and all(down):
            return "d"
        if any(down):
            return "g"
        # A passive tap that has said nothing yet is no evidence that the trunks are well.
        heard = [s.heard and s.state == "up" for s in self._senses.values() if "L" in s.columns]
        return "u" if heard and all(heard) else "-"

    def live(self) -> Live:
        """What is heard now, and what is not."""
        unknown = [f"{s.source}/{s.sense}" for s in self._senses.values() if s.state == "unknown"]
        return Live(len(self._senses) - len(unknown), len(self._senses), tuple(unknown[:8]))

    def status(self) -> list[dict[str, Any]]:
        """One object a sense, for ``status --json``."""
        return [
            {"source": s.source, "sense": s.sense, "state": s.state, "since_ns": s.since_ns, "detail": s.detail}
            for s in self._senses.values()
        ]


def _fresh(sense: Sense, column: str, fault_ns: int | None) -> State:
    """How a sense looks for the verdict. Where a fault stands, what it said before that fault says nothing of it.

    A far end asked once a minute would else speak for calls that a dead firewall stopped seconds ago; and a first or
    second failure since, no alarm yet, would look like a way that is half dead.
    """
    state = sense.looks.get(column, sense.state) if sense.state != "unknown" else sense.state
    if state not in ("up", "degraded") or fault_ns is None or sense.state == "down":
        return state  # a test call that lost one direction has tried the other one just now
    newest_ns = sense.good_ns if state == "up" else sense.answered_ns
    return state if newest_ns is not None and newest_ns - sense.window_ns >= fault_ns else "unknown"


def _failed_since(sense: Sense, fault_ns: int | None) -> State:
    """The same of what is asked seldom and has failed since the fault: no alarm yet, but it fits the fault."""
    state = _fresh(sense, sense.columns[0], fault_ns)
    pending = fault_ns is not None and sense.bad_ns is not None and sense.bad_ns >= fault_ns
    return "degraded" if state == "unknown" and sense.state != "unknown" and pending else state


def _together(states: list[State]) -> str:
    known = [state for state in states if state != "unknown"]
    if not known:
        return "-"
    if all(state == "down" for state in known):
        return "d"
    return "u" if all(state == "up" for state in known) else "g"
