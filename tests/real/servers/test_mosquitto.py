"""The uplink against mosquitto as a NOC would run it: TLS with client certificates, an ACL, sessions kept on disk."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest

from agent.uplink.inlet import Inlet
from agent.uplink.topics import Topics
from tests.real.brokers import HOST, Broker, broker
from tests.real.servers.delivery import (
    Collector,
    Probe,
    all_came,
    collector,
    in_order,
    no_storm,
    part_of_the_backlog,
    probe,
    soon,
)
from tests.uplink.fakes import SITE

pytestmark = pytest.mark.timeout(300)

TOPICS = Topics(SITE.id, SITE.probe)
PROBE, NOC = f"{SITE.id}-{SITE.probe}", "noc"
NOT_AUTHORIZED = 0x87
ACL = f"""
user {PROBE}
topic write {TOPICS.base}/#
topic read {TOPICS.desired}
topic read {TOPICS.commands}
topic read {TOPICS.receipt}

user {NOC}
topic readwrite dialtone/v1/#
"""


def openssl(directory: Path, *words: str) -> None:
    """Run openssl there."""
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("needs openssl (a Debian package)")
    subprocess.run([program, *words], cwd=directory, check=True, capture_output=True)


def certificates(directory: Path) -> None:
    """A CA, and certificates signed by it for localhost, the probe and the NOC; names are what the ACL calls them."""
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl(
        directory, "req", "-x509", *key, "-days", "2", "-subj", "/CN=test ca", "-keyout", "ca.key", "-out", "ca.pem"
    )
    for name in ("localhost", PROBE, NOC):
        usage = "subjectAltName=DNS:localhost" if name == "localhost" else "extendedKeyUsage=clientAuth"
        (directory / "extension").write_text(usage + "\n")
        openssl(directory, "req", *key, "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        openssl(directory, "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
                "-CAcreateserial", "-days", "2", "-extfile", "extension", "-out", f"{name}.pem")  # fmt: skip


@contextlib.contextmanager
def guarded() -> Iterator[Broker]:
    """mosquitto that knows each client by its certificate; not yet started."""
    with broker(kind="mosquitto", start=False) as made:
        certificates(made.directory)
        (made.directory / "acl").write_text(ACL)
        lines = {
            "listener": f"{made.port} {HOST}",
            "user": "root",  # where it is started as root it stays so: the directory is its own
            "persistence": "true",
            "persistence_location": f"{made.directory}/",
            "max_queued_messages": "0",  # else it drops what a slow receiver has not taken, and acknowledges it
            "allow_anonymous": "false",
            "require_certificate": "true",
            "use_identity_as_username": "true",
            "cafile": f"{made.directory}/ca.pem",
            "certfile": f"{made.directory}/localhost.pem",
            "keyfile": f"{made.directory}/localhost.key",
            "acl_file": f"{made.directory}/acl",
        }
        file = made.directory / f"broker-{made.port}.conf"
        file.write_text("".join(f"{name} {value}\n" for name, value in lines.items()))
        yield made


def tls(directory: Path, name: str) -> ssl.SSLContext:
    """The context of a client that has this certificate."""
    context = ssl.create_default_context(cafile=directory / "ca.pem")
    context.load_cert_chain(directory / f"{name}.pem", directory / f"{name}.key")
    return context


@contextlib.contextmanager
def client(b: Broker, name: str, client_id: str) -> Iterator[mqtt.Client]:
    """A client of MQTT 5, connected."""
    up = threading.Event()
    made = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id, protocol=mqtt.MQTTProtocolVersion.MQTTv5)
    made.tls_set_context(tls(b.directory, name))
    made.on_connect = lambda *_: up.set()
    made.connect("localhost", b.port)
    made.loop_start()
    try:
        assert up.wait(30), "never connected"
        yield made
    finally:
        made.disconnect()
        made.loop_stop()


def published(to: mqtt.Client, topic: str) -> int:
    """Publish with QoS 1; the reason code of the answer."""
    answered, codes = threading.Event(), list[int]()

    def on_publish(_client: Any, _data: Any, _mid: int, reason: Any, _properties: Any) -> None:
        codes.append(int(reason.value))
        answered.set()

    to.on_publish = on_publish
    to.publish(topic, b"{}", 1)
    assert answered.wait(30), f"no answer to {topic}"
    return codes[0]


def test_the_acl_holds() -> None:
    """What the delivery below is allowed is not allowed because everything is."""
    elsewhere = Topics("othertown", "a")
    with guarded() as b:
        b.start()
        keys = {"host": "localhost", "version": "5", "tls": tls(b.directory, NOC)}
        with collector(b.port, **keys) as noc, client(b, PROBE, "reader") as reader, client(b, NOC, "desk") as desk:
            heard: list[str] = []
            subscribed = threading.Event()
            reader.on_message = lambda _client, _data, message: heard.append(message.topic)
            reader.on_subscribe = lambda *_: subscribed.set()
            reader.subscribe([("dialtone/v1/#", 1), (TOPICS.receipt, 1)])
            assert subscribed.wait(30)
            for topic in (elsewhere.verdict, elsewhere.receipt, "dialtone/v1/pool/esinet-east"):
                with client(b, PROBE, "intruder") as intruder:  # 2.0.11 ends the connection behind its refusal
                    assert published(intruder, topic) == NOT_AUTHORIZED
            assert published(reader, TOPICS.verdict) < 0x80
            for topic in (elsewhere.desired, elsewhere.receipt, TOPICS.receipt):
                assert published(desk, topic) < 0x80
            asyncio.run(soon(lambda: TOPICS.receipt in heard and TOPICS.receipt in noc.topics, lambda: heard))
            assert set(heard) == {TOPICS.receipt}
            assert sorted(noc.topics) == sorted([TOPICS.verdict, elsewhere.desired, elsewhere.receipt, TOPICS.receipt])
        context = ssl.create_default_context(cafile=b.directory / "ca.pem")
        bare = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, "bare")
        bare.tls_set_context(context)
        with contextlib.suppress(OSError):  # TLS 1.3: told by the first read, not by the handshake
            bare.connect("localhost", b.port)
            while bare.loop(1) == mqtt.MQTT_ERR_SUCCESS:
                assert not bare.is_connected(), "let in without a certificate"
        assert not bare.is_connected()


def refuse_a_5(b: Broker) -> None:
    """Stand in the broker's place for one connection: it must ask in MQTT 5, and is answered by CONNACK 1.

    This mosquitto has no option that refuses a 5; what an uplink learned from a server so outlives its restart.
    """
    import socket

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=b.directory / "ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(b.directory / "localhost.pem", b.directory / "localhost.key")
    with socket.create_server((HOST, b.port)) as listener:
        listener.settimeout(60)
        link, _ = listener.accept()
    with link, context.wrap_socket(link, server_side=True) as wrapped:
        data = wrapped.recv(4096)
        assert data[data.index(b"MQTT") + 4] == 5
        wrapped.sendall(b"\x20\x02\x00\x01")
        with contextlib.suppress(OSError):
            while wrapped.recv(4096):  # the other side is to close first, so that the port is free at once
                pass


async def restarted_in_the_midst(b: Broker, one: Probe, heard: Collector, version: str) -> None:
    """Stop and start it while the backlog flows and alarms go on."""
    async with one.writing():
        await one.connected(1, version)
        await part_of_the_backlog(one, heard)
        b.stop()
        await one.lost()
        b.start()
        await one.connected(2, version)
        assert await asyncio.to_thread(heard.present.wait, 60), "the collector never came back"
    repeats = await all_came(one, heard)
    in_order(one, heard)
    no_storm(one, connects_most=2, attempts_most=8)
    print(f"{one.put} events, {repeats} repeats, {one.status['attempts']} attempts")


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_a_mosquitto_that_is_restarted_in_the_midst_loses_nothing(version: str, tmp_path: Path) -> None:
    down: list[str] = []
    granted: list[tuple[str, ...]] = []
    topics = (TOPICS.desired, TOPICS.commands, TOPICS.receipt)
    inlet = Inlet(topics, lambda message: down.append(message.topic), lambda *said: granted.append(said[2]))

    async def main(b: Broker) -> None:
        names = {"ca": "ca.pem", "crt": f"{PROBE}.pem", "key": f"{PROBE}.key"}
        files = {name: b.directory / file for name, file in names.items()}
        url = f"mqtts://localhost:{b.port}"
        keys = {"ca": "ca", "certificate": "crt", "key": "key"}
        async with probe(tmp_path / "journal", [url], files=files, inlet=inlet, **keys) as one, one.reporting():
            if version == "3.1.1":
                await asyncio.to_thread(refuse_a_5, b)
            b.start()
            watcher = {"host": "localhost", "version": version, "tls": tls(b.directory, NOC)}
            with collector(b.port, **watcher) as heard:
                await restarted_in_the_midst(b, one, heard, version)
                with client(b, NOC, "desk") as desk:
                    assert published(desk, TOPICS.receipt) < NOT_AUTHORIZED
                await soon(lambda: TOPICS.receipt in down, lambda: down)
        assert granted
        assert not any(granted), f"refused by the ACL: {granted}"

    with guarded() as b:
        asyncio.run(main(b))
