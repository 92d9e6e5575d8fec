"""A dialect that asks, through the shell: its words go out in time, and a write that is stuck loses the port.

The dialect here is a scripted one, so that the shell alone is under test; the peer is a real pty or socket.
"""

from __future__ import annotations

import asyncio
import os
import select
import socket
import threading
from pathlib import Path

import pytest

from agent.clock import NS
from agent.lines import dialects
from agent.lines import wire as wire_module
from agent.lines.parser import Talker
from agent.lines.rfc2217 import TwoWayThreadWire
from agent.lines.wire import HUNG, Lost
from agent.readings import Reading
from agent.site.line import Tl1Line
from tests.real.ports import PATIENCE_S, Pty, Watched, watching


class Asker:
    """Asks ``question`` each ``every_s``; an answer ends with a full stop, and an ``ack`` follows it at once."""

    idle_s = 0.05

    def __init__(self, question: bytes = b"?\r", every_s: float = 0.05, timeout_s: float = 0.3) -> None:
        self.counters = {"bytes": 0, "records": 0, "garbage_bytes": 0}
        self.held = b""
        self.question, self.every_ns, self.timeout_ns = question, int(every_s * NS), int(timeout_s * NS)
        self.next_ns = self.asked_ns = 0
        self.words = b""
        self.opened_times = self.asked = self.idles = 0
        self.asks = True

    @property
    def held_bytes(self) -> int:
        return len(self.held)

    def opened(self, now_ns: int) -> None:
        self.opened_times += 1
        self.next_ns, self.asked_ns = now_ns, 0

    def feed(self, data: bytes, now_ns: int) -> list[Reading]:
        self.counters["bytes"] += len(data)
        *whole, self.held = (self.held + data).split(b".")
        self.counters["records"] += len(whole)
        if whole:
            self.asked_ns, self.words = 0, b"ack\r"
        return [Reading("x", "tl1", "event", text.decode(), None, now_ns) for text in whole]

    def idle(self, now_ns: int) -> list[Reading]:
        self.idles += 1
        dropped, self.held = self.held, b""
        return [Reading("x", "tl1", "garbage", "", None, now_ns, {"bytes": len(dropped)})] if dropped else []

    def reset(self, now_ns: int) -> list[Reading]:
        return self.idle(now_ns)

    def speak(self, now_ns: int) -> tuple[bytes, list[Reading]]:
        words, self.words, readings = self.words, b"", []
        if self.asked_ns and now_ns >= self.asked_ns + self.timeout_ns:
            self.asked_ns = 0
            readings = [Reading("x", "tl1", "event", "no answer", "unknown", now_ns)]
        if self.asks and not self.asked_ns and now_ns >= self.next_ns:
            self.asked += 1
            self.asked_ns, self.next_ns = now_ns, now_ns + self.every_ns
            words += self.question
        return words, readings

    def due_ns(self) -> int | None:
        if not self.asks:
            return None
        return self.asked_ns + self.timeout_ns if self.asked_ns else self.next_ns


@pytest.fixture
def asker(monkeypatch: pytest.MonkeyPatch) -> Asker:
    made = Asker()
    monkeypatch.setattr(dialects, "parser_for", lambda *_of: made)
    return made


def line(port: object) -> Tl1Line:
    return Tl1Line(id="bank-a", port=str(port))


class Peer(threading.Thread):
    """Answers each question on its end of a pty until it is killed."""

    def __init__(self, pty: Pty) -> None:
        super().__init__(daemon=True)
        self.fd, self.heard = os.dup(pty.master), b""
        self.quiet, self.dead = threading.Event(), threading.Event()
        self.start()

    def run(self) -> None:
        while not self.dead.is_set():
            if not select.select([self.fd], [], [], 0.02)[0]:
                continue
            data = os.read(self.fd, 4096)
            self.heard += data
            for _ in range(data.count(b"?")):
                if not self.quiet.is_set():
                    os.write(self.fd, b"fine.")
        os.close(self.fd)

    def kill(self) -> None:
        self.dead.set()
        self.join(PATIENCE_S)


