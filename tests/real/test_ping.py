"""Ping and TCP against the real kernel in a network namespace, where the sysctls are ours to set."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest


def in_a_network_of_its_own(setting: str, body: str) -> list[str]:
    """What ``setting`` and ``body`` print, run as root in a network namespace with nothing but ``lo``."""
    code = PREAMBLE + textwrap.dedent(setting) + textwrap.dedent(body)
    if os.geteuid() != 0 or subprocess.run(["unshare", "-n", "true"], capture_output=True).returncode != 0:
        pytest.skip("needs root with CAP_SYS_ADMIN, for a network namespace")
    command = ["unshare", "-n", sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.split("\n")[:-1]


PREAMBLE = """
import asyncio, fcntl, socket, struct, threading
from pathlib import Path
from agent.clock import RealClock
from agent.paths import ping
from agent.paths.target import Target

def sysctl(name, value):
    Path("/proc/sys/net/ipv4", name).write_text(value)

def check(host, timeout_s=1.0):
    return asyncio.run(ping.ping(Target(host, False), timeout_s, ping.ping_access(), RealClock()))

with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    fcntl.ioctl(s, 0x8914, struct.pack("16sh14x", b"lo", 0x41))  # SIOCSIFFLAGS: up, running
"""
UNPRIVILEGED, RAW = 'sysctl("ping_group_range", "0 0")\n', 'sysctl("ping_group_range", "1 0")\n'


@pytest.mark.parametrize(("setting", "access"), [(UNPRIVILEGED, "unprivileged"), (RAW, "raw")])
def test_both_ways_of_pinging(setting: str, access: str) -> None:
    body = """
    print(ping.ping_access())
    print(check("127.0.0.1").state)
    out = check("192.0.2.1")
    print(out.state, out.reason)
    """
    assert in_a_network_of_its_own(setting, body) == [access, "up", "down network is unreachable"]


@pytest.mark.parametrize("setting", [UNPRIVILEGED, RAW])
def test_a_reply_from_somebody_else_is_none(setting: str) -> None:
    body = """
    sysctl("icmp_echo_ignore_all", "1")

    def answer_from(host):
        hear = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        say = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        say.bind((host, 0))
        def run():
            while True:
                packet, (source, _) = hear.recvfrom(2048)
                if packet[20] == 8:  # an echo request: the reply differs in its type, so by 8 << 8 in its checksum
                    total = struct.unpack_from("!H", packet, 22)[0] + 0x0800
                    total = (total & 0xFFFF) + (total >> 16)
                    say.sendto(bytes([0, 0]) + struct.pack("!H", total) + packet[24:], (source, 0))
        threading.Thread(target=run, daemon=True).start()

    print(check("127.0.0.2").state)
    answer_from("127.0.0.9")
    print(check("127.0.0.2").state)
    answer_from("127.0.0.2")
    print(check("127.0.0.2").state)
    """
    assert in_a_network_of_its_own(setting, body) == ["down", "down", "up"]


def test_a_closed_port_of_this_machine_does_not_answer_for_itself() -> None:
    one_port = RAW + 'sysctl("ip_local_port_range", "40000 40000")\n'
    control = 'print(socket.socket().connect_ex(("127.0.0.1", 40000)))'
    assert in_a_network_of_its_own(one_port, control) == ["0"]  # nobody listens, and yet it connects
    body = """
    from agent.paths import tcp
    print(asyncio.run(tcp.connect(Target("127.0.0.1", False), 40000, 1.0, RealClock())).reason[:18])
    """
    assert in_a_network_of_its_own(one_port, body) == ["connection refused"]
