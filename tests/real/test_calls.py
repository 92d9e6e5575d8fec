"""The whole way for calls: an ALI link and a switch's call records on ptys, the agent of ``run``, a real broker.

Nothing of a caller may be found anywhere afterwards. Numbers are 555-01xx; the records are made in the shape of
protocols.md section 2 (the ALI framing is no vendor's: nothing public says it).
"""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import subprocess
import sys
import tty
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.real.brokers import broker
from tests.real.sites import ROOT, Site, site, tl1, until
from tests.real.test_reporting import MosquittoSub, connected, mosquitto_sub, uplink

STREET = "MAIN"


class Wire:
    """A pty under a name of its own."""

    def __init__(self, link: Path) -> None:
        self.link = link
        self.master, self._slave = pty.openpty()
        tty.setraw(self._slave)
        link.symlink_to(os.ttyname(self._slave))

    def send(self, data: bytes) -> None:
        while data:
            data = data[os.write(self.master, data) :]

    def close(self) -> None:
        for fd in (self.master, self._slave):
            with contextlib.suppress(OSError):
                os.close(fd)


def number(index: int) -> str:
    return f"{200 + index // 100:03d}55501{index % 100:02d}"


def ali(index: int) -> bytes:
    """A record of an ALI link: STX, its type and position, the lines, ETX."""
    n = number(index)
    lines = (
        f"({n[:3]}) {n[3:6]}-{n[6:]} 11:41 0618",
        "RESIDENT NAME",
        f"{4600 + index} {STREET} ST",
        "SPRINGFIELD MA",
        "RESD  ESN 319",
    )
    return b"\x02105\r" + "\r\n".join(lines).encode() + b"\r\n\x03"


def smdr(index: int, duration_s: int) -> bytes:
    """A Nortel record of an incoming trunk call (old format; protocols.md section 2.3)."""
    took = f"{duration_s // 3600:02d}:{duration_s // 60 % 60:02d}:{duration_s % 60:02d}"
    return f"N {index % 1000:03d} 00 T010 016 6101 06/18 13:15 {took} {number(index)}\r\n".encode()


def calls_site(ali_port: Path, smdr_port: Path, more: str = "") -> str:
    return f"""
[[line]]
id = "ali-a"
port = "{ali_port}"
dialect = "ali"

[[line]]
id = "calls"
port = "{smdr_port}"
dialect = "smdr"
switch = "nortel-old"
abandoned_recorded = true

[calls]
shadow_days = 0
{more}
"""


@contextlib.contextmanager
def centre(more: str = "") -> Iterator[tuple[Site, Wire, Wire]]:
    with contextlib.ExitStack() as stack:
        made = stack.enter_context(site())
        wires = [Wire(made.directory / name) for name in ("ali", "smdr")]
        for wire in wires:
            stack.callback(wire.close)
        made.file.write_text(made.file.read_text() + calls_site(wires[0].link, wires[1].link, more))
        yield made, wires[0], wires[1]


def open_everywhere(s: Site) -> bool:
    return all(port["state"] == "up" for port in s.status()["ports"])


def dialtone(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "agent", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )


def of_type(s: Site, name: str) -> dict[str, Any] | None:
    return next((a for a in s.status()["alarms"] if a["type"] == name), None)


def test_data_arrives_and_no_voice_does() -> None:
    with centre() as (s, ali_wire, smdr_wire), s.agent():
        until(lambda: open_everywhere(s), "the ports did not open")
        s.send(tl1("T1-1", "CL", "LOS", 1, almcde="A "))
        for index in range(3):
            ali_wire.send(ali(index))
            smdr_wire.send(smdr(index, 95))
        until(lambda: s.status()["calls"], "nothing is told of calls")
        for index in range(10, 40):
            ali_wire.send(ali(index))
            smdr_wire.send(smdr(index, 6))
        alarm = until(lambda: of_type(s, "data-without-voice"), "no voice, and no alarm")
        assert alarm["severity"] == "critical"
        status = until(lambda: (st := s.status())["horn"] == "alarm" and st, "the horn is silent")
        assert status["lamps"]["calls"] == "flash"
        assert status["lamps"]["ok"] == "off"
        assert status["verdict"]["cause"] != "none"
        assert not re.search(r"[0-9]{7}", alarm["text"])


