"""Everything one serial line says, as conditions for the alarm book: trunks, contacts, the port, the link, the session.

What the calls on it say is judged elsewhere (``agent/calls``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from agent.alarms.trunks import Condition, LineJudge
from agent.readings import Reading
from agent.site.line import Contact, ContactsLine, Line, ModbusLine

POINT_OF_MEANING: dict[str, str] = {
    "cpe-major": "cpe-alarm",
    "cpe-minor": "cpe-warning",
    "make-busy": "diverted",
    "on-battery": "power-on-battery",
    "generator": "generator-running",
    "link-power": "link-quiet",
}
"""A contact's meaning to its point. Loop current goes to its trunk, the no-voice button to ``agent.calls.button``."""

WORDS: dict[str, str] = {
    "cpe-major": "the call-taking equipment reports a major alarm",
    "cpe-minor": "the call-taking equipment reports a minor alarm",
    "make-busy": "the lines are made busy: calls go to another centre",
    "on-battery": "the power is out, the batteries carry the room",
    "generator": "the generator runs",
    "link-power": "the data link's equipment has no power",
}
TRUNK_KINDS = frozenset({"alarm", "clear", "event"})


@dataclass(slots=True)
class LineAlarms:
    """One line's readings to conditions. ``judge`` holds its trunks."""

    line: Line
    judge: LineJudge
    told_full: bool = False

    @classmethod
    def of(cls, line: Line) -> LineAlarms:
        """For a line of the site file."""
        return cls(line, LineJudge(line.id, line.trunks))

    def conditions(self, reading: Reading) -> Iterator[Condition]:
        """What a reading of this line changes."""
        if reading.kind == "event" and reading.subject == "session":
            yield self._session(reading)
        elif reading.kind in TRUNK_KINDS:
            yield from self.judge.judge(reading)
        elif reading.kind == "data" and reading.subject == "standing":
            yield from self.judge.listed(reading)
        elif reading.kind == "contact":
            yield from self._contact(reading)
        elif reading.kind in ("port-up", "port-down"):
            yield from self._port(reading)
        elif reading.kind == "heartbeat":
            yield self._own(
                "link-quiet",
                "link",
                reading.state == "down",
                "nothing has been heard for longer than its heartbeat allows",
                declared=True,
            )

    def _own(
        self, type_name: str, qualifier: str, holds: bool, what: str, *, declared: bool = False, resource: str = ""
    ) -> Condition:
        text = f"{self.line.id}: {what}." if holds else ""
        return Condition(resource or self.line.id, type_name, qualifier, holds, text, {}, declared, place="own")

    def _session(self, reading: Reading) -> Condition:
        why = reading.detail.get("reason") or "no reason given"
        return self._own("sense-failed", "session", reading.state == "down", f"its session is refused ({why})")

    def _port(self, reading: Reading) -> Iterator[Condition]:
        lent = reading.subject == "released"
        minutes = reading.detail.get("minutes")
        until = f" for {minutes:g} minutes" if isinstance(minutes, int | float) else ""
        yield self._own("port-lent", "port", lent, f"its port is lent to a technician{until}; this box is deaf there")
        why = reading.detail.get("reason") or "no reason given"
        yield self._own(
            "port-lost", "port", reading.kind == "port-down" and not lent, f"the serial port is gone ({why})"
        )

    def _contact(self, reading: Reading) -> Iterator[Condition]:
        contact = self._named(reading.subject)
        if contact is None:
            return
        unknown = reading.state in ("unknown", None)
        yield self._own("sense-failed", contact.name, unknown, f"contact {contact.name} can't be read")
        if unknown:
            return
        active = bool(reading.detail.get("active"))
        if contact.meaning == "loop-current" and contact.trunk is not None:
            yield from self._loop_current(contact, reading, lost=active)
        elif contact.meaning in POINT_OF_MEANING:
            yield self._own(
                POINT_OF_MEANING[contact.meaning], contact.name, active, f"{WORDS[contact.meaning]} ({contact.name})"
            )

    def _loop_current(self, contact: Contact, reading: Reading, *, lost: bool) -> Iterator[Condition]:
        """No loop current: this CAMA trunk carries no calls. It goes the way of the trunk's other alarms."""
        kind: Literal["alarm", "clear"] = "alarm" if lost else "clear"
        detail = {
            "aid": contact.trunk,
            "condtype": "LOOP-CURRENT",
            "ntfcncde": "MJ" if lost else "CL",
            "srveff": "SA",
            "conddescr": "no loop current",
        }
        trunk = contact.trunk or ""
        yield from self.judge.judge(Reading(reading.source, reading.sense, kind, trunk, None, reading.at_ns, detail))

    def _named(self, name: str) -> Contact | None:
        if not isinstance(self.line, ModbusLine | ContactsLine):
            return None
        return next((one for one in self.line.contacts if one.name == name), None)
