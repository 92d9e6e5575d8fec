"""Signed site files and commands over a real broker, to the agent of ``dialtone run``; keys by ssh-keygen."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jsonschema
import paho.mqtt.client as mqtt
import pytest

from agent import schemas
from agent.control import Unanswered
from tests.real.brokers import HOST, ROOT, Broker, Subscriber, broker, free_port, subscriber
from tests.real.sites import Site, site, tl1, until

BASE = "dialtone/v1/testville/a"
LOS = "bank-a_los_t1-1"


def key(folder: Path, name: str) -> Path:
    """A signing key without a passphrase."""
    path = folder / name
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(path)], check=True)
    return path


def sign(path: Path, document: bytes, namespace: str) -> bytes:
    """By OpenSSH's own program, as an operator would."""
    came = subprocess.run(
        ["ssh-keygen", "-Y", "sign", "-q", "-f", str(path), "-n", namespace],
        input=document,
        capture_output=True,
        check=True,
    )
    told = {"document": base64.b64encode(document).decode(), "signature": came.stdout.decode()}
    return json.dumps(told).encode()


def soon(seconds: float = 300) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


@dataclass
class Remote:
    """An agent that takes signed files, its broker, a subscriber, and the operator's key."""

    site: Site
    broker: Broker
    sub: Subscriber
    key: Path
    stranger: Path
    client: mqtt.Client
    agent: subprocess.Popen[bytes]
    ids: int = 0
    kept: dict[str, Any] = field(default_factory=dict)

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        self.client.publish(f"{BASE}/{topic}", payload, qos=1, retain=retain).wait_for_publish(10)

    def document(self, file: str, version: int, **more: Any) -> bytes:
        told = {"v": 1, "site": "testville", "probe": "a", "version": version, "base": self.running(), "file": file}
        return json.dumps({**told, "not_after": soon(), **more}).encode()

    def wish(self, file: str, version: int, **more: Any) -> None:
        """Publish a signed site file, retained."""
        self.publish(
            "config/desired", sign(self.key, self.document(file, version, **more), "dialtone-config"), retain=True
        )

    def running(self) -> str:
        """The hash of what the box says it runs."""
        return str(self.reported()["running"])

    def reported(self) -> dict[str, Any]:
        heard = until(lambda: self.sub.last("config/reported"), "nothing reported")
        return dict(heard.body)

    def becomes(self, state: str, patience_s: float = 30.0, **more: Any) -> dict[str, Any]:
        """Wait until this is reported."""

        def there() -> dict[str, Any] | None:
            told = self.reported()
            return told if told["state"] == state and all(told[k] == v for k, v in more.items()) else None

        try:
            return dict(until(there, f"never {state}", patience_s))
        except AssertionError:
            raise AssertionError(f"never {state}: {self.reported()}") from None

    def command(self, name: str, signed: bool = False, key: Path | None = None, **more: Any) -> dict[str, Any]:
        """Send one, and give its reply."""
        self.ids += 1
        told = {"id": f"c{self.ids}", "expires": soon(60), "args": {}, **more}
        payload = json.dumps(told).encode()
        if signed:
            told = {"site": "testville", "probe": "a", "command": name, **told}
            payload = sign(key or self.key, json.dumps(told).encode(), "dialtone-command")
        before = len(self.sub.heard)
        self.publish(f"cmd/{name}", payload)

        def there() -> Any:
            return next((h for h in self.sub.heard[before:] if h.topic == f"cmd/{name}/reply"), None)

        return dict(until(there, f"no reply to {name}").body)


COMMANDS = '["status", "report", "state", "lamp-test", "silence", "ack", "shelve", "restart", "test-call"]'


