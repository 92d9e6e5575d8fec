"""Cuts the bytes of an ALI or CAD-spill link into records, by the framing that the site file names. Pure.

No public document gives the framing of US ALI links (protocols.md section 2.1), so it is a setting. What all of them
have in common: seven data bits, so the eighth bit is parity or noise and is not looked at; NUL and DEL are padding;
ACK (06) and NAK (15) stand alone. Every decision depends on the bytes before it only, so any chunking of a stream
gives the same frames; only ``idle-gap`` looks at the time.
"""

from __future__ import annotations

import re
from functools import reduce
from operator import xor
from typing import Literal, NamedTuple, Protocol

from agent.site.line import AliLine

NS = 1_000_000_000
RECORD_BYTES = 4096
"""The longest record that is kept (an extended wireless record has about 600); a longer one is dropped and counted."""
OUTSIDE_BYTES = 256
"""The longest line outside STX and ETX that is kept: a query or a heartbeat."""
LRC_KNOWN = 3
"""So many fits in a row say that the check character is the LRC; from then on a misfit means a damaged record."""
_LRC_SURE = 8

FrameKind = Literal["record", "line", "cut", "ack", "nak", "junk"]


class Frame(NamedTuple):
    """``raw``: its bytes as they came; ``offset``: of the first in the stream; ``size``: bytes it stands for.

    ``record``: whole; ``line``: a line outside STX and ETX; ``cut``: the stream ended in it; ``junk``: dropped, and
    ``raw`` says why. ``check``: whether the check character fits, None where that can't be said.
    """

    kind: FrameKind
    raw: bytes
    offset: int
    size: int
    check: bool | None = None


class Framer(Protocol):
    """``feed``: the frames that ``data`` completes; ``idle``: it has been quiet since; ``flush``: the stream ends."""

    @property
    def held_bytes(self) -> int: ...
    def feed(self, data: bytes, now_ns: int) -> list[Frame]: ...
    def idle(self) -> list[Frame]: ...
    def flush(self) -> list[Frame]: ...


SEVEN_BITS = bytes(code & 0x7F for code in range(256))
STX, ETX, ACK, NAK = 0x02, 0x03, 0x06, 0x15
_SIGNS: dict[int, FrameKind] = {ACK: "ack", NAK: "nak"}
_BLANK = bytes(range(0x21)) + b"\x7f"
_OUTSIDE = re.compile(rb"[\x02\x03\x06\x15\r\n]")
_INSIDE = re.compile(rb"[\x02\x03]")
# Blanks are a token of their own, so that it does not matter where a chunk ends among them.
_BREAKS = re.compile(rb"[\r\n]|[\x06\x15]|[\x21-\x7e][^\r\n\x06\x15]*|[^\r\n\x06\x15\x21-\x7e]+")
_PADDING = re.compile(rb"[\x00\x7f ]*")
_SIGN = re.compile(rb"[\x06\x15]")


def framer_for(line: AliLine) -> Framer:
    """The framer of this line's ``framing``."""
    if line.framing == "stx-etx":
        return StxEtx(line.check_chars)
    if line.framing == "lines":
        return Lines()
    if line.framing == "blank-line":
        return BlankLine()
    return IdleGap(line.idle_gap_s)


def lrc(text: bytes) -> int:
    """The longitudinal redundancy check: the exclusive or of the characters (ISO 1155), seven bits."""
    return reduce(xor, text, 0) & 0x7F


class _Held:
    """A buffer whose first byte's place in the stream is known."""

    def __init__(self) -> None:
        self._tail = b""
        self._offset = 0
        self._skipping = False
        self._out: list[Frame] = []

    @property
    def held_bytes(self) -> int:
        """Bytes kept until more come; at most ``RECORD_BYTES`` and a few."""
        return len(self._tail)

    def _told(self) -> list[Frame]:
        out, self._out = self._out, []
        return out

    def _junk(self, offset: int, size: int, reason: bytes) -> None:
        if size:
            self._out.append(Frame("junk", reason, offset, size))

    def _put(self, kind: FrameKind, raw: bytes, offset: int, check: bool | None = None) -> None:
        """A frame without the padding around it; nothing where it is all padding."""
        seven = raw.translate(SEVEN_BITS)
        start = len(seven) - len(seven.lstrip(_BLANK))
        stop = len(seven.rstrip(_BLANK))
        if start < stop:
            self._out.append(Frame(kind, raw[start:stop], offset + start, stop - start, check))


