"""Each call's life put together across links: callers' data, the switch's records, both sides of a link. Pure.

Which sightings are one call:

- the same caller's data within ``SAME_S`` of the last time (a re-bid, the link's other side, a retransmission);
- without a hash, data of the same position, or of the link's other side, within ``NEAR_S``;
- a record and data of the same caller, where the call that the record tells began before or with the data; without a
  hash, the nearest call that began within ``NEAR_S``, or as long before as it may have rung (``RANG_S``);
- the records of one call: start, parts and end by caller, or by trunk while that call is not over. A start on a trunk
  whose call was not over ends that one: its end was lost.
- A record told twice (two printers, a retransmission) is one record: the same number, start, duration and place.

At most ``CALLS_MAX`` calls are held. The oldest gives way, is told with what is known, and is counted.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

from agent.calls.facts import Arrival, CalledBack, Ended
from agent.readings import Reading
from agent.site import schema
from agent.site.line import Line, SmdrLine

NS = 1_000_000_000
CALLS_MAX = 512
CLASSES_MAX = 8
SAME_S = 60.0
"""A second sighting of one caller's data within so long is the same call."""
OPEN_S = 4 * 3600.0
"""The longest call whose record is still joined to its beginning."""
NEAR_S = 20.0
"""How far the data and the beginning that a record implies may lie apart: the switch's clock, its printer's queue."""
RANG_S = 60.0
"""So long a call may have rung where the record does not say how long it did."""
KNOWN_AFTER_S = 1800.0
"""A call of which no record has come by then is told with what is known."""
KEPT_S = 600.0
"""So long a call that is over is remembered, for what comes late."""
CALL_BACK_S = 300.0
"""A call to the same number within so long after a call without a talk is a call-back."""
DURATION_MAX_S = 2 * 86_400.0
PRINTS_MAX = 4
CALLS = frozenset({"record", "no-record-found", "ani-failure", "query"})
"""What of an ALI link is a call's: a query too, since the answer may be what is missing."""


@dataclass(slots=True)
class Life:
    """One call as far as it is known. ``began_ns``: its first sighting, or earlier where a record says so."""

    call: int
    began_ns: int
    seen_ns: int
    streams: tuple[str, ...]
    key: str | None = None
    trunk: str | None = None
    position: str | None = None
    data: bool = False
    data_ns: int | None = None
    sides: frozenset[tuple[str, str]] = frozenset()
    recorded: bool = False
    prints: tuple[tuple[object, ...], ...] = ()
    first_leg_s: float = 0.0
    in_parts: bool = False
    talk_s: float | None = None
    answered: bool | None = None
    abandoned: bool | None = None
    called_back: bool = False
    told: bool = False
    over: bool = False

    @property
    def due_ns(self) -> int:
        """When time alone changes it next."""
        limit_s = KNOWN_AFTER_S if not self.told else KEPT_S if self.over else OPEN_S
        return self.seen_ns + int(limit_s * NS)


@dataclass(frozen=True, slots=True)
class _Record:
    """One call record, its numbers made sure of."""

    key: str | None
    trunk: str | None
    phase: str
    took_s: float | None
    rang_s: float | None
    print: tuple[object, ...]
    now_ns: int

    @property
    def began_ns(self) -> int:
        """When the call that it tells of began to ring, as far as the record says."""
        if self.phase == "start":
            return self.now_ns
        return self.now_ns - int(((self.took_s or 0.0) + (self.rang_s or 0.0)) * NS)

    def near(self, life: Life) -> bool:
        """Whether a call that data told of may be this one, by time alone."""
        before_s = NEAR_S if self.rang_s is not None else RANG_S
        return -int(NEAR_S * NS) <= self.began_ns - life.began_ns <= int(before_s * NS)


