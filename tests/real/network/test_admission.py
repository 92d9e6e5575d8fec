"""The box's own firewall in real namespaces: a scan of every port from both sides, forwarding, a sender's address.

Each is tried without the rules first, where all of it gets through: a scan that finds nothing could be a broken scan.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.real.network.namespaces import SBIN, program
from tests.real.sites import until

BOX_IN, INSIDE, STRANGER, BOX_OUT, OUTSIDE = "10.78.1.1", "10.78.1.2", "10.78.1.3", "10.78.2.1", "10.78.2.2"
TCP, UDP = (22, 80, 514, 8080), (161, 162, 514, 5070)
SITE = f"""
[site]
id = "boxtown"
noc_phone = "555-0100"
[listen]
syslog_udp = "0.0.0.0:514"
syslog_tcp = "0.0.0.0:514"
traps = "0.0.0.0:162"
knock = "0.0.0.0:5070"
[[path]]
id = "firewall"
role = "firewall"
address = "{INSIDE}"
checks = [{{ kind = "icmp" }}, {{ kind = "syslog" }}, {{ kind = "traps", community = "c" }}]
[[path]]
id = "reflector"
role = "reflector"
address = "{OUTSIDE}"
secret = "c"
checks = [{{ kind = "knock", idle_s = 300 }}]
[secrets]
directory = "DIRECTORY"
"""
# In the box: whatever might listen there, answering each datagram.
SERVE = f"""
    import select, socket
    udp = []
    for port in {UDP}:
        udp.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)); udp[-1].bind(("0.0.0.0", port))
    tcp = [socket.create_server(("0.0.0.0", port), backlog=64) for port in {TCP}]
    print("ready", flush=True)
    while True:
        for sock in select.select(udp + tcp, [], [])[0]:
            if sock in udp:
                data, where = sock.recvfrom(100); sock.sendto(data, where)
            else:
                sock.accept()[0].close()
"""
SCAN = f"""
    import errno, json, resource, select, socket, sys, time
    host = sys.argv[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (20_000, 20_000))
    opened, answered = [], []
    for first in range(1, 65_536, 16_384):
        poll, socks = select.epoll(), {{}}
        for port in range(first, min(first + 16_384, 65_536)):
            sock = socket.socket(); sock.setblocking(False)
            code = sock.connect_ex((host, port))
            if code == errno.ECONNREFUSED:
                answered.append(port); sock.close(); continue
            socks[sock.fileno()] = (sock, port); poll.register(sock, select.EPOLLOUT)
        end = time.monotonic() + 1.5
        while (left := end - time.monotonic()) > 0:
            for fd, _ in poll.poll(left):
                sock, port = socks.pop(fd)
                code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                (answered if code == errno.ECONNREFUSED else opened if code == 0 else []).append(port)
                poll.unregister(fd); sock.close()
        for sock, _ in socks.values():
            sock.close()
    udp = []
    for port in {UDP}:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); sock.settimeout(0.7)
        sock.sendto(b"?", (host, port))
        try:
            sock.recv(10); udp.append(port)
        except OSError:
            pass
    print(json.dumps({{"tcp": sorted(opened), "refused": len(answered), "udp": udp}}))
