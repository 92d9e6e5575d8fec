"""Which message goes next, and what an answer means. Pure; ``mqtt.py`` carries it out.

On connect the newest entry is the head: *live* is what comes after it, *backlog* what is up to it, each in order. The
status goes first, then live, then what was refused and is due again, then the present states of alarms and verdict (a
snapshot), then the backlog. So a new
alarm overtakes everything that waits, behind at most a window of messages already handed over. A state message is
passed over when a newer one of the same topic was handed over on this connection.

An entry is acknowledged when the server has answered for its event and, where it is a live alarm or verdict, for its
retained state. What is acknowledged is kept as at most 8 ranges over all connections (``ranges.py``). What was not is
sent again on the next connection, with the same id: repeats are possible, loss is not.

A refusal (MQTT 5, PUBACK reason 0x80 and up) is tried again after 1 s, doubling to 60 s. A message refused five times
is set aside, counted and told, once others have been accepted since: then it is the message. While nothing else is
accepted it is the server (its ACL, its quota), and nothing is given up; with 64 refused messages no more are begun.

Where a receiver says what it has stored (``receipt``), that decides: a connection begins with what it has, not with
what a server has acknowledged (an MQTT 3.1.1 server acknowledges what it then drops). A receiver that is silent for
the whole of a connection is asked no more: from the next one on the server's word counts, until a receipt comes again.
What a receipt names is not sent again. A kill may cost the newest receipts, so the backlog waits a little
(``backlog_from_ns``) for a receiver that says them anew when it hears the birth.

A server that has just started may take an event before any receiver is back, answer "no matching subscribers" (MQTT 5,
0x10) and forget it. Such an event is tried again each second and the backlog waits, for 30 s at most: from then on this
server's word is taken, and counted as unheard, until somebody hears again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from agent.journal.entry import Entry, Ranges
from agent.uplink import ranges as r
from agent.uplink.stream import Item, Read, Stream

NS = 1_000_000_000
WINDOW_MAX = 20
REFUSALS_MAX = 5
HELD_MAX = 64
RETRY_MOST_S = 60
TOPICS_MAX = 4_096
REFUSED_FROM = 0x80
NO_SUBSCRIBERS = 0x10
UNHEARD_S = 30
STATEFUL = frozenset({"alarm", "verdict", "config"})
"""Kinds whose newest entry is also the retained state of a topic."""

What = Literal["status", "state", "event"]


@dataclass(frozen=True, slots=True)
class Send:
    """One message to hand over now, QoS 1. ``token`` comes back with its answer; packet ids mean nothing here."""

    token: int
    what: What
    entry: Entry | None


@dataclass(frozen=True, slots=True)
class Received:
    """The server has this entry; ``heard`` False where it said that nobody is subscribed (MQTT 5, 0x10)."""

    entry: Entry
    heard: bool


@dataclass(frozen=True, slots=True)
class SetAside:
    """A message the server will not take, and its reason code; it is not tried again on any connection."""

    what: What
    entry: Entry | None
    code: int


Outcome = Received | SetAside


@dataclass(slots=True)
class Counts:
    """Since the agent started. ``gone``: entries cut or dropped from the journal before they could be sent."""

    sent: int = 0
    accepted: int = 0
    refused: int = 0
    set_aside: int = 0
    superseded: int = 0
    unheard: int = 0
    gone: int = 0
    strays: int = 0


@dataclass(slots=True)
class Part:
    """One message of an entry: its retained state or its event."""

    what: What
    entry: Entry | None
    stream: Stream | None
    refusals: int = 0
    accepted_before: int = 0
    retry_ns: int = 0
    sent_ns: int = 0


@dataclass(slots=True)
class Flow:
    """The state of one uplink's reporting. ``ranges`` outlives connections, the rest begins anew with each."""

    ranges: Ranges = ()
    counts: Counts = field(default_factory=Counts)
    window: int = WINDOW_MAX
    dirty: bool = False
    receipts: Ranges = ()
    by_receipts: bool = False
    backlog_from_ns: int = 0
    _receipts_heard: bool = False
    _elsewhere: Ranges = ()
    _connected: bool = False
    _leaving: bool = False
    _session: int = 0
    _token: int = 0
    _accepted: dict[What, int] = field(default_factory=lambda: {"status": 0, "state": 0, "event": 0})
    _unheard_since_ns: int | None = None
    _unheard_taken: bool = False
    _status: Part | None = None
    _status_taken: bool = False
    _ready: deque[Part] = field(default_factory=deque)
    _snapshot: deque[Entry] = field(default_factory=deque)
    _held: list[Part] = field(default_factory=list)
    _flight: dict[int, Part] = field(default_factory=dict)
    _stated: dict[tuple[str, str], int] = field(default_factory=dict)
    _live: Stream = field(default_factory=lambda: Stream("live", 0, 0))
    _backlog: Stream = field(default_factory=lambda: Stream("backlog", 0, 0))

    # -- a connection's life -----------------------------------------------------------------------------------------

    def connected(self, head: int, receive_maximum: int) -> None:
        """A connection is up: ``head`` is the newest committed entry, ``receive_maximum`` the server's (MQTT 5)."""
        self.disconnected()
        self._connected, self._leaving = True, False
        self._session += 1
        self.window = max(1, min(WINDOW_MAX, receive_maximum))
        self.ranges = self.receipts if self.by_receipts else r.bounded(r.merged((*self.ranges, *self._elsewhere)))
        self._elsewhere = ()
        self._receipts_heard, self.backlog_from_ns = False, 0
        self.ranges = r.upto(self.ranges, head)
        self._live, self._backlog = Stream("live", head, head), Stream("backlog", 0, head)

    def disconnected(self) -> None:
        """The connection is gone. What was done out of order beyond the first gap is forgotten: it is sent again."""
        self._settle()
        if self._connected:
            self.by_receipts = self._receipts_heard
        self._connected = False
        self._unheard_since_ns, self._unheard_taken = None, False
        self._status = None
        for waiting in (self._ready, self._snapshot, self._held, self._flight, self._stated):
            waiting.clear()
        self._live, self._backlog = Stream("live", 0, 0), Stream("backlog", 0, 0)

    def receipted(self, stored: Ranges, head: int, *, mine: bool) -> None:
        """A receiver has stored these, by whatever way they came; ``mine``: it says so over this one."""
        self.receipts = r.upto(r.merged((*self.receipts, *stored)), head)
        if mine and self._connected and not self.by_receipts:  # what only the server has acknowledged: once more
            start = self._backlog.upto
            self._backlog = Stream("backlog", 0, start)
            self.ranges = r.merged(((start + 1, self._live.start),))
        self.ranges = r.bounded(r.merged((*self.ranges, *self.receipts)))
        if mine:
            self._receipts_heard, self.backlog_from_ns = True, 0
        self.by_receipts = self.by_receipts or mine
        self.dirty = True

    def elsewhere(self, acknowledged: Ranges) -> None:
        """Another way out has brought these; before ``connected``. Where receipts decide, they say so themselves."""
        self._elsewhere = r.bounded(r.merged((*self._elsewhere, *acknowledged)))

    def status(self) -> None:
        """Send the status: the birth, its renewal, the farewell. One waits at most; the newest words count."""
        if self._connected:
            self._status = Part("status", None, None)

    def farewell(self) -> None:
        """Send the status once more and nothing after it."""
        self._leaving = True
        self.status()

    def committed(self, entries: Sequence[Entry]) -> None:
        """New entries in the journal."""
        if self._connected:
            for entry in entries:
                self._live.extend(entry)

    def snapshot(self, entries: Sequence[Entry]) -> None:
        """The present states of alarms and verdict, to be retained by the server."""
        if self._connected:
            self._snapshot.extend(e for e in entries if e.payload is not None and e.kind in STATEFUL)

    # -- reading the journal -----------------------------------------------------------------------------------------

    def want_read(self) -> Read | None:
        """The page to read next, live first; each one must be answered by ``page`` or ``failed``."""
        if not self._connected:
            return None
        read = self._live.want(self._session, self.ranges) or self._backlog.want(self._session, self.ranges)
        self._settle()
        return read

    def page(self, read: Read, entries: Sequence[Entry]) -> None:
        """The answer to a read; one of an earlier connection is nothing."""
        if self._connected and read.session == self._session:
            self._stream(read).page(read, entries)
            self._settle()

    @property
    def hungry(self) -> bool:
        """Whether ``want_read`` may want a page."""
        return self._connected and not self._leaving and (self._live.hungry or self._backlog.hungry)

    def failed(self, read: Read) -> None:
        """The journal could not answer: the same page is wanted again."""
        if self._connected and read.session == self._session:
            self._stream(read).failed(read)

    def _stream(self, read: Read) -> Stream:
        return self._live if read.stream == "live" else self._backlog

    # -- sending -----------------------------------------------------------------------------------------------------

    def next_send(self, now_ns: int) -> Send | None:
        """The message to hand over now; None when the window is full or nothing is due."""
        if not self._connected or len(self._flight) >= self.window:
            return None
        part = self._next_part(now_ns)
        if part is None:
            return None
        self._token += 1
        part.sent_ns = now_ns
        self._flight[self._token] = part
        self.counts.sent += 1
        if part.what == "state" and part.entry is not None:
            self._state_handed(part.entry)
        return Send(self._token, part.what, part.entry)

    def _next_part(self, now_ns: int) -> Part | None:
        if self._status is not None:
            part, self._status = self._status, None
            return part
        if self._leaving:
            return None
        while (found := self._wanted(now_ns)) is not None and self._superseded(found):
            self.counts.superseded += 1
            self._done(found)
        return found

    def _wanted(self, now_ns: int) -> Part | None:
        """By rank: what is new, what was refused and is due again, what stands, what waits."""
        if self._ready:
            return self._ready.popleft()
        fresh = len(self._held) < HELD_MAX
        if fresh and (entry := self._live.take()) is not None:
            return self._begin(entry, self._live)
        for index, part in enumerate(self._held):
            if part.retry_ns <= now_ns:
                return self._held.pop(index)
        if fresh and self._snapshot:
            return Part("state", self._snapshot.popleft(), None)
        unheard = self._unheard_since_ns is not None and not self._unheard_taken
        awaited = unheard or now_ns < self.backlog_from_ns
        if fresh and not awaited and (entry := self._backlog.take()) is not None:
            return self._begin(entry, self._backlog)
        self._settle()  # the last ones taken may all have been without payload
        return None

    def _begin(self, entry: Entry, stream: Stream) -> Part:
        event = Part("event", entry, stream)
        stateful = stream.name == "live" and entry.kind in STATEFUL and bool(entry.key)
        stream.open[entry.seq] = Item(entry, 2 if stateful else 1)
        if not stateful:
            return event
        self._ready.append(event)
        return Part("state", entry, stream)

    def _superseded(self, part: Part) -> bool:
        if part.entry is None or part.what != "state":
            return part.entry is not None and r.holds(self.receipts, part.entry.seq)
        handed = self._stated.get((part.entry.kind, part.entry.key), 0)
        in_snapshot_only = part.stream is None and not part.refusals
        return handed > part.entry.seq or (in_snapshot_only and handed == part.entry.seq)

    def _state_handed(self, entry: Entry) -> None:
        topic = (entry.kind, entry.key)
        self._stated.pop(topic, None)
        if len(self._stated) >= TOPICS_MAX:
            del self._stated[next(iter(self._stated))]
        self._stated[topic] = entry.seq

    # -- answers -----------------------------------------------------------------------------------------------------

    def answered(self, token: int, code: int, now_ns: int) -> Sequence[Outcome]:
        """The server's answer to one message: a PUBACK and its reason code, 0 in MQTT 3.1.1."""
        part = self._flight.pop(token, None)
        if part is None:
            self.counts.strays += 1
            return ()
        if part.what == "status":
            self._status_taken = code < REFUSED_FROM
        if code >= REFUSED_FROM:
            return self._refused(part, code, now_ns)
        heard = code != NO_SUBSCRIBERS
        if part.what == "event" and not self._hearing(part, heard, now_ns):
            return ()
        self.counts.accepted += 1
        self._accepted[part.what] += 1
        return self._done(part, heard=heard or part.what != "event")

    def _hearing(self, part: Part, heard: bool, now_ns: int) -> bool:
        """Whether this answer to an event counts; one that nobody has heard may have to be tried again."""
        if heard:
            if self._unheard_since_ns is not None:
                self._unheard_since_ns, self._unheard_taken = None, False
                for waiting in self._held:
                    waiting.retry_ns = now_ns if not waiting.refusals else waiting.retry_ns
            return True
        if self._unheard_since_ns is None:
            self._unheard_since_ns = now_ns
        if now_ns - self._unheard_since_ns >= UNHEARD_S * NS:
            self._unheard_taken = True
        if not self._unheard_taken:
            part.retry_ns = now_ns + NS
            self._held.append(part)
        return self._unheard_taken

    def _refused(self, part: Part, code: int, now_ns: int) -> Sequence[Outcome]:
        self.counts.refused += 1
        if not part.refusals:
            part.accepted_before = self._accepted_like(part)
        part.refusals += 1
        if part.refusals >= REFUSALS_MAX and self._accepted_like(part) > part.accepted_before:
            self.counts.set_aside += 1
            return (SetAside(part.what, part.entry, code), *self._done(part, refused=True))
        if part.what == "status":  # it is renewed every minute anyway; the newest words count
            return (SetAside("status", None, code),)
        part.retry_ns = now_ns + min(RETRY_MOST_S, 1 << min(part.refusals - 1, 6)) * NS
        self._held.append(part)
        return ()

    def _accepted_like(self, part: Part) -> int:
        """How many messages were accepted that say: what is refused now is this message, not us."""
        return self._accepted["event"] + (self._accepted["state"] if part.what == "state" else 0)

    def _done(self, part: Part, *, heard: bool = True, refused: bool = False) -> Sequence[Outcome]:
        stream, entry = part.stream, part.entry
        if stream is None or entry is None:
            return ()
        item = stream.open[entry.seq]
        item.left -= 1
        item.heard = item.heard and heard
        item.refused = item.refused or (refused and part.what == "event")
        if item.left:
            return ()
        del stream.open[entry.seq]
        self._settle()
        if item.refused:
            return ()
        self.counts.unheard += not item.heard
        return (Received(entry, item.heard),)

    def _settle(self) -> None:
        """Take over into ``ranges`` how far each stream is done without a gap."""
        if not self._connected:
            return
        for stream in (self._backlog, self._live):
            self.counts.gone += stream.gone
            stream.gone = 0
            if stream.floor > stream.start:
                grown = r.added(self.ranges, stream.start + 1, stream.floor)
                self.dirty = self.dirty or grown != self.ranges
                self.ranges = grown
                stream.start = stream.floor

    # -- how it stands -----------------------------------------------------------------------------------------------

    @property
    def farewell_taken(self) -> bool | None:
        """Whether the server has taken the newest status; None while its answer is awaited."""
        if self._status is not None or any(part.what == "status" for part in self._flight.values()):
            return None
        return self._status_taken

    @property
    def inflight(self) -> int:
        """Messages handed over and not yet answered."""
        return len(self._flight)

    @property
    def held(self) -> int:
        """Messages refused that will be tried again."""
        return len(self._held)

    @property
    def refusing(self) -> bool:
        """Whether the server has refused an event so often that it is not the event."""
        return any(part.what == "event" and part.refusals >= REFUSALS_MAX for part in self._held)

    @property
    def oldest_ns(self) -> int | None:
        """When the oldest message that is not yet answered was handed over."""
        return next(iter(self._flight.values())).sent_ns if self._flight else None

    def waiting(self, head: int) -> int:
        """How many entries up to ``head`` are not acknowledged."""
        return max(0, r.missing(self.ranges, head))
