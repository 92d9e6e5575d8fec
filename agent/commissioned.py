"""That the whole chain was proved by a person: each cable pulled, lamp, horn and the NOC's receipt seen. Pure.

A step and the sealing of them all are entries of the journal. A year after the last sealing, and where there never was
one, ``status`` and the screen remind of it: a line of text, no lamp and no horn, for nothing is wrong. A clock that is
not synchronised, now or then, can't tell that a year has passed, and reminds of nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from agent.clock import Wall, unix_s

YEAR_S = 365 * 86_400.0
KINDS = ("line", "path", "uplink", "all")
WORDS_MAX = 120
_TEXTS = ("id", "alarm", "lamp", "receipt", "technician", "note")
_FLAGS = ("lamp_seen", "horn_heard", "passed")
_TIMES = ("alarm_after_s", "receipt_after_s", "restored_after_s")
_COUNTS = ("steps", "failed")
RECEIPTS = ("receiver", "broker", "none")
"""Who says that it has the alarm: a receiver that has stored it, or the broker, which has only taken it."""


class Wrong(Exception):
    """What was said of a step is not what a step can be."""


def checked(args: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of the request ``commission`` as they are written. Raises ``Wrong``."""
    unknown = sorted(set(args) - {"kind", *_TEXTS, *_FLAGS, *_TIMES, *_COUNTS})
    if unknown:
        raise Wrong(f"no such thing is noted: {', '.join(map(str, unknown))[:100]}")
    if args.get("kind") not in KINDS:
        raise Wrong(f"kind must be one of {', '.join(KINDS)}")
    for name in _TEXTS:
        text = args.get(name)
        if text is not None and (not isinstance(text, str) or len(text) > WORDS_MAX or not text.isprintable()):
            raise Wrong(f"{name} must be a text of at most {WORDS_MAX} printable characters")
    if not args.get("id") or not args.get("technician"):
        raise Wrong("id and technician must be named")
    if args.get("receipt") not in (None, *RECEIPTS):
        raise Wrong(f"receipt must be one of {', '.join(RECEIPTS)}")
    for name in _FLAGS:
        if args.get(name) is not None and not isinstance(args[name], bool):
            raise Wrong(f"{name} must be true, false or nothing")
    if not isinstance(args.get("passed"), bool):
        raise Wrong("passed must be true or false")
    for name in (*_TIMES, *_COUNTS):
        number = args.get(name)
        wrong = isinstance(number, bool) or not isinstance(number, int | float) or not 0 <= number < 1e6
        if number is not None and wrong:
            raise Wrong(f"{name} must be a number from 0")
    return dict(args)


class Commissioned:
    """The last sealing, as far as the journal knows it."""

    def __init__(self) -> None:
        self._last: dict[str, Any] | None = None
        self._at: Wall | None = None

    def restore(self, entries: Sequence[Any]) -> None:
        """The newest entries of kind ``commission``, one a key, oldest first."""
        for entry in entries:
            try:
                self.saw("commission", json.loads(entry.payload or b"{}"), Wall(entry.wall, entry.synced))
            except ValueError:
                continue

    def saw(self, kind: str, payload: Mapping[str, Any], wall: Wall) -> None:
        """An entry; all but a sealing is nothing here."""
        if kind == "commission" and payload.get("kind") == "all":
            self._last, self._at = dict(payload), wall

    def status(self, now: Wall) -> dict[str, Any]:
        """For ``status``: when, by whom, what failed, and what is to be reminded of."""
        if self._last is None or self._at is None:
            return {"at": None, "due": True, "reminder": "Never commissioned: dialtone commission."}
        told = {name: self._last.get(name) for name in ("technician", "steps", "failed", "passed")}
        age_s = unix_s(now.utc) - unix_s(self._at.utc) if now.synced and self._at.synced else 0.0
        reminder = None
        if age_s > YEAR_S:
            reminder = f"Last commissioned {self._at.utc[:10]}: once a year, dialtone commission."
        elif not self._last.get("passed"):
            reminder = "Commissioning found faults: dialtone commission again when they are mended."
        return {
            "at": self._at.utc,
            "synced": self._at.synced,
            **told,
            "due": reminder is not None,
            "reminder": reminder,
        }
