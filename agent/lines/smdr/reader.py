"""A stream of call records: cut into lines, cleaned of what printers need, each line read by its family. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable

from agent.callers import Callers
from agent.lines.smdr.record import Call, Read
from agent.readings import Plain, Reading

LINE_MAX = 512
"""Bytes of the longest line that is kept; a longer one is garbage up to its end."""
GARBAGE_MAX = 16_384
"""Garbage is told with the next record, and at least once in so many bytes."""
REASONS_MAX = 6
_ENDS = re.compile(rb"[\r\n\x0c]")
_CLEAN = bytes(ch & 0x7F for ch in range(256))
_DROP = bytes([*range(0x09), 0x0B, *range(0x0E, 0x20), 0x7F])
# A heading, a rule, a page number: words, and no time of day as every record has.
_TIME = re.compile(r"\d{1,2}:\d\d|\b\d{4}\b")
_HEADING = re.compile(r"[A-Za-z]{3}|[-=_*]{3}")
_DATED = re.compile(r"(?i)\s*(page|date|time|report|smdr|cdr|call record|station message)\b")
COUNTERS = ("bytes", "records", "headers", "garbage_bytes", "garbage_lines", "garbage_runs", "cut_lines")


class Smdr:
    """One line's reader. ``join``: how a second line belongs to the record before it, where the format has such."""

    def __init__(
        self, source: str, read: Read, callers: Callers, join: Callable[[str, str], str | None] | None = None
    ) -> None:
        self._source, self._read, self._callers, self._join = source, read, callers, join
        self.idle_s = 2.0
        self.counters: dict[str, int] = dict.fromkeys(COUNTERS, 0)
        self._tail = b""
        self._offset = 0
        self._skipping = False
        self._waiting: tuple[str, int, int] | None = None  # a record whose second line may come
        self._junk: dict[str, None] = {}
        self._junk_bytes = 0
        self._junk_offset = 0
        self._out: list[Reading] = []
        self._now_ns = 0

    @property
    def held_bytes(self) -> int:
        return len(self._tail) + (len(self._waiting[0]) if self._waiting else 0)

    def feed(self, data: bytes, now_ns: int) -> list[Reading]:
        """The readings that the next bytes complete."""
        self._now_ns = now_ns
        self.counters["bytes"] += len(data)
        start = 0
        for end in _ENDS.finditer(data):
            self._piece(data[start : end.start()], ended=True)
            start = end.end()
        if start < len(data):
            self._piece(data[start:], ended=False)
        return self._told()

    def idle(self, now_ns: int) -> list[Reading]:
        """The line rests: a record that waited for its second line is told, and garbage."""
        self._now_ns = now_ns
        self._release()
        self._tell_junk()
        return self._told()

    def reset(self, now_ns: int) -> list[Reading]:
        """The stream ends: what is unfinished can't be a whole record."""
        self._now_ns = now_ns
        tail, self._tail = self._tail, b""
        self._release()
        if self._skipping or tail.translate(_CLEAN, _DROP).strip():
            self._refuse("line cut off: the stream ended", self._offset, len(tail))
        self._offset += len(tail)
        self._skipping = False
        self._tell_junk()
        return self._told()

    # -- lines ---------------------------------------------------------------------------------------------------

    def _told(self) -> list[Reading]:
        out, self._out = self._out, []
        return out

    def _piece(self, data: bytes, *, ended: bool) -> None:
        """A stretch without a line end, and whether one follows it."""
        if self._skipping:
            self._junk_more(len(data))
            self._offset += len(data) + ended
            self._skipping = not ended
            return
        self._tail += data
        if len(self._tail) > LINE_MAX:
            self.counters["cut_lines"] += 1
            # Always the same bytes in the same run, however the stream was cut.
            self._refuse("line too long", self._offset, len(self._tail))
            self._offset += len(self._tail) + ended
            self._tail = b""
            self._skipping = not ended
        elif ended:
            line, self._tail = self._tail, b""
            offset, self._offset = self._offset, self._offset + len(line) + 1
            self._line(line, offset)

    def _line(self, raw: bytes, offset: int) -> None:
        text = raw.translate(_CLEAN, _DROP).decode("ascii").expandtabs().rstrip()
        if not text:
            return
        if self._join is not None:
            joined = self._join(self._waiting[0], text) if self._waiting else None
            if joined is not None and self._waiting is not None:
                self._waiting = (joined[: 2 * LINE_MAX], self._waiting[1], self._waiting[2] + len(raw))
                self._release()
                return
            self._release()
            self._waiting = (text, offset, len(raw))
            return
        self._one(text, offset, len(raw))

    def _release(self) -> None:
        if self._waiting is not None:
            waiting, self._waiting = self._waiting, None
            self._one(*waiting)

    def _one(self, text: str, offset: int, size: int) -> None:
        found = self._read(text)
        if isinstance(found, Call):
            self._tell_junk()
            self.counters["records"] += 1
            self._tell_call(found, offset)
        elif (
            found.skip or _DATED.match(text) or (_HEADING.search(text) and not _TIME.search(text) and len(text) <= 140)
        ):
            self.counters["headers"] += 1
        else:
            self._refuse(found.why, offset, size)

    def _tell_call(self, call: Call, offset: int) -> None:
        detail: dict[str, Plain] = {
            "start": call.start,
            "duration_s": call.duration_s,
            "trunk": None if call.trunk is None else call.trunk.replace(" ", "") or None,
            "direction": call.direction,
            "answered": call.answered,
            "time_to_answer_s": call.time_to_answer_s,
            "code": call.code,
            "station": call.station,
            "phase": call.phase,
            "trouble": call.trouble,
            "abandoned": call.abandoned,
            "record": call.record,
            **self._callers.fields(call.caller),
            "dialled": self._callers.shown(call.dialled) if call.dialled else None,
            "dialled_key": self._callers.hash_of(call.dialled) if call.dialled else None,
        }
        self._out.append(
            Reading(self._source, "smdr", "call", call.direction or "", None, self._now_ns, detail, offset)
        )

    # -- garbage -------------------------------------------------------------------------------------------------

    def _refuse(self, why: str, offset: int, size: int) -> None:
        self.counters["garbage_lines"] += 1
        if not self._junk:
            self._junk_offset = offset
        if len(self._junk) < REASONS_MAX:
            self._junk[why] = None
        self._junk_more(size)

    def _junk_more(self, size: int) -> None:
        self._junk_bytes += size
        self.counters["garbage_bytes"] += size

    def _tell_junk(self) -> None:
        if not self._junk:
            return
        self.counters["garbage_runs"] += 1
        detail: dict[str, Plain] = {"bytes": self._junk_bytes, "reason": "; ".join(self._junk)}
        self._junk, self._junk_bytes = {}, 0
        self._out.append(Reading(self._source, "smdr", "garbage", "", None, self._now_ns, detail, self._junk_offset))