@dataclass(slots=True)
class CallBook:
    """The calls of one site. ``seen``: calls so far; ``dropped``: those forgotten for want of room before they were
    over; ``unknown``: those told without anything known of their end; ``copies``: records told twice."""

    site: schema.SiteFile
    seen: int = 0
    dropped: int = 0
    unknown: int = 0
    copies: int = 0
    _lives: dict[int, Life] = field(default_factory=dict)
    _classes: dict[str, None] = field(default_factory=dict)
    _lines: dict[str, Line] = field(init=False)
    _due_ns: int | None = None

    def __post_init__(self) -> None:
        self._lines = {line.id: line for line in self.site.line}

    @property
    def held(self) -> int:
        """Calls held now, at most ``CALLS_MAX``."""
        return len(self._lives)

    def saw(self, reading: Reading, now_ns: int) -> list[Arrival | Ended | CalledBack]:
        """What a reading of kind ``data`` or ``call`` tells of calls; nothing for any other."""
        out: list[Arrival | Ended | CalledBack] = []
        if reading.kind == "data" and reading.detail.get("what") in CALLS:
            out += self._data(reading, now_ns)
        elif reading.kind == "call" and reading.detail.get("phase") != "other":
            if reading.detail.get("direction") == "out":
                out += self._outgoing(reading, now_ns)
            elif reading.detail.get("direction") == "in":
                out += self._record(reading, now_ns)
        if out or reading.kind in ("data", "call"):
            self._due_ns = min((life.due_ns for life in self._lives.values()), default=None)
        return out

    def tick(self, now_ns: int) -> list[Arrival | Ended | CalledBack]:
        """Calls whose time is over: told with what is known, or forgotten."""
        if self._due_ns is None or now_ns < self._due_ns:
            return []
        out: list[Arrival | Ended | CalledBack] = []
        for life in list(self._lives.values()):
            if not life.told and now_ns >= life.due_ns:
                out.append(self._tell(life, now_ns))
            if life.told and now_ns >= life.due_ns:
                del self._lives[life.call]
        self._due_ns = min((life.due_ns for life in self._lives.values()), default=None)
        return out

    def deadline(self) -> int | None:
        """When ``tick`` next has something to do."""
        return self._due_ns

    # -- callers' data -------------------------------------------------------------------------------------------

    def _data(self, reading: Reading, now_ns: int) -> Iterator[Arrival | Ended]:
        detail = reading.detail
        key, trunk, position = (_text(detail.get(name)) for name in ("caller_key", "trunk", "position"))
        side = (_text(detail.get("link")) or reading.source, _text(detail.get("side")) or "a")
        life = self._same_caller(key, now_ns) if key else None
        life = life or self._same_place(key, position, side, now_ns) or self._told_by_record(key, now_ns)
        if life is None:
            yield from self._room(now_ns)
            life = self._new(now_ns, now_ns, self._streams(reading, trunk), key, trunk)
            yield Arrival(life.call, now_ns, life.streams)
        else:
            life.streams = _joined(life.streams, self._streams(reading, trunk))
        life.data = life.data or detail.get("what") != "query"
        life.data_ns, life.seen_ns = now_ns, max(life.seen_ns, now_ns)
        life.key, life.trunk, life.position = life.key or key, life.trunk or trunk, life.position or position
        if len(life.sides) < 8:
            life.sides |= {side}

    def _same_caller(self, key: str, now_ns: int) -> Life | None:
        for life in self._newest():
            if life.key == key:
                if life.data_ns is None:  # a record came first: a start, or the data is late
                    since_ns = life.seen_ns if life.over else life.began_ns
                    return life if now_ns - since_ns <= int((NEAR_S if life.over else SAME_S) * NS) else None
                return life if now_ns - life.data_ns <= int(SAME_S * NS) else None
        return None

    def _same_place(self, key: str | None, position: str | None, side: tuple[str, str], now_ns: int) -> Life | None:
        """Data of one call, at least one of them without a number: by its position, or as the other side's copy."""
        found = None
        for life in self._newest():
            if life.data_ns is None or now_ns - life.data_ns > int(NEAR_S * NS) or life.over:
                continue
            if life.key is not None and key is not None:
                continue
            elsewhere = position is not None and life.position is not None and position != life.position
            if not elsewhere and position is not None and life.position is not None:
                return life
            other_side = side not in life.sides and any(link == side[0] for link, _ in life.sides)
            if not elsewhere and other_side and key is None and life.key is None:
                found = life  # the oldest: copies come in order
        return found

    def _told_by_record(self, key: str | None, now_ns: int) -> Life | None:
        for life in self._newest():
            may = life.recorded and life.data_ns is None and (key is None or life.key is None)
            if may and abs(now_ns - life.began_ns) <= int(NEAR_S * NS):
                return life
        return None

    # -- the switch's records ------------------------------------------------------------------------------------

    def _record(self, reading: Reading, now_ns: int) -> Iterator[Arrival | Ended | CalledBack]:
        record = _record_of(reading, now_ns)
        if not self._counts(reading.source, record.trunk):
            return
        if any(record.print in life.prints for life in self._newest()):
            self.copies += 1
            return
        life = self._call_of(record)
        if record.phase == "start":
            yield from self._ends_unseen(record, life, now_ns)
        streams = self._streams(reading, record.trunk)
        if life is None:
            yield from self._room(now_ns)
            life = self._new(now_ns, record.began_ns, streams, record.key, record.trunk)
            yield Arrival(life.call, now_ns, life.streams)
        else:
            life.streams = _joined(life.streams, streams)
        life.recorded, life.seen_ns = True, max(life.seen_ns, now_ns)
        life.trunk, life.key = record.trunk or life.trunk, life.key or record.key
        life.prints = (*life.prints, record.print)[-PRINTS_MAX:] if record.print else life.prints
        life.in_parts = life.in_parts or record.phase == "part"
        self._learn(life, record, reading)
        life.over = life.over or record.phase in ("whole", "end")
        if not life.told and (life.over or (life.talk_s or 0.0) >= self.site.calls.talk_s):
            yield self._tell(life, now_ns)

    def _call_of(self, record: _Record) -> Life | None:
        open_ = [one for one in self._newest() if not one.over and record.now_ns - one.began_ns <= int(OPEN_S * NS)]
        early_ns = int((SAME_S + NEAR_S) * NS)
        for life in open_:
            if record.key and life.key == record.key and life.began_ns - record.began_ns <= early_ns:
                return life
        for life in open_:
            same = record.trunk is not None and life.trunk == record.trunk and life.recorded
            follows = record.phase in ("part", "end") or (record.phase == "whole" and life.in_parts)
            if same and follows and not (record.key and life.key):
                return life
        near = [one for one in open_ if not one.recorded and not (record.key and one.key) and record.near(one)]
        return min(near, key=lambda one: abs(one.began_ns - record.began_ns), default=None)

    def _ends_unseen(self, record: _Record, own: Life | None, now_ns: int) -> Iterator[Ended]:
        """A trunk has one call: whoever was on it before this start is gone."""
        for life in list(self._lives.values()):
            if record.trunk and life is not own and life.trunk == record.trunk and life.recorded and not life.over:
                life.over = True
                if not life.told:
                    yield self._tell(life, now_ns)

    def _learn(self, life: Life, record: _Record, reading: Reading) -> None:
        answered = reading.detail.get("answered")
        if isinstance(answered, bool):
            life.answered = answered or bool(life.answered)
        if reading.detail.get("abandoned") is True:
            life.abandoned = True
        if record.took_s is None or answered is False:
            return
        if record.phase == "start":  # some switches print the first leg here and the last, or the whole, at the end
            life.first_leg_s = max(life.first_leg_s, record.took_s)
            if record.took_s > 0.0:
                life.talk_s = max(life.talk_s or 0.0, record.took_s)
        elif record.phase == "part":
            life.talk_s = (life.talk_s or 0.0) + record.took_s
        else:
            parts_s = 0.0 if life.first_leg_s else life.talk_s or 0.0
            life.talk_s = max(life.first_leg_s, parts_s + record.took_s)

    def _outgoing(self, reading: Reading, now_ns: int) -> Iterator[Ended | CalledBack]:
        """A number rung again that had called: whoever had it on the line did not, or no longer."""
        key = _text(reading.detail.get("dialled_key"))
        if key is None:
            return
        began_ns = _record_of(reading, now_ns).began_ns
        for life in self._newest():
            talked = (life.talk_s or 0.0) >= self.site.calls.talk_s
            if life.key != key or talked or life.called_back:
                continue
            after_ns = began_ns - (life.seen_ns if life.over else life.data_ns or life.began_ns)
            if not -int(NEAR_S * NS) <= after_ns <= int(CALL_BACK_S * NS):
                continue
            life.called_back = True
            if not life.told:  # no record of it yet, and none is to come: it ended without a talk
                life.over = True
                life.answered = bool(life.answered)
                yield self._tell(life, now_ns)
            yield CalledBack(life.call, now_ns, life.streams, key)
            return

    # -- the book ------------------------------------------------------------------------------------------------

    def _newest(self) -> Iterator[Life]:
        return reversed(self._lives.values())

    def _tell(self, life: Life, now_ns: int) -> Ended:
        life.told = True
        if life.talk_s is None and life.answered is None and life.abandoned is None:
            self.unknown += 1
        return Ended(life.call, now_ns, life.streams, life.data, life.answered, life.talk_s, life.abandoned, life.key)

    def _room(self, now_ns: int) -> Iterator[Ended]:
        if len(self._lives) < CALLS_MAX:
            return
        oldest = min(self._lives.values(), key=lambda life: (not life.told, not life.over, life.seen_ns))
        del self._lives[oldest.call]
        if not oldest.told:
            self.dropped += 1
            yield self._tell(oldest, now_ns)

    def _new(self, now_ns: int, began_ns: int, streams: tuple[str, ...], key: str | None, trunk: str | None) -> Life:
        self.seen += 1
        life = self._lives[self.seen] = Life(self.seen, began_ns, now_ns, streams, key, trunk)
        return life

    def _counts(self, source: str, trunk: str | None) -> bool:
        line = self._lines.get(source)
        if isinstance(line, SmdrLine) and line.only_trunks and line.trunks:
            return group_of(line, trunk) is not None
        return True

    def _streams(self, reading: Reading, trunk: str | None) -> tuple[str, ...]:
        streams = ["all"]
        line = self._lines.get(reading.source)
        group = group_of(line, trunk) if line is not None else None
        if group is not None:
            streams.append(group)
        service = _text(reading.detail.get("class_of_service"))
        if service and (service in self._classes or len(self._classes) < CLASSES_MAX):
            self._classes[service] = None
            streams.append(f"class:{service[:8]}")
        return tuple(streams)


