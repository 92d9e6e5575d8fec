"""What goes into the core: readings from the senses, requests from people, and the passing of time.

A reading is one frozen fact: which sense, about what, when, and how it looks. Missing data is a reading
too (``state="unknown"``), so that nothing absent ever reads as healthy. No caller's number or place may
stand in ``detail``; the senses drop them before a reading is made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

Plain = str | int | float | bool | None
"""What a detail's value may be: it must survive JSON unchanged."""

Kind = Literal[
    "alarm",
    "clear",
    "event",
    "call",
    "data",
    "heartbeat",
    "contact",
    "line-quality",
    "gap",
    "garbage",
    "port-up",
    "port-down",
    "probe-ok",
    "probe-fail",
    "probe-degraded",
    "counter",
    "host",
]
KINDS: frozenset[str] = frozenset(get_args(Kind))

State = Literal["up", "down", "degraded", "unknown"]
STATES: frozenset[str] = frozenset(get_args(State))


@dataclass(frozen=True, slots=True)
class Reading:
    """One thing a sense saw.

    ``source`` is the id of a line, path or uplink, or ``host``; ``sense`` its dialect or check kind;
    ``subject`` what it speaks of (a trunk's AID, an interface, a link; "" for the source itself);
    ``state`` how that looks now, None for a pure event; ``at_ns`` CLOCK_MONOTONIC nanoseconds;
    ``raw_ref`` the offset of the bytes in a capture, where there is one.
    """

    source: str
    sense: str
    kind: Kind
    subject: str
    state: State | None
    at_ns: int
    detail: Mapping[str, Plain] = field(default_factory=dict)
    raw_ref: int | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """What a person or another program asks of the core. ``who`` is journalled with it.

    ``do`` is one of the control socket's verbs; ``args`` its plain arguments; ``origin`` says where it
    came from (``socket``, ``button``, ``mqtt``), since a remote one may do less than one in the room.
    """

    id: str
    do: str
    args: Mapping[str, Plain]
    who: str
    origin: Literal["socket", "button", "mqtt"] = "socket"


@dataclass(frozen=True, slots=True)
class Wake:
    """Nothing came but time: the moment that ``Core.deadline()`` named is here."""


Input = Reading | Request | Wake
