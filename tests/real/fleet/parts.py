"""The parent's side: the children that hold the probes, a running ``dialtone watch``, and a receiver of all events."""

from __future__ import annotations

import bisect
import contextlib
import itertools
import json
import queue
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from tests.real.brokers import HOST, ROOT, START_S
from tests.real.collector import runs
from tests.real.sites import until

ANSWER_S = 60.0
RECEIPT_EVERY_S = 5.0


class Child:
    """One process with some of the probes."""

    def __init__(self, port: int, first: int, count: int, seed: str) -> None:
        self.sites = [f"site-{number:04d}" for number in range(first, first + count)]
        command = [sys.executable, "-m", "tests.real.fleet.probes", str(port), str(first), str(count), seed]
        self._child = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._answers: queue.Queue[bytes] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._child.stdout is not None
        for line in self._child.stdout:
            self._answers.put(line)

    def say(self, word: str) -> None:
        """One word; its answer is to be taken by ``answer``."""
        assert self._child.stdin is not None
        self._child.stdin.write(word.encode() + b"\n")
        self._child.stdin.flush()

    def answer(self) -> list[dict[str, Any]]:
        """The probes, where they were asked for."""
        told = json.loads(self._answers.get(timeout=ANSWER_S))
        assert not told["ended"], told["ended"]
        return list(told["probes"])

    def kill(self) -> None:
        """SIGKILL to this one, and it is gone."""
        self._child.kill()
        self._child.wait()


