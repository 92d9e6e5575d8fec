"""Several ways out: a standby takes over and gives back; both at once send nothing twice; certificates that end soon."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agent.clock import RealClock, Wall
from agent.site import schema
from agent.uplink import standby
from tests.real.brokers import Broker, broker, subscriber
from tests.real.servers.delivery import soon
from tests.real.servers.test_mosquitto import PROBE, guarded, openssl
from tests.uplink.fakes import Box, FakeJournal, FakeSecrets, entry

pytestmark = pytest.mark.timeout(120)


@contextlib.asynccontextmanager
async def reporting(*boxes: Box) -> AsyncIterator[None]:
    """The uplinks of one box at work, cancelled at the end as the app does."""
    for box in boxes:
        box.uplink.beside([one.uplink for one in boxes])
    tasks = [asyncio.create_task(box.uplink.run()) for box in boxes]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def box(journal: FakeJournal, uplink_id: str, b: Broker, **keys: Any) -> Box:
    return Box(schema.Uplink(id=uplink_id, urls=(b.url,), **keys), journal)


def test_a_standby_takes_over_brings_only_what_is_missing_and_gives_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standby, "BACK_S", 2.0)

    async def main(near: Broker, far: Broker, heard: Any) -> None:
        journal = FakeJournal([entry(n) for n in range(1, 301)])
        first, second = box(journal, "wired", near), box(journal, "cellular", far, standby_s=1)
        async with reporting(first, second):
            await soon(lambda: first.uplink.status()["backlog"] == 0, first.uplink.status)
            await asyncio.sleep(2.5)
            assert (second.uplink.connected, second.uplink.status()["standby"]) == (False, True)
            near.stop()
            await soon(lambda: second.uplink.connected, second.uplink.status)
            journal.commit(entry(301), entry(302))
            await soon(lambda: second.uplink.status()["backlog"] == 0, second.uplink.status)
            near.start()
            await soon(lambda: first.uplink.connected and not second.uplink.connected, second.uplink.status)
            assert second.uplink.status()["last_error"] == "a preferred way is up again"
            await soon(lambda: heard.last("status/cellular").body["state"] == "lost", lambda: heard.heard[-3:])
            assert heard.last("status/cellular").body["why"] == "a preferred way is up again"
            assert len(heard.ids()) == 2, "what the first way had brought comes again over the second"

    with broker() as near, broker() as far, subscriber(far.port) as heard, subscriber(near.port):
        asyncio.run(main(near, far, heard))


def test_both_at_once_report_and_the_one_that_was_away_sends_only_what_is_missing() -> None:
    async def main(one: Broker, two: Broker, heard: Any) -> None:
        journal = FakeJournal([entry(n) for n in range(1, 101)])
        two.stop()
        a, b = box(journal, "a", one), box(journal, "b", two)
        async with reporting(a, b):
            await soon(lambda: a.uplink.status()["backlog"] == 0, a.uplink.status)
            two.start()
            await soon(lambda: heard.subscribed.is_set() and b.uplink.connected, b.uplink.status)
            journal.commit(entry(101))
            await soon(lambda: b.uplink.status()["backlog"] == 0, b.uplink.status)
            await soon(lambda: heard.ids(), lambda: "nothing came")
            assert len(heard.ids()) == 1

    with broker() as one, broker() as two, subscriber(one.port), subscriber(two.port) as heard:
        asyncio.run(main(one, two, heard))


def test_from_an_address_of_its_own() -> None:
    async def main(b: Broker) -> None:
        one = box(FakeJournal(), "noc", b, source="127.0.0.2")
        async with reporting(one):
            await soon(lambda: one.uplink.connected, one.uplink.status)

    with broker("allow_anonymous true\nlog_type all", kind="mosquitto") as b:
        asyncio.run(main(b))
        assert "127.0.0.2" in b.log()


def test_certificates_that_end_soon_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.clock.kernel_synchronised", lambda: True)

    async def main(b: Broker) -> list[tuple[str, str | None, str]]:
        names: dict[str, Path] = {
            "ca": b.directory / "ca.pem",
            "crt": b.directory / f"{PROBE}.pem",
            "key": b.directory / f"{PROBE}.key",
        }
        urls = (f"mqtts://localhost:{b.port}",)
        config = schema.Uplink(id="noc", urls=urls, ca="ca", certificate="crt", key="key")
        one = Box(config, FakeJournal(), FakeSecrets(names))
        async with reporting(one):
            await soon(lambda: one.uplink.connected, one.uplink.status)
            await soon(lambda: len(one.of("event")) >= 2, lambda: one.readings)
        return [(r.subject, r.state, str(r.detail["certificate"])) for r in one.of("event") if r.subject]

    with guarded() as b:
        b.start()
        told = asyncio.run(main(b))
    assert sorted((whose, state) for whose, state, _ in told) == [("own", "degraded"), ("server", "degraded")]
    assert all("expires on" in text and "within 7 days" in text for *_, text in told)


def not_yet_valid(directory: Path, days: int) -> None:
    """The server's certificate anew: good from tomorrow, for so many days."""
    start, end = datetime.now(UTC) + timedelta(days=1), datetime.now(UTC) + timedelta(days=1 + days)
    for name in ("index.txt", "index.txt.attr"):
        (directory / name).write_text("")
    (directory / "ca.cnf").write_text(
        f"[ca]\ndefault_ca=d\n[d]\ndatabase={directory}/index.txt\nnew_certs_dir={directory}\nrand_serial=yes\n"
        "default_md=sha256\npolicy=p\nx509_extensions=e\n[p]\ncommonName=supplied\n[e]\nsubjectAltName=DNS:localhost\n"
    )
    openssl(directory, "ca", "-batch", "-config", "ca.cnf", "-cert", "ca.pem", "-keyfile", "ca.key", "-notext",
            "-startdate", f"{start:%Y%m%d%H%M%SZ}", "-enddate", f"{end:%Y%m%d%H%M%SZ}", "-in", "localhost.csr",
            "-out", "localhost.pem")  # fmt: skip


