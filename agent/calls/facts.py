"""What is known of calls, as the detectors are told it. Plain facts without a number, a name or a place.

A stream is a name for calls that share a fate: ``all``, a trunk group's id, or ``class:WRLS`` and the like.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from agent.readings import Plain


@dataclass(frozen=True, slots=True)
class Arrival:
    """A call nobody had told of before. ``call`` numbers it within this run."""

    call: int
    at_ns: int
    streams: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ended:
    """What became of a call, once, when it is known. ``talk_s`` None: not told; ``abandoned`` None: not told.

    ``caller_key``: the caller's keyed hash, None where no sense gave a number. ``data``: caller's data had arrived.
    """

    call: int
    at_ns: int
    streams: tuple[str, ...]
    data: bool
    answered: bool | None
    talk_s: float | None
    abandoned: bool | None
    caller_key: str | None


@dataclass(frozen=True, slots=True)
class CalledBack:
    """Within five minutes of a call without a talk, its number was rung from here."""

    call: int
    at_ns: int
    streams: tuple[str, ...]
    caller_key: str


@dataclass(frozen=True, slots=True)
class CallCondition:
    """One word for the alarm book. ``shadow``: light and report, but do not sound."""

    resource: str
    type: str
    qualifier: str
    holds: bool
    text: str = ""
    evidence: Mapping[str, Plain] = field(default_factory=dict)
    shadow: bool = False
