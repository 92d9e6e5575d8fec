"""The SNMP check against Debian's snmpd, and against agents of our own that have no manners."""

from __future__ import annotations

import asyncio
import os
import resource
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.clock import RealClock
from agent.paths.outcome import Outcome
from agent.paths.prober import Prober
from agent.paths.runner import Tools
from agent.paths.snmp import ber, message
from agent.paths.snmp.ask import SnmpRunner
from agent.paths.snmp.message import Community, Pdu
from agent.paths.target import numeric
from agent.readings import Reading
from agent.site import schema
from agent.site.secrets import SecretStore
from tests.paths.snmp.tiny import TinyAgent, gauge, number, text, ticks, values
from tests.real.snmp_peers import Snmpd, answering, free_port, secrets_in

V3: dict[str, dict[str, Any]] = {
    "sha": {"authentication": "sha", "authentication_password": "auth", "privacy": "aes", "privacy_password": "priv"},
    "des": {"authentication": "md5", "authentication_password": "auth", "privacy": "des", "privacy_password": "priv"},
    "long": {
        "authentication": "sha512",
        "authentication_password": "auth",
        "privacy": "aes",
        "privacy_password": "priv",
    },
    "signed": {"authentication": "sha256", "authentication_password": "auth"},
    "plain": {},
}


@pytest.fixture
def store(tmp_path: Path) -> SecretStore:
    return secrets_in(tmp_path / "secrets")


@pytest.fixture
def snmpd(tmp_path: Path) -> Iterator[Snmpd]:
    daemon = Snmpd(tmp_path)
    daemon.start()
    yield daemon
    daemon.kill()


def runner(store: SecretStore, port: int, **keys: Any) -> SnmpRunner:
    given = {"community": "right", "profiles": ("interfaces", "system")} if keys.get("version") != "3" else {}
    check = schema.Snmp(port=port, **{**given, **keys})
    return SnmpRunner(
        schema.Path("fw", "firewall", "127.0.0.1", (check,)), check, Tools(RealClock(), store, lambda: "none")
    )


def run(one: SnmpRunner, timeout_s: float = 20.0) -> Outcome:
    target = numeric("127.0.0.1")
    assert target is not None
    return asyncio.run(one.run(target, timeout_s))


def test_version_2c(snmpd: Snmpd, store: SecretStore) -> None:
    one = runner(
        store, snmpd.port, interfaces=("lo", "nowhere"), profiles=("interfaces", "fortinet", "ups", "host-resources")
    )
    for _ in range(2):
        outcome = run(one)
        assert outcome.state == "up", outcome
        assert outcome.detail["sessions"] == 500
        assert outcome.detail["no_such_interface"] == "nowhere"
        assert int(outcome.detail["uptime_s"]) > 0  # type: ignore[arg-type]
        found = {(f.point, f.subject): f.holds for f in outcome.findings}
        assert found["interface-down", "lo"] is False
        assert found["power-on-battery", "ups"] is True
        assert found["ha-degraded", "cluster"] is False
        assert found["ha-degraded", "fw-b"] is True


@pytest.mark.parametrize("user", V3)
def test_version_3_of_every_level(snmpd: Snmpd, store: SecretStore, user: str) -> None:
    one = runner(store, snmpd.port, version="3", user=user, profiles=("interfaces", "fortinet"), **V3[user])
    for _ in range(2):
        outcome = run(one)
        assert outcome.state == "up", outcome
        assert outcome.detail["sessions"] == 500
    assert "ignored" not in outcome.detail


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ({"user": "sha", **V3["sha"], "authentication_password": "bad"}, "usmStatsWrongDigests"),
        ({"user": "nobody", **V3["sha"]}, "usmStatsUnknownUserNames"),
        ({"user": "signed", **V3["sha"], "authentication": "sha256"}, "usmStatsUnsupportedSecLevels"),
        ({"user": "sha", **V3["sha"], "privacy_password": "bad"}, "privacy password"),
    ],
)
def test_what_version_3_refuses_is_named_and_unknown(
    snmpd: Snmpd, store: SecretStore, keys: dict[str, Any], why: str
) -> None:
    one = runner(store, snmpd.port, version="3", **keys)
    for _ in range(2):
        outcome = run(one, 3.0)
        assert outcome.state == "unknown", outcome
        assert why in outcome.reason
        assert "wrongpass" not in str(outcome)


def test_a_wrong_community_looks_like_silence_and_says_both(snmpd: Snmpd, store: SecretStore) -> None:
    outcome = run(runner(store, snmpd.port, community="wrong"), 2.0)
    assert outcome.state == "down"
    assert "silent" in outcome.reason
    assert "community" in outcome.reason
    assert outcome.detail["sent"] == 3
    assert "nobody-knows-it" not in str(outcome)


@pytest.mark.parametrize("version", ["2c", "3"])
def test_killed_and_started_again(snmpd: Snmpd, store: SecretStore, version: str) -> None:
    keys = {"version": "3", "user": "sha", **V3["sha"]} if version == "3" else {}
    one = runner(store, snmpd.port, profiles=("system",), **keys)
    assert run(one).state == "up"
    snmpd.kill()
    dead = run(one, 2.0)
    assert dead.state == "down", dead
    snmpd.start()
    again = run(one)
    assert again.state == "up", again
    assert [f.text for f in again.findings if f.event] in ([], ["its SNMP agent was restarted"])


def test_an_engine_that_forgot_its_boots_is_heard_again(snmpd: Snmpd, store: SecretStore) -> None:
    snmpd.kill()
    snmpd.start()  # its second boot
    one = runner(store, snmpd.port, version="3", user="sha", profiles=("system",), **V3["sha"])
    assert run(one).state == "up"
    snmpd.kill()
    snmpd.forget_boots()
    snmpd.start()
    assert run(one).state == "up"


