"""What any broker must deliver: a probe with a real journal and uplink, a collector, and the account of both."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import random
import ssl
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from agent.clock import RealClock
from agent.journal.entry import Entry, Pending
from agent.journal.writer import JournalWriter
from agent.readings import Reading
from agent.site import schema
from agent.uplink.inlet import Inlet
from agent.uplink.mqtt import Uplink
from tests.uplink.fakes import SITE, FakeSecrets

PATIENCE_S = 90.0
BACKLOG = 2_000
ALARMS = 7
WALL = "2024-06-18T17:15:00.000Z"
TEXT = "x" * 200


async def soon(what: Callable[[], Any], why: Callable[[], Any], patience_s: float = PATIENCE_S) -> Any:
    """Wait, bounded, until ``what()`` is true."""
    loop = asyncio.get_running_loop()
    end = loop.time() + patience_s
    while loop.time() < end:
        value = what()
        if value:
            return value
        await asyncio.sleep(0.01)
    raise AssertionError(f"waited {patience_s:g} s in vain: {why()}")


class Probe:
    """A journal on disk, an uplink that reports it, and somebody who goes on writing."""

    def __init__(self, journal: JournalWriter, config: schema.Uplink, files: Mapping[str, Path], inlet: Inlet | None):
        self.journal = journal
        self.heads: list[int] = []  # the journal's head at each connection: live is what comes after it
        self.urls: list[str] = []
        self.put = 0
        self.uplink = Uplink(
            config,
            SITE,
            journal,
            FakeSecrets(files),
            self._post,
            RealClock(),
            lambda: {"lamps": {}},
            random.Random(1),
            inlet=inlet,
        )

    def _post(self, reading: Reading) -> None:
        # Told in the same step of the loop in which the session takes the journal's head.
        if reading.kind == "probe-ok" and "session" in reading.detail:
            self.heads.append(self.journal.head)
            self.urls.append(str(reading.detail["url"]))

    def write(self, count: int, kind: str = "reading", key: str = "") -> None:
        """Put entries into the journal, each with its number."""
        for _ in range(count):
            self.put += 1
            body = json.dumps({"n": self.put, "text": TEXT}).encode()
            self.journal.put(Pending(kind, body, kind == "alarm", self.put, WALL, True, key))

    @property
    def status(self) -> dict[str, Any]:
        """The uplink's."""
        return self.uplink.status()

    async def connected(self, times: int, protocol: str) -> None:
        """Wait for the ``times``-th connection."""
        await soon(lambda: len(self.heads) >= times and self.status["connected"], lambda: self.status)
        assert self.status["protocol"] == protocol

    async def lost(self) -> None:
        """Wait until the uplink knows that the connection is gone."""
        await soon(lambda: not self.status["connected"], lambda: f"the loss was not seen: {self.status}")

    async def drained(self) -> int:
        """Wait until all that was put is in the journal and acknowledged; how many that is."""
        await soon(lambda: self.journal.head == self.put, lambda: f"{self.journal.head} of {self.put} on disk")
        await soon(lambda: self.status["backlog"] == 0, lambda: f"not all reported: {self.status}")
        assert self.status["acknowledged"] == [[1, self.put]]
        assert (self.status["set_aside"], self.status["gone"]) == (0, 0)
        return self.put

    @contextlib.asynccontextmanager
    async def reporting(self) -> AsyncIterator[None]:
        """The uplink's own task, cancelled at the end as the app does."""
        task = asyncio.create_task(self.uplink.run())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    @contextlib.asynccontextmanager
    async def writing(self) -> AsyncIterator[None]:
        """Alarms and readings go on as long as this lasts: 10 and 1 every 50 ms."""

        async def write() -> None:
            while True:
                self.write(10)
                self.write(1, "alarm", f"bank-a_los_t1-{self.put % ALARMS}")
                await asyncio.sleep(0.05)

        task = asyncio.create_task(write())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


@contextlib.asynccontextmanager
async def probe(
    directory: Path,
    urls: Sequence[str],
    *,
    files: Mapping[str, Path] | None = None,
    inlet: Inlet | None = None,
    **keys: Any,
) -> AsyncIterator[Probe]:
    """A probe with a backlog of ``BACKLOG`` entries on disk; it does not report yet."""
    made: list[Probe] = []

    def committed(entries: Sequence[Entry]) -> None:
        for one in made:
            one.uplink.committed(entries)

    journal = await JournalWriter.open(
        directory, 64 << 20, on_committed=committed, on_fault=lambda _reason: None, routine_s=0.2
    )
    try:
        one = Probe(journal, schema.Uplink(id="noc", urls=tuple(urls), **keys), files or {}, inlet)
        one.write(BACKLOG)
        await soon(lambda: journal.head == BACKLOG, lambda: f"only {journal.head} entries are on disk")
        made.append(one)
        yield one
    finally:
        await journal.close()


