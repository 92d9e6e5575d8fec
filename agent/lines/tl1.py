"""TL1 autonomous messages (GR-831, GR-833: REPT ALM, REPT EVT) from a byte stream to readings. Pure.

The header line (SID, date, time) is the anchor: whatever stood before it, the message after it is read. A text
line becomes a reading as soon as it is complete, so a message whose terminator is lost still raises its
alarms. Clearing is decided by NTFCNCDE ``CL`` alone: real equipment sends ``*C … CL``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict

from agent.lines.atag import SIDS_MAX, AtagTracker
from agent.lines.framing import LINE_BYTES, Framer, Piece
from agent.lines.tl1_grammar import Line, Token, classify, is_header, plain
from agent.lines.tl1_text import (
    CLEARED,
    NOT_ALARMED,
    Fields,
    alarm_fields,
    event_fields,
    other_fields,
    sure_alarm,
    unquoted,
)
from agent.lines.tl1_words import COUNTERS, FIELDS, SEVEN_BITS, Message, MessageState
from agent.readings import Kind, Plain, Reading
from agent.readings import State as Health

GARBAGE_BYTES = 16_384
"""Garbage is told at the next good message, and at least once in so many bytes."""
REASONS_MAX = 6
TEXT_CHARS = 200
_HELD_MAX = LINE_BYTES * (SIDS_MAX + 6)
"""What a parser may hold: an unfinished line, an open message's head, the SIDs followed; none longer than a line."""


