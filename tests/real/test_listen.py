"""The listener with real sockets: senders as logger(1) has them, strangers, floods, garbage, ports that are taken."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from agent.clock import RealClock
from agent.paths import listen as shell
from agent.paths.listen import Listener
from agent.readings import Reading
from agent.site import schema
from agent.site.secrets import SecretStore
from tests.real.descriptors import descriptors, descriptors_at_start

PATIENCE_S = 40.0
NO_SECRETS = SecretStore(Path("/nonexistent"), None)
SYSLOG = schema.Syslog(denies=5, within_s=30, quiet_s=600)


def line(sport: int) -> bytes:
    return (
        f"<4>Jan  1 00:00:00 fw kernel: DROP IN=lan0 OUT=wan0 SRC=10.77.1.2 DST=198.51.100.10 LEN=400 TTL=63 ID=1 "
        f"PROTO=UDP SPT={sport} DPT=5060 LEN=380"
    ).encode()


def free_port(kind: socket.SocketKind = socket.SOCK_DGRAM, family: socket.AddressFamily = socket.AF_INET) -> int:
    with socket.socket(family, kind) as sock:
        sock.bind(("127.0.0.1" if family == socket.AF_INET else "::1", 0))
        return int(sock.getsockname()[1])


class Heard:
    """What a running listener has posted."""

    def __init__(self, listener: Listener, readings: list[Reading]) -> None:
        self.listener, self.readings = listener, readings

    def states(self, source: str = "fw") -> list[str | None]:
        return [r.state for r in self.readings if r.source == source and r.kind.startswith("probe-")]

    def of(self, subject: str) -> list[Reading]:
        return [r for r in self.readings if r.source == "host" and r.subject == subject]

    async def until(self, what: Callable[[], object], why: str) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_S):
                while not what():
                    await asyncio.sleep(0.01)
        assert what(), f"{why}: {self.readings[-20:]}"

    async def up(self, *subjects: str) -> None:
        def opened() -> bool:
            return all([r.state for r in self.of(s)][-1:] == ["up"] for s in subjects)

        await self.until(opened, f"{subjects} did not open")


@contextlib.asynccontextmanager
async def listening(
    listen: schema.Listen,
    paths: dict[str, str] | None = None,
    checks: tuple[schema.Check, ...] = (SYSLOG,),
    **more: Any,
) -> AsyncIterator[Heard]:
    given = {"fw": "127.0.0.1"} if paths is None else paths
    site = schema.SiteFile(
        site=schema.Site(id="s"),
        path=tuple(schema.Path(id=one, role="firewall", address=at, checks=checks) for one, at in given.items()),
        listen=listen,
    )
    readings: list[Reading] = []
    listener = Listener(site, readings.append, RealClock(), NO_SECRETS, **more)
    task = asyncio.create_task(listener.run())
    try:
        yield Heard(listener, readings)
        assert not task.done(), task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def udp(port: int, host: str = "127.0.0.1", **more: str) -> schema.Listen:
    return schema.Listen(syslog_udp=f"{host}:{port}", calls_at=("198.51.100.0/24",), **more)


def send(port: int, *datagrams: bytes, source: str = "127.0.0.1", to: str = "127.0.0.1") -> None:
    family = socket.AF_INET6 if ":" in to else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.bind((source, 0))
        for datagram in datagrams:
            sock.sendto(datagram, (to, port))


def test_refusals_by_udp_are_told() -> None:
    async def run() -> None:
        port = free_port()
        async with listening(udp(port)) as heard:
            await heard.up("syslog-udp")
            send(port, *[line(40_000 + n) for n in range(5)])
            await heard.until(lambda: heard.states()[-1:] == ["down"], "no refusal was told")
            assert heard.states() == ["up", "down"]
            assert heard.readings[-1].detail["address"] == "198.51.100.10"

    asyncio.run(run())


def test_each_path_has_its_own_log_and_strangers_are_only_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shell, "TELL_S", 0.5)

    async def run() -> None:
        port = free_port()
        async with listening(udp(port), {"fw": "127.0.0.2", "fw-2": "127.0.0.3"}) as heard:
            await heard.up("syslog-udp")
            send(port, *[line(n) for n in range(5)], source="127.0.0.2")
            send(port, b"<1>hello", source="127.0.0.3")
            send(port, *[line(n) for n in range(7)], source="127.0.0.4")
            await heard.until(lambda: heard.of("strangers"), "no strangers were told")
            await heard.until(lambda: heard.states("fw-2"), "the second log was not heard")
            assert (heard.states("fw"), heard.states("fw-2")) == (["up", "down"], ["up"])
            (told,) = heard.of("strangers")
            assert (told.sense, told.kind, told.detail["strangers"]) == ("listen", "event", 7)
            assert "127.0.0.4" not in str(told)

    asyncio.run(run())


def test_ipv4_at_an_ipv6_port() -> None:
    async def run() -> None:
        try:
            port = free_port(family=socket.AF_INET6)
        except OSError:
            pytest.skip("needs IPv6 on loopback")
        listen = schema.Listen(syslog_udp=f"[::]:{port}", calls_at=("198.51.100.0/24",))
        async with listening(listen, {"fw": "127.0.0.1", "fw-6": "::1"}) as heard:
            await heard.up("syslog-udp")
            send(port, b"<1>hello")
            send(port, b"<1>hello", source="::1", to="::1")
            await heard.until(lambda: heard.states("fw") and heard.states("fw-6"), "not both were heard")

    asyncio.run(run())


def test_a_name_is_looked_up() -> None:
    async def run() -> None:
        port = free_port()
        async with listening(udp(port), {"nowhere": "no-such-host.invalid", "fw": "localhost"}) as heard:
            await heard.up("syslog-udp")

            def said() -> list[str | None]:
                send(port, b"<1>hello")
                return heard.states()

            await heard.until(said, "localhost was not known")

    asyncio.run(run())


def test_tcp_counted_lines_and_split_anywhere() -> None:
    async def run() -> None:
        port = free_port(socket.SOCK_STREAM)
        listen = schema.Listen(syslog_tcp=f"127.0.0.1:{port}", calls_at=("198.51.100.0/24",))
        async with listening(listen) as heard:
            await heard.up("syslog-tcp")
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            data = b"".join(
                b"%d %s" % (len(line(n)), line(n)) if n % 2 else line(n) + (b"\n" if n % 3 else b"\0") for n in range(4)
            )
            for at in range(0, len(data), 37):
                writer.write(data[at : at + 37])
                await writer.drain()
                await asyncio.sleep(0.001)
            writer.write(line(5))  # the last one has no end but that of the connection
            writer.close()
            await heard.until(lambda: heard.states()[-1:] == ["down"], "no refusal was told")

    asyncio.run(run())


def test_tcp_strangers_are_closed_and_connections_bounded() -> None:
    async def run() -> None:
        port = free_port(socket.SOCK_STREAM)
        async with listening(schema.Listen(syslog_tcp=f"127.0.0.1:{port}"), {"fw": "127.0.0.2"}) as heard:
            await heard.up("syslog-tcp")
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            async with asyncio.timeout(PATIENCE_S):
                assert await reader.read() == b""
            writer.close()
            held = []
            for _ in range(shell.CONNECTIONS_MAX):
                held.append(await asyncio.open_connection("127.0.0.1", port, local_addr=("127.0.0.2", 0)))
            await heard.until(
                lambda: len(heard.listener._connections) == shell.CONNECTIONS_MAX, "connections were refused"
            )
            reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=("127.0.0.2", 0))
            async with asyncio.timeout(PATIENCE_S):
                assert await reader.read() == b""
            assert heard.listener._counts == {"strangers": 1, "connections refused": 1}
            for _, one in [*held, (reader, writer)]:
                one.close()
            await heard.until(lambda: not heard.listener._connections, "connections were left open")

    asyncio.run(run())


def test_an_idle_connection_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shell, "IDLE_S", 0.2)

    async def run() -> None:
        port = free_port(socket.SOCK_STREAM)
        async with listening(schema.Listen(syslog_tcp=f"127.0.0.1:{port}")) as heard:
            await heard.up("syslog-tcp")
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            async with asyncio.timeout(PATIENCE_S):
                assert await reader.read() == b""
            writer.close()

    asyncio.run(run())


def test_a_flood_leaves_the_loop_its_turns_and_a_call_refused_in_it_is_seen() -> None:
    """Both ports flooded by another process: batches are bounded, the loop's other work goes on."""
    flood = (
        "import socket, sys, time\n"
        "u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
        "t = socket.create_connection(('127.0.0.1', int(sys.argv[2])))\n"
        "junk = b'<13>' + b'x' * 400\n"
        "end = time.monotonic() + 3\n"
        "while time.monotonic() < end:\n"
        "    for _ in range(200): u.sendto(junk, ('127.0.0.1', int(sys.argv[1])))\n"
        "    t.sendall((junk + b'\\n') * 200)\n"
    )

    async def run() -> None:
        one, two = free_port(), free_port(socket.SOCK_STREAM)
        listen = schema.Listen(
            syslog_udp=f"127.0.0.1:{one}", syslog_tcp=f"127.0.0.1:{two}", calls_at=("198.51.100.0/24",)
        )
        async with listening(listen) as heard:
            await heard.up("syslog-udp", "syslog-tcp")
            judge = heard.listener._logs[0][1]
            seen: list[int] = []
            process = subprocess.Popen([sys.executable, "-c", flood, str(one), str(two)])
            try:
                while process.poll() is None:
                    seen.append(judge.messages)
                    await asyncio.sleep(0)
            finally:
                process.kill()
                process.wait()
            assert judge.messages > 1000
            # What one turn of the loop takes: a batch of datagrams and a chunk of one connection.
            most = shell.BATCH_MAX + shell.TCP_BYTES // 400 + 1
            assert max(b - a for a, b in itertools.pairwise(seen)) <= 2 * most

            def refused() -> bool:
                send(one, *[line(n) for n in range(5)])
                return heard.states()[-1:] == ["down"]

            await heard.until(refused, "no refusal was told behind the flood")

    asyncio.run(run())


