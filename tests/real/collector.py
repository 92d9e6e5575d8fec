"""A receiver as a NOC would run it: keeps every event with its bytes, and says by receipts what it has stored.

Its session is persistent (MQTT 5, never expires), so a broker that is stopped and started hands it what came meanwhile.
It answers each birth (``status`` "up") with a receipt of all that it has, and sends more as events come in; it can be
made to withhold them.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from tests.real.brokers import HOST, START_S

BASE = "dialtone/v1/testville/a"
EVERY = 20  # a receipt after so many new events
FOREVER_S = 0xFFFFFFFF
BOOT_BITS = 20  # a session's number is boot << 20 | attempt


@dataclass(frozen=True, slots=True)
class Arrival:
    """One event as it came: in which of the agent's connections it was sent, when its entry was made.

    ``session`` is 0 where that is not known: after a broker's restart it hands over once more what it had kept.
    """

    session: int
    seq: int
    made: str
    payload: bytes

    @property
    def boot(self) -> int:
        """The agent's life that sent it (not the one that wrote it)."""
        return self.session >> BOOT_BITS


def runs(seqs: Iterable[int]) -> list[list[int]]:
    """Numbers as inclusive ranges."""
    out: list[list[int]] = []
    for seq in sorted(seqs):
        if out and seq == out[-1][1] + 1:
            out[-1][1] = seq
        else:
            out.append([seq, seq])
    return out


class Collector:
    """``payloads`` by id; ``arrivals`` with repeats, in order; ``said``: all it has ever named in a receipt."""

    def __init__(self, port: int) -> None:
        self.arrivals: list[Arrival] = []
        self.payloads: dict[str, bytes] = {}
        self.changed: list[str] = []  # ids of repeats that were not the same bytes
        self.stored: set[int] = set()
        self.said: set[int] = set()
        self.said_at_birth: dict[int, frozenset[int]] = {}
        self.receipts = 0
        self.withholding = False
        self.subscribed = threading.Event()
        self._session, self._store, self._new = 0, "", 0
        self._placed = False  # whether what comes now was sent in ``_session``
        self._lock = threading.RLock()
        self._client = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2, client_id="collector", protocol=mqtt.MQTTProtocolVersion.MQTTv5
        )
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = lambda *_: self.subscribed.set()
        self._client.on_disconnect = lambda *_: self.subscribed.clear()
        self._client.on_message = self._on_message
        self._port = port
        self.come()

    def come(self) -> None:
        """Connect, and again whenever the connection is lost."""
        forever = Properties(PacketTypes.CONNECT)
        forever.SessionExpiryInterval = FOREVER_S
        self._client.connect_async(HOST, self._port, keepalive=10, clean_start=False, properties=forever)
        self._client.loop_start()

    def go(self) -> None:
        """Leave; the broker keeps the session and what comes for it."""
        self._client.disconnect()
        self._client.loop_stop()

    def _on_connect(self, client: mqtt.Client, *_: Any) -> None:
        self._placed = False
        client.subscribe([(f"{BASE}/event", 1), (f"{BASE}/status/noc", 1)])

    def _on_message(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        """Paho acknowledges it when this has returned: what the broker counts as handed over is in ``payloads``."""
        body = json.loads(message.payload)
        with self._lock:
            if message.topic.endswith("/event"):
                self._event(body, bytes(message.payload))
            elif body["state"] == "up" and body["session"] > self._session:
                self._born(body)

    def _event(self, body: dict[str, Any], payload: bytes) -> None:
        store, _, seq = str(body["id"]).split(".")
        self.arrivals.append(Arrival(self._session if self._placed else 0, int(seq), str(body["time"]), payload))
        if self.payloads.setdefault(str(body["id"]), payload) != payload:
            self.changed.append(str(body["id"]))
        if store == self._store:
            new = int(seq) not in self.stored
            self.stored.add(int(seq))
            self._new += new
            if self._new >= EVERY:
                self.receipt()

    def _born(self, body: dict[str, Any]) -> None:
        """A connection of the agent's: what comes from now on was sent over it, for brokers keep a sender's order."""
        if body["store"] != self._store:
            self._store, self.stored, self.said = body["store"], set(), set()
        self._session, self._placed = body["session"], True
        self.said_at_birth[self._session] = frozenset(self.said)
        self.receipt()

    def receipt(self) -> None:
        """Say what is stored, where there is a connection and nothing is withheld."""
        with self._lock:
            if self.withholding or not self.subscribed.is_set() or not self._store:
                return
            self._new = 0
            self.receipts += 1
            self.said |= self.stored
            body = {"store": self._store, "receiver": "collector", "ranges": runs(self.stored)}
            self._client.publish(f"{BASE}/receipt", json.dumps(body), 1)

    def mark(self) -> int:
        """How many have arrived so far."""
        with self._lock:
            return len(self.arrivals)


@contextlib.contextmanager
def collector(port: int) -> Iterator[Collector]:
    """One that has subscribed."""
    made = Collector(port)
    try:
        assert made.subscribed.wait(START_S), "the collector never subscribed"
        yield made
    finally:
        made.go()
