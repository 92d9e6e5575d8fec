"""Plain-text alarms of a CSU/DSU on its COM or management port. Pure.

One alarm is the unit's name, the time since its reset and a sentence over one or more lines (Paradyne 7110 manual,
7110-A2-GB20-00 page 6-2; 3162-A2-GB20-30 page 4-8; 3170-A2-GB20-20 page 4-9):

    NE815378
    283:14:57
    Continuous Loss of Signal detected
    at the Network Interface

Name and time are optional. Unknown conditions in that form are told raw. "Alarm Cleared." without a condition ends
all: the 7110 sends it when its last alarm has ended. The 7110 shows one alarm at a time, and a lower one when a higher
one has ended: with its form of time (ddd:hh:mm), a new alarm therefore ends the one before, ``implied``. What is no
alarm (prompts, menus) is garbage.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from agent.lines import csu_words as words
from agent.lines.console import Garbage, LineCutter, TextLine
from agent.lines.csu_words import Said
from agent.readings import Kind, Plain, Reading, State

FIELDS = (
    "unit",
    "since_reset",
    "time",
    "aid",
    "condtype",
    "ntfcncde",
    "srveff",
    "locn",
    "interface",
    "conddescr",
    "implied",
)
COUNTERS = ("bytes", "records", "alarms", "clears", "garbage_bytes", "garbage_runs")
LINES_MAX = 4
"""A sentence is wrapped into so many lines at most."""
UNIT_CHARS = 40
_STAMP = re.compile(r"(?:(?P<unit>[^\s:][^:]{0,38}?)\s+)?(?P<stamp>\d{1,3}:[0-2]\d:[0-5]\d)(?:\s+(?P<rest>\S.*))?\Z")
_DATED = re.compile(
    r"(?:(?P<unit>[^\s:][^:]{0,38}?)\s+)?(?P<stamp>(?:\d{1,2}[/-]\d{1,2}(?:[/-]\d{2,4})?|\d{4}-\d\d-\d\d)[\sT,]+\d{1,2}:\d\d(?::\d\d)?"
    r"(?:\s?[AP]M)?)(?:[\s,:-]+(?P<rest>[^\s].*))?\Z",
    re.IGNORECASE,
)
_CLOCK = re.compile(r"\d:\d\d")
_NOT_A_NAME = re.compile(r"[>:?=|\[\]]|[#$%]\Z")


class _Open(NamedTuple):
    """A sentence that may go on in the next line."""

    lines: tuple[TextLine, ...]

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(line.text or "" for line in self.lines))


class Csu:
    """One unit's port, receive only; ``trunk`` is the T1 it stands on. No method raises on any bytes."""

    idle_s = 1.0

    def __init__(self, source: str, trunk: str) -> None:
        self._source, self._trunk = source, trunk
        self._cutter = LineCutter()
        self._garbage = Garbage()
        self._open: _Open | None = None
        self._name: TextLine | None = None  # a line that is the unit's name, if an alarm follows it
        self._head: tuple[str | None, str | None, str | None] = (None, None, None)
        self._head_lines: list[TextLine] = []
        self._shown: tuple[str, str, str | None] | None = None  # the one alarm a 7110 shows: aid, condition, locn
        self._now_ns = 0
        self._out: list[Reading] = []
        self.counters: dict[str, int] = dict.fromkeys(COUNTERS, 0)

    @property
    def held_bytes(self) -> int:
        """Bytes kept between calls: an unfinished line, a name, a head and a sentence of ``LINES_MAX`` lines."""
        lines = [*(self._open.lines if self._open else ()), *self._head_lines, *([self._name] if self._name else [])]
        return self._cutter.held_bytes + sum(len(line.text or "") for line in lines)

    def feed(self, data: bytes, now_ns: int) -> list[Reading]:
        """The readings that ``data`` completes."""
        self.counters["bytes"] += len(data)
        self._now_ns = now_ns
        for line in self._cutter.feed(data):
            self._line(line)
        return self._told()

    def idle(self, now_ns: int) -> list[Reading]:
        """Quiet: no more of the sentence comes. Its last line may have no end, but then it must be whole."""
        self._now_ns = now_ns
        self._last_line()
        if not self._cutter.held_bytes:
            self._close()
            self._drop_head()
        self._tell_garbage()
        return self._told()

    def reset(self, now_ns: int) -> list[Reading]:
        """The stream ends here; half a line is no line."""
        self._now_ns = now_ns
        self._last_line()
        for line in self._cutter.flush():
            self._junk(line, "cut off: the stream ended")
        self._close()
        self._drop_head()
        self._tell_garbage()
        return self._told()

    def _last_line(self) -> None:
        held = self._cutter.held
        if not held:
            return
        begun = f"{self._open.text} " if self._open is not None else ""
        whole = begun + held
        if words.is_whole(whole) or words.is_bare(whole) or words.is_whole(held):
            for line in self._cutter.flush():
                self._line(line)

    def _told(self) -> list[Reading]:
        out, self._out = self._out, []
        return out

    # -- from lines to sentences ---------------------------------------------------------------------------------

    def _line(self, line: TextLine) -> None:
        if line.text is None:
            self._close()
            self._drop_head()
            self._junk(line, "line too long")
            return
        if self._open is not None and self._goes_on(line):
            return
        stamp = _stamp(line.text)
        if stamp is not None:
            self._stamped(line, stamp)
        elif words.begins(line.text) or words.read(line.text) is not None:
            self._begin(line)
        else:
            self._drop_head()
            self._name = line

    def _goes_on(self, line: TextLine) -> bool:
        """Whether ``line`` belongs to the open sentence; it is closed where it is whole, or ``line`` is another's."""
        assert self._open is not None
        assert line.text is not None
        longer = _Open((*self._open.lines, line))
        if not self._belongs(self._open.text, line.text, longer):
            if len(self._open.lines) > 1 and _stamp(line.text) and words.read(self._open.text) is None:
                self._open, name = _Open(self._open.lines[:-1]), self._open.lines[-1]
                self._close()
                self._name = name
            self._close()
            return False
        self._open = longer
        if words.is_whole(longer.text):
            self._close()
        return True

    def _belongs(self, so_far: str, line: str, longer: _Open) -> bool:
        if len(longer.lines) > LINES_MAX or _stamp(line):
            return False
        if words.is_bare(so_far):
            return words.begins(line) and not words.says_begun(line)
        if words.read(so_far) is not None:
            return words.only_place(line)
        if words.is_clearing(so_far):
            return not words.says_begun(line)
        if words.begins(line):
            return False
        return words.read(longer.text) is not None or words.read(line) is None

    def _begin(self, line: TextLine) -> None:
        self._open = _Open((line,))
        if words.is_whole(self._open.text):
            self._close()

    def _stamped(self, line: TextLine, found: re.Match[str]) -> None:
        before = self._name
        self._name = None
        self._drop_head()
        unit = found["unit"]
        if before is not None:
            if unit is None and _is_name(before.text or ""):
                unit = before.text
                self._head_lines = [before]
            else:
                self._junk(before, "no alarm")
        elapsed = re.fullmatch(r"\d{1,3}:\d\d:\d\d", found["stamp"]) is not None
        self._head = (unit, found["stamp"] if elapsed else None, None if elapsed else found["stamp"])
        self._head_lines.append(line)
        rest = found["rest"]
        if rest is not None:
            if words.begins(rest) or words.read(rest) is not None:
                self._begin(TextLine(line.offset, 0, rest))
            else:
                self._drop_head()

    def _drop_head(self) -> None:
        """A name or a time that no alarm followed."""
        for line in (*self._head_lines, *([self._name] if self._name else [])):
            self._junk(line, "no alarm")
        self._name, self._head, self._head_lines = None, (None, None, None), []

    def _close(self) -> None:
        """The sentence is over: tell what it says."""
        while self._open is not None:
            sentence, self._open = self._open, None
            said = words.read(sentence.text)
            if said is None and words.is_bare(sentence.lines[0].text or "") and len(sentence.lines) > 1:
                sentence, self._open = _Open(sentence.lines[:1]), _Open(sentence.lines[1:])  # two sentences, then
                said = words.read(sentence.text)
            if said is None:
                self._drop_head()
                for line in sentence.lines:
                    self._junk(line, "no alarm that is known")
                continue
            self._name_as_head()
            self._tell_said(said, sentence.text, (self._head_lines or sentence.lines)[0].offset)
            self._head, self._head_lines = (None, None, None), []

    def _name_as_head(self) -> None:
        """The line before a sentence without a time is the unit's name, if it can be one."""
        name, self._name = self._name, None
        if name is None:
            return
        if self._head_lines or not _is_name(name.text or ""):
            self._junk(name, "no alarm")
        else:
            self._head, self._head_lines = (name.text, None, None), [name]

    # -- readings ------------------------------------------------------------------------------------------------

    def _tell_said(self, said: Said, sentence: str, offset: int) -> None:
        aid, locn = self._where(said)
        unit, since_reset, time = self._head
        detail: dict[str, Plain] = dict.fromkeys(FIELDS)
        detail.update(unit=unit, since_reset=since_reset, time=time, aid=aid, condtype=said.condtype, locn=locn)
        detail.update(interface=said.side, conddescr=sentence, implied=False)
        self._tell_garbage()
        self.counters["records"] += 1
        for gone in self._implied(said, aid, locn):
            was = {**detail, "aid": gone[0], "condtype": gone[1], "locn": gone[2], "ntfcncde": "CL", "implied": True}
            self._tell("clear", gone[0], "up", {**was, "interface": None, "conddescr": None}, offset)
        if said.says == "clear":
            self._tell("clear", aid, "up", {**detail, "ntfcncde": "CL"}, offset)
            return
        mild = said.condtype == "BER-SF" or said.side == "port"
        detail.update(ntfcncde="MN" if mild else "MJ", srveff=None if mild else "SA")
        self._tell("alarm", aid, "degraded" if mild else "down", detail, offset)

    def _implied(self, said: Said, aid: str, locn: str | None) -> Iterator[tuple[str, str, str | None]]:
        """What has ended without a word: a unit that shows one alarm at a time shows another."""
        shown, named = self._shown, (aid, said.condtype or "", locn)
        if said.says == "clear":
            self._shown = None if said.condtype is None or shown == named else shown
        elif self._head[1] is not None:
            self._shown = named
            if shown is not None and shown != named:
                yield shown

    def _where(self, said: Said) -> tuple[str, str | None]:
        """The subject and the end: the trunk itself, one of several loops, or a data port of its own."""
        if said.side is None:
            return self._trunk, None
        if said.side == "port":
            return f"{self._trunk}-port-{said.number or 0}", None
        locn = {"network": "NEND", "dte": "FEND"}.get(said.side)
        if locn is None:
            return self._trunk, None
        return (f"{self._trunk}-{said.number}" if said.number else self._trunk), locn

    def _tell(self, kind: Kind, subject: str, state: State, detail: dict[str, Plain], offset: int) -> None:
        self.counters["alarms" if kind == "alarm" else "clears"] += 1
        self._out.append(Reading(self._source, "csu", kind, subject, state, self._now_ns, detail, offset))

    def _junk(self, line: TextLine, reason: str) -> None:
        if not line.size:
            return
        self.counters["garbage_bytes"] += line.size
        if self._garbage.add(line.offset, line.size, reason):
            self._tell_garbage()

    def _tell_garbage(self) -> None:
        told = self._garbage.take()
        if told is not None:
            self.counters["garbage_runs"] += 1
            self._out.append(Reading(self._source, "csu", "garbage", "", None, self._now_ns, told[0], told[1]))


def _stamp(line: str) -> re.Match[str] | None:
    return (_DATED.match(line) or _STAMP.match(line)) if _CLOCK.search(line) else None


def _is_name(text: str) -> bool:
    return len(text) <= UNIT_CHARS and _NOT_A_NAME.search(text) is None