def test_garbage_by_both_ports_changes_nothing() -> None:
    async def run() -> None:
        one, two = free_port(), free_port(socket.SOCK_STREAM)
        listen = schema.Listen(syslog_udp=f"127.0.0.1:{one}", syslog_tcp=f"127.0.0.1:{two}")
        async with listening(listen) as heard:
            await heard.up("syslog-udp", "syslog-tcp")
            send(one, b"", b"\xff" * 60_000, os.urandom(1400), b"<" * 9000)
            _, writer = await asyncio.open_connection("127.0.0.1", two)
            writer.write(os.urandom(200_000) + b"99999 <" + b"\xff" * 100_000)
            writer.close()
            judge = heard.listener._logs[0][1]
            await heard.until(lambda: judge.messages >= 5 and not heard.listener._connections, "garbage was not read")
            assert judge.garbled >= 2
            assert heard.states() == ["up"]

    asyncio.run(run())


def test_a_port_that_is_taken_is_told_tried_again_and_then_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shell, "RETRY_S", (0.1, 0.2))

    async def run() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
            taken.bind(("127.0.0.1", 0))
            port = taken.getsockname()[1]
            async with listening(udp(port)) as heard:
                await heard.until(lambda: heard.states() == ["unknown"] and heard.of("syslog-udp"), "nothing was told")
                told = heard.of("syslog-udp")[0]
                assert (told.sense, told.state) == ("listen", "down")
                assert "Address already in use" in str(told.detail["reason"])
                assert "can't hear" in str(next(r for r in heard.readings if r.source == "fw").detail["reason"])
                taken.close()
                await heard.up("syslog-udp")
                send(port, b"<1>hello")
                await heard.until(lambda: heard.states()[-1:] == ["up"], "nothing was heard")

    asyncio.run(run())


