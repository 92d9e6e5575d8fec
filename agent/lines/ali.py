"""A CAD-spill or ALI link, receive only: from a byte stream to ``data`` readings without anything of the caller. Pure.

Framing and words are the site file's (``AliLine``), since no public document gives those of US links: query, record,
ACK, NAK and heartbeat as in protocols.md section 2.1. What the text says is read by its forms (``ali_text``). Of the
record itself nothing goes on but whether it had a number and a place, its class of service, the answering position,
the trunk of an ANI failure, and the number as ``Callers`` tells it.
"""

from __future__ import annotations

from agent.callers import Callers
from agent.lines.ali_framing import RECORD_BYTES, Frame, framer_for
from agent.lines.ali_text import Told, Words, folded, is_text, lines_of, query, read
from agent.lines.parser import DATA_FIELDS
from agent.readings import Plain, Reading, State
from agent.site.line import AliLine

QUIET_S = 2.0
"""So long without a byte, a record of the other framings is over; ``idle-gap`` has its own."""
GARBAGE_BYTES = 16_384
"""Garbage is told at the next good message, and at least once in so many bytes."""
REASONS_MAX = 6
QUERY_BYTES = 24
HELD_MAX = RECORD_BYTES + 512
"""The most bytes a parser keeps between calls."""
# fmt: off
COUNTERS = (
    "bytes", "records", "found", "not_found", "ani_failures", "queries", "heartbeats", "acks", "naks", "others",
    "check_failed", "garbage_bytes", "garbage_runs",
)
# fmt: on
_COUNTER: dict[str, str] = {
    "record": "found",
    "no-record-found": "not_found",
    "ani-failure": "ani_failures",
    "query": "queries",
}
_JUDGED = frozenset({"record", "no-record-found", "ani-failure"})


