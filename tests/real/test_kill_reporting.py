"""kill -9 of the agent while it reports a storm of alarms to a broker that comes and goes.

What must hold, after any kill: the chain verifies; nothing came to the receiver that is not in the journal; a repeat
has the same id and the same bytes; what a receipt has named is not sent again, neither where the journal remembers the
receipt nor once a receiver has said it anew (it does at each birth). In the end every entry has come.

What mosquitto 2.0 gives, and no more: after SIGTERM it has everything it has acknowledged, the queue of a persistent
session included. After SIGKILL it has what it last saved (``autosave_interval``, here 1 s); what it has acknowledged
since is gone, queue, sessions and retained messages. So with a broker that is killed a PUBACK proves nothing, and only
receipts make the promise above good.

DIALTONE_KILLS: how often (30; 1,000 for the long run). DIALTONE_SEED repeats a run's moments, not the machine's.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from agent.clock import RealClock
from agent.control import Unanswered
from tests.real.brokers import Broker, mosquitto_program
from tests.real.collector import Arrival, Collector, collector
from tests.real.sites import Site, site, tl1, until
from tests.real.test_agent_kill import TRUNKS, verified

KILLS = int(os.environ.get("DIALTONE_KILLS", "30"))
SEED = int(os.environ.get("DIALTONE_SEED", str(random.randrange(1 << 32))))
BLOCK = 100  # kills of one journal: then a new one, so that a long run stays as quick as a short one
KEPT = "persistence true\npersistence_location {0}/\nautosave_interval 1\nuser root\nmax_queued_messages 0\n"
CONDITIONS = ("LOS", "AIS", "RAI")
OURS = frozenset({"synced", "valid_s", "seq", "boot", "psap"})  # what an event's data says of its own
RANGES_MAX = 8
SYNCS_MAX = 60
LIVES = (sys.executable, "-m", "agent", "run")


def uplink(port: int) -> str:
    return f'[[uplink]]\nid = "noc"\nurls = ["mqtt://127.0.0.1:{port}"]\nkeepalive_s = 5\n'


@contextlib.contextmanager
def keeping_broker() -> Iterator[Broker]:
    """mosquitto that writes its queues down."""
    if mosquitto_program() is None:
        pytest.skip("needs mosquitto (a Debian package)")
    with tempfile.TemporaryDirectory(prefix="dt-broker-") as directory:
        made = Broker(Path(directory), "allow_anonymous true\n" + KEPT.format(directory))
        try:
            made.start()
            yield made
        finally:
            made.stop()


class Background:
    """A thread that does ``turn`` again and again until closed; what it fails with fails the test."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._failed: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def turn(self) -> None:
        raise NotImplementedError

    def rest(self, seconds: float) -> None:
        self._stop.wait(seconds)

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                self.turn()
        except BaseException as error:
            self._failed = error

    def __enter__(self) -> Background:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(60)
        assert not self._thread.is_alive()
        if self._failed is not None:
            raise self._failed


class Storm(Background):
    """Alarms raised and cleared, each message a change; where nobody reads the port they go nowhere."""

    def __init__(self, s: Site, rng: random.Random) -> None:
        super().__init__()
        self._site, self._rng, self._atag = s, rng, 0
        self._raised: set[tuple[int, str]] = set()
        os.set_blocking(s.master, False)

    def turn(self) -> None:
        point = (self._rng.randint(1, 28), self._rng.choice(CONDITIONS))
        self._raised ^= {point}
        self._atag += 1
        code = "MJ" if point in self._raised else "CL"
        with contextlib.suppress(BlockingIOError):
            os.write(self._site.master, tl1(f"T1-{point[0]}", code, point[1], self._atag))
        self.rest(0.015)


class Flapping(Background):
    """The broker away for a while, at random moments, stopped or killed; at times with a queue for a receiver that is
    away as well, and then what it has acknowledged of late is gone."""

    def __init__(self, broker: Broker, heard: Collector, rng: random.Random) -> None:
        super().__init__()
        self.broker, self._heard, self._rng = broker, heard, rng
        self.stops = self.kills = 0

    def turn(self) -> None:
        self.rest(self._rng.uniform(0.5, 4))
        kill = self._rng.random() < 0.4
        self.kills += kill
        self.stops += not kill
        alone = self._rng.random() < 0.4
        if alone:
            self._heard.go()
            self.rest(self._rng.uniform(0.2, 1.2))
        self.broker.stop(kill=kill)
        self.rest(self._rng.uniform(0, 0.6))
        self.broker.start()
        if alone:
            self.rest(self._rng.uniform(0, 0.6))
            self._heard.come()


@dataclass(frozen=True, slots=True)
class Fence:
    """Once, in one connection, the agent said that it knows of ``stored``; what it made later came later."""

    session: int
    made_after: str
    stored: frozenset[int]


