"""Each call's life put together across links: callers' data, the switch's records, both sides of a link. Pure.

Two sightings are one call where the caller's keyed hash is the same and they fall into ``SAME_S`` (a call not yet over:
into ``OPEN_S``); without a hash, where the trunk is the same and its call is not over, or where one is data, the other
a record, and the record's own start lies within ``NEAR_S`` of the data. A record that the switch splits (start, end,
transfers, the parts of a long call) is one call. At most ``CALLS_MAX`` are held; what does not fit is counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from agent.calls.facts import Arrival, Ended
from agent.readings import Reading
from agent.site import schema
from agent.site.line import SmdrLine

NS = 1_000_000_000
CALLS_MAX = 512
CLASSES_MAX = 8
SAME_S = 60.0
"""A second sighting of one caller within so long is the same call: a re-bid, the link's other side, a copy."""
OPEN_S = 4 * 3600.0
"""The longest call whose record is still joined to its beginning."""
NEAR_S = 20.0
"""How far the data's arrival and the start that a record implies may lie apart: ringing, and the switch's own clock."""
KNOWN_AFTER_S = 1800.0
"""A call of which no record has come by then is told with what is known."""
KEPT_S = 600.0
"""So long a call that is over is remembered, for what comes late."""
CALLS = frozenset({"record", "no-record-found", "ani-failure"})


@dataclass(slots=True)
class Life:
    """One call as far as it is known."""

    call: int
    first_ns: int
    seen_ns: int
    streams: tuple[str, ...]
    key: str | None = None
    trunk: str | None = None
    data: bool = False
    recorded: bool = False
    talk_s: float | None = None
    answered: bool | None = None
    abandoned: bool | None = None
    told: bool = False
    over: bool = False


