"""What systemd hears of the real agent, on a socket of our own in its place."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.real.sites import site, until


def heard(sock: socket.socket) -> list[str]:
    """Everything that has come."""
    out = []
    while True:
        try:
            out += sock.recv(4096).decode().splitlines()
        except BlockingIOError:
            return out


def test_ready_then_fed_then_stopping() -> None:
    with tempfile.TemporaryDirectory() as folder, site() as s, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(f"{folder}/notify")
        sock.setblocking(False)
        environment = {**os.environ, "NOTIFY_SOCKET": f"{folder}/notify", "WATCHDOG_USEC": "600000"}
        agent = subprocess.Popen(
            [sys.executable, "-m", "agent", "run", str(s.file)], env=environment, cwd=Path(__file__).parents[2]
        )
        try:
            said: list[str] = []

            def has(word: str, times: int = 1) -> bool:
                said.extend(heard(sock))
                return said.count(word) >= times

            until(lambda: has("READY=1"), "never ready")
            until(lambda: has("WATCHDOG=1", 3), "the watchdog is not fed")
            assert said.index("READY=1") < said.index("WATCHDOG=1")
            agent.send_signal(signal.SIGSTOP)
            os.waitpid(agent.pid, os.WUNTRACED)  # until it has stopped
            heard(sock)
            time.sleep(1.0)
            assert heard(sock) == [], "a frozen agent fed the watchdog"
            fed = said.count("WATCHDOG=1")
            agent.send_signal(signal.SIGCONT)
            until(lambda: has("WATCHDOG=1", fed + 1), "not fed after it went on")
            agent.send_signal(signal.SIGTERM)
            assert agent.wait(20) == 0
            assert has("STOPPING=1")
        finally:
            agent.kill()
            agent.wait()
