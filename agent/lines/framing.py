"""TL1's lexical rules: cuts a byte stream into lines and terminators, whatever stands in it. Pure.

A terminator counts only outside quotes and comments (GR-831). What noise may leave open is closed again by
rule: a quote ends with its line, a comment at the next header line (the anchor) or after ``COMMENT_LINES``.
Every decision depends on the bytes before it only, so any chunking of a stream gives the same pieces.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal, NamedTuple

LINE_BYTES = 4096
"""The longest line that is kept; what is longer is dropped up to its end, and counted."""
COMMENT_LINES = 64
"""The longest comment, in lines, before it is taken for one whose end was lost."""

PieceKind = Literal["line", "end", "comment", "junk"]


class Piece(NamedTuple):
    """What stands between two breaks. ``offset``: of its first byte in the stream; ``size``: bytes it stands for.

    ``line``: text without its line end; ``end``: a terminator (``;``, ``<`` or ``>``); ``comment``: the inside
    of a comment, or one line of it; ``junk``: bytes dropped here, ``data`` says why.
    """

    kind: PieceKind
    data: bytes
    offset: int
    size: int


_BREAK = re.compile(rb"[\r\n]")
_BREAKS = re.compile(rb"[\r\n]*")
_STARTS_ENDING = re.compile(rb"[\x00-\x20\x7f]*([<>])")
# Needs a closer look: anything that can hold or be a terminator or a comment.
_SPECIAL = re.compile(rb";|/\*")
# No possessive quantifiers: Python 3.11.2 (Debian 12) has them wrong (gh-106052). These don't backtrack anyway:
# each alternative begins with another byte, and nothing follows the last star.
_QUOTED = rb'"[^"\\]*(?:\\.[^"\\]*)*"'
_COMMENT = rb"/\*(?:[^*]|\*(?!/))*\*/"
_BODY = re.compile(rb'(?:[^"/;]+|' + _QUOTED + rb"|" + _COMMENT + rb"|/(?!\*))*", re.DOTALL)
_COMMENT_OR_QUOTED = re.compile(rb"(" + _QUOTED + rb")|(" + _COMMENT + rb")", re.DOTALL)


class Framer:
    """Holds at most one unfinished line. ``is_anchor`` knows a header line when it sees one."""

    def __init__(self, is_anchor: Callable[[bytes], bool]) -> None:
        self._is_anchor = is_anchor
        self._tail = b""
        self._offset = 0  # of the first byte of the tail
        self._skipping = False
        self._comment_lines: int | None = None  # lines of the open comment; None outside one
        self._comment_offset = 0
        self._out: list[Piece] = []

    @property
    def held_bytes(self) -> int:
        """Bytes kept until more come; at most ``LINE_BYTES``."""
        return len(self._tail)

    @property
    def held(self) -> bytes:
        """The unfinished line."""
        return self._tail

    @property
    def in_comment(self) -> bool:
        """Whether a comment is open."""
        return self._comment_lines is not None

    def feed(self, data: bytes) -> list[Piece]:
        """The pieces that ``data`` completes."""
        data, base = self._tail + data, self._offset
        pos, size = 0, len(data)
        while True:
            if not self._skipping:
                blank = _BREAKS.match(data, pos)
                pos = blank.end() if blank else pos
            if pos >= size:
                break
            found = _BREAK.search(data, pos)
            stop = found.start() if found else size
            step = self._step(data, pos, stop, found is not None, base)
            if step is None:
                break
            pos = step
        self._tail, self._offset = data[pos:], base + pos
        out, self._out = self._out, []
        return out

    def flush(self) -> list[Piece]:
        """Give up the unfinished line as if it had ended here, and whatever is open with it."""
        out = self.feed(b"\n")
        self._offset -= 1  # the line end was ours
        if self._comment_lines is not None:
            out.append(self._drop_comment(self._offset))
        return out

    def take_held(self) -> Piece:
        """The unfinished line as a piece: it has been quiet since, and the line is worth having as it is."""
        piece = Piece("line", self._tail, self._offset, len(self._tail))
        self._offset += len(self._tail)
        self._tail = b""
        return piece

    def _step(self, data: bytes, pos: int, stop: int, complete: bool, base: int) -> int | None:
        """Deal with one stretch up to a line's end; where to go on, or None to wait for more bytes."""
        if self._skipping:
            self._put("junk", b"line too long", base + pos, stop - pos)
            self._skipping = not complete
            return stop
        window = data[pos : min(stop, pos + LINE_BYTES)]
        offset = base + pos
        used = self._comment_step(window, offset) if self.in_comment else self._line_step(window, offset)
        if used is not None:
            return pos + used
        if stop - pos > LINE_BYTES:
            self._put("junk", b"line too long", offset, len(window))
            self._skipping = True
            return pos + len(window)
        if not complete:
            return None
        if self.in_comment:
            self._comment_line(window, offset)
        else:
            self._whole_line(window, offset)
        return stop

    def _line_step(self, window: bytes, offset: int) -> int | None:
        """Up to and with a terminator, if there is one; how many bytes were used."""
        ending = _STARTS_ENDING.match(window)
        if ending:
            self._put("end", ending[1], offset + ending.start(1), 1)
            return ending.end()
        if _SPECIAL.search(window) is None:
            return None
        body = _BODY.match(window)
        stop = body.end() if body else 0
        if window[stop : stop + 1] != b";":
            return None
        self._put_line(window[:stop], offset)
        self._put("end", b";", offset + stop, 1)
        return stop + 1

    def _comment_step(self, window: bytes, offset: int) -> int | None:
        """To the end of the open comment, if it is here."""
        stop = window.find(b"*/")
        if stop < 0:
            return None
        self._put("comment", window[:stop], offset, stop)
        self._comment_lines = None
        return stop + 2

    def _comment_line(self, window: bytes, offset: int) -> None:
        """One whole line inside a comment, or the header that shows that the comment's end was lost."""
        assert self._comment_lines is not None
        if self._is_anchor(window):
            self._out.append(self._drop_comment(offset))
            self._put_line(window, offset)
            return
        self._put("comment", window, offset, len(window))
        self._comment_lines += 1
        if self._comment_lines > COMMENT_LINES:
            self._out.append(self._drop_comment(offset + len(window)))

    def _drop_comment(self, offset: int) -> Piece:
        self._comment_lines = None
        return Piece("junk", b"comment without end", self._comment_offset, max(0, offset - self._comment_offset))

    def _whole_line(self, window: bytes, offset: int) -> None:
        """A line that ends with a line end and has no terminator; it may open a comment."""
        body = _BODY.match(window) if b"/*" in window else None
        stop = body.end() if body else len(window)
        if window[stop : stop + 2] != b"/*":
            self._put_line(window, offset)
            return
        self._put_line(window[:stop], offset)
        self._comment_lines, self._comment_offset = 0, offset + stop
        self._put("comment", window[stop + 2 :], offset + stop, len(window) - stop)

    def _put_line(self, line: bytes, offset: int) -> None:
        """A line without the comments that begin and end in it."""
        if b"/*" in line:
            for found in _COMMENT_OR_QUOTED.finditer(line):
                if found[2] is not None:
                    self._put("comment", found[2][2:-2], offset + found.start(), len(found[2]))
            line = _COMMENT_OR_QUOTED.sub(lambda m: m[1] or b"", line)
        if line:
            self._put("line", line, offset, len(line))

    def _put(self, kind: PieceKind, data: bytes, offset: int, size: int) -> None:
        self._out.append(Piece(kind, data, offset, size))
