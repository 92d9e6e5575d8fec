"""What may speak to this box: syslog, SNMP traps and knocks at the ports that the site file opens. A thin shell.

Each datagram goes by its source address to the path that has that address; strangers are counted and told of as a
number.
Ports below 1024 come from systemd (sd_listen_fds(3)), by the names syslog-udp, syslog-tcp, traps and knock.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from agent.clock import NS, Clock
from agent.paths.knocks import Knocks
from agent.paths.syslog.framing import Stream
from agent.paths.syslog.judge import SyslogJudge
from agent.paths.target import Resolver, Target
from agent.readings import Reading, State
from agent.site import schema
from agent.site.secrets import SecretStore

BATCH_MAX = 256
BYTES_MAX = 65_536
CONNECTIONS_MAX = 16
IDLE_S = 600.0
LOOK_S = 1.0
NAMES_S = 300.0
STRANGERS_S = 60.0
RETRY_S = (1.0, 60.0)
SD_FIRST = 3
TCP_CHUNK = 16_384


@dataclass(slots=True)
class _Log:
    judge: SyslogJudge
    path: schema.Path


class Listener:
    """Every port of ``[listen]``. ``run`` until cancelled; a port that can't be had is told and tried again."""

    def __init__(
        self,
        site: schema.SiteFile,
        post: Callable[[Reading], None],
        clock: Clock,
        secrets: SecretStore,
        knocks: Knocks | None = None,
    ) -> None:
        self._site, self._post, self._clock, self._knocks = site, post, clock, knocks
        self._logs: list[_Log] = []
        self._traps: list[tuple[Any, schema.Path]] = []
        for path in site.path:
            for name, check in zip(schema.check_names(path), path.checks, strict=True):
                if isinstance(check, schema.Syslog):
                    self._logs.append(_Log(SyslogJudge(path, name, check, site.listen), path))
                elif isinstance(check, schema.Traps):
                    from agent.paths.snmp.traps import TrapReader

                    self._traps.append((TrapReader(path, name, check, secrets), path))
        self._hosts: dict[str, set[str]] = {}
        self._resolver = Resolver()
        self._strangers = 0
        self._connections: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        listen = self._site.listen
        handed = _from_systemd()
        jobs = {
            "syslog-udp": (listen.syslog_udp, self._syslog_datagram),
            "traps": (listen.traps, self._trap),
            "knock": (listen.knock, self._knock),
        }
        async with asyncio.TaskGroup() as group:
            group.create_task(self._look())
            group.create_task(self._names())
            for name, (at, take) in jobs.items():
                if at is not None:
                    group.create_task(self._open(name, at, handed.get(name), self._datagrams, take))
            if listen.syslog_tcp is not None:
                group.create_task(
                    self._open("syslog-tcp", listen.syslog_tcp, handed.get("syslog-tcp"), self._accept, None)
                )

    # -- opening -------------------------------------------------------------------------------------------------

    async def _open(self, name: str, at: str, handed: socket.socket | None, serve: Any, take: Any) -> None:
        wait_s = RETRY_S[0]
        while True:
            try:
                kind = socket.SOCK_STREAM if name == "syslog-tcp" else socket.SOCK_DGRAM
                with handed or _bound(at, kind) as sock:
                    self._tell(name, "up", "")
                    await serve(sock, take)
            except OSError as error:
                self._tell(name, "down", f"{name} can't be heard at {at}: {error.strerror or error}")
                handed = None
            await asyncio.sleep(wait_s)
            wait_s = min(RETRY_S[1], 2 * wait_s)

    def _tell(self, subject: str, state: State, reason: str) -> None:
        detail = {"reason": reason} if reason else {}
        self._post(Reading("host", "listen", "host", subject, state, self._clock.now_ns(), detail))

    # -- datagrams -----------------------------------------------------------------------------------------------

    async def _datagrams(self, sock: socket.socket, take: Callable[[bytes, str], bytes | None]) -> None:
        loop = asyncio.get_running_loop()
        failed: asyncio.Future[None] = loop.create_future()

        def readable() -> None:
            for _ in range(BATCH_MAX):
                try:
                    data, where = sock.recvfrom(BYTES_MAX)
                except (BlockingIOError, InterruptedError):
                    return
                except ConnectionError:  # an ICMP error of an answer of ours
                    continue
                except OSError as error:
                    if not failed.done():
                        failed.set_exception(error)
                    return
                answer = take(data, _plain(str(where[0])))
                if answer is not None:
                    with contextlib.suppress(OSError):
                        sock.sendto(answer, where)

        loop.add_reader(sock, readable)
        try:
            await failed
        finally:
            loop.remove_reader(sock)

    def _syslog_datagram(self, data: bytes, source: str) -> bytes | None:
        logs = [log for log in self._logs if source in self._hosts.get(log.path.id, ())]
        self._strangers += not logs
        for log in logs:
            self._give(log.judge.message(data, self._clock.now_ns()))
        return None

    def _trap(self, data: bytes, source: str) -> bytes | None:
        answer: bytes | None = None
        known = False
        for reader, path in self._traps:
            if source in self._hosts.get(path.id, ()):
                known = True
                readings, reply = reader.datagram(data, self._clock.now_ns())
                self._give(readings)
                answer = answer or reply
        self._strangers += not known
        return answer

    def _knock(self, data: bytes, source: str) -> bytes | None:
        if self._knocks is None:
            return None
        before = self._knocks.counts["strangers"]
        answer = self._knocks.datagram(data, source, self._clock.now_ns())
        self._strangers += self._knocks.counts["strangers"] - before
        return answer

    def _give(self, readings: list[Reading]) -> None:
        for reading in readings:
            self._post(reading)

    # -- syslog over TCP -----------------------------------------------------------------------------------------

    async def _accept(self, sock: socket.socket, _take: object) -> None:
        loop = asyncio.get_running_loop()
        sock.listen(CONNECTIONS_MAX)
        try:
            while True:
                connection, where = await loop.sock_accept(sock)
                source = _plain(str(where[0]))
                log = next((one for one in self._logs if source in self._hosts.get(one.path.id, ())), None)
                if log is None or len(self._connections) >= CONNECTIONS_MAX:
                    self._strangers += log is None
                    connection.close()
                    continue
                task = loop.create_task(self._connection(connection, log))
                self._connections.add(task)
                task.add_done_callback(self._connections.discard)
        finally:
            for task in self._connections:
                task.cancel()

    async def _connection(self, connection: socket.socket, log: _Log) -> None:
        loop, stream = asyncio.get_running_loop(), Stream()
        with connection:
            connection.setblocking(False)
            while True:
                try:
                    async with asyncio.timeout(IDLE_S):
                        data = await loop.sock_recv(connection, TCP_CHUNK)
                except (TimeoutError, OSError):
                    return
                if not data:
                    return
                for message in stream.feed(data):
                    self._give(log.judge.message(message, self._clock.now_ns()))
                await asyncio.sleep(0)  # a flood on one connection must not starve the loop

    # -- time ----------------------------------------------------------------------------------------------------

    async def _look(self) -> None:
        told_ns = self._clock.now_ns()
        while True:
            await asyncio.sleep(LOOK_S)
            now_ns = self._clock.now_ns()
            for log in self._logs:
                due_ns = log.judge.due_ns()
                if due_ns is not None and now_ns >= due_ns:
                    self._give(log.judge.tick(now_ns))
            if self._strangers and now_ns - told_ns >= int(STRANGERS_S * NS):
                told_ns, count, self._strangers = now_ns, self._strangers, 0
                detail = {"reason": f"{count} messages from addresses that no path has"}
                self._post(Reading("host", "listen", "event", "strangers", None, now_ns, detail))

    async def _names(self) -> None:
        """The addresses of the paths that may speak here; names are looked up again, since they change."""
        while True:
            addresses: set[str] = set()
            for path in self._site.path:
                found = await self._resolver.find(path.address, 5.0)
                if isinstance(found, Target):
                    self._hosts[path.id] = {found.host}
                    if path.role == "reflector":
                        addresses.add(found.host)
            if self._knocks is not None:
                self._knocks.addresses = frozenset(addresses)
            await asyncio.sleep(NAMES_S)


def _plain(address: str) -> str:
    """An address without its zone, IPv4 as such where an IPv6 socket shows it mapped (RFC 4291 section 2.5.5.2)."""
    address = address.partition("%")[0]
    return address[7:] if address.startswith("::ffff:") and "." in address else address


def _bound(at: str, kind: socket.SocketKind) -> socket.socket:
    host, _, port = at.rpartition(":")
    host = host.strip("[]")
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, kind)
    try:
        sock.setblocking(False)
        if kind == socket.SOCK_STREAM:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, int(port)))
    except BaseException:
        sock.close()
        raise
    return sock


def _from_systemd() -> dict[str, socket.socket]:
    """The sockets that systemd has opened for us, by name (sd_listen_fds(3))."""
    if os.environ.get("LISTEN_PID") != str(os.getpid()):
        return {}
    names = os.environ.get("LISTEN_FDNAMES", "").split(":")
    count = min(int(os.environ.get("LISTEN_FDS", "0") or 0), 16)
    out = {}
    for number in range(count):
        if number < len(names) and names[number]:
            sock = socket.socket(fileno=os.dup(SD_FIRST + number))
            sock.setblocking(False)
            out[names[number]] = sock
    return out