@contextlib.contextmanager
def remote(
    trial_s: int = 20,
    config: str = "allow_anonymous true",
    under: Callable[[Site], tuple[str, ...]] = lambda _: (),
    shares: str = "",
) -> Iterator[Remote]:
    """``under``: what the agent's own command stands behind. ``shares``: what the site has in common with others."""
    with broker(config) as b, subscriber(b.port) as sub:
        extra = f"""
[[uplink]]
id = "noc"
urls = ["mqtt://127.0.0.1:{b.port}"]
keepalive_s = 5
[secrets]
directory = "SECRETS"
[remote]
allowed_signers = "signers"
config = true
commands = {COMMANDS}
trial_s = {trial_s}
"""
        with site(extra=extra) as s:
            secrets = s.directory / "secrets"
            secrets.mkdir(mode=0o700)
            text = s.file.read_text().replace("SECRETS", str(secrets))
            s.file.write_text(
                text.replace('id = "testville"', f'id = "testville"\nshares = ["{shares}"]') if shares else text
            )
            mine, stranger = key(s.directory, "operator"), key(s.directory, "stranger")
            public = mine.with_suffix(".pub").read_text()
            allowed = f'operator@noc namespaces="dialtone-config,dialtone-command,dialtone-pool" {public}'
            (secrets / "signers").write_text(allowed)
            (secrets / "signers").chmod(0o644)
            client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTProtocolVersion.MQTTv5)
            client.connect(HOST, b.port)
            client.loop_start()
            try:
                command = (*under(s), sys.executable, "-m", "agent", "run", str(s.file))
                with s.agent(*command) as child:
                    made = Remote(s, b, sub, mine, stranger, client, child)
                    made.becomes("local")
                    until(lambda: s.status()["uplinks"][0]["connected"], "never connected")
                    yield made
            finally:
                client.disconnect()
                client.loop_stop()


def named(r: Remote, name: str) -> str:
    """The same of a site that runs."""
    return named_of(r.site, name)


def test_a_signed_file_is_tried_kept_and_runs_after_a_restart() -> None:
    with remote() as r:
        file = named(r, "New name")
        r.wish(file, 1)
        told = r.becomes("applied")
        wanted = hashlib.sha256(file.encode()).hexdigest()
        assert (told["running"], told["source"], told["signer"]) == (wanted, "remote", "operator@noc")
        states = [h.body["state"] for h in r.sub.heard if h.topic == "config/reported"]
        assert "trial" in states
        assert r.site.status()["config"]["state"] == "applied"
        boot = boot_of(r.site)
        assert r.command("restart", signed=True)["ok"]
        until(lambda: boot_of(r.site) == (boot or 0) + 1, "it never started again")
        told = r.becomes("applied")
        assert (told["running"], told["source"]) == (wanted, "remote")


def test_every_kind_of_wrong_document_is_refused_with_its_reasons() -> None:
    with remote() as r:
        file = named(r, "x")
        wrongs: list[tuple[bytes, str]] = [
            (sign(r.stranger, r.document(file, 1), "dialtone-config"), "signature"),
            (sign(r.key, r.document(file, 1), "dialtone-command"), "signature"),
            (sign(r.key, r.document(file, 1, base="0" * 64), "dialtone-config"), "base"),
            (sign(r.key, r.document(file, 1, site="other"), "dialtone-config"), "site"),
            (sign(r.key, r.document(file, 1, not_after=soon(-1)), "dialtone-config"), "not_after"),
            (sign(r.key, r.document(file, 1, surprise=1), "dialtone-config"), "document"),
            (sign(r.key, r.document(file + "\nnonsense = 1\n", 1), "dialtone-config"), "nonsense"),
            (sign(r.key, r.document(file.replace("trial_s = 20", "trial_s = 21"), 1), "dialtone-config"), "remote"),
            (
                sign(r.key, r.document(file.replace('pins = "mock"', 'pins = "lgpio"'), 1), "dialtone-config"),
                "panel.pins",
            ),
            (sign(r.key, r.document(file, 1), "dialtone-config")[:-40], "message"),
            (b"\x00\xff" * 100, "message"),
            (b"x" * 10_000_000, "message"),
        ]
        running = r.running()
        for payload, why in wrongs:
            before = len(r.sub.heard)
            r.publish("config/desired", payload, retain=True)
            told = until(
                lambda at=before: next((h for h in r.sub.heard[at:] if h.topic == "config/reported"), None),
                f"nothing of {why}",
            ).body
            assert told["state"] == "rejected", told
            assert any(why in error["key"] for error in told["errors"]), (why, told["errors"])
            assert told["running"] == running
        assert r.site.alarm("host_config-rejected_config") or until(
            lambda: r.site.alarm("host_config-rejected_config"), "no alarm of it"
        )
        r.wish(file, 1)
        r.becomes("applied")
        forged = json.loads(sign(r.key, r.document(named(r, "y"), 2), "dialtone-config"))
        forged["document"] = base64.b64encode(r.document(named(r, "z"), 3)).decode()
        r.publish("config/desired", json.dumps(forged).encode(), retain=True)
        assert "signature" in r.becomes("rejected")["errors"][0]["key"]
        r.wish(named(r, "old"), 1)
        until(lambda: any(e["key"] == "version" for e in r.reported()["errors"]), "a replayed version was not told")


