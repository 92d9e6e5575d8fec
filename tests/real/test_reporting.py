"""The whole way: a TL1 message into a pty, the agent of ``run``, a real broker, mosquitto's own subscriber.

DIALTONE_OUTAGE_S sets how long the broker stays away (default 10; 60 for the long run).
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.real.brokers import broker, subscriber
from tests.real.sites import Site, site, tl1, until

TRUNKS = [f"T{n // 28 + 1}-{n % 28 + 1}" for n in range(8 * 28)]
OUTAGE_S = float(os.environ.get("DIALTONE_OUTAGE_S", "10"))
LOS = "bank-a_los_t1-1"


def uplink(port: int) -> str:
    return f'[[uplink]]\nid = "noc"\nurls = ["mqtt://127.0.0.1:{port}"]\nkeepalive_s = 5\n'


class MosquittoSub:
    """``mosquitto_sub -v`` with its lines collected."""

    def __init__(self, program: str, port: int) -> None:
        command = [program, "-h", "127.0.0.1", "-p", str(port), "-t", "dialtone/v1/#", "-q", "1", "-V", "5", "-v"]
        self._child = subprocess.Popen(command, stdout=subprocess.PIPE)
        self.messages: list[tuple[str, dict[str, Any]]] = []
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        assert self._child.stdout is not None
        for line in self._child.stdout:
            topic, _, payload = line.decode().partition(" ")
            self.messages.append((topic.removeprefix("dialtone/v1/testville/a/"), json.loads(payload)))

    def close(self) -> None:
        self._child.terminate()
        self._child.wait(10)

    def last(self, topic: str) -> dict[str, Any] | None:
        return next((body for t, body in reversed(self.messages) if t == topic), None)


@contextlib.contextmanager
def mosquitto_sub(port: int) -> Iterator[MosquittoSub]:
    program = shutil.which("mosquitto_sub")
    if program is None:
        pytest.skip("needs mosquitto_sub (Debian package mosquitto-clients)")
    made = MosquittoSub(program, port)
    try:
        yield made
    finally:
        made.close()


def connected(s: Site) -> bool:
    return all(u["connected"] for u in s.status()["uplinks"])


def test_a_byte_on_the_pty_comes_out_at_mosquitto_sub() -> None:
    with broker() as b, site(extra=uplink(b.port)) as s, mosquitto_sub(b.port) as sub, s.agent():
        until(lambda: connected(s), "never connected")
        until(lambda: sub.last("status/noc"), "no birth")
        assert sub.last("status/noc")["state"] == "up"  # type: ignore[index]
        s.send(tl1("T1-1", "MJ", "LOS", 1))
        state = until(lambda: sub.last(f"alarm/{LOS}"), "no alarm at the subscriber")
        assert (state["state"], state["severity"], state["evidence"]["condtype"]) == ("unacknowledged", "major", "LOS")
        events = [body for topic, body in sub.messages if topic == "event"]
        event = next(e for e in events if e["data"].get("id") == LOS)
        assert event["specversion"] == "1.0"
        assert event["id"].count(".") == 2
        seq = int(event["id"].rpartition(".")[2])
        with sqlite3.connect(f"file:{s.journal / 'journal.db'}?mode=ro", uri=True) as db:
            kind, payload = db.execute("SELECT kind, payload FROM entry WHERE seq = ?", (seq,)).fetchone()
        assert kind == "alarm"
        assert json.loads(payload)["id"] == LOS
        s.send(tl1("T1-1", "CL", "LOS", 2, almcde="A "))
        until(lambda: (sub.last(f"alarm/{LOS}") or {}).get("state") == "returned-unacknowledged", "no clear told")


def test_a_broker_that_was_away_gets_every_event_once_and_new_alarms_before_the_backlogs_end() -> None:
    with (
        broker("allow_anonymous true\nmax_queued_messages 0", kind="mosquitto") as b,
        site(extra=uplink(b.port), trunks=", ".join(f'"{name}" = "cama"' for name in TRUNKS)) as s,
        subscriber(b.port) as heard,
        s.agent(),
    ):
        until(lambda: connected(s), "never connected")
        # What the broker has acknowledged and not yet handed on would end with it: this one keeps nothing.
        until(lambda: len(heard.ids()) == s.status()["journal"]["head"], "the first events never came")
        b.stop()
        until(lambda: not connected(s), "the loss was not seen")
        end, atag = time.monotonic() + OUTAGE_S, 0
        while time.monotonic() < end:
            atag += 1
            # Many trunks in turn: what comes again and again is one alarm that stands (chattering).
            trunk = TRUNKS[atag // 2 % len(TRUNKS)]
            s.send(tl1(trunk, "CL" if atag % 2 else "MJ", "LOS", atag))
            time.sleep(0.005)
        heard.subscribed.clear()
        b.start()
        until(lambda: heard.subscribed.is_set(), "the subscriber never came back", 60)
        until(lambda: connected(s), "never connected again", 120)
        for new in range(1, 41):  # the backlog waits up to 2 s for a receipt, new alarms for nothing
            s.send(tl1(f"T9-{new}", "MJ", "LOS", atag + new))
            time.sleep(0.02)
        until(lambda: s.status()["uplinks"][0]["backlog"] == 0, "not all reported", 120)
        head = s.status()["journal"]["head"]
        until(lambda: len(heard.ids()) >= head, "not every event came")
        assert sorted(map(seq_of, heard.ids())) == list(range(1, head + 1)), "every event, once by id"
        order = [seq_of(str(h.body["id"])) for h in heard.events()]
        raised = [h for h in heard.events() if "los_t9-" in str(h.body["data"].get("id"))]
        fresh = {seq_of(str(h.body["id"])) for h in raised}
        overtook = sum(min(order[n + 1 :], default=seq) < seq for n, seq in enumerate(order) if seq in fresh)
        print(f"{atag} messages in {OUTAGE_S:g} s, {head} events, {len(order) - head} repeats, {overtook} overtook")
        assert overtook, "no alarm raised after the reconnection came before the backlog's end"


def seq_of(event_id: str) -> int:
    return int(event_id.rpartition(".")[2])


def test_a_late_broker_is_no_hindrance_and_its_loss_lights_the_uplink_lamp() -> None:
    with broker(start=False) as b, site(extra=uplink(b.port)) as s, s.agent():
        s.send(tl1("T1-1", "MJ", "LOS", 1))
        until(lambda: s.alarm(LOS), "no alarm without a broker")
        assert s.status()["lamps"]["trunks"] == "flash"
        b.start()
        until(lambda: connected(s), "never connected", 90)
        with subscriber(b.port) as late:
            until(lambda: late.last(f"alarm/{LOS}"), "the standing alarm is not retained")
