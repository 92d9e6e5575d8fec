"""What may speak to this box: syslog, SNMP traps and knocks at the ports that the site file opens. A thin shell.

Each datagram and each connection goes by its source address to the paths that have that address; strangers are
counted, and told of as a number. Ports below 1024 come from systemd (sd_listen_fds(3)), by the names syslog-udp,
syslog-tcp, traps and knock.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

from agent.clock import NS, Clock
from agent.paths.knocks import Knocks
from agent.paths.syslog.deny import ip
from agent.paths.syslog.framing import Stream
from agent.paths.syslog.judge import SyslogJudge
from agent.paths.target import Resolver, Target, numeric
from agent.readings import Plain, Reading, State
from agent.site import schema
from agent.site.secrets import SecretStore

BATCH_MAX = 256
"""Datagrams read in one turn of the loop: its other work must get its own turns."""
DATAGRAM_BYTES = 65_536
CONNECTIONS_MAX = 16
TCP_BYTES = 16_384
IDLE_S = 600.0
LOOK_S = 1.0
NAMES_S = 300.0
TELL_S = 60.0
RETRY_S = (1.0, 60.0)
_NAME_S = 5.0
SD_FIRST = 3
SD_MAX = 16
# A burst of a firewall's log must find room while the loop is busy; the kernel gives what rmem_max allows.
BUFFER_BYTES = 1 << 20
_SYSLOG = ("syslog-udp", "syslog-tcp")

_Take = Callable[[bytes, str], bytes | None]


class Listener:
    """Every port of ``[listen]``. ``run`` until cancelled; a port that can't be had is told and tried again."""

    def __init__(
        self,
        site: schema.SiteFile,
        post: Callable[[Reading], None],
        clock: Clock,
        secrets: SecretStore,
        knocks: Knocks | None = None,
        progress: Callable[[], None] = lambda: None,
    ) -> None:
        self._progress = progress
        self._site, self._post, self._clock, self._knocks = site, post, clock, knocks
        self._logs: list[tuple[schema.Path, SyslogJudge]] = []
        self._traps: list[tuple[schema.Path, str, Any]] = []
        for path in site.path:
            for name, check in zip(schema.check_names(path), path.checks, strict=True):
                if isinstance(check, schema.Syslog):
                    self._logs.append((path, SyslogJudge(path, name, check, site.listen)))
                elif isinstance(check, schema.Traps):
                    from agent.paths.snmp.traps import TrapReader

                    self._traps.append((path, name, TrapReader(path, name, check, secrets)))
        self._hosts: dict[str, str] = {}  # the numeric address of each path, by its id
        self._resolver = Resolver()
        self._connections: set[asyncio.Task[None]] = set()
        self._open: dict[str, socket.socket] = {}
        self._reasons: dict[str, str] = {}  # why a port is not open, as told, by port
        self._kernel: dict[str, int] = {}  # datagrams the kernel had dropped when last looked at, by port
        self._counts: dict[str, int] = {}  # what is told once a minute

    async def run(self) -> None:
        listen = self._site.listen
        jobs: dict[str, tuple[str | None, Callable[[socket.socket], Awaitable[None]]]] = {
            "syslog-udp": (listen.syslog_udp, lambda sock: self._datagrams(sock, self._syslog_datagram)),
            "syslog-tcp": (listen.syslog_tcp, self._accept),
            "traps": (listen.traps, lambda sock: self._datagrams(sock, self._trap)),
            "knock": (listen.knock, lambda sock: self._datagrams(sock, self._knock)),
        }
        self._known_at_once()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._names())
            group.create_task(self._look())
            for name, (at, serve) in jobs.items():
                if at is not None:
                    group.create_task(self._serve(name, at, serve))

    # -- ports ---------------------------------------------------------------------------------------------------

    async def _serve(self, name: str, at: str, serve: Callable[[socket.socket], Awaitable[None]]) -> None:
        wait_s = RETRY_S[0]
        kind = socket.SOCK_STREAM if name == "syslog-tcp" else socket.SOCK_DGRAM
        while True:
            opened_s = asyncio.get_running_loop().time()
            try:
                with _handed(name, kind) or _bound(at, kind) as sock:
                    self._open[name] = sock
                    self._reasons.pop(name, None)
                    self._tell(name, "up")
                    await serve(sock)
            except OSError as error:
                self._open.pop(name, None)
                self._lost(name, f"{name} can't be heard at {at}: {error.strerror or error}")
            finally:
                self._open.pop(name, None)
            if asyncio.get_running_loop().time() - opened_s > RETRY_S[1]:
                wait_s = RETRY_S[0]
            await asyncio.sleep(wait_s)
            wait_s = min(RETRY_S[1], 2 * wait_s)

    def _lost(self, name: str, reason: str) -> None:
        """A port is not to be had: it is told once, and what came by it alone says nothing any more."""
        if self._reasons.get(name) == reason:
            return
        self._reasons[name] = reason
        self._tell(name, "down", reason)
        now_ns = self._clock.now_ns()
        if name in _SYSLOG and not any(other in self._open for other in _SYSLOG):
            for _, judge in self._logs:
                self._give(judge.blind(f"this box can't hear it: {reason}", now_ns))
        if name == "traps":
            detail = {"reason": f"this box can't hear it: {reason}"[:200]}
            for path, sense, _ in self._traps:
                self._post(Reading(path.id, sense, "probe-fail", "", "unknown", now_ns, detail))

    def _tell(self, subject: str, state: State, reason: str = "") -> None:
        detail = {"reason": reason[:200]} if reason else {}
        self._post(Reading("host", "listen", "host", subject, state, self._clock.now_ns(), detail))

    # -- datagrams -----------------------------------------------------------------------------------------------

    async def _datagrams(self, sock: socket.socket, take: _Take) -> None:
        """Until the socket fails (OSError), or a bug of ours shows."""
        loop = asyncio.get_running_loop()
        failed: asyncio.Future[None] = loop.create_future()

        def readable() -> None:
            try:
                self._batch(sock, take)
            except Exception as error:
                loop.remove_reader(sock)
                if not failed.done():
                    failed.set_exception(error)

        loop.add_reader(sock, readable)
        try:
            await failed
        finally:
            loop.remove_reader(sock)

    def _batch(self, sock: socket.socket, take: _Take) -> None:
        for _ in range(BATCH_MAX):
            try:
                data, where = sock.recvfrom(DATAGRAM_BYTES)
            except (BlockingIOError, InterruptedError):
                return
            except ConnectionError:  # an ICMP error about an answer of ours
                continue
            answer = take(data, _plain(where[0]))
            if answer is not None:
                with contextlib.suppress(OSError):
                    sock.sendto(answer, where)

    def _syslog_datagram(self, data: bytes, source: str) -> bytes | None:
        judges = self._judges(source)
        self._count("strangers", not judges)
        for judge in judges:
            self._give(judge.message(data, self._clock.now_ns()))
        return None

    def _trap(self, data: bytes, source: str) -> bytes | None:
        answer: bytes | None = None
        known = False
        for path, _, reader in self._traps:
            if self._hosts.get(path.id) == source:
                known = True
                readings, reply = reader.datagram(data, self._clock.now_ns())
                self._give(readings)
                answer = answer or reply
        self._count("strangers", not known)
        return answer

    def _knock(self, data: bytes, source: str) -> bytes | None:
        if self._knocks is None:
            return None
        before = self._knocks.counts["strangers"]
        answer = self._knocks.datagram(data, source, self._clock.now_ns())
        self._count("strangers", self._knocks.counts["strangers"] - before)
        return answer

    def _judges(self, source: str) -> list[SyslogJudge]:
        return [judge for path, judge in self._logs if self._hosts.get(path.id) == source]

    def _give(self, readings: Iterable[Reading]) -> None:
        for reading in readings:
            self._post(reading)

    # -- syslog over TCP -----------------------------------------------------------------------------------------

    async def _accept(self, sock: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        sock.listen(CONNECTIONS_MAX)
        try:
            while True:
                try:
                    connection, where = await loop.sock_accept(sock)
                except ConnectionError:  # it was gone before it was taken
                    continue
                judges = self._judges(_plain(where[0]))
                full = len(self._connections) >= CONNECTIONS_MAX
                if not judges or full:
                    self._count("strangers" if not judges else "connections refused", 1)
                    connection.close()
                    continue
                task = loop.create_task(self._connection(connection, judges))
                self._connections.add(task)
                task.add_done_callback(self._connections.discard)
        finally:
            for task in self._connections:
                task.cancel()

    async def _connection(self, connection: socket.socket, judges: list[SyslogJudge]) -> None:
        """One sender until it ends, fails, or says nothing for ``IDLE_S``."""
        loop, stream = asyncio.get_running_loop(), Stream()
        with connection:
            connection.setblocking(False)
            while True:
                try:
                    async with asyncio.timeout(IDLE_S):
                        data = await loop.sock_recv(connection, TCP_BYTES)
                except (TimeoutError, OSError):
                    break
                cut = stream.cut
                for message in stream.feed(data) if data else stream.end():
                    for judge in judges:
                        self._give(judge.message(message, self._clock.now_ns()))
                self._count("messages cut", stream.cut - cut)
                if not data:
                    break
                await asyncio.sleep(0)  # a flood on one connection must not starve the loop

    # -- time ----------------------------------------------------------------------------------------------------

    async def _look(self) -> None:
        told_ns = self._clock.now_ns()
        while True:
            self._progress()
            await asyncio.sleep(LOOK_S)
            now_ns = self._clock.now_ns()
            for _, judge in self._logs:
                due_ns = judge.due_ns()
                if due_ns is not None and now_ns >= due_ns:
                    self._give(judge.tick(now_ns))
            if now_ns - told_ns >= int(TELL_S * NS):
                told_ns = now_ns
                self._tell_counts(now_ns)

    def _count(self, what: str, number: int) -> None:
        if number:
            self._counts[what] = self._counts.get(what, 0) + number

    def _tell_counts(self, now_ns: int) -> None:
        """What nobody else tells of, once a minute, and only as numbers: strangers may have any name and address."""
        for name, sock in self._open.items():
            dropped = _kernel_drops(sock)
            self._count("datagrams lost in this box", dropped - self._kernel.get(name, dropped))
            self._kernel[name] = dropped
        counts, self._counts = self._counts, {}
        strangers = counts.pop("strangers", 0)
        if strangers:
            said = f"{strangers} messages from addresses that no path has"
            detail: dict[str, Plain] = {"reason": said, "strangers": strangers}
            self._post(Reading("host", "listen", "event", "strangers", None, now_ns, detail))
        if counts:
            said = ", ".join(f"{what}: {number}" for what, number in sorted(counts.items()))
            self._post(Reading("host", "listen", "event", "losses", None, now_ns, {"reason": said}))

    def _known_at_once(self) -> None:
        """The addresses that need no name server: nobody whom the site file names by number is ever a stranger."""
        for path in self._site.path:
            found = numeric(path.address)
            if found is not None:
                self._hosts[path.id] = _plain(found.host)
        self._tell_knocks()

    async def _names(self) -> None:
        """Names are looked up again and again, since they change; one that can't be keeps its last address."""
        named = [path for path in self._site.path if path.id not in self._hosts]
        while named:
            found = await asyncio.gather(*(self._resolver.find(path.address, _NAME_S) for path in named))
            for path, target in zip(named, found, strict=True):
                if isinstance(target, Target):
                    self._hosts[path.id] = _plain(target.host)
            self._tell_knocks()
            missing = any(path.id not in self._hosts for path in named)
            await asyncio.sleep(NAMES_S / 10 if missing else NAMES_S)

    def _tell_knocks(self) -> None:
        if self._knocks is not None:
            reflectors = (path.id for path in self._site.path if path.role == "reflector")
            self._knocks.addresses = frozenset(self._hosts[one] for one in reflectors if one in self._hosts)


def _bound(at: str, kind: socket.SocketKind) -> socket.socket:
    """A non-blocking socket at ``address:port``. Raises OSError."""
    host, _, port = at.rpartition(":")
    host = host.strip("[]")
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, kind)
    try:
        sock.setblocking(False)
        if kind == socket.SOCK_STREAM:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        else:
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
        if host == "::":
            with contextlib.suppress(OSError):  # both families, whatever the sysctl says
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind((host, int(port)))
    except BaseException:
        sock.close()
        raise
    return sock