def test_a_file_that_cuts_the_broker_off_is_taken_back() -> None:
    with remote(trial_s=10) as r:
        before = r.running()
        r.wish(r.site.file.read_text().replace(f":{r.broker.port}", f":{free_port()}"), 5)
        told = r.becomes("rolled-back", 60, running=before)
        assert (told["version"], told["offered"]) == (5, 5)
        assert "no new connection" in told["why"]
        r.wish(named(r, "after"), 6)
        r.becomes("applied")


def test_a_dry_run_changes_nothing() -> None:
    with remote() as r:
        running = r.running()
        r.wish(named(r, "dry"), 1, dry_run=True)
        told = r.becomes("dry-run")
        assert told["running"] == running
        r.wish(named(r, "wet"), 1)
        r.becomes("applied")


def test_a_person_at_the_box_wins() -> None:
    with remote() as r:
        r.wish(named(r, "from afar"), 3)
        r.becomes("applied")
        r.publish("config/desired", b"", retain=True)
        r.site.file.write_text(named(r, "by hand"))
        assert r.command("restart", signed=True)["ok"]
        told = r.becomes("local", running=hashlib.sha256(r.site.file.read_bytes()).hexdigest())
        assert (told["source"], told["version"]) == ("local", 3)


def test_commands_are_answered_and_carried_out_once() -> None:
    with remote() as r:
        assert r.command("status")["result"]["site"] == "testville"
        assert r.command("lamp-test", args={"seconds": 2})["result"] == {"lamp_test_s": 2}
        first = r.command("lamp-test", id="same")
        again = r.command("lamp-test", id="same")
        assert (first["ok"], again["ok"], again["repeated"]) == (True, False, True)
        assert "expired" in r.command("lamp-test", expires=soon(-5))["error"]
        assert "seconds" in r.command("lamp-test", args={"minutes": 1})["error"]
        assert "signature" in r.command("shelve", args={"what": "bank-a", "minutes": 5})["error"]
        wrong = r.command("shelve", signed=True, key=r.stranger, args={"what": "bank-a", "minutes": 5})
        assert "signed by nobody" in wrong["error"]
        right = r.command("shelve", signed=True, args={"what": "bank-a", "minutes": 5})
        assert right["result"] == {"shelved": "bank-a", "minutes": 5.0}
        assert "bank-a" in r.site.status()["shelved"]
        assert not r.command("test-call", signed=True)["ok"]
        assert r.command("report")["ok"]
        boot = r.site.status()["journal"]["boot"]
        assert r.command("restart", signed=True)["ok"]
        until(lambda: boot_of(r.site) == boot + 1, "it never started again")
        until(lambda: r.site.status()["uplinks"][0]["connected"], "never connected again")
        assert r.command("lamp-test", id="same")["repeated"], "an id is taken once, across restarts"