def group_of(line: Line, trunk: str | None) -> str | None:
    """The trunk group of a trunk as printed; blanks say nothing."""
    if trunk is None:
        return None
    wanted = trunk.replace(" ", "")
    return next((group for name, group in line.trunks.items() if name.replace(" ", "") == wanted), None)


def _record_of(reading: Reading, now_ns: int) -> _Record:
    detail = reading.detail
    key, trunk, phase = (_text(detail.get(name)) for name in ("caller_key", "trunk", "phase"))
    record, start, station = detail.get("record"), detail.get("start"), detail.get("station")
    took_s, rang_s = _seconds(detail.get("duration_s")), _seconds(detail.get("time_to_answer_s"))
    told_apart = record is not None or ((key or trunk) and start is not None and took_s is not None)
    print_ = (phase, record, start, took_s, trunk, station, key) if told_apart else ()
    return _Record(key, trunk, phase or "whole", took_s, rang_s, print_, now_ns)


def _joined(streams: tuple[str, ...], more: tuple[str, ...]) -> tuple[str, ...]:
    """The streams of one call; of each kind the first that was told."""
    classes = any(one.startswith("class:") for one in streams)
    groups = any(one != "all" and not one.startswith("class:") for one in streams)
    new = [one for one in more if one != "all" and not (classes if one.startswith("class:") else groups)]
    return (*streams, *new)


def _seconds(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) and 0 <= value <= DURATION_MAX_S else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
