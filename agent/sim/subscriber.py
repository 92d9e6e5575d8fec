"""A real MQTT subscriber, as a NOC's would be: what has reached it is what was reported. Deduplicates by event id."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from agent.sim.broker import HOST

KEEP = 500
MAX_IDS = 10_000


@dataclass(frozen=True, slots=True)
class Report:
    """One message that arrived: when (the loop's seconds), its topic under ``dialtone/v1/SITE/PROBE/``, its JSON."""

    at_s: float
    topic: str
    body: dict[str, Any]

    @property
    def event_id(self) -> str:
        """The event's id, ``store.boot.seq``; empty where this is no event."""
        return str(self.body.get("id", "")) if self.topic == "event" else ""

    @property
    def data(self) -> dict[str, Any]:
        """The CloudEvent's data; empty where this is no event."""
        data = self.body.get("data")
        return data if isinstance(data, dict) else {}


class Subscriber:
    """Subscribed to all of one site, by MQTT 3.1.1, which every broker speaks. Comes back when the broker does."""

    def __init__(self, port: int, site_id: str, on_report: Callable[[Report], None] = lambda _report: None) -> None:
        self._port, self._site_id, self._on_report = port, site_id, on_report
        self._client: Any = None
        self._loop = asyncio.get_running_loop()
        self._ids: set[str] = set()
        self.reports: deque[Report] = deque(maxlen=KEEP)
        self.events: deque[Report] = deque(maxlen=KEEP)
        self.repeated = 0
        self.garbage = 0
        self.connected = False

    def start(self) -> None:
        """Connect in paho's own thread; what arrives is handed over to this loop."""
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion

        client = Client(CallbackAPIVersion.VERSION2, client_id="dialtone-demo-noc")
        client.reconnect_delay_set(1, 2)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_message = lambda _client, _user, m: self._hand_over(m.topic, bytes(m.payload))
        client.connect_async(HOST, self._port, keepalive=10)
        client.loop_start()
        self._client = client

    def stop(self) -> None:
        """End the connection and its thread."""
        client, self._client = self._client, None
        if client is not None:
            client.disconnect()
            client.loop_stop()

    def find(self, wanted: Callable[[Report], bool]) -> Report | None:
        """The newest report that fits."""
        return next((report for report in reversed(self.reports) if wanted(report)), None)

    def _on_connect(self, client: Any, *_: object) -> None:
        client.subscribe(f"dialtone/v1/{self._site_id}/#", qos=1)
        self.connected = True

    def _on_disconnect(self, *_: object) -> None:
        self.connected = False

    def _hand_over(self, topic: str, payload: bytes) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._take, topic, payload)

    def _take(self, topic: str, payload: bytes) -> None:
        try:
            body = json.loads(payload) if payload else {}
        except ValueError:
            body = None
        if not isinstance(body, dict):
            self.garbage += 1
            return
        report = Report(self._loop.time(), "/".join(topic.split("/")[4:]), body)
        if report.event_id:
            if report.event_id in self._ids:
                self.repeated += 1
                return
            if len(self._ids) < MAX_IDS:
                self._ids.add(report.event_id)
            self.events.append(report)
        self.reports.append(report)
        self._on_report(report)
