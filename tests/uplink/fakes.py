"""A journal in memory, and an uplink round it."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from agent.clock import RealClock
from agent.journal.entry import Entry, Ranges
from agent.readings import Reading
from agent.site import schema

STORE = "0123abcd"
SITE = schema.Site(id="testville", psap_id="1234", provider="Example Telephone", population=118_000)


def entry(seq: int, kind: str = "reading", key: str = "", boot: int = 3, **payload: Any) -> Entry:
    """An entry with a payload that names its own number."""
    body = msgspec.json.encode({"n": seq, **({"id": key} if key else {}), **payload})
    return Entry(STORE, boot, seq, kind, kind == "alarm", seq, "2024-06-18T17:15:00.000Z", True, key, body)


class FakeJournal:
    """What an uplink sees of the journal; ``commit`` adds to it."""

    def __init__(self, entries: Sequence[Entry] = ()) -> None:
        self.store_id, self.boot = STORE, 3
        self.entries = list(entries)
        self.saved: dict[str, Ranges] = {}
        self.reads = 0
        self.fail_reads = 0
        self.listeners: list[Callable[[Sequence[Entry]], None]] = []

    @property
    def head(self) -> int:
        return self.entries[-1].seq if self.entries else 0

    def commit(self, *entries: Entry) -> None:
        self.entries.extend(entries)
        for listener in self.listeners:
            listener(entries)

    async def read(self, after: int, upto: int, limit: int) -> Sequence[Entry]:
        self.reads += 1
        if self.fail_reads:
            self.fail_reads -= 1
            raise OSError("no disk")
        return [e for e in self.entries if after < e.seq <= upto][:limit]

    async def latest(self, kind: str) -> Sequence[Entry]:
        newest = {e.key: e for e in self.entries if e.kind == kind and e.key}
        return sorted(newest.values(), key=lambda e: e.seq)[-512:]

    async def ranges(self, uplink: str) -> Ranges:
        return self.saved.get(uplink, ())

    def save_ranges(self, uplink: str, ranges: Ranges) -> None:
        self.saved[uplink] = ranges


class FakeSecrets:
    """Names to files."""

    def __init__(self, files: Mapping[str, Path] | None = None) -> None:
        self._files = dict(files or {})

    def path(self, name: str) -> Path:
        return self._files[name]

    def read(self, name: str, *, private: bool = True) -> bytes:
        return self._files[name].read_bytes().removesuffix(b"\n")


class Box:
    """An uplink with all it needs, its readings kept."""

    def __init__(
        self,
        config: schema.Uplink,
        journal: Any,
        secrets: Any = None,
        health: Callable[[], Mapping[str, Any]] = lambda: {"lamps": {}},
    ) -> None:
        from agent.uplink.mqtt import Uplink

        self.readings: list[Reading] = []
        self.journal = journal
        self.uplink = Uplink(
            config,
            SITE,
            journal,
            secrets or FakeSecrets(),
            self.readings.append,
            RealClock(),
            health,
            random.Random(1),
        )
        if isinstance(journal, FakeJournal):
            journal.listeners.append(self.uplink.committed)

    def of(self, kind: str) -> list[Reading]:
        return [r for r in self.readings if r.kind == kind]
