"""The reflector's shell: its sockets, its clock, its calls back. Thin: what is answered, ``answer`` says."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
from collections.abc import Mapping
from typing import Any

from agent.clock import RealClock
from agent.paths import knocks, sip
from agent.paths.datagrams import Exchange
from agent.reflector.answer import RANDOM_BYTES, CallBack, Reflector
from agent.reflector.calls import Send, Source
from agent.reflector.settings import Settings, endpoint

log = logging.getLogger("dialtone.reflector")
NS = 1_000_000_000
BATCH_MAX = 64
BYTES_MAX = 65_536
STATUS_S = 300.0
REPEATS_S = (0.5, 1.5, 3.5)
LAST_S = 1.0
KNOCKS_MAX = 512


class Shell:
    """One reflector at work. ``run`` until SIGTERM or SIGINT. Raises OSError where a port can't be had."""

    def __init__(self, settings: Settings, secrets: Mapping[str, bytes]) -> None:
        self._settings = settings
        self._core = Reflector(settings, secrets, os.urandom(32))
        self._clock = RealClock()
        self._signals: list[socket.socket] = []
        self._media: dict[tuple[str, int], socket.socket] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._knocking: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        try:
            self._open()
            log.info("ready, for %d probes", len(self._settings.probe))
            while not stop.is_set():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), STATUS_S)
                self._tell()
        finally:
            for task in list(self._knocking.values()):
                task.cancel()
            if self._timer is not None:
                self._timer.cancel()
            for send in self._core.leave(self._clock.now_ns()):
                self._send(send)
            for sock in (*self._signals, *self._media.values()):
                loop.remove_reader(sock)
                sock.close()

    def _open(self) -> None:
        """All sockets at once: what can't be had is known at the start, and no call waits for one."""
        loop = asyncio.get_running_loop()
        for number, at in enumerate(self._settings.listen):
            sock = _bound(*endpoint(at))
            self._signals.append(sock)
            loop.add_reader(sock, self._heard_sip, sock, number)
            log.info("listening at %s", at)
        for host in dict.fromkeys(endpoint(at)[0] for at in self._settings.listen):
            for slot in range(self._settings.calls_max):
                sock = self._media[host, slot] = _bound(host, self._settings.media_port(slot))
                loop.add_reader(sock, self._heard_audio, sock, slot)

    def _tell(self) -> None:
        counts = sorted(self._core.status().items())
        log.info("%s", ", ".join(f"{name}: {count}" for name, count in counts))

    # -- in ------------------------------------------------------------------------------------------------------

    def _heard_sip(self, sock: socket.socket, number: int) -> None:
        for data, where in self._read(sock):
            source = Source(str(where[0]), int(where[1]), number)
            local, now_ns = self._local(sock, where), self._clock.now_ns()
            for send in self._core.datagram(data, source, local, now_ns, os.urandom(RANDOM_BYTES)):
                self._send(send)
        self._schedule()

    def _heard_audio(self, sock: socket.socket, slot: int) -> None:
        for data, where in self._read(sock):
            self._core.audio(slot, data, str(where[0]), int(where[1]), self._clock.now_ns())
        self._schedule()

    def _read(self, sock: socket.socket) -> list[tuple[bytes, Any]]:
        """A batch at most: a flood at one port must not starve the others."""
        out = []
        for _ in range(BATCH_MAX):
            try:
                out.append(sock.recvfrom(BYTES_MAX))
            except (BlockingIOError, InterruptedError):
                break
            except OSError:  # an ICMP error of what was sent before
                continue
        return out

    def _local(self, sock: socket.socket, where: tuple[Any, ...]) -> tuple[str, int]:
        """Our address as that peer sees it: the file's word, else where we listen, else what the routing table says."""
        here, port = sock.getsockname()[:2]
        v6 = sock.family == socket.AF_INET6
        public = next((one for one in self._settings.public if (":" in one) == v6), None)
        if public is None and str(here) in ("0.0.0.0", "::"):  # noqa: S104  (compared, not bound)
            with contextlib.suppress(OSError), socket.socket(sock.family, socket.SOCK_DGRAM) as look:
                look.connect(where)
                here = look.getsockname()[0]
        return public or str(here).partition("%")[0], int(port)

    # -- out -----------------------------------------------------------------------------------------------------

    def _send(self, send: Send) -> None:
        host = endpoint(self._settings.listen[send.listener])[0]
        sock = self._signals[send.listener] if send.slot is None else self._media[host, send.slot]
        try:
            sock.sendto(send.data, (send.host, send.port))
        except (OSError, OverflowError) as error:
            self._core.counts[f"not sent: {getattr(error, 'strerror', None) or 'no port'}"] += 1

    def _schedule(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due_ns = self._core.due_ns()
        if due_ns is not None:
            delay_s = max(0.0, (due_ns - self._clock.now_ns()) / NS)
            self._timer = asyncio.get_running_loop().call_later(delay_s, self._tick)

    def _tick(self) -> None:
        for what in self._core.tick(self._clock.now_ns()):
            if isinstance(what, CallBack):
                self._call_back(what)
            else:
                self._send(what)
        self._schedule()

    # -- calls back ----------------------------------------------------------------------------------------------

    def _call_back(self, call: CallBack) -> None:
        before = self._knocking.get(call.probe)
        if before is not None:
            before.cancel()
        elif len(self._knocking) >= KNOCKS_MAX:
            self._core.counts["knocks dropped"] += 1
            return
        task = asyncio.get_running_loop().create_task(self._knock(call), name=f"knock {call.probe}")
        self._knocking[call.probe] = task
        task.add_done_callback(lambda done: self._knocked(call.probe, done))

    def _knocked(self, probe: str, done: asyncio.Task[None]) -> None:
        if self._knocking.get(probe) is done:
            del self._knocking[probe]

    async def _knock(self, call: CallBack) -> None:
        """From a new socket and port to the probe's configured address, again until it is answered."""
        try:
            with self._knocking_socket(call) as sock:
                name = os.urandom(8).hex()
                here, port = sock.getsockname()[:2]
                host = str(here).partition("%")[0]
                branch = sip.BRANCH_COOKIE + name
                sent = knocks.invite(
                    f"{name}@{sip.host_part(host)}", branch, host, port, (call.host, call.port), call.token, call.secret
                )
                exchange = Exchange(sock, lambda data, _: knocks.answered(sent, data, call.token, call.secret))
                began = asyncio.get_running_loop().time()
                for until_s in (*REPEATS_S, REPEATS_S[-1] + LAST_S):
                    exchange.send(sent)
                    answer = await exchange.hear(began + until_s)
                    if answer is not None:
                        exchange.send(knocks.acknowledgement(sent, answer))
                        self._core.counts["knocks answered"] += 1
                        return
        except OSError as error:
            self._core.counts[f"knocks not sent: {error.strerror or error}"] += 1
            return
        self._core.counts["knocks unanswered"] += 1

    def _knocking_socket(self, call: CallBack) -> socket.socket:
        """A new one from the address that the probe knows us by, where this machine has it. Raises OSError."""
        sock = socket.socket(socket.AF_INET6 if ":" in call.host else socket.AF_INET, socket.SOCK_DGRAM)
        try:
            sock.setblocking(False)
            if (":" in call.here) == (":" in call.host):
                with contextlib.suppress(OSError):  # behind a translation our public address is not this machine's
                    sock.bind((call.here, 0))
            sock.connect((call.host, call.port))
        except BaseException:
            sock.close()
            raise
        return sock


def _bound(host: str, port: int) -> socket.socket:
    """Raises OSError that says which port."""
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        if sock.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((host, port))
    except OSError as error:
        sock.close()
        raise OSError(error.errno, f"{host} port {port}: {error.strerror or error}") from None
    return sock
