"""The hash chain: what binds each entry to the one before it. Pure.

``hash = SHA-256(previous || header || SHA-256(payload))``, where ``previous`` is the hash of the entry before (32
zero bytes before the first one) and ``header`` is the UTF-8 JSON array ``[store, boot, seq, kind, urgent, mono_ns,
wall, synced, key]`` with no spaces and everything outside ASCII escaped. SHA-256(payload) is kept beside the hash,
so an entry whose payload was dropped for room still verifies. The chain shows what was changed, reordered or taken
out of the middle; it is not signed, so it can't show a chain rewritten as a whole or one whose newest entries are gone.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from agent.journal.entry import Entry

GENESIS = bytes(32)


@dataclass(frozen=True, slots=True)
class Sealed:
    """An entry with its two hashes: ``digest`` over the payload, ``hash`` over everything up to here."""

    entry: Entry
    digest: bytes
    hash: bytes


def header(entry: Entry) -> bytes:
    """The canonical bytes of everything but the payload."""
    fields = [
        entry.store,
        entry.boot,
        entry.seq,
        entry.kind,
        entry.urgent,
        entry.mono_ns,
        entry.wall,
        entry.synced,
        entry.key,
    ]
    return json.dumps(fields, separators=(",", ":"), ensure_ascii=True).encode("ascii")


def seal(previous: bytes, entry: Entry) -> Sealed:
    """Bind a new entry (payload present) to the one before it."""
    assert entry.payload is not None
    digest = hashlib.sha256(entry.payload).digest()
    return Sealed(entry, digest, hashlib.sha256(previous + header(entry) + digest).digest())


def payload_fits(sealed: Sealed) -> bool:
    """Whether the payload is the one that was sealed, or was dropped."""
    payload = sealed.entry.payload
    return payload is None or hashlib.sha256(payload).digest() == sealed.digest


@dataclass(frozen=True, slots=True)
class Break:
    """Where a chain is broken, and why, in words."""

    seq: int
    why: str


@dataclass(slots=True)
class Walk:
    """Verifies a chain entry by entry, from the hash of the entry before the first one given.

    ``boot``, where known, is the lowest that the next entry may carry.
    """

    store: str
    seq: int
    hash: bytes
    boot: int = 0
    entries: int = 0
    dropped: int = 0

    def step(self, sealed: Sealed) -> Break | None:
        """Take the next entry; what is wrong with it, or None."""
        why = self._fault(sealed)
        if why is not None:
            return Break(self.seq + 1, why)
        entry = sealed.entry
        self.seq, self.hash, self.boot = entry.seq, sealed.hash, entry.boot
        self.entries += 1
        self.dropped += entry.payload is None
        return None

    def _fault(self, sealed: Sealed) -> str | None:
        entry = sealed.entry
        if entry.seq != self.seq + 1:
            return f"entry {self.seq + 1} is missing; the next one is {entry.seq}"
        if entry.boot < self.boot:
            return f"boot goes back from {self.boot} to {entry.boot}"
        if entry.payload is None and entry.urgent:
            return "an urgent entry has no payload"
        if not payload_fits(sealed):
            return "the payload does not match its hash"
        if entry.store != self.store:
            return f"the entry is of store {entry.store}, not {self.store}"
        if hashlib.sha256(self.hash + header(entry) + sealed.digest).digest() != sealed.hash:
            return "the entry does not match its hash, or does not follow the entry before it"
        return None
