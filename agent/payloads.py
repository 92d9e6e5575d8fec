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
    shadow: bool = False
    shelved: bool = False
    mode: Literal["normal", "diverted", "service"] = "normal"


class Status(Struct, frozen=True, kw_only=True):
    """``status/UPLINK``: birth and will. ``session`` rises with each connection, so a late will is known.

    Sessions compare within one ``store``. A birth is renewed every minute: an "up" whose ``at`` is older than
    ``valid_s`` is no more than a memory (a broker that lost its power with us still retains it).
    """

    state: Literal["up", "lost"]
    session: int
    site: str
    probe: str
    uplink: str
    version: str
    valid_s: int
    why: str = ""
    store: str = ""
    at: str = ""
    synced: bool = False


class Health(Struct, frozen=True, kw_only=True):
    """``health``: every 60 s, QoS 0, never queued. ``box`` is what the app says: lamps, horn, digest of alarms.

    ``waiting``: journal entries not yet acknowledged by this uplink's server; ``head`` the newest entry.
    """

    site: str
    probe: str
    uplink: str
    session: int
    store: str
    boot: int
    head: int
    waiting: int
    at: str
    synced: bool
    valid_s: int
    box: dict[str, Any]


class CloudEvent(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """``event``: a journal entry as CloudEvents 1.0 in structured mode (cloudevents/spec 1.0.2, JSON format).

    ``data`` is the entry's payload with ``synced``, ``valid_s``, ``seq``, ``boot`` and, for alarms and verdicts,
    ``psap``. An event older than ``valid_s`` is history: what stands now is in ``alarm/ID``.
    ``subject`` is an alarm's id.
    """

    id: str
    source: str
    type: str
    time: str
    data: dict[str, Any]
    subject: str = ""
    # Without a default: omit_defaults must not leave them out.
    specversion: Literal["1.0"]
    datacontenttype: Literal["application/json"]


class Receipt(Struct, frozen=True, kw_only=True):
    """``receipt``: what a receiver says it has stored, as inclusive ranges of one store's sequence numbers."""

    store: str
    receiver: str
    ranges: tuple[tuple[int, int], ...]
