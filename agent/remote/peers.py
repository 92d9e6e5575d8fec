"""How the sites that share something with this one fare, as the NOC's ``watch`` says: the sense ``peers``. Pure.

A word that is not signed, is for another share, or is older than it says it may be, is no word.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from agent.clock import NS, unix_s
from agent.payloads import Pool
from agent.readings import Plain, Reading

VALID_MOST_S = 900
AHEAD_S = 120.0
KINDS = {"fine": ("probe-ok", "up"), "lost": ("probe-fail", "down"), "unknown": ("probe-degraded", "unknown")}


class NoWord(Exception):
    """What came says nothing of the peers; the text says why."""


class Peers:
    """The newest word on each share; ``shares`` of the site file."""

    def __init__(self, shares: Iterable[str]) -> None:
        self._said: dict[str, tuple[str, int]] = {}  # share: fine, lost or unknown, and until when
        self._shares = frozenset(shares)
        self._told = ""

    def heard(self, document: bytes, share: str, now_ns: int, now_utc_s: float) -> Reading | None:
        """A signed word on one share; the sense's reading. Raises ``NoWord``."""
        try:
            said = msgspec.json.decode(document, type=Pool)
            old_s = now_utc_s - unix_s(said.at)
        except (msgspec.MsgspecError, UnicodeDecodeError, ValueError, OverflowError, RecursionError) as error:
            raise NoWord(str(error)[:160]) from None
        if said.share not in self._shares or said.share != share:
            raise NoWord(f"it speaks of {said.share[:32]}")
        left_s = min(said.valid_s, VALID_MOST_S) - old_s
        if left_s <= 0 or old_s < -AHEAD_S:
            raise NoWord(f"it is {old_s:.0f} s old by this box's clock")
        self._said[share] = (said.calls, now_ns + int(left_s * NS))
        return self._reading(now_ns, {"sites": said.sites, "share": share})

    def tick(self, now_ns: int) -> Reading | None:
        """Words that are over; a reading where that changes what is known."""
        gone = [share for share, (_, until_ns) in self._said.items() if until_ns <= now_ns]
        for share in gone:
            del self._said[share]
        return self._reading(now_ns, {"reason": "nothing is heard of the others"}) if gone else None

    def _reading(self, now_ns: int, detail: dict[str, Plain]) -> Reading:
        words = {word for word, _ in self._said.values()}
        word = next((one for one in ("lost", "fine") if one in words), "unknown")
        kind, state = KINDS[word]
        return Reading("peers", "pool", kind, "", state, now_ns, detail)  # type: ignore[arg-type]
