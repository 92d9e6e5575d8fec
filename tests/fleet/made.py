"""Messages as probes send them, made by the agent's own code."""

from __future__ import annotations

from typing import Any

import msgspec

from agent import labels
from agent.clock import NS, Wall, rfc3339
from agent.fleet.state import Fleet
from agent.journal.entry import Entry
from agent.payloads import AlarmState, Calls, StreamCounts
from agent.site import schema
from agent.uplink.messages import Message, Messages

UTC_S = 1_718_730_900.0
"""18 June 2024, 17:15 UTC: 13:15 in Massachusetts."""
STORE = "a1b2c3d4"


def wall(after_s: float = 0.0, synced: bool = True) -> Wall:
    return Wall(rfc3339(UTC_S + after_s), synced)


def alarm(name: str = "t1-1", state: str = "unacknowledged", **other: Any) -> dict[str, Any]:
    """An alarm state as the core gives it."""
    made = AlarmState(
        id=f"bank-a_los_{name}",
        resource="bank-a",
        type="trunk-down",
        qualifier=name,
        severity="critical",
        lamp="trunks",
        state="unacknowledged",
        active=state in ("unacknowledged", "acknowledged"),
        change="raised",
        raised_ns=1,
        cleared_ns=None,
        times_raised=1,
        acknowledged_by=None,
        silenced=False,
        text="Trunk T1-1 down.",
        evidence={"aid": name},
    )
    built: dict[str, Any] = msgspec.to_builtins(made)
    return {**built, "state": state, **other}


class Probe:
    """One probe's messages."""

    def __init__(self, site: str = "a", probe: str = "p1", uplink: str = "lte", provider: str | None = None) -> None:
        self.site = schema.Site(
            id=site, name=f"Site {site}", timezone="America/New_York", probe=probe, provider=provider
        )
        self.messages = Messages(self.site, uplink)
        self.base = f"dialtone/v1/{site}/{probe}"
        self.seq = 0

    def entry(self, kind: str, key: str, payload: dict[str, Any], seq: int | None = None) -> Entry:
        self.seq = seq if seq is not None else self.seq + 1
        return Entry(
            store=STORE,
            seq=self.seq,
            boot=1,
            mono_ns=1,
            wall=wall().utc,
            synced=True,
            kind=kind,
            key=key,
            urgent=True,
            payload=msgspec.json.encode(payload),
        )

    def up(self, session: int = 1, after_s: float = 0.0, synced: bool = True, store: str = STORE) -> Message:
        return self.messages.status("up", session, store, wall(after_s, synced))

    def lost(self, session: int = 1, after_s: float = 0.0, why: str = "will", store: str = STORE) -> Message:
        return self.messages.status("lost", session, store, wall(after_s), why)

    def alarm(self, state: dict[str, Any], seq: int | None = None) -> Message:
        return self.messages.state(self.entry("alarm", state["id"], state, seq))

    def verdict(self, sentence: str = "All is well.", cause: str = "none") -> Message:
        return self.messages.state(self.entry("verdict", "verdict", {"cause": cause, "sentence": sentence}))

    def health(
        self, alarms: list[dict[str, Any]] | None = None, after_s: float = 0.0, session: int = 1, waiting: int = 0
    ) -> Message:
        box = {"version": "0.1.0", "alarms": labels.digest(alarms or []), "config": "c0ffee"}
        return self.messages.health(box, session, STORE, 1, self.seq, waiting, wall(after_s))

    def calls(self, after_s: float, **other: Any) -> Message:
        made = calls(self.site.id, after_s, probe=self.site.probe, **other)
        return Message(f"{self.base}/calls", msgspec.json.encode(made), 0, False)


def calls(
    site: str,
    after_s: float,
    *,
    rate_h: float | None = 20.0,
    since_s: float | None = 1.0,
    alive: bool = True,
    mode: str = "normal",
    shares: tuple[str, ...] = ("esinet-east",),
    probe: str = "p1",
) -> Calls:
    expected = None if rate_h is None else (rate_h / 60, rate_h / 12, rate_h / 4, rate_h)
    stream = StreamCounts(stream="all", seen=(0, 0, 0, 0), expected=expected, alive=alive, since_s=since_s)
    return Calls(
        site=site,
        probe=probe,
        uplink="lte",
        store=STORE,
        at=wall(after_s).utc,
        synced=True,
        valid_s=180,
        mode=mode,  # type: ignore[arg-type]
        shares=shares,
        streams=(stream,),
    )


def give(fleet: Fleet, message: Message, after_s: float = 0.0, retained: bool = False) -> None:
    """Hand a message over, ``after_s`` after the beginning."""
    fleet.message(message.topic, message.payload, retained, ns(after_s), UTC_S + after_s)


def ns(after_s: float) -> int:
    return int((1000.0 + after_s) * NS)
