"""What ``dialtone decode`` prints: a line's bytes or a capture in, one JSON-able object a reading. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from agent.callers import Callers
from agent.lines.capture import Chunk
from agent.lines.dialects import parser_for
from agent.lines.parser import Parser
from agent.readings import Reading
from agent.site import line as site
from agent.site.line import Line

DIALECTS = ("tl1", "csu", "cisco", "ali", "smdr", "text")
SOURCE = "file"
NS = 1_000_000_000
PIECE = 4096
HIDDEN = frozenset({"caller_key", "dialled_key"})


def as_object(reading: Reading, timed: bool = False) -> dict[str, Any]:
    """``kind``, ``at`` (seconds in a capture; None: plain bytes carry no times), ``state``, the fields, the offset."""
    at = round(reading.at_ns / NS, 6) if timed else None
    fields = {name: value for name, value in reading.detail.items() if name not in HIDDEN}
    named = {} if not reading.subject or reading.subject in fields.values() else {"subject": reading.subject}
    return {"kind": reading.kind, "at": at, "state": reading.state, **named, **fields, "offset": reading.raw_ref}


def default_line(dialect: str, **keys: Any) -> Line:
    """A line of this dialect for a file. Raises ValueError for one that has no bytes or needs settings of its own."""
    kinds: dict[str, type[Any]] = {
        "tl1": site.Tl1Line,
        "csu": site.CsuLine,
        "cisco": site.CiscoLine,
        "ali": site.AliLine,
        "smdr": site.SmdrLine,
        "text": site.TextLine,
    }
    if dialect not in kinds:
        raise ValueError(f"no such dialect: {dialect}")
    made: Line = kinds[dialect](id=SOURCE, port="/dev/null", **keys)
    return made


def readings(parser: Parser, chunks: Iterable[Chunk]) -> Iterator[Reading]:
    """Everything a parser tells of a capture, with the quiet between its chunks, as the port would have told it."""
    last_ns = 0
    for chunk in chunks:
        idle_ns = int(parser.idle_s * NS)
        if chunk.t_ns - last_ns >= idle_ns:
            yield from parser.idle(last_ns + idle_ns)
        last_ns = max(last_ns, chunk.t_ns)
        if chunk.lost is not None:
            yield from parser.reset(last_ns)
            continue
        for begin in range(0, len(chunk.data), PIECE):
            yield from parser.feed(chunk.data[begin : begin + PIECE], last_ns)
    yield from parser.idle(last_ns + int(parser.idle_s * NS))
    yield from parser.reset(last_ns + int(parser.idle_s * NS))


def decode(
    line: Line | str, chunks: Iterable[Chunk | bytes], callers: Callers | None = None, *, timed: bool = False
) -> Iterator[dict[str, Any]]:
    """The readings of a whole stream. ``line``: its settings, or a dialect's name; ValueError for none of them."""
    made = default_line(line) if isinstance(line, str) else line
    parser = parser_for(made, callers or Callers(b"\0" * 32))
    whole = (one if isinstance(one, Chunk) else Chunk(0, one) for one in chunks)
    for reading in readings(parser, whole):
        yield as_object(reading, timed)
