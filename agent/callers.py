"""Callers' numbers: never kept, never told; a keyed hash says whether two of them are the same. Pure.

The key is made anew at each start of the agent and lives in memory only, so a hash means nothing to anybody else,
and nothing after a restart. Ten digits are few enough to try them all: the hash is as private as its key.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from agent.readings import Plain

KEY_BYTES = 32
HASH_CHARS = 16
_DIGIT = re.compile(r"[0-9A-Za-z]")
_NOT_DIGIT = re.compile(r"[^0-9]")


@dataclass(frozen=True, slots=True)
class Callers:
    """How a parser tells of a number. ``key``: 32 random bytes; ``show`` only where a person asked for it at a file."""

    key: bytes
    show: bool = False

    def hash_of(self, number: str) -> str | None:
        """16 hex digits for a number's last ten digits (with or without its country code it is the same caller)."""
        digits = _NOT_DIGIT.sub("", number)[-10:]
        if len(digits) < 7:
            return None  # no number: an extension or an ANI failure code
        return hashlib.blake2b(digits.encode(), key=self.key, digest_size=HASH_CHARS // 2).hexdigest()

    def shown(self, text: str) -> str:
        """The text itself, or one of the same length with a ``*`` for every letter and digit."""
        return text if self.show else _DIGIT.sub("*", text)

    def fields(self, number: str | None) -> dict[str, Plain]:
        """``caller`` (masked unless ``show``) and ``caller_key``, both None where there is no number."""
        number = (number or "").strip()
        if not number:
            return {"caller": None, "caller_key": None}
        return {"caller": self.shown(number), "caller_key": self.hash_of(number)}