def test_a_retained_command_is_not_carried_out() -> None:
    with remote() as r:
        payload = json.dumps({"id": "r1", "expires": soon(60), "args": {}}).encode()
        r.publish("cmd/lamp-test", payload, retain=True)
        until(lambda: r.sub.last("cmd/lamp-test/reply"), "the first one was live")
        before = len(r.sub.heard)
        assert r.command("restart", signed=True)["ok"]
        told = until(
            lambda: next((h for h in r.sub.heard[before:] if h.topic == "cmd/lamp-test/reply"), None),
            "nothing is told of it",
        ).body
        assert (told["ok"], "retained" in told["error"]) == (False, True)


def test_from_afar_a_critical_horn_is_noted_and_goes_on() -> None:
    with remote() as r:
        r.site.send(tl1("T1-1", "CR", "LOS", 1) + tl1("T1-2", "CR", "LOS", 2))
        critical = until(
            lambda: next((a for a in r.site.status()["alarms"] if a["severity"] == "critical"), None),
            "no critical alarm",
        )
        until(lambda: r.site.status()["horn"] == "alarm", "the horn does not sound")
        r.command("silence")
        told = r.command("ack")
        assert told["result"]["noted"] >= 1
        now = until(lambda: r.site.alarm(critical["id"]), "the alarm is gone")
        assert (now["state"], now["silenced"], now["noted_by"]) == ("unacknowledged", False, "the NOC over noc")
        assert r.site.status()["horn"] == "alarm"
        major = r.site.alarm(LOS)
        assert major is None or major["state"] != "unacknowledged", "what is not critical can be acknowledged from afar"


