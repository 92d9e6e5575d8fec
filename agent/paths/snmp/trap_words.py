"""What a notification means by the profiles: raised, cleared, or only happened, and of what. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from agent.paths.outcome import Finding
from agent.paths.snmp import ber, meant
from agent.paths.snmp.ber import Oid, Value, VarBind
from agent.paths.snmp.message import SNMP_TRAP_OID, SYS_UP_TIME
from agent.paths.snmp.profile import Profile, Trap
from agent.readings import Plain

VARIABLES_SHOWN = 6
# dsx1LineStatus in a trap: its bits are judged as those of an answer are.
DS1_LINE_STATUS: Oid = (1, 3, 6, 1, 2, 1, 10, 18, 6, 1, 10)


class TrapWords:
    """The notifications of some profiles. ``interfaces``: those that the path's snmp checks watch.

    Where there are any, the others' links going up and down are only told. ``lines_asked``: an snmp check reads the
    T1s' status itself, by the names that a trap does not carry; then their traps are only told.
    """

    def __init__(
        self, profiles: Sequence[Profile], interfaces: Sequence[str] = (), *, lines_asked: bool = False
    ) -> None:
        self._lines_asked = lines_asked
        self._traps: dict[Oid, Trap] = {}
        for one in profiles:
            for trap in one.trap:
                self._traps.setdefault(trap.key, trap)
        self._interfaces = {name.lower() for name in interfaces}

    def of(self, oid: Oid, varbinds: Sequence[VarBind]) -> list[Finding] | None:
        """What a notification says; None where no profile knows it."""
        trap = self._traps.get(oid)
        if trap is None and len(oid) > 2 and oid[-2] == 0:  # the 0 of RFC 3584 where the profile has none
            trap = self._traps.get((*oid[:-2], oid[-1]))
        if trap is None and len(oid) > 1:
            trap = self._traps.get((*oid[:-1], 0, oid[-1]))
        if trap is None:
            return None
        subject = _subject(trap, varbinds)
        if trap.status is not None and trap.point is None:
            return self._ds1(trap, subject, varbinds)
        detail = _variables(varbinds)
        holds = _holds(trap, varbinds)
        silent = self._silent(trap, subject, varbinds)
        text = f"{subject}: {trap.words}{_said(trap, varbinds)}" if subject else trap.words
        if holds is None or silent or trap.point is None:
            return [Finding(trap.point or "", subject, False, text, detail, event=True)]
        return [Finding(trap.point, subject, holds, text, detail)]

    def _ds1(self, trap: Trap, subject: str, varbinds: Sequence[VarBind]) -> list[Finding]:
        status = _value(trap.status or "", varbinds)
        number = status.number if status is not None else None
        if number is None or not 0 < number <= meant.DS1_BITS:
            return [Finding("", subject, False, f"{subject}: {trap.words} unknown", _variables(varbinds), event=True)]
        if self._lines_asked:
            text = f"{subject}: {trap.words} {number}"
            return [Finding("", subject, False, text, {"line_status": number}, event=True)]
        found = []
        for point, bits, words in meant.DS1_POINTS:
            holds = bool(number & bits)
            found.append(
                Finding(point, subject, holds, f"{subject}: {words}" if holds else "", {"line_status": number})
            )
        failed = bool(number & meant.DS1_FAILED)
        text = f"{subject}: unavailable" if failed else ""
        return [*found, Finding("line-errors", subject, failed, text, {"line_status": number})]

    def _silent(self, trap: Trap, subject: str, varbinds: Sequence[VarBind]) -> bool:
        if trap.point == "interface-down" and self._interfaces and subject.lower() not in self._interfaces:
            return True
        value = _value(trap.unless, varbinds) if trap.unless is not None else None
        return value is not None and meant.key_of(value) in trap.unless_values


def _holds(trap: Trap, varbinds: Sequence[VarBind]) -> bool | None:
    if trap.does in ("raise", "clear"):
        return trap.does == "raise"
    value = _value(trap.status, varbinds) if trap.status is not None else None
    if value is None:
        return None
    key = meant.key_of(value)
    return True if key in trap.bad else False if key in trap.good else None


def _said(trap: Trap, varbinds: Sequence[VarBind]) -> str:
    value = _value(trap.status, varbinds) if trap.status is not None else None
    if value is None:
        return ""
    key = meant.key_of(value)
    return f", {trap.good.get(key) or trap.bad.get(key) or key}"


def _subject(trap: Trap, varbinds: Sequence[VarBind]) -> str:
    for text in trap.subject:
        column = ber.parse_oid(text)
        for oid, value in varbinds:
            if oid[: len(column)] != column or value.kind == "absent":
                continue
            if isinstance(value.data, bytes) and value.text and any(value.data):
                return f"{trap.row} {value.text}".strip()[:64] if value.kind == "ip" else value.text
            index = oid[len(column) :]
            if trap.row == "if" and value.number is not None:
                return f"if-{value.number}"
            if len(index) >= 4 and trap.row == "peer":
                return f"peer {ber.dotted(index[-4:])}"
            if index and index != (0,):
                return f"{trap.row}-{ber.dotted(index)}"[:64].strip("-")
    return trap.fixed


def _value(column_text: str, varbinds: Sequence[VarBind]) -> Value | None:
    column = ber.parse_oid(column_text)
    for oid, value in varbinds:
        if oid[: len(column)] == column and value.kind != "absent":
            return value
    return None


def _variables(varbinds: Sequence[VarBind]) -> dict[str, Plain]:
    """The numbers that it carried. Its texts may name people: they are left out, but for what is the subject."""
    shown: dict[str, Plain] = {}
    for oid, value in varbinds:
        if oid in (SYS_UP_TIME, SNMP_TRAP_OID) or value.number is None:
            continue
        if len(shown) < VARIABLES_SHOWN:
            shown[ber.dotted(oid)[:64]] = value.number
    return shown
