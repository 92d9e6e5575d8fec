"""SIP over a stream, pure: bytes as they come, whole messages out (RFC 3261 section 18.3, RFC 5626 section 3.5.1)."""

from __future__ import annotations

import re

from agent.paths import sip

_END = re.compile(rb"\r?\n\r?\n")
_LENGTH = re.compile(rb"^(?:content-length|l)[ \t]*:[ \t]*([0-9]{1,6})[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)


class Stream:
    """``broken``: what came can't be cut into messages any more; nothing after that is read."""

    def __init__(self) -> None:
        self._held = bytearray()
        # However small the pieces are, nothing is looked through twice: how far, and the size of the message begun.
        self._looked = 0
        self._size: int | None = None
        self.broken = False

    def feed(self, data: bytes) -> list[bytes]:
        """The messages that are complete with this. Empty lines between them are keep-alives."""
        found: list[bytes] = []
        if self.broken:
            return found
        self._held += data
        while self._begun() and self._size is not None and len(self._held) >= self._size:
            found.append(bytes(self._held[: self._size]))
            del self._held[: self._size]
            self._size, self._looked = None, 0
        return found

    def _begun(self) -> bool:
        """Whether a whole head is here, and with it the size of its message."""
        if self._size is not None:
            return True
        if self._held.startswith((b"\r", b"\n")):
            del self._held[: len(self._held) - len(self._held.lstrip(b"\r\n"))]
            self._looked = 0
        end = _END.search(self._held, max(0, self._looked - 3))
        self._looked = len(self._held)
        if end is None:
            self._check(len(self._held) <= sip.MESSAGE_MAX)
            return False
        lengths = _LENGTH.findall(self._held, 0, end.start())
        self._size = end.end() + (int(lengths[0]) if lengths else 0)
        # On a stream the length is not to be left out, nor said twice: where does the next one begin?
        return self._check(len(set(lengths)) == 1 and self._size <= sip.MESSAGE_MAX)

    def _check(self, well: bool) -> bool:
        if not well:
            self.broken = True
            self._held.clear()
        return well