class Ali:
    """One link's parser. ``line``: its table in the site file; ``callers``: how numbers are told. Nothing raises."""

    def __init__(self, line: AliLine, callers: Callers) -> None:
        self._line, self._callers = line, callers
        self._framer = framer_for(line)
        heartbeat = folded(line.heartbeat_text) if line.heartbeat_text else None
        self._words = Words(folded(line.no_record_text), heartbeat, line.record_digit)
        self._asks = line.carries in ("queries", "both")
        self._answers = line.carries in ("records", "both")
        self.idle_s = line.idle_gap_s if line.framing == "idle-gap" else QUIET_S
        self._junk_offset = self._junk_bytes = 0
        self._junk_reasons: dict[str, None] = {}
        self._now_ns = 0
        self._out: list[Reading] = []
        self.counters: dict[str, int] = dict.fromkeys(COUNTERS, 0)

    @property
    def held_bytes(self) -> int:
        """Bytes kept between calls; at most ``HELD_MAX``."""
        return self._framer.held_bytes

    def feed(self, data: bytes, now_ns: int) -> list[Reading]:
        """The readings that ``data``, the next bytes of the stream, completes."""
        self.counters["bytes"] += len(data)
        self._now_ns = now_ns
        self._take(self._framer.feed(data, now_ns))
        return self._told()

    def idle(self, now_ns: int) -> list[Reading]:
        """The line has been quiet for ``idle_s``: what waits for more is over."""
        self._now_ns = now_ns
        self._take(self._framer.idle())
        self._tell_garbage()
        return self._told()

    def reset(self, now_ns: int) -> list[Reading]:
        """The stream ends here and a new one begins (the port was lost, the file is over)."""
        self._now_ns = now_ns
        self._take(self._framer.flush())
        self._tell_garbage()
        return self._told()

    # -- from frames to readings ---------------------------------------------------------------------------------

    def _told(self) -> list[Reading]:
        out, self._out = self._out, []
        return out

    def _take(self, frames: list[Frame]) -> None:
        for frame in frames:
            if frame.kind == "junk":
                self._garbage(frame.offset, frame.size, frame.raw.decode())
            elif frame.kind in ("ack", "nak"):
                self._data(frame.kind, Told("other"), frame)
            else:
                self._record(frame)

    def _record(self, frame: Frame) -> None:
        if self._asks and frame.kind != "cut" and len(frame.raw) <= QUERY_BYTES and frame.raw.isdigit():
            asked = query(frame.raw.decode("ascii"))
            if asked is not None:  # nearly all that such a wire carries: the short way
                self._data("query", asked, frame)
                return
        if not is_text(frame.raw):
            self._garbage(frame.offset, frame.size, "not text")
            return
        lines = lines_of(frame.raw)
        asked = query(lines[0]) if self._asks and len(lines) == 1 else None
        told = asked or read(lines, self._words)
        if told.what == "heartbeat":
            self._heartbeat(frame)
        elif frame.kind == "line" and told.what not in ("query", *_JUDGED):
            self._garbage(frame.offset, frame.size, "bytes outside a record")
        elif frame.kind == "line" and not (self._asks if told.what == "query" else told.number and told.has_place):
            self._garbage(frame.offset, frame.size, "a record without STX and ETX")
        elif frame.kind == "cut" and not (told.what in _JUDGED and (told.number or told.what != "record")):
            self._garbage(frame.offset, frame.size, "record cut off: the stream ended")
        else:
            self._data(told.what, told, frame)

    def _heartbeat(self, frame: Frame) -> None:
        self.counters["records"] += 1
        self.counters["heartbeats"] += 1
        self._tell_garbage()
        detail: dict[str, Plain] = {
            "bytes": frame.size,
            "link": self._line.link or self._line.id,
            "side": self._line.side,
        }
        self._out.append(
            Reading(self._line.id, self._line.dialect, "heartbeat", "link", "up", self._now_ns, detail, frame.offset)
        )

    def _data(self, what: str, told: Told, frame: Frame) -> None:
        self.counters["records"] += 1
        self.counters[_COUNTER.get(what, what + "s" if what in ("ack", "nak") else "others")] += 1
        self.counters["check_failed"] += frame.check is False
        self._tell_garbage()
        state: State | None = None
        if what in _JUDGED:
            good = what == "record" and told.number is not None and told.has_place and frame.check is not False
            state = "up" if good else "degraded"
        line = self._line
        values: tuple[Plain, ...] = (
            what,
            line.link or line.id,
            line.side,
            told.position,
            told.number is not None,
            told.has_place,
            told.trunk,
            told.class_of_service,
            frame.size,
            frame.check,
        )
        detail: dict[str, Plain] = dict(zip(DATA_FIELDS, values, strict=False))
        detail.update(self._callers.fields(told.number))
        self._out.append(Reading(line.id, line.dialect, "data", what, state, self._now_ns, detail, frame.offset))

    def _garbage(self, offset: int, size: int, reason: str) -> None:
        """Add to the present run of garbage, told in pieces of ``GARBAGE_BYTES`` however it came in."""
        self.counters["garbage_bytes"] += size
        while True:
            if not self._junk_reasons:
                self._junk_offset = offset
            if len(self._junk_reasons) < REASONS_MAX:
                self._junk_reasons[reason] = None
            part = min(size, GARBAGE_BYTES - self._junk_bytes)
            self._junk_bytes += part
            offset, size = offset + part, size - part
            if self._junk_bytes == GARBAGE_BYTES:
                self._tell_garbage()
            if not size:
                return

    def _tell_garbage(self) -> None:
        if self._junk_reasons:
            self.counters["garbage_runs"] += 1
            detail: dict[str, Plain] = {"bytes": self._junk_bytes, "reason": "; ".join(self._junk_reasons)}
            self._junk_bytes, self._junk_reasons = 0, {}
            self._out.append(
                Reading(self._line.id, self._line.dialect, "garbage", "", None, self._now_ns, detail, self._junk_offset)
            )
