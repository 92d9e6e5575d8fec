"""``dialtone watch`` against a real broker, as a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import paho.mqtt.client as mqtt
import pytest

from agent.clock import Wall, rfc3339
from agent.fleet.listener import Heard, Inbox, Link, filters
from agent.payloads import Pool
from agent.remote import ssh
from agent.remote.envelope import POOL, opened
from agent.uplink.messages import Message
from tests.fleet import made
from tests.fleet.made import Probe, alarm
from tests.real.brokers import HOST, ROOT, Broker, broker
from tests.real.test_uplink import certificates

CALL = """
import argparse, sys
from agent.commands import watch
top = argparse.ArgumentParser()
watch.add(top.add_subparsers(required=True))
args = top.parse_args(["watch", *sys.argv[1:]])
try:
    sys.exit(args.run(args))
except KeyboardInterrupt:
    sys.exit(130)
"""


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-c", CALL, *arguments]


def watch(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*arguments), cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture(autouse=True)
def today(monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages are of now: the process under test has the real clock."""
    monkeypatch.setattr(made, "wall", lambda after_s=0.0, synced=True: Wall(rfc3339(time.time() + after_s), synced))


@contextlib.contextmanager
def publisher(port: int) -> Iterator[mqtt.Client]:
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTProtocolVersion.MQTTv5)
    client.connect(HOST, port)
    client.loop_start()
    try:
        yield client
    finally:
        client.disconnect()
        client.loop_stop()


def send(client: mqtt.Client, *messages: Message) -> None:
    for message in messages:
        client.publish(message.topic, message.payload, message.qos, message.retain).wait_for_publish(10)


class Pipe:
    """A running watch, its JSON lines collected."""

    def __init__(self, *arguments: str) -> None:
        self.told: list[dict[str, Any]] = []
        self._child = subprocess.Popen(command("--json", *arguments), cwd=ROOT, stdout=subprocess.PIPE, text=True)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._child.stdout is not None
        for line in self._child.stdout:
            self.told.append(json.loads(line))

    def until(self, true: Any, why: str, most_s: float = 30.0) -> dict[str, Any]:
        end = time.monotonic() + most_s
        while time.monotonic() < end:
            for told in list(self.told):
                if true(told):
                    return told
            time.sleep(0.05)
        raise AssertionError(f"{why}; last: {self.told[-1:]}")

    def close(self) -> None:
        self._child.terminate()
        self._child.wait(10)


@contextlib.contextmanager
def piped(*arguments: str) -> Iterator[Pipe]:
    pipe = Pipe(*arguments)
    try:
        yield pipe
    finally:
        pipe.close()


def states(told: dict[str, Any]) -> dict[str, str]:
    return {site["site"]: site["state"] for site in told["sites"]}


def serve(b: Broker, client: mqtt.Client) -> subprocess.CompletedProcess[str]:
    """Some sites as they would be, seen by ``--once``."""
    good, bad, gone = Probe("good"), Probe("bad", provider="Carrier X"), Probe("gone")
    send(
        client,
        good.up(),
        bad.up(),
        gone.lost(why="power"),
        bad.alarm(alarm()),
        bad.verdict("Trunks are dead.", "far-end"),
    )
    over = threading.Event()

    def beat() -> None:
        while not over.wait(0.2):
            send(client, good.health(), good.up(), bad.health([alarm()]))

    beating = threading.Thread(target=beat, daemon=True)
    beating.start()
    try:
        return watch(b.url, "--once", "3", "--json")
    finally:
        over.set()
        beating.join()


@pytest.mark.parametrize("kind", ["mosquitto", "amqtt"])
def test_once_tells_of_all_sites(kind: str) -> None:
    """amqtt speaks MQTT 3.1.1 only, and never answers a 5."""
    with broker(kind=kind) as b:
        if kind == "amqtt":
            client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
            client.connect(HOST, b.port)
            client.loop_start()
            done = serve(b, client)
            client.disconnect()
            client.loop_stop()
        else:
            with publisher(b.port) as client:
                done = serve(b, client)
    assert done.returncode == 1, done.stderr
    told = json.loads(done.stdout)
    assert states(told) == {"bad": "alarm", "gone": "lost", "good": "well"}
    bad = told["sites"][0]
    assert (bad["site"], bad["severity"], bad["provider"]) == ("bad", "critical", "Carrier X")
    assert bad["probes"][0]["digest_agrees"]
    assert bad["probes"][0]["verdict"]["sentence"] == "Trunks are dead."
    assert not told["refused"]


