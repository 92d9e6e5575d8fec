"""``dialtone commission`` on a real pty against the real agent and a broker; cables are a pty, a listener, the broker."""

from __future__ import annotations

import contextlib
import os
import pty
import socket
import subprocess
import sys
import threading
import tty
from collections.abc import Iterator

from agent.control import ask
from agent.journal.verify import verify
from tests.real.brokers import broker, free_port, subscriber
from tests.real.sites import PATIENCE_S, ROOT, Site, site, until

PATH = """
[[path]]
id = "esrp"
role = "far-end"
address = "127.0.0.1"
checks = [{{ kind = "tcp", port = {port}, every_s = 1 }}]
agreed_with = "the test"
[[uplink]]
id = "primary"
urls = ["{url}"]
"""


class Technician:
    """The terminal's other side: what was said so far, and answers typed."""

    def __init__(self, fd: int) -> None:
        self._fd, self._said, self._from = fd, "", 0
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        with contextlib.suppress(OSError):
            while data := os.read(self._fd, 4096):
                self._said += data.decode(errors="replace")

    def hears(self, words: str) -> None:
        """Waits for words that have not been heard before."""
        until(lambda: words in self._said[self._from :], f"never said {words!r}; said: {self._said}", 120)
        self._from = self._said.index(words, self._from) + len(words)

    def types(self, line: str) -> None:
        os.write(self._fd, f"{line}\n".encode())


@contextlib.contextmanager
def commission(made: Site, *more: str) -> Iterator[tuple[Technician, subprocess.Popen[bytes]]]:
    master, slave = pty.openpty()
    command = [sys.executable, "-m", "agent", "commission", "--socket", str(made.socket), "--as", "pat", *more]
    child = subprocess.Popen(command, cwd=ROOT, stdin=slave, stdout=slave, stderr=slave)
    os.close(slave)
    try:
        yield Technician(master), child
    finally:
        if child.poll() is None:
            child.kill()
        child.wait()
        os.close(master)


def listener(port: int) -> socket.socket:
    made = socket.create_server(("127.0.0.1", port), reuse_port=False)
    made.listen(64)
    threading.Thread(target=_take, args=(made,), daemon=True).start()
    return made


def _take(made: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while True:
            made.accept()[0].close()


def unplug(made: socket.socket) -> None:
    made.shutdown(socket.SHUT_RDWR)
    made.close()


def test_each_cable_is_pulled_and_the_whole_is_sealed() -> None:
    port = free_port()
    with broker() as noc, site(extra=PATH.format(port=port, url=noc.url)) as made:
        far_end = listener(port)
        with made.agent(), subscriber(noc.port) as outside:
            until(lambda: made.status()["uplinks"][0]["connected"], "no uplink")
            until(lambda: all(s["state"] == "up" for s in made.status()["senses"]), "a sense is not up")
            assert made.status()["commissioned"]["due"]
            with commission(made, "--wait", "120") as (pat, child):
                pat.hears("Step 1. Pull the cable of line bank-a")
                made.port.unlink()
                os.close(made.master)
                pat.hears("Is the lamp probe lit?")
                pat.types("maybe")
                pat.types("y")
                pat.hears("Does the NOC see it?")
                pat.types("y")
                pat.hears("Plug it in again.")
                made.master, slave = pty.openpty()
                tty.setraw(slave)
                made.port.symlink_to(os.ttyname(slave))
                pat.hears("It is back.")
                pat.hears("Step 2. Break the way to esrp")
                unplug(far_end)
                pat.hears("Is the lamp far-end lit?")
                pat.types("y")
                pat.hears("Did the horn sound?")
                pat.types("y")
                pat.hears("Does the NOC see it?")
                pat.types("y")
                pat.hears("Plug it in again.")
                far_end = listener(port)
                pat.hears("It is back.")
                ask(made.socket, "ack")  # the panel's button: the sentence's own alarm stands for a minute more
                pat.hears("Step 3. Break uplink primary")
                pat.types("s")
                pat.hears("No alarm")
                pat.hears("3 steps, 1 not proved; sealed")
                assert child.wait(PATIENCE_S) == 1
            told = made.status()["commissioned"]
            assert (told["technician"], told["steps"], told["failed"]) == ("pat", 3, 1)
            sealed = "dialtone.commission.v1"
            until(lambda: sum(h.body.get("type") == sealed for h in outside.events()) >= 4, "not reported upstream")
            steps = [h.body["data"] for h in outside.events() if h.body["type"] == sealed]
            by_id = {step["id"]: step for step in steps}
            assert by_id["esrp"]["passed"] is True
            assert by_id["esrp"]["lamp_seen"] is True
            assert by_id["esrp"]["receipt"] == "broker"
            assert by_id["all"]["passed"] is False
            assert all("uid" in step["who"] for step in steps)
        with made.agent():
            assert made.status()["commissioned"]["technician"] == "pat"
        unplug(far_end)
        os.close(slave)
        assert verify(made.journal).broken is None


def test_dry_run_lists_the_steps_and_writes_nothing() -> None:
    with site() as made, made.agent():
        head = made.status()["journal"]["head"]
        command = [sys.executable, "-m", "agent", "commission", str(made.file), "--dry-run"]
        told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=120)
        assert told.stdout.startswith("1. Pull the cable of line bank-a (tl1 on ")
        assert made.status()["journal"]["head"] == head


def test_a_technician_who_goes_away_seals_nothing() -> None:
    with site() as made, made.agent():
        command = [sys.executable, "-m", "agent", "commission", "--socket", str(made.socket)]
        told = subprocess.run(command, cwd=ROOT, input="", capture_output=True, text=True, timeout=120, check=False)
        assert told.returncode == 1
        assert "nothing is sealed" in told.stderr
        assert made.status()["commissioned"]["at"] is None


def test_no_horn_would_sound_in_service() -> None:
    with site() as made, made.agent():
        ask(made.socket, "mode", {"mode": "service", "minutes": 5})
        command = [sys.executable, "-m", "agent", "commission", "--socket", str(made.socket)]
        told = subprocess.run(command, cwd=ROOT, input="", capture_output=True, text=True, timeout=120, check=False)
        assert told.returncode == 1
        assert "mode service" in told.stdout
