"""What answers in the namespaces: snmpd, Kamailio, mosquitto and its subscriber, our reflector, the firewall's log.

All are real programs, each started by the test and ended by its own id with the network.
"""

from __future__ import annotations

import importlib.util
import json
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.real.network.firewall import LOG_GROUP
from tests.real.network.namespaces import FAR, FIREWALL, NOC, NOC_CELLULAR, PROBE, Network, program
from tests.real.sites import until

COMMUNITY = "real-packets"
MQTT_PORT = 1883
SIP_PORT = 5060
SYSLOG_PORT = 5514

KAMAILIO = """\
#!KAMAILIO
debug=0
log_stderror=yes
fork=yes
children=1
tcp_children=1
disable_sctp=yes
auto_aliases=no
dns=no
rev_dns=no
{listen}
loadmodule "sl.so"
request_route {{
  if (method == "OPTIONS") {{ sl_send_reply("200", "OK"); exit; }}
  if (method == "ACK") {{ exit; }}
  sl_send_reply("404", "Not Found");
}}
"""


def snmpd(net: Network) -> None:
    """The firewall's own SNMP agent (net-snmp), read-only, version 2c."""
    file = net.directory / "snmpd.conf"
    file.write_text(f"agentAddress udp:{FIREWALL}:161\nrocommunity {COMMUNITY} {PROBE}\nsysName firewall\n")
    state = net.directory / "snmp"
    state.mkdir()
    command = [program("snmpd", "snmpd"), "-f", "-Lo", "-C", "-c", str(file), "-p", str(net.directory / "snmpd.pid")]
    child = net.popen("firewall", ["env", f"SNMP_PERSISTENT_DIR={state}", *command], "snmpd.log")
    # GetNextRequest of system (RFC 3416), in BER.
    head, pdu = bytes.fromhex("302a020101040c"), "a117020101020100020100300c300a06062b06010201010500"
    get_next = head + COMMUNITY.encode() + bytes.fromhex(pdu)

    def answers() -> bool:
        assert child.poll() is None, words(net, "snmpd.log")
        with net.socket("probe", socket.SOCK_DGRAM) as sock:
            sock.settimeout(0.2)
            sock.sendto(get_next, (FIREWALL, 161))
            try:
                return bool(sock.recv(2048))
            except OSError:
                return False

    until(answers, f"snmpd never answered: {words(net, 'snmpd.log')}")


def far_end(net: Network) -> None:
    """The provider's call system."""
    kamailio(net, "far", (FAR,))


def kamailio(net: Network, ns: str, addresses: tuple[str, ...]) -> subprocess.Popen[bytes]:
    """Kamailio: SIP over UDP and TCP, 200 to every OPTIONS."""
    file = net.directory / f"kamailio-{ns}.cfg"
    listen = [f"listen={transport}:{one}:{SIP_PORT}" for one in addresses for transport in ("udp", "tcp")]
    file.write_text(KAMAILIO.format(listen="\n".join(listen)))
    run = net.directory / f"kamailio-{ns}"
    run.mkdir(exist_ok=True)
    command = [program("kamailio", "kamailio"), "-f", str(file), "-DD", "-E", "-m", "16", "-M", "4"]
    child = net.popen(ns, [*command, "-P", str(run / "pid"), "-Y", str(run)], f"kamailio-{ns}.log")
    _accepting(net, child, ns, addresses[0], SIP_PORT, f"kamailio-{ns}.log")
    return child


def broker(net: Network) -> None:
    """The NOC's broker, on every address that it has."""
    file = net.directory / "mosquitto.conf"
    file.write_text(f"listener {MQTT_PORT} 0.0.0.0\npersistence false\nallow_anonymous true\n")
    child = net.popen("noc", [program("mosquitto", "mosquitto"), "-c", str(file)], "mosquitto.log")
    _accepting(net, child, "noc", NOC_CELLULAR, MQTT_PORT, "mosquitto.log")


def reflector(net: Network) -> subprocess.Popen[bytes]:
    """``dialtone reflector`` at the NOC, as it is run there."""
    if importlib.util.find_spec("agent.commands.reflector") is None:
        return kamailio(net, "noc", (NOC, NOC_CELLULAR))
    secret(net.directory / "reflector-secrets", "probe", SECRET)
    file = net.directory / "reflector.toml"
    file.write_text(REFLECTOR.format(noc=NOC, cellular=NOC_CELLULAR, probe=PROBE, directory=net.directory))
    child = net.popen("noc", [sys.executable, "-m", "agent", "reflector", str(file)], "reflector.log")

    def answers() -> bool:
        assert child.poll() is None, f"the reflector ended: {words(net, 'reflector.log')}"
        with net.socket("probe", socket.SOCK_DGRAM) as sock:
            sock.settimeout(0.3)
            sock.connect((NOC_CELLULAR, SIP_PORT))
            here, port = sock.getsockname()
            sock.send(OPTIONS.format(here=here, port=port, there=NOC_CELLULAR).encode())
            try:
                return sock.recv(2048).startswith(b"SIP/2.0 ")
            except OSError:
                return False

    until(answers, f"the reflector never answered: {words(net, 'reflector.log')}")
    return child


