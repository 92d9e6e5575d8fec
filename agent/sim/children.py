"""Child processes of the demo: each leads its own process group, and is ended by its own process id.

A demo that is killed cannot end them, so each asks the kernel for SIGTERM at its parent's death (prctl(2),
PR_SET_PDEATHSIG) before it becomes the program meant. Only the temporary directory is then left behind.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import agent

POLL_S = 0.05
NOT_INHERITED = ("RUNTIME_DIRECTORY", "STATE_DIRECTORY", "CREDENTIALS_DIRECTORY", "NOTIFY_SOCKET", "WATCHDOG_USEC")

TETHERED = """\
import ctypes, os, sys
try:
    ctypes.CDLL(None).prctl(1, 15)
except (OSError, AttributeError):
    pass
if os.getppid() == int(sys.argv[1]):
    os.execv(sys.argv[2], sys.argv[2:])
"""

Child = subprocess.Popen[bytes]


def spawn(command: Sequence[str], directory: Path, log_name: str) -> Child:
    """Start ``command`` (its program by full path) in ``directory``; what it says goes to ``log_name`` there.

    Call it from the main thread: the tether is to the thread that calls. Raises OSError.
    """
    with (directory / log_name).open("ab") as log:
        return subprocess.Popen(  # noqa: S603
            [sys.executable, "-I", "-S", "-c", TETHERED, str(os.getpid()), *command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=directory,
            env=environment(),
            process_group=0,
        )


def environment() -> dict[str, str]:
    """This environment, with this very package found first wherever the child's directory is."""
    here = str(Path(agent.__file__).resolve().parent.parent)
    rest = os.environ.get("PYTHONPATH")
    kept = {name: value for name, value in os.environ.items() if name not in NOT_INHERITED}
    return {**kept, "PYTHONPATH": f"{here}{os.pathsep}{rest}" if rest else here}


def last_words(directory: Path, log_name: str, limit: int = 1000) -> str:
    """The end of what a child said."""
    log = directory / log_name
    return (log.read_text(errors="replace").strip()[-limit:] if log.exists() else "") or "it said nothing"


async def end(child: Child, wait_s: float) -> None:
    """TERM to the child, and after ``wait_s`` KILL to its whole group. Returns when it has ended."""
    if child.poll() is None:
        child.send_signal(signal.SIGTERM)
        loop = asyncio.get_running_loop()
        until_s = loop.time() + wait_s
        try:
            while child.poll() is None and loop.time() < until_s:
                await asyncio.sleep(POLL_S)
        finally:
            if child.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(child.pid, signal.SIGKILL)
                child.wait()
