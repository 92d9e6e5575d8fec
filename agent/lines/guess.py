"""Which dialect speaks here, and how sure that is. Pure.

Every dialect reads the bytes. Its evidence is what it understood: each record that passed its grammar counts ``WEIGHT``
for how hard that grammar is to meet by chance, each garbage byte speaks against it. The scores become shares by a
softmax in which "unknown" always stands with ``UNKNOWN``; so noise, a menu or too little of anything is unknown.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from agent.callers import Callers
from agent.lines.capture import Chunk
from agent.lines.decode import default_line, readings
from agent.lines.dialects import parser_for
from agent.lines.smdr import FAMILIES
from agent.site.line import Line

LOOK_MAX = 262_144
"""Bytes that are looked at."""
RECORDS_MAX = 20
UNKNOWN = 2.5
# How many nats one record of a dialect is worth: what is anchored at both ends by rare signs is worth most.
WEIGHT: dict[str, float] = {"tl1": 7.0, "cisco": 7.0, "csu": 6.0, "smdr": 6.0, "ali": 4.0}
FRAMINGS = ("stx-etx", "blank-line", "idle-gap", "lines")
FRAMED: dict[str, float] = {"stx-etx": 1.0, "blank-line": 0.8, "idle-gap": 0.6, "lines": 0.5}
HIGH_SHARE = 0.2


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way to read the bytes. ``name`` as people would set it: ``smdr nortel-old``, ``ali stx-etx``."""

    name: str
    line: Line
    score: float
    records: int
    understood: float


@dataclass(frozen=True, slots=True)
class Guess:
    """The best candidate (None: unknown), how sure, every other with its share, and a hint on the port's settings."""

    best: Candidate | None
    sure: float
    others: dict[str, float]
    hint: str | None


def guess(chunks: Sequence[Chunk]) -> Guess:
    """Look at the first ``LOOK_MAX`` bytes."""
    looked, size = [], 0
    for chunk in chunks:
        if size >= LOOK_MAX:
            break
        looked.append(Chunk(chunk.t_ns, chunk.data[: LOOK_MAX - size], chunk.lost))
        size += len(looked[-1].data)
    data = b"".join(chunk.data for chunk in looked)
    candidates = [_candidate(name, line, looked, data) for name, line in _lines()]
    ranked = sorted(candidates, key=lambda one: -one.score)
    top = max(UNKNOWN, ranked[0].score)
    weights = {one.name: math.exp(one.score - top) for one in ranked if one.score > 0.0}
    total = sum(weights.values()) + math.exp(UNKNOWN - top)
    shares = {name: round(weight / total, 3) for name, weight in weights.items() if weight / total >= 0.001}
    best = ranked[0] if ranked[0].score > UNKNOWN else None
    unknown = round(math.exp(UNKNOWN - top) / total, 3)
    sure = shares.get(best.name, 0.0) if best is not None else unknown
    others = {name: share for name, share in shares.items() if best is None or name != best.name}
    if best is not None and unknown >= 0.001:
        others["unknown"] = unknown
    return Guess(best, sure, others, _hint(data, best))


def _lines() -> list[tuple[str, Line]]:
    plain = [(name, default_line(name)) for name in ("tl1", "cisco", "csu")]
    ali = [(f"ali {framing}", default_line("ali", framing=framing)) for framing in FRAMINGS]
    smdr = [(f"smdr {switch}", default_line("smdr", switch=switch)) for switch in FAMILIES]
    return [*plain, *ali, *smdr]


def _candidate(name: str, line: Line, chunks: Sequence[Chunk], data: bytes) -> Candidate:
    parser = parser_for(line, Callers(b"\0" * 32))
    told = [reading for reading in readings(parser, chunks) if reading.kind not in ("garbage", "gap")]
    weight = WEIGHT[line.dialect]
    if line.dialect == "ali":
        weight *= FRAMED[name.partition(" ")[2]]
        # A record with neither a number nor any word of a database is any text at all.
        told = [one for one in told if _ali_says_something(one.detail)]
    elif line.dialect == "tl1":
        told = [one for one in told if one.detail.get("sid") or one.detail.get("atag") or one.detail.get("ctag")]
    elif line.dialect == "smdr" and name.endswith("nortel-new") and b"&" not in data:
        weight *= 0.7  # both formats read it; only a second line speaks for the new one
    elif line.dialect == "smdr" and name.endswith("nortel-old") and b"\n &" in data:
        weight *= 0.7
    garbage = parser.counters["garbage_bytes"]
    understood = 1.0 - min(1.0, garbage / max(1, len(data)))
    records = min(RECORDS_MAX, len(told))
    score = weight * records * understood**3
    return Candidate(name, line, score, len(told), round(understood, 3))


def _ali_says_something(detail: object) -> bool:
    assert hasattr(detail, "get")
    good = detail.get("what") in ("record", "no-record-found", "ani-failure", "broadcast")
    return bool(good and (detail.get("has_number") or detail.get("what") != "record") and detail.get("has_place", True))


def _hint(data: bytes, best: Candidate | None) -> str | None:
    if not data:
        return "nothing was received"
    high = sum(byte >= 0x80 for byte in data) / len(data)
    if high >= HIGH_SHARE:
        low = bytes(byte & 0x7F for byte in data)
        text = sum(byte in b"\r\n\t" or 0x20 <= byte < 0x7F for byte in low) / len(data)
        if text > 0.95:
            return "many bytes have the eighth bit set and are text without it: read at 8N1, sent at 7E1 or 7O1"
        return "many bytes are no text: the baud rate may be another"
    if best is None and sum(byte in b"\r\n\t\x02\x03" or 0x20 <= byte < 0x7F for byte in data) / len(data) < 0.7:
        return "many bytes are no text: the baud rate or the format may be another"
    return None