def test_a_reply_goes_where_mqtt_5_asks_for_it() -> None:
    with remote() as r:
        came: list[mqtt.MQTTMessage] = []
        r.client.on_message = lambda _c, _d, message: came.append(message)
        r.client.subscribe("noc/answers", 1)
        time.sleep(0.3)
        properties = mqtt.Properties(mqtt.PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        properties.ResponseTopic, properties.CorrelationData = "noc/answers", b"abc"
        payload = json.dumps({"id": "q1", "expires": soon(60), "args": {}}).encode()
        r.client.publish(f"{BASE}/cmd/state", payload, qos=1, properties=properties).wait_for_publish(10)
        until(lambda: came, "no answer where it was asked for")
        told = json.loads(came[0].payload)
        assert (told["id"], told["ok"], "alarms" in told["result"]) == ("q1", True, True)
        assert came[0].properties is not None
        assert came[0].properties.CorrelationData == b"abc"


OF_TOPIC = (
    ("status/", "status"),
    ("health", "health"),
    ("alarm/", "alarm"),
    ("verdict", "verdict"),
    ("event", "event"),
    ("calls", "calls"),
    ("config/reported", "config-reported"),
    ("config/desired", "envelope"),
)


def of_topic(topic: str) -> str:
    """Which payload a topic carries."""
    if topic.startswith("cmd/"):
        return "command-reply" if topic.endswith("/reply") else "command"
    return next(name for start, name in OF_TOPIC if topic.startswith(start))


def test_every_message_is_as_its_schema_says() -> None:
    made = schemas.all_schemas()
    for one in made.values():
        jsonschema.Draft202012Validator.check_schema(one)
    with remote() as r:
        r.site.send(tl1("T1-1", "CR", "LOS", 1) + tl1("T1-2", "CR", "LOS", 2))
        until(lambda: any(h.topic.startswith("alarm/") for h in list(r.sub.heard)), "no alarm")
        r.command("ack")
        r.command("state")
        r.command("lamp-test", expires="never")
        r.wish(named(r, "described"), 1)
        r.becomes("applied")
        r.site.send(tl1("T1-1", "CL", "LOS", 3))
        until(lambda: r.sub.last("health"), "no health")
        seen: set[str] = set()
        for heard in list(r.sub.heard):
            name = of_topic(heard.topic)
            jsonschema.Draft202012Validator(made[name]).validate(heard.body)
            seen.add(name)
    assert seen >= {
        "status",
        "health",
        "alarm",
        "verdict",
        "event",
        "config-reported",
        "command-reply",
        "command",
        "envelope",
    }
    wrong = {"state": "perhaps", "session": 1}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(made["status"]).validate(wrong)


def test_the_asyncapi_document_names_every_channel() -> None:
    told = schemas.asyncapi()
    assert set(told["channels"]) == set(schemas.NAMES)
    refs = list(json.dumps(told).split('"$ref": "')[1:])
    for ref in refs:
        place: Any = told
        for step in ref.split('"')[0].removeprefix("#/").split("/"):
            place = place[step]
        assert isinstance(place, dict)


def test_killed_at_the_syncs_of_a_change_the_old_or_the_new_file_runs() -> None:
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("needs strace (Debian package strace)")
    names: list[tuple[str, str]] = []
    # strace counts by thread, so the first sync of each is what can be met for certain; tests/remote/test_vault.py
    # meets every one.
    for at in ("new", "state.json.new", ""):

        def under(s: Site, at: str = at) -> tuple[str, ...]:
            folder, new = s.journal / "config", hashlib.sha256(named_of(s, "new").encode()).hexdigest()
            path = folder / (f"{new}.toml.new" if at == "new" else at)
            inject = "inject=fdatasync,fsync:signal=SIGKILL:when=1"
            # -D: the agent itself is our child
            return (str(strace), "-D", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync,fsync", "-e", inject,
                    "-P", str(path))  # fmt: skip

        with remote(under=under) as r:
            old, file = r.running(), named(r, "new")
            new = hashlib.sha256(file.encode()).hexdigest()
            r.wish(file, 1)
            until(lambda r=r: r.agent.poll() is not None, f"not killed at {at!r}")
            r.publish("config/desired", b"", retain=True)
            before = len(r.sub.heard)
            with r.site.agent():
                told = until(
                    lambda r=r, at=before: next((h for h in r.sub.heard[at:] if h.topic == "config/reported"), None),
                    "nothing told",
                ).body
                assert told["running"] in (old, new)
                assert (told["running"] == new) == (told["source"] == "remote")
                names.append((told["state"], "new" if told["running"] == new else "old"))
    print(f"killed {len(names)} times: {names}")


def boot_of(s: Site) -> int | None:
    """Which start of the agent this is; None while none answers."""
    with contextlib.suppress(Unanswered):
        return int(s.status()["journal"]["boot"])
    return None


def named_of(s: Site, name: str) -> str:
    """The local site file with another name, which harms nothing."""
    return s.file.read_text().replace('id = "testville"', f'id = "testville"\nname = "{name}"')


def dialtone(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "agent", "config", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_operators_own_commands() -> None:
    with remote() as r:
        new, signed, url = (
            r.site.directory / "new.toml",
            r.site.directory / "new.signed",
            f"mqtt://{HOST}:{r.broker.port}",
        )
        new.write_text(named(r, "by the operator"))
        asked = dialtone(
            "sign", str(new), "--key", str(r.key), "--version", "7", "--base", str(r.site.file), "-o", str(signed)
        )
        assert asked.returncode == 0, asked.stderr
        changes = dialtone("diff", str(signed), str(r.site.file))
        assert (changes.returncode, '+name = "by the operator"' in changes.stdout) == (1, True)
        pushed = dialtone("push", str(signed), url, "--wait", "40")
        assert (pushed.returncode, "applied" in pushed.stdout) == (0, True), pushed.stdout + pushed.stderr
        shown = dialtone("show", url, "--site", "testville")
        assert (shown.returncode, hashlib.sha256(new.read_bytes()).hexdigest() in shown.stdout) == (0, True)
        again = dialtone(
            "sign", str(new), "--key", str(r.stranger), "--version", "8", "--base", str(new), "-o", str(signed)
        )
        assert again.returncode == 0
        refused = dialtone("push", str(signed), url, "--wait", "20")
        assert refused.returncode == 1
        new.write_text("nonsense = 1\n")
        wrong = dialtone("sign", str(new), "--key", str(r.key), "--version", "9", "--base", str(r.site.file))
        assert (wrong.returncode, "nonsense" in wrong.stderr) == (2, True)
        assert dialtone("show", "http://x", "--site", "testville").returncode == 2
