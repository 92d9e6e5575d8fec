"""Lines of text, read by the site's own rules: a count in a window, a point to raise or to clear. Pure.

A line ends with CR, LF or both; a second of quiet ends one too (a prompt, a last line whose end comes with the next),
though more of it may follow and be read with it. A rule counts once a line. What it raises stands until a rule that
clears the same point and subject; where there is none, until ``within_s`` has gone by without another match while the
port was open. No reading holds text of the line: it may hold a caller's number.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, field

from agent.lines.parser import DialectRefused
from agent.lines.text_rules import check, matcher
from agent.readings import Kind, Plain, Reading, State
from agent.site.line import Rule, TextLine

__all__ = ["DialectRefused", "TextRules", "check"]

NS = 1_000_000_000
LINE_MAX = 1024
"""The longest line that is read; what is beyond is cut off, and told."""
GARBAGE_BYTES = 65_536
AGAIN_NS = 60 * NS
"""What stands and is matched again is told again so often at most: a person may have reset it meanwhile."""
MINOR = frozenset({"line-errors", "ha-degraded"})
COUNTERS = ("bytes", "records", "lines", "unmatched", "cut_lines", "garbage_bytes", "eighth_bit")
_ENDS = re.compile(rb"[\r\n]")
_FILL = b"\x00\x7f"  # sent for time on old lines, or a break
_LEADING = re.compile(rb"[\x00\x7f\r\n]*")
_LOW_7 = bytes(byte & 0x7F for byte in range(256))
_HIGH = re.compile(rb"[\x80-\xff]")
_BITS = [byte.bit_count() % 2 for byte in range(256)]


def without_parity(line: bytes) -> bytes | None:
    """The text of a line sent at 7 bits with parity and read at 8; None where its eighth bits are no parity bits."""
    if len(line) < 8 or _HIGH.search(line) is None:
        return None
    odd = sum(_BITS[byte] for byte in line)
    if odd not in (0, len(line)) and min(line) < 0x80:
        return None
    return line.translate(_LOW_7)


@dataclass(slots=True)
class _Raise:
    """A rule that raises, and its latest matches: no more than it counts."""

    rule: Rule
    matched_ns: deque[int]

    @property
    def within_ns(self) -> int:
        return int(self.rule.within_s * NS)

    def matched(self, now_ns: int) -> int:
        """One more match; how many there are in the window."""
        self.matched_ns.append(now_ns)
        while self.matched_ns[0] < now_ns - self.within_ns:
            self.matched_ns.popleft()
        return len(self.matched_ns)


@dataclass(slots=True)
class _Standing:
    """One point of one subject: the rules that raise it share it. ``stands`` None: not known since the start."""

    raises: list[_Raise] = field(default_factory=list)
    cleared_by_rule: bool = False
    stands: bool | None = None
    until_ns: int = 0
    told_ns: int = 0
    last: Rule | None = None


class TextRules:
    """One line's reader (``agent.lines.parser.Timed``). Raises ``DialectRefused`` when made, and later on nothing."""

    idle_s = 1.0

    def __init__(self, line: TextLine) -> None:
        check(line)
        self.counters: dict[str, int] = dict.fromkeys(COUNTERS, 0)
        self._source = line.id
        self._matcher = matcher(line)
        self._points: dict[tuple[str, str], _Standing] = {}
        self._rules: list[tuple[Rule, _Standing, _Raise | None]] = []
        for rule in line.rules:
            standing = self._points.setdefault((rule.point, rule.subject), _Standing())
            one = _Raise(rule, deque(maxlen=rule.count)) if rule.says == "raise" else None
            if one is None:
                standing.cleared_by_rule = True
            else:
                standing.raises.append(one)
            self._rules.append((rule, standing, one))
        self._listening_ns: int | None = None  # since when nothing can have been missed
        self._held = b""
        self._offset = 0  # of the first byte held, or the next byte
        self._seen: frozenset[int] = frozenset()  # rules that have counted the line held
        self._cutting = False
        self._cut_bytes = self._cut_offset = 0
        self._now_ns = 0
        self._out: list[Reading] = []

    @property
    def held_bytes(self) -> int:
        """Bytes of the unfinished line, and of the matches counted."""
        return len(self._held) + sum(8 * len(r.matched_ns) for p in self._points.values() for r in p.raises)

    # -- what the shell calls ------------------------------------------------------------------------------------

    def feed(self, data: bytes, now_ns: int) -> list[Reading]:
        """The readings that the next bytes complete."""
        self._expire(now_ns)
        if data and self._listening_ns is None:
            self._listening_ns = now_ns
        self.counters["bytes"] += len(data)
        pos, size = 0, len(data)
        while pos < size:
            if not self._held and not self._cutting:
                leading = _LEADING.match(data, pos)
                assert leading is not None
                self._offset += leading.end() - pos
                pos = leading.end()
            ending = _ENDS.search(data, pos)
            stop = ending.start() if ending else size
            self._piece(data[pos:stop])
            if ending is not None:
                self._end_line()
                self._offset += 1
            pos = stop + (ending is not None)
        return self._told()

    def idle(self, now_ns: int) -> list[Reading]:
        """The line has been quiet: what stands there is read as it is; more of it may still come."""
        self._expire(now_ns)
        if self._cutting:
            self._end_line()
        elif self._held:
            self._seen |= self._match(self._held, self._seen)
        return self._told()

    def reset(self, now_ns: int) -> list[Reading]:
        """The stream ends. What stands goes on standing: until the line is heard again, nothing is known of it."""
        self._expire(now_ns)
        begin, size = self._offset, len(self._held)
        if size and not self._cutting and not self._finish():
            self._cut_offset = begin
            self._cut(size)
            self._tell_cut("line cut off: the stream ended")
        self._end_line()
        self._listening_ns = None
        return self._told()

    def tick(self, now_ns: int) -> list[Reading]:
        """What ends by time ends."""
        self._expire(now_ns)
        return self._told()

    def due_ns(self) -> int | None:
        """When the next alarm ends by itself, None where none does."""
        ends = (self._end_ns(standing) for standing in self._points.values())
        return min((end for end in ends if end is not None), default=None)

    # -- lines ---------------------------------------------------------------------------------------------------

    def _piece(self, data: bytes) -> None:
        """More of the line, without its end."""
        room = 0 if self._cutting else LINE_MAX - len(self._held)
        self._held += data[:room]
        if len(data) <= room:
            return
        if not self._cutting:
            self._cutting = True
            self.counters["cut_lines"] += 1
            self._finish()
            self._cut_offset = self._offset
        beyond = len(data) - room
        while self._cut_bytes + beyond >= GARBAGE_BYTES:  # a line without end is told of before its end
            part = GARBAGE_BYTES - self._cut_bytes
            self._cut(part)
            self._offset += part
            beyond -= part
            self._tell_cut()
            self._cut_offset = self._offset
        self._cut(beyond)
        self._offset += beyond

    def _end_line(self) -> None:
        if self._cutting:
            self._tell_cut()
            self._cutting = False
        elif self._held:
            self._finish()

    def _finish(self) -> bool:
        """The line held is whole, or as long as it may be. False where a rule might have matched and none did."""
        found = self._seen | self._match(self._held, self._seen)
        blank = not self._held.strip(_FILL + b" \t")
        if not blank:
            self.counters["lines"] += 1
            self.counters["records" if found else "unmatched"] += 1
        self._offset += len(self._held)
        self._held, self._seen = b"", frozenset()
        return bool(found) or blank

    def _match(self, raw: bytes, seen: frozenset[int]) -> frozenset[int]:
        """Count the line for every rule that matches it and has not counted it yet; the numbers of those."""
        line = raw.translate(None, _FILL).strip(b" \t")
        if not line:
            return frozenset()
        found = set(self._matcher.Match(line) or ())
        if not found and (text := without_parity(line)) is not None:
            for part in _ENDS.split(text):  # line ends that the eighth bit hid
                found |= set(self._matcher.Match(part.strip(b" \t")) or ())
            self.counters["eighth_bit"] += bool(found)
        for number in sorted(found - seen):
            self._matched(number)
        return frozenset(found)

    # -- rules ---------------------------------------------------------------------------------------------------

    def _matched(self, number: int) -> None:
        rule, standing, one = self._rules[number]
        if one is None:
            self._clear(standing, rule, 1, rule.text, f"rule {rule.name} matched", self._offset)
            return
        count = one.matched(self._now_ns)
        standing.until_ns = max(standing.until_ns, self._now_ns + one.within_ns)
        if count < rule.count:
            return
        if not standing.stands or self._now_ns >= standing.told_ns + AGAIN_NS:
            standing.stands, standing.told_ns, standing.last = True, self._now_ns, rule
            times = f", {count} times in {rule.within_s:g} s" if rule.count > 1 else ""
            self._tell("alarm", rule, count, rule.text, f"rule {rule.name} matched{times}", self._offset)

    def _clear(
        self, standing: _Standing, rule: Rule, count: int, text: str | None, words: str, offset: int | None
    ) -> None:
        """Told where it stood, and the first time: it may have stood before this start."""
        for one in standing.raises:
            one.matched_ns.clear()
        if standing.stands is not False:
            standing.stands = False
            self._tell("clear", rule, count, text, words, offset)

    def _end_ns(self, standing: _Standing) -> int | None:
        """When this ends by time: ``within_s`` after the last match, heard all the while. None: not by time."""
        if standing.cleared_by_rule or standing.stands is False or self._listening_ns is None:
            return None
        return max(standing.until_ns, self._listening_ns + max(one.within_ns for one in standing.raises))

    def _expire(self, now_ns: int) -> None:
        self._now_ns = now_ns
        for standing in self._points.values():
            end_ns = self._end_ns(standing)
            if end_ns is not None and now_ns >= end_ns:
                rule = standing.last or standing.raises[0].rule
                words = f"rule {rule.name} has not matched for {rule.within_s:g} s"
                self._clear(standing, rule, 0, None, words, None)

    # -- readings ------------------------------------------------------------------------------------------------

    def _tell(self, kind: Kind, rule: Rule, count: int, text: str | None, words: str, offset: int | None) -> None:
        code = "CL" if kind == "clear" else "MN" if rule.point in MINOR else "MJ"
        state: State = "up" if kind == "clear" else "degraded" if code == "MN" else "down"
        detail: dict[str, Plain] = {
            "rule": rule.name,
            "point": rule.point,
            "aid": rule.subject,
            "subject": rule.subject,
            "count": count,
            "condtype": rule.point.upper(),
            "ntfcncde": code,
            "srveff": None,
            "locn": None,
            "conddescr": text or words,
            "text": text,
        }
        self._out.append(Reading(self._source, "text", kind, rule.subject, state, self._now_ns, detail, offset))

    def _cut(self, size: int) -> None:
        self.counters["garbage_bytes"] += size
        self._cut_bytes += size

    def _tell_cut(self, reason: str = f"line of more than {LINE_MAX} bytes") -> None:
        if self._cut_bytes:
            detail: dict[str, Plain] = {"bytes": self._cut_bytes, "reason": reason}
            self._out.append(Reading(self._source, "text", "garbage", "", None, self._now_ns, detail, self._cut_offset))
            self._cut_bytes = 0

    def _told(self) -> list[Reading]:
        out, self._out = self._out, []
        return out
