"""On which line of a TOML text each key stands; ``tomllib`` does not say.

A small tokenizer that knows just enough of TOML 1.0 (tables, lists of tables, dotted and quoted keys, strings
of all four kinds, comments, inline tables and lists over several lines). It decides nothing about validity, never
raises, and on broken text goes on with the next line.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from dataclasses import dataclass

Key = tuple[str | int, ...]
DEPTH_MAX = 16
"""Keys within keys within lists: deeper than this is no site file, and is not followed."""

# No possessive quantifiers: Python before 3.11.5 (Debian 12 has 3.11.2) matches some of them wrongly. Each repeat is
# unrolled instead, so that what follows an item can only be matched in one way.
_BLANK = re.compile(r"(?:[ \t]+|\#[^\n]*)*")
_BLANK_LINES = re.compile(r"(?:[ \t\r\n]+|\#[^\n]*)*")
_REST_OF_LINE = re.compile(r"[^\n]*\n?")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_DOT = re.compile(r"[ \t]*\.[ \t]*")
_STRING = re.compile(
    r'"""[^"\\]*(?:(?:\\[\s\S]|"(?!""))[^"\\]*)*"""(?:"{0,2})'
    r"|'''[^']*(?:'(?!'')[^']*)*'''(?:'{0,2})"
    r'|"[^"\\\n]*(?:\\[^\n][^"\\\n]*)*"'
    r"|'[^'\n]*'"
)
_SCALAR = re.compile(r"[^,\]}\#\n\[{\"']+")
_ESCAPE = re.compile(r'\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|([btnfr"\\]))')
_ESCAPES = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", '"': '"', "\\": "\\"}


@dataclass(frozen=True, slots=True)
class Positions:
    """Where keys stand. ``too_deep``: the line of the first key or bracket beyond ``DEPTH_MAX``, if any."""

    lines: dict[Key, int]
    too_deep: int | None

    def line_of(self, key: Key) -> int | None:
        """The line of a key, counted from 1; of the nearest key round it that the text has; else None."""
        for length in range(len(key), 0, -1):
            line = self.lines.get(key[:length])
            if line is not None:
                return line
        return None


def scan(text: str) -> Positions:
    """Find the line of every key path in ``text``."""
    return _Scanner(text).scan()


@dataclass(slots=True)
class _Open:
    """An inline table or list that is still open: its key, and in a list the position of its next item."""

    key: Key
    closes: str
    item: int = 0


class _Scanner:
    def __init__(self, text: str) -> None:
        self._text = text
        self._newlines = [found.start() for found in re.finditer("\n", text)]
        self._lines: dict[Key, int] = {}
        self._too_deep: int | None = None
        self._last_item: dict[Key, int] = {}
        self._at = 0
        self._table: Key = ()

    def scan(self) -> Positions:
        while self._at < len(self._text):
            before = self._at
            self._skip(_BLANK_LINES)
            if self._text.startswith("[", self._at):
                self._header()
            elif self._at < len(self._text):
                self._assignment(self._table)
            # A line holds one statement: whatever is left of it is a comment or broken.
            if self._at == before or not self._at_line_end():
                self._skip(_REST_OF_LINE)
        return Positions(self._lines, self._too_deep)

    def _at_line_end(self) -> bool:
        return self._at >= len(self._text) or self._text[self._at] == "\n"

    def _skip(self, pattern: re.Pattern[str]) -> None:
        found = pattern.match(self._text, self._at)
        if found:
            self._at = found.end()

    def _note(self, key: Key, at: int) -> None:
        line = bisect_left(self._newlines, at) + 1
        if len(key) > DEPTH_MAX:
            self._too_deep = self._too_deep or line
        else:
            self._lines.setdefault(key, line)

    def _note_dotted(self, base: Key, parts: list[str], at: int) -> Key:
        """Note a dotted key and every table it implies. Cut where it is too deep, so that work stays linear."""
        key = base
        for part in parts:
            if len(key) > DEPTH_MAX:
                break
            key = (*key, part)
            self._note(key, at)
        return key

    def _key_parts(self) -> list[str]:
        parts: list[str] = []
        while True:
            found = _BARE_KEY.match(self._text, self._at)
            if found:
                parts.append(found[0])
            else:
                found = _STRING.match(self._text, self._at)
                if not found or found[0].startswith(('"""', "'''")):
                    return parts
                parts.append(_unquoted(found[0]))
            self._at = found.end()
            dot = _DOT.match(self._text, self._at)
            if not dot:
                return parts
            self._at = dot.end()

    def _header(self) -> None:
        start = self._at
        is_list = self._text.startswith("[[", start)
        self._at += 2 if is_list else 1
        self._skip(_BLANK)
        parts = self._key_parts()
        self._skip(_BLANK)
        self._at += 2 if is_list and self._text.startswith("]]", self._at) else 0
        self._at += 1 if not is_list and self._text.startswith("]", self._at) else 0
        key: Key = ()
        for number, part in enumerate(parts):
            if len(key) > DEPTH_MAX:
                break
            key = self._note_dotted(key, [part], start)
            last = number == len(parts) - 1
            if last and is_list:
                self._last_item[key] = self._last_item.get(key, -1) + 1
            if key in self._last_item:  # [a.b] after [[a]] speaks of a's last item
                key = (*key, self._last_item[key])
                self._note(key, start)
        self._table = key
        self._skip(_BLANK)

    def _assignment(self, table: Key) -> None:
        start = self._at
        parts = self._key_parts()
        if not parts:
            return
        key = self._note_dotted(table, parts, start)
        self._skip(_BLANK)
        if not self._text.startswith("=", self._at):
            return
        self._at += 1
        self._skip(_BLANK)
        self._values(key)

    def _values(self, key: Key) -> None:
        """One value, with everything in it. A stack of our own: text decides the depth, not Python's stack."""
        opened: list[_Open] = []
        self._begin(key, opened)
        while opened and self._at < len(self._text):
            self._skip(_BLANK_LINES)
            inner = opened[-1]
            rest = self._text[self._at : self._at + 1]
            if rest in ("]", "}"):
                self._at += 1
                opened.pop()
            elif rest == ",":
                self._at += 1
                inner.item += 1
            elif inner.closes == "]":
                here = (*inner.key, inner.item)
                self._note(here, self._at)
                self._begin(here, opened)
            elif not self._inline_key(inner, opened):
                return
        self._skip(_BLANK)

    def _inline_key(self, inner: _Open, opened: list[_Open]) -> bool:
        start = self._at
        parts = self._key_parts()
        if not parts:
            return False
        here = self._note_dotted(inner.key, parts, start)
        self._skip(_BLANK)
        if not self._text.startswith("=", self._at):
            return False
        self._at += 1
        self._skip(_BLANK)
        self._begin(here, opened)
        return True

    def _begin(self, key: Key, opened: list[_Open]) -> None:
        """Pass over a string or a plain value, or open a list or an inline table. Always moves on, or the line ends."""
        first = self._text[self._at : self._at + 1]
        if first in ("[", "{"):
            if len(opened) > DEPTH_MAX:
                self._too_deep = self._too_deep or bisect_left(self._newlines, self._at) + 1
                self._at = len(self._text)
                return
            opened.append(_Open(key[: DEPTH_MAX + 1], "]" if first == "[" else "}"))
            self._at += 1
            return
        before = self._at
        found = _STRING.match(self._text, self._at) or _SCALAR.match(self._text, self._at)
        if found:
            self._at = found.end()
        if self._at == before and not self._at_line_end():
            self._at += 1


def _unquoted(text: str) -> str:
    if text.startswith("'"):
        return text[1:-1]
    return _ESCAPE.sub(_unescaped, text[1:-1])


def _unescaped(found: re.Match[str]) -> str:
    digits = found[1] or found[2]
    if digits is None:
        return _ESCAPES[found[3]]
    code = int(digits, 16)
    return chr(code) if code <= 0x10FFFF else found[0]
