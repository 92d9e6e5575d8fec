"""Real MQTT brokers on free ports of 127.0.0.1, ended by their own pid; and a subscriber that collects."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest

ROOT = Path(__file__).parent.parent.parent
HOST = "127.0.0.1"
START_S = 30.0
SBIN = Path("/usr/sbin/mosquitto")


def free_port() -> int:
    """A port of 127.0.0.1 that is free now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def mosquitto_program() -> str | None:
    """Where mosquitto is, or None."""
    return shutil.which("mosquitto") or (str(SBIN) if SBIN.exists() else None)


class Broker:
    """mosquitto with ``config`` (the lines after ``listener``), or amqtt (MQTT 3.1.1 only) with its anonymous default.

    ``start`` and ``stop`` it as often as need be: it keeps its port.
    """

    def __init__(self, directory: Path, config: str = "allow_anonymous true", *, kind: str = "mosquitto") -> None:
        self.directory, self.kind, self.port = directory, kind, free_port()
        self._child: subprocess.Popen[bytes] | None = None
        self._log = directory / f"broker-{self.port}.log"
        program = mosquitto_program()
        if kind == "mosquitto":
            if program is None:
                pytest.skip("needs mosquitto (a Debian package)")
            file = directory / f"broker-{self.port}.conf"
            file.write_text(f"listener {self.port} {HOST}\npersistence false\n{config}\n")
            self._command = [program, "-c", str(file), "-v"] if "log_type" in config else [program, "-c", str(file)]
            self.name = "mosquitto"
        else:
            assert importlib.util.find_spec("amqtt"), "amqtt is in the extra [test]"
            self._command = [sys.executable, "-m", "agent.sim.broker", str(self.port)]
            self.name = "amqtt"

    @property
    def url(self) -> str:
        """For ``urls`` in a site file."""
        return f"mqtt://{HOST}:{self.port}"

    @property
    def pid(self) -> int:
        """The running broker's."""
        assert self._child is not None
        return self._child.pid

    def log(self) -> str:
        """What it has said."""
        return self._log.read_text() if self._log.exists() else ""

    def start(self) -> None:
        """Start, and wait until it accepts connections."""
        with self._log.open("ab") as log:
            self._child = subprocess.Popen(self._command, stdout=log, stderr=log, cwd=ROOT)
        end = time.monotonic() + START_S
        while time.monotonic() < end:
            assert self._child.poll() is None, f"{self.name} ended: {self.log()}"
            with contextlib.suppress(OSError), socket.create_connection((HOST, self.port), 1):
                return
            time.sleep(0.05)
        raise AssertionError(f"{self.name} did not start: {self.log()}")

    def stop(self, *, kill: bool = False) -> None:
        """End it by its own pid; twice is harmless."""
        child, self._child = self._child, None
        if child is None:
            return
        if kill:
            child.kill()
        child.terminate()
        try:
            child.wait(10)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


@contextlib.contextmanager
def broker(config: str = "allow_anonymous true", *, kind: str | None = None, start: bool = True) -> Iterator[Broker]:
    """A running broker that is gone afterwards: mosquitto or, where it is not installed and not asked for, amqtt."""
    chosen = kind or ("mosquitto" if mosquitto_program() else "amqtt")
    with tempfile.TemporaryDirectory(prefix="dt-broker-") as directory:
        Path(directory).chmod(0o755)  # mosquitto gives up root before it reads what lies there
        made = Broker(Path(directory), config, kind=chosen)
        try:
            if start:
                made.start()
            yield made
        finally:
            made.stop()


@dataclass(frozen=True, slots=True)
class Heard:
    """One message: when (monotonic), its topic under ``dialtone/v1/SITE/PROBE/``, its JSON, whether it was retained."""

    at_s: float
    topic: str
    body: dict[str, Any]
    retained: bool
    properties: dict[str, Any] = field(default_factory=dict)


class Subscriber:
    """Hears all of ``dialtone/v1`` and reconnects by itself; its session outlives a connection, not a broker."""

    def __init__(self, port: int, *, version: int = 4, user: str | None = None, password: str | None = None) -> None:
        self.heard: list[Heard] = []
        self.subscribed = threading.Event()
        five = version == 5
        protocol = mqtt.MQTTProtocolVersion.MQTTv5 if five else mqtt.MQTTProtocolVersion.MQTTv311
        self._client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=f"noc-{id(self):x}", protocol=protocol)
        self._client.reconnect_delay_set(1, 1)
        if user is not None:
            self._client.username_pw_set(user, password)
        self._client.on_connect = lambda client, *_: client.subscribe("dialtone/v1/#", 1)
        self._client.on_subscribe = lambda *_: self.subscribed.set()
        self._client.on_disconnect = lambda *_: self.subscribed.clear()
        self._client.on_message = self._on_message
        self._client.connect_async(HOST, port, keepalive=10)
        self._client.loop_start()

    def _on_message(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        topic = "/".join(message.topic.split("/")[4:])
        properties = message.properties.json() if message.properties is not None else {}
        try:
            body = json.loads(message.payload)
        except ValueError:  # a test sent garbage down to the agent
            body = {}
        self.heard.append(Heard(time.monotonic(), topic, body, message.retain, properties))

    def events(self) -> list[Heard]:
        """The events, in their order, repeats included."""
        return [h for h in list(self.heard) if h.topic == "event"]

    def ids(self) -> list[str]:
        """The events' ids, each once, in the order of their first coming."""
        return list(dict.fromkeys(str(h.body["id"]) for h in self.events()))

    def last(self, topic: str) -> Heard | None:
        """The newest message of a topic."""
        return next((h for h in reversed(list(self.heard)) if h.topic == topic), None)

    def close(self) -> None:
        """End it."""
        self._client.disconnect()
        self._client.loop_stop()


@contextlib.contextmanager
def subscriber(port: int, **kinds: Any) -> Iterator[Subscriber]:
    """A subscriber that has subscribed."""
    made = Subscriber(port, **kinds)
    try:
        assert made.subscribed.wait(START_S), "the subscriber never subscribed"
        yield made
    finally:
        made.close()
