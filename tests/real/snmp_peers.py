"""Real SNMP peers under test: Debian's snmpd with its passwords and vendor's values, and a tiny agent on a socket."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agent.site.secrets import SecretStore

PATIENCE_S = 40.0
ENGINE_ID = "0x80001f8804746573746564"
SECRETS = {
    "right": "public-of-test",
    "wrong": "nobody-knows-it",
    "auth": "authpass12",
    "priv": "privpass12",
    "bad": "wrongpass99",
}
CONF = """agentaddress udp:127.0.0.1:{port}
rocommunity public-of-test
exactEngineID {engine}
createUser sha SHA authpass12 AES privpass12
createUser des MD5 authpass12 DES privpass12
createUser long SHA-512 authpass12 AES privpass12
createUser signed SHA-256 authpass12
createUser plain
rouser sha priv
rouser des priv
rouser long priv
rouser signed auth
rouser plain noauth
override 1.3.6.1.4.1.12356.101.4.1.8.0 uinteger {sessions}
override 1.3.6.1.4.1.12356.101.13.1.1.0 integer 3
override 1.3.6.1.2.1.33.1.4.1.0 integer 5
pass_persist 1.3.6.1.4.1.12356.101.13.2 {persist}
"""
# snmpd's pass_persist (snmpd.conf(5)): PING, then get or getnext with an OID.
PERSIST = """#!/usr/bin/env python3
import sys
rows = {}
base = (1, 3, 6, 1, 4, 1, 12356, 101, 13, 2, 1, 1)
for n, (serial, name, sync) in enumerate([("FG1", "fw-a", 1), ("FG2", "fw-b", 0)], 1):
    rows[base + (2, n)] = ("string", serial)
    rows[base + (11, n)] = ("string", name)
    rows[base + (12, n)] = ("integer", sync)
for line in iter(sys.stdin.readline, ""):
    word = line.strip()
    if word == "PING":
        print("PONG", flush=True)
        continue
    asked = tuple(int(p) for p in sys.stdin.readline().strip().strip(".").split("."))
    found = asked if word == "get" and asked in rows else None
    if word == "getnext":
        found = min((oid for oid in rows if oid > asked), default=None)
    if found is None:
        print("NONE", flush=True)
    else:
        print("." + ".".join(map(str, found)), *rows[found], sep="\\n", flush=True)
"""


def secrets_in(directory: Path) -> SecretStore:
    directory.mkdir(exist_ok=True)
    for name, held in SECRETS.items():
        (directory / name).write_text(held)
        (directory / name).chmod(0o600)
    return SecretStore(directory, None)


def needs(program: str, package: str) -> str:
    found = shutil.which(program) or shutil.which(program, path="/usr/sbin:/usr/bin:/sbin:/bin")
    if found is None:
        pytest.skip(f"needs {program} (Debian's package {package})")
    return found


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


class Snmpd:
    """One snmpd on a port of loopback, ended by its own process id."""

    def __init__(self, directory: Path, sessions: int = 500) -> None:
        self.program = needs("snmpd", "snmpd")
        self.directory, self.port = directory, free_port()
        persist = directory / "persist.py"
        persist.write_text(PERSIST)
        persist.chmod(0o755)
        conf = CONF.format(port=self.port, engine=ENGINE_ID, sessions=sessions, persist=persist)
        (directory / "snmpd.conf").write_text(conf)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        env = {**os.environ, "SNMP_PERSISTENT_DIR": str(self.directory / "kept"), "SNMPCONFPATH": str(self.directory)}
        args = ["-f", "-Lf", str(self.directory / "log"), "-C", "-c", str(self.directory / "snmpd.conf"), "-p", ""]
        args[-1] = str(self.directory / "pid")
        self.process = subprocess.Popen([self.program, *args], env=env)
        deadline = time.monotonic() + PATIENCE_S
        while not bound(self.port):
            assert self.process.poll() is None, (self.directory / "log").read_text()
            assert time.monotonic() < deadline, "snmpd does not start"
            time.sleep(0.05)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def forget_boots(self) -> None:
        shutil.rmtree(self.directory / "kept", ignore_errors=True)


def bound(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


@contextlib.contextmanager
def answering(answers: Callable[[bytes], list[bytes]]) -> Iterator[int]:
    """A socket that answers each datagram by ``answers``; the port it is on."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    sock.settimeout(0.1)
    over = threading.Event()

    def serve() -> None:
        while not over.is_set():
            with contextlib.suppress(TimeoutError):
                data, where = sock.recvfrom(65_535)
                for answer in answers(data):
                    sock.sendto(answer, where)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield int(sock.getsockname()[1])
    finally:
        over.set()
        thread.join()
        sock.close()