class Children:
    """All probes. A child that was killed is no more part of it."""

    def __init__(self, port: int, count: int, processes: int, seed: str) -> None:
        bounds = [count * i // processes for i in range(processes + 1)]
        self.all = [Child(port, low, high - low, seed) for low, high in itertools.pairwise(bounds)]

    def say(self, word: str) -> list[dict[str, Any]]:
        """To all of them; what they answer."""
        for child in self.all:
            child.say(word)
        return [probe for child in self.all for probe in child.answer()]

    def tell(self) -> list[dict[str, Any]]:
        """How each probe stands."""
        return self.say("tell")

    def reporting(self) -> bool:
        """Whether all are connected, with nothing left to report."""
        return all(probe["connected"] and not probe["backlog"] for probe in self.tell())

    def reporting_again(self, since_s: float) -> Callable[[], bool]:
        """Asks whether each has connected after ``since_s``."""
        return lambda: all(probe["births"] and probe["births"][-1] >= since_s for probe in self.tell())

    def kill_one(self) -> list[str]:
        """SIGKILL to one child; the sites that are gone with it."""
        child = self.all.pop()
        child.kill()
        return child.sites


@contextlib.contextmanager
def children(port: int, count: int, processes: int, seed: str) -> Iterator[Children]:
    """Probes that are gone afterwards."""
    made = Children(port, count, processes, seed)
    try:
        yield made
    finally:
        for child in made.all:
            child.kill()


@dataclass(frozen=True, slots=True)
class Moment:
    """One line of the watch, in short."""

    at_s: float
    connected: bool
    counts: dict[str, int]
    lost_together: tuple[int, ...]


class Watch:
    """A running ``dialtone watch --json``: its newest line whole, the others in short."""

    def __init__(self, url: str) -> None:
        command = [sys.executable, "-m", "agent", "watch", url, "--json"]
        self._child = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
        self.last: dict[str, Any] = {"sites": [], "events": [], "remarks": ["not yet"]}
        self.story: list[Moment] = []
        self.bytes_of_last = 0
        threading.Thread(target=self._read, daemon=True).start()

    @property
    def pid(self) -> int:
        """The process's."""
        return self._child.pid

    def _read(self) -> None:
        assert self._child.stdout is not None
        for line in self._child.stdout:
            told = json.loads(line)
            lost = tuple(event["count"] for event in told["events"] if event["what"] == "lost")
            self.story.append(Moment(time.monotonic(), not told["remarks"], told["counts"], lost))
            self.last, self.bytes_of_last = told, len(line)

    def wrong(self, probes: Sequence[dict[str, Any]], gone: Sequence[str] = ()) -> list[str]:
        """Where its newest line is not what the probes say of themselves, ``gone`` being those that are lost."""
        told = self.last
        sites = {site["site"]: site for site in told["sites"]}
        wanted = {probe["site"]: probe for probe in probes}
        out = [f"{name} is not known" for name in (*wanted, *gone) if name not in sites]
        out += [f"{name} is nobody's" for name in sites if name not in wanted and name not in gone]
        out += [f"{name} is not lost" for name in gone if name in sites and sites[name]["state"] != "lost"]
        out += [
            f"{name}: {why}" for name, probe in wanted.items() if name in sites for why in differs(sites[name], probe)
        ]
        return out + list(told["remarks"])

    def told_lost_together(self) -> list[Moment]:
        """The lines that spoke of sites lost together."""
        return [moment for moment in list(self.story) if moment.lost_together]

    def close(self) -> None:
        """End it by its own pid."""
        self._child.terminate()
        try:
            self._child.wait(10)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()


def differs(site: dict[str, Any], probe: dict[str, Any]) -> list[str]:
    """How the watch's word on a site differs from its probe's own."""
    shown = site["probes"][0]
    held = {alarm["id"]: [alarm["severity"], alarm["state"]] for alarm in shown["alarms"]}
    worst = next((s for s in ("critical", "major", "minor") if s in {a[0] for a in probe["alarms"].values()}), None)
    wanted = ("alarm", worst) if worst is not None else ("well", None)
    out = [] if (site["state"], site["severity"]) == wanted else [f"{site['state']} ({site['why']}), not {wanted}"]
    return out if held == probe["alarms"] else [*out, f"alarms {held}, not {probe['alarms']}"]


@contextlib.contextmanager
def watching(url: str) -> Iterator[Watch]:
    """A watch that has connected."""
    made = Watch(url)
    try:
        until(lambda: not made.last["remarks"], "the watch never connected")
        yield made
    finally:
        made.close()


@dataclass(slots=True)
class Store:
    """What is held of one probe's events. ``said``: how many of them when the last receipt was given."""

    site: str
    probe: str
    seqs: set[int] = field(default_factory=set)
    said: int = 0
    session: int = -1


class Receiver:
    """Keeps every event by its id, and says by receipts what it has: at each birth, and every few seconds.

    Its session is clean, as is that of many a collector: what came while it was away the broker has forgotten.
    ``per_s``: messages of any kind in each second of the monotonic clock; ``sizes``: how often and how many bytes.
    """

    def __init__(self, port: int) -> None:
        self.times: Counter[str] = Counter()  # how often each id came
        self.changed: list[str] = []  # ids of repeats that were not the same bytes
        self.per_s: Counter[int] = Counter()
        self.sizes: dict[str, tuple[int, int]] = {}
        self.subscribed = threading.Event()
        self._payloads: dict[str, int] = {}
        self._stores: dict[str, Store] = {}
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id="fleet-receiver", protocol=MQTTProtocolVersion.MQTTv5
        )
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = lambda client, *_: client.subscribe("dialtone/v1/+/+/#", 1)
        self._client.on_subscribe = lambda *_: self.subscribed.set()
        self._client.on_disconnect = lambda *_: self.subscribed.clear()
        self._client.on_message = self._on_message
        self._client.connect_async(HOST, port, keepalive=10)
        self._client.loop_start()
        threading.Thread(target=self._receipts, daemon=True).start()

    def _on_message(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        _, _, site, probe, what, *_ = message.topic.split("/")
        if what in ("receipt", "cmd"):
            return
        with self._lock:
            self.per_s[int(time.monotonic())] += 1
            count, size = self.sizes.get(what, (0, 0))
            self.sizes[what] = (count + 1, size + len(message.payload) + len(message.topic))
            if what == "event":
                self._event(site, probe, bytes(message.payload))
            elif what == "status":
                self._status(site, probe, json.loads(message.payload))

    def _event(self, site: str, probe: str, payload: bytes) -> None:
        id_ = str(json.loads(payload)["id"])
        store, _, seq = id_.split(".")
        self.times[id_] += 1
        if self._payloads.setdefault(id_, hash(payload)) != hash(payload):
            self.changed.append(id_)
        self._stores.setdefault(store, Store(site, probe)).seqs.add(int(seq))

    def _status(self, site: str, probe: str, body: dict[str, Any]) -> None:
        held = self._stores.setdefault(body["store"], Store(site, probe))
        if body["state"] == "up" and body["session"] > held.session:
            held.session = body["session"]
            self._receipt(body["store"], held)

    def _receipt(self, store: str, held: Store) -> None:
        held.said = len(held.seqs)
        body = {"store": store, "receiver": "fleet", "ranges": runs(held.seqs)}
        self._client.publish(f"dialtone/v1/{held.site}/{held.probe}/receipt", json.dumps(body), 1)

    def _receipts(self) -> None:
        while not self._over.wait(RECEIPT_EVERY_S):
            with self._lock:
                for store, held in self._stores.items():
                    if held.said < len(held.seqs) and self.subscribed.is_set():
                        self._receipt(store, held)

    def missing(self, probes: Sequence[dict[str, Any]]) -> list[str]:
        """The ids that the probes have written and that never came."""
        wanted = {f"{probe['store']}.1.{seq}" for probe in probes for seq in range(1, probe["head"] + 1)}
        with self._lock:
            return sorted(wanted - set(self.times))

    def foreign(self, probes: Sequence[dict[str, Any]]) -> list[str]:
        """Ids that came and that nobody has written."""
        heads = {probe["store"]: probe["head"] for probe in probes}
        with self._lock:
            return [id_ for id_ in self.times if int(id_.split(".")[2]) > heads.get(id_.split(".")[0], 0)]

    def close(self) -> None:
        """End it."""
        self._over.set()
        self._client.disconnect()
        self._client.loop_stop()


@contextlib.contextmanager
def receiving(port: int) -> Iterator[Receiver]:
    """A receiver that has subscribed."""
    made = Receiver(port)
    try:
        assert made.subscribed.wait(START_S), "the receiver never subscribed"
        yield made
    finally:
        made.close()


def most_within(times_s: Sequence[float], width_s: float = 1.0) -> int:
    """The largest number of them within any window."""
    ordered = sorted(times_s)
    return max((i + 1 - bisect.bisect_left(ordered, at_s - width_s) for i, at_s in enumerate(ordered)), default=0)