"""


class Box:
    """Three namespaces: inside - box - outside."""

    def __init__(self, directory: Path) -> None:
        self._ip = program("ip", "iproute2")
        program("nft", "nftables")
        self.directory = directory
        self._tag = f"dta-{os.getpid()}"
        self._serving: subprocess.Popen[str] | None = None
        for name in ("in", "box", "out"):
            self._run(self._ip, "netns", "add", f"{self._tag}-{name}")
        for side, box, peer in (("in", BOX_IN, INSIDE), ("out", BOX_OUT, OUTSIDE)):
            ends = ("type", "veth", "peer", "name", "eth0", "netns", f"{self._tag}-{side}")
            self.on("box", "ip", "link", "add", f"{side}0", *ends)
            for where, link, address in (("box", f"{side}0", box), (side, "eth0", peer)):
                self.on(where, "ip", "addr", "add", f"{address}/24", "dev", link)
                self.on(where, "ip", "link", "set", link, "up")
            self.on(side, "ip", "route", "add", "default", "via", box)
        for name in ("in", "box", "out"):
            self.on(name, "ip", "link", "set", "lo", "up")
        for key in ("net.ipv4.ip_forward=1", "net.ipv4.conf.all.rp_filter=0"):  # as a mistaken hand might leave it
            self.on("box", "sysctl", "-qw", key)

    def _run(self, *command: str, check: bool = True) -> str:
        environment = {**os.environ, "PATH": f"{os.environ.get('PATH', '')}:{SBIN}"}
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)
        assert not check or done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout if done.returncode == 0 else ""

    def on(self, where: str, *command: str, check: bool = True) -> str:
        return self._run(self._ip, "netns", "exec", f"{self._tag}-{where}", *command, check=check)

    def python(self, where: str, code: str, *words: str) -> str:
        return self.on(where, sys.executable, "-c", textwrap.dedent(code), *words)

    def serve(self) -> None:
        code = textwrap.dedent(SERVE)
        command = [self._ip, "netns", "exec", f"{self._tag}-box", sys.executable, "-c", code]
        self._serving = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._serving.stdout is not None
        assert self._serving.stdout.readline() == "ready\n"

    def scan(self, where: str, host: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.python(where, SCAN, host))
        return found

    def admit(self) -> str:
        """Load what ``dialtone admission`` writes for the site file."""
        secrets = self.directory / "secrets"
        secrets.mkdir(mode=0o700, exist_ok=True)
        (secrets / "c").write_text("a secret of ours, long enough\n")
        (secrets / "c").chmod(0o600)
        site = self.directory / "site.toml"
        site.write_text(SITE.replace("DIRECTORY", str(secrets)))
        words = ("admission", str(site), "--inside", "in0", "--outside", "out0")
        made = subprocess.run([sys.executable, "-m", "agent", *words], capture_output=True, text=True, check=True)
        assert made.stderr == ""
        rules = self.directory / "rules.nft"
        rules.write_text(made.stdout)
        for _ in range(2):  # loaded again, it replaces itself
            self.on("box", "nft", "-f", str(rules))
        return made.stdout

    def reaches(self, source: str, host: str, bind: str = "") -> bool:
        words = ("ping", "-n", "-c", "2", "-i", "0.2", "-W", "1", *(("-I", bind) if bind else ()), host)
        return bool(self.on(source, *words, check=False))

    def close(self) -> None:
        if self._serving is not None:
            self._serving.kill()
            self._serving.wait()
        for name in ("in", "box", "out"):
            with contextlib.suppress(AssertionError):
                self._run(self._ip, "netns", "del", f"{self._tag}-{name}")


@pytest.fixture
def box() -> Iterator[Box]:
    if os.geteuid() != 0:
        pytest.skip("needs root (network namespaces)")
    program("ping", "iputils-ping")
    with tempfile.TemporaryDirectory(prefix="dt-") as directory:
        made = Box(Path(directory))
        try:
            until(lambda: made.reaches("in", BOX_IN) and made.reaches("out", BOX_OUT), "the namespaces never joined")
            yield made
        finally:
            made.close()


def test_a_scan_from_both_sides_finds_what_the_site_file_opens_and_nothing_else(box: Box) -> None:
    box.serve()
    assert box.scan("in", BOX_IN) == {"tcp": list(TCP), "refused": 65_535 - len(TCP), "udp": list(UDP)}
    box.admit()
    assert box.scan("in", BOX_IN) == {"tcp": [514], "refused": 0, "udp": [162, 514]}
    assert box.scan("out", BOX_OUT) == {"tcp": [], "refused": 0, "udp": [5070]}, "the reflector's knock alone"
    assert box.scan("out", BOX_IN) == {"tcp": [], "refused": 0, "udp": [5070]}, "nor by the other side's address"
    box.on("in", "ip", "addr", "flush", "dev", "eth0")
    box.on("in", "ip", "addr", "add", f"{STRANGER}/24", "dev", "eth0")
    assert box.scan("in", BOX_IN) == {"tcp": [], "refused": 0, "udp": []}, "another host of the LAN may send no log"


def test_nothing_is_forwarded_and_no_inside_address_leaves_outside(box: Box) -> None:
    assert box.reaches("in", OUTSIDE)
    assert box.reaches("out", INSIDE)
    assert box.reaches("box", OUTSIDE, BOX_IN), "an inside address goes out where nothing stops it"
    rules = box.admit()
    assert "policy drop" in rules
    assert not box.reaches("in", OUTSIDE)
    assert not box.reaches("out", INSIDE)
    assert not box.reaches("box", OUTSIDE, BOX_IN)
    assert box.reaches("box", OUTSIDE)
    assert box.reaches("box", INSIDE)
    assert box.reaches("in", BOX_IN), "the LAN may ask whether the box is there"
    assert not box.reaches("out", BOX_OUT)