def test_one_of_two_ports_lost_blinds_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shell, "RETRY_S", (0.1, 0.2))

    async def run() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = free_port()
            listen = schema.Listen(syslog_udp=f"127.0.0.1:{port}", syslog_tcp=f"127.0.0.1:{taken.getsockname()[1]}")
            async with listening(listen) as heard:
                await heard.up("syslog-udp")
                await heard.until(lambda: heard.of("syslog-tcp"), "the other port's loss was not told")
                send(port, b"<1>hello")
                await heard.until(heard.states, "nothing was heard")
                taken.close()
                await heard.up("syslog-tcp")
                assert [r.state for r in heard.of("syslog-tcp")] == ["down", "up"]
                assert heard.states()[-1] == "up"

    asyncio.run(run())


def test_a_socket_that_systemd_has_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    """sd_listen_fds(3): the descriptors begin at 3, so a process of its own is needed."""
    port = free_port()
    script = (
        "import os, socket, sys, time, asyncio\n"
        "os.environ['LISTEN_PID'] = str(os.getpid())\n"
        "os.environ['LISTEN_FDS'], os.environ['LISTEN_FDNAMES'] = '2', 'other:syslog-udp'\n"
        "from agent.clock import RealClock\n"
        "from agent.paths.listen import Listener\n"
        "from agent.site import schema\n"
        "paths = (schema.Path(id='fw', role='firewall', address='127.0.0.1', checks=(schema.Syslog(),)),)\n"
        "site = schema.SiteFile(site=schema.Site(id='s'), path=paths, "
        "listen=schema.Listen(syslog_udp='127.0.0.1:1'))\n"  # not this port, where systemd's is there
        "def post(r): print(r.source, r.subject, r.state, flush=True)\n"
        "asyncio.run(Listener(site, post, RealClock(), None).run())\n"
    )
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", port))
        other = os.open("/dev/null", os.O_RDONLY)
        # sh puts them where systemd does.
        command = f'exec 8<&{other} 9<&{sock.fileno()}; exec 3<&8 4<&9; exec "$0" -c "$1"'
        process = subprocess.Popen(
            ["bash", "-c", command, sys.executable, script],
            stdout=subprocess.PIPE,
            pass_fds=(other, sock.fileno()),
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        )
        try:
            assert process.stdout is not None
            assert process.stdout.readline().split() == [b"host", b"syslog-udp", b"up"]
            send(port, b"<1>hello")
            assert process.stdout.readline().split() == [b"fw", b"up"]
        finally:
            process.kill()
            process.wait()
            os.close(other)