class Collector:
    """A receiver that keeps its session: QoS 1, the same client id, subscribed again after each connection."""

    def __init__(
        self,
        port: int,
        *,
        host: str = "127.0.0.1",
        version: str = "3.1.1",
        qos: int = 1,
        user: str | None = None,
        password: str | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.ids: list[str] = []  # as they came, repeats included
        self.numbers: dict[str, int] = {}  # what each one's payload says
        self.topics: dict[str, int] = {}  # of all that is no event: how often, with the retain flag
        self._qos = qos
        self.present = threading.Event()
        five = version == "5"
        protocol = mqtt.MQTTProtocolVersion.MQTTv5 if five else mqtt.MQTTProtocolVersion.MQTTv311
        client = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2,
            client_id=f"noc-collector-{qos}",
            clean_session=None if five else False,
            protocol=protocol,
        )
        client.reconnect_delay_set(1, 1)
        if user is not None:
            client.username_pw_set(user, password)
        if tls is not None:
            client.tls_set_context(tls)
        client.on_connect = self._on_connect
        client.on_subscribe = lambda *_: self.present.set()
        client.on_disconnect = lambda *_: self.present.clear()
        client.on_message = self._on_message
        keep: dict[str, Any] = {}
        if five:
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.SessionExpiryInterval = 3600
            keep = {"clean_start": False, "properties": properties}
        client.connect_async(host, port, keepalive=10, **keep)
        self._client = client
        client.loop_start()

    def _on_connect(self, client: mqtt.Client, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if not reason.is_failure:
            client.subscribe("dialtone/v1/#", self._qos)

    def _on_message(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        if not message.topic.endswith("/event"):
            self.topics[message.topic] = self.topics.get(message.topic, 0) + message.retain
            return
        body = json.loads(message.payload)
        self.ids.append(str(body["id"]))
        self.numbers[self.ids[-1]] = int(body["data"]["n"])

    def close(self) -> None:
        """End it; what the broker keeps of its session goes with the broker's directory."""
        self._client.disconnect()
        self._client.loop_stop()


@contextlib.contextmanager
def collector(port: int, **kinds: Any) -> Iterator[Collector]:
    """A collector that has subscribed."""
    made = Collector(port, **kinds)
    try:
        assert made.present.wait(PATIENCE_S), "the collector never subscribed"
        yield made
    finally:
        made.close()


async def part_of_the_backlog(one: Probe, heard: Collector) -> None:
    """Wait until the probe is in the midst of its first backlog, with live ones come too."""
    await soon(
        lambda: len(heard.ids) >= 200 and any(n > one.heads[0] for n in heard.numbers.values()),
        lambda: f"nothing flows: {one.status}",
    )
    assert sum(n <= one.heads[0] for n in heard.numbers.values()) < one.heads[0], "the backlog was over too soon"


async def all_came(one: Probe, heard: Collector) -> int:
    """Nothing lost, nothing foreign, each id with its own content; how many came again."""
    total = await one.drained()
    await soon(lambda: len(set(heard.ids)) >= total, lambda: f"{len(set(heard.ids))} of {total} came: {one.status}")
    journal = one.journal
    wanted = [f"{journal.store_id}.{journal.boot}.{n}" for n in range(1, total + 1)]
    assert sorted(set(heard.ids), key=_seq) == wanted
    assert all(heard.numbers[name] == _seq(name) for name in wanted), "an id came with another one's content"
    return len(heard.ids) - total


def in_order(one: Probe, heard: Collector) -> None:
    """Within each stream the order of the first coming; and what is live overtook the backlog.

    Each connection splits the journal at its head into a backlog and what is live. An entry can come on a later
    connection than the one it was committed in, but never before an older one of the same part.
    """
    seqs = [_seq(name) for name in dict.fromkeys(heard.ids)]
    bounds = [0, *one.heads, one.put]
    for low, high in itertools.pairwise(bounds):
        part = [n for n in seqs if low < n <= high]
        assert part == sorted(part), f"out of order between {low} and {high}: {_turns(part)}"
    assert _turns(seqs), "nothing live came before the backlog's end"


def _turns(part: Sequence[int]) -> list[tuple[int, int]]:
    """Where a later one came first, each with what came after it."""
    return [(one, two) for one, two in itertools.pairwise(part) if one > two][:20]


def _seq(event_id: str) -> int:
    return int(event_id.rpartition(".")[2])


def no_storm(one: Probe, connects_most: int, attempts_most: int) -> None:
    """As few connections and attempts as what was done to the server gave cause for."""
    status = one.status
    assert status["connects"] == len(one.heads) <= connects_most, status
    assert status["attempts"] <= attempts_most, status
