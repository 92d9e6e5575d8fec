"""The agent under test: ``python -m agent run`` in the probe's namespace, on a site file of the test's own."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import Any

from agent.control import Unanswered, ask
from tests.real.network.namespaces import FAR, FIREWALL, NOC, NOC_CELLULAR, ROUTER, SWITCH, Network
from tests.real.network.servers import COMMUNITY, MQTT_PORT, SECRET, SYSLOG_PORT, secret, words
from tests.real.sites import PATIENCE_S, until
from tests.real.trace import Trace

HEAD = """
[site]
id = "{id}"
noc_phone = "555-0100"

[panel]
pins = "mock"
{panel}

[journal]
directory = "{directory}/{id}-journal"

[control]
socket = "{directory}/{id}.sock"

[secrets]
directory = "{directory}/secrets"

[listen]
{listen}

[[uplink]]
id = "primary"
urls = ["mqtt://{noc}:{mqtt}"]
interface = "lan0"
keepalive_s = 5

[[uplink]]
id = "cellular"
urls = ["mqtt://{cellular}:{mqtt}"]
interface = "cell0"
keepalive_s = 5
"""
PATHS = """
[[path]]
id = "switch"
role = "lan"
address = "{switch}"
checks = [{{ kind = "icmp"{often} }}]

[[path]]
id = "firewall"
role = "firewall"
address = "{firewall}"
behind = "switch"
checks = [{{ kind = "icmp"{often} }}{at_firewall}]

[[path]]
id = "router"
role = "router"
address = "{router}"
behind = "firewall"
checks = [{{ kind = "icmp"{often} }}]

[[path]]
id = "esrp"
role = "far-end"
address = "{far}"
behind = "router"
agreed_with = "the test: all of this is ours"
checks = [{{ kind = "icmp"{far_often} }}, {{ kind = "sip-options"{far_often} }}{at_far}]

