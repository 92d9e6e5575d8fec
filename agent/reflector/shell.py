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
from agent.paths.knocks import acknowledgement, answered, invite
from agent.reflector.answer import Call, Reflector, Send
from agent.reflector.settings import Settings, endpoint

log = logging.getLogger("dialtone.reflector")
NS = 1_000_000_000
BATCH_MAX = 64
BYTES_MAX = 65_536
STATUS_S = 300.0
REPEATS_S = (0.5, 1.5, 3.5)
KNOCKS_MAX = 64


class Shell:
    """One reflector at work. ``run`` until SIGTERM or SIGINT. Raises OSError where a port can't be had."""

    def __init__(self, settings: Settings, secrets: Mapping[str, bytes]) -> None:
        self._settings = settings
        self._core = Reflector(settings, secrets, os.urandom(32))
        self._clock = RealClock()
        self._sockets: list[socket.socket] = []
        self._media: dict[int, list[socket.socket]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._knocking: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        try:
            for at in self._settings.listen:
                host, port = endpoint(at)
                sock = self._bind(host, port)
                loop.add_reader(sock, self._sip, sock)
                log.info("listening at %s", at)
            hosts = list(dict.fromkeys(endpoint(at)[0] for at in self._settings.listen))
            for slot in range(self._settings.calls_max):
                port = self._settings.media_ports[0] + slot
                self._media[slot] = [self._bind(host, port) for host in hosts]
                for sock in self._media[slot]:
                    loop.add_reader(sock, self._audio, sock, slot)
            log.info("ready, for %d probes", len(self._settings.probe))
            while not stop.is_set():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), STATUS_S)
                log.info("%s", ", ".join(f"{name} {count}" for name, count in self._core.status().items()))
        finally:
            for task in self._knocking:
                task.cancel()
            if self._timer is not None:
                self._timer.cancel()
            for sock in self._sockets:
                loop.remove_reader(sock)
                sock.close()

    def _bind(self, host: str, port: int) -> socket.socket:
        sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        self._sockets.append(sock)
        sock.setblocking(False)
        sock.bind((host, port))
        return sock

    # -- in ------------------------------------------------------------------------------------------------------

    def _sip(self, sock: socket.socket) -> None:
        for data, where in self._read(sock):
            local = self._local(sock, str(where[0]), int(where[1]))
            now_ns = self._clock.now_ns()
            for send in self._core.datagram(data, str(where[0]), int(where[1]), local, now_ns, os.urandom(16)):
                self._send(sock, send)
        self._schedule()

    def _audio(self, sock: socket.socket, slot: int) -> None:
        for data, where in self._read(sock):
            self._core.audio(slot, data, str(where[0]), int(where[1]), self._clock.now_ns())

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

    def _local(self, sock: socket.socket, host: str, port: int) -> str:
        """Our own address as that peer sees it: where we listen at all of them, the routing table says."""
        here = str(sock.getsockname()[0])
        if here not in ("0.0.0.0", "::"):  # noqa: S104  (compared, not bound)
            return here
        try:
            with socket.socket(sock.family, socket.SOCK_DGRAM) as probe:
                probe.connect((host, port))
                return str(probe.getsockname()[0])
        except OSError:
            return here

    # -- out -----------------------------------------------------------------------------------------------------

    def _send(self, sock: socket.socket, send: Send) -> None:
        try:
            sock.sendto(send.data, (send.host, send.port))
        except OSError as error:
            self._core.counts[f"not sent: {error.strerror}"] += 1

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
            if isinstance(what, Call):
                self._call_back(what)
            elif what.slot is not None:
                self._send(self._from_there(self._media[what.slot], what.host), what)
            else:
                self._send(self._from_there(self._sockets[: len(self._settings.listen)], what.host), what)
        self._schedule()

    def _from_there(self, sockets: list[socket.socket], host: str) -> socket.socket:
        """Of several sockets the one whose address the way to that peer begins at."""
        if len(sockets) == 1:
            return sockets[0]
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        candidates = [sock for sock in sockets if sock.family == family] or sockets
        here = self._local_for(host, family)
        return next((sock for sock in candidates if sock.getsockname()[0] == here), candidates[0])

    def _local_for(self, host: str, family: int) -> str:
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect((host, 9))
                return str(probe.getsockname()[0])
        except OSError:
            return ""

    def _call_back(self, call: Call) -> None:
        if len(self._knocking) >= KNOCKS_MAX:
            self._core.counts["knocks dropped"] += 1
            return
        task = asyncio.get_running_loop().create_task(self._knock(call), name=f"knock {call.probe}")
        self._knocking.add(task)
        task.add_done_callback(self._knocking.discard)

    async def _knock(self, call: Call) -> None:
        """From a new socket and port to the probe's configured address, again until it is answered."""
        loop = asyncio.get_running_loop()
        family = socket.AF_INET6 if ":" in call.host else socket.AF_INET
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as sock:
                sock.setblocking(False)
                sock.connect((call.host, call.port))
                here, port = sock.getsockname()[:2]
                name = os.urandom(8).hex()
                branch = f"z9hG4bK{name}"
                sent = invite(f"{name}@dialtone", branch, here, port, call.host, call.token, call.secret)
                began = loop.time()
                for until_s in (*REPEATS_S, REPEATS_S[-1] + 1.0):
                    with contextlib.suppress(OSError):
                        sock.send(sent)
                    message = await self._answer(sock, sent, call, began + until_s)
                    if message is not None:
                        with contextlib.suppress(OSError):
                            sock.send(acknowledgement(sent, message))
                        self._core.counts["knocks answered"] += 1
                        return
        except OSError as error:
            self._core.counts[f"knock not sent: {error.strerror}"] += 1
            return
        self._core.counts["knocks unanswered"] += 1

    async def _answer(self, sock: socket.socket, sent: bytes, call: Call, until: float) -> Any:
        loop = asyncio.get_running_loop()
        for _ in range(BATCH_MAX):
            try:
                async with asyncio.timeout_at(until):
                    data = await loop.sock_recv(sock, BYTES_MAX)
            except TimeoutError:
                return None
            except OSError:
                await asyncio.sleep(max(0.0, min(0.1, until - loop.time())))
                continue
            message = answered(sent, data, call.token, call.secret)
            if message is not None:
                return message
        return None
