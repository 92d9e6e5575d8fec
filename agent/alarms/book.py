"""The alarm book: the life of every point, from a condition seen to a lamp dark again.

A condition is what a judge holds true now; it becomes an alarm when it has stood for the point's ``set_s``
(``clear_s`` to go), unless the equipment itself declared it. The rest is ISA-18.1's table. Time is an
argument; nothing here asks for it. Bounded: ``MAX_ALARMS`` alarms, what does not fit is counted and told.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from agent.alarms import sequence as isa
from agent.alarms.groups import CHATTER_NS, CHATTER_RAISES, FirstOut, Flood
from agent.alarms.points import POINTS, PointType, point_id
from agent.alarms.quiet import Quiet
from agent.payloads import AlarmState

NS = 1_000_000_000
MAX_ALARMS = 512
RESERVED = {"stranger": 256, "trunk": 32, "own": 0}
"""Places kept free from each class: what the site file does not name must not crowd out what it does, nor either us."""

Change = Literal[
    "raised", "returned", "cleared", "acknowledged", "reset", "silenced", "forgotten", "updated", "noted", "realarmed"
]


@dataclass(slots=True)
class Alarm:
    """One point's life. ``active`` is the qualified condition, ``due_ns`` when a changed one qualifies.

    ``first``: of its group; ``joins``: raised in a flood, so that it does not start the horn's turn anew.
    """

    id: str
    resource: str
    point: PointType
    qualifier: str
    raised_ns: int
    state: isa.State = "normal"
    active: bool = False
    condition: bool = False
    due_ns: int | None = None
    cleared_ns: int | None = None
    horn_from_ns: int | None = None
    silenced: bool = False
    acknowledged_by: str | None = None
    noted_by: str | None = None
    acknowledged_where: Literal["room", "afar"] | None = None
    times_raised: int = 0
    hold_ns: int = 0
    shadow: bool = False
    first: bool = False
    chatters: bool = False
    joins: bool = False
    raises_ns: tuple[int, ...] = ()
    text: str = ""
    evidence: dict[str, Any] = field(default_factory=dict)

    def look(self, change: Change) -> AlarmState:
        """This alarm as the journal and the NOC are told of it."""
        return AlarmState(
            id=self.id,
            resource=self.resource,
            type=self.point.name,
            qualifier=self.qualifier,
            severity=self.point.severity,
            lamp=self.point.lamp,
            state=self.state,
            active=self.active,
            change=change,
            raised_ns=self.raised_ns,
            cleared_ns=self.cleared_ns,
            times_raised=self.times_raised,
            acknowledged_by=self.acknowledged_by,
            noted_by=self.noted_by,
            acknowledged_where=self.acknowledged_where,
            silenced=self.silenced,
            shadow=self.shadow,
            first_out=self.first,
            chatters=self.chatters,
            text=self.text,
            evidence=dict(self.evidence),
        )


class AlarmBook:
    """All alarms of a site. Every call that changes one leaves an ``AlarmState`` in ``take_changes()``.

    ``realarm_s``: what is acknowledged or silenced sounds again when it has stood for so long more; 0 for never.
    """

    def __init__(
        self, sequence: Literal["A", "M", "R"], *, first_out: FirstOut | None = None, realarm_s: float = 86_400.0
    ) -> None:
        self._sequence: isa.Sequence = sequence
        self._alarms: dict[str, Alarm] = {}
        self._due: set[str] = set()
        self._changes: list[AlarmState] = []
        self._first_out = first_out or FirstOut(False, {})
        self._flood = Flood()
        self._realarm_ns = int(realarm_s * NS)
        self._quieted: set[str] = set()
        self._again: dict[str, int] = {}
        self.quiet = Quiet()
        self.refused = 0
        self._version = 0

    @property
    def version(self) -> int:
        """Rises with every change that a lamp or the horn could show."""
        return self._version + self.quiet.version

    def __iter__(self) -> Iterator[Alarm]:
        return iter(self._alarms.values())

    def look(self, alarm: Alarm, change: Change = "updated") -> AlarmState:
        """This alarm as it is told of now: in which mode, and whether it is shelved."""
        shelved = self.quiet.shelved(alarm.id, alarm.resource)
        return msgspec.structs.replace(alarm.look(change), shelved=shelved, mode=self.quiet.mode)

    def _look(self, alarm: Alarm, change: Change) -> AlarmState:
        """The same, of an alarm that has changed."""
        self._version += 1
        return self.look(alarm, change)

    def get(self, alarm_id: str) -> Alarm | None:
        """The alarm of that id, if it ever stood."""
        return self._alarms.get(alarm_id)

    def sequence_of(self, alarm: Alarm) -> isa.Sequence:
        """Minors have the plain sequence, the others the site's."""
        return "minor" if alarm.point.severity == "minor" else self._sequence

    def standing(self) -> list[Alarm]:
        """Alarms that are not back to normal, worst and newest first."""
        rank = {"critical": 0, "major": 1, "minor": 2}
        shown = [alarm for alarm in self._alarms.values() if alarm.state != "normal"]
        return sorted(shown, key=lambda alarm: (rank[alarm.point.severity], -alarm.raised_ns))

    def take_changes(self) -> list[AlarmState]:
        """What changed since the last call, in order."""
        changes, self._changes = self._changes, []
        return changes

    def condition(
        self,
        resource: str,
        type_name: str,
        qualifier: str,
        holds: bool,
        now_ns: int,
        *,
        text: str = "",
        evidence: Mapping[str, Any] | None = None,
        declared: bool = False,
        hold_s: float = 0.0,
        place: Literal["stranger", "trunk", "own"] = "own",
        shadow: bool = False,
    ) -> None:
        """A judge's word on a point. ``declared``: its sender has qualified it; ``hold_s`` holds the horn back;
        ``shadow``: it lights and is reported, but does not sound."""
        point = POINTS[type_name]
        alarm = self._alarms.get(point_id(resource, type_name, qualifier))
        if alarm is None:
            if not holds:
                return
            alarm = self._admit(resource, point, qualifier, now_ns, MAX_ALARMS - RESERVED[place])
            if alarm is None:
                return
        if holds:
            alarm.hold_ns = int(hold_s * NS)
            self._version += alarm.shadow != shadow
            alarm.shadow = shadow
            if text and text != alarm.text:
                alarm.text = text
                if alarm.active and point.severity == "critical":  # a new sentence; the others' texts only vary
                    self._changes.append(self._look(alarm, "updated"))
            if evidence is not None:
                alarm.evidence = dict(evidence)
        if alarm.condition != holds or (declared and alarm.active != holds and not alarm.chatters):
            alarm.condition = holds
            self._version += 1
            self._hold(alarm, now_ns)
            wait_ns = 0 if declared else int((point.set_s if holds else point.clear_s) * NS)
            if alarm.chatters and not holds:  # one alarm that stands, not one that comes and goes
                wait_ns = max(wait_ns, CHATTER_NS)
            alarm.due_ns = now_ns + wait_ns
            self._settle(alarm, now_ns)

    def _admit(self, resource: str, point: PointType, qualifier: str, now_ns: int, limit: int) -> Alarm | None:
        if len(self._alarms) >= limit:
            gone = next((a.id for a in self._alarms.values() if a.state == "normal" and not a.condition), None)
            if gone is None:
                self.refused += 1
                return None
            del self._alarms[gone]
        alarm = Alarm(point_id(resource, point.name, qualifier), resource, point, qualifier, now_ns)
        self._alarms[alarm.id] = alarm
        return alarm

    def _hold(self, alarm: Alarm, now_ns: int) -> None:
        """A voice that is still held back is dropped as the condition goes, and held anew if it comes back."""
        if not alarm.condition and alarm.horn_from_ns is not None and now_ns < alarm.horn_from_ns:
            alarm.horn_from_ns = None
        elif alarm.condition and alarm.active and alarm.horn_from_ns is None:
            alarm.horn_from_ns = now_ns + int(alarm.point.horn_after_s * NS) + alarm.hold_ns

    def _settle(self, alarm: Alarm, now_ns: int) -> None:
        """Take the condition over into the alarm if it has stood long enough."""
        self._version += 1
        if alarm.condition == alarm.active:
            alarm.due_ns = None
        elif alarm.due_ns is not None and now_ns >= alarm.due_ns:
            alarm.due_ns = None
            if alarm.condition:
                self._raise(alarm, now_ns)
            else:
                self._return(alarm, now_ns)
        (self._due.add if alarm.due_ns is not None else self._due.discard)(alarm.id)

    def _raise(self, alarm: Alarm, now_ns: int) -> None:
        alarm.active, alarm.raised_ns, alarm.cleared_ns = True, now_ns, None
        alarm.times_raised += 1
        alarm.silenced, alarm.acknowledged_by, alarm.noted_by = False, None, None
        alarm.acknowledged_where = None
        alarm.horn_from_ns = now_ns + int(alarm.point.horn_after_s * NS) + alarm.hold_ns
        alarm.raises_ns = (*(at for at in alarm.raises_ns if now_ns - at < CHATTER_NS), now_ns)[-CHATTER_RAISES:]
        alarm.chatters = len(alarm.raises_ns) >= CHATTER_RAISES
        if alarm.point.horn == "alarm":
            alarm.joins = self._flood.runs(now_ns) and alarm.point.severity != "critical"
            self._flood.raised(now_ns)
        self._step(alarm, "abnormal")
        alarm.first = self._first_out.comes_first(alarm, self._alarms.values())
        self._changes.append(self._look(alarm, "raised"))

    def _return(self, alarm: Alarm, now_ns: int) -> None:
        alarm.active, alarm.cleared_ns = False, now_ns
        if alarm.chatters:
            alarm.chatters, alarm.raises_ns = False, ()
        if self.quiet.covers(alarm.id, alarm.resource):
            alarm.silenced = True  # it came and went while it was meant: nothing is left to sound for
        self._step(alarm, "normal")
        self._changes.append(self._look(alarm, "cleared" if alarm.state == "normal" else "returned"))

    def _step(self, alarm: Alarm, event: isa.Event) -> bool:
        before = alarm.state
        alarm.state = isa.NEXT[self.sequence_of(alarm)][before][event]
        alarm.first = alarm.first and alarm.state != "normal"
        return alarm.state != before

    def tick(self, now_ns: int) -> None:
        """Let conditions qualify whose time has come."""
        for alarm_id in [i for i in self._due if (self._alarms[i].due_ns or 0) <= now_ns]:
            self._settle(self._alarms[alarm_id], now_ns)
        if self._realarm_ns and (self._quieted or self._again):
            self._sound_again(now_ns)

    def flood(self, now_ns: int) -> bool:
        """Whether so many alarms come that only a critical one starts the horn anew."""
        return self._flood.runs(now_ns)

    def _sound_again(self, now_ns: int) -> None:
        self._again |= dict.fromkeys(self._quieted, now_ns + self._realarm_ns)
        self._quieted.clear()
        for alarm_id in [i for i, due_ns in self._again.items() if due_ns <= now_ns]:
            del self._again[alarm_id]
            alarm = self._alarms.get(alarm_id)
            if alarm is None or not alarm.active or not (alarm.silenced or alarm.state == "acknowledged"):
                continue
            self._step(alarm, "realarm")
            alarm.silenced, alarm.joins = False, False
            alarm.horn_from_ns = now_ns
            self._changes.append(self._look(alarm, "realarmed"))

    def deadline(self, now_ns: int) -> int | None:
        """When the book next changes by time alone: a condition qualifies, or a held voice is due."""
        times = [due for i in self._due if (due := self._alarms[i].due_ns) is not None]
        times += [
            a.horn_from_ns for a in self._alarms.values() if a.horn_from_ns is not None and a.horn_from_ns > now_ns
        ]
        times += self._again.values()
        return min(times, default=None)

    def acknowledge(self, who: str, alarm_id: str | None = None, *, but_critical: bool = False) -> int:
        """Acknowledge one alarm, or all (from afar: but the critical ones); how many changed."""
        return self._person("ack", "acknowledged", alarm_id, who, but_critical)

    def note(self, who: str, alarm_id: str | None = None) -> int:
        """Somebody far away knows of these critical alarms; the panel goes on as before. How many were new to them."""
        count = 0
        for alarm in self._chosen(alarm_id):
            if alarm.point.severity == "critical" and alarm.active and alarm.noted_by is None:
                alarm.noted_by = who
                self._changes.append(self._look(alarm, "noted"))
                count += 1
        return count

    def reset(self, alarm_id: str | None = None) -> int:
        """Manual reset: what is acknowledged and back to normal goes dark, and an acknowledged first-out shows as the
        later ones do; how many changed."""
        return self._person("reset", "reset", alarm_id, None)

    def _person(
        self, event: isa.Event, change: Change, alarm_id: str | None, who: str | None, but_critical: bool = False
    ) -> int:
        count = 0
        for alarm in self._chosen(alarm_id):
            if but_critical and alarm.point.severity == "critical":
                continue
            first = alarm.first and event == "reset" and alarm.state in ("acknowledged", "returned")
            alarm.first = alarm.first and not first
            if self._step(alarm, event) or first:
                if who is not None:
                    alarm.acknowledged_by, alarm.acknowledged_where = who, "afar" if but_critical else "room"
                if event == "ack":
                    self._quieted.add(alarm.id)
                self._changes.append(self._look(alarm, change))
                count += 1
        return count

    def silence(self, alarm_id: str | None = None, *, but_critical: bool = False) -> int:
        """Silence what stands now without acknowledging it; a new alarm sounds again. How many fell silent."""
        count = 0
        for alarm in self._chosen(alarm_id):
            if but_critical and alarm.point.severity == "critical":
                continue
            if not alarm.silenced and self.voice_class(alarm) != "none":
                alarm.silenced = True
                self._quieted.add(alarm.id)
                self._changes.append(self._look(alarm, "silenced"))
                count += 1
        return count

    def forget(self, alarm_id: str, now_ns: int) -> bool:
        """A person (or a new site file) says this condition is gone: back to normal whatever was last heard."""
        alarm = self._alarms.get(alarm_id)
        if alarm is None or (alarm.state == "normal" and not alarm.condition):
            return False
        alarm.condition = alarm.active = False
        alarm.due_ns, alarm.horn_from_ns, alarm.cleared_ns = None, None, now_ns
        alarm.state = "normal"
        alarm.first = alarm.chatters = False
        alarm.raises_ns = ()
        self._due.discard(alarm_id)
        self._changes.append(self._look(alarm, "forgotten"))
        return True

    def _chosen(self, alarm_id: str | None) -> Sequence[Alarm]:
        if alarm_id is None:
            return list(self._alarms.values())
        alarm = self._alarms.get(alarm_id)
        return [] if alarm is None else [alarm]

    def voice_class(self, alarm: Alarm) -> isa.Sound | Literal["alarm", "trouble"]:
        """The voice this alarm is due by its sequence, whether or not it is held back or silenced."""
        if alarm.shadow or self.quiet.covers(alarm.id, alarm.resource):
            return "none"
        sound = isa.HORN[self.sequence_of(alarm)][alarm.state]
        return alarm.point.horn if sound == "own" else sound

    def restore(self, states: Iterable[AlarmState]) -> None:
        """Alarms that stood when the last run ended stand again: silence from the line is no proof of health."""
        for was in states:
            point = POINTS.get(was.type)
            if point is None or was.state == "normal" or len(self._alarms) >= MAX_ALARMS:
                continue
            self._alarms[was.id] = Alarm(
                id=was.id,
                resource=was.resource,
                point=point,
                qualifier=was.qualifier,
                raised_ns=was.raised_ns,
                state=was.state,
                active=was.active,
                condition=was.active,
                cleared_ns=was.cleared_ns,
                horn_from_ns=was.raised_ns + int(point.horn_after_s * NS),
                silenced=was.silenced,
                shadow=was.shadow,
                first=was.first_out,
                acknowledged_by=was.acknowledged_by,
                noted_by=was.noted_by,
                acknowledged_where=was.acknowledged_where,
                times_raised=was.times_raised,
                text=was.text,
                evidence=dict(was.evidence),
            )
            if was.silenced or was.state == "acknowledged":
                self._quieted.add(was.id)