def test_the_prober_runs_it_and_posts_one_probe_reading(snmpd: Snmpd, store: SecretStore) -> None:
    check = schema.Snmp(community="right", port=snmpd.port, interfaces=("lo",))
    path = schema.Path("fw", "firewall", "127.0.0.1", (check,))
    posted: list[Reading] = []

    async def go() -> None:
        prober = Prober([path], posted.append, RealClock(), store)
        task = asyncio.create_task(prober.run())
        await asyncio.sleep(0)
        for _ in range(3):
            prober.start("fw", "snmp")
        async with asyncio.timeout(60):
            while sum(r.kind.startswith("probe-") for r in posted) < 3:
                await asyncio.sleep(0.02)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(go())
    assert [r.kind for r in posted if r.kind.startswith("probe-")] == ["probe-ok"] * 3
    assert all(r.source == "fw" and r.sense == "snmp" for r in posted)


# Our own trouble.


def test_without_its_secret_or_profile_it_is_unknown(store: SecretStore) -> None:
    for keys in ({"community": "no-such"}, {"profiles": ("acme",)}):
        outcome = run(runner(store, 9, **keys), 1.0)
        assert outcome.state == "unknown"
        assert outcome.reason.startswith("this box can't test: ")


def test_out_of_descriptors_is_unknown(store: SecretStore) -> None:
    async def go() -> Outcome:
        one, target = runner(store, 9), numeric("127.0.0.1")
        assert target is not None
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        held = []
        resource.setrlimit(resource.RLIMIT_NOFILE, (len(list(Path("/proc/self/fd").iterdir())) + 8, hard))
        one._ready()  # the profiles are files
        try:
            while True:
                held.append(os.dup(0))
        except OSError:
            os.close(held.pop())  # one for the secret's file, which is closed again
        try:
            with_one = await one._dialogue()
            assert with_one
            held.append(os.dup(0))
            one._dialogue = lambda: asyncio.sleep(0, with_one)  # type: ignore[method-assign]
            return await one.run(target, 1.0)
        finally:
            for fd in held:
                os.close(fd)
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    outcome = asyncio.run(go())
    assert outcome.state == "unknown", outcome


def test_nobody_there_is_down(store: SecretStore) -> None:
    outcome = run(runner(store, free_port()), 1.0)
    assert outcome.state == "down"
    assert "port unreachable" in outcome.reason


# Agents without manners.

HELD = values(
    {"1.3.6.1.2.1.1.3.0": ticks(10**9), "1.3.6.1.4.1.12356.101.4.1.8.0": gauge(700)}
    | {f"1.3.6.1.2.1.31.1.1.1.1.{n}": text(f"port{n}") for n in range(1, 400)}
    | {f"1.3.6.1.2.1.2.2.1.8.{n}": number(1) for n in range(1, 400)}
)


def test_a_large_device_is_read_within_its_limits(store: SecretStore) -> None:
    agent = TinyAgent(HELD, b"public-of-test")
    with answering(lambda data: [a for a in [agent.answer(data)] if a]) as port:
        outcome = run(runner(store, port, profiles=("interfaces", "fortinet"), interfaces=("port200",)))
    assert outcome.state == "up"
    assert outcome.detail["interfaces"] == 256
    assert outcome.detail["cut"]


def test_garbage_before_every_answer_is_counted_and_changes_nothing(store: SecretStore) -> None:
    agent = TinyAgent(HELD, b"public-of-test")

    def answers(data: bytes) -> list[bytes]:
        read, good = message.parse(data), agent.answer(data)
        assert isinstance(read, Community)
        assert isinstance(read.pdu, Pdu)
        assert good is not None
        stranger = Pdu(message.RESPONSE, read.pdu.id ^ 1, 0, 0, read.pdu.varbinds)
        hostile = ber.wrap(
            0x30, ber.wrap_integer(1) + ber.wrap(4, b"x") + ber.wrap(0xA2, b"\x02\x81\xff" + b"\xff" * 900)
        )
        return [b"", b"\x30\x84\xff\xff\xff\xff", os.urandom(300), good[:-3], message.wrap_community(1, b"x", stranger),
                message.wrap_community(0, b"x", read.pdu), hostile, data, good, good]  # fmt: skip

    with answering(answers) as port:
        outcome = run(runner(store, port, profiles=("interfaces", "fortinet")))
    assert outcome.state == "up", outcome
    assert outcome.detail["sessions"] == 700
    assert "malformed" in str(outcome.detail["ignored"])


def test_an_agent_that_falls_silent_half_way_is_still_up_and_says_what_is_unread(store: SecretStore) -> None:
    agent, asked = TinyAgent(HELD, b"public-of-test"), [0]

    def answers(data: bytes) -> list[bytes]:
        asked[0] += 1
        good = agent.answer(data)
        return [good] if asked[0] <= 3 and good is not None else []

    with answering(answers) as port:
        outcome = run(runner(store, port, profiles=("interfaces",), interfaces=("port1",)), 2.0)
    assert outcome.state == "up", outcome
    assert outcome.detail.get("unread") or outcome.detail.get("errors")


def test_an_answer_to_the_last_question_of_three_counts(store: SecretStore) -> None:
    agent, asked, lock = TinyAgent(HELD, b"public-of-test"), [0], threading.Lock()

    def answers(data: bytes) -> list[bytes]:
        with lock:
            asked[0] += 1
        good = agent.answer(data)
        return [good] if asked[0] >= 3 and good is not None else []

    with answering(answers) as port:
        outcome = run(runner(store, port, profiles=("system",)), 4.0)
    assert outcome.state == "up", outcome
    assert len({pdu.id for pdu in agent.asked}) == len(agent.asked)