class StxEtx(_Held):
    """STX text ETX and, where configured, check characters; queries and heartbeats may stand outside as lines."""

    def __init__(self, check_chars: int) -> None:
        super().__init__()
        self._check_chars = check_chars
        self._inside = False
        self._fits = 0

    def feed(self, data: bytes, now_ns: int) -> list[Frame]:  # noqa: ARG002
        self._advance(self._tail + data, final=False)
        return self._told()

    def idle(self) -> list[Frame]:
        """The record that is open has lost its end; a line outside is over."""
        self._advance(self._tail, final=True)
        return self._told()

    def flush(self) -> list[Frame]:
        return self.idle()

    def _advance(self, data: bytes, *, final: bool) -> None:
        seven, pos = data.translate(SEVEN_BITS), 0
        while pos < len(data) or (final and self._skipping):
            step = self._in(data, seven, pos, final) if self._inside else self._outside(data, seven, pos, final)
            if step is None:
                break
            pos = step
        self._tail, self._offset = data[pos:], self._offset + pos

    def _outside(self, data: bytes, seven: bytes, pos: int, final: bool) -> int | None:
        padding = None if self._skipping else _PADDING.match(seven, pos)
        pos = padding.end() if padding else pos
        if pos == len(seven):
            self._skipping = self._skipping and not final
            return pos
        found = _OUTSIDE.search(seven, pos)
        stop = found.start() if found else len(seven)
        offset = self._offset + pos
        if self._skipping:
            self._junk(offset, stop - pos, b"bytes outside a record")
            self._skipping = found is None and not final
        elif stop - pos > OUTSIDE_BYTES:
            self._junk(offset, OUTSIDE_BYTES, b"bytes outside a record")
            self._skipping = True
            return pos + OUTSIDE_BYTES
        elif found is None and not final:
            return None
        else:
            self._put("line", data[pos:stop], offset)
        if found is None:
            return stop
        sign = seven[stop]
        if sign == STX:
            self._inside = True
            return stop  # the record's offset is its STX's
        if sign in _SIGNS:
            self._out.append(Frame(_SIGNS[sign], data[stop : stop + 1], self._offset + stop, 1))
        elif sign == ETX:
            self._junk(self._offset + stop, 1, b"ETX without STX")
        return stop + 1

    def _in(self, data: bytes, seven: bytes, pos: int, final: bool) -> int | None:
        """``pos`` is at the STX."""
        found = _INSIDE.search(seven, pos + 1)
        stop = found.start() if found else len(seven)
        offset = self._offset + pos
        if stop - pos > RECORD_BYTES:
            self._junk(offset, RECORD_BYTES, b"record too long")
            self._inside, self._skipping = False, True
            return pos + RECORD_BYTES
        if found is None:
            if not final:
                return None
            self._junk(offset, stop - pos, b"record without end")
            self._inside = False
            return stop
        if seven[stop] == STX:
            self._junk(offset, stop - pos, b"record cut off by the next")
            return stop
        return self._ended(data, seven, pos, stop, final)

    def _ended(self, data: bytes, seven: bytes, pos: int, stop: int, final: bool) -> int | None:
        """The ETX is at ``stop``; what follows may be check characters."""
        check, end = None, stop + 1
        if self._check_chars:
            taken = self._checked(seven, pos, stop, final)
            if taken is None:
                return None
            check, end = taken
        self._inside = False
        self._out.append(Frame("record", data[pos + 1 : stop], self._offset + pos, end - pos, check))
        return end

    def _checked(self, seven: bytes, pos: int, stop: int, final: bool) -> tuple[bool | None, int] | None:
        """Whether the check characters fit, and where they end; None to wait for them.

        An STX among them that the LRC does not explain begins the next record: it must not be swallowed.
        """
        end = stop + 1 + self._check_chars
        if self._check_chars > 1:
            early = seven.find(STX, stop + 1, end)
            if early >= 0:
                return None, early
            return (None, min(end, len(seven))) if final or len(seven) >= end else None
        if len(seven) < end:
            return (None, len(seven)) if final else None
        if seven[stop + 1] == lrc(seven[pos + 1 : stop + 1]):
            self._fits = min(self._fits + 1, _LRC_SURE)
            return True, end
        known = self._fits >= LRC_KNOWN
        self._fits = max(self._fits - 1, 0)
        if seven[stop + 1] in (STX, ACK, NAK):
            return None, stop + 1
        return (False if known else None), end


class Lines(_Held):
    """Each line is a record, whatever ends it: CR, LF, or both."""

    def feed(self, data: bytes, now_ns: int) -> list[Frame]:  # noqa: ARG002
        data = self._tail + data
        seven, pos = data.translate(SEVEN_BITS), 0
        for found in _OUTSIDE.finditer(seven):
            self._line(data, pos, found.start())
            sign = seven[found.start()]
            if sign in _SIGNS:
                self._out.append(
                    Frame(_SIGNS[sign], data[found.start() : found.end()], self._offset + found.start(), 1)
                )
            pos, self._skipping = found.end(), False
        while len(data) - pos > RECORD_BYTES or (self._skipping and pos < len(data)):
            stop = min(pos + RECORD_BYTES, len(data))
            self._junk(self._offset + pos, stop - pos, b"line too long")
            pos, self._skipping = stop, True
        self._tail, self._offset = data[pos:], self._offset + pos
        return self._told()

    def _line(self, data: bytes, pos: int, stop: int) -> None:
        while stop - pos > RECORD_BYTES:
            self._junk(self._offset + pos, RECORD_BYTES, b"line too long")
            pos, self._skipping = pos + RECORD_BYTES, True
        if self._skipping:
            self._junk(self._offset + pos, stop - pos, b"line too long")
        else:
            self._put("record", data[pos:stop], self._offset + pos)

    def idle(self) -> list[Frame]:
        return []

    def flush(self) -> list[Frame]:
        tail, self._tail = self._tail, b""
        self._put("cut", tail, self._offset)
        self._offset, self._skipping = self._offset + len(tail), False
        return self._told()