def test_it_asks_is_answered_and_tells_when_no_answer_comes(tmp_path: Path, asker: Asker) -> None:
    assert isinstance(asker, Talker)

    async def scenario() -> None:
        pty = Pty(tmp_path / "port")
        peer = Peer(pty)
        async with watching(line(pty.link)) as w:
            await w.until(lambda: w.kinds().count("event") >= 5, "no answers")
            assert w.readings[0].kind == "port-up"
            assert w.port.status()["mode"] == "two-way"
            assert w.port.status()["parser"]["records"] >= 5
            # An answer moves it on: its words go out after the feed, not at the next due time.
            assert peer.heard.startswith(b"?\rack\r?\rack\r")
            peer.quiet.set()
            await w.until(lambda: w.readings[-1].subject == "no answer", "silence was not told")
            peer.quiet.clear()
            await w.until(lambda: w.readings[-1].subject == "fine", "it did not go on asking")
            assert asker.opened_times == 1
        peer.kill()
        pty.unplug()

    asyncio.run(scenario())


def test_a_peer_that_dies_and_returns_is_asked_anew(tmp_path: Path, asker: Asker) -> None:
    async def scenario() -> None:
        pty = Pty(tmp_path / "port")
        peer = Peer(pty)
        async with watching(line(pty.link)) as w:
            await w.until(lambda: "event" in w.kinds(), "no answer")
            peer.kill()
            pty.unplug()
            await w.until(lambda: "port-down" in w.kinds(), "the loss was not told")
            back = Pty(tmp_path / "port")
            peer = Peer(back)
            await w.up(2)
            so_far = len(w.readings)
            await w.until(lambda: "fine" in [r.subject for r in w.readings[so_far:]], "no answer after the return")
            assert asker.opened_times == 2
            peer.kill()
            back.unplug()

    asyncio.run(scenario())


def test_a_write_that_is_stuck_loses_the_port(tmp_path: Path, asker: Asker, monkeypatch: pytest.MonkeyPatch) -> None:
    """The peer's kernel takes some 60 KiB unread, then no more. Without the limit it would wait for ever."""

    async def scenario() -> None:
        monkeypatch.setattr(wire_module, "WRITE_S", 0.5)
        pty = Pty(tmp_path / "port")
        asker.question, asker.timeout_ns = b"x" * 1000, int(0.005 * NS)
        asker.every_ns = 0
        w = Watched(Tl1Line(id="bank-a", port=str(pty.link), baud=230400))
        task = asyncio.create_task(w.port.run())
        await w.until(lambda: "port-down" in w.kinds(), "the stuck write was not told")
        reason = w.last("port-down").detail["reason"]
        assert "did not leave" in str(reason) or "wait to be written" in str(reason)
        asker.asks = False
        pty.heard()
        await w.up(2)  # and it is tried again
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        pty.unplug()

    asyncio.run(scenario())


