"""What is sent: topics and payloads of entries, states, status and health. Pure; a bad entry gives a message too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from agent import __version__
from agent.clock import NS, Wall
from agent.journal.entry import Entry
from agent.payloads import Calls, CloudEvent, Health, Status
from agent.site import schema
from agent.uplink.topics import Topics

VALID_S = 180
"""How long anything sent here may be relied on, counted from the last word of this probe: three missed healths."""

CLOUDEVENTS = "application/cloudevents+json"
JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Message:
    """One MQTT message. ``expiry_s`` and ``content_type`` are MQTT 5's; 3.1.1 goes without."""

    topic: str
    payload: bytes
    qos: Literal[0, 1]
    retain: bool
    content_type: str = JSON
    expiry_s: int | None = None
    correlation: bytes = b""


class _Raised(msgspec.Struct):
    times_raised: int | None = None


class Messages:
    """The messages of one uplink of one probe."""

    def __init__(self, site: schema.Site, uplink: str, circuits: Mapping[str, str] | None = None) -> None:
        self._site, self._uplink, self._circuits = site, uplink, dict(circuits or {})
        self._topics = Topics(site.id, site.probe)
        self._source = f"/dialtone/{site.id}/{site.probe}"
        self._encoder = msgspec.json.Encoder()
        self._decoder = msgspec.json.Decoder()
        named = {
            "site": site.id,
            "probe": site.probe,
            "name": site.name,
            "psap_id": site.psap_id,
            "population": site.population,
            "provider": site.provider,
            "noc_phone": site.noc_phone,
            "ticket": site.ticket,
        }
        self._psap = {name: value for name, value in named.items() if value is not None}

    def event(self, entry: Entry) -> Message:
        """A journal entry as a CloudEvent."""
        event = CloudEvent(
            specversion="1.0",
            id=entry.id,
            source=self._source,
            type=f"dialtone.{entry.kind}.v1",
            time=entry.wall,
            datacontenttype="application/json",
            data=self._data(entry),
            subject=entry.key,
        )
        return Message(self._topics.event, self._encoder.encode(event), 1, False, CLOUDEVENTS)

    def state(self, entry: Entry) -> Message:
        """An alarm's or the verdict's newest entry as the retained state of its topic; cleared is said, never empty."""
        others = {"verdict": self._topics.verdict, "config": self._topics.reported}
        topic = others.get(entry.kind) or self._topics.alarm(entry.key)
        body = {**self._data(entry), "entry": entry.id, "at": entry.wall}
        return Message(topic, self._encoder.encode(body), 1, True)

    def status(self, state: Literal["up", "lost"], session: int, store: str, wall: Wall, why: str = "") -> Message:
        """Birth, its renewal, farewell and will. An "up" expires by itself, a "lost" stays."""
        body = Status(
            state=state,
            session=session,
            site=self._site.id,
            probe=self._site.probe,
            uplink=self._uplink,
            version=__version__,
            valid_s=VALID_S,
            why=why,
            store=store,
            at=wall.utc,
            synced=wall.synced,
        )
        expiry_s = VALID_S if state == "up" else None
        return Message(self._topics.status(self._uplink), self._encoder.encode(body), 1, True, expiry_s=expiry_s)

    def health(
        self, box: Mapping[str, Any], session: int, store: str, boot: int, head: int, waiting: int, wall: Wall
    ) -> Message:
        """How the box is and how much waits to be reported."""
        body = Health(
            site=self._site.id,
            probe=self._site.probe,
            uplink=self._uplink,
            session=session,
            store=store,
            boot=boot,
            head=head,
            waiting=waiting,
            at=wall.utc,
            synced=wall.synced,
            valid_s=VALID_S,
            box=dict(box),
        )
        return Message(self._topics.health, self._encoder.encode(body), 0, False, expiry_s=VALID_S)

    def calls(self, said: Mapping[str, Any], store: str, wall: Wall) -> Message:
        """How many calls came, minute by minute. ``said``: the ``mode``, ``shares`` and ``streams`` of ``Calls``."""
        body = Calls(
            site=self._site.id,
            probe=self._site.probe,
            uplink=self._uplink,
            store=store,
            at=wall.utc,
            synced=wall.synced,
            valid_s=VALID_S,
            mode=said["mode"],
            shares=self._site.shares,
            streams=tuple(said["streams"]),
        )
        return Message(self._topics.calls, self._encoder.encode(body), 0, False, expiry_s=VALID_S)

    def times_raised(self, entry: Entry) -> int | None:
        """Which raising of its alarm an entry speaks of; None where it doesn't say."""
        try:
            return msgspec.json.decode(entry.payload or b"", type=_Raised).times_raised
        except msgspec.MsgspecError:
            return None

    def _data(self, entry: Entry) -> dict[str, Any]:
        try:
            payload = self._decoder.decode(entry.payload or b"")
        except msgspec.MsgspecError:
            payload = None
        data = payload if isinstance(payload, dict) else {"unreadable": True}
        data.update(synced=entry.synced, valid_s=VALID_S, seq=entry.seq, boot=entry.boot)
        if entry.kind in ("alarm", "verdict"):
            data["psap"] = {**self._psap, **self._circuit(data, entry.kind)}
        raised_ns = data.get("raised_ns")
        if entry.kind == "alarm" and isinstance(raised_ns, int):
            data["age_s"] = round(max(0, entry.mono_ns - raised_ns) / NS, 1)
        return data

    def _circuit(self, data: Mapping[str, Any], kind: str) -> dict[str, Any]:
        if kind == "verdict":
            return {"circuit_ids": self._circuits} if self._circuits else {}
        circuit = self._circuits.get(str(data.get("resource")))
        return {"circuit_id": circuit} if circuit is not None else {}
