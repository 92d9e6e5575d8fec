"""``dialtone screen`` on a real pty with the real agent: an alarm, a frozen agent, a killed one, an orderly end."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator

from tests.real.sites import PATIENCE_S, ROOT, Site, site, tl1, until

SIZE = (200, 50)


class Console:
    """A terminal that understands what the screen sends, and nothing else; anything else is kept in ``strange``."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self.rows = [""] * SIZE[1]
        self.strange = b""
        self.bytes = 0
        self._rest = b""
        self.over = threading.Event()
        threading.Thread(target=self._read, daemon=True).start()

    def text(self) -> str:
        return "\n".join(self.rows)

    def _read(self) -> None:
        while True:
            select.select([self._fd], [], [])
            try:
                data = os.read(self._fd, 65536)
            except OSError:
                data = b""
            if not data:
                self.over.set()
                return
            self.bytes += len(data)
            *whole, self._rest = (self._rest + data).split(b"\x1b[0m")
            for part in whole:
                self._row(part)

    def _row(self, part: bytes) -> None:
        for row, line in re.findall(rb"\x1b\[(\d+);1H([^\n]*)", part):
            bare = re.sub(rb"\x1b\[[0-9;]*m", b"", line)
            self.rows[int(row) - 1] = bare.decode()
            if b"\x1b" in bare:
                self.strange += bare


@contextlib.contextmanager
def console(made: Site) -> Iterator[tuple[Console, subprocess.Popen[bytes]]]:
    """The screen on a pty of its own."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", SIZE[1], SIZE[0], 0, 0))
    command = [sys.executable, "-m", "agent", "screen", "--socket", str(made.socket)]
    child = subprocess.Popen(command, cwd=ROOT, stdin=slave, stdout=slave, env={**os.environ, "TERM": "linux"})
    os.close(slave)
    shown = Console(master)
    try:
        yield shown, child
    finally:
        if child.poll() is None:
            child.terminate()
            child.wait(PATIENCE_S)
        shown.over.wait(PATIENCE_S)
        os.close(master)


def test_an_alarm_a_frozen_agent_a_dead_one() -> None:
    with site() as made, made.agent() as agent, console(made) as (shown, child):
        until(lambda: "testville" in shown.text(), "the screen never showed the site")
        assert "ALARM" not in shown.text()
        made.send(tl1("T1-1", "MJ", "LOS", 1))
        until(lambda: re.search(r"^  ALARM +testville.*HORN: ALARM", shown.text(), re.M), "no alarm on the screen")
        until(lambda: "TRUNKS" in shown.text() or "FLASHING since" in shown.text(), "no lamp on the screen")
        agent.send_signal(signal.SIGSTOP)
        until(lambda: "NO ANSWER" in shown.text(), "a frozen agent was not told")
        until(lambda: "FLASHING" not in shown.text(), "a lamp stayed lit on the screen")
        agent.send_signal(signal.SIGCONT)
        until(lambda: "  ALARM   testville" in shown.text(), "the agent's return was not shown")
        agent.kill()
        agent.wait()
        until(lambda: "NO ANSWER" in shown.text(), "a dead agent was not told")
        assert not shown.strange
        child.terminate()
        assert child.wait(PATIENCE_S) == 0


def test_a_quiet_screen_sends_nothing() -> None:
    with site() as made, made.agent(), console(made) as (shown, _child):
        until(lambda: "testville" in shown.text() and "changing" not in shown.text(), "nothing shown")
        # Ten answers in a row without a byte: what changes at the start has come to rest.
        calm = [shown.bytes, 0]

        def still() -> bool:
            import time

            time.sleep(1)
            calm[1] = calm[1] + 1 if shown.bytes == calm[0] else 0
            calm[0] = shown.bytes
            return calm[1] >= 10

        until(still, "the screen never came to rest", 120)
