"""The journal's entries, and what its readers may ask of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

Ranges = tuple[tuple[int, int], ...]
"""Sequence numbers acknowledged upstream, as inclusive, ascending, disjoint ranges; at most 8."""


@dataclass(frozen=True, slots=True)
class Pending:
    """An entry on its way in. ``payload`` is UTF-8 JSON, an object; ``key`` the alarm id of an alarm entry, else ""."""

    kind: str
    payload: bytes
    urgent: bool
    mono_ns: int
    wall: str
    synced: bool
    key: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry in the journal. ``seq`` rises by one over all boots; payload None: dropped for room."""

    store: str
    boot: int
    seq: int
    kind: str
    urgent: bool
    mono_ns: int
    wall: str
    synced: bool
    key: str
    payload: bytes | None

    @property
    def id(self) -> str:
        """``store.boot.seq``: unique over all stores and boots; receivers deduplicate by it."""
        return f"{self.store}.{self.boot}.{self.seq}"


class Journal(Protocol):
    """What an uplink sees of the journal. The coroutines are answered by the thread that owns SQLite."""

    store_id: str
    boot: int

    @property
    def head(self) -> int:
        """The newest committed sequence number; 0 when empty."""

    async def read(self, after: int, upto: int, limit: int) -> Sequence[Entry]:
        """Entries with ``after < seq <= upto`` in order, at most ``limit``."""

    async def latest(self, kind: str) -> Sequence[Entry]:
        """The newest entry for each key of ``kind`` (each alarm's present state), at most 512, oldest first."""

    async def ranges(self, uplink: str) -> Ranges:
        """What this uplink had acknowledged when it was last saved."""

    def save_ranges(self, uplink: str, ranges: Ranges) -> None:
        """Keep what is acknowledged; written with the next commit, so a crash may cost some repeats, never a loss."""