class Tl1:
    """One line's parser. ``source`` is the line's id; no method raises on any bytes."""

    idle_s = 1.0

    def __init__(self, source: str) -> None:
        self._source = source
        self._framer = Framer(is_header)
        self._atags = AtagTracker()
        self._state: MessageState = "idle"
        self._message = Message(0)
        self._echo_open = False
        self._sids_told = False
        self._junk_offset = 0
        self._junk_bytes = 0
        self._junk_reasons: dict[str, None] = {}
        self._now_ns = 0
        self._out: list[Reading] = []
        self.counters: dict[str, int] = dict.fromkeys(COUNTERS, 0)

    @property
    def held_bytes(self) -> int:
        """Bytes and characters kept between calls; never more than a small multiple of ``LINE_BYTES``."""
        return self._framer.held_bytes + self._message.held_chars + self._atags.held_bytes

    # -- what the shell calls ------------------------------------------------------------------------------------

    def feed(self, data: bytes, now_ns: int) -> list[Reading]:
        """The readings that ``data``, the next bytes of the stream, completes."""
        self.counters["bytes"] += len(data)
        self._now_ns = now_ns
        for piece in self._framer.feed(data.translate(SEVEN_BITS)):
            self._take(piece)
        return self._told()

    def idle(self, now_ns: int) -> list[Reading]:
        """The line has been quiet for a second or more: tell what would otherwise wait for the next message."""
        self._now_ns = now_ns
        held = plain(self._framer.held)
        if self._state == "report" and held[:1] == '"' and unquoted(held)[2] and not self._framer.in_comment:
            self._take(self._framer.take_held())
        message = self._message
        if self._state != "idle" and not message.told_unfinished:
            message.told_unfinished = True
            self._garbage(message.offset, 0, "message without end")
        self._tell_garbage()
        return self._told()

    def reset(self, now_ns: int) -> list[Reading]:
        """The stream ends here and a new one begins (the port was lost, the file is over); tags are still followed."""
        self._now_ns = now_ns
        for piece in self._framer.flush():
            self._take(piece)
        if self._state != "idle":
            self._cut("cut off: the stream ended")
        self._state, self._echo_open = "idle", False
        self._message = Message(0)
        self._tell_garbage()
        return self._told()

    # -- from pieces to tokens -----------------------------------------------------------------------------------

    def _told(self) -> list[Reading]:
        out, self._out = self._out, []
        return out

    def _take(self, piece: Piece) -> None:
        if piece.kind == "junk":
            self._garbage(piece.offset, piece.size, piece.data.decode())
            return
        if piece.kind == "comment":
            self._message.comment = (self._message.comment + " " + plain(piece.data)).strip()[:TEXT_CHARS]
            return
        text = plain(piece.data)
        if not text:
            return
        what, line = classify(piece, text, self._state == "headed")
        if what == "end" and self._echo_open:  # it ends the echoed command, not a message
            self._echo_open = False
            return
        self._echo_open = what == "echo"
        action, self._state = _TABLE[self._state, what]
        action(self, line)

    # -- actions of the table ------------------------------------------------------------------------------------

    def _open(self, line: Line) -> None:
        assert line.match is not None
        detail: dict[str, Plain] = dict.fromkeys(FIELDS)
        detail.update(sid=line.match["sid"].strip('"').strip(), date=line.match["date"], time=line.match["time"])
        self._message = Message(line.piece.offset, detail)

    def _open_again(self, line: Line) -> None:
        self._garbage(self._message.offset, line.piece.offset - self._message.offset, "header without a message")
        self._open(line)

    def _open_cutting(self, line: Line) -> None:
        self._cut("cut off by the next message")
        self._open(line)

    def _headless(self, line: Line) -> None:
        """A message whose header was damaged: what it says still counts."""
        self.counters["headless"] += 1
        self._garbage(line.piece.offset, 0, "message without header")
        self._message = Message(line.piece.offset, dict.fromkeys(FIELDS))

    def _headless_cutting(self, line: Line) -> None:
        self._cut("cut off by the next message")
        self._headless(line)

    def _report(self, line: Line) -> None:
        assert line.match is not None
        found, detail = line.match, self._message.detail
        self.counters["reports"] += 1
        self.counters["records"] += 1
        self._tell_garbage()
        detail["alarm_code"] = (found["code"] or "").rstrip("^")
        detail["atag"], detail["verb"] = found["atag"], found["verb"]
        detail["mod1"], detail["mod2"] = found["mod1"], found["mod2"]
        self._follow(found["atag"])

    def _report_headless(self, line: Line) -> None:
        self._headless(line)
        self._report(line)

    def _report_cutting(self, line: Line) -> None:
        self._headless_cutting(line)
        self._report(line)

    def _answer(self, line: Line) -> None:
        assert line.match is not None
        self._tell_garbage()
        self._message.ctag, self._message.compl = line.match["ctag"], line.match["compl"]
        if line.match["end"]:
            self._state = "idle"
            self._close_answer(line)

    def _answer_headless(self, line: Line) -> None:
        self._headless(line)
        self._answer(line)

    def _answer_cutting(self, line: Line) -> None:
        self._headless_cutting(line)
        self._answer(line)

    def _ack(self, line: Line) -> None:
        assert line.match is not None
        self.counters["acks"] += 1
        self.counters["records"] += 1
        self._tell_garbage()
        detail: dict[str, Plain] = {"ctag": line.match["ctag"], "compl": None, "ack": line.match["acode"]}
        if self._acked(line.match["ctag"], line.match["acode"]):
            self._tell("data", "", None, detail, line.piece.offset)

    def _echo(self, _line: Line) -> None:
        self.counters["echoes"] += 1

    def _stray_end(self, _line: Line) -> None:
        """A terminator with nothing before it: the end of an acknowledgement, or a prompt."""

    def _junk(self, line: Line) -> None:
        self._garbage(line.piece.offset, line.piece.size, "not TL1")

    def _salvage(self, line: Line) -> None:
        """A text line after a damaged identification: it counts where it can be nothing but an alarm."""
        fields = sure_alarm(line.text)
        if fields is None:
            self._junk(line)
            return
        self.counters["salvaged"] += 1
        self._garbage(self._message.offset, 0, "message without identification")
        self._alarm(fields)

    def _empty(self, line: Line) -> None:
        size = line.piece.offset + line.piece.size - self._message.offset
        self._garbage(self._message.offset, size, "header without a message")
        self._tell_garbage()

    def _text(self, line: Line) -> None:
        content, quoted, closed = unquoted(line.text)
        if not closed:
            self._garbage(line.piece.offset, line.piece.size, "text line without closing quote")
        mod1 = self._message.detail["mod1"]
        if self._message.detail["verb"] != "REPT" or mod1 not in ("ALM", "EVT"):
            self._other_text(line, content if closed else "")
            return
        fields = alarm_fields(content) if mod1 == "ALM" else event_fields(content)
        if fields is None and not quoted:
            self._junk(line)
            self._message.texts += 1
        elif not closed and (fields is None or fields.get("srveff") is None):
            self._message.texts += 1  # too little of it is left to say what it was
        elif fields is None:
            self._event({"conddescr": content.strip() or None})
        elif mod1 == "ALM":
            self._alarm(fields)
        else:
            self._event(fields)

    def _other_text(self, line: Line, content: str) -> None:
        """A report that is neither ALM nor EVT; or one that was, before noise bent its identification."""
        fields = sure_alarm(line.text)
        if fields is None:
            self._event(other_fields(content))
            return
        self.counters["salvaged"] += 1
        self._garbage(self._message.offset, 0, "alarm under another identification")
        self._alarm(fields)

    def _answer_text(self, line: Line) -> None:
        self._message.texts += 1
        self._message.first = self._message.first or line.text[:TEXT_CHARS]
        self._answer_line(line)

    def _close_report(self, _line: Line) -> None:
        if not self._message.texts:
            self._event({"conddescr": self._message.comment or None})
        self._tell_garbage()

    def _close_answer(self, line: Line) -> None:
        message, detail = self._message, self._message.detail
        self.counters["answers"] += 1
        self.counters["records"] += 1
        told: dict[str, Plain] = {name: detail[name] for name in ("sid", "date", "time")}
        told |= {"ctag": message.ctag, "compl": message.compl, "lines": message.texts}
        if message.compl == "DENY":
            told |= {"errcde": message.first or None, "text": message.comment or None}
        if self._answered(told, line.match["end"] if line.match else line.piece.data.decode()):
            self._tell("data", "", None, told, message.offset)
        self._tell_garbage()

    # -- what a session hears of it: whether this is told as an answer to somebody ---------------------------------

    def _acked(self, _ctag: str, _acode: str) -> bool:
        return True

    def _answer_line(self, _line: Line) -> None:
        """A text line of the answer that is open."""

    def _answered(self, _told: dict[str, Plain], _end: str) -> bool:
        """An answer is over; ``_end`` is its terminator, "" where it was cut off."""
        return True

    # -- readings ------------------------------------------------------------------------------------------------

    def _cut(self, why: str) -> None:
        """The open message has no end. Its whole text lines have been told; the rest of it is told now."""
        self.counters["cut_off"] += 1
        message = self._message
        self._garbage(message.offset, 0, f"message {why}")
        if message.compl is not None:
            self._close_answer(Line(Piece("end", b"", 0, 0), "", None))
        elif message.detail.get("verb") and not message.texts:
            self._event({"conddescr": message.comment or None})

    def _alarm(self, fields: Fields) -> None:
        code = fields.get("ntfcncde")
        if code in NOT_ALARMED:
            self._event(fields)
        elif code == CLEARED:
            self.counters["clears"] += 1
            self._report_reading("clear", "up", fields)
        else:
            # A code nobody knows is an alarm too, by what it does to service: the sender did report it.
            known = code in ("CR", "MJ")
            mild = fields.get("srveff") == "NSA" or (not known and (code == "MN" or fields.get("srveff") != "SA"))
            self.counters["alarms"] += 1
            self._report_reading("alarm", "degraded" if mild else "down", fields)

    def _event(self, fields: Fields) -> None:
        self.counters["events"] += 1
        self._report_reading("event", None, fields)

    def _report_reading(self, kind: Kind, state: Health | None, fields: Fields) -> None:
        self._message.texts += 1
        self._tell(kind, fields.get("aid") or "", state, {**self._message.detail, **fields}, self._message.offset)

    def _follow(self, atag: str | None) -> None:
        named = self._message.detail["sid"]
        sid = named if isinstance(named, str) else self._atags.only_sid()
        if sid is None:
            return
        gap = self._atags.follow(sid, atag)
        if self._atags.forgotten and not self._sids_told:
            self._sids_told = True
            self._garbage(self._message.offset, 0, f"more than {SIDS_MAX} SIDs on one line: not all tags are followed")
        if gap is not None:
            self.counters["gaps"] += 1
            self.counters["lost_messages"] += gap.lost or 0
            self._tell("gap", sid, None, {"sid": sid, **asdict(gap)}, self._message.offset)

    def _garbage(self, offset: int, size: int, reason: str) -> None:
        """Add to the present run of garbage; it is told as one reading."""
        if not self._junk_reasons:
            self._junk_offset = offset
        if len(self._junk_reasons) < REASONS_MAX:
            self._junk_reasons[reason] = None
        self._junk_bytes += size
        self.counters["garbage_bytes"] += size
        if self._junk_bytes >= GARBAGE_BYTES:
            self._tell_garbage()

    def _tell_garbage(self) -> None:
        if self._junk_reasons:
            self.counters["garbage_runs"] += 1
            detail: dict[str, Plain] = {"bytes": self._junk_bytes, "reason": "; ".join(self._junk_reasons)}
            self._junk_bytes, self._junk_reasons = 0, {}
            self._tell("garbage", "", None, detail, self._junk_offset)

    def _tell(self, kind: Kind, subject: str, state: Health | None, detail: dict[str, Plain], offset: int) -> None:
        self._out.append(Reading(self._source, "tl1", kind, subject, state, self._now_ns, detail, offset))


