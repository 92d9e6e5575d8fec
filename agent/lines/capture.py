"""A capture: what a port said, byte for byte, with its monotonic times. Pure: text in, bytes out, and the other way.

One JSON object a line. The first says what it is; each chunk has ``t_ns`` since the start and ``hex``; ``lost`` marks
where the port was away. It is appended to as bytes come, so a power cut leaves at most its last line torn, and that is
told.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

VERSION = 1
CHUNK_MAX = 65_536
LINE_MAX = 4 * CHUNK_MAX


@dataclass(frozen=True, slots=True)
class Chunk:
    """Bytes that came together, ``t_ns`` after the start; with ``lost`` no bytes, but why the port was away."""

    t_ns: int
    data: bytes
    lost: str | None = None


class CaptureInvalid(ValueError):
    """This is no capture, or one of another version."""


def head(port: str, baud: int, format_: str, started: str) -> str:
    """The first line. ``started``: UTC, a label."""
    told = {"dialtone": "capture", "v": VERSION, "port": port, "baud": baud, "format": format_, "started": started}
    return json.dumps(told) + "\n"


def line(chunk: Chunk) -> str:
    """One chunk as a line."""
    told: dict[str, Any] = {"t_ns": chunk.t_ns}
    told |= {"lost": chunk.lost} if chunk.lost is not None else {"hex": chunk.data.hex()}
    return json.dumps(told) + "\n"


def is_capture(begins: bytes) -> bool:
    """Whether a file that begins so is a capture, and not the bytes of a line themselves."""
    return begins.lstrip().startswith(b'{"dialtone": "capture"')


def chunks(lines: Iterator[str]) -> Iterator[Chunk]:
    """The chunks of a capture's lines, in order; a torn or strange line is a ``lost`` chunk.

    Raises ``CaptureInvalid`` where the first line is not a capture's, or of a version that this one can't read.
    """
    try:
        told = json.loads(next(lines, ""))
        version = told["v"] if told["dialtone"] == "capture" else None
    except (ValueError, KeyError, TypeError, RecursionError):
        raise CaptureInvalid("this is no capture") from None
    if version != VERSION:
        raise CaptureInvalid(f"this is a capture of version {version}; version {VERSION} can be read")
    last_ns = 0
    for text in lines:
        if not text.strip():
            continue
        found = _chunk(text)
        if found is None:
            yield Chunk(last_ns, b"", "a line of the capture is torn")
            continue
        last_ns = max(last_ns, found.t_ns)
        yield Chunk(last_ns, found.data, found.lost)


def _chunk(text: str) -> Chunk | None:
    try:
        told = json.loads(text) if len(text) <= LINE_MAX else None
        if not isinstance(told, dict) or not isinstance(told.get("t_ns"), int):
            return None
        lost = told.get("lost")
        if lost is not None:
            return Chunk(told["t_ns"], b"", str(lost)[:200])
        return Chunk(told["t_ns"], bytes.fromhex(told["hex"]))
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
