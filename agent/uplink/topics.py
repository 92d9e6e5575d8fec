"""Topics: ``dialtone/v1/SITE/PROBE/...``, at most 200 bytes of safe characters. Pure.

Safe are ``A-Z a-z 0-9 _ -``: NATS drops the connection on a dot or a space in a topic, wildcards are no names at all.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

ROOT = "dialtone/v1"
TOPIC_BYTES_MAX = 200
LEVEL_MAX = 100
_UNSAFE = re.compile(r"[^A-Za-z0-9_-]")


def level(text: str) -> str:
    """``text`` as one topic level: unchanged where it is safe, else cleaned, with a digest so that no two meet."""
    if text and len(text) <= LEVEL_MAX and not _UNSAFE.search(text):
        return text
    digest = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:12]
    return f"{_UNSAFE.sub('-', text[: LEVEL_MAX - 13])}-{digest}"


@dataclass(frozen=True, slots=True)
class Topics:
    """One probe's topics."""

    site: str
    probe: str

    @property
    def base(self) -> str:
        """What all of them begin with."""
        return f"{ROOT}/{self.site}/{self.probe}"

    def status(self, uplink: str) -> str:
        """Retained birth and will of one uplink."""
        return f"{self.base}/status/{uplink}"

    @property
    def health(self) -> str:
        """Every 60 s, QoS 0, not retained."""
        return f"{self.base}/health"

    def alarm(self, alarm_id: str) -> str:
        """Retained state of one alarm."""
        return f"{self.base}/alarm/{level(alarm_id)}"

    @property
    def verdict(self) -> str:
        """The retained verdict."""
        return f"{self.base}/verdict"

    @property
    def event(self) -> str:
        """Every journal entry."""
        return f"{self.base}/event"

    @property
    def calls(self) -> str:
        """Counts of calls, every minute, QoS 0, not retained."""
        return f"{self.base}/calls"

    @property
    def desired(self) -> str:
        """In, retained: the signed site file that the NOC wishes for."""
        return f"{self.base}/config/desired"

    @property
    def reported(self) -> str:
        """Out, retained: which site file runs, and what became of the one that was wished for."""
        return f"{self.base}/config/reported"

    @property
    def commands(self) -> str:
        """In, never retained: a filter for every command."""
        return f"{self.base}/cmd/+"

    def reply(self, command: str) -> str:
        """Out: the answer to a command."""
        return f"{self.base}/cmd/{level(command)}/reply"

    @property
    def receipt(self) -> str:
        """In: what a receiver has stored."""
        return f"{self.base}/receipt"


def pool(share: str) -> str:
    """In, retained: how the sites that share something fare by their calls."""
    return f"{ROOT}/pool/{level(share)}"
