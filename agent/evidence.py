"""What the senses show together: a state for each, and the columns that the verdict is judged by. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from agent.alarms.trunks import LineJudge
from agent.readings import Reading, State
from agent.site import schema
from agent.site.line import AliLine, ContactsLine, Line, ModbusLine, SmdrLine

SPEAKS = frozenset({"alarm", "clear", "event", "data", "call"})
LINES = frozenset({"L", ""})  # "" feeds no column by itself
# Which column of the cause table a check feeds, by the role of its path (agent/verdict/causes.py).
REACH: dict[str, str] = {"lan": "il", "firewall": "if", "router": "ir", "far-end": "ie", "reflector": "ie"}


@dataclass(slots=True)
class Sense:
    """One sense of the site and how it looks; ``unknown`` until it has spoken."""

    source: str
    sense: str
    column: str
    state: State = "unknown"
    since_ns: int = 0
    heard: bool = False
    detail: str = ""
    polled: bool = False  # an open port says nothing of it: it is asked and has to answer
    good_ns: int | None = None  # when it last looked up
    bad_ns: int | None = None  # when it first looked otherwise since


class Senses:
    """All senses the site file names. ``ok`` needs every one of them heard."""

    def __init__(self, site: schema.SiteFile) -> None:
        self._senses: dict[tuple[str, str], Sense] = {}
        for line in site.line:
            self._senses[line.id, line.dialect] = Sense(
                line.id, line.dialect, _line_column(line), polled=isinstance(line, ModbusLine | ContactsLine)
            )
        for path in site.path:
            for name, check in zip(schema.check_names(path), path.checks, strict=True):
                outside = path.role in ("far-end", "reflector")
                sip = schema.kind_of(check) == "sip-options"
                column = "O" if sip and outside else REACH[path.role]
                self._senses[path.id, name] = Sense(path.id, name, column)
        self._changed = True
        self._any_down = False
        self._columns: dict[str, str] = {}
        self._power: dict[tuple[str, str], str] = {}
        self._calls: Mapping[str, str] = {}
        self._calls_good_ns: Mapping[str, int | None] = {}

    def saw(self, reading: Reading, state: State | None) -> None:
        """A reading came; ``state`` is how its sense looks after it (a check's m of n, a port's own state)."""
        sense = self._senses.get((reading.source, reading.sense))
        if sense is None:
            return
        self._changed = self._changed or state != sense.state or self._any_down or sense.column in LINES
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
        elif sense.column in LINES:
            if reading.kind == "contact":
                self._contact(sense, reading)
            else:
                sense.heard = sense.heard or reading.kind in SPEAKS
            return
        else:
            sense.heard = state not in ("unknown", None)
            sense.detail = str(reading.detail.get("reason") or "")[:200]
        if state is not None and state != sense.state:
            sense.state, sense.since_ns = state, reading.at_ns

    def _contact(self, sense: Sense, reading: Reading) -> None:
        """A port that is open says nothing of the contacts behind it: what can't be read is unknown."""
        sense.heard = reading.state not in ("unknown", None)
        sense.state = "up" if sense.heard else "unknown"
        if reading.detail.get("meaning") == "on-battery":
            look = "-" if not sense.heard else "d" if reading.detail.get("active") else "u"
            self._power[reading.source, reading.subject] = look

    def calls(self, columns: Mapping[str, str], good_ns: Mapping[str, int | None]) -> None:
        """What the calls say (``agent/calls``); ``good_ns``: when a column that looks up was last seen so."""
        if columns != self._calls or (self._any_down and good_ns != self._calls_good_ns):
            self._changed = True
        self._calls, self._calls_good_ns = columns, good_ns

    def lost(self, source: str, name: str, now_ns: int) -> None:
        """A check gave no result at all: what it would say is unknown."""
        sense = self._senses[source, name]
        if sense.state != "unknown":
            sense.state, sense.since_ns, sense.heard = "unknown", now_ns, False
            self._changed = True

    def all_heard(self) -> bool:
        """Whether no sense is unknown. A passive line counts as heard while its port is open."""
        return all(sense.state != "unknown" for sense in self._senses.values())

    def columns_if_changed(self, lines: Iterable[LineJudge]) -> dict[str, str] | None:
        """The verdict's columns, or None where they are as they were."""
        if not self._changed:
            return None
        self._changed = False
        faults_ns = [s.bad_ns for s in self._senses.values() if s.state == "down" and s.bad_ns is not None]
        self._any_down = bool(faults_ns)
        fault_ns = min(faults_ns, default=None)
        columns = {
            column: _together([_fresh(s, fault_ns) for s in self._senses.values() if s.column == column])
            for column in sorted({s.column for s in self._senses.values()} - LINES)
        }
        for column, look in self._calls.items():
            good_ns = self._calls_good_ns.get(column)
            stale = look == "u" and fault_ns is not None and (good_ns is None or good_ns < fault_ns)
            columns[column] = "-" if stale else look
        if self._power:
            known = set(self._power.values()) - {"-"}
            columns["P"] = "d" if "d" in known else "u" if known else "-"
        if any(s.column == "L" for s in self._senses.values()):
            columns["L"] = self._lines_column(list(lines))
        if columns == self._columns:
            return None
        self._columns = columns
        return columns

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
        heard = [s.heard and s.state == "up" for s in self._senses.values() if s.column == "L"]
        return "u" if heard and all(heard) else "-"

    def status(self) -> list[dict[str, Any]]:
        """One object a sense, for ``status --json``."""
        return [
            {"source": s.source, "sense": s.sense, "state": s.state, "since_ns": s.since_ns, "detail": s.detail}
            for s in self._senses.values()
        ]


def _line_column(line: Line) -> str:
    """Which column a serial line feeds by itself; what the calls on it say comes by ``Senses.calls``."""
    if isinstance(line, ModbusLine | ContactsLine):
        return "L" if any(contact.meaning == "loop-current" for contact in line.contacts) else ""
    return "" if isinstance(line, AliLine | SmdrLine) else "L"


def _fresh(sense: Sense, fault_ns: int | None) -> State:
    """How a sense looks for the verdict: an ``up`` from before a fault that stands elsewhere says nothing of it.

    A far end asked once a minute would else speak for calls that a dead firewall stopped seconds ago.
    """
    if sense.state == "up" and fault_ns is not None and (sense.good_ns is None or sense.good_ns < fault_ns):
        return "unknown"
    return sense.state


def _together(states: list[State]) -> str:
    known = [state for state in states if state != "unknown"]
    if not known:
        return "-"
    if all(state == "down" for state in known):
        return "d"
    return "u" if all(state == "up" for state in known) else "g"
