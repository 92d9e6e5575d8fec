"""Asking the running agent over its control socket. Small, for programs that run beside it: no asyncio."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import Any


class Unanswered(Exception):
    """The agent can't be reached over the socket, or refused; the text says why."""


def default_socket() -> Path:
    """``/run/dialtone/control.sock`` under systemd, else under XDG_RUNTIME_DIR, else in the user's own /tmp folder."""
    given = os.environ.get("RUNTIME_DIRECTORY")
    if given:
        return Path(given.split(":", 1)[0]) / "control.sock"
    system = Path("/run/dialtone")
    if os.access(system, os.W_OK):
        return system / "control.sock"
    user = os.environ.get("XDG_RUNTIME_DIR")
    own = Path(user) if user and os.access(user, os.W_OK) else Path(f"/tmp/dialtone-{os.getuid()}")  # noqa: S108
    return own / "dialtone" / "control.sock"


def ask(path: Path, do: str, args: dict[str, Any] | None = None, timeout_s: float = 5.0) -> dict[str, Any]:
    """Ask the agent at ``path`` one thing and return its result. Raises ``Unanswered`` with the reason."""
    question = json.dumps({"v": 1, "id": "1", "do": do, "args": args or {}}).encode() + b"\n"
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.settimeout(timeout_s)
            sock.connect(str(path))
            sock.sendall(question)
            with sock.makefile("rb") as stream:
                line = stream.readline(16 * 1024 * 1024)
        told = json.loads(line)
    except (OSError, ValueError) as error:
        raise Unanswered(f"no agent answers at {path}: {error}") from error
    if not told.get("ok"):
        raise Unanswered(str(told.get("error", "refused")))
    return dict(told["result"])
