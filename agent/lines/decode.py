"""What ``dialtone decode`` prints: bytes in, one JSON-able object a reading. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from agent.lines.tl1 import Tl1
from agent.readings import Reading

DIALECTS = ("tl1",)
SOURCE = "file"


def as_object(reading: Reading) -> dict[str, Any]:
    """``kind``, ``at`` (None: plain bytes carry no times), ``state``, the fields, and the message's byte offset."""
    return {"kind": reading.kind, "at": None, "state": reading.state, **reading.detail, "offset": reading.raw_ref}


def decode(dialect: str, chunks: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """The readings of a whole stream. Raises ValueError for a dialect that is not one of ``DIALECTS``."""
    if dialect not in DIALECTS:
        raise ValueError(f"no such dialect: {dialect}")
    parser = Tl1(SOURCE)
    for chunk in chunks:
        yield from map(as_object, parser.feed(chunk, 0))
    yield from map(as_object, parser.reset(0))
