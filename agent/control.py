"""The control socket: what ``dialtone status``, ``ack`` and their like talk to.

A Unix stream socket, mode 0660; JSON, one object a line, at most 64 KiB; at most 16 clients, each idle for at
most 60 s. A bad request gets an error and harms nothing. Who asked (SO_PEERCRED, unix(7)) is journalled.
"""

from __future__ import annotations

import asyncio
import contextlib
import grp
import json
import os
import pwd
import socket
import stat
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

from agent.client import Unanswered as Unanswered
from agent.client import ask as ask
from agent.client import default_socket as default_socket
from agent.effects import Reply
from agent.readings import Request

MAX_LINE = 64 * 1024
MAX_CLIENTS = 16
IDLE_S = 60.0
MAX_ARGS = 16


class Refused(Exception):
    """What came over the socket is no request; the text says why."""


def parse(line: bytes, who: str) -> Request:
    """One line of the protocol as a request. Raises ``Refused`` for anything else."""
    try:
        asked = json.loads(line)
    except (ValueError, RecursionError):
        raise Refused("not JSON") from None
    if not isinstance(asked, dict) or asked.get("v") != 1:
        raise Refused('must be an object with "v": 1')
    request_id, do, args = asked.get("id", ""), asked.get("do"), asked.get("args", {})
    if not isinstance(request_id, str | int) or isinstance(request_id, bool) or len(str(request_id)) > 64:
        raise Refused('"id" must be a string or number of at most 64 characters')
    if not isinstance(do, str) or len(do) > 32:
        raise Refused('"do" must name a request')
    if not isinstance(args, dict) or len(args) > MAX_ARGS:
        raise Refused(f'"args" must be an object of at most {MAX_ARGS} members')
    if not all(value is None or isinstance(value, str | int | float | bool) for value in args.values()):
        raise Refused('"args" must hold plain values')
    return Request(str(request_id), do, args, who)


def answer(request_id: object, reply: Reply) -> bytes:
    """A reply as one line; ``request_id`` is given back as it came."""
    told: dict[str, Any] = {"id": request_id, "ok": reply.error is None}
    told |= {"result": reply.result} if reply.error is None else {"error": reply.error}
    return json.dumps(told, separators=(",", ":")).encode() + b"\n"


class ControlServer:
    """The socket's server. ``ask`` answers a request at once, in the loop's thread."""

    def __init__(self, path: Path, group: str | None, ask: Callable[[Request], Reply]) -> None:
        self._path, self._group, self._ask = path, group, ask
        self._clients = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Serve until cancelled. Raises OSError where the socket can't be made."""
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
        if self._path.parent.stat().st_uid not in (0, os.getuid()):
            raise PermissionError(f"{self._path.parent} belongs to somebody else")
        remove_stale(self._path)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        before = os.umask(0o117)  # the socket is 0660 from its first moment
        try:
            listener.bind(str(self._path))
        finally:
            os.umask(before)
        if self._group is not None:
            os.chown(self._path, -1, grp.getgrnam(self._group).gr_gid)
        server = await asyncio.start_unix_server(self._serve, sock=listener, limit=MAX_LINE)
        try:
            await server.serve_forever()
        finally:
            server.close()
            for task in list(self._tasks):
                task.cancel()
            with contextlib.suppress(OSError):
                self._path.unlink()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        try:
            if self._clients >= MAX_CLIENTS:
                writer.write(answer(None, Reply("", error="too many clients")))
                return
            self._clients += 1
            try:
                await self._talk(reader, writer)
            finally:
                self._clients -= 1
        except (ConnectionError, TimeoutError):
            pass
        finally:
            writer.close()
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await writer.wait_closed()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        who = peer(writer.get_extra_info("socket"))
        while True:
            try:
                async with asyncio.timeout(IDLE_S):
                    line = await reader.readline()
            except ValueError:  # longer than MAX_LINE: what follows can't be told from its rest
                writer.write(answer(None, Reply("", error=f"a request is at most {MAX_LINE} bytes")))
                return
            if not line:
                return
            if line.strip():
                writer.write(self._answer(line, who))
                async with asyncio.timeout(IDLE_S):
                    await writer.drain()

    def _answer(self, line: bytes, who: str) -> bytes:
        try:
            request = parse(line, who)
        except Refused as refused:
            return answer(None, Reply("", error=str(refused)))
        return answer(json.loads(line).get("id", ""), self._ask(request))


def peer(sock: socket.socket) -> str:
    """Who is at the other end: ``user (uid 1000, pid 42)``, by the kernel's word."""
    pid, uid, _gid = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = "unknown"
    return f"{name} (uid {uid}, pid {pid})"


def remove_stale(path: Path) -> None:
    """Remove a socket that a killed agent left. Raises OSError where an agent still answers at it."""
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise FileExistsError(f"{path} is there and is no socket")
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        try:
            probe.connect(str(path))
        except OSError:
            path.unlink(missing_ok=True)
            return
    raise FileExistsError(f"another agent answers at {path}")