def test_a_knock_is_answered_and_only_by_its_own_port() -> None:
    class Awaited:
        def __init__(self) -> None:
            self.counts: Counter[str] = Counter()
            self.addresses: frozenset[str] = frozenset()

        def datagram(self, data: bytes, source: str, now_ns: int) -> bytes | None:
            return b"486 " + data if source == "127.0.0.1" else None

    async def run() -> None:
        port, log = free_port(), free_port()
        listen = schema.Listen(knock=f"127.0.0.1:{port}", syslog_udp=f"127.0.0.1:{log}")
        async with listening(listen, knocks=Awaited()) as heard:
            await heard.up("knock", "syslog-udp")
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                sock.bind(("127.0.0.1", 0))
                sock.setblocking(False)
                sock.sendto(b"hello", ("127.0.0.1", log))
                sock.sendto(b"knock", ("127.0.0.1", port))
                async with asyncio.timeout(PATIENCE_S):
                    assert await asyncio.get_running_loop().sock_recv(sock, 100) == b"486 knock"

    asyncio.run(run())


def test_nothing_is_left_open_when_it_ends() -> None:
    async def run() -> None:
        one, two = free_port(), free_port(socket.SOCK_STREAM)
        listen = schema.Listen(syslog_udp=f"127.0.0.1:{one}", syslog_tcp=f"127.0.0.1:{two}")
        before = descriptors_at_start()
        async with listening(listen) as heard:
            await heard.up("syslog-udp", "syslog-tcp")
            _, writer = await asyncio.open_connection("127.0.0.1", two)
            writer.write(b"<1>half")
            await heard.until(lambda: heard.listener._connections, "not connected")
            writer.close()
        deadline = time.monotonic() + PATIENCE_S
        while descriptors() > before and time.monotonic() < deadline:
            await asyncio.sleep(0.05)
        assert descriptors() <= before

    asyncio.run(run())
