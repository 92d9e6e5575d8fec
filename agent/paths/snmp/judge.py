"""What a device's own report says, sample after sample. Pure: values and the time in, an Outcome out.

That it answers is ``up``; ``degraded`` says that it reports a change: sessions or forwarded octets collapsed against
their own course (``course``), its session table or its CPU is full, or a state that its profile calls bad. What it does
not have is absent and no failure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from agent.paths.outcome import FINDINGS_MAX, Finding, Outcome
from agent.paths.snmp import meant
from agent.paths.snmp.ber import Oid, Value
from agent.paths.snmp.counters import RESTARTED_S, Age, Rate, Uptimes, delta
from agent.paths.snmp.course import Course
from agent.paths.snmp.profile import Entry, Meaning, Profile
from agent.paths.snmp.rows import Row, Sheet, sheet_of
from agent.readings import Plain, State

NS = 1_000_000_000
FULL_PERCENT = 95.0
FULL_IN_ROW = 3
LOOPBACK_TYPE = 24  # softwareLoopback, IANAifType-MIB
SESSIONS_FLOOR = 50.0
OCTETS_FLOOR = 5000.0
OCTETS_HALVES = 4  # octets come in long bursts: two hours must be known
KEPT_MAX = 512
OCTETS: tuple[Meaning, ...] = ("if-in-octets", "if-out-octets")
GONE_AFTER = 30
REASON_PARTS = 4


@dataclass(slots=True)
class Judge:
    """One device, one judge; what it keeps is bounded by the rows of the profiles' tables."""

    profiles: Sequence[Profile]
    interfaces: Sequence[str] = ()
    _at_ns: int | None = None
    _uptimes: Uptimes = field(default_factory=Uptimes)
    _sessions: Course = field(default_factory=lambda: Course(SESSIONS_FLOOR))
    _octets: Course = field(default_factory=lambda: Course(OCTETS_FLOOR, OCTETS_HALVES))
    _rate: Rate = field(default_factory=Rate)
    _counters: dict[tuple[Oid, str], Value] = field(default_factory=dict)
    _discontinuity: dict[Oid, int] = field(default_factory=dict)
    _states: dict[tuple[str, str], str] = field(default_factory=dict)
    _raised: dict[tuple[str, str], int] = field(default_factory=dict)
    _seen: set[str] = field(default_factory=set)
    _still_s: float = 0.0
    _busy: int = 0
    _members: int = 0
    _turn: int = 0

    def judge(self, values: Mapping[Oid, Value], now_ns: int, *, whole: bool = True) -> Outcome:
        """One sample of a device that answered. One older than the last is judged by its states alone.

        ``whole``: no table was cut short; else what is missing says nothing, and no sum is taken.
        """
        late = self._at_ns is not None and now_ns <= self._at_ns
        elapsed_s = 0.0 if self._at_ns is None or late else (now_ns - self._at_ns) / NS
        sheet = sheet_of(self.profiles, values)
        detail: dict[str, Plain] = {}
        reasons: list[str] = []
        findings = self._age(Age(None) if late else self._uptimes.hear(values, now_ns), detail)
        if not late:
            self._at_ns = now_ns
            self._full(sheet, reasons, detail)
            self._session_course(sheet, now_ns if whole else None, reasons, detail)
            self._traffic(sheet, elapsed_s, now_ns if whole else None, reasons, detail)
        findings += self._states_of(sheet, whole, reasons, detail)
        self._shown(sheet, detail)
        state: State = "degraded" if reasons else "up"
        return Outcome(
            state, "; ".join(reasons[:REASON_PARTS]), detail, self._told(findings, whole and any(sheet.tables))
        )

    def _age(self, age: Age, detail: dict[str, Plain]) -> list[Finding]:
        if age.up_s is None:
            return []
        detail["uptime_s"] = int(age.up_s)
        if age.restarted:
            self._forget()
        if age.agent_alone:
            self._forget()
            return [Finding("device-restarted", "agent", False, "its SNMP agent was restarted", {}, event=True)]
        young = age.up_s < RESTARTED_S
        text = f"it was started {int(age.up_s)} s ago" if young else ""
        return [Finding("device-restarted", "", young, text, {"uptime_s": int(age.up_s)})]

    def _forget(self) -> None:
        """What was counted before a restart is no base for what is counted after it."""
        self._counters.clear()
        self._discontinuity.clear()
        self._rate.clear()
        self._sessions.forget()
        self._octets.forget()
        self._busy = 0

    def _full(self, sheet: Sheet, reasons: list[str], detail: dict[str, Plain]) -> None:
        cpu = _percent(sheet.cells("cpu-percent"))
        limits = [entry.at for entry, _ in sheet.cells("cpu-percent") if entry.at is not None]
        if cpu is not None:
            detail["cpu_percent"] = round(cpu, 1)
            self._busy = self._busy + 1 if cpu >= (limits[0] if limits else FULL_PERCENT) else 0
            if self._busy >= FULL_IN_ROW:
                reasons.append(f"its CPU is {cpu:.0f} % busy")
        memory = _percent(sheet.cells("memory-percent"))
        limits = [entry.at for entry, _ in sheet.cells("memory-percent") if entry.at is not None]
        if memory is not None:
            detail["memory_percent"] = round(memory, 1)
            if limits and memory >= limits[0]:
                reasons.append(f"its memory is {memory:.0f} % full")
        sessions, most = _sum(sheet.cells("sessions")), _sum(sheet.cells("sessions-max"))
        used = _percent(sheet.cells("sessions-percent"))
        if sessions is not None and most:
            used = max(used or 0.0, 100.0 * sessions / most)
        if used is not None:
            detail["sessions_percent"] = round(used, 1)
            if used >= FULL_PERCENT:
                reasons.append(f"its session table is {min(used, 100.0):.0f} % full")

    def _session_course(self, sheet: Sheet, now_ns: int | None, reasons: list[str], detail: dict[str, Plain]) -> None:
        sessions = _sum(sheet.cells("sessions"))
        if sessions is None:
            return
        detail["sessions"] = int(sessions)
        if now_ns is not None and self._sessions.feed(sessions, now_ns) == "collapsed":
            reasons.append(f"its sessions fell from {self._sessions.was:.0f} to {sessions:.0f}")

    def _traffic(
        self, sheet: Sheet, elapsed_s: float, now_ns: int | None, reasons: list[str], detail: dict[str, Plain]
    ) -> None:
        rows = [row for row in sheet.rows() if row.get("if-in-octets") is not None]
        moved = {row.index: self._row_moved(row, elapsed_s) for row in rows}
        self._errors(sheet, elapsed_s, detail)
        seen = {row.index: found for row in rows if (found := moved[row.index]) is not None}
        if not seen or elapsed_s <= 0:
            return
        # Our own question and its answer move a counter somewhere; where none moves, they are dead and show nothing.
        self._still_s = 0.0 if any(seen.values()) else self._still_s + elapsed_s
        if self._still_s > 2 * self._rate.window_s:
            detail["counters"] = "stand still"
            self._rate.clear()
            return
        wanted = {name.lower() for name in self.interfaces}
        counted = [row for row in rows if row.index in seen and row.subject.lower() in wanted]
        counted = counted or [row for row in rows if row.index in seen and row.number("if-type") != LOOPBACK_TYPE]
        rate = self._rate.add(float(sum(seen[row.index] for row in counted)), elapsed_s)
        if rate is None or self._still_s or now_ns is None:
            return
        detail["octets_per_s"] = int(rate)
        if self._octets.feed(rate, now_ns) == "collapsed":
            reasons.append(f"what it forwards fell from {_bits(self._octets.was)} to {_bits(rate)}")

    def _row_moved(self, row: Row, elapsed_s: float) -> int | None:
        """The octets in and out since the last sample; None where its counters began anew or are new to us."""
        broken = row.number("if-discontinuity")
        same = self._discontinuity.get(row.index) == broken or row.index not in self._discontinuity
        if broken is not None and len(self._discontinuity) < KEPT_MAX:
            self._discontinuity[row.index] = broken
        speed = row.number("if-speed")
        fastest = speed * 125_000 * 1.1 * 2 if speed else 50_000_000_000.0
        total, known = 0, same
        for meaning in OCTETS:
            new = row.get(meaning)
            if new is None:
                continue
            moved = self._moved((row.index, meaning), new, elapsed_s, fastest)
            known = known and moved is not None
            total += moved or 0
        return total if known else None

    def _moved(self, key: tuple[Oid, str], new: Value, elapsed_s: float, fastest: float) -> int | None:
        old = self._counters.get(key)
        if old is not None or len(self._counters) < 8 * KEPT_MAX:
            self._counters[key] = new
        return delta(old, new, elapsed_s, fastest) if old is not None else None

    def _errors(self, sheet: Sheet, elapsed_s: float, detail: dict[str, Plain]) -> None:
        total = 0
        for row in sheet.rows():
            for entry, value in row.cells:
                if entry.meaning in ("if-in-errors", "if-out-errors", "if-in-discards"):
                    total += self._moved((row.index, entry.name), value, elapsed_s, 1e8) or 0
        if total:
            detail["interface_errors"] = total

    def _states_of(self, sheet: Sheet, whole: bool, reasons: list[str], detail: dict[str, Plain]) -> list[Finding]:
        found = [*meant.interfaces(sheet.having("if-oper"), self.interfaces, self._seen, whole=whole)]
        found += meant.ds1(sheet.having("ds1-line-status"))
        if whole:
            lost, self._members = meant.ha(sheet, self._members)
            found += [lost] if lost is not None else []
        for entry, value, row in _judged(sheet):
            finding, why = meant.found(entry, value, row, sheet)
            found += [finding] if finding is not None else []
            reasons += [why] if why else []
            found += self._changes(entry, value, row)
        if self.interfaces:
            missing = [name for name in self.interfaces if name not in self._seen]
            if missing and sheet.having("if-oper"):
                detail["no_such_interface"] = ", ".join(missing)[:200]
        return found

    def _changes(self, entry: Entry, value: Value, row: Row | None) -> list[Finding]:
        if not entry.changes:
            return []
        subject = row.subject if row is not None else entry.subject or entry.name
        key, now = (entry.name, subject), meant.key_of(value)
        before = self._states.get(key)
        if before is not None or len(self._states) < KEPT_MAX:
            self._states[key] = now
        if before is None or before == now:
            return []
        was = entry.good.get(before) or entry.bad.get(before) or entry.told.get(before) or before
        text = f"{subject}: {entry.name.replace('-', ' ')} was {was}, is {meant.words_of(entry, value)}"
        return [Finding(entry.point or "ha-degraded", subject, False, text, {entry.name: value.text}, event=True)]

    def _shown(self, sheet: Sheet, detail: dict[str, Plain]) -> None:
        for entry, value in sheet.scalars:
            if entry.meaning in ("enum", "ha-mode"):
                detail[entry.name] = meant.words_of(entry, value)
            elif entry.meaning in ("number", "text"):
                detail[entry.name] = value.text if value.number is None else value.number * entry.scale
        for row in sheet.rows():
            for entry, value in row.cells:
                if entry.meaning == "number" and value.number is not None:
                    before = detail.get(entry.name)
                    most = before if isinstance(before, int | float) else float("-inf")
                    detail[entry.name] = max(most, value.number * entry.scale)
        shares = [
            100.0 * used / size
            for row in sheet.having("storage-used")
            if (size := row.number("storage-size") or 0) > 0 and (used := row.number("storage-used")) is not None
        ]
        if shares:
            detail["storage_percent"] = round(max(shares), 1)
        links = sheet.having("if-oper")
        if links:
            detail["interfaces"] = len(links)
            down = [
                r.subject for r in links if r.number("if-oper") != meant.IF_UP and r.number("if-admin") == meant.IF_UP
            ]
            if down:
                detail["interfaces_down"] = ", ".join(down)[:200]
        if sheet.absent:
            detail["absent"] = ", ".join(sheet.absent)[:200]

    def _told(self, findings: Sequence[Finding], listed: bool) -> tuple[Finding, ...]:
        """At most what one run may tell: events and what holds first, then the rest in turns.

        What was raised and is no longer listed, while the tables are read (``listed``), is cleared in the end.
        """
        named = {(finding.point, finding.subject) for finding in findings}
        for key in [key for key in self._raised if key in named]:
            self._raised[key] = 0
        gone = []
        for key in [key for key in self._raised if key not in named and listed]:
            self._raised[key] += 1
            if self._raised[key] >= GONE_AFTER:
                gone.append(Finding(*key, False, "no longer listed"))
                del self._raised[key]
        for finding in findings:
            key = (finding.point, finding.subject)
            if finding.holds and len(self._raised) < KEPT_MAX:
                self._raised.setdefault(key, 0)
            elif not finding.holds and not finding.event:
                self._raised.pop(key, None)
        first = [f for f in findings if f.holds or f.event] + gone
        rest = [f for f in findings if not f.holds and not f.event]
        room = FINDINGS_MAX - len(first)
        if len(rest) > room > 0:
            at = self._turn % len(rest)
            self._turn = at + room
            rest = (rest + rest)[at : at + room]
        return tuple((first + rest)[:FINDINGS_MAX])


