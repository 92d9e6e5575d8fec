"""The prober against real sockets on loopback: answers, refusals, silence, garbage, delay, names."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from agent.clock import RealClock
from agent.paths import ping as ping_module
from agent.paths import prober as prober_module
from agent.paths import sip, target
from agent.paths.ping import ping_access
from agent.paths.prober import MAX_TASKS, Prober
from agent.readings import Reading
from agent.site import schema
from agent.site.secrets import SecretStore
from tests.real.descriptors import descriptors, descriptors_at_start

NO_SECRETS = SecretStore(Path("/nonexistent"), None)


async def started(paths: Sequence[schema.Path], times: int = 1, access: str | None = None) -> list[Reading]:
    """The readings of the first check of each path, ``times`` of each started together."""
    readings: list[Reading] = []
    done = asyncio.Event()
    wanted = times * len(paths)

    def post(reading: Reading) -> None:
        readings.append(reading)
        if len(readings) == wanted:
            done.set()

    prober = Prober(paths, post, RealClock(), NO_SECRETS, ping=access)  # type: ignore[arg-type]
    task = asyncio.create_task(prober.run())
    await asyncio.sleep(0)
    for path in paths:
        for _ in range(times):
            prober.start(path.id, schema.check_names(path)[0])
    async with asyncio.timeout(60):
        await done.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert len(readings) == wanted
    return readings


async def checked(
    check: schema.Check, address: str = "127.0.0.1", times: int = 1, access: str | None = None
) -> list[Reading]:
    """The readings of ``times`` checks of one path started together."""
    return await started([schema.Path(id="p", role="router", address=address, checks=(check,))], times, access)


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
    assert (reading.detail["sent"], reading.detail["ignored"]) == (3, 3)  # their garbage is never silent


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
    assert reading.detail["reason"] == "port unreachable: something answered, the service is down"


def test_tcp_open_refused_and_silent() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        port = server.getsockname()[1]
        opened = one(schema.Tcp(port=port))
        assert (opened.kind, opened.detail["sent"]) == ("probe-ok", 1)
        assert "rtt_ms" in opened.detail
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
    assert refused.detail["reason"] == "connection refused (something answered; the service is down)"


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
    release = threading.Event()
    monkeypatch.setattr(target, "_look_up", lambda name, flags=0: None if flags else release.wait(30))
    readings = asyncio.run(checked(schema.Tcp(port=9, timeout_s=0.3), "slow.invalid", times=8))
    release.set()
    assert {(r.state, r.detail["reason"]) for r in readings} == {
        ("down", "the name slow.invalid could not be looked up in 0.3 s")
    }


def test_too_many_at_once_are_told_not_queued() -> None:
    readings = asyncio.run(checked(schema.SipOptions(port=9, timeout_s=0.3), times=MAX_TASKS + 5))
    assert sum(r.state == "unknown" for r in readings) == 5


def test_no_socket_is_left_open() -> None:
    with_peer(lambda data, _: sip.respond(data))
    before = descriptors_at_start()
    for _ in range(5):
        with_peer(lambda data, _: sip.respond(data))
        with_peer(lambda _data, _number: None, timeout_s=0.2)
        one(schema.Tcp(port=9, timeout_s=0.2))
        one(schema.Icmp(timeout_s=0.2))
    assert descriptors() <= before


def test_many_names_wait_for_their_turn_at_a_slow_name_server(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(name: str, flags: int = 0) -> target.Target | None:
        if flags:
            return None
        time.sleep(0.05)
        return target.Target("127.0.0.1", v6=False)

    monkeypatch.setattr(target, "_look_up", slow)

    async def run(port: int) -> list[Reading]:
        check = schema.Tcp(port=port, timeout_s=20)
        paths = [schema.Path(id=f"p{n}", role="router", address=f"h{n}.invalid", checks=(check,)) for n in range(20)]
        return await started(paths)

    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(32)
        assert [r.state for r in asyncio.run(run(server.getsockname()[1]))] == ["up"] * 20


def test_names_that_never_had_their_turn_are_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()
    monkeypatch.setattr(target, "_look_up", lambda name, flags=0: None if flags else release.wait(30))
    check = schema.Tcp(port=9, timeout_s=0.3)
    many = range(target.LOOKUPS_MAX + 3)
    paths = [schema.Path(id=f"p{n}", role="router", address=f"h{n}.invalid", checks=(check,)) for n in many]
    states = [r.state for r in asyncio.run(started(paths))]
    release.set()
    assert (states.count("down"), states.count("unknown")) == (target.LOOKUPS_MAX, 3)


def test_a_resolver_that_hangs_does_not_hold_up_the_end_of_the_process() -> None:
    code = (
        "import asyncio, time\n"
        "from agent.paths import target\n"
        "numbers = target._look_up\n"
        "target._look_up = lambda name, flags=0: numbers(name, flags) if flags else time.sleep(600)\n"
        "print(asyncio.run(target.Resolver().find('slow.invalid', 0.2)).state)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "down"


def test_what_is_no_name_is_unknown() -> None:
    reading = one(schema.Tcp(port=9), "a" * 64 + ".invalid")
    assert (reading.state, "is no host name" in str(reading.detail["reason"])) == ("unknown", True)


def test_a_link_local_address_keeps_its_scope() -> None:
    assert target.numeric("fe80::1%lo") == target.Target("fe80::1", v6=True, scope=socket.if_nametoindex("lo"))
    assert target.numeric("192.0.2.1") == target.Target("192.0.2.1", v6=False)
    assert target.numeric("h.invalid") is None
    assert target.Target("fe80::1", v6=True, scope=7).sockaddr(5060) == ("fe80::1", 5060, 0, 7)


def test_a_check_that_does_not_exist_is_told_too() -> None:
    async def run() -> Reading:
        readings: list[Reading] = []
        Prober([], readings.append, RealClock(), NO_SECRETS).start("p", "icmp")
        while not readings:
            await asyncio.sleep(0.01)
        return readings[0]

    assert asyncio.run(asyncio.wait_for(run(), 30)).state == "unknown"


def test_an_answer_that_came_while_the_process_stalled_counts() -> None:
    def peer(sock: socket.socket) -> None:
        data, where = sock.recvfrom(65_535)
        time.sleep(0.2)  # the loop stalls from 0.1 s on
        sock.sendto(sip.respond(data) or b"", where)

    async def run(port: int) -> Reading:
        asyncio.get_running_loop().call_later(0.1, time.sleep, 1.5)
        return (await checked(schema.SipOptions(port=port, timeout_s=0.8)))[0]

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        threading.Thread(target=peer, args=(sock,), daemon=True).start()
        assert asyncio.run(run(sock.getsockname()[1])).state == "up"


@pytest.mark.parametrize("check", [schema.Tcp(port=9), schema.SipOptions(port=9), schema.Icmp()])
def test_without_a_free_descriptor_nothing_is_known(check: schema.Check) -> None:
    async def run() -> Reading:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        free = os.dup(0)
        os.close(free)
        resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))
        try:
            return (await checked(check, access="raw"))[0]
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    reading = asyncio.run(run())
    assert (reading.kind, reading.state) == ("probe-fail", "unknown")
    reason = str(reading.detail["reason"]).lower()
    # A raw socket is asked for here: without the right to one, the kernel says so before it looks for a descriptor.
    if isinstance(check, schema.Icmp) and ping_access() != "raw":
        assert "not permitted" in reason
    else:
        assert "too many open files" in reason


def test_stopping_in_mid_check_leaves_no_socket_and_no_reading() -> None:
    async def run(port: int) -> None:
        readings: list[Reading] = []
        checks = (schema.SipOptions(port=port), schema.Tcp(port=port), schema.Icmp())
        path = schema.Path(id="p", role="router", address="127.0.0.1", checks=checks)
        prober = Prober([path], readings.append, RealClock(), NO_SECRETS)
        task = asyncio.create_task(prober.run())
        await asyncio.sleep(0)
        before = descriptors_at_start()
        prober.start("p", "sip-options")
        await asyncio.sleep(0.1)
        assert descriptors() > before
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert descriptors() <= before
        assert readings == []

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        asyncio.run(run(silent.getsockname()[1]))


def test_a_check_that_hangs_is_ended_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    async def hang(*_: object) -> None:
        await asyncio.sleep(600)

    monkeypatch.setattr(ping_module, "ping", hang)
    reading = one(schema.Icmp(timeout_s=0.1))
    assert (reading.state, reading.detail["reason"]) == ("unknown", "this box was too slow to finish the check")


def test_leave_to_ping_is_asked_for_until_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter(["none", "raw", "none"])
    monkeypatch.setattr(prober_module, "ping_access", lambda: next(answers))
    prober = Prober([], lambda _reading: None, RealClock(), NO_SECRETS)
    assert [prober._ping_access() for _ in range(3)] == ["none", "raw", "raw"]


def test_a_check_that_cannot_even_be_ended_is_no_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    over = asyncio.Event()

    async def deaf(*_: object) -> None:
        while not over.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await over.wait()

    monkeypatch.setattr(ping_module, "ping", deaf)
    monkeypatch.setattr(prober_module, "STUCK_S", 0.0)
    monkeypatch.setattr(prober_module, "GRACE_S", 0.0)
    monkeypatch.setattr(prober_module, "LOOK_S", 0.01)
    made: list[int] = []

    async def run() -> None:
        path = schema.Path(id="p", role="router", address="127.0.0.1", checks=(schema.Icmp(timeout_s=0.05),))
        prober = Prober([path], lambda _reading: None, RealClock(), NO_SECRETS, progress=lambda: made.append(0))
        task = asyncio.create_task(prober.run())
        await asyncio.sleep(0.05)
        assert made
        prober.start("p", "icmp")
        await asyncio.sleep(0.3)
        before = len(made)
        await asyncio.sleep(0.2)
        assert len(made) == before
        over.set()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(run())