def test_what_the_driver_still_holds_counts_as_stuck(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A UART held by CTS: the write returns, and TIOCOUTQ never falls. No pty does that, so the ioctl is a fake."""

    async def scenario() -> None:
        pty = Pty(tmp_path / "port")
        wire = wire_module.open_wire(line(pty.link), sends=True)
        assert isinstance(wire, wire_module.TwoWayFdWire)
        held, lost = [100], list[Lost]()
        monkeypatch.setattr(wire, "_in_the_kernel", lambda: held[0])
        monkeypatch.setattr(wire, "_write_s", lambda size: 0.2)
        wire.start(lambda data: None, lost.append)
        wire.write(b"x" * 60)
        await asyncio.sleep(0.3)
        assert lost == [HUNG]
        wire.close()

        wire = wire_module.open_wire(line(pty.link), sends=True)
        assert isinstance(wire, wire_module.TwoWayFdWire)
        monkeypatch.setattr(wire, "_write_s", lambda size: 0.2)
        wire.start(lambda data: None, lost.append)
        monkeypatch.setattr(wire, "_in_the_kernel", lambda: held[0])
        held[0] = 10  # a later question under way is no reason, while the first has left
        wire.write(b"x" * 60)
        await asyncio.sleep(0.1)
        wire.write(b"x" * 10)
        await asyncio.sleep(0.15)
        assert len(lost) == 1
        held[0] = 0
        await asyncio.sleep(0.3)
        assert len(lost) == 1
        assert wire._deadline is None
        wire.close()
        pty.unplug()

    asyncio.run(scenario())


def test_over_a_tcp_socket(asker: Asker) -> None:
    async def scenario() -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            async with watching(line(f"socket://127.0.0.1:{server.getsockname()[1]}")) as w:
                peer, _ = await asyncio.to_thread(server.accept)
                peer.settimeout(PATIENCE_S)
                assert (await asyncio.to_thread(peer.recv, 10)).startswith(b"?\r")
                peer.sendall(b"fine.")
                await w.until(lambda: "fine" in [r.subject for r in w.readings], "no answer")
                peer.close()
                await w.until(lambda: "port-down" in w.kinds(), "the hang-up was not told")

    asyncio.run(scenario())


def test_rfc2217_writes_in_a_thread_and_gives_up_a_stuck_one() -> None:
    """pyserial's ``write`` blocks while the network does: a stand-in that blocks until it is let go."""
    gate = threading.Event()
    written: list[bytes] = []

    class Blocked:
        in_waiting = 0

        def read(self, size: int) -> bytes:
            gate.wait(0.05)
            return b""

        def write(self, data: bytes) -> None:
            if data == b"stuck":
                gate.wait(PATIENCE_S)
            written.append(data)

        def close(self) -> None:
            pass

    async def scenario() -> None:
        wire, lost = TwoWayThreadWire(Blocked(), write_s=lambda size: 0.2), list[Lost]()
        wire.start(lambda data: None, lost.append)
        wire.write(b"one")
        wire.write(b"two")
        await asyncio.sleep(0.5)
        assert written == [b"one", b"two"]
        assert lost == []
        wire.write(b"stuck")
        async with asyncio.timeout(PATIENCE_S):
            while not lost:
                await asyncio.sleep(0.01)
        assert lost == [HUNG]
        wire.write(b"after")
        wire.close()
        gate.set()
        await asyncio.sleep(0.2)
        assert b"after" not in written

    asyncio.run(scenario())


def test_a_short_silence_ends_a_record_while_the_peer_goes_on(tmp_path: Path, asker: Asker) -> None:
    """``idle_s`` of 0.05 s: half a record each 0.4 s, each told by itself, none by the one-second tick alone."""

    async def scenario() -> None:
        asker.asks = False
        pty = Pty(tmp_path / "port")
        async with watching(line(pty.link)) as w:
            await w.up()
            for n in range(1, 6):
                pty.send(b"half")
                await w.until(lambda n=n: w.kinds().count("garbage") == n, "the silence was not seen")  # type: ignore[misc]
            assert [r.detail["bytes"] for r in w.readings if r.kind == "garbage"] == [4] * 5
            assert asker.idles == 5
            await asyncio.sleep(0.3)
            assert asker.idles == 5  # once a silence
        pty.unplug()

    asyncio.run(scenario())


def test_at_seven_bits_the_parity_bit_never_reaches_the_dialect(asker: Asker) -> None:
    """A raw device server's socket carries 7E1 as it comes; the capture keeps it so."""
    asker.asks = False
    sent = bytes(b | (b.bit_count() & 1) << 7 for b in b"fine.")

    async def scenario() -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            where = f"socket://127.0.0.1:{server.getsockname()[1]}"
            async with watching(Tl1Line(id="bank-a", port=where, format="7E1")) as w:
                peer, _ = await asyncio.to_thread(server.accept)
                peer.sendall(sent)
                await w.until(lambda: "event" in w.kinds(), "not read")
                assert w.last("event").subject == "fine"
                assert w.port.recent() == sent
                peer.close()

    asyncio.run(scenario())
