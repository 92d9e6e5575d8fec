"""Syslog over TCP to messages: octet counting and line ends, mixed as senders do (RFC 6587 section 3.4). Pure."""

from __future__ import annotations

from agent.paths.syslog.message import BYTES_MAX

COUNT_DIGITS = 5


class Stream:
    """One connection. ``cut``: messages longer than ``BYTES_MAX``, of which the rest was passed over."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._skip = 0  # bytes of a counted message that are passed over
        self._skip_line = False
        self.cut = 0

    @property
    def held_bytes(self) -> int:
        return len(self._held)

    def feed(self, data: bytes) -> list[bytes]:
        """The messages that are whole now."""
        out: list[bytes] = []
        self._held += data
        while self._held:
            if self._skip:
                gone = min(self._skip, len(self._held))
                del self._held[:gone]
                self._skip -= gone
                continue
            if self._skip_line:
                if not self._drop_line():
                    break
                continue
            taken = self._next()
            if taken is None:
                break
            if taken:
                out.append(taken)
        return out

    def _drop_line(self) -> bool:
        end = self._line_end()
        del self._held[: end + 1 if end >= 0 else len(self._held)]
        self._skip_line = end < 0
        return end >= 0

    def _next(self) -> bytes | None:
        """One message, b"" for none of them, None where more must come."""
        while self._held and self._held[0] in (0, 10, 13):
            del self._held[0]
        digits = 0
        while digits < len(self._held) and digits <= COUNT_DIGITS and 48 <= self._held[digits] <= 57:
            digits += 1
        if digits == len(self._held) and digits <= COUNT_DIGITS:
            return None
        counted = 0 < digits <= COUNT_DIGITS and self._held[digits : digits + 1] == b" " and self._held[0] != 48
        if counted and bytes(self._held[digits + 1 : digits + 2]) in (b"<", b""):
            return self._counted(int(self._held[:digits]), digits + 1)
        end = self._line_end()
        if end < 0 and len(self._held) <= BYTES_MAX:
            return None
        taken = bytes(self._held[: min(end, BYTES_MAX) if end >= 0 else BYTES_MAX])
        if end < 0 or end > BYTES_MAX:
            self.cut += 1
        if end < 0:
            del self._held[:BYTES_MAX]
            self._skip_line = True
        else:
            del self._held[: end + 1]
        return taken

    def _counted(self, length: int, start: int) -> bytes | None:
        if length > BYTES_MAX:
            if len(self._held) < start + BYTES_MAX:
                return None
            taken = bytes(self._held[start : start + BYTES_MAX])
            del self._held[: start + BYTES_MAX]
            self._skip = length - BYTES_MAX
            self.cut += 1
            return taken
        if len(self._held) < start + length:
            return None
        taken = bytes(self._held[start : start + length])
        del self._held[: start + length]
        return taken

    def _line_end(self) -> int:
        found = [at for at in (self._held.find(b"\n"), self._held.find(b"\x00")) if at >= 0]
        return min(found, default=-1)