class _Gathered(_Held):
    """Records of several lines, gathered until something ends them."""

    def __init__(self) -> None:
        super().__init__()
        self._record = bytearray()

    @property
    def held_bytes(self) -> int:
        return len(self._record)

    def _gather(self, data: bytes) -> None:
        """Add to the record; what is too long is dropped, up to the record's end."""
        room = 0 if self._skipping else RECORD_BYTES - len(self._record)
        if len(data) <= room:
            self._record += data
            return
        size = len(self._record) + len(data)
        self._junk(self._offset, size, b"record too long")
        self._record.clear()
        self._offset += size
        self._skipping = True

    def _sign(self, code: int, raw: bytes) -> None:
        """ACK and NAK stand alone; the record keeps their place, so that offsets stay true."""
        self._out.append(Frame(_SIGNS[code], raw, self._offset + len(self._record), 1))
        self._gather(raw)

    def _end(self, kind: FrameKind = "record") -> None:
        raw = bytes(self._record)
        self._put(kind, raw, self._offset)
        self._record.clear()
        self._offset += len(raw)
        self._skipping = False


Run = Literal["none", "cr", "crs", "end", "end-cr", "lf", "lf-cr"]
_RUN: dict[tuple[Run, Literal["cr", "lf"]], Run | None] = {
    ("none", "cr"): "cr",
    ("none", "lf"): "lf",
    ("cr", "cr"): "crs",
    ("cr", "lf"): "end",
    ("crs", "cr"): "crs",
    ("crs", "lf"): "end",
    ("end", "cr"): "end-cr",
    ("end", "lf"): None,
    ("end-cr", "cr"): None,
    ("end-cr", "lf"): None,
    ("lf", "cr"): "lf-cr",
    ("lf", "lf"): None,
    ("lf-cr", "cr"): None,
    ("lf-cr", "lf"): None,
}
"""The line ends since the last text: any of CR, CR CR LF, CR LF, LF and LF CR is one. None: an empty line, for sure."""
_EMPTY_IF_TEXT: frozenset[Run] = frozenset({"crs", "end-cr"})
"""Where text after these shows that a line was empty (CR CR, CR LF CR); a line feed would have made it one line end."""


class BlankLine(_Gathered):
    """A record ends with an empty line; blanks and padding count as nothing."""

    def __init__(self) -> None:
        super().__init__()
        self._run: Run | None = "none"

    def feed(self, data: bytes, now_ns: int) -> list[Frame]:  # noqa: ARG002
        seven = data.translate(SEVEN_BITS)
        for found in _BREAKS.finditer(seven):
            raw, token = data[found.start() : found.end()], found[0]
            if token == b"\r" or token == b"\n":
                self._gather(raw)
                if self._run is not None:
                    self._run = _RUN[self._run, "cr" if token == b"\r" else "lf"]
                if self._run is None:
                    self._end()
            elif token[0] in _SIGNS:
                self._sign(token[0], raw)
            else:
                if token.strip(_BLANK):
                    if self._run in _EMPTY_IF_TEXT:
                        self._end()
                    self._run = "none"
                self._gather(raw)
        return self._told()

    def idle(self) -> list[Frame]:
        """Quiet after a whole line: the record is over, whether or not its empty line is still to come."""
        if self._run != "none":
            self._end()
        return self._told()

    def flush(self) -> list[Frame]:
        self._end("cut" if self._run == "none" else "record")
        self._run = "none"
        return self._told()


class IdleGap(_Gathered):
    """A record ends when nothing has come for ``gap_s`` seconds."""

    def __init__(self, gap_s: float) -> None:
        super().__init__()
        self._gap_ns = int(gap_s * NS)
        self._last_ns = 0

    def feed(self, data: bytes, now_ns: int) -> list[Frame]:
        if not data:
            return []
        if now_ns - self._last_ns >= self._gap_ns:
            self._end()
        self._last_ns = now_ns
        seven, pos = data.translate(SEVEN_BITS), 0
        for found in _SIGN.finditer(seven):
            self._gather(data[pos : found.start()])
            self._sign(seven[found.start()], data[found.start() : found.end()])
            pos = found.end()
        self._gather(data[pos:])
        return self._told()

    def idle(self) -> list[Frame]:
        self._end()
        return self._told()

    def flush(self) -> list[Frame]:
        self._end("cut")
        return self._told()
