"""What contacts mean: which position says so, debouncing, pulses, and the ``contact`` readings. Pure.

A closed wire is the healthy one wherever the equipment lets us choose, so that a cut wire is an alarm; buttons and
switches that a person works close when they are worked. Every meaning names what is off normal, so ``active`` reads
down. What a meaning is as an alarm stands in ``agent/alarms/lines.py``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from agent.readings import Plain, Reading, State
from agent.site.line import Contact

NS = 1_000_000_000
UNSTEADY_NS = 10 * NS
"""A contact that has not been steady for so long can't be read; and how often the edges of one are told at most."""
COUNTER = 1 << 32

ACTIVE: dict[str, Literal["open", "closed"]] = {
    "cpe-major": "open",
    "cpe-minor": "open",
    "loop-current": "open",
    "make-busy": "closed",
    "no-voice": "closed",
    "on-battery": "open",
    "generator": "open",
    "link-power": "open",
}
"""Which position means it, where the site file does not say."""
MOMENTARY = frozenset({"no-voice"})
"""A press too short to be sampled counts. Elsewhere it does not: loop current breaks for every dialled digit."""


@dataclass(slots=True)
class _Point:
    """One contact. ``told`` is the level last told, None while unknown."""

    contact: Contact
    closed: bool | None = None
    since_ns: int = 0  # when the level or an edge was last seen to move
    moving_ns: int | None = None  # since when it has not been steady
    told: bool | None = None
    blind: str | None = None
    counted: int | None = None
    edges: int = 0
    edges_told_ns: int | None = None

    @property
    def debounce_ns(self) -> int:
        return int(self.contact.debounce_s * NS)

    def active(self, closed: bool) -> bool:
        return ((self.contact.active or ACTIVE[self.contact.meaning]) == "closed") == closed

    def count(self, counter: int | None) -> int:
        """Edges since the last look by the driver's counter, which wraps at 32 bits and starts anew with the port."""
        before, self.counted = self.counted, counter
        if counter is None or before is None:
            return 0
        more = (counter - before) % COUNTER
        return more if more < COUNTER // 2 else 0


@dataclass(slots=True)
class ContactPoints:
    """All contacts of one line. ``see`` takes levels, ``blind`` says that none can be had."""

    source: str
    sense: str
    contacts: Iterable[Contact]
    _points: list[_Point] = field(init=False)

    def __post_init__(self) -> None:
        self._points = [_Point(contact) for contact in self.contacts]

    def see(
        self,
        closed: Mapping[str, bool],
        now_ns: int,
        edges: Mapping[str, int] | None = None,
        raw_ref: int | None = None,
    ) -> list[Reading]:
        """The levels by contact name, and the driver's edge counters where it has any. A name missing is unknown."""
        out: list[Reading] = []
        for point in self._points:
            name = point.contact.name
            if name not in closed:
                out += self._blind(point, "not among what was read", now_ns)
                continue
            counter = None if edges is None else edges.get(name)
            out += self._see(point, closed[name], counter, now_ns, raw_ref)
        return out

    def blind(self, reason: str, now_ns: int) -> list[Reading]:
        """Nothing can be read: each contact is told unknown, once."""
        return [reading for point in self._points for reading in self._blind(point, reason, now_ns)]

    def due_ns(self) -> int | None:
        """When to look again to settle what is moving; None where all is steady."""
        return min((p.since_ns + p.debounce_ns for p in self._points if p.moving_ns is not None), default=None)

    def _see(self, point: _Point, closed: bool, counter: int | None, now_ns: int, raw_ref: int | None) -> list[Reading]:
        more = point.count(counter)
        changed = point.closed is not None and closed != point.closed
        point.closed = closed
        point.edges += max(more, changed)
        if point.told is None and point.moving_ns is None:  # the first look of all, or the first after blindness
            return [self._tell(point, point.active(closed), now_ns, raw_ref)]
        if changed or more:
            point.since_ns = now_ns
            if point.moving_ns is None:
                point.moving_ns = now_ns
        if point.moving_ns is None:
            return []
        if now_ns - point.since_ns >= point.debounce_ns:
            point.moving_ns = None
            return self._settled(point, now_ns, raw_ref, counted=counter is not None)
        if now_ns - point.moving_ns >= UNSTEADY_NS + point.debounce_ns:
            return self._blind(point, "never steady", now_ns, moving=True)
        return []

    def _settled(self, point: _Point, now_ns: int, raw_ref: int | None, *, counted: bool) -> list[Reading]:
        assert point.closed is not None
        active = point.active(point.closed)
        if active != point.told:
            return [self._tell(point, active, now_ns, raw_ref)]
        if not counted or not point.edges:
            return []
        if point.contact.meaning in MOMENTARY:  # while held, edges are its bouncing
            pressed = [] if active else [True, False]
            return [self._tell(point, press, now_ns, raw_ref) for press in pressed]
        if point.edges_told_ns is None or now_ns - point.edges_told_ns >= UNSTEADY_NS:
            point.edges_told_ns = now_ns
            return [self._tell(point, active, now_ns, raw_ref)]
        return []

    def _blind(self, point: _Point, reason: str, now_ns: int, *, moving: bool = False) -> list[Reading]:
        if not moving:
            point.closed = point.counted = point.moving_ns = None
        if point.blind is not None:
            return []
        point.blind, point.told = reason, None
        return [self._reading(point, "unknown", None, now_ns, None, reason)]

    def _tell(self, point: _Point, active: bool, now_ns: int, raw_ref: int | None) -> Reading:
        point.told, point.blind = active, None
        return self._reading(point, "down" if active else "up", active, now_ns, raw_ref)

    def _reading(
        self,
        point: _Point,
        state: State,
        active: bool | None,
        now_ns: int,
        raw_ref: int | None,
        reason: str | None = None,
    ) -> Reading:
        contact = point.contact
        detail: dict[str, Plain] = {
            "meaning": contact.meaning,
            "active": active,
            "edges": point.edges,
            "trunk": contact.trunk,
            "position": contact.position,
        }
        if reason is not None:
            detail["reason"] = reason
        point.edges = 0
        return Reading(self.source, self.sense, "contact", contact.name, state, now_ns, detail, raw_ref)
