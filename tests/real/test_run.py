"""The agent as it runs: a byte on a real pty flips the status, the lamp, the journal; people's requests; restarts."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys

import pytest

from tests.real.sites import ROOT, Site, site, tl1, until

LOS = "bank-a_los_t1-1"


def dialtone(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "agent", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )


def heard(s: Site) -> None:
    """The bank says something harmless: a line that has never spoken can't be vouched for."""
    s.send(b'\r\n\n   MX2800 04-11-05 09:14:22\r\nA  000000 REPT EVT EQPT\r\n   "SYS:INIT,TC,11-05,09-14-22,NEND"\r\n;')


def test_ok_stays_dark_until_the_line_has_spoken() -> None:
    with site() as s, s.agent():
        status = s.status()
        assert status["lamps"]["ok"] == "off"
        assert status["verdict"]["cause"] == "probe-blind"
        heard(s)
        until(lambda: s.status()["lamps"]["ok"] == "wink", "never healthy")


def test_a_tl1_alarm_lives_its_life_as_sequence_m_says() -> None:
    with site() as s, s.agent() as child:
        heard(s)
        healthy = until(lambda: s.status()["lamps"]["ok"] == "wink" and s.status(), "never healthy")
        assert (healthy["horn"], healthy["alarms"]) == ("none", [])
        s.send(tl1("T1-1", "MJ", "LOS", 1))
        alarm = until(lambda: s.alarm(LOS), "the alarm was not raised")
        status = s.status()
        assert (alarm["state"], alarm["severity"], alarm["evidence"]["condtype"]) == ("unacknowledged", "major", "LOS")
        assert (status["lamps"]["trunks"], status["lamps"]["ok"], status["horn"]) == ("flash", "off", "alarm")
        assert s.alarm("cama_trunk-partial_all")
        told = dialtone("status", "--socket", str(s.socket), "--json")
        assert told.returncode == 1
        assert json.loads(told.stdout)["lamps"]["trunks"] == "flash"
        assert dialtone("silence", "--socket", str(s.socket)).returncode == 0
        assert (s.status()["horn"], s.status()["lamps"]["trunks"]) == ("none", "flash")
        assert dialtone("ack", "--socket", str(s.socket)).returncode == 0
        assert s.status()["lamps"]["trunks"] == "steady"
        s.send(tl1("T1-1", "CL", "LOS", 2, almcde="A "))
        until(lambda: (s.alarm(LOS) or {}).get("state") == "returned", "it did not clear")
        assert s.status()["lamps"]["trunks"] == "steady"
        assert dialtone("reset", "--socket", str(s.socket)).returncode == 0
        until(lambda: s.status()["lamps"]["ok"] == "wink", "not healthy again")
        assert "no alarms" in dialtone("status", "--socket", str(s.socket)).stdout
        child.send_signal(signal.SIGTERM)
        assert child.wait(30) == 0
        assert dialtone("verify", str(s.journal)).returncode == 0


def test_all_trunks_of_a_group_down_is_critical() -> None:
    with site() as s, s.agent():
        s.send(tl1("T1-1", "MJ", "LOS", 1) + tl1("T1-2", "MJ", "AIS", 2))
        group = until(lambda: s.alarm("cama_trunk-group-down_all"), "the group's alarm was not raised")
        assert group["severity"] == "critical"
        s.send(tl1("T1-2", "CL", "AIS", 3))
        until(lambda: s.alarm("cama_trunk-group-down_all")["state"] == "returned-unacknowledged", "not cleared")


def test_what_stood_stands_again_after_kill_9() -> None:
    with site() as s:
        with s.agent() as child:
            s.send(tl1("T1-1", "MJ", "LOS", 1))
            until(lambda: s.status()["journal"]["waiting"] == 0 and s.alarm(LOS), "not raised")
            dialtone("ack", LOS, "--socket", str(s.socket))
            until(lambda: s.status()["journal"]["waiting"] == 0, "not written")
            child.kill()
            child.wait()
        with s.agent():
            alarm = s.alarm(LOS)
            assert alarm is not None
            assert alarm["state"] == "acknowledged"
            assert s.status()["lamps"]["ok"] == "off"
            s.send(tl1("T1-1", "CL", "LOS", 9))
            until(lambda: s.alarm(LOS)["state"] == "returned", "it did not clear")
            assert s.alarm("cama_trunk-partial_all")["active"] is False


