"""Traps and informs as net-snmp's own commands send them."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
from pathlib import Path

import pytest

from agent.paths.snmp.traps import TrapReader
from agent.readings import Reading
from agent.site import schema
from agent.site.secrets import SecretStore
from tests.real.snmp_peers import PATIENCE_S, needs, secrets_in

LINK_DOWN = "1.3.6.1.6.3.1.1.5.3"
ROW = ["1.3.6.1.2.1.2.2.1.1.3", "i", "3", "1.3.6.1.2.1.2.2.1.7.3", "i", "1", "1.3.6.1.2.1.31.1.1.1.1.3", "s", "wan1"]
USER = ["-v3", "-u", "trapper", "-a", "SHA-256", "-A", "authpass12", "-x", "AES", "-X", "privpass12", "-l", "authPriv"]
SENDER = ["-e", "0x8000000001020304"]
V2C = schema.Traps(community="right", profiles=("interfaces", "ups"))
V3 = schema.Traps(
    version="3", user="trapper", authentication="sha256", authentication_password="auth", privacy="aes",
    privacy_password="priv", profiles=("interfaces",),
)  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> SecretStore:
    return secrets_in(tmp_path / "secrets")


def sent(
    reader: TrapReader, tmp_path: Path, program: str, *args: str, target: str = "127.0.0.1"
) -> tuple[int, list[Reading]]:
    """Run one command against a socket of ours; its exit code and what was read."""
    found, readings = needs(program, "snmp"), []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((target, 0))
        sock.settimeout(0.2)
        where = f"{target}:{sock.getsockname()[1]}"
        env = {**os.environ, "SNMP_PERSISTENT_DIR": str(tmp_path / "kept")}
        process = subprocess.Popen([found, *[where if arg == "TO" else arg for arg in args]], env=env)
        deadline = time.monotonic() + PATIENCE_S
        quiet = 0
        while quiet < 2 and time.monotonic() < deadline:
            with contextlib.suppress(TimeoutError):
                data, source = sock.recvfrom(65_535)
                more, answer = reader.datagram(data, time.monotonic_ns())
                readings += more
                if answer is not None:
                    sock.sendto(answer, source)
                continue
            quiet = quiet + 1 if process.poll() is not None else 0
        code = process.wait(PATIENCE_S)
    return code, readings


def reader(check: schema.Traps, store: SecretStore) -> TrapReader:
    return TrapReader(schema.Path("fw", "firewall", "127.0.0.1", (check,)), "traps", check, store)


def test_traps_of_version_2c_and_1(store: SecretStore, tmp_path: Path) -> None:
    one = reader(V2C, store)
    _, readings = sent(one, tmp_path, "snmptrap", "-v2c", "-c", "public-of-test", "TO", "", LINK_DOWN, *ROW)
    assert [(r.kind, r.subject, r.detail["point"]) for r in readings] == [("alarm", "wan1", "interface-down")]
    apc = ["1.3.6.1.4.1.318", "192.0.2.7", "6", "5", "100"]
    _, readings = sent(one, tmp_path, "snmptrap", "-v1", "-c", "public-of-test", "TO", *apc)
    assert [(r.kind, r.detail["point"]) for r in readings] == [("alarm", "power-on-battery")]
    _, readings = sent(one, tmp_path, "snmptrap", "-v2c", "-c", "other", "TO", "", LINK_DOWN, *ROW)
    assert [(r.kind, r.detail["why"]) for r in readings] == [("garbage", "wrong-community")]
    assert one.counters == {"traps": 2, "wrong-community": 1}


def test_an_inform_is_acknowledged(store: SecretStore, tmp_path: Path) -> None:
    one = reader(V2C, store)
    code, readings = sent(one, tmp_path, "snmpinform", "-v2c", "-c", "public-of-test", "TO", "", LINK_DOWN, *ROW)
    assert code == 0
    assert [r.kind for r in readings] == ["alarm"]
    args = ["-v2c", "-c", "other", "-t", "0.5", "-r", "1", "TO", "", LINK_DOWN]
    code, _ = sent(one, tmp_path, "snmpinform", *args)
    assert code != 0


def test_traps_of_version_3(store: SecretStore, tmp_path: Path) -> None:
    one = reader(V3, store)
    _, readings = sent(one, tmp_path, "snmptrap", *USER, *SENDER, "TO", "", LINK_DOWN, *ROW)
    assert [(r.kind, r.subject) for r in readings] == [("alarm", "wan1")]
    for was, why in (("authpass12", "wrong-digest"), ("privpass12", "not-deciphered"), ("trapper", "unknown-user")):
        wrong = ["wrongpass1" if arg == was else arg for arg in USER]
        _, readings = sent(one, tmp_path, "snmptrap", *wrong, *SENDER, "TO", "", LINK_DOWN, *ROW)
        assert [(r.kind, r.detail["why"]) for r in readings] == [("garbage", why)]


def test_an_inform_of_version_3_is_acknowledged(store: SecretStore, tmp_path: Path) -> None:
    one = reader(V3, store)
    for _ in range(2):
        code, readings = sent(one, tmp_path, "snmpinform", *USER, "TO", "", LINK_DOWN, *ROW)
        assert code == 0
        assert [r.kind for r in readings] == ["alarm"]
    assert one.counters["informs"] == 2