def numbers(ranges: Any) -> frozenset[int]:
    return frozenset(seq for first, last in ranges for seq in range(first, last + 1))


@dataclass
class Watch:
    """Judges each life of one journal."""

    site: Site
    heard: Collector
    fences: list[Fence] = field(default_factory=list)
    looked: int = 0
    fenced: int = 0
    again: int = 0  # repeats of what a receipt had named before that connection began
    saved: dict[str, frozenset[int]] = field(default_factory=dict)
    rows: dict[int, tuple[int, bytes]] = field(default_factory=dict)
    store: str = ""

    def look(self) -> None:
        """What the agent says of itself; it may be starting, or dead."""
        with contextlib.suppress(Unanswered, IndexError):
            one = self.site.status()["uplinks"][0]
            stored = numbers(one["stored"])
            assert stored <= self.heard.said, "the agent knows of a receipt that was never given"
            if one["connected"]:
                self.fences.append(Fence(one["session"], RealClock().wall().utc, stored))

    def judge(self) -> None:
        """After a life; the agent is dead."""
        if not (self.site.journal / "journal.db").exists():  # killed before it had one
            assert not self.heard.arrivals
            return
        assert verified(self.site) == ""
        assert self.heard.changed == [], "a repeat with other bytes"
        before = self.saved
        self._read()
        arrivals = self.heard.arrivals[self.looked : self.heard.mark()]
        self.looked += len(arrivals)
        for arrival in arrivals:
            self._known(arrival)
            assert arrival.seq not in before.get(str(arrival.boot), ()), "sent what the journal knew to be stored"
            self.again += arrival.seq in self.heard.said_at_birth.get(arrival.session, ())
        for fence in self.fences:
            self._kept(fence, arrivals)
        self.fences.clear()

    def _read(self) -> None:
        """The journal's new entries, and what it knows of receipts: never less than at the last death."""
        with sqlite3.connect(f"file:{self.site.journal / 'journal.db'}?mode=ro", uri=True) as db:
            self.store, boot = (
                db.execute("SELECT value FROM meta WHERE name = ?", (n,)).fetchone()[0] for n in ("store", "boot")
            )
            sql = "SELECT seq, boot, payload FROM entry WHERE seq > ?"
            self.rows |= {seq: (b, raw) for seq, b, raw in db.execute(sql, (max(self.rows, default=0),))}
            row = db.execute("SELECT ranges FROM ranges WHERE uplink = 'noc.receipts'").fetchone()
        ranges = json.loads(row[0]) if row else []
        saved = numbers(ranges)
        assert saved <= self.heard.said, "the journal knows of a receipt that was never given"
        last = max(self.saved, key=int, default="0")
        assert self.saved.get(last, frozenset()) <= saved or len(ranges) == RANGES_MAX, "a kept receipt is forgotten"
        self.saved[str(boot + 1)] = saved

    def _known(self, arrival: Arrival) -> None:
        body = json.loads(arrival.payload)
        store, boot, seq = body["id"].split(".")
        assert store == self.store
        assert arrival.seq in self.rows, f"{body['id']} was sent and is not on disk"
        wrote, payload = self.rows[arrival.seq]
        assert (wrote, arrival.seq) == (int(boot), int(seq))
        wrong = [k for k, v in json.loads(payload).items() if k not in OURS and body["data"].get(k, ...) != v]
        assert not wrong, f"{body['id']} was sent with another {wrong}"

    def _kept(self, fence: Fence, arrivals: list[Arrival]) -> None:
        over = [a for a in arrivals if a.session == fence.session]
        passed = next((n for n, a in enumerate(over) if a.made > fence.made_after), len(over))
        self.fenced += passed < len(over)
        again = [a.seq for a in over[passed:] if a.seq in fence.stored]
        assert not again, f"sent again after the agent knew its receipt: {again[:20]}"


def life(s: Site, watch: Watch, rng: random.Random) -> None:
    """Start, let it report, kill it at some moment."""
    with subprocess.Popen([*LIVES, str(s.file)], cwd=Path(__file__).parents[2]) as child:
        # Some lives are longer than a backlog waits for a receipt that is withheld.
        long = rng.random() < (0.4 if watch.heard.withholding else 0.05)
        end = time.monotonic() + (rng.uniform(2.4, 3.6) if long else rng.uniform(0.2, 2))
        try:
            while time.monotonic() < end:
                time.sleep(min(0.25, max(0, end - time.monotonic())))
                watch.look()
            alive = child.poll() is None
        finally:
            child.kill()
    assert alive, f"the agent ended by itself with {child.returncode}"


