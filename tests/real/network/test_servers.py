"""What answers in the namespaces does answer, before any agent is involved."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator

import pytest

from tests.real.network import servers
from tests.real.network.firewall import Firewall
from tests.real.network.namespaces import FAR, FIREWALL, NOC_CELLULAR, PROBE, Network, program
from tests.real.network.servers import COMMUNITY, MQTT_PORT, OPTIONS, SIP_PORT, SYSLOG_PORT, Noc
from tests.real.sites import until

DROPPED = re.compile(
    rb"<4>\w{3} [ \d]\d \d\d:\d\d:\d\d firewall kernel: \[ *\d+\.\d{6}\] DROP IN=lan0 OUT=wan0 MAC=[0-9a-f:]+ "
    rb"SRC=10\.77\.1\.10 DST=10\.77\.3\.10 LEN=\d+ TOS=0x00 PREC=0x00 TTL=63 ID=\d+ DF PROTO=UDP SPT=(\d+) DPT=5060 "
    rb"LEN=\d+"
)


@pytest.fixture(scope="module")
def net() -> Iterator[Network]:
    with Network() as made:
        yield made


@pytest.fixture(scope="module")
def firewall(net: Network) -> Firewall:
    return Firewall(net)


def test_the_far_end_answers_options_over_udp_and_tcp(net: Network, firewall: Firewall) -> None:
    servers.far_end(net)
    for kind, name in ((socket.SOCK_DGRAM, "UDP"), (socket.SOCK_STREAM, "TCP")):
        with net.socket("probe", kind) as sock:
            sock.settimeout(10)
            sock.connect((FAR, SIP_PORT))
            request = OPTIONS.format(here=PROBE, port=sock.getsockname()[1], there=FAR)
            sock.sendall(request.replace("SIP/2.0/UDP", f"SIP/2.0/{name}").encode())
            assert sock.recv(4096).startswith(b"SIP/2.0 200 ")


def test_the_firewall_answers_snmp_and_logs_while_it_forwards_nothing(net: Network, firewall: Firewall) -> None:
    servers.snmpd(net)
    servers.firewall_log(net)
    with net.socket("probe", socket.SOCK_DGRAM) as log, net.socket("probe", socket.SOCK_DGRAM) as caller:
        log.settimeout(10)
        log.bind(("0.0.0.0", SYSLOG_PORT))
        caller.connect((FAR, SIP_PORT))
        firewall.forward_nothing()
        try:
            get = [program("snmpget", "snmp"), "-v2c", "-c", COMMUNITY, "-Oqv", FIREWALL, "1.3.6.1.2.1.1.5.0"]
            assert net.run("probe", get).strip('"\n') == "firewall"
            caller.send(b"INVITE")
            port = str(caller.getsockname()[1]).encode()
            while (found := DROPPED.fullmatch(log.recv(2048))) is None or found[1] != port:
                continue
        finally:
            firewall.heal()


def test_the_noc_hears_by_cellular_while_the_firewall_forwards_nothing(net: Network, firewall: Firewall) -> None:
    servers.broker(net)
    noc = Noc(net)
    noc.start()
    firewall.forward_nothing()
    try:
        pub = [program("mosquitto_pub", "mosquitto-clients"), "-h", NOC_CELLULAR, "-p", str(MQTT_PORT)]
        net.run("probe", [*pub, "-t", "dialtone/v1/here/a/event", "-m", json.dumps({"n": 1})])
        until(lambda: any(h.body == {"n": 1} and h.topic == "event" for h in noc.since(0, "here")), "never heard")
    finally:
        firewall.heal()