@dataclass(slots=True)
class CallBook:
    """The calls of one site. ``dropped``: calls forgotten for want of room before they were over."""

    site: schema.SiteFile
    dropped: int = 0
    seen: int = 0
    _lives: dict[int, Life] = field(default_factory=dict)
    _classes: dict[str, None] = field(default_factory=dict)
    _due_ns: int | None = None

    @property
    def held(self) -> int:
        """Calls held now."""
        return len(self._lives)

    def saw(self, reading: Reading, now_ns: int) -> list[Arrival | Ended]:
        """What a reading of kind ``data`` or ``call`` tells of calls; nothing for any other."""
        out: list[Arrival | Ended] = []
        if reading.kind == "data" and reading.detail.get("what") in CALLS:
            out += self._data(reading, now_ns)
        elif reading.kind == "call":
            out += self._record(reading, now_ns)
        self._plan()
        return out

    def tick(self, now_ns: int) -> list[Arrival | Ended]:
        """Calls whose time is over: told with what is known, or forgotten."""
        if self._due_ns is None or now_ns < self._due_ns:
            return []
        out: list[Arrival | Ended] = []
        for life in list(self._lives.values()):
            if not life.told and now_ns >= life.seen_ns + int(KNOWN_AFTER_S * NS):
                out.append(self._tell(life, now_ns))
            limit_s = KEPT_S if life.over else OPEN_S
            if now_ns >= life.seen_ns + int(limit_s * NS):
                del self._lives[life.call]
        self._plan()
        return out

    def deadline(self) -> int | None:
        """When ``tick`` next has something to do."""
        return self._due_ns

    def _plan(self) -> None:
        times = [
            life.seen_ns + int((KEPT_S if life.over else OPEN_S if life.told else KNOWN_AFTER_S) * NS)
            for life in self._lives.values()
        ]
        self._due_ns = min(times, default=None)

    # -- sightings -----------------------------------------------------------------------------------------------

    def _data(self, reading: Reading, now_ns: int) -> Iterator[Arrival | Ended]:
        key, trunk = _text(reading.detail.get("caller_key")), _text(reading.detail.get("trunk"))
        life = self._by_key(key, now_ns) if key else self._keyless_data(trunk, now_ns)
        if life is None:
            life = self._new(now_ns, self._streams(reading, trunk), key, trunk)
            yield Arrival(life.call, now_ns, life.streams)
        life.data, life.seen_ns = True, now_ns

    def _keyless_data(self, trunk: str | None, now_ns: int) -> Life | None:
        for life in self._newest():
            near = now_ns - life.first_ns <= int(NEAR_S * NS)
            if near and life.key is None and life.trunk == trunk and (not life.data or trunk is not None):
                return life
        return None

    def _record(self, reading: Reading, now_ns: int) -> Iterator[Arrival | Ended]:
        detail = reading.detail
        trunk = _text(detail.get("trunk"))
        if detail.get("direction") != "in" or detail.get("phase") == "other" or not self._counts(reading.source, trunk):
            return
        key, phase = _text(detail.get("caller_key")), detail.get("phase")
        duration = detail.get("duration_s")
        took_s = float(duration) if isinstance(duration, int | float) else 0.0
        life = self._match(key, trunk, now_ns, 0.0 if phase == "start" else took_s)
        if life is None:
            life = self._new(now_ns, self._streams(reading, trunk), key, trunk)
            yield Arrival(life.call, now_ns, life.streams)
        fresh = not life.recorded
        life.recorded, life.seen_ns = True, now_ns
        life.trunk, life.key = life.trunk or trunk, life.key or key
        if phase == "start":
            return
        if fresh or not life.over:
            self._learn(life, reading, took_s if isinstance(duration, int | float) else None)
        life.over = life.over or phase in ("whole", "end")
        if not life.told and (life.over or (life.talk_s or 0.0) >= self.site.calls.talk_s):
            yield self._tell(life, now_ns)

    def _learn(self, life: Life, reading: Reading, took_s: float | None) -> None:
        answered, abandoned = reading.detail.get("answered"), reading.detail.get("abandoned")
        if isinstance(answered, bool):
            life.answered = answered or bool(life.answered)
        if abandoned is True:
            life.abandoned = True
        if took_s is not None and answered is not False:
            life.talk_s = (life.talk_s or 0.0) + took_s

    def _tell(self, life: Life, now_ns: int) -> Ended:
        life.told = True
        return Ended(life.call, now_ns, life.streams, life.data, life.answered, life.talk_s, life.abandoned, life.key)

    # -- which call ----------------------------------------------------------------------------------------------

    def _newest(self) -> Iterator[Life]:
        return reversed(self._lives.values())

    def _by_key(self, key: str, now_ns: int) -> Life | None:
        for life in self._newest():
            limit_s = SAME_S if life.over or not life.recorded else OPEN_S
            if life.key == key and now_ns - life.first_ns <= int(limit_s * NS):
                return life
        return None

    def _match(self, key: str | None, trunk: str | None, now_ns: int, took_s: float) -> Life | None:
        began_ns = now_ns - int(took_s * NS)
        for life in self._newest():
            if (
                key
                and life.key == key
                and began_ns - life.first_ns <= int((SAME_S + NEAR_S) * NS)
                and (not life.over or now_ns - life.seen_ns <= int(SAME_S * NS))
            ):
                return life
        for life in self._newest():
            same_trunk = trunk is not None and life.trunk == trunk and life.recorded and not life.over
            if same_trunk and (not key or not life.key or life.key == key):
                return life
        if key:
            candidates = [one for one in self._newest() if one.key is None and not one.recorded]
        else:
            candidates = [one for one in self._newest() if not one.recorded]
        near = [one for one in candidates if abs(one.first_ns - began_ns) <= int(NEAR_S * NS)]
        return min(near, key=lambda one: abs(one.first_ns - began_ns), default=None)

    def _new(self, now_ns: int, streams: tuple[str, ...], key: str | None, trunk: str | None) -> Life:
        if len(self._lives) >= CALLS_MAX:
            oldest = min(self._lives.values(), key=lambda life: (not life.over, life.seen_ns))
            self.dropped += not oldest.told
            del self._lives[oldest.call]
        self.seen += 1
        life = self._lives[self.seen] = Life(self.seen, now_ns, now_ns, streams, key, trunk)
        return life

    def _counts(self, source: str, trunk: str | None) -> bool:
        line = next((one for one in self.site.line if one.id == source), None)
        if isinstance(line, SmdrLine) and line.only_trunks and line.trunks:
            return _group(line.trunks, trunk) is not None
        return True

    def _streams(self, reading: Reading, trunk: str | None) -> tuple[str, ...]:
        streams = ["all"]
        line = next((one for one in self.site.line if one.id == reading.source), None)
        group = _group(line.trunks, trunk) if line is not None else None
        if group is not None:
            streams.append(group)
        service = _text(reading.detail.get("class_of_service"))
        if service and (service in self._classes or len(self._classes) < CLASSES_MAX):
            self._classes[service] = None
            streams.append(f"class:{service[:8]}")
        return tuple(streams)


def _group(trunks: object, trunk: str | None) -> str | None:
    if trunk is None or not isinstance(trunks, dict):
        return None
    wanted = trunk.replace(" ", "")
    return next((group for name, group in trunks.items() if name.replace(" ", "") == wanted), None)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