def block(kills: int, rng: random.Random) -> str:
    """So many kills of one journal, then one life in peace; what happened, in words."""
    with keeping_broker() as b, site(trunks=TRUNKS, extra=uplink(b.port)) as s, collector(b.port) as heard:
        watch, flapping = Watch(s, heard), Flapping(b, heard, random.Random(rng.random()))
        with flapping, Storm(s, random.Random(rng.random())):
            for number in range(kills):
                heard.withholding = rng.random() < 0.2
                life(s, watch, rng)
                if number % 10 == 5:  # an orderly end writes the cursors down, which kill -9 seldom lets happen
                    ended_in_order(s, watch, rng)
                watch.judge()
        heard.withholding = False
        until(heard.subscribed.is_set, "the collector never came back", 60)
        began = time.monotonic()
        in_peace(s, watch)
        arrived = heard.mark()
        return (
            f"{kills} kills, broker stopped {flapping.stops} and killed {flapping.kills} times: "
            f"{len(watch.rows)} entries, {arrived} arrivals, {arrived - len(heard.payloads)} repeats ({watch.again} of "
            f"them of what a receipt had named before), {heard.receipts} receipts, {watch.fenced} fences, "
            f"all told after {time.monotonic() - began:.0f} s of peace"
        )


def ended_in_order(s: Site, watch: Watch, rng: random.Random) -> None:
    with s.agent():
        end = time.monotonic() + rng.uniform(1, 4)
        while time.monotonic() < end:
            time.sleep(0.25)
            watch.look()


def in_peace(s: Site, watch: Watch) -> None:
    """The last life: all that was ever written comes, each id once but for repeats."""
    heard = watch.heard
    with s.agent() as child:
        until(lambda: s.status()["uplinks"][0]["connected"], "never connected", 60)
        head = s.status()["journal"]["head"]
        until(lambda: s.status()["uplinks"][0]["backlog"] == 0, "not all reported", 120)
        until(lambda: heard.stored >= set(range(1, head + 1)), f"lost: {lost(heard, head)}", 30)
        heard.receipt()
        until(lambda: numbers(s.status()["uplinks"][0]["stored"]) >= set(range(1, head + 1)), "a receipt went astray")
        watch.look()
        child.kill()
        child.wait()
    watch.judge()
    assert set(range(1, head + 1)) <= set(watch.rows)
    for seq in range(1, head + 1):
        assert f"{watch.store}.{watch.rows[seq][0]}.{seq}" in heard.payloads
    assert len(heard.payloads) == len(heard.stored), "one entry under two ids"


def lost(heard: Collector, head: int) -> list[int]:
    return sorted(set(range(1, head + 1)) - heard.stored)[:20]


def test_kill_9_while_reporting_to_a_broker_that_comes_and_goes() -> None:
    print(f"seed {SEED}: DIALTONE_SEED={SEED} repeats this")
    rng = random.Random(SEED)
    for done in range(0, KILLS, BLOCK):
        began = time.monotonic()
        print(block(min(BLOCK, KILLS - done), rng), f"in {time.monotonic() - began:.0f} s", flush=True)


def test_killed_at_each_sync_while_reporting() -> None:
    """Each life is killed at one sync later than the last, until one comes through to its orderly end."""
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("needs strace (Debian package strace)")
    with keeping_broker() as b, site(trunks=TRUNKS, extra=uplink(b.port)) as s, collector(b.port) as heard:
        watch = Watch(s, heard)
        for when in range(1, SYNCS_MAX):
            inject = f"inject=fdatasync,fsync:signal=SIGKILL:when={when}"
            # -D: the agent is our child and strace its grandchild, which ends with it
            traced = (strace, "-D", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync,fsync", "-e", inject)
            with s.agent(*traced, *LIVES, str(s.file), wait=False) as child:
                reported(s, child, when)
                watch.look()
                child.terminate()
                child.wait(60)
            watch.judge()
            if child.returncode != -signal.SIGKILL:
                break
        assert child.returncode == 0, "no life came through"
        in_peace(s, watch)
        print(f"killed at {when - 1} syncs: {len(watch.rows)} entries, {heard.mark()} arrivals, {watch.fenced} fences")
        assert when > 6


def reported(s: Site, child: subprocess.Popen[bytes], round_: int) -> None:
    """A few alarms, raised in one round and cleared in the next, reported to the end; or the agent is killed before."""

    def over(*, want: bool) -> bool:
        with contextlib.suppress(Unanswered):
            one = s.status()["uplinks"][0]
            return child.poll() is not None or (one["connected"] and (not want or one["backlog"] == 0))
        return child.poll() is not None

    until(lambda: over(want=False), "the agent never came up", 60)
    os.set_blocking(s.master, False)
    for number in range(1, 7):
        if child.poll() is None:
            with contextlib.suppress(BlockingIOError):
                os.write(s.master, tl1(f"T1-{number}", "MJ" if round_ % 2 else "CL", "LOS", round_ * 6 + number))
            time.sleep(0.1)
    until(lambda: over(want=True), "not all reported", 60)