_Action = Callable[[Tl1, Line], None]
# fmt: off
_TABLE: dict[tuple[MessageState, Token], tuple[_Action, MessageState]] = {
    ("idle", "header"):   (Tl1._open, "headed"),
    ("idle", "report"):   (Tl1._report_headless, "report"),
    ("idle", "answer"):   (Tl1._answer_headless, "answer"),
    ("idle", "ack"):      (Tl1._ack, "idle"),
    ("idle", "echo"):     (Tl1._echo, "idle"),
    ("idle", "text"):     (Tl1._junk, "idle"),
    ("idle", "end"):      (Tl1._stray_end, "idle"),
    ("headed", "header"): (Tl1._open_again, "headed"),
    ("headed", "report"): (Tl1._report, "report"),
    ("headed", "answer"): (Tl1._answer, "answer"),
    ("headed", "ack"):    (Tl1._ack, "headed"),
    ("headed", "echo"):   (Tl1._echo, "headed"),
    ("headed", "text"):   (Tl1._salvage, "headed"),
    ("headed", "end"):    (Tl1._empty, "idle"),
    ("report", "header"): (Tl1._open_cutting, "headed"),
    ("report", "report"): (Tl1._report_cutting, "report"),
    ("report", "answer"): (Tl1._answer_cutting, "answer"),
    ("report", "ack"):    (Tl1._text, "report"),
    ("report", "echo"):   (Tl1._echo, "report"),
    ("report", "text"):   (Tl1._text, "report"),
    ("report", "end"):    (Tl1._close_report, "idle"),
    ("answer", "header"): (Tl1._open_cutting, "headed"),
    ("answer", "report"): (Tl1._report_cutting, "report"),
    ("answer", "answer"): (Tl1._answer_cutting, "answer"),
    ("answer", "ack"):    (Tl1._answer_text, "answer"),
    ("answer", "echo"):   (Tl1._echo, "answer"),
    ("answer", "text"):   (Tl1._answer_text, "answer"),
    ("answer", "end"):    (Tl1._close_answer, "idle"),
}
# fmt: on
