"""Site files, ptys and agents for the real tests: everything in a temporary directory, ended by its own pid."""

from __future__ import annotations

import contextlib
import os
import pty
import subprocess
import sys
import tempfile
import time
import tty
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from agent.control import Unanswered, ask

ROOT = Path(__file__).parent.parent.parent
PATIENCE_S = 30.0


def until(what: Callable[[], Any], why: str, patience_s: float = PATIENCE_S) -> Any:
    """Wait, bounded, until ``what()`` is true, and give its value; a machine under load may take long."""
    end = time.monotonic() + patience_s
    while time.monotonic() < end:
        value = what()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"waited {patience_s:g} s in vain: {why}")


class Site:
    """A site in a directory: a pty as bank-a's port, and whatever tables the test adds."""

    def __init__(self, directory: Path, *, extra: str = "", trunks: str = '"T1-1" = "cama", "T1-2" = "cama"') -> None:
        self.directory = directory
        self.socket = directory / "c.sock"
        self.file = directory / "site.toml"
        self.journal = directory / "journal"
        self.journal.mkdir()
        self.master, slave = pty.openpty()
        tty.setraw(slave)
        self.port = directory / "port"
        self.port.symlink_to(os.ttyname(slave))
        self._slave = slave
        self.file.write_text(
            f"""
[site]
id = "testville"
noc_phone = "555-0100"

[[line]]
id = "bank-a"
port = "{self.port}"
dialect = "tl1"
trunks = {{ {trunks} }}

[panel]
pins = "mock"

[journal]
directory = "{self.journal}"

[control]
socket = "{self.socket}"
{extra}
"""
        )

    def send(self, data: bytes) -> None:
        """Down the serial line."""
        while data:
            data = data[os.write(self.master, data) :]

    def status(self) -> dict[str, Any]:
        """``status`` over the control socket."""
        return ask(self.socket, "status", timeout_s=PATIENCE_S)

    def ready(self) -> bool:
        """Whether the agent answers and holds the port open."""
        try:
            status = self.status()
        except Unanswered:
            return False
        return all(sense["state"] != "unknown" for sense in status["senses"] if sense["sense"] == "tl1")

    def alarm(self, alarm_id: str) -> dict[str, Any] | None:
        """One standing alarm of the status."""
        return next((a for a in self.status()["alarms"] if a["id"] == alarm_id), None)

    @contextlib.contextmanager
    def agent(
        self, *command: str, wait: bool = True, pass_fds: tuple[int, ...] = ()
    ) -> Iterator[subprocess.Popen[bytes]]:
        """The agent as a child process; ended by its own pid at the end."""
        started = command or (sys.executable, "-m", "agent", "run", str(self.file))
        child = subprocess.Popen(started, cwd=ROOT, pass_fds=pass_fds)
        try:
            if wait:
                until(lambda: self.ready() or child.poll() is not None, "the agent never came up")
                assert child.poll() is None, f"the agent ended with {child.returncode}"
            yield child
        finally:
            if child.poll() is None:
                child.terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    child.wait(PATIENCE_S)
            if child.poll() is None:
                child.kill()
                child.wait()

    def close(self) -> None:
        """Give the pty back."""
        for fd in (self.master, self._slave):
            with contextlib.suppress(OSError):
                os.close(fd)


@contextlib.contextmanager
def site(**kinds: str) -> Iterator[Site]:
    """A site that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="dt-") as directory:
        made = Site(Path(directory), **kinds)
        try:
            yield made
        finally:
            made.close()


def tl1(aid: str, code: str, condition: str, atag: int, *, almcde: str = "**", srveff: str = "SA") -> bytes:
    """A TL1 autonomous alarm as a bank sends it (protocols: Adtran MX2800, constructed)."""
    text = f'"{aid}:{code},{condition},{srveff},11-05,09-14-22,NEND"'
    return f"\r\n\n   MX2800 04-11-05 09:14:22\r\n{almcde} {atag:06d} REPT ALM T1\r\n   {text}\r\n;".encode()
