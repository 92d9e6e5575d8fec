"""Uplinks against real brokers on loopback: versions, TLS, refusals, outages, wills."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.journal.entry import Pending
from agent.journal.writer import JournalWriter
from agent.site import schema
from tests.real.brokers import HOST, Broker, broker, free_port, subscriber
from tests.real.sites import ROOT, until
from tests.uplink.fakes import Box, FakeJournal, FakeSecrets, entry

PATIENCE_S = 60.0
OUTAGE_S = float(os.environ.get("DIALTONE_OUTAGE_S", "10"))
pytestmark = pytest.mark.timeout(240)


async def soon(what: Callable[[], Any], why: str, patience_s: float = PATIENCE_S) -> Any:
    """Wait, bounded, until ``what()`` is true."""
    end = asyncio.get_running_loop().time() + patience_s
    while asyncio.get_running_loop().time() < end:
        value = what()
        if value:
            return value
        await asyncio.sleep(0.02)
    raise AssertionError(f"waited {patience_s:g} s in vain: {why}")


@contextlib.asynccontextmanager
async def running(box: Box) -> AsyncIterator[Box]:
    """The uplink's own task, cancelled at the end as the app does."""
    task = asyncio.create_task(box.uplink.run())
    try:
        yield box
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def box_for(url: str, journal: Any = None, secrets: Any = None, **keys: Any) -> Box:
    return Box(schema.Uplink(id="noc", urls=(url,), **keys), journal or FakeJournal(), secrets)


async def connected(box: Box, protocol: str) -> None:
    await soon(lambda: box.uplink.status()["connected"], f"not connected: {box.uplink.status()['last_error']}")
    assert box.uplink.status()["protocol"] == protocol


async def reported(box: Box) -> None:
    await soon(lambda: box.uplink.status()["backlog"] == 0, f"not all reported: {box.uplink.status()}")


async def failing(box: Box, *words: str) -> str:
    """The first failure that names one of ``words``, as it is told to the core."""
    told = await soon(
        lambda: next(
            (r.detail["reason"] for r in box.of("probe-fail") if any(w in str(r.detail["reason"]) for w in words)), None
        ),
        f"no failure names {words}: {box.readings}",
    )
    return str(told)


# -- versions ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "config", "protocol"),
    [
        ("mosquitto", "allow_anonymous true", "5"),
        ("mosquitto", "allow_anonymous true\nmax_inflight_messages 2", "5"),
        ("amqtt", "", "3.1.1"),
    ],
)
def test_everything_is_reported(kind: str, config: str, protocol: str) -> None:
    async def main(b: Broker) -> None:
        journal = FakeJournal(
            [entry(n) for n in range(1, 300)]
            + [entry(300, "alarm", "bank-a_los_t1-1"), entry(301, "verdict", "verdict", cause="none")]
        )
        box = box_for(b.url, journal)
        with subscriber(b.port) as heard:
            async with running(box):
                await connected(box, protocol)
                journal.commit(entry(302, "alarm", "bank-a_los_t1-2", times_raised=4))
                await reported(box)
                await soon(lambda: len(heard.ids()) == 302, "events missing")
                await soon(lambda: heard.last("health"), "no health")
            assert heard.ids().count("0123abcd.3.302") == 1
            assert len(heard.events()) == 302
            for topic in ("alarm/bank-a_los_t1-1", "alarm/bank-a_los_t1-2", "verdict"):
                assert heard.last(topic), topic
            await soon(lambda: heard.last("status/noc").body["state"] == "lost", "no farewell")  # type: ignore[union-attr]
            assert heard.last("status/noc").body["why"] == "stopped"  # type: ignore[union-attr]
            first = next(h for h in heard.heard if h.topic)
            assert first.topic == "status/noc"
            assert first.body["state"] == "up"
        told = [r for r in box.of("event") if r.subject == "bank-a_los_t1-2"]
        assert [(r.detail["received"], r.detail["times_raised"]) for r in told] == [(302, 4)]
        assert journal.saved["noc"] == ((1, 302),)
        with subscriber(b.port) as late:  # cleared or not, alarms are there for who comes late
            await soon(lambda: late.last("alarm/bank-a_los_t1-1"), "not retained")
            assert late.last("alarm/bank-a_los_t1-1").retained  # type: ignore[union-attr]

    with broker(config, kind=kind) as b:
        asyncio.run(main(b))


