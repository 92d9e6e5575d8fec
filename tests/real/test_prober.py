"""The prober against real sockets on loopback: answers, refusals, silence, garbage, delay, names."""

from __future__ import annotations

import asyncio
import os
import random
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.clock import RealClock
from agent.paths import prober as prober_module
from agent.paths import sip
from agent.paths.ping import ping_access
from agent.paths.prober import MAX_TASKS, Prober
from agent.readings import Reading
from agent.site import schema


async def checked(
    check: schema.Check, address: str = "127.0.0.1", times: int = 1, access: str | None = None
) -> list[Reading]:
    """The readings of ``times`` checks started together."""
    readings: list[Reading] = []
    done = asyncio.Event()

    def post(reading: Reading) -> None:
        readings.append(reading)
        if len(readings) == times:
            done.set()

    path = schema.Path(id="p", role="router", address=address, checks=(check,))
    prober = Prober([path], post, RealClock(), random.Random(1), access)  # type: ignore[arg-type]
    task = asyncio.create_task(prober.run())
    await asyncio.sleep(0)
    name = schema.check_names(path)[0]
    for _ in range(times):
        prober.start("p", name)
    async with asyncio.timeout(60):
        await done.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert len(readings) == times
    return readings


def one(check: schema.Check, address: str = "127.0.0.1") -> Reading:
    return asyncio.run(checked(check, address))[0]


class Peer(asyncio.DatagramProtocol):
    """A UDP peer that answers by a function of the datagram and its number."""

    def __init__(self, answer: Callable[[bytes, int], bytes | None]) -> None:
        self._answer = answer
        self.seen: list[tuple[bytes, tuple[str, int]]] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.seen.append((data, addr))
        out = self._answer(data, len(self.seen))
        if out is not None:
            self._transport.sendto(out, addr)  # type: ignore[attr-defined]


def with_peer(
    answer: Callable[[bytes, int], bytes | None], times: int = 1, timeout_s: float = 2.0
) -> tuple[list[Reading], Peer]:
    async def run() -> tuple[list[Reading], Peer]:
        peer = Peer(answer)
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: peer, ("127.0.0.1", 0))
        port = transport.get_extra_info("sockname")[1]
        readings = await checked(schema.SipOptions(port=port, timeout_s=timeout_s), times=times)
        transport.close()
        return readings, peer

    return asyncio.run(run())


def test_a_far_end_that_answers() -> None:
    (reading,), peer = with_peer(lambda data, _: sip.respond(data))
    assert (reading.kind, reading.state, reading.detail["code"]) == ("probe-ok", "up", 200)
    assert len(peer.seen) == 1


def test_lost_datagrams_are_sent_again() -> None:
    (reading,), peer = with_peer(lambda data, number: sip.respond(data) if number == 3 else None)
    assert reading.state == "up"
    assert len(peer.seen) == 3
    assert len({data for data, _ in peer.seen}) == 1  # retransmissions of one request


def test_silence_and_garbage_are_no_answer() -> None:
    (reading,), _ = with_peer(lambda _data, _number: b"\x00garbage\xff", timeout_s=0.5)
    assert (reading.kind, reading.state) == ("probe-fail", "down")
    assert reading.detail["reason"].startswith("no answer in 0.5")  # type: ignore[union-attr]


def test_another_ones_answer_does_not_count() -> None:
    stranger = sip.options("x", 1, "y", 2, os.urandom(24)).data
    (reading,), _ = with_peer(lambda _data, _number: sip.respond(stranger), timeout_s=0.5)
    assert reading.state == "down"


def test_a_proxys_503_is_degraded_and_401_is_alive() -> None:
    (reading,), _ = with_peer(lambda data, _: sip.respond(data, 503, "Service Unavailable"))
    assert (reading.kind, reading.state) == ("probe-degraded", "degraded")
    (reading,), _ = with_peer(lambda data, _: sip.respond(data, 401, "Unauthorized"))
    assert (reading.state, reading.detail["keepalive_ok"]) == ("up", False)


def test_fresh_ports_and_call_ids_each_time() -> None:
    readings, peer = with_peer(lambda data, _: sip.respond(data), times=10)
    assert {r.state for r in readings} == {"up"}
    assert len({addr[1] for _, addr in peer.seen}) == 10
    assert len({sip.parse(data).first("call-id") for data, _ in peer.seen}) == 10  # type: ignore[union-attr]


def test_a_closed_udp_port_is_refused() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    reading = one(schema.SipOptions(port=port, timeout_s=0.6))
    assert reading.state == "down"
    assert "refused" in str(reading.detail["reason"])


def test_tcp_open_refused_and_silent() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        port = server.getsockname()[1]
        assert one(schema.Tcp(port=port)).kind == "probe-ok"
        # A full backlog answers no SYN: what a dropping firewall looks like.
        clients = [socket.socket() for _ in range(8)]
        for client in clients:
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", port))
        silent = one(schema.Tcp(port=port, timeout_s=0.5))
        assert (silent.state, silent.detail["reason"]) == ("down", "no answer in 0.5 s")
        for client in clients:
            client.close()
    refused = one(schema.Tcp(port=port))
    assert refused.state == "down"
    assert "refused" in str(refused.detail["reason"])


def test_pings_are_answered_here() -> None:
    if ping_access() == "none":
        pytest.skip("needs root, or net.ipv4.ping_group_range to include this user's group")
    reading = one(schema.Icmp())
    assert (reading.kind, reading.state) == ("probe-ok", "up")
    assert asyncio.run(checked(schema.Icmp(), times=20))[-1].state == "up"
    if Path("/proc/net/if_inet6").read_text().strip():
        assert one(schema.Icmp(), "::1").state == "up"


def test_without_the_right_to_ping_it_says_what_to_do() -> None:
    reading = asyncio.run(checked(schema.Icmp(), access="none"))[0]
    assert (reading.kind, reading.state) == ("probe-fail", "unknown")
    assert "ping_group_range" in str(reading.detail["reason"])


def test_names() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(1)
        assert one(schema.Tcp(port=server.getsockname()[1]), "localhost").state == "up"
    lost = one(schema.Tcp(port=9, timeout_s=5), "no-such-host.invalid")
    assert lost.state == "down"
    assert "no-such-host.invalid" in str(lost.detail["reason"]) or "no answer" in str(lost.detail["reason"])


def test_a_resolver_that_hangs_holds_up_only_its_own_check(monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    release = threading.Event()
    monkeypatch.setattr(prober_module.socket, "getaddrinfo", lambda *_: release.wait(30))
    readings = asyncio.run(checked(schema.Tcp(port=9, timeout_s=0.3), "slow.invalid", times=8))
    release.set()
    assert {r.state for r in readings} == {"down"}


def test_too_many_at_once_are_told_not_queued() -> None:
    readings = asyncio.run(checked(schema.SipOptions(port=9, timeout_s=0.3), times=MAX_TASKS + 5))
    assert sum(r.state == "unknown" for r in readings) == 5


def test_no_socket_is_left_open() -> None:
    def count() -> int:
        return len(os.listdir("/proc/self/fd"))  # noqa: PTH208

    with_peer(lambda data, _: sip.respond(data))
    before = count()
    for _ in range(5):
        with_peer(lambda data, _: sip.respond(data))
        with_peer(lambda _data, _number: None, timeout_s=0.2)
        one(schema.Tcp(port=9, timeout_s=0.2))
        one(schema.Icmp(timeout_s=0.2))
    assert count() <= before
