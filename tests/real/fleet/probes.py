"""Many probes in one process, each the product's own uplink over TCP, with a journal in memory.

``python -m tests.real.fleet.probes PORT FIRST COUNT SEED``: a word a line on stdin (``write``, ``quiet``, ``tell``), an
answer in JSON a line on stdout. It ends with its stdin, or by SIGKILL. Times are CLOCK_MONOTONIC, so they compare with
those of other processes.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from typing import Any

import msgspec

from agent import __version__, labels
from agent.clock import RealClock
from agent.journal.entry import Entry
from agent.payloads import CommandReply, Receipt
from agent.readings import Reading
from agent.site import schema
from agent.uplink.inlet import Inbound, Inlet
from agent.uplink.messages import Message
from agent.uplink.mqtt import Connection
from agent.uplink.topics import Topics, pool
from agent.uplink.uplink import Connecting, Uplink
from tests.fleet.made import alarm
from tests.real.brokers import HOST
from tests.uplink.fakes import FakeJournal, FakeSecrets

UPLINK = "noc"
EVENT_EVERY_S = 10.0  # of each probe, while it writes
TRUNKS = 6
SHARES = 5
CONFIG = "c0ffee" * 10 + "c0ff"
SEVERITIES = ("critical", "major", "minor")
LAMPS = ("ok", "calls", "trunks", "firewall", "router", "far-end", "uplink", "probe")
COUNTS = {"seen": (0, 2, 5, 20), "expected": (0.3, 1.7, 5.0, 20.0), "alive": True, "since_s": 1.0}


class Probe:
    """One probe of one site."""

    def __init__(self, number: int, port: int, seed: str) -> None:
        share = f"esinet-{number % SHARES}"
        self.site = schema.Site(
            id=f"site-{number:04d}",
            name=f"Site {number}",
            psap_id=f"{number:04d}",
            provider=f"Carrier {number % 3}",
            population=50_000,
            shares=(share,),
        )
        self.journal = FakeJournal()
        self.journal.store_id, self.journal.boot = f"{number:08x}", 1
        self.alarms: dict[str, dict[str, Any]] = {}
        self.attempts: list[float] = []
        self.births: list[float] = []
        self.asked = 0
        self._topics = Topics(self.site.id, self.site.probe)
        self._clock = RealClock()
        self._rng = random.Random(f"{seed} {number}")
        self.uplink = Uplink(
            schema.Uplink(id=UPLINK, urls=(f"mqtt://{HOST}:{port}",)),
            self.site,
            self.journal,
            FakeSecrets(),
            self._posted,
            self._clock,
            self._health,
            self._rng,
            self._calls,
            Inlet((self._topics.receipt, self._topics.commands, pool(share)), self._heard, lambda *_: None),
        )
        self.uplink.connection = self._connection
        self.journal.listeners.append(self.uplink.committed)

    def _connection(self, *how: Any) -> Connecting:
        self.attempts.append(round(time.monotonic(), 3))
        return Connection(*how)

    def _posted(self, reading: Reading) -> None:
        if reading.kind == "probe-ok" and "session" in reading.detail:
            self.births.append(round(time.monotonic(), 3))

    def _health(self) -> dict[str, Any]:
        """As large as an agent's own."""
        journal = {"store": self.journal.store_id, "boot": 1, "head": self.journal.head, "bytes": 49_280, "fault": None}
        return {
            "uptime_s": 12_345.6,
            "version": __version__,
            "lamps": dict.fromkeys(LAMPS, "off"),
            "horn": "none",
            "alarms": labels.digest(list(self.alarms.values())),
            "mode": "normal",
            "journal": {**journal, "dropped_payloads": 0, "cut": 0, "set_aside": None, "waiting": 0, "dropped": 0},
            "config": {"state": "local", "running": CONFIG, "version": 0, "dropped": 0, "garbage": 0},
        }

    def _calls(self) -> dict[str, Any]:
        streams = [{"stream": name, **COUNTS} for name in ("all", "cama", "class:WPH2")]
        return {"mode": "normal", "streams": streams}

    def _heard(self, message: Inbound) -> None:
        if message.topic == self._topics.receipt:
            self.uplink.receipted(msgspec.json.decode(message.payload, type=Receipt), mine=True)
        elif message.topic.endswith("/cmd/state"):
            self.asked += 1
            wall, id_ = self._clock.wall(), json.loads(message.payload)["id"]
            result = {"alarms": list(self.alarms.values()), "verdict": None}
            reply = CommandReply(command="state", id=id_, ok=True, at=wall.utc, synced=wall.synced, result=result)
            self.uplink.say(Message(self._topics.reply("state"), msgspec.json.encode(reply), 1, False))

    def write(self) -> None:
        """One more entry: a reading, or an alarm that is raised or cleared."""
        if self._rng.random() < 0.5:
            self._commit("reading", "", {"line": "bank-a", "text": "x" * 200})
            return
        trunk = self._rng.randrange(TRUNKS)
        state = alarm(f"t1-{trunk}", severity=SEVERITIES[trunk % 3], raised_ns=time.monotonic_ns(), config=CONFIG)
        if self.alarms.pop(state["id"], None) is None:
            self.alarms[state["id"]] = state
        else:
            state.update(state="normal", active=False, change="cleared", cleared_ns=time.monotonic_ns())
        self._commit("alarm", state["id"], state)

    def _commit(self, kind: str, key: str, payload: dict[str, Any]) -> None:
        journal, wall = self.journal, self._clock.wall()
        seq, body = journal.head + 1, msgspec.json.encode(payload)
        journal.commit(
            Entry(
                journal.store_id, 1, seq, kind, kind == "alarm", time.monotonic_ns(), wall.utc, wall.synced, key, body
            )
        )

    def told(self) -> dict[str, Any]:
        """What the parent compares with what others heard."""
        status = self.uplink.status()
        return {
            "site": self.site.id,
            "store": self.journal.store_id,
            "head": self.journal.head,
            "alarms": {id_: [state["severity"], state["state"]] for id_, state in self.alarms.items()},
            "attempts": self.attempts,
            "births": self.births,
            "asked": self.asked,
            **{name: status[name] for name in ("connected", "backlog", "set_aside", "gone", "last_error")},
        }


async def serve(probes: list[Probe], rng: random.Random) -> None:
    """Report, and do what stdin says, until it ends."""
    loop = asyncio.get_running_loop()
    words = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(words), sys.stdin)
    running = [asyncio.create_task(one.uplink.run()) for one in probes]
    may_write = asyncio.Event()

    async def write() -> None:
        while await may_write.wait():
            rng.choice(probes).write()
            await asyncio.sleep(EVENT_EVERY_S / len(probes))

    writing = asyncio.create_task(write())
    while word := (await words.readline()).decode().strip():
        if word == "write":
            may_write.set()
        elif word == "quiet":
            may_write.clear()
        ended = [repr(task.exception()) for task in (writing, *running) if task.done()]
        print(json.dumps({"probes": [one.told() for one in probes] if word == "tell" else [], "ended": ended}))
        sys.stdout.flush()


def main() -> None:
    """PORT, the number of the first site, how many, and a seed for all that is drawn."""
    port, first, count = (int(text) for text in sys.argv[1:4])
    seed = sys.argv[4]
    probes = [Probe(number, port, seed) for number in range(first, first + count)]
    asyncio.run(serve(probes, random.Random(f"{seed} {first}")))


if __name__ == "__main__":
    main()