class Slow(RealClock):
    """The clock of a box that has none: set or not, and what it says."""

    def __init__(self, synced: bool, utc: str) -> None:
        super().__init__()
        self._label = Wall(utc, synced)

    def wall(self) -> Wall:
        return self._label


@pytest.mark.parametrize(
    ("synced", "newest_in_days", "outcome"),
    [
        (True, 2, "not yet valid"),  # this clock is right, so the certificate is wrong
        (False, 2, "connected"),  # by the journal it is the day after tomorrow: this clock is wrong
        (False, 30, "has expired"),
        (False, None, "not yet valid"),  # nothing says that the clock is wrong
    ],
)
def test_a_box_that_begins_in_the_past_is_not_locked_out(
    synced: bool, newest_in_days: int | None, outcome: str
) -> None:
    now = datetime.now(UTC)
    newest = now + timedelta(days=newest_in_days or 0)

    async def main(b: Broker) -> None:
        names = {"ca": b.directory / "ca.pem", "crt": b.directory / f"{PROBE}.pem", "key": b.directory / f"{PROBE}.key"}
        config = schema.Uplink(id="noc", urls=(f"mqtts://localhost:{b.port}",), ca="ca", certificate="crt", key="key")
        last = dataclasses.replace(entry(1), wall=f"{newest:%Y-%m-%dT%H:%M:%S}.000Z", synced=newest_in_days is not None)
        one = Box(config, FakeJournal([last]), FakeSecrets(names))
        one.uplink._clock = Slow(synced, f"{now:%Y-%m-%dT%H:%M:%S}.000Z")
        async with reporting(one):
            await soon(lambda: one.uplink.connected or one.uplink.status()["last_error"], one.uplink.status)
        told = "connected" if one.of("probe-ok") else str(one.uplink.status()["last_error"])
        assert outcome in told

    with guarded() as b:
        not_yet_valid(b.directory, 20)
        b.start()
        asyncio.run(main(b))
