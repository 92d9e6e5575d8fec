"""The dialects behind real ptys: who may send, unplugging and return, a TL1 session, an agent that lends."""

from __future__ import annotations

import asyncio
import fcntl
import os
import select
import threading
import time
from pathlib import Path

import pytest
from msgspec import structs

from agent.clock import RealClock
from agent.control import ask
from agent.lines.ports import ports_of
from agent.readings import Reading
from agent.site import line as kinds
from agent.site.schema import Secrets, Site, SiteFile
from tests.lines.tl1_element import Element
from tests.real.ports import GOOD, PATIENCE_S, Pty, watching
from tests.real.sites import site, tl1, until
from tests.real.test_port import fds_of

RECORD = b"\x02207\r\n555-555-0123 11:41:01 12312015\r\nSMITH\r\n4625 RESD\r\nLAKE PARK BLVD\r\nSALT LAKE CITY UT\x03"
SESSION = kinds.Session(user="FRED", password="bank-a", keepalive_s=10)
PASSIVE: list[kinds.Line] = [
    kinds.Tl1Line(id="a", port="/x"),
    kinds.CsuLine(id="a", port="/x"),
    kinds.CiscoLine(id="a", port="/x"),
    kinds.AliLine(id="a", port="/x"),
    kinds.SmdrLine(id="a", port="/x", switch="nortel-old"),
    kinds.TextLine(id="a", port="/x", rules=(kinds.Rule(name="r", match="ALARM", point="cpe-alarm"),)),
    kinds.ContactsLine(id="a", port="/x", contacts=(kinds.PinContact(name="c", meaning="cpe-major"),)),
]


def at(line: kinds.Line, pty: Pty) -> kinds.Line:
    return structs.replace(line, port=str(pty.link))


@pytest.mark.parametrize("line", PASSIVE, ids=lambda line: line.dialect)
def test_a_dialect_that_only_listens_holds_a_descriptor_that_cannot_send(tmp_path: Path, line: kinds.Line) -> None:
    async def scenario() -> None:
        pty = Pty(tmp_path / "port")
        async with watching(at(line, pty)) as w:
            await w.up()
            status = w.port.status()
            assert (status["mode"], status["dialect"], status["session"]) == ("receive-only", line.dialect, None)
            held = [fd for fd in fds_of(os.ttyname(pty.slave)) if fd != pty.slave]
            assert [fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_ACCMODE for fd in held] == [os.O_RDONLY]
            with pytest.raises(OSError, match="Bad file descriptor"):
                os.write(held[0], b"x")
            pty.send(RECORD * 3 + GOOD + os.urandom(500))
            await asyncio.sleep(0.3)
        assert pty.heard() == b""
        pty.unplug()

    asyncio.run(scenario())


def test_an_ali_link_unplugged_in_a_record_and_back_under_its_path(tmp_path: Path) -> None:
    async def scenario() -> None:
        pty = Pty(tmp_path / "port")
        async with watching(kinds.AliLine(id="cad", port=str(pty.link))) as w:
            await w.up()
            pty.send(RECORD + RECORD[:40])
            await w.until(lambda: "data" in w.kinds() and w.port.status()["held_bytes"] > 0, "not read")
            assert w.last("data").detail["what"] == "record"
            pty.unplug()
            await w.until(lambda: "port-down" in w.kinds(), "not told")
            assert "garbage" in w.kinds()  # the half record went with the port
            back = Pty(tmp_path / "port")
            await w.up(2)
            back.send(RECORD[40:] + RECORD)
            await w.until(lambda: w.kinds().count("data") == 2, "not read after it came back")
            assert not any("0123" in str(value) for r in w.readings for value in r.detail.values())
            back.unplug()

    asyncio.run(scenario())


@pytest.mark.parametrize("framing", ["idle-gap", "blank-line"])
def test_records_that_a_silence_ends(tmp_path: Path, framing: str) -> None:
    async def scenario() -> None:
        pty = Pty(tmp_path / "port")
        line = kinds.AliLine(id="cad", port=str(pty.link), framing=framing, idle_gap_s=0.05)  # type: ignore[arg-type]
        text = RECORD[1:-1] + (b"\r\n\r\n" if framing == "blank-line" else b"\r\n")
        async with watching(line) as w:
            await w.up()
            for n in (1, 2, 3):
                pty.send(text)
                await w.until(lambda n=n: w.kinds().count("data") == n, "no record")  # type: ignore[misc]
            assert {r.detail["what"] for r in w.readings if r.kind == "data"} == {"record"}
        pty.unplug()

    asyncio.run(scenario())