def test_once_with_nothing_wrong_and_only_chosen_sites() -> None:
    with broker(kind="mosquitto") as b, publisher(b.port) as client:
        send(client, Probe("a").up(), Probe("b").lost())
        done = watch(b.url, "--once", "1", "--sites", "a")
    assert done.returncode == 0, done.stderr
    assert "1 sites: 0 alarm, 0 lost, 1 unknown, 0 well" in done.stdout


def test_it_reconnects_asks_and_sees_what_changed() -> None:
    with broker(kind="mosquitto") as b, piped(b.url) as pipe:
        p = Probe("a")
        asked: list[mqtt.MQTTMessage] = []

        def answer(client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
            asked.append(message)
            id_ = json.loads(message.payload)["id"]
            reply = {"id": id_, "ok": True, "result": {"alarms": [alarm()], "verdict": None}}
            client.publish(f"{p.base}/cmd/state/reply", json.dumps(reply), 1)

        pipe.until(lambda told: not told["remarks"], "it did not connect")
        with publisher(b.port) as client:
            send(client, p.up(), p.health())
            pipe.until(lambda told: states(told) == {"a": "well"}, "the site is not well")
        b.stop(kill=True)
        pipe.until(lambda told: told["remarks"], "the loss of the broker is not told")
        b.start()
        with publisher(b.port) as client:
            client.on_message = answer
            client.subscribe(f"{p.base}/cmd/+", 1)
            pipe.until(lambda told: told is pipe.told[-1] and not told["remarks"], "it did not connect again")
            send(client, p.up(session=2), p.health([alarm()], session=2))
            pipe.until(lambda told: states(told) == {"a": "alarm"}, "its state was not asked")
        assert len(asked) == 1
        assert not asked[0].retain


def test_pools_are_signed_and_published(tmp_path: Path) -> None:
    if shutil.which("ssh-keygen") is None:
        pytest.skip("needs ssh-keygen (the Debian package openssh-client)")
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    allowed = b"noc " + key.with_suffix(".pub").read_bytes()
    with broker(kind="mosquitto") as b, publisher(b.port) as client:
        heard: list[mqtt.MQTTMessage] = []
        client.on_message = lambda _client, _data, message: heard.append(message)
        client.subscribe("dialtone/v1/pool/+", 1)
        with piped(b.url, "--sign", str(key), "--as", "noc", "--pool", "esinet-east") as pipe:
            pipe.until(lambda told: not told["remarks"], "it did not connect")
            send(client, *(Probe(name).calls(0.0) for name in "abc"))
            pipe.until(lambda told: told["pools"][0]["calls"] == "fine", "the pool is not judged")
            said = pipe.until(lambda told: [p for p in told["pools_said"] if p["calls"] == "fine"], "not published")
        assert said["pools_said"][0]["by"] == "noc"
        document, signature = opened(heard[-1].payload)
        assert ssh.verify(document, signature, POOL, allowed) == "noc"
        assert msgspec.json.decode(document, type=Pool).sites == 3
        assert heard[-1].properties.MessageExpiryInterval <= 180


def test_watchers_share_the_load() -> None:
    with broker(kind="mosquitto") as b, piped(b.url, "--share", "noc") as one, piped(b.url, "--share", "noc") as two:
        for pipe in (one, two):
            pipe.until(lambda told: len(told["remarks"]) == 1 and "shared" in told["remarks"][0], "it did not connect")
        time.sleep(0.5)
        with publisher(b.port) as client:
            for n in range(40):
                p = Probe(f"s{n:02d}")
                send(client, p.up(), p.health())
        for pipe in (one, two):
            pipe.until(lambda told: len(told["sites"]) == 40, "what is retained is not whole")
        time.sleep(2.0)
        beats = [sum(site["state"] == "well" for site in pipe.told[-1]["sites"]) for pipe in (one, two)]
        assert sum(beats) == 40
        assert min(beats) > 0


def test_tls_verifies_both_sides(tmp_path: Path) -> None:
    with broker(kind="mosquitto", start=False) as b:
        certificates(b.directory)
        config = b.directory / f"broker-{b.port}.conf"
        tls = f"cafile {b.directory}/ca.pem\ncertfile {b.directory}/server.pem\nkeyfile {b.directory}/server.key\n"
        config.write_text(config.read_text() + tls + "require_certificate true\n")
        b.start()
        key = tmp_path / "client.key"
        key.write_bytes((b.directory / "client.key").read_bytes())
        key.chmod(0o644)
        url, ours = f"mqtts://localhost:{b.port}", ["--certificate", f"{b.directory}/client.pem", "--tls-key", str(key)]
        refused = watch(url, "--once", "1", "--ca", f"{b.directory}/ca.pem", *ours)
        assert refused.returncode == 2
        assert "open to everybody" in refused.stderr
        key.chmod(0o600)
        done = watch(url, "--once", "1", "--json", "--ca", f"{b.directory}/ca.pem", *ours)
        assert done.returncode == 0, done.stderr
        with piped(url, "--ca", f"{b.directory}/other.pem", *ours) as pipe:
            pipe.until(lambda told: "certificate verify failed" in str(told["remarks"]), "another CA will do")


def test_the_password_is_taken_from_its_file(tmp_path: Path) -> None:
    program = shutil.which("mosquitto_passwd")
    if program is None:
        pytest.skip("needs mosquitto_passwd (the Debian package mosquitto)")
    with broker(kind="mosquitto", start=False) as b:
        passwords, secret = b.directory / "passwords", tmp_path / "secret"
        subprocess.run([program, "-c", "-b", str(passwords), "noc", "right"], check=True, capture_output=True)
        passwords.chmod(0o644)
        file = b.directory / f"broker-{b.port}.conf"
        text = file.read_text().replace("allow_anonymous true", f"allow_anonymous false\npassword_file {passwords}")
        file.write_text(text)
        b.start()
        secret.write_text("right\n")
        secret.chmod(0o600)
        given = ["--user", "noc", "--password-file", str(secret)]
        assert watch(b.url, "--once", "0.5", *given).returncode == 0
        secret.write_text("wrong\n")
        with piped(b.url, *given) as pipe:
            told = pipe.until(lambda told: "refused by the server" in str(told["remarks"]), "a wrong one will do")
        assert "wrong" not in json.dumps(told)


def test_a_terminal_of_any_size_is_drawn() -> None:
    import pty

    with broker(kind="mosquitto") as b, publisher(b.port) as client:
        for n in range(40):
            send(client, Probe(f"s{n:02d}").lost())
        master, slave = pty.openpty()
        environment = {**os.environ, "COLUMNS": "40", "LINES": "10"}
        child = subprocess.Popen(command(b.url), cwd=ROOT, stdout=slave, env=environment)
        os.close(slave)
        seen = b""
        end = time.monotonic() + 30
        while b"and 33 more" not in seen and time.monotonic() < end:
            seen += os.read(master, 4096)
        child.terminate()
        with contextlib.suppress(OSError):  # the other end is closed
            while more := os.read(master, 4096):
                seen += more
        child.wait(10)
        os.close(master)
    drawn = next(frame for frame in seen.decode().split("\x1b[H") if "and 33 more" in frame)
    rows = drawn.split("\x1b[J")[0].replace("\x1b[K", "").splitlines()
    assert len(rows) == 9
    assert all(len(row) <= 40 for row in rows)
    assert seen.decode().rstrip().endswith("\x1b[?7h\x1b[?25h")  # wrapping and cursor as they were


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["http://x"], "mqtt://"),
        (["mqtt://user:secret@x"], "--password-file"),
        (["mqtt://x", "--sites", "No Id"], "no id"),
        (["mqtt://x", "--sign", "nowhere"], "go together"),
        (["mqtt://x", "--sign", "nowhere", "--as", "noc"], "no key"),
        (["mqtt://x", "--share", "a/b"], "--share"),
        (["mqtt://x", "--share", "a", "--pool", "b"], "no pools"),
        (["mqtt://x", "--ca", "nowhere"], "mqtts://"),
        (["mqtts://x", "--ca", "nowhere"], "there is no file nowhere"),
        (["mqtts://x", "--certificate", "nowhere"], "--tls-key"),
        (["mqtt://x", "--password-file", "nowhere"], "--user"),
        (["mqtt://x", "--once", "0"], "--once"),
    ],
)
def test_wrong_use_is_said(arguments: list[str], word: str) -> None:
    done = watch(*arguments)
    assert done.returncode == 2
    assert word in done.stderr
    assert "secret" not in done.stderr


def test_the_inbox_is_bounded_and_counts() -> None:
    inbox = Inbox(messages=3, size=1000)
    for n in range(5):
        inbox.put(Heard(f"{n}", b"", False))
    inbox.put(Link(False, "lost"))
    items, dropped = inbox.take(0)
    assert (len(items), dropped) == (4, 2)
    inbox.put(Heard("t", b"x" * 2000, False))
    assert inbox.take(0) == ([], 1)


def test_what_is_subscribed() -> None:
    assert "dialtone/v1/+/+/health" in filters(None, None)
    assert "$share/noc/dialtone/v1/+/+/health" in filters(None, "noc")
    assert "dialtone/v1/+/+/status/+" in filters(None, "noc")
    assert "dialtone/v1/a/+/alarm/+" in filters(["a"], None)
    assert len(filters([f"s{n}" for n in range(100)], None)) == 8
