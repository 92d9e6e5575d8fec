"""What a TL1 parser tells and counts, and the message it has open. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from agent.readings import Plain

# fmt: off
FIELDS = (
    "sid", "date", "time", "alarm_code", "atag", "verb", "mod1", "mod2", "aid", "aid_type", "ntfcncde", "condtype",
    "srveff", "condeff", "ocrdat", "ocrtm", "locn", "dirn", "conddescr", "aiddet",
)
"""A report's detail: always all of these, None where it has none. ``mod1`` is ALM or EVT, ``mod2`` the rest."""
COUNTERS = (
    "bytes", "records", "reports", "answers", "acks", "echoes", "alarms", "clears", "events", "cut_off", "headless",
    "salvaged", "gaps", "lost_messages", "garbage_bytes", "garbage_runs",
)
# fmt: on
SEVEN_BITS = bytes(range(128)) * 2
"""TL1 is ASCII: an eighth bit is the parity of a line set 7E1 and read as 8N1."""

MessageState = Literal["idle", "headed", "report", "answer"]


@dataclass(slots=True)
class Message:
    """The message that is open: its head, and what has come of it."""

    offset: int
    detail: dict[str, Plain] = field(default_factory=dict)
    texts: int = 0
    first: str = ""
    comment: str = ""
    compl: str | None = None
    ctag: str | None = None
    told_unfinished: bool = False

    @property
    def held_chars(self) -> int:
        """Characters that wait here for the message's end."""
        told = (self.first, self.comment, self.compl or "", self.ctag or "")
        return sum(map(len, told)) + sum(len(v) for v in self.detail.values() if isinstance(v, str))