def test_a_port_that_vanishes_is_trouble_and_never_reads_as_healthy() -> None:
    with site() as s, s.agent():
        heard(s)
        until(lambda: s.status()["lamps"]["ok"] == "wink", "never healthy")
        s.close()
        until(lambda: s.status()["lamps"]["ok"] == "off", "still healthy without its port")
        until(lambda: s.alarm("bank-a_port-lost_port"), "no port-lost alarm")
        assert s.status()["lamps"]["probe"] == "steady"


def test_a_panel_that_fails_is_an_alarm_and_never_a_crash() -> None:
    with site() as s:
        s.file.write_text(s.file.read_text().replace('pins = "mock"', 'pins = "lgpio"'))
        with s.agent():
            alarm = until(lambda: s.alarm("host_panel-fault_panel"), "a panel without pins is not told")
            assert alarm["severity"] == "minor"
            s.send(tl1("T1-1", "MJ", "LOS", 1))
            until(lambda: s.alarm(LOS), "it watches no more")
            assert s.status()["panel"] == "failed"


def test_bad_requests_get_an_error_and_harm_nothing() -> None:
    with site() as s, s.agent():
        for bad in (
            b"\n",
            b"{}\n",
            b"[]\n",
            b'{"v":1}\n',
            b'{"v":2,"id":"a","do":"status"}\n',
            b'{"v":1,"id":"a","do":"nonsense"}\n',
            b'{"v":1,"id":"a","do":"ack","args":{"alarm":"nope"}}\n',
            b'{"v":1,"id":"a","do":"ack","args":{"alarm":{"x":1}}}\n',
            b'{"v":1,"id":"a","do":"test","args":{"seconds":1e9}}\n',
            b'{"v":1,"id":"a","do":"test","args":{"seconds":"x"}}\n',
            b"\xff\xfe\x00\n",
            b"[" * 50_000 + b"\n",
            b"x" * 100_000 + b"\n",
        ):
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(s.socket))
                client.settimeout(30)
                client.sendall(bad)
                client.shutdown(socket.SHUT_WR)
                try:
                    answers = client.makefile("rb").read()
                except ConnectionResetError:
                    continue
                for line in answers.splitlines():
                    assert json.loads(line)["ok"] is False
        assert s.status()["core_faults"] == 0
        assert oct(s.socket.stat().st_mode & 0o777) == "0o660"


def test_one_more_client_than_allowed_is_told_so() -> None:
    with site() as s, s.agent():
        clients = []
        for _ in range(16):
            client = socket.socket(socket.AF_UNIX)
            client.connect(str(s.socket))
            client.sendall(b'{"v":1,"id":"1","do":"status"}\n')
            assert client.recv(10)
            clients.append(client)
        with socket.socket(socket.AF_UNIX) as late:
            late.connect(str(s.socket))
            late.settimeout(30)
            assert b"too many clients" in late.recv(1000)
        for client in clients:
            client.close()
        until(s.ready, "it does not answer any more")


def test_two_agents_do_not_share_one_journal_or_socket() -> None:
    with site() as s, s.agent():
        second = dialtone("run", str(s.file))
        assert second.returncode == 1
        assert second.stderr.strip()
        assert s.ready()


def test_a_wrong_site_file_ends_run_with_2() -> None:
    with site() as s:
        s.file.write_text(s.file.read_text() + "\n[nonsense]\n")
        wrong = dialtone("run", str(s.file))
        assert wrong.returncode == 2
        assert "nonsense" in wrong.stderr


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_when_asked_and_says_so_in_the_journal(sig: int) -> None:
    with site() as s, s.agent() as child:
        os.kill(child.pid, sig)
        assert child.wait(30) == 0
        assert not s.socket.exists()
