"""UDP for the simulated devices: a responder and a forwarder, each able to drop. Bounded and counted."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from typing import cast

Address = tuple[str, int]
MAX_FLOWS = 64
MAX_WAITING = 16


class Responder(asyncio.DatagramProtocol):
    """Answers each datagram with ``respond(datagram)`` while ``alive``; None is no answer."""

    def __init__(self, respond: Callable[[bytes], bytes | None]) -> None:
        self._respond = respond
        self._transport: asyncio.DatagramTransport | None = None
        self.alive = True
        self.dropped = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: Address) -> None:
        answer = self._respond(data) if self.alive else None
        if answer is None or self._transport is None:
            self.dropped += 1
            return
        self._transport.sendto(answer, addr)


class _Flow(asyncio.DatagramProtocol):
    """The outer side of one client's flow: what comes back goes to that client."""

    def __init__(self, back: Callable[[bytes], None]) -> None:
        self._back = back

    def datagram_received(self, data: bytes, addr: Address) -> None:  # noqa: ARG002
        self._back(data)

    def error_received(self, exc: Exception) -> None:
        """A refused datagram (ICMP port unreachable) is lost, as any other."""


class Forwarder(asyncio.DatagramProtocol):
    """Forwards datagrams to ``onward`` and the answers back, a socket for each client, while ``passing()``."""

    def __init__(self, onward: Address, passing: Callable[[], bool]) -> None:
        self._onward, self._passing = onward, passing
        self._transport: asyncio.DatagramTransport | None = None
        self._flows: OrderedDict[Address, asyncio.DatagramTransport] = OrderedDict()
        self._waiting: set[asyncio.Task[None]] = set()
        self.forwarded = 0
        self.dropped = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: Address) -> None:
        if not self._passing():
            self.dropped += 1
            return
        flow = self._flows.get(addr)
        if flow is not None:
            self._flows.move_to_end(addr)
            self._send(flow, data)
        elif len(self._waiting) < MAX_WAITING:
            task = asyncio.get_running_loop().create_task(self._open(addr, data))
            self._waiting.add(task)
            task.add_done_callback(self._waiting.discard)
        else:
            self.dropped += 1

    def close(self) -> None:
        """Close every flow; the listening side is its owner's."""
        for task in self._waiting:
            task.cancel()
        for flow in self._flows.values():
            flow.close()
        self._flows.clear()

    def _send(self, flow: asyncio.DatagramTransport, data: bytes) -> None:
        flow.sendto(data)
        self.forwarded += 1

    async def _open(self, client: Address, data: bytes) -> None:
        loop = asyncio.get_running_loop()
        try:
            flow, _ = await loop.create_datagram_endpoint(
                lambda: _Flow(lambda answer: self._back(client, answer)), remote_addr=self._onward
            )
        except OSError:
            self.dropped += 1
            return
        older = self._flows.pop(client, None)
        if older is not None:
            older.close()
        self._flows[client] = flow
        while len(self._flows) > MAX_FLOWS:
            self._flows.popitem(last=False)[1].close()
        self._send(flow, data)

    def _back(self, client: Address, answer: bytes) -> None:
        if self._transport is None or self._transport.is_closing() or not self._passing():
            self.dropped += 1
            return
        self._transport.sendto(answer, client)
