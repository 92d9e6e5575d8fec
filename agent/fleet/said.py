"""What probes are taken to have said: their payloads, read leniently and cut to size. Pure.

What a probe sends is written by ``agent/payloads.py``; here the parts that a NOC shows are read from it, so that a
probe of a newer version is still understood. All of it is garbage until it is read: ``NotUnderstood`` says of what
kind.
"""

from __future__ import annotations

import re
from typing import Any, Literal, TypeVar

import msgspec
from msgspec import Struct

from agent.clock import unix_s

PAYLOAD_MAX = 768 * 1024
"""Bytes of one message; a whole state of 512 alarms is below it."""
TEXT_MAX = 240
VALID_MOST_S = 3600
SHARES_MAX = 16
ID = re.compile(r"[a-z0-9][a-z0-9-]{0,31}\Z")
ENTRY = re.compile(r"([0-9a-f]{1,32})\.([0-9]{1,18})\.([0-9]{1,18})\Z")
Severity = Literal["critical", "major", "minor"]
Entry = tuple[str, int, int]
"""A journal entry: store, boot, seq. The last two compare within one store."""
T = TypeVar("T")


class NotUnderstood(Exception):
    """A message that says nothing to us. ``kind``: under what it is counted; the text says why."""

    def __init__(self, kind: str, why: str) -> None:
        super().__init__(why)
        self.kind = kind


class Alarm(Struct, frozen=True, kw_only=True):
    """One alarm as it stands: of ``alarm/ID`` (with its ``entry``), or of the answer to ``cmd/state`` (without)."""

    id: str
    type: str
    severity: Severity
    state: Literal["normal", "unacknowledged", "returned-unacknowledged", "acknowledged", "returned"]
    active: bool
    resource: str = ""
    text: str = ""
    raised: str = ""
    acknowledged_by: str | None = None
    silenced: bool = False
    shadow: bool = False
    shelved: bool = False
    mode: str = "normal"
    psap: Any = None
    entry: str = ""

    @property
    def counts(self) -> bool:
        """Whether it makes its probe one in alarm: active, and not learned, shelved or under work by people there."""
        return self.active and not (self.shadow or self.shelved or self.mode == "service")

    def trimmed(self) -> Alarm:
        """Cut to what is kept. The id is kept whole, since the digest is over it; it is bounded by ``alarm``."""
        return msgspec.structs.replace(
            self,
            type=self.type[:64],
            resource=self.resource[:64],
            text=self.text[:TEXT_MAX],
            raised=self.raised[:40],
            acknowledged_by=None if self.acknowledged_by is None else self.acknowledged_by[:64],
            mode=self.mode[:16],
            psap=None,
            entry="",
        )


class Verdict(Struct, frozen=True, kw_only=True):
    """The best explanation, as of ``verdict`` or of the answer to ``cmd/state``."""

    cause: str
    sentence: str = ""
    do_now: str = ""
    side: str = ""
    calls_fail: bool | None = None
    under_change: bool = False
    psap: Any = None
    entry: str = ""

    def trimmed(self) -> Verdict:
        """Cut to what is kept."""
        return msgspec.structs.replace(
            self,
            cause=self.cause[:64],
            sentence=self.sentence[:TEXT_MAX],
            do_now=self.do_now[:TEXT_MAX],
            side=self.side[:32],
            psap=None,
            entry="",
        )


class State(Struct, frozen=True, kw_only=True):
    """The result of ``cmd/state``."""

    alarms: list[Alarm]
    verdict: Verdict | None = None


class Reply(Struct, frozen=True, kw_only=True):
    """``cmd/state/reply``."""

    ok: bool
    id: str | None = None
    result: State | None = None
    error: str | None = None


class Psap(Struct, frozen=True, kw_only=True):
    """What alarms and verdicts say of their call centre."""

    name: str = ""
    provider: str = ""
    psap_id: str = ""


def read(payload: bytes, kind: type[T]) -> T:
    """``payload`` as a ``kind``. Raises ``NotUnderstood``."""
    if len(payload) > PAYLOAD_MAX:
        raise NotUnderstood("too-large", f"{len(payload)} bytes; at most {PAYLOAD_MAX}")
    if not payload:
        raise NotUnderstood("empty", "an empty message")
    try:
        return msgspec.json.decode(payload, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, ValueError, OverflowError, RecursionError) as error:
        raise NotUnderstood("garbage", str(error)[:160]) from None


def psap(said: Any) -> Psap | None:
    """Of an alarm's or verdict's ``psap``; None where it is none."""
    if not isinstance(said, dict):
        return None
    parts = {name: said.get(name) for name in ("name", "provider", "psap_id")}
    return Psap(**{name: part[:TEXT_MAX] for name, part in parts.items() if isinstance(part, str)})


def entry(said: str) -> Entry | None:
    """``store.boot.seq`` taken apart; None where it is none."""
    found = ENTRY.match(said)
    return None if found is None else (found[1], int(found[2]), int(found[3]))


def late(entry_: Entry | None, newest: Entry | None) -> bool:
    """Whether something newer of the same store is known: of two uplinks the slower one tells of the past."""
    return entry_ is not None and newest is not None and entry_[0] == newest[0] and entry_[1:] < newest[1:]


def utc_s(label: str) -> float | None:
    """An RFC 3339 label as seconds since 1970; None where it is none."""
    try:
        return unix_s(label[:40])
    except (ValueError, OverflowError):
        return None


def valid_ns(valid_s: int) -> int:
    """How long a word may be relied on: from 1 s to an hour, whatever it says."""
    return min(max(valid_s, 1), VALID_MOST_S) * 1_000_000_000


def box(told: dict[str, Any]) -> dict[str, Any]:
    """What is kept of a heartbeat's ``box``: the digest of its alarms or None, version and configuration, else ""."""
    config, version, digest = told.get("config"), told.get("version"), told.get("alarms")
    if isinstance(config, dict):
        config = config.get("running") or config.get("sha256")
    alarms = None
    standing = digest.get("standing") if isinstance(digest, dict) else None
    if isinstance(digest, dict) and isinstance(standing, int) and isinstance(digest.get("sha256"), str):
        alarms = {"standing": standing, "sha256": digest["sha256"][:64]}
    return {
        "alarms": alarms,
        "config": config[:64] if isinstance(config, str) else "",
        "version": version[:32] if isinstance(version, str) else "",
    }