[[path]]
id = "reflector"
role = "reflector"
address = "{noc}"
behind = "router"
secret = "reflector"
interface = "lan0"
checks = [{{ kind = "sip-options"{often} }}{at_reflector}]
{beside}
"""
BESIDE = """
[[path]]
id = "reflector-cell"
role = "reflector"
address = "{cellular}"
interface = "cell0"
beside = "reflector"
secret = "reflector"
checks = [{{ kind = "sip-options"{often} }}]
"""


@dataclass(frozen=True)
class Pace:
    """How a site is asked: the defaults, or as often as a test can wait for."""

    id: str
    often: str = ""
    far_often: str = ""
    snmp: str = ""
    call: str = ""
    knock: str = ""
    panel: str = ""
    knock_port: int = 5060
    syslog: bool = False


DEFAULTS = Pace("defaults", knock_port=5061)
QUICK = Pace(
    "quick",
    often=", every_s = 0.5",
    far_often=", every_s = 1",
    snmp=", every_s = 1, timeout_s = 1",
    call=", every_s = 5, talk_s = 0.5, ring_s = 2",
    knock=", idle_s = 2",
    panel="path_hold_s = 3",
    syslog=True,
)


def text(net: Network, pace: Pace, kinds: frozenset[str]) -> str:
    """The site file, with the checks of ``kinds``."""
    firewall, far, reflector, listen = "", "", "", ""
    if "snmp" in kinds:
        firewall += f', {{ kind = "snmp", community = "snmp", profiles = ["system", "interfaces"]{pace.snmp} }}'
    if "syslog" in kinds and pace.syslog:
        firewall += ', { kind = "syslog" }'
        listen += f'syslog_udp = "0.0.0.0:{SYSLOG_PORT}"\ncalls_at = ["{FAR}/32", "{NOC}/32"]\n'
    if "sip-tcp" in kinds:
        far += f', {{ kind = "sip-options", transport = "tcp"{pace.far_often} }}'
    if "test-call" in kinds:
        reflector += f', {{ kind = "test-call"{pace.call} }}'
    if "knock" in kinds:
        reflector += f', {{ kind = "knock"{pace.knock} }}'
        listen += f'knock = "0.0.0.0:{pace.knock_port}"\n'
    places = {
        "id": pace.id, "directory": net.directory, "switch": SWITCH, "firewall": FIREWALL, "router": ROUTER, "far": FAR,
        "noc": NOC, "cellular": NOC_CELLULAR, "mqtt": MQTT_PORT, "panel": pace.panel, "listen": listen,
        "often": pace.often, "far_often": pace.far_often, "at_firewall": firewall, "at_far": far,
        "at_reflector": reflector,
    }  # fmt: skip
    beside = BESIDE.format(**places) if "beside" in kinds else ""
    return HEAD.format(**places) + PATHS.format(**places, beside=beside)


@dataclass
class Seen:
    """Something that the site showed for the first time: when (monotonic) and what."""

    at_s: float
    lamps: dict[str, str]
    horn: str
    cause: str
    causes: tuple[str, ...]
    critical: tuple[str, ...]
    active: tuple[str, ...]
    columns: dict[str, str]
    senses: dict[str, str]
    reasons: dict[str, str]

    def told(self, from_s: float) -> str:
        """One line for the words of a failure."""
        lit = " ".join(f"{lamp}:{pattern}" for lamp, pattern in self.lamps.items() if pattern != "off")
        columns = "".join(f" {column}={look}" for column, look in sorted(self.columns.items()))
        senses = " ".join(
            f"[{name} {state}: {self.reasons[name]}]" for name, state in self.senses.items() if state != "up"
        )
        return f"{self.at_s - from_s:7.2f} s  {'+'.join(self.causes)}; horn {self.horn}; {lit};{columns}; {senses}"


@dataclass
class Watched:
    """A running agent, and what its status showed, each change once."""

    net: Network
    pace: Pace
    child: subprocess.Popen[bytes]
    seen: list[Seen] = field(default_factory=list)

    def status(self) -> dict[str, Any]:
        """``status`` over its control socket. Raises ``Unanswered``."""
        return ask(self.net.directory / f"{self.pace.id}.sock", "status", timeout_s=PATIENCE_S)

    def look(self) -> Seen:
        """Look once, and keep it where it differs from the last look."""
        status = self.status()
        verdict = status["verdict"] or {"cause": "", "causes": ()}
        now = Seen(
            time.monotonic(),
            status["lamps"],
            status["horn"],
            verdict["cause"],
            tuple(verdict["causes"]),
            tuple(a["id"] for a in status["alarms"] if a["active"] and a["severity"] == "critical"),
            tuple(a["id"] for a in status["alarms"] if a["active"]),
            status["columns"],
            {f"{s['source']} {s['sense']}": s["state"] for s in status["senses"]},
            {f"{s['source']} {s['sense']}": s["detail"] for s in status["senses"]},
        )
        same = {"at_s": 0, "reasons": {}}
        if not self.seen or vars(self.seen[-1]) | same != vars(now) | same:
            self.seen.append(now)
        return now

    def well(self) -> bool:
        """Whether nothing stands any more; a lamp may still wait for a hand."""
        now = self.look()
        return now.cause == "none" and not now.active

    def healthy(self) -> bool:
        """Whether every sense looks up, it says that all is well, and nothing stands."""
        assert self.child.poll() is None, f"the agent ended: {words(self.net, self.pace.id + '.log')}"
        try:
            now = self.look()
        except Unanswered:
            return False
        sees = all(state == "up" for state in now.senses.values())
        return sees and now.lamps["ok"] == "wink" and now.cause == "none" and not now.active


def run(net: Network, pace: Pace, kinds: frozenset[str], trace: Trace | None = None) -> Watched:
    """Start the agent; it need not be healthy yet. ``trace``: has it tell what its panel shows at once."""
    secret(net.directory / "secrets", "snmp", COMMUNITY)
    secret(net.directory / "secrets", "reflector", SECRET)
    file = net.directory / f"{pace.id}.toml"
    file.write_text(text(net, pace, kinds))
    if trace is None:
        child = net.popen("probe", [sys.executable, "-m", "agent", "run", str(file)], f"{pace.id}.log")
    else:
        fd = trace.write_fd
        command = [sys.executable, "-m", "tests.real.traced", str(file), str(fd)]
        child = net.popen("probe", command, f"{pace.id}.log", pass_fds=(fd,))
        trace.started()
    made = Watched(net, pace, child)

    def answers() -> bool:
        assert child.poll() is None, f"the agent ended: {words(net, pace.id + '.log')}"
        try:
            return bool(made.status())
        except Unanswered:
            return False

    until(answers, f"the agent never answered: {words(net, pace.id + '.log')}")
    return made
