"""MQTT by paho: the only file that knows it. One ``Connection`` is one Client, one thread, one attempt.

Seen in paho 2.2.0: ``publish`` while offline answers rc 4 yet keeps the message; with ``reconnect_on_failure`` it sends
again what was refused; its queue is unlimited unless told; ``loop_stop`` waits for what is unanswered. So a Client is
used for one connection and thrown away, publish is called only while connected, and what is in flight is ours to count.
``loop`` runs in a thread of our own rather than ``loop_start``'s: connecting may block in it, and its end is told.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from agent.site import schema
from agent.uplink.backoff import Outcome, Version
from agent.uplink.certificates import first_of
from agent.uplink.flow import WINDOW_MAX
from agent.uplink.inlet import MESSAGE_MAX, SERVER_MAX, Inbound, Inlet, Waiting
from agent.uplink.messages import Message
from agent.uplink.paho import (
    CallbackAPIVersion,
    Client,
    ConnectFlags,
    DisconnectFlags,
    LogLevel,
    MQTTErrorCode,
    MQTTMessage,
    MQTTProtocolVersion,
    PacketTypes,
    Properties,
    ReasonCode,
    SubscribeOptions,
)
from agent.uplink.uplink import Accepted, Refused
from agent.uplink.uplink import Uplink as BaseUplink
from agent.uplink.way import Secrets, Way, not_over, source_address, tls_context

CONNECT_S = 10.0
LOOP_S = 5.0
ERRORS_MAX = 4
UNSUPPORTED_VERSION = 0x84


class Connection:
    """One attempt and, where it is accepted, one connection. Its futures are the loop's.

    ``sent``: CONNECT is on its way. ``opened``: the server's CONNACK, or Refused. ``ended``: why it is over; always
    told in the end. ``over``: its thread, which may hang in a name look-up, is done. ``granted``: the topics of the
    inlet that the server would not let us hear.
    """

    def __init__(
        self,
        config: schema.Uplink,
        secrets: Secrets,
        url: str,
        version: Version,
        client_id: str,
        will: Message,
        answered: Callable[[Sequence[tuple[int, int]]], None],
        inlet: Inlet | None = None,
        floor_s: float | None = None,
    ) -> None:
        self._floor_s = floor_s  # UTC, where this box's clock says less: it is wrong
        self._loop = asyncio.get_running_loop()
        self._config, self._secrets, self._url, self._version = config, secrets, url, version
        self._client_id, self._will, self._told = client_id, will, answered
        self.sent: asyncio.Future[None] = self._loop.create_future()
        self.opened: asyncio.Future[Accepted] = self._loop.create_future()
        self.ended: asyncio.Future[str] = self._loop.create_future()
        self.over: asyncio.Future[None] = self._loop.create_future()
        self._client: Client | None = None
        self._cut = False
        self._connack = False
        self._why = ""
        self._errors: deque[str] = deque(maxlen=ERRORS_MAX)
        self._tokens: dict[int, int] = {}
        self._answers: deque[tuple[int, int]] = deque()
        self._handing_over = False
        self._inlet = inlet
        self._inbox = Waiting()
        self._refused: tuple[str, ...] = ()
        self.granted: asyncio.Future[tuple[str, ...]] = self._loop.create_future()
        self.certificates: dict[str, bytes] = {}  # DER, ``own`` and ``server``; whole once ``sent`` is told
        self._thread = threading.Thread(target=self._run, name=f"uplink {config.id}", daemon=True)

    # -- from the loop's thread --------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to connect."""
        self._thread.start()

    def publish(self, token: int, message: Message) -> None:
        """Hand a message over; what paho will not take ends the connection. Token 0: no answer is wanted."""
        client = self._client
        if client is None or self.ended.done():
            return
        info = client.publish(
            message.topic, message.payload, message.qos, message.retain, self._properties(message, PacketTypes.PUBLISH)
        )
        if token:
            self._tokens[info.mid] = token
        if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            self.cut(f"the message could not be handed over: {MQTTErrorCode(info.rc).name}")

    def disconnect(self) -> None:
        """Say goodbye: the server then keeps the will to itself."""
        client = self._client
        if client is not None and not self.ended.done():
            client.disconnect()

    def cut(self, why: str) -> None:
        """Break the connection off without a goodbye: the server publishes the will."""
        self._cut = True
        self._why = self._why or why
        client = self._client
        sock = client.socket() if client is not None else None
        if sock is not None:
            with contextlib.suppress(OSError):
                # Past the TLS layer, which is the other thread's; that one sees the end and ends.
                socket.socket.shutdown(sock, socket.SHUT_RDWR)  # type: ignore[arg-type]
        if not self.ended.done():
            self.ended.set_result(self._why)

    def _told_heard(self) -> None:
        inlet, message = self._inlet, self._inbox.take()
        if inlet is not None and message is not None and not self.ended.done():
            inlet.heard(message)

    @property
    def dropped(self) -> int:
        """Messages that came faster than they could be taken."""
        return self._inbox.dropped

    def _told_answers(self) -> None:
        self._handing_over = False  # first: what comes in from now on is handed over anew
        answers = []
        while self._answers:
            mid, code = self._answers.popleft()
            token = self._tokens.pop(mid, 0)
            if token:
                answers.append((token, code))
        if answers and not self.ended.done():
            self._told(answers)

    def _over(self, why: str, outcome: Outcome) -> None:
        self._client = None
        self._told_answers()
        if not self.sent.done():
            self.sent.set_result(None)
        if not self.opened.done():
            self.opened.set_exception(Refused(outcome, why))
            self.opened.exception()  # it may be that nobody waits any longer
        if not self.ended.done():
            self.ended.set_result(why)
        _settle(self.over)

    # -- in the connection's thread ----------------------------------------------------------------------------------

    def _run(self) -> None:
        outcome: Outcome = "failed"
        try:
            way = Way.of(self._url)
            source = self._config.source or ""
            if self._config.interface:
                source = source_address(self._config.interface, way.host)
            client = self._made(way)
            clean: dict[str, Any] = {}
            if self._version == "5":
                largest = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
                largest.MaximumPacketSize = SERVER_MAX
                clean = {"clean_start": True, "properties": largest}
            client.connect(way.host, way.port, self._config.keepalive_s, bind_address=source, **clean)
            self._client = client
            sock: Any = client.socket()
            if way.tls and sock is not None:
                self.certificates["server"] = sock.getpeercert(True) or b""
                if self._floor_s is not None:
                    not_over(self.certificates["server"], self._floor_s)
            self._to_loop(_settle, self.sent)
            outcome = "closed"
            while not self._cut and client.loop(min(LOOP_S, self._config.keepalive_s / 4)) == 0:
                pass
        except OSError as error:
            self._errors.append(error.strerror or str(error) or type(error).__name__)
        except Exception as bug:
            self._errors.append(f"{type(bug).__name__}: {bug}")
        if self._cut:
            outcome = "failed"
        self._to_loop(self._over, self._why or next(iter(self._errors), "the connection was closed"), outcome)

    def _made(self, way: Way) -> Client:
        config = self._config
        five = self._version == "5"
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._client_id,
            clean_session=None if five else True,
            protocol=MQTTProtocolVersion.MQTTv5 if five else MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,
        )
        client.connect_timeout = CONNECT_S
        client.max_inflight_messages = WINDOW_MAX
        client.max_queued_messages = WINDOW_MAX
        client.suppress_exceptions = True
        if config.user is not None:
            password = self._secrets.read(config.password).decode("utf-8") if config.password else None
            client.username_pw_set(config.user, password)
        if way.tls:
            if config.certificate is not None:
                own = self._secrets.read(config.certificate, private=False).decode("ascii", "replace")
                self.certificates["own"] = first_of(own)
            client.tls_set_context(tls_context(config, self._secrets, dated=self._floor_s is None))
        will = self._will
        client.will_set(
            will.topic, will.payload, will.qos, will.retain, self._properties(will, PacketTypes.WILLMESSAGE)
        )
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.on_log = self._on_log
        if self._inlet is not None:
            client.on_message = self._on_message
            client.on_subscribe = self._on_subscribe
        client.on_socket_open = _prompt
        # Its presence alone keeps paho from writing in the publisher's thread; our loop() sees what wants writing.
        client.on_socket_register_write = _nothing
        return client

    def _properties(self, message: Message, packet: int) -> Properties | None:
        if self._version != "5":
            return None
        properties = Properties(packet)  # type: ignore[no-untyped-call]
        properties.ContentType = message.content_type
        if message.expiry_s is not None:
            properties.MessageExpiryInterval = message.expiry_s
        if message.correlation:
            properties.CorrelationData = message.correlation
        return properties

    def _on_connect(
        self, client: Client, _data: Any, _flags: ConnectFlags, reason: ReasonCode, properties: Properties | None
    ) -> None:
        client.on_log = None  # it costs a formatted line for every packet
        if reason.is_failure:
            outcome: Outcome = "version" if reason.value == UNSUPPORTED_VERSION else "failed"
            self._why = f"refused by the server: {reason}"
            self._to_loop(_refuse, self.opened, Refused(outcome, self._why))
            return
        self._connack = True
        accepted = Accepted(
            receive_maximum=int(getattr(properties, "ReceiveMaximum", 65_535)),
            largest_bytes=getattr(properties, "MaximumPacketSize", None),
        )
        self._to_loop(_settle, self.opened, accepted)
        if self._inlet is not None:
            topics: list[Any] = [(topic, 1) for topic in self._inlet.topics]
            if self._version == "5":
                topics = [(topic, SubscribeOptions(qos=1)) for topic in self._inlet.topics]
            client.subscribe(topics)

    def _on_subscribe(
        self, _client: Client, _data: Any, _mid: int, reasons: list[ReasonCode], _properties: Properties | None
    ) -> None:
        topics = self._inlet.topics if self._inlet is not None else ()
        refused = tuple(t for t, reason in zip(topics, reasons, strict=False) if reason.is_failure)
        self._to_loop(_settle, self.granted, refused)

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        properties = message.properties
        fits = len(message.payload) <= MESSAGE_MAX
        self._inbox.put(
            Inbound(
                self._config.id,
                message.topic,
                bytes(message.payload) if fits else b"",
                message.retain,
                len(message.payload),
                str(getattr(properties, "ResponseTopic", "")),
                bytes(getattr(properties, "CorrelationData", b"")),
            )
        )
        self._to_loop(self._told_heard)

    def _on_disconnect(
        self, _client: Client, _data: Any, flags: DisconnectFlags, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        if not self._why and flags.is_disconnect_packet_from_server:
            self._why = f"the server ended the connection: {reason}"
        elif not self._why and self._connack:
            self._why = "the connection was lost"
        elif not self._why and not self._errors:
            self._why = "closed before the server answered"

    def _on_publish(self, _client: Client, _data: Any, mid: int, reason: ReasonCode, _properties: Properties) -> None:
        self._answers.append((mid, reason.value))
        if not self._handing_over:
            self._handing_over = True
            self._to_loop(self._told_answers)

    def _on_log(self, _client: Client, _data: Any, level: int, text: str) -> None:
        if level in (LogLevel.MQTT_LOG_ERR, LogLevel.MQTT_LOG_WARNING):
            self._errors.append(text[:200])

    def _to_loop(self, call: Callable[..., None], *args: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended: nobody is left to tell
            self._loop.call_soon_threadsafe(call, *args)


class Uplink(BaseUplink):
    """``[[uplink]]`` over paho."""

    connection = Connection


def _settle(future: asyncio.Future[Any], value: Any = None) -> None:
    if not future.done():
        future.set_result(value)


def _refuse(future: asyncio.Future[Any], refused: Refused) -> None:
    if not future.done():
        future.set_exception(refused)
        future.exception()  # it may be that nobody waits any longer


def _prompt(_client: Client, _data: Any, sock: Any) -> None:
    """Small messages go at once: an alarm must not wait for Nagle's algorithm."""
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _nothing(_client: Client, _data: Any, _sock: Any) -> None:
    """No word is needed."""
