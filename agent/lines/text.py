"""The site's own rules over lines of text: RE2 expressions, a count in a window, a point to raise or to clear. Pure.

RE2 (google-re2) takes time linear in the line for every rule it accepts, so no rule and no line can stop the agent. A
rule that raises stands until a rule that clears the same point and subject; where there is none, until ``within_s`` has
gone by without another match. The line itself is never told: it may hold a caller's number.
"""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import re2

from agent.lines.parser import DialectRefused
from agent.readings import Kind, Plain, Reading, State
from agent.site.line import Rule, TextLine

NS = 1_000_000_000
LINE_MAX = 1024
PROGRAM_MAX_BYTES = 1 << 20
"""What one compiled rule may take; RE2 refuses larger ones."""
_ENDS = re.compile(rb"[\r\n]")
COUNTERS = ("bytes", "records", "lines", "unmatched", "cut_lines", "garbage_bytes")


def _compiled(rule: Rule) -> Any:
    """The rule's expression over Latin-1. Raises ``re2.error``."""
    options = re2.Options()
    options.log_errors = False
    options.encoding = re2.Options.Encoding.LATIN1
    options.max_mem = PROGRAM_MAX_BYTES
    return re2.compile(rule.match.encode("latin-1"), options)


def check(line: TextLine) -> None:
    """Raises ``DialectRefused`` with the key and the reason for a rule that can't work."""
    names: dict[str, int] = {}
    raised = {(rule.point, rule.subject) for rule in line.rules if rule.says == "raise"}
    for number, rule in enumerate(line.rules):
        first = names.setdefault(rule.name, number)
        if first != number:
            raise DialectRefused(("rules", number, "name"), f"is already the name of rules[{first}]")
        try:
            pattern = _compiled(rule)
        except UnicodeEncodeError:
            raise DialectRefused(
                ("rules", number, "match"), "has a sign outside Latin-1, which no line can have"
            ) from None
        except re2.error as error:
            raise DialectRefused(("rules", number, "match"), _why(error)) from None
        if pattern.search(b"") is not None:
            raise DialectRefused(("rules", number, "match"), "matches an empty line, so it would match every line")
        if rule.says == "clear" and (rule.point, rule.subject) not in raised:
            what = f"{rule.point} of {rule.subject}"
            raise DialectRefused(("rules", number, "says"), f"clears {what}, which no rule here raises")


def _why(error: Exception) -> str:
    told = error.args[0] if error.args else str(error)
    text = told.decode("latin-1", "replace") if isinstance(told, bytes) else str(told)
    return f"is no expression that RE2 can compile: {text[:150]} (it has no look-around and no back-references)"


@dataclass(slots=True)
class _Rule:
    rule: Rule
    pattern: Any
    cleared_by_rule: bool
    matched_ns: deque[int] = field(default_factory=deque)
    stands: bool = False


