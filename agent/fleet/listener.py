"""The watcher's connection to a broker: it listens, reconnects, and hands over what comes through a bounded inbox.

One paho Client is used for one connection and thrown away, as in ``agent/uplink/mqtt.py``, all in a thread of its own.
MQTT 5 is tried first; which server has no 5 is found out and remembered by the uplinks' own table (``Ways``).

With ``share`` the topics that come often (health, calls, event) are subscribed as shared subscriptions (MQTT 5, 4.8.2):
the broker gives each message to one of the watchers of that name. Each then holds the whole picture only of what is
retained (status, alarms, verdicts) and a part of the rest; the shell says so where it shows it.
"""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.clock import NS
from agent.fleet.said import PAYLOAD_MAX
from agent.site import schema
from agent.site.secrets import SecretRefused, SecretStore
from agent.uplink.backoff import Backoff, Outcome, Ways
from agent.uplink.inlet import SERVER_MAX
from agent.uplink.messages import Message
from agent.uplink.paho import (
    CallbackAPIVersion,
    Client,
    ConnectFlags,
    DisconnectFlags,
    MQTTErrorCode,
    MQTTMessage,
    MQTTProtocolVersion,
    PacketTypes,
    Properties,
    ReasonCode,
    SubscribeOptions,
)
from agent.uplink.topics import ROOT
from agent.uplink.way import Secrets, Way, tls_context

KEEPALIVE_S = 30
CONNECT_S = 10.0
LOOP_S = 1.0
INBOX_MESSAGES_MAX = 50_000
INBOX_BYTES_MAX = 64 * 1024 * 1024
PUBLISH_MAX = 200
UNSUPPORTED_VERSION = 0x84
SITES_BY_NAME_MAX = 64
"""More chosen sites than these are picked out of all that comes rather than subscribed one by one."""
KEPT = ("status/+", "alarm/+", "verdict", "cmd/state/reply")
OFTEN = ("health", "calls", "event")


class Files(SecretStore):
    """Secrets that are named by their files on a command line; refused as a site's are (open to others, and so on)."""

    def __init__(self, files: dict[str, Path]) -> None:
        super().__init__(Path(), None)
        self._files = files

    @property
    def names(self) -> tuple[str, ...]:
        """What files were given for."""
        return tuple(self._files)

    def path(self, name: str) -> Path:
        """The file given for it. Raises ``SecretRefused`` where none was."""
        if name not in self._files:
            raise SecretRefused(f"no file was given for {name}")
        return self._files[name]


@dataclass(frozen=True, slots=True)
class Heard:
    """One message."""

    topic: str
    payload: bytes
    retained: bool


@dataclass(frozen=True, slots=True)
class Link:
    """Connected now or no longer, and the words for it. ``remarks``: what the server would not give."""

    connected: bool
    why: str
    remarks: tuple[str, ...] = ()


class Inbox:
    """From the connection's thread to the watcher's. What does not fit is counted; the link's words always fit."""

    def __init__(self, messages: int = INBOX_MESSAGES_MAX, size: int = INBOX_BYTES_MAX) -> None:
        self._messages, self._size = messages, size
        self._queue: deque[Heard | Link] = deque()
        self._bytes = 0
        self._dropped = 0
        self._come = threading.Condition()

    def put(self, item: Heard | Link) -> None:
        """From the connection's thread."""
        with self._come:
            if isinstance(item, Heard):
                size = len(item.payload) + len(item.topic)
                full = len(self._queue) >= self._messages or self._bytes + size > self._size
                if full or len(item.payload) > PAYLOAD_MAX:
                    self._dropped += 1
                    return
                self._bytes += size
            self._queue.append(item)
            self._come.notify()

    def take(self, timeout_s: float, most: int = 2000) -> tuple[list[Heard | Link], int]:
        """What has come, at most ``most``, and how many were dropped since the last call. Waits for the first."""
        with self._come:
            if not self._queue:
                self._come.wait(timeout_s)
            items = [self._queue.popleft() for _ in range(min(most, len(self._queue)))]
            self._bytes -= sum(len(i.payload) + len(i.topic) for i in items if isinstance(i, Heard))
            dropped, self._dropped = self._dropped, 0
            return items, dropped


def filters(sites: Sequence[str] | None, share: str | None) -> list[str]:
    """What to subscribe to."""
    chosen = list(sites) if sites is not None and len(sites) <= SITES_BY_NAME_MAX else ["+"]
    often = f"$share/{share}/" if share else ""
    out = [f"{ROOT}/{site}/+/{what}" for site in chosen for what in KEPT]
    out += [f"{often}{ROOT}/{site}/+/{what}" for site in chosen for what in OFTEN]
    return [*out, f"{ROOT}/pool/+"]


