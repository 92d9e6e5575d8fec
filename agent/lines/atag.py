"""Automatic message tags: whether a TL1 message was lost between two that arrived. Pure.

Each network element (SID) counts its autonomous messages: ADC 1 to 65535 and then 1 again, Symmetricom in six
digits; a restart begins anew. Tags that do not count (dotted, or words) can't be followed, and are not.
"""

from __future__ import annotations

from dataclasses import dataclass

SIDS_MAX = 16
_WRAPS = frozenset({65535, *(10**digits - 1 for digits in range(1, 11))})
_DIGITS_MAX = 10


@dataclass(frozen=True, slots=True)
class Gap:
    """A tag that does not follow. ``lost``: how many messages, where that can be counted, else None."""

    expected: int
    got: int
    lost: int | None
    why: str


class AtagTracker:
    """The last tag of each SID, at most ``SIDS_MAX``: the one not heard for longest is given up."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[int, int]] = {}  # SID: tag, its digits as printed
        self.forgotten = 0
        self.unfollowed = 0

    @property
    def held_bytes(self) -> int:
        """Bytes of the SIDs kept."""
        return sum(map(len, self._last))

    def only_sid(self) -> str | None:
        """The SID, where just one has been heard."""
        return next(iter(self._last)) if len(self._last) == 1 else None

    def follow(self, sid: str, atag: str | None) -> Gap | None:
        """Take the next tag of ``sid``; the gap before it, if there is one."""
        if atag is None or not (atag.isascii() and atag.isdigit() and len(atag) <= _DIGITS_MAX):
            self._last.pop(sid, None)
            self.unfollowed += 1
            return None
        got, before = int(atag), self._last.pop(sid, None)
        if before is None and len(self._last) >= SIDS_MAX:
            del self._last[next(iter(self._last))]
            self.forgotten += 1
        self._last[sid] = (got, len(atag))
        return None if before is None else _gap(before[0], got, before[1])


def _gap(last: int, got: int, digits: int) -> Gap | None:
    if got in (last, last + 1) or (got in (0, 1) and last in _WRAPS):
        return None
    if got > last:
        return Gap(last + 1, got, got - last - 1, "lost")
    top = 65535 if last <= 65535 and digits < 6 else 10**digits - 1
    if last > top - top // 8 and got < top // 8:  # round the corner, with a loss on the way: 1 follows the top
        expected = 1 if last == top else last + 1
        return Gap(expected, got, (top - last) + max(0, got - 1), "lost")
    return Gap(last + 1, got, None, "restarted" if got in (0, 1) else "went back")
