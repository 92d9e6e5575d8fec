"""The way out of the simulated site: firewall, router and far end as user-space relays on loopback addresses.

::

    box ── 127.77.1.1  firewall, itself          (TCP, answers for itself)
        ── 127.77.2.1  ─┐ the firewall's inside: what the box takes for the router and the far end
        ── 127.77.3.1  ─┴─ firewall ── 127.77.102.1 router ── 127.77.103.1 far end (SIP over UDP)

Real sockets, no rights needed. What is real: a TCP connection to the router and a SIP exchange with the far end
pass through the relays' own sockets, and stop when a relay stops. What is not: addresses of 127.0.0.0/8 always
answer pings, whatever the relays do, and a dead router is known to the firewall by its closed connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable

from agent.sim.datagrams import Address, Forwarder, Responder
from agent.sim.gate import Gate

LAN_ADDRESS = "127.77.0.1"
FIREWALL_ADDRESS = "127.77.1.1"
ROUTER_ADDRESS = "127.77.2.1"
FAR_END_ADDRESS = "127.77.3.1"
ROUTER_OUTSIDE = "127.77.102.1"
FAR_END_OUTSIDE = "127.77.103.1"

RETRY_S = 0.1
CONNECT_S = 2.0
IDLE_S = 30.0
CHUNK = 4096
MAX_CONNECTIONS = 64

Respond = Callable[[bytes], bytes | None]


class FarEnd:
    """Answers SIP OPTIONS over UDP while ``alive``."""

    def __init__(self, respond: Respond) -> None:
        self._responder = Responder(respond)
        self._transport: asyncio.BaseTransport | None = None
        self.address: Address = (FAR_END_OUTSIDE, 0)

    async def open(self) -> None:
        """Bind. Raises OSError."""
        self._transport, self.address = await _bind(lambda: self._responder, FAR_END_OUTSIDE)

    @property
    def alive(self) -> bool:
        return self._responder.alive

    @alive.setter
    def alive(self, alive: bool) -> None:
        self._responder.alive = alive

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


class Router:
    """Answers for itself on a TCP port and forwards UDP to the far end while ``alive``."""

    def __init__(self) -> None:
        self._alive = True
        self._held: set[socket.socket] = set()
        self._gate: Gate | None = None
        self._forwarder: Forwarder | None = None
        self._transport: asyncio.BaseTransport | None = None
        self.address: Address = (ROUTER_OUTSIDE, 0)
        self.udp_address: Address = (ROUTER_OUTSIDE, 0)

    async def open(self, far_end: Address) -> None:
        """Bind. Raises OSError."""
        self._gate = Gate(ROUTER_OUTSIDE, self._accept)
        self.address = self._gate.address
        self._forwarder = Forwarder(far_end, lambda: self._alive)
        forwarder = self._forwarder
        self._transport, self.udp_address = await _bind(lambda: forwarder, ROUTER_OUTSIDE)

    @property
    def alive(self) -> bool:
        return self._alive

    @alive.setter
    def alive(self, alive: bool) -> None:
        self._alive = alive
        if self._gate is not None:
            self._gate.set_open(alive)
        if not alive:
            self._drop_held()

    def _accept(self, connection: socket.socket) -> None:
        """Hold the connection until its other side ends it, or until this router dies."""
        if len(self._held) >= MAX_CONNECTIONS:
            connection.close()
            return
        self._held.add(connection)
        asyncio.get_running_loop().add_reader(connection.fileno(), self._readable, connection)

    def _readable(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            if connection.recv(CHUNK):
                return
        self._let_go(connection)

    def _let_go(self, connection: socket.socket) -> None:
        if connection in self._held:
            self._held.discard(connection)
            asyncio.get_running_loop().remove_reader(connection.fileno())
            connection.close()

    def _drop_held(self) -> None:
        for connection in list(self._held):
            self._let_go(connection)

    def close(self) -> None:
        self._drop_held()
        if self._gate is not None:
            self._gate.close()
        if self._forwarder is not None:
            self._forwarder.close()
        if self._transport is not None:
            self._transport.close()


class Firewall:
    """Answers for itself, and forwards TCP to the router and UDP to the far end.

    ``forwarding`` False: it still answers for itself, nothing else passes (Massachusetts, 18 June 2024).
    ``forwarding_udp`` False: only UDP is dropped. ``alive`` False: it answers nothing at all.
    """

    def __init__(self) -> None:
        self._alive = self._forwarding = self.forwarding_udp = True
        self._way_on = False
        self._own: Gate | None = None
        self._inside: Gate | None = None
        self._router: Address = (ROUTER_OUTSIDE, 0)
        self._forwarder: Forwarder | None = None
        self._transport: asyncio.BaseTransport | None = None
        self._watch: asyncio.Task[None] | None = None
        self._relays: set[asyncio.Task[None]] = set()
        self.address: Address = (FIREWALL_ADDRESS, 0)
        self.router_inside: Address = (ROUTER_ADDRESS, 0)
        self.far_end_inside: Address = (FAR_END_ADDRESS, 0)

    async def open(self, router: Address, router_udp: Address) -> None:
        """Bind and find the router. Raises OSError."""
        self._router = router
        self._own = Gate(FIREWALL_ADDRESS, lambda connection: connection.close())
        self._inside = Gate(ROUTER_ADDRESS, self._accept)
        self.address, self.router_inside = self._own.address, self._inside.address
        self._forwarder = Forwarder(router_udp, lambda: self._alive and self._forwarding and self.forwarding_udp)
        forwarder = self._forwarder
        self._transport, self.far_end_inside = await _bind(lambda: forwarder, FAR_END_ADDRESS)
        found = asyncio.Event()
        self._watch = asyncio.get_running_loop().create_task(self._watch_router(found))
        async with asyncio.timeout(CONNECT_S):
            await found.wait()

    @property
    def forwarding(self) -> bool:
        return self._forwarding

    @forwarding.setter
    def forwarding(self, forwarding: bool) -> None:
        self._forwarding = forwarding
        self._set_gates()

    @property
    def alive(self) -> bool:
        return self._alive

    @alive.setter
    def alive(self, alive: bool) -> None:
        self._alive = alive
        self._set_gates()

    def _set_gates(self) -> None:
        if self._own is not None:
            self._own.set_open(self._alive)
        if self._inside is not None:
            self._inside.set_open(self._alive and self._forwarding and self._way_on)
            if not self._inside.open:
                for relay in self._relays:
                    relay.cancel()

    async def _watch_router(self, found: asyncio.Event) -> None:
        """A relay accepts before it knows the other side; so it listens for the router only while that answers."""
        while True:
            try:
                async with asyncio.timeout(CONNECT_S):
                    reader, writer = await asyncio.open_connection(*self._router)
            except OSError:
                await asyncio.sleep(RETRY_S)
                continue
            self._way_on = True
            self._set_gates()
            found.set()
            with contextlib.suppress(OSError):
                while await reader.read(CHUNK):
                    pass
            self._way_on = False
            self._set_gates()
            writer.close()
            await asyncio.sleep(RETRY_S)

    def _accept(self, connection: socket.socket) -> None:
        if len(self._relays) >= MAX_CONNECTIONS:
            connection.close()
            return
        task = asyncio.get_running_loop().create_task(self._relay(connection))
        self._relays.add(task)
        task.add_done_callback(self._relays.discard)

    async def _relay(self, connection: socket.socket) -> None:
        """Carry one connection to the router and back until either side ends it."""
        writers: list[asyncio.StreamWriter] = []
        try:
            async with asyncio.timeout(IDLE_S):
                inner_reader, inner = await asyncio.open_connection(sock=connection)
                writers.append(inner)
                outer_reader, outer = await asyncio.open_connection(*self._router)
                writers.append(outer)
                ways = [
                    asyncio.ensure_future(_pump(inner_reader, outer)),
                    asyncio.ensure_future(_pump(outer_reader, inner)),
                ]
                try:
                    await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for way in ways:
                        way.cancel()
        except OSError:
            pass
        finally:
            for writer in writers:
                writer.close()
            if not writers:
                connection.close()

    def close(self) -> None:
        for task in (self._watch, *self._relays):
            if task is not None:
                task.cancel()
        for gate in (self._own, self._inside):
            if gate is not None:
                gate.close()
        if self._forwarder is not None:
            self._forwarder.close()
        if self._transport is not None:
            self._transport.close()


class Network:
    """Firewall, router and far end together, and a switch on the LAN that is never broken."""

    def __init__(self, respond: Respond) -> None:
        self.far_end = FarEnd(respond)
        self.router = Router()
        self.firewall = Firewall()
        self._switch: Gate | None = None
        self.lan: Address = (LAN_ADDRESS, 0)

    async def open(self) -> None:
        """Bind everything. Raises OSError, with what was opened closed again."""
        try:
            self._switch = Gate(LAN_ADDRESS, lambda connection: connection.close())
            self.lan = self._switch.address
            await self.far_end.open()
            await self.router.open(self.far_end.address)
            await self.firewall.open(self.router.address, self.router.udp_address)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close every socket; twice is harmless."""
        self.firewall.close()
        self.router.close()
        self.far_end.close()
        if self._switch is not None:
            self._switch.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()


async def _bind(factory: Callable[[], asyncio.DatagramProtocol], host: str) -> tuple[asyncio.BaseTransport, Address]:
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(factory, local_addr=(host, 0))
    return transport, transport.get_extra_info("sockname")[:2]
