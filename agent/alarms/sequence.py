"""ISA-18.1 annunciator sequences A, M and R as literal, complete tables; minors have a plain one.

Source: ANSI/ISA-18.1 as the makers' manuals print it (Dwyer AN24, RTK UC625). A: automatic reset, lock-in.
M: manual reset. R: ringback. A missing cell would be our bug, so the tables are whole, also for states that
a sequence cannot reach by itself: a site may change its sequence while alarms stand. ``realarm``: acknowledged long
ago, and still abnormal (OPC UA part 9's ReAlarm).
"""

from __future__ import annotations

from typing import Literal, get_args

from agent.panel import Pattern

State = Literal["normal", "unacknowledged", "returned-unacknowledged", "acknowledged", "returned"]
Event = Literal["abnormal", "normal", "ack", "reset", "realarm"]
Sequence = Literal["A", "M", "R", "minor"]

STATES: tuple[State, ...] = get_args(State)
EVENTS: tuple[Event, ...] = get_args(Event)

_Row = dict[Event, State]
_NORMAL: _Row = {
    "abnormal": "unacknowledged",
    "normal": "normal",
    "ack": "normal",
    "reset": "normal",
    "realarm": "normal",
}

# fmt: off
NEXT: dict[Sequence, dict[State, _Row]] = {
    "A": {
        "normal": _NORMAL,
        "unacknowledged":          {"abnormal": "unacknowledged", "normal": "returned-unacknowledged",
                                    "ack": "acknowledged",        "reset": "unacknowledged",
                                    "realarm": "unacknowledged"},
        "returned-unacknowledged": {"abnormal": "unacknowledged", "normal": "returned-unacknowledged",
                                    "ack": "normal",              "reset": "returned-unacknowledged",
                                    "realarm": "returned-unacknowledged"},
        "acknowledged":            {"abnormal": "acknowledged",   "normal": "normal",
                                    "ack": "acknowledged",        "reset": "acknowledged",
                                    "realarm": "unacknowledged"},
        "returned":                {"abnormal": "unacknowledged", "normal": "normal",
                                    "ack": "normal",              "reset": "normal",
                                    "realarm": "returned"},
    },
    "M": {
        "normal": _NORMAL,
        "unacknowledged":          {"abnormal": "unacknowledged", "normal": "returned-unacknowledged",
                                    "ack": "acknowledged",        "reset": "unacknowledged",
                                    "realarm": "unacknowledged"},
        "returned-unacknowledged": {"abnormal": "unacknowledged", "normal": "returned-unacknowledged",
                                    "ack": "returned",            "reset": "returned-unacknowledged",
                                    "realarm": "returned-unacknowledged"},
        "acknowledged":            {"abnormal": "acknowledged",   "normal": "returned",
                                    "ack": "acknowledged",        "reset": "acknowledged",
                                    "realarm": "unacknowledged"},
        "returned":                {"abnormal": "unacknowledged", "normal": "returned",
                                    "ack": "returned",            "reset": "normal",
                                    "realarm": "returned"},
    },
    "R": {
        "normal": _NORMAL,
        "unacknowledged":          {"abnormal": "unacknowledged", "normal": "returned-unacknowledged",
                                    "ack": "acknowledged",        "reset": "unacknowledged",
                                    "realarm": "unacknowledged"},
        "returned-unacknowledged": {"abnormal": "unacknowledged", "normal": "returned-unacknowledged",
                                    "ack": "returned",            "reset": "returned-unacknowledged",
                                    "realarm": "returned-unacknowledged"},
        "acknowledged":            {"abnormal": "acknowledged",   "normal": "returned",
                                    "ack": "acknowledged",        "reset": "acknowledged",
                                    "realarm": "unacknowledged"},
        "returned":                {"abnormal": "unacknowledged", "normal": "returned",
                                    "ack": "returned",            "reset": "normal",
                                    "realarm": "returned"},
    },
    # A minor point lights steadily while it stands and leaves nothing behind; acknowledging it ends its voice.
    "minor": {
        "normal": _NORMAL,
        "unacknowledged":          {"abnormal": "unacknowledged", "normal": "normal",
                                    "ack": "acknowledged",        "reset": "unacknowledged",
                                    "realarm": "unacknowledged"},
        "returned-unacknowledged": {"abnormal": "unacknowledged", "normal": "normal",
                                    "ack": "normal",              "reset": "normal",
                                    "realarm": "returned-unacknowledged"},
        "acknowledged":            {"abnormal": "acknowledged",   "normal": "normal",
                                    "ack": "acknowledged",        "reset": "acknowledged",
                                    "realarm": "unacknowledged"},
        "returned":                {"abnormal": "unacknowledged", "normal": "normal",
                                    "ack": "normal",              "reset": "normal",
                                    "realarm": "returned"},
    },
}

LAMP: dict[Sequence, dict[State, Pattern]] = {
    "A":     {"normal": "off", "unacknowledged": "flash",  "returned-unacknowledged": "flash",
              "acknowledged": "steady", "returned": "off"},
    "M":     {"normal": "off", "unacknowledged": "flash",  "returned-unacknowledged": "flash",
              "acknowledged": "steady", "returned": "steady"},
    "R":     {"normal": "off", "unacknowledged": "flash",  "returned-unacknowledged": "flash",
              "acknowledged": "steady", "returned": "slow-flash"},
    "minor": {"normal": "off", "unacknowledged": "steady", "returned-unacknowledged": "off",
              "acknowledged": "steady", "returned": "off"},
}

# ISA-18.1's F3: the first of its group to fail has a look of its own until RESET, acknowledged or not; it then shows as
# the later ones do, and the next to fail is a first again. A minor is never a first.
FIRST: dict[Sequence, dict[State, Pattern]] = {
    "A":     {"normal": "off", "unacknowledged": "first-flash", "returned-unacknowledged": "first-flash",
              "acknowledged": "first-steady", "returned": "off"},
    "M":     {"normal": "off", "unacknowledged": "first-flash", "returned-unacknowledged": "first-flash",
              "acknowledged": "first-steady", "returned": "first-steady"},
    "R":     {"normal": "off", "unacknowledged": "first-flash", "returned-unacknowledged": "first-flash",
              "acknowledged": "first-steady", "returned": "slow-flash"},
    "minor": LAMP["minor"],
}

# "own": the point's own voice (alarm, trouble or none); the rest are silent but for R's ringback.
Sound = Literal["own", "ringback", "none"]
HORN: dict[Sequence, dict[State, Sound]] = {
    "A":     {"normal": "none", "unacknowledged": "own", "returned-unacknowledged": "own",
              "acknowledged": "none", "returned": "none"},
    "M":     {"normal": "none", "unacknowledged": "own", "returned-unacknowledged": "own",
              "acknowledged": "none", "returned": "none"},
    "R":     {"normal": "none", "unacknowledged": "own", "returned-unacknowledged": "own",
              "acknowledged": "none", "returned": "ringback"},
    "minor": {"normal": "none", "unacknowledged": "own", "returned-unacknowledged": "none",
              "acknowledged": "none", "returned": "none"},
}
# fmt: on
