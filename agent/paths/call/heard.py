"""What our reflector and the probe tell each other in headers, pure: which tone each sends, and what was heard."""

from __future__ import annotations

import re
from dataclasses import dataclass

TONE = "Dialtone-Tone"
"""In the INVITE and its 200: the Hz of the tone that this side sends."""
HEARD = "Dialtone-Heard"
"""In a BYE or its 200: what came of the other side's audio."""
TEXT_MAX = 256
_TONE = re.compile(r"[0-9]{1,4}\Z")
_NUMBER = re.compile(r"[0-9]{1,9}\Z")
_MS = re.compile(r"[0-9]{1,7}(?:\.[0-9]{1,3})?\Z")


@dataclass(frozen=True, slots=True)
class Heard:
    """One side's word on what came to it. ``tone``: whether the tone that the other side announced was in it."""

    packets: int
    lost: int
    jitter_ms: float
    tone: bool


def tone_of(text: str) -> int | None:
    """The Hz that a header names; None for what is none that a call could send."""
    hz = int(text) if _TONE.match(text) else 0
    return hz if 50 <= hz < 4000 else None


def text_of(heard: Heard) -> str:
    """As the header carries it."""
    tone = "yes" if heard.tone else "no"
    return f"packets={heard.packets};lost={heard.lost};jitter-ms={heard.jitter_ms:.1f};tone={tone}"


def heard_of(text: str) -> Heard | None:
    """What a header says; None where it is missing or can't be read. Unknown words are passed over."""
    if len(text) > TEXT_MAX:
        return None
    words = dict(part.strip().partition("=")[::2] for part in text.split(";"))
    packets, lost, jitter, tone = (words.get(name, "") for name in ("packets", "lost", "jitter-ms", "tone"))
    if not _NUMBER.match(packets) or not _NUMBER.match(lost) or tone not in ("yes", "no"):
        return None
    return Heard(int(packets), int(lost), float(jitter) if _MS.match(jitter) else 0.0, tone == "yes")