class Bank(threading.Thread):
    """A network element at the far end of a pty, until it is killed."""

    def __init__(self, pty: Pty, element: Element) -> None:
        super().__init__(daemon=True)
        self.fd, self.element = os.dup(pty.master), element
        self.dead = threading.Event()
        self.start()

    def run(self) -> None:
        while not self.dead.is_set():
            now_ns = time.monotonic_ns()
            out = self.element.tick(now_ns)
            if select.select([self.fd], [], [], 0.02)[0]:
                out += self.element.hear(os.read(self.fd, 4096), now_ns)
            while out:
                out = out[os.write(self.fd, out) :]
        os.close(self.fd)

    def kill(self) -> None:
        self.dead.set()
        self.join(PATIENCE_S)


def standing(readings: list[Reading]) -> int:
    return sum(r.kind == "alarm" and bool(r.detail.get("retrieved")) for r in readings)


@pytest.mark.parametrize("echo", [False, True])
def test_a_session_logs_in_learns_what_stands_and_does_so_again(tmp_path: Path, echo: bool) -> None:
    async def scenario() -> None:
        alarm = '101,T1:MJ,LOS,SA,10-05,09-14-22,NEND,RCV:\\"Loss Of Signal\\"'
        line = kinds.Tl1Line(id="bank-a", port=str(tmp_path / "port"), session=SESSION)
        pty = Pty(tmp_path / "port")
        bank = Bank(pty, Element(alarms=[alarm], echo=echo))
        async with watching(line, password="FRED.1") as w:
            await w.until(lambda: standing(w.readings) == 1, "what stands was not learned")
            status = w.port.status()
            assert status["mode"] == "two-way"
            assert status["session"]
            assert "FRED.1" not in repr(w.readings) + repr(status)
            bank.kill()
            pty.unplug()
            await w.until(lambda: "port-down" in w.kinds(), "the loss was not told")
            pty = Pty(tmp_path / "port")
            bank = Bank(pty, Element(alarms=[alarm], echo=echo))
            await w.until(lambda: standing(w.readings) == 2, "no log-in after the return")
            assert bank.element.log_ins == 1
            w.port.release(10)
            assert w.port.status()["session"] != status["session"]
            w.port.take_back()
            await w.until(lambda: standing(w.readings) == 3, "no log-in after the loan")
            bank.kill()
        pty.unplug()

    asyncio.run(scenario())


def test_the_agent_lends_a_port_says_so_and_takes_it_back() -> None:
    with site() as s, s.agent():
        answer = ask(s.socket, "release", {"line": "bank-a", "minutes": 30}, timeout_s=PATIENCE_S)
        assert answer == {"line": "bank-a", "minutes": 30}
        fd = os.open(s.port, os.O_RDWR | os.O_NOCTTY)
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)  # raises where it is not free
        status = s.status()
        assert status["ports"][0]["released_s"] > 1700
        assert [a["id"] for a in status["alarms"]] == ["bank-a_port-lent_port"]
        os.close(fd)
        assert ask(s.socket, "release", {"line": str(s.port), "minutes": 0}, timeout_s=PATIENCE_S)["minutes"] == 0
        until(lambda: s.status()["ports"][0]["state"] == "up", "it was not taken back")
        s.send(tl1("T1-1", "MJ", "LOS", 1))
        until(lambda: s.alarm("bank-a_los_t1-1"), "not read after the loan")


def test_a_session_without_its_password_only_listens_and_that_is_told(tmp_path: Path) -> None:
    """``run`` refuses to start so; this is a secret that is taken away between its check and its use."""
    with_session = kinds.Tl1Line(id="bank-a", port=str(tmp_path / "port"), session=SESSION)
    (tmp_path / "secrets").mkdir(mode=0o700)
    file = SiteFile(
        site=Site(id="testville"), line=(with_session,), secrets=Secrets(directory=str(tmp_path / "secrets"))
    )
    refused: list[tuple[str, str]] = []
    (port,) = ports_of(file, lambda reading: None, RealClock(), lambda *told: refused.append(told))
    assert port.status()["mode"] == "receive-only"
    ((line, why),) = refused
    assert line == "bank-a"
    assert "only listens" in why
    secret = tmp_path / "secrets" / "bank-a"
    secret.touch(mode=0o600)
    secret.write_text("FRED.1\n")
    (port,) = ports_of(file, lambda reading: None, RealClock(), lambda *told: refused.append(told))
    assert port.status()["mode"] == "two-way"
    assert len(refused) == 1