class Stub:
    """A server that answers each CONNECT by its protocol level with ``answers``; None: it closes without a word."""

    def __init__(self, answers: dict[int, bytes | None]) -> None:
        self.answers, self.levels = answers, list[int]()
        self._listener = socket.create_server((HOST, 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                link, _ = self._listener.accept()
                threading.Thread(target=self._answer, args=(link,), daemon=True).start()

    def _answer(self, link: socket.socket) -> None:
        with link, contextlib.suppress(OSError, IndexError):
            data = link.recv(4096)
            level = data[data.index(b"MQTT") + 4]
            self.levels.append(level)
            answer = self.answers[level]
            if answer is None:
                return
            link.sendall(answer)
            while link.recv(4096):
                pass

    def close(self) -> None:
        self._listener.close()


@contextlib.contextmanager
def stub(answers: dict[int, bytes | None]) -> Iterator[Stub]:
    made = Stub(answers)
    try:
        yield made
    finally:
        made.close()


@pytest.mark.parametrize("five", [b"\x20\x02\x00\x01", b"\x20\x03\x00\x84\x00", b"\x20\x02\x00\x84", None])
def test_a_server_without_mqtt_5_is_asked_in_311(five: bytes | None) -> None:
    async def main(server: Stub) -> None:
        box = box_for(f"mqtt://{HOST}:{server.port}")
        async with running(box):
            await connected(box, "3.1.1")
        assert server.levels == [5, 4]
        assert not box.of("probe-fail")

    with stub({5: five, 4: b"\x20\x02\x00\x00"}) as server:
        asyncio.run(main(server))


def test_a_guess_of_311_lasts_for_one_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(server: Stub) -> None:
        monkeypatch.setattr("agent.uplink.session.STALLED_S", 0.5)  # the stub never answers the birth
        box = box_for(f"mqtt://{HOST}:{server.port}")
        async with running(box):
            await connected(box, "3.1.1")
            server.answers[5] = b"\x20\x03\x00\x00\x00"
            await failing(box, "has not answered")
            await soon(lambda: box.uplink.status()["protocol"] == "5", "pinned to 3.1.1")
        assert server.levels[:3] == [5, 4, 5]
        sessions = [r.detail["session"] for r in box.of("probe-ok")]
        assert sessions == sorted(set(sessions))

    with stub({5: None, 4: b"\x20\x02\x00\x00"}) as server:
        asyncio.run(main(server))


def test_receive_maximum_and_packet_size_are_kept() -> None:
    """CONNACK with Receive Maximum 3 and Maximum Packet Size 400; the stub answers nothing more."""

    async def main(server: Stub) -> None:
        journal = FakeJournal([entry(n, text="x" * (1000 if n == 1 else 1)) for n in range(1, 50)])
        box = box_for(f"mqtt://{HOST}:{server.port}", journal)
        async with running(box):
            await connected(box, "5")
            await soon(lambda: box.uplink.status()["held"] == 1, "the large one was not held back")
            await soon(lambda: box.uplink.status()["inflight"] == 3, "the window was not filled")
            await asyncio.sleep(0.5)
            assert box.uplink.status()["inflight"] == 3

    with stub({5: b"\x20\x0b\x00\x00\x08\x21\x00\x03\x27\x00\x00\x02\x58"}) as server:
        asyncio.run(main(server))


# -- refusals ----------------------------------------------------------------------------------------------------------


def test_a_wrong_password_is_told(tmp_path: Path) -> None:
    async def main(b: Broker) -> None:
        secret = tmp_path / "secret"
        for word, good in (("wrong", False), ("right", True)):
            secret.write_text(word + "\n")
            box = box_for(b.url, None, FakeSecrets({"pw": secret}), user="testville", password="pw")
            async with running(box):
                if good:
                    await connected(box, "5")
                else:
                    assert "refused by the server" in await failing(box, "Not authorized", "Bad user name or password")
                    assert not box.uplink.status()["connected"]

    with broker(kind="mosquitto", start=False) as b:
        _users(b)
        b.start()
        asyncio.run(main(b))


def _users(b: Broker) -> None:
    program = shutil.which("mosquitto_passwd")
    if program is None:
        pytest.skip("needs mosquitto_passwd (the Debian package mosquitto)")
    passwords = b.directory / "passwords"
    for number, user in enumerate(("testville", "reader")):
        create = ["-c"] if number == 0 else []
        subprocess.run([program, *create, "-b", str(passwords), user, "right"], check=True, capture_output=True)
    passwords.chmod(0o644)
    file = b.directory / f"broker-{b.port}.conf"
    file.write_text(
        file.read_text().replace("allow_anonymous true", f"allow_anonymous false\npassword_file {passwords}")
    )


def test_what_an_acl_refuses_is_told_and_kept(tmp_path: Path) -> None:
    async def main(b: Broker) -> None:
        secret = tmp_path / "secret"
        secret.write_text("right")
        journal = FakeJournal([entry(n) for n in range(1, 4)])
        box = box_for(b.url, journal, FakeSecrets({"pw": secret}), user="testville", password="pw")
        async with running(box):
            await connected(box, "5")
            await soon(lambda: box.of("probe-degraded"), "the refusals were not told")
            status = box.uplink.status()
            assert (status["backlog"], status["set_aside"]) == (3, 0)

    with broker(kind="mosquitto", start=False) as b:
        _users(b)
        acl = b.directory / "acl"
        acl.write_text("user testville\ntopic write dialtone/v1/testville/a/status/#\n")
        acl.chmod(0o644)
        file = b.directory / f"broker-{b.port}.conf"
        file.write_text(file.read_text() + f"acl_file {acl}\n")
        b.start()
        asyncio.run(main(b))


def test_an_interface_without_address_is_told() -> None:
    async def main() -> None:
        box = box_for(f"mqtt://{HOST}:{free_port()}", interface="nosuch0")
        async with running(box):
            assert await failing(box, "nosuch0") == "there is no network interface nosuch0"

    asyncio.run(main())


def test_the_connection_comes_from_the_interface() -> None:
    async def main(b: Broker) -> None:
        box = box_for(b.url, interface="lo")
        async with running(box):
            await connected(box, "5")

    with broker(kind="mosquitto") as b:
        asyncio.run(main(b))


def test_the_next_url_is_tried() -> None:
    async def main(b: Broker) -> None:
        box = Box(schema.Uplink(id="noc", urls=(f"mqtt://{HOST}:{free_port()}", b.url)), FakeJournal())
        async with running(box):
            await connected(box, "5")
            assert box.uplink.status()["url"] == b.url
        assert box.of("probe-fail")[0].state == "down"

    with broker(kind="mosquitto") as b:
        asyncio.run(main(b))


# -- TLS ---------------------------------------------------------------------------------------------------------------


def _openssl(directory: Path, *words: str) -> None:
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("needs openssl (a Debian package)")
    subprocess.run([program, *words], cwd=directory, check=True, capture_output=True)


def certificates(directory: Path) -> None:
    """A CA, a certificate for localhost signed by it, one for us, and a CA that nobody asked for."""
    for name in ("ca", "other"):
        _openssl(directory, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN=test {name}",
                 "-keyout", f"{name}.key", "-out", f"{name}.pem")  # fmt: skip
    for name, extension in (("server", "subjectAltName=DNS:localhost"), ("client", "extendedKeyUsage=clientAuth")):
        (directory / f"{name}.ext").write_text(extension + "\n")
        _openssl(directory, "req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}",
                 "-keyout", f"{name}.key", "-out", f"{name}.csr")  # fmt: skip
        _openssl(directory, "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
                 "-CAcreateserial", "-days", "2", "-extfile", f"{name}.ext", "-out", f"{name}.pem")  # fmt: skip
    for key in directory.glob("*.key"):
        key.chmod(0o644)  # mosquitto gives up root before it reads them


def test_tls_verifies_both_sides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.uplink.flow.UNHEARD_S", 0)  # nobody is subscribed
    files = {"ca": "ca.pem", "other": "other.pem", "crt": "client.pem", "key": "client.key"}
    own = {"certificate": "crt", "key": "key"}

    async def main(b: Broker) -> None:
        secrets = FakeSecrets({name: b.directory / file for name, file in files.items()})
        url = f"mqtts://localhost:{b.port}"
        async with running(box_for(url, FakeJournal([entry(1)]), secrets, ca="ca", **own)) as box:
            await connected(box, "5")
            await reported(box)
        async with running(box_for(url, None, secrets, ca="other", **own)) as box:
            await failing(box, "certificate verify failed")
        async with running(box_for(f"mqtts://127.0.0.1:{b.port}", None, secrets, ca="ca", **own)) as box:
            await failing(box, "IP address mismatch")
        async with running(box_for(url, None, secrets, ca="ca")) as box:
            await failing(box, "CERTIFICATE_REQUIRED", "certificate required", "closed", "alert", "lost", "reset")
            assert not box.of("probe-ok")
        async with running(box_for(url, None, secrets, ca="ca", certificate="crt", key="other")) as box:
            await failing(box, "won't do")

    with broker(kind="mosquitto", start=False) as b:
        certificates(b.directory)
        config = b.directory / f"broker-{b.port}.conf"
        tls = f"cafile {b.directory}/ca.pem\ncertfile {b.directory}/server.pem\nkeyfile {b.directory}/server.key\n"
        config.write_text(config.read_text() + tls + "require_certificate true\n")
        b.start()
        asyncio.run(main(b))


# -- outages -----------------------------------------------------------------------------------------------------------


class Real:
    """The real journal, with entries put by hand."""

    def __init__(self) -> None:
        self.box: Box | None = None
        self.put = 0

    async def open(self, directory: Path) -> JournalWriter:
        self.journal = await JournalWriter.open(
            directory, 64 << 20, on_committed=self._committed, on_fault=lambda _reason: None, routine_s=0.2
        )
        return self.journal

    def _committed(self, entries: Any) -> None:
        if self.box is not None:
            self.box.uplink.committed(entries)

    def write(self, count: int, kind: str = "reading", key: str = "") -> None:
        for _ in range(count):
            self.put += 1
            body = b'{"n":%d,"text":"%s"}' % (self.put, b"x" * 200)
            self.journal.put(Pending(kind, body, kind == "alarm", self.put, "2024-06-18T17:15:00.000Z", True, key))


def test_a_broker_that_was_away_gets_everything_once_by_id_and_new_alarms_first(tmp_path: Path) -> None:
    async def main(b: Broker) -> None:
        real = Real()
        journal = await real.open(tmp_path)
        real.box = box = box_for(b.url, journal)
        with subscriber(b.port) as heard:
            async with running(box):
                await connected(box, "5")
                for _ in range(10):
                    real.write(20)
                    real.write(1, "alarm", "bank-a_los_t1-1")
                    await asyncio.sleep(0.05)
                b.stop(kill=True)
                for _ in range(int(OUTAGE_S * 10)):
                    real.write(100)
                    real.write(1, "alarm", "bank-a_los_t1-1")
                    await asyncio.sleep(0.1)
                assert not box.uplink.status()["connected"]
                b.start()
                assert await asyncio.to_thread(heard.subscribed.wait, PATIENCE_S)
                await connected(box, "5")
                first_old = journal.head
                fresh = [real.put + n for n in range(1, 4)]
                real.write(3, "alarm", "bank-a_los_t1-2")
                await reported(box)
                total = journal.head
                await soon(lambda: len(heard.ids()) == total, f"{total} reported; {box.uplink.status()}")
        await journal.close()
        numbers = [int(h.body["data"]["seq"]) for h in heard.events()]
        order = list(dict.fromkeys(numbers))
        assert sorted(order) == list(range(1, total + 1))
        last_old = max(order.index(n) for n in range(1, first_old + 1))
        assert fresh[-1] <= total
        assert all(order.index(n) < last_old for n in range(first_old + 1, total + 1))
        assert box.uplink.status()["acknowledged"] == [[1, total]]

    # Without the second line mosquitto drops what a slow subscriber has not taken beyond 1,000, and acknowledges it.
    with broker("allow_anonymous true\nmax_queued_messages 0", kind="mosquitto") as b:
        asyncio.run(main(b))


def test_a_subscriber_that_comes_back_late_misses_nothing() -> None:
    """After a broker's restart the uplink may be back before its receivers are."""

    async def main(b: Broker) -> None:
        journal = FakeJournal([entry(n) for n in range(1, 500)])
        async with running(box_for(b.url, journal)) as box:
            await connected(box, "5")
            await soon(lambda: box.uplink.status()["held"], "nothing was held back")
            with subscriber(b.port) as heard:
                await soon(lambda: len(heard.ids()) == 499, "events missing")
            assert box.uplink.status()["unheard"] == 0

    with broker(kind="mosquitto") as b:
        asyncio.run(main(b))


CHILD = """
import asyncio, sys
from tests.real.test_uplink import box_for
from tests.uplink.fakes import FakeJournal, entry
journal = FakeJournal([entry(1)])
journal.boot = int(sys.argv[2])
asyncio.run(box_for(sys.argv[1], journal).uplink.run())
"""


def test_a_killed_agent_is_told_as_lost_and_comes_back_with_a_higher_session() -> None:
    with broker(kind="mosquitto") as b, subscriber(b.port) as heard:

        def state() -> dict[str, Any]:
            last = heard.last("status/noc")
            return last.body if last is not None else {}

        sessions = []
        for boot in (3, 4):
            child = subprocess.Popen([sys.executable, "-c", CHILD, b.url, str(boot)], cwd=ROOT)
            try:
                until(lambda: state().get("state") == "up", "no birth", PATIENCE_S)
                sessions.append(state()["session"])
            finally:
                child.kill()
                child.wait()
            until(lambda: state().get("state") == "lost", "no will", PATIENCE_S)
            assert (state()["session"], state()["why"]) == (sessions[-1], "connection lost")
        assert sessions[0] < sessions[1]


def test_a_server_that_falls_silent_is_left_and_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The broker is stopped in its tracks (SIGSTOP): its TCP connection stays, its answers do not."""
    import signal

    monkeypatch.setattr("agent.uplink.session.STALLED_S", 2.0)

    async def main(b: Broker) -> None:
        journal = FakeJournal()
        box = box_for(b.url, journal)
        with subscriber(b.port) as heard:
            async with running(box):
                await connected(box, "5")
                os.kill(b.pid, signal.SIGSTOP)
                try:
                    journal.commit(*(entry(n) for n in range(1, 100)))
                    assert "has not answered" in await failing(box, "has not answered")
                finally:
                    os.kill(b.pid, signal.SIGCONT)
                await soon(lambda: box.uplink.status()["connects"] == 2, "never back")
                await reported(box)
                await soon(lambda: len(heard.ids()) == 99, "events missing")

    with broker(kind="mosquitto") as b:
        asyncio.run(main(b))


def test_a_journal_that_cannot_be_read_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.uplink.flow.UNHEARD_S", 0)  # nobody is subscribed

    async def main(b: Broker) -> None:
        journal = FakeJournal([entry(n) for n in range(1, 50)])
        journal.fail_reads = 2
        async with running(box_for(b.url, journal)) as box:
            await connected(box, "5")
            await reported(box)

    with broker(kind="mosquitto") as b:
        asyncio.run(main(b))


def test_stop_with_a_dead_server_takes_seconds_not_minutes() -> None:
    async def main(server: Stub) -> None:
        journal = FakeJournal([entry(n) for n in range(1, 50)])
        task = asyncio.create_task(box_for(f"mqtt://{HOST}:{server.port}", journal).uplink.run())
        await soon(lambda: 5 in server.levels, "no CONNECT")
        await asyncio.sleep(0.5)
        task.cancel()
        await asyncio.wait({task}, timeout=20)
        assert task.cancelled()

    with stub({5: b"\x20\x03\x00\x00\x00"}) as server:
        asyncio.run(main(server))