def test_nothing_of_a_caller_is_found_anywhere(tmp_path: Path) -> None:
    """In the journal's files, the log, everything sent, what was learned and what ``status`` says."""
    with broker() as b, mosquitto_sub(b.port) as sub, centre(uplink(b.port)) as (s, ali_wire, smdr_wire):
        log = tmp_path / "log"
        with log.open("wb") as file:
            child = subprocess.Popen(
                [sys.executable, "-m", "agent", "run", str(s.file), "--verbose"], cwd=ROOT, stderr=file, stdout=file
            )
        try:
            until(lambda: s.socket.exists() and open_everywhere(s) and connected(s), "the agent never came up")
            feed(ali_wire, smdr_wire)
            until(lambda: s.status()["ports"][2]["bytes"] > 1000, "the records did not arrive")
            s.send(tl1("T1-1", "MJ", "LOS", 1))
            until(lambda: s.alarm("bank-a_los_t1-1"), "the last alarm was not raised")
            until(lambda: sub.last("alarm/bank-a_los_t1-1"), "the last alarm was not received")
            status = json.dumps(s.status())
        finally:
            child.terminate()
            assert child.wait(30) == 0
        places = {"status": status.encode(), "log": log.read_bytes(), "mqtt": told(sub)}
        for path in s.journal.iterdir():
            places[path.name] = path.read_bytes()
        assert "learned.json" in places
        for index in range(1, 60):  # 555-0100 is the NOC
            n = number(index)
            for form in (n, n[3:], f"{n[3:6]}-{n[6:]}"):
                for name, data in places.items():
                    assert form.encode() not in data, f"{name} holds a caller's number"
        for name, data in places.items():
            assert STREET.encode() not in data, f"{name} holds a caller's street"
            assert b"RESIDENT NAME" not in data, f"{name} holds a caller's name"


def feed(ali_wire: Wire, smdr_wire: Wire) -> None:
    for index in range(1, 60):
        ali_wire.send(ali(index))
        smdr_wire.send(smdr(index, 40 + index))
    ali_wire.send(b"\x02garbage 2025550123 with a number \xff\xfe\x03" + ali(7)[:-9])
    smdr_wire.send(b"what is this 2025550123\r\nN 001 00 T010 016 61" + b"2025550123 " * 30 + b"\r\n")


def told(sub: MosquittoSub) -> bytes:
    return json.dumps(sub.messages).encode()


def test_a_port_is_lent_and_comes_back() -> None:
    with centre() as (s, ali_wire, _), s.agent():
        until(lambda: open_everywhere(s), "the ports did not open")
        lent = dialtone("release", "bank-a", "--minutes", "5", "--socket", str(s.socket))
        assert lent.returncode == 0, lent.stderr
        alarm = until(lambda: s.alarm("bank-a_port-lent_port"), "nobody is told that the port is lent")
        assert (alarm["severity"], alarm["lamp"]) == ("minor", "probe")
        assert s.status()["lamps"]["ok"] == "off"
        back = dialtone("release", "bank-a", "--back", "--socket", str(s.socket))
        assert back.returncode == 0, back.stderr
        until(lambda: s.alarm("bank-a_port-lent_port") is None, "the port did not come back")
        assert dialtone("release", "nobody", "--minutes", "5", "--socket", str(s.socket)).returncode == 1
        ali_wire.send(ali(1))


@pytest.mark.parametrize(
    ("more", "key"),
    [
        ('[line.map]\nstart = [1, 5]\nstart_layout = "QQ:QQ"\n', "line[3].map"),
        ('[[line.rules]]\nname = "bad"\nmatch = "(a"\npoint = "cpe-alarm"\n', "line[3].rules[0].match"),
        ('[[line.rules]]\nname = "back"\nmatch = "(a)\\\\1"\npoint = "cpe-alarm"\n', "line[3].rules[0].match"),
    ],
)
def test_what_cannot_work_is_refused_at_load(more: str, key: str) -> None:
    kind = 'dialect = "smdr"\nswitch = "map"' if "map" in key else 'dialect = "text"'
    with centre(f'[[line]]\nid = "other"\nport = "/dev/ttyS7"\n{kind}\n{more}') as (s, _, _):
        for verb in ("check", "run"):
            refused = dialtone(verb, str(s.file))
            assert refused.returncode == 2
            assert key in refused.stderr
