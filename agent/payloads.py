"""What is written and sent, as types: the journal's payloads and MQTT's are the same ones.

Versioned by the ``v1`` of the topics. Times come in pairs: ``*_ns`` is monotonic and means something to this
boot only; the shell adds the wall-clock label beside it (``raised_ns`` gains ``raised``).
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct


class AlarmState(Struct, frozen=True, kw_only=True, omit_defaults=False):
    """One alarm as it stands: RFC 8632's key and severity, its life, and the panel's sequence state."""

    id: str
    resource: str
    type: str
    qualifier: str
    severity: Literal["critical", "major", "minor"]
    lamp: str
    state: Literal["normal", "unacknowledged", "returned-unacknowledged", "acknowledged", "returned"]
    active: bool
    change: Literal["raised", "returned", "cleared", "acknowledged", "reset", "silenced", "forgotten", "updated"]
    raised_ns: int
    cleared_ns: int | None
    times_raised: int
    acknowledged_by: str | None
    silenced: bool
    text: str
    evidence: dict[str, Any]


class Status(Struct, frozen=True, kw_only=True):
    """``status/UPLINK``: birth and will. ``session`` rises with each connection, so a late will is known."""

    state: Literal["up", "lost"]
    session: int
    site: str
    probe: str
    uplink: str
    version: str
    valid_s: int
    why: str = ""
