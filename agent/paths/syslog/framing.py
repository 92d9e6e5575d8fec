"""Syslog messages out of a TCP stream: RFC 6587, octet counting and non-transparent framing, even mixed. Pure.

A frame that begins with a number, a blank and a PRI is counted (section 3.4.1), any other ends with LF or NUL
(section 3.4.2): a line of plain text may begin with a number too.
"""

from __future__ import annotations

import re

from agent.paths.syslog.message import BYTES_MAX

_COUNT = re.compile(rb"([1-9][0-9]{0,6}) (?=<)")
_MAYBE = re.compile(rb"[1-9][0-9]{0,6} ?\Z")
_MAYBE_BYTES = 8
_END = re.compile(rb"[\n\0]")
_BLANK = re.compile(rb"[\r\n\0]+")


class Stream:
    """One connection's bytes; an unfinished frame is held, ``BYTES_MAX`` of it.

    ``cut``: messages that were longer and lost their end.
    """

    def __init__(self) -> None:
        self._held = bytearray()
        self._skip = 0  # bytes of a counted frame's end still to drop
        self._skipping = False  # the end of a line is being dropped
        self.cut = 0

    @property
    def held_bytes(self) -> int:
        return len(self._held)

    def feed(self, data: bytes) -> list[bytes]:
        """The messages that ``data`` completes; any split of a stream gives the same ones."""
        out: list[bytes] = []
        self._held += data
        at: int | None = 0
        done = 0
        while at is not None:
            done = at
            at = self._one(at, out)
        del self._held[:done]
        return out

    def end(self) -> list[bytes]:
        """The stream has ended: what stood there without its end is a message too."""
        held = bytes(self._held)
        self._held.clear()
        counted = _COUNT.match(held)
        held = held[counted.end() :] if counted is not None else held.strip(b"\r")
        return [held[:BYTES_MAX]] if held and not self._skip and not self._skipping else []

    def _one(self, at: int, out: list[bytes]) -> int | None:
        """Take one step at ``at``: where the next one begins; None where more bytes must come."""
        held = self._held
        if self._skip:
            taken = min(self._skip, len(held) - at)
            self._skip -= taken
            return at + taken if taken else None
        if self._skipping:
            end = _END.search(held, at)
            self._skipping = end is None
            return end.end() if end is not None else (len(held) if at < len(held) else None)
        blank = _BLANK.match(held, at)
        if blank is not None:
            return blank.end()
        counted = _COUNT.match(held, at)
        if counted is not None:
            return self._counted(counted, out)
        if len(held) - at <= _MAYBE_BYTES and _MAYBE.match(held, at):
            return None  # a number so far: what follows says whether it counts
        return self._line(at, out)

    def _counted(self, count: re.Match[bytes], out: list[bytes]) -> int | None:
        size, start = int(count[1]), count.end()
        kept = min(size, BYTES_MAX)
        if len(self._held) - start < kept:
            return None
        out.append(bytes(self._held[start : start + kept]))
        if size > kept:
            self.cut += 1
            self._skip = size - kept
        return start + kept

    def _line(self, at: int, out: list[bytes]) -> int | None:
        end = _END.search(self._held, at, at + BYTES_MAX + 1)
        if end is not None:
            out.append(bytes(self._held[at : end.start()]).rstrip(b"\r"))
            return end.end()
        if len(self._held) - at <= BYTES_MAX:
            return None
        self.cut += 1
        self._skipping = True
        out.append(bytes(self._held[at : at + BYTES_MAX]))
        return at + BYTES_MAX
