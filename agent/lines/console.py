"""Lines of plain text from a console port, whatever ends them, and what could not be read of them. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple

from agent.readings import Plain

LINE_BYTES = 1024
"""The longest line that is kept; what is longer is dropped up to its end, and counted."""
GARBAGE_BYTES = 16_384
REASONS_MAX = 6
_SEVEN_BITS = bytes(range(128)) * 2  # the eighth bit is the parity of a line set 7E1 and read as 8N1
_BREAK = re.compile(rb"[\r\n]+")
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[()][0-9A-Z]|.)?")
_CONTROLS = dict.fromkeys((*range(32), 127), None) | {9: " "}


class TextLine(NamedTuple):
    """One line. ``text``: printable characters, no outer blanks; None where it was too long to keep."""

    offset: int
    size: int
    text: str | None


def clean(data: bytes) -> str:
    """A line's text without terminal sequences and control characters; NULs and DELs are filling."""
    text = data.decode("latin-1")
    if "\x1b" in text:
        text = _ESCAPES.sub("", text)
    return text.translate(_CONTROLS).strip()


class LineCutter:
    """Cuts a stream at CR and LF; empty lines are left out. Holds at most one unfinished line of ``LINE_BYTES``."""

    def __init__(self) -> None:
        self._tail = b""
        self._offset = 0
        self._skipping = False

    @property
    def held_bytes(self) -> int:
        """Bytes kept until more come."""
        return len(self._tail)

    @property
    def held(self) -> str | None:
        """The unfinished line; None where the beginning of it has been dropped already."""
        return None if self._skipping else clean(self._tail)

    def feed(self, data: bytes) -> list[TextLine]:
        """The lines that ``data`` completes."""
        data, at = self._tail + data.translate(_SEVEN_BITS), 0
        out: list[TextLine] = []
        for found in _BREAK.finditer(data):
            at = self._whole(out, data, at, found.start())
            self._skipping, at = False, found.end()
        at = self._too_long(out, at, len(data))
        self._tail, self._offset = data[at:], self._offset + at
        return out

    def flush(self) -> list[TextLine]:
        """The unfinished line as if it had ended here."""
        out: list[TextLine] = []
        self._whole(out, self._tail, 0, len(self._tail))
        self._offset += len(self._tail)
        self._tail, self._skipping = b"", False
        return out

    def _too_long(self, out: list[TextLine], at: int, stop: int) -> int:
        """Drop a line that is too long in pieces of one size, so that any chunks give the same."""
        while stop - at > LINE_BYTES:
            out.append(TextLine(self._offset + at, LINE_BYTES, None))
            self._skipping, at = True, at + LINE_BYTES
        return at

    def _whole(self, out: list[TextLine], data: bytes, at: int, stop: int) -> int:
        at = self._too_long(out, at, stop)
        if self._skipping and stop > at:
            out.append(TextLine(self._offset + at, stop - at, None))
        elif stop > at:
            text = clean(data[at:stop])
            if text:
                out.append(TextLine(self._offset + at, stop - at, text))
        return stop


class Garbage:
    """A run of what was not understood, told as one reading: at the next good message, or when it has grown."""

    def __init__(self) -> None:
        self._offset = self._bytes = 0
        self._reasons: dict[str, None] = {}

    def add(self, offset: int, size: int, reason: str) -> bool:
        """Count ``size`` bytes; whether it is time to tell."""
        if not self._reasons:
            self._offset = offset
        if len(self._reasons) < REASONS_MAX:
            self._reasons[reason] = None
        self._bytes += size
        return self._bytes >= GARBAGE_BYTES

    def take(self) -> tuple[dict[str, Plain], int] | None:
        """The detail to tell and where it began; None where there is nothing."""
        if not self._reasons:
            return None
        detail: dict[str, Plain] = {"bytes": self._bytes, "reason": "; ".join(self._reasons)}
        self._bytes, self._reasons = 0, {}
        return detail, self._offset
