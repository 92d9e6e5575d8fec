"""One fault from beginning to end: healthy, the fault, what the agent and the NOC make of it, healed, cleared."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from tests.real.network import servers, site
from tests.real.network.firewall import Firewall
from tests.real.network.namespaces import Network
from tests.real.network.servers import Heard
from tests.real.network.site import QUICK, Pace, Seen, Watched
from tests.real.sites import until

KINDS = frozenset({"snmp", "syslog", "sip-tcp", "test-call", "knock", "beside"})
# Where each kind is run; a site of the test leaves out what this version has not, and says so.
MODULES = {
    "snmp": "agent.paths.snmp.ask",
    "syslog": "agent.paths.listen",
    "test-call": "agent.commands.reflector",
    "knock": "agent.paths.knock",
}
BUILT = KINDS - {kind for kind, module in MODULES.items() if importlib.util.find_spec(module) is None}
START_S = 120.0
WATCH_EVERY_S = 0.1
SETTLE_S = 3.0
CLEAR_S = 240.0
STOP = threading.Event()
"""Set where nobody waits for the records any more: what plays then ends at once."""
LAMPS = ("calls", "trunks", "firewall", "router", "far-end")


@dataclass(frozen=True)
class Scenario:
    """``done``: when enough has been seen of the fault; ``wait_s``: how long that may take, or, without ``done``, how
    long the fault stands. ``needs``: the kinds of check without which it can't be seen."""

    name: str
    cause: Callable[[Bed], None]
    done: Callable[[Record], bool] | None = None
    wait_s: float = 90.0
    pace: Pace = QUICK
    kinds: frozenset[str] = KINDS
    needs: frozenset[str] = frozenset()


@dataclass
class Record:
    """What was seen from the fault on. Times of the methods are seconds after the fault."""

    name: str
    fault_s: float = 0.0
    before: list[Seen] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    heard: list[Heard] = field(default_factory=list)
    healed_s: float | None = None
    cleared: bool = False
    inseparable: list[frozenset[str]] = field(default_factory=list)

    def during(self) -> list[Seen]:
        """While the fault stood."""
        return [s for s in self.seen if self.healed_s is None or s.at_s <= self.healed_s]

    def last(self) -> Seen | None:
        """The last that was seen while it stood."""
        return next(reversed(self.during()), None)

    def first(self, what: Callable[[Seen], bool]) -> float | None:
        """When something was first seen."""
        return next((s.at_s - self.fault_s for s in self.seen if what(s)), None)

    @property
    def lamp_s(self) -> float | None:
        """Until a lamp of the way lit."""
        return self.first(lambda s: any(s.lamps[lamp] != "off" for lamp in LAMPS))

    @property
    def horn_s(self) -> float | None:
        """Until the horn sounded its alarm voice."""
        return self.first(lambda s: s.horn == "alarm")

    @property
    def critical_s(self) -> float | None:
        """Until a critical alarm stood."""
        return self.first(lambda s: bool(s.critical))

    @property
    def cause_s(self) -> float | None:
        """Until the verdict took the cause that it had at the end."""
        last = self.last()
        at = None
        for s in reversed(self.during()):
            if last is None or s.cause != last.cause:
                break
            at = s.at_s - self.fault_s
        return at

    @property
    def report_s(self) -> float | None:
        """Until the NOC heard of an alarm."""
        return next((h.at_s - self.fault_s for h in self.heard if raised(h)), None)

    def told(self) -> str:
        """All of it, for the words of a failure."""
        out = [f"{self.name}: lamp {_s(self.lamp_s)}, critical {_s(self.critical_s)}, horn {_s(self.horn_s)}, "]
        out[0] += f"report {_s(self.report_s)}, cause {_s(self.cause_s)}, healed {_s(self.healed_s, self.fault_s)}, "
        out[0] += f"{'cleared' if self.cleared else 'NOT cleared'}; inseparable {[sorted(i) for i in self.inseparable]}"
        return "\n".join([*out, *(s.told(self.fault_s) for s in self.before[-1:] + self.seen)])


def raised(heard: Heard) -> bool:
    """Whether this tells the NOC of an alarm."""
    of_alarm = heard.topic == "event" and heard.body.get("type") == "dialtone.alarm.v1"
    return of_alarm and heard.body["data"].get("change") == "raised"


def _s(at_s: float | None, from_s: float = 0.0) -> str:
    return "never" if at_s is None else f"{at_s - from_s:.2f} s"


@dataclass
class Bed:
    """A running test bed."""

    net: Network
    firewall: Firewall
    noc: servers.Noc
    reflector: subprocess.Popen[bytes]

    def kill_reflector(self) -> None:
        """Our own reflector dies."""
        self.reflector.kill()
        self.reflector.wait()

    def heal(self) -> None:
        """Everything as it should be."""
        self.firewall.heal()
        if self.reflector.poll() is not None:
            self.reflector = servers.reflector(self.net)


def lay(net: Network) -> Bed:
    """Start everything that answers."""
    firewall = Firewall(net)
    for start in (servers.far_end, servers.broker, servers.snmpd, servers.firewall_log):
        start(net)
    noc = servers.Noc(net)
    noc.start()
    return Bed(net, firewall, noc, servers.reflector(net))


def play(scenario: Scenario) -> Record:
    """The whole of one scenario in a network of its own. Raises AssertionError where it never gets healthy."""
    if not scenario.needs <= BUILT:
        pytest.skip(f"needs the checks {', '.join(sorted(scenario.needs - BUILT))}, which this version has not")
    record = Record(scenario.name)
    with Network() as net:
        bed = lay(net)
        agent = site.run(net, scenario.pace, scenario.kinds & BUILT)
        record.inseparable = _inseparable(net, scenario.pace)
        try:
            until(agent.healthy, "never healthy", START_S)
        except AssertionError as error:
            raise AssertionError(f"{error}: {agent.seen[-1].told(agent.seen[0].at_s)}") from None
        _watch(agent, 2.0)
        assert agent.healthy(), f"not healthy for long: {agent.seen[-1].told(agent.seen[0].at_s)}"
        record.before, began = list(agent.seen), len(agent.seen)
        record.fault_s = time.monotonic()
        scenario.cause(bed)

        def so_far() -> Record:
            record.seen = agent.seen[began:]
            record.heard = bed.noc.since(record.fault_s, scenario.pace.id)
            return record

        _watch(agent, scenario.wait_s, lambda: scenario.done is not None and scenario.done(so_far()))
        if scenario.done is not None:
            _watch(agent, SETTLE_S)
        so_far().healed_s = time.monotonic()
        bed.heal()
        _watch(agent, CLEAR_S, agent.well)
        record.cleared = agent.well()
        so_far()
    return record


def _watch(agent: Watched, for_s: float, done: Callable[[], bool] = lambda: False) -> None:
    end = time.monotonic() + for_s
    while time.monotonic() < end:
        assert not STOP.is_set(), "nobody waits for it any more"
        agent.look()
        if done():
            return
        time.sleep(WATCH_EVERY_S)


def _inseparable(net: Network, pace: Pace) -> list[frozenset[str]]:
    """The sets that ``check`` says these senses can't tell apart, before anything has happened."""
    file = str(net.directory / f"{pace.id}.toml")
    told = net.run("probe", [sys.executable, "-m", "agent", "check", "--json", file])
    lines = [json.loads(line) for line in told.splitlines()]
    texts = [line["text"] for line in lines if line["kind"] == "inseparable"]
    return [frozenset(text.partition(";")[0].split(" or ")) for text in texts]
