"""What several alarms are to each other: the first of a group to fail, and a flood of them. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Protocol

from agent.alarms.points import PointType, slug

NS = 1_000_000_000
FLOOD_ALARMS, FLOOD_NS = 10, 600 * NS
CHATTER_RAISES, CHATTER_NS = 3, 60 * NS
"""ISA-18.2's figures: more than ten alarms in ten minutes; three raises in a minute."""
WAY_OUT = frozenset({"firewall", "router", "far-end"})


class Alarm(Protocol):
    """What is asked of an alarm of the book."""

    resource: str
    point: PointType
    qualifier: str
    first: bool


class FirstOut:
    """ISA-18.1's F3: which alarm of a group came first. ``of_trunk``: the group of a trunk, by line and slugged AID."""

    def __init__(self, wanted: bool, of_trunk: Mapping[tuple[str, str], str]) -> None:
        self._wanted, self._of_trunk = wanted, of_trunk

    def group(self, alarm: Alarm) -> str | None:
        """A trunk's group, or the way out; None where the order of failing says nothing, or isn't wanted."""
        if not self._wanted or alarm.point.severity == "minor":
            return None
        if alarm.point.lamp in WAY_OUT:
            return "way-out"
        if alarm.point.lamp != "trunks":
            return None
        return self._of_trunk.get((alarm.resource, slug(alarm.qualifier)), alarm.resource)

    def comes_first(self, alarm: Alarm, others: Iterable[Alarm]) -> bool:
        """Whether nothing in its group is marked as first already."""
        mine = self.group(alarm)
        return mine is not None and not any(o.first and o is not alarm and self.group(o) == mine for o in others)


class Flood:
    """Counts the raises that sound."""

    def __init__(self) -> None:
        self._raised_ns: deque[int] = deque(maxlen=FLOOD_ALARMS + 1)

    def raised(self, now_ns: int) -> None:
        self._raised_ns.append(now_ns)

    def runs(self, now_ns: int) -> bool:
        """More than ``FLOOD_ALARMS`` in the last ``FLOOD_NS``."""
        return len(self._raised_ns) > FLOOD_ALARMS and now_ns - self._raised_ns[0] < FLOOD_NS
