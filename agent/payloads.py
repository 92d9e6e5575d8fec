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
    change: Literal[
        "raised",
        "returned",
        "cleared",
        "acknowledged",
        "reset",
        "silenced",
        "forgotten",
        "updated",
        "noted",
        "realarmed",
    ]
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
    first_out: bool = False
    """The first of its group to fail, where the site file asks for that (``panel.first_out``)."""
    chatters: bool = False
    """Raised three times in a minute: it stands until it has been gone for a minute."""
    noted_by: str | None = None
    """Who acknowledged it from afar; a critical alarm goes on in the room all the same."""
    acknowledged_where: Literal["room", "afar"] | None = None


class Live(Struct, frozen=True):
    """How many of a site's senses are heard, and which are not: at most 8 of them, as ``path/check`` or ``line``."""

    heard: int
    of: int
    unknown: tuple[str, ...] = ()


class Moment(Struct, frozen=True, kw_only=True):
    """What an alarm and the verdict say of the moment they were written in, beside their own.

    ``senses``: what the box could hear. ``config``: SHA-256 of the running site file. ``age_s``: how long an alarm
    had stood, by the monotonic clock, so right whatever the wall clock says.
    """

    senses: Live | None = None
    config: str | None = None
    age_s: float | None = None


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


class Digest(Struct, frozen=True):
    """Of the standing alarms: how many, and a SHA-256 over ``ID STATE`` of each, sorted, one a line."""

    standing: int
    sha256: str


class Box(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How the box is. ``error``: it could not be told, and the rest is missing. ``journal``: store, boot, head, bytes,
    waiting, dropped, fault and more, as in ``status``; ``config``: which site file runs, as in ``config/reported``."""

    uptime_s: float | None = None
    version: str | None = None
    lamps: dict[str, str] = {}
    horn: Literal["none", "alarm", "ringback", "trouble"] | None = None
    alarms: Digest | None = None
    mode: Literal["normal", "diverted", "service"] | None = None
    journal: dict[str, Any] = {}
    config: dict[str, Any] = {}
    error: str | None = None


class Health(Struct, frozen=True, kw_only=True):
    """``health``: every 60 s, QoS 0, never queued. ``box`` is a ``Box``; a receiver takes what it knows of it.

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
    """``receipt``: what a receiver says it has stored, as inclusive ranges of one store's sequence numbers.

    To be said again at each birth (``status/UPLINK`` up), or retained: a kill may cost the box the newest ones.
    """

    store: str
    receiver: str
    ranges: tuple[tuple[int, int], ...]


OVER_MIN = (1, 5, 15, 60)
"""The windows of ``calls``, in whole minutes that are over."""


class StreamCounts(Struct, frozen=True, kw_only=True):
    """One stream of calls: how many came in the last 1, 5, 15 and 60 whole minutes, and how many were to be expected.

    ``expected`` is None until the stream's course is learned (DESIGN section 4). ``alive``: its feed is heard; where it
    is not, ``seen`` says nothing. ``since_s``: seconds since its last call, None where none was seen since the start.
    """

    stream: str
    seen: tuple[int, int, int, int]
    expected: tuple[float, float, float, float] | None
    alive: bool
    since_s: float | None


class Calls(Struct, frozen=True, kw_only=True):
    """``calls``: every minute, QoS 0, neither queued nor journalled. Numbers of calls, and nothing of who called.

    A stream is ``all`` (every call of the centre once), a trunk group, or ``class:NAME`` (a class of service).
    """

    site: str
    probe: str
    uplink: str
    store: str
    at: str
    synced: bool
    valid_s: int
    mode: Literal["normal", "diverted", "service"]
    shares: tuple[str, ...]
    streams: tuple[StreamCounts, ...]


class Pool(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``dialtone/v1/pool/SHARE``: how the sites that share something fare by their calls; the document of a signed
    envelope (``agent/remote/envelope.py``), so the same bytes mean the same on every way.

    ``calls``: ``lost`` where the sites together are silent for longer than chance allows; ``fine`` where calls came;
    ``unknown`` where too little is heard. ``sites``: how many were judged. ``expected``: calls that were to come since
    the last one. ``at`` and ``valid_s``: from when and for how long this may be relied on.
    """

    share: str
    calls: Literal["fine", "lost", "unknown"]
    sites: int
    expected: float
    at: str
    valid_s: int
    by: str


class Mistake(Struct, frozen=True):
    """One reason why a site file was not taken: its key, and what is wrong with it."""

    key: str
    why: str


class Reported(Struct, frozen=True, kw_only=True):
    """``config/reported``, retained: which site file runs here and what became of the one that was wished for.

    ``running``: SHA-256 of the running file, ``source`` where it is from. ``version``: the highest that was ever tried.
    ``offered``: the version this speaks of. ``errors``: every reason, where it was rejected. ``tried_s``: how long the
    trial may take, in ``trial`` alone.
    """

    state: Literal["local", "trial", "applied", "rolled-back", "rejected", "dry-run"]
    running: str
    source: Literal["local", "remote"]
    version: int
    offered: int | None = None
    errors: tuple[Mistake, ...] = ()
    signer: str = ""
    why: str = ""
    tried_s: int | None = None


class CommandReply(Struct, frozen=True, kw_only=True):
    """``cmd/NAME/reply``. ``id``: the command's, None where it could not be read. ``repeated``: this id came before,
    and was not carried out again."""

    command: str
    id: str | None
    ok: bool
    at: str
    synced: bool
    result: dict[str, Any] | None = None
    error: str | None = None
    repeated: bool = False