SECRET = "the reflector knows this probe by this secret"
REFLECTOR = """
listen = ["{noc}:5060", "{cellular}:5060"]

[secrets]
directory = "{directory}/reflector-secrets"

[[probe]]
id = "quick"
secret = "probe"
addresses = ["10.77.0.0/16"]
knock = "{probe}:5060"
"""
OPTIONS = (
    "OPTIONS sip:{there} SIP/2.0\r\nVia: SIP/2.0/UDP {here}:{port};branch=z9hG4bKready;rport\r\nMax-Forwards: 70\r\n"
    "From: <sip:test@{here}>;tag=1\r\nTo: <sip:{there}>\r\nCall-ID: ready-{port}@{here}\r\nCSeq: 1 OPTIONS\r\n"
    "Contact: <sip:test@{here}:{port}>\r\nContent-Length: 0\r\n\r\n"
)


def firewall_log(net: Network) -> None:
    """The firewall sends what it drops to the probe, as the kernel's netfilter writes it (RFC 3164)."""
    command = [sys.executable, "-m", "tests.real.network.nflog", str(LOG_GROUP), PROBE, str(SYSLOG_PORT)]
    net.popen("firewall", command, "nflog.log")
    until(lambda: "listening" in words(net, "nflog.log"), f"no log: {words(net, 'nflog.log')}")


def _accepting(net: Network, child: subprocess.Popen[bytes], ns: str, address: str, port: int, log: str) -> None:
    def accepts() -> bool:
        assert child.poll() is None, f"{log}: {words(net, log)}"
        with net.socket(ns, socket.SOCK_STREAM) as sock:
            return sock.connect_ex((address, port)) == 0

    until(accepts, f"nothing accepts at {address}:{port}")


def words(net: Network, log: str) -> str:
    """The end of what a program has said."""
    path = net.directory / log
    return path.read_text(errors="replace")[-2000:] if path.exists() else ""


@dataclass(frozen=True, slots=True)
class Heard:
    """One message at the NOC: when (monotonic), the site, the topic under its probe, its JSON."""

    at_s: float
    site: str
    topic: str
    body: dict[str, Any]


@dataclass
class Noc:
    """``mosquitto_sub`` at the NOC, with its lines collected."""

    net: Network
    heard: list[Heard] = field(default_factory=list)

    def start(self) -> None:
        """Subscribe; returns when the broker has granted it."""
        command = [program("mosquitto_sub", "mosquitto-clients"), "-h", NOC, "-p", str(MQTT_PORT)]
        child = self.net.popen(
            "noc", [*command, "-t", "dialtone/v1/#", "-t", "ready", "-q", "1", "-v"], None, stdout=-1
        )
        threading.Thread(target=self._read, args=(child,), daemon=True).start()
        pub = [
            program("mosquitto_pub", "mosquitto-clients"),
            "-h",
            NOC,
            "-p",
            str(MQTT_PORT),
            "-t",
            "ready",
            "-m",
            "{}",
        ]

        def granted() -> bool:
            self.net.run("noc", pub)
            return any(h.topic == "ready" for h in list(self.heard))

        until(granted, "the NOC never heard its broker")

    def _read(self, child: subprocess.Popen[bytes]) -> None:
        assert child.stdout is not None
        for line in child.stdout:
            topic, _, payload = line.decode().partition(" ")
            if topic == "ready":
                self.heard.append(Heard(time.monotonic(), "", "ready", {}))
                continue
            site, _, rest = topic.removeprefix("dialtone/v1/").partition("/")
            body = json.loads(payload) if payload.strip() else {}
            self.heard.append(Heard(time.monotonic(), site, rest.partition("/")[2], body))

    def since(self, at_s: float, site: str) -> list[Heard]:
        """What one site has told since then."""
        return [h for h in list(self.heard) if h.at_s >= at_s and h.site == site]


def secret(directory: Path, name: str, value: str) -> None:
    """One of the agent's secrets."""
    directory.mkdir(exist_ok=True)
    (directory / name).write_text(value)
    (directory / name).chmod(0o600)
