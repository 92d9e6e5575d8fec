"""The relays: they forward over real sockets, and fall silent as the real devices would."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable

import pytest

from agent.sim import relays

SILENT_S = 0.3
GENEROUS_S = 20.0


def answer(request: bytes) -> bytes | None:
    return b"SIP/2.0 200 OK\r\n\r\n" if request.startswith(b"OPTIONS") else None


def with_network(work: Callable[[relays.Network], Awaitable[None]]) -> None:
    async def run() -> None:
        network = relays.Network(answer)
        await network.open()
        try:
            await work(network)
        finally:
            network.close()

    asyncio.run(run())


async def connects(address: relays.Address, within_s: float = SILENT_S) -> bool:
    """Whether a TCP connection opens; a listener that never accepts would count, as it does for the agent."""
    try:
        async with asyncio.timeout(within_s):
            _reader, writer = await asyncio.open_connection(*address)
    except OSError:
        return False
    writer.close()
    return True


async def sip(address: relays.Address, within_s: float = SILENT_S) -> bytes | None:
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.connect(address)
        try:
            async with asyncio.timeout(within_s):
                await loop.sock_sendall(sock, b"OPTIONS sip:x SIP/2.0\r\n\r\n")
                return await loop.sock_recv(sock, 4096)
        except OSError:
            return None


async def until(check: Callable[[], Awaitable[object]], wanted: bool) -> None:
    async with asyncio.timeout(GENEROUS_S):
        while bool(await check()) is not wanted:
            await asyncio.sleep(0.02)


async def look(network: relays.Network) -> tuple[bool, bool, bool]:
    """Firewall, router and far end, as the box sees them."""
    firewall = network.firewall
    return (
        await connects(firewall.address),
        await connects(firewall.router_inside),
        await sip(firewall.far_end_inside) is not None,
    )


def test_everything_forwards() -> None:
    async def work(network: relays.Network) -> None:
        assert await connects(network.lan)
        assert await look(network) == (True, True, True)

    with_network(work)


@pytest.mark.parametrize(
    ("break_it", "repair", "seen"),
    [
        pytest.param(
            lambda n: setattr(n.firewall, "forwarding", False),
            lambda n: setattr(n.firewall, "forwarding", True),
            (True, False, False),
            id="firewall answers, forwards nothing",
        ),
        pytest.param(
            lambda n: setattr(n.firewall, "alive", False),
            lambda n: setattr(n.firewall, "alive", True),
            (False, False, False),
            id="firewall dead",
        ),
        pytest.param(
            lambda n: setattr(n.firewall, "forwarding_udp", False),
            lambda n: setattr(n.firewall, "forwarding_udp", True),
            (True, True, False),
            id="only UDP dropped",
        ),
        pytest.param(
            lambda n: setattr(n.router, "alive", False),
            lambda n: setattr(n.router, "alive", True),
            (True, False, False),
            id="router dead",
        ),
        pytest.param(
            lambda n: setattr(n.far_end, "alive", False),
            lambda n: setattr(n.far_end, "alive", True),
            (True, True, False),
            id="far end dead",
        ),
    ],
)
def test_faults_and_repairs(
    break_it: Callable[[relays.Network], None],
    repair: Callable[[relays.Network], None],
    seen: tuple[bool, bool, bool],
) -> None:
    async def work(network: relays.Network) -> None:
        for _ in range(2):  # a fault can come back
            break_it(network)
            await asyncio.sleep(0.1)  # a dead router is known by its closed connection
            assert await look(network) == seen
            repair(network)
            await until(lambda: connects(network.firewall.address), True)
            await until(lambda: connects(network.firewall.router_inside), True)
            await until(lambda: sip(network.firewall.far_end_inside), True)

    with_network(work)


def test_a_silent_gate_drops_and_does_not_refuse() -> None:
    async def work(network: relays.Network) -> None:
        network.firewall.forwarding = False
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(SILENT_S):
                await asyncio.open_connection(*network.firewall.router_inside)

    with_network(work)


def test_bytes_pass_through_the_firewall_to_the_router_itself() -> None:
    async def work(network: relays.Network) -> None:
        reader, writer = await asyncio.open_connection(*network.firewall.router_inside)
        writer.write(b"hello")
        await writer.drain()
        network.router.alive = False  # its end of the relayed connection closes: the box sees that through the firewall
        async with asyncio.timeout(GENEROUS_S):
            assert await reader.read() == b""
        writer.close()

    with_network(work)


def test_a_storm_of_clients_is_bounded() -> None:
    async def work(network: relays.Network) -> None:
        for _ in range(200):
            assert await sip(network.firewall.far_end_inside, GENEROUS_S) is not None
        forwarder = network.firewall._forwarder
        assert forwarder is not None
        assert len(forwarder._flows) <= 64
        assert forwarder.forwarded == 200

    with_network(work)


def test_every_socket_is_closed() -> None:
    addresses: list[relays.Address] = []

    async def work(network: relays.Network) -> None:
        firewall = network.firewall
        firewall.forwarding = False
        addresses.extend([firewall.address, firewall.router_inside, network.router.address, network.lan])

    with_network(work)
    for address in addresses:
        with socket.socket() as probe:
            assert probe.connect_ex(address) != 0


def test_closing_twice_is_harmless() -> None:
    async def work(network: relays.Network) -> None:
        network.close()

    with_network(work)