class Listener:
    """Stays connected until ``stop``. ``config``: user, and which of ``secrets`` are used, as an uplink's.

    ``topics``: to hear these alone, instead of what a watch hears. ``draw`` gives numbers in [0, 1) for the jitter.
    """

    def __init__(
        self,
        config: schema.Uplink,
        secrets: Secrets,
        *,
        topics: Sequence[str] | None = None,
        sites: Sequence[str] | None = None,
        share: str | None = None,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self.inbox = Inbox()
        self._config, self._secrets = config, secrets
        self._topics, self._sites, self._share = topics, sites, share
        self._client_id = f"dialtone-watch-{random.getrandbits(32):08x}"
        self._ways = Ways(config.urls)
        self._backoff = Backoff(draw)
        self._stop = threading.Event()
        self._client: Client | None = None
        self._accepted = False
        self._five = True
        self._outcome: Outcome = "failed"
        self._why = ""
        self._asked: list[str] = []
        self._remarks: list[str] = []
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    # -- from the watcher's thread ------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to connect."""
        self._thread.start()

    def stop(self) -> None:
        """Say goodbye and end; waits a moment for that."""
        self._stop.set()
        client = self._client
        if client is not None:
            client.disconnect()
        if self._thread.is_alive():
            self._thread.join(2.0)

    def publish(self, message: Message) -> bool:
        """Hand a message over; False where there is no connection or too much is on its way."""
        client = self._client
        if client is None or not self._accepted:
            return False
        properties = None
        if self._five:
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            properties.ContentType = message.content_type
            if message.expiry_s is not None:
                properties.MessageExpiryInterval = message.expiry_s
        info = client.publish(message.topic, message.payload, message.qos, message.retain, properties)
        return info.rc == MQTTErrorCode.MQTT_ERR_SUCCESS

    # -- in the connection's thread -----------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._stop.is_set():
            began_ns = time.monotonic_ns()
            self._attempt()
            if self._accepted:
                self._backoff.lasted(time.monotonic_ns() - began_ns)
            was, self._accepted, self._client = self._accepted, False, None
            self.inbox.put(Link(False, self._why or "the connection was lost"))
            if not was and self._ways.ended(self._outcome):
                continue  # at once, in the other version
            self._stop.wait(self._backoff.after_failure_s())

    def _attempt(self) -> None:
        """One connection from its beginning to its end."""
        self._why, self._outcome, self._accepted = "", "failed", False
        try:
            way = Way.of(self._ways.url)
            self._five = self._ways.version == "5"
            client = self._made(way)
            clean: dict[str, Any] = {}
            if self._five:
                largest = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
                largest.MaximumPacketSize = SERVER_MAX
                clean = {"clean_start": True, "properties": largest}
            patience_ns = int(self._ways.connack_s * NS)
            client.connect(way.host, way.port, KEEPALIVE_S, **clean)
            self._client = client
            self._outcome = "closed"
            asked_ns = time.monotonic_ns()
            while client.loop(LOOP_S) == MQTTErrorCode.MQTT_ERR_SUCCESS and not self._stop.is_set():
                if not self._accepted and time.monotonic_ns() - asked_ns > patience_ns:
                    self._outcome, self._why = "silent", "the server does not answer"
                    break
            client.disconnect()
            client.loop(0.1)
        except OSError as error:
            self._why = error.strerror or str(error) or type(error).__name__
        except Exception as bug:
            # A fault of the library's ends this connection, not the watch.
            self._why = f"{type(bug).__name__}: {bug}"[:200]

    def _made(self, way: Way) -> Client:
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._client_id,
            clean_session=None if self._five else True,
            protocol=MQTTProtocolVersion.MQTTv5 if self._five else MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,
        )
        client.connect_timeout = CONNECT_S
        client.max_queued_messages = PUBLISH_MAX
        client.suppress_exceptions = True
        config = self._config
        if config.user is not None:
            password = self._secrets.read(config.password).decode("utf-8") if config.password else None
            client.username_pw_set(config.user, password)
        if way.tls:
            client.tls_set_context(tls_context(config, self._secrets))
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        # Its presence alone keeps paho from writing in the publisher's thread; our loop() sees what wants writing.
        client.on_socket_register_write = _nothing
        return client

    def _on_connect(
        self, client: Client, _data: Any, _flags: ConnectFlags, reason: ReasonCode, properties: Properties | None
    ) -> None:
        if reason.is_failure:
            self._outcome = "version" if reason.value == UNSUPPORTED_VERSION else "failed"
            self._why = f"refused by the server: {reason}"
            return
        self._accepted = True
        self._ways.ended("accepted")
        share, self._remarks = self._share, []
        if share and not (self._five and bool(getattr(properties, "SharedSubscriptionAvailable", True))):
            share = None
            self._remarks.append("this broker shares no subscriptions: this watch gets everything")
        # First: what the server sends from here on is heard anew.
        self.inbox.put(Link(True, "", tuple(self._remarks)))
        self._asked = list(self._topics) if self._topics is not None else filters(self._sites, share)
        topics: list[Any] = [(topic, 1) for topic in self._asked]
        if self._five:
            topics = [(topic, SubscribeOptions(qos=1)) for topic in self._asked]
        client.subscribe(topics)

    def _on_subscribe(
        self, _client: Client, _data: Any, _mid: int, reasons: list[ReasonCode], _properties: Properties | None
    ) -> None:
        refused = [topic for topic, reason in zip(self._asked, reasons, strict=False) if reason.is_failure]
        if refused:
            self._remarks.append(f"the broker lets us not hear {', '.join(refused)[:300]}")
            self.inbox.put(Link(True, "", tuple(self._remarks)))

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:  # paho decodes it when it is asked
            topic = ""
        self.inbox.put(Heard(topic, bytes(message.payload), message.retain))

    def _on_disconnect(
        self, _client: Client, _data: Any, flags: DisconnectFlags, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        if not self._why and flags.is_disconnect_packet_from_server:
            self._why = f"the server ended the connection: {reason}"
        elif not self._why:
            self._why = "the connection was lost" if self._accepted else "closed before the server answered"


def _nothing(_client: Client, _data: Any, _sock: Any) -> None:
    """No word is needed."""