def _handed(name: str, kind: socket.SocketKind) -> socket.socket | None:
    """A copy of the socket that systemd has opened by this name (sd_listen_fds(3)); None where it has not.

    Raises OSError where it is of another kind.
    """
    if os.environ.get("LISTEN_PID") != str(os.getpid()):
        return None
    given = os.environ.get("LISTEN_FDS", "")
    count = min(int(given), SD_MAX) if given.isascii() and given.isdigit() else 0
    names = os.environ.get("LISTEN_FDNAMES", "").split(":")[:count]
    if name not in names:
        return None
    sock = socket.socket(fileno=os.dup(SD_FIRST + names.index(name)))
    if sock.type != kind or sock.family not in (socket.AF_INET, socket.AF_INET6):
        sock.close()
        raise OSError(f"systemd's socket {name} is of another kind")
    sock.setblocking(False)
    return sock


def _plain(address: object) -> str:
    """An address in its shortest form, without its zone; IPv4 as such where an IPv6 socket shows it mapped."""
    text = str(address)
    found = ip(text)
    return text if found is None else str(found)


def _kernel_drops(sock: socket.socket) -> int:
    """How many datagrams the kernel has dropped for want of room; 0 where it does not say (proc_net_udp)."""
    if sock.type != socket.SOCK_DGRAM:
        return 0
    try:
        table = Path("/proc/net/udp6" if sock.family == socket.AF_INET6 else "/proc/net/udp").read_text()
        inode = str(os.fstat(sock.fileno()).st_ino)
    except (OSError, ValueError):
        return 0
    for line in table.splitlines()[1:]:
        columns = line.split()
        if len(columns) > 12 and columns[9] == inode and columns[12].isdigit():
            return int(columns[12])
    return 0