def _judged(sheet: Sheet) -> list[tuple[Entry, Value, Row | None]]:
    found: list[tuple[Entry, Value, Row | None]] = [(e, v, None) for e, v in sheet.scalars if _has_meaning(e)]
    return found + [(e, v, row) for row in sheet.rows() for e, v in row.cells if _has_meaning(e)]


def _has_meaning(entry: Entry) -> bool:
    return entry.meaning in ("enum", "number", "text") and bool(entry.good or entry.bad or entry.changes or entry.at)


def _percent(cells: Iterable[tuple[Entry, Value]]) -> float | None:
    found = [(e, v.number * e.scale) for e, v in cells if v.number is not None and 0 <= v.number * e.scale <= 1000]
    if not found:
        return None
    numbers = [number for _, number in found]
    mean = found[0][0].combine == "mean"
    return float(sum(numbers) / len(numbers) if mean else max(numbers))


def _sum(cells: Iterable[tuple[Entry, Value]]) -> float | None:
    numbers = [v.number * e.scale for e, v in cells if v.number is not None and v.number >= 0]
    return float(sum(numbers)) if numbers else None


def _bits(octets_per_s: float) -> str:
    kilobits = octets_per_s * 8 / 1000
    return f"{kilobits / 1000:.3g} Mbit/s" if kilobits >= 1000 else f"{kilobits:.3g} kbit/s"