class TextRules:
    """One line's reader; ``tick`` lets alarms end by time."""

    def __init__(self, line: TextLine) -> None:
        check(line)
        self.idle_s = 1.0
        self.counters: dict[str, int] = dict.fromkeys(COUNTERS, 0)
        self._source = line.id
        clears = {(rule.point, rule.subject) for rule in line.rules if rule.says == "clear"}
        self._rules = [
            _Rule(rule, _compiled(rule), (rule.point, rule.subject) in clears, deque(maxlen=rule.count))
            for rule in line.rules
        ]
        self._tail = b""
        self._offset = 0
        self._skipping = False

    @property
    def held_bytes(self) -> int:
        return len(self._tail)

    def feed(self, data: bytes, now_ns: int) -> list[Reading]:
        """The readings that the next bytes complete."""
        out = self._expire(now_ns)
        self.counters["bytes"] += len(data)
        start = 0
        for end in _ENDS.finditer(data):
            out += self._piece(data[start : end.start()], True, now_ns)
            start = end.end()
        if start < len(data):
            out += self._piece(data[start:], False, now_ns)
        return out

    def idle(self, now_ns: int) -> list[Reading]:
        """A prompt without a line end is a line too; time passes."""
        return self._expire(now_ns)

    def reset(self, now_ns: int) -> list[Reading]:
        """The stream ends; what is unfinished is told as lost."""
        out = self._expire(now_ns)
        begin = self._offset - len(self._tail)
        if self._tail and not self._skipping:
            out.append(self._garbage("line cut off: the stream ended", begin, len(self._tail), now_ns))
        self._tail, self._skipping = b"", False
        return out

    def tick(self, now_ns: int) -> list[Reading]:
        """Alarms whose time is over end."""
        return self._expire(now_ns)

    def due_ns(self) -> int | None:
        """When the next alarm ends by itself."""
        return min((self._end_ns(one) for one in self._rules if one.stands and not one.cleared_by_rule), default=None)

    # -- lines ---------------------------------------------------------------------------------------------------

    def _piece(self, data: bytes, ended: bool, now_ns: int) -> list[Reading]:
        out: list[Reading] = []
        begin = self._offset - len(self._tail)
        if self._skipping:
            self.counters["garbage_bytes"] += len(data)
        else:
            self._tail += data
            if len(self._tail) > LINE_MAX:  # what is beyond it is told as lost, the beginning is still read
                line, beyond, self._tail = self._tail[:LINE_MAX], len(self._tail) - LINE_MAX, b""
                self.counters["garbage_bytes"] += beyond
                self.counters["cut_lines"] += 1
                out += self._line(line, begin, now_ns)
                out.append(self._garbage(f"line of more than {LINE_MAX} bytes", begin, 0, now_ns))
                self._skipping = True
            elif ended:
                line, self._tail = self._tail, b""
                out += self._line(line, begin, now_ns)
        if ended:
            self._skipping = False
        self._offset += len(data) + ended
        return out

    def _line(self, raw: bytes, offset: int, now_ns: int) -> list[Reading]:
        line = raw.replace(b"\x00", b"").strip(b" \t")
        if not line:
            return []
        self.counters["lines"] += 1
        found = [one for one in self._rules if one.pattern.search(line) is not None]
        if not found:
            self.counters["unmatched"] += 1
            return []
        self.counters["records"] += 1
        out = []
        for one in found:
            out += self._matched(one, offset, now_ns)
        return out

    def _matched(self, one: _Rule, offset: int, now_ns: int) -> list[Reading]:
        one.matched_ns.append(now_ns)
        since_ns = now_ns - int(one.rule.within_s * NS)
        while one.matched_ns and one.matched_ns[0] < since_ns:
            one.matched_ns.popleft()
        if len(one.matched_ns) < one.rule.count:
            return []
        if one.rule.says == "clear":
            one.matched_ns.clear()
            for other in self._rules:
                if (other.rule.point, other.rule.subject) == (one.rule.point, one.rule.subject):
                    other.stands = False
                    other.matched_ns.clear()
            return [self._tell(one.rule, "clear", offset, now_ns)]
        told = [] if one.stands else [self._tell(one.rule, "alarm", offset, now_ns)]
        one.stands = True
        return told

    # -- readings ------------------------------------------------------------------------------------------------

    def _end_ns(self, one: _Rule) -> int:
        last_ns = one.matched_ns[-1] if one.matched_ns else 0
        return last_ns + int(one.rule.within_s * NS)

    def _expire(self, now_ns: int) -> list[Reading]:
        out = []
        for one in self._rules:
            if one.stands and not one.cleared_by_rule and now_ns >= self._end_ns(one):
                one.stands = False
                one.matched_ns.clear()
                if not any(self._same(one, other) and other.stands for other in self._rules):
                    out.append(self._tell(one.rule, "clear", None, now_ns))
        return out

    @staticmethod
    def _same(one: _Rule, other: _Rule) -> bool:
        return (one.rule.point, one.rule.subject) == (other.rule.point, other.rule.subject)

    def _tell(self, rule: Rule, kind: Kind, offset: int | None, now_ns: int) -> Reading:
        state: State = "up" if kind == "clear" else "down"
        detail: dict[str, Plain] = {
            "rule": rule.name,
            "point": rule.point,
            "aid": rule.subject,
            "condtype": rule.point.upper(),
            "ntfcncde": "CL" if kind == "clear" else "MJ",
            "srveff": None,
            "locn": None,
            "conddescr": rule.text or f"rule {rule.name} matched",
            "text": rule.text,
            "count": rule.count,
        }
        return Reading(self._source, "text", kind, rule.subject, state, now_ns, detail, offset)

    def _garbage(self, reason: str, offset: int, size: int, now_ns: int) -> Reading:
        self.counters["garbage_bytes"] += size
        return Reading(self._source, "text", "garbage", "", None, now_ns, {"bytes": size, "reason": reason}, offset)
