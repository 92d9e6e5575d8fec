"""A far end for test calls, in this process: SIP over UDP, RTP, and whatever a test wants it to get wrong."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from agent.paths import sip
from agent.paths.call import g711, messages, rtp, sdp, tone

Back = Callable[[int, bytes], list[bytes]]
"""What comes back for each packet of the caller's: its number and itself."""


def echo(_number: int, packet: bytes) -> list[bytes]:
    return [packet]


def nothing(_number: int, _packet: bytes) -> list[bytes]:
    return []


def stream(make: Callable[[int, list[int]], list[int]]) -> Back:
    """A stream of its own in the caller's time."""

    def back(number: int, packet: bytes) -> list[bytes]:
        heard = rtp.parse(packet)
        ours = g711.decode(heard.payload) if heard is not None else []
        return [rtp.build(rtp.Packet(0, number == 0, number, number * 160, 77, g711.encode(make(number, ours))))]

    return back


def reflected(hz: int) -> Back:
    return stream(lambda number, ours: [a + b for a, b in zip(ours, tone.samples(hz, number * 160, 160), strict=True)])


@dataclass
class FarEnd:
    """``answers``: the codes sent to the INVITE, each with its headers; ``media_host``: what the SDP names."""

    answers: tuple[tuple[int, tuple[str, ...]], ...] = ((200, ()),)
    back: Back = echo
    bye_headers: tuple[str, ...] = ()
    answers_bye: bool = True
    host: str = "127.0.0.1"
    media_host: str | None = None
    requests: list[bytes] = field(default_factory=list)
    packets: list[bytes] = field(default_factory=list)
    port: int = 0

    def methods(self) -> list[str]:
        return [request.split()[0].decode() for request in self.requests]

    def took(self, data: bytes, send: Callable[[bytes], None]) -> None:
        self.requests.append(data)
        message = sip.parse(data)
        assert message is not None
        method = messages.method_of(message)
        if method == "INVITE" and self.requests.count(data) == 1:
            for code, headers in self.answers:
                send(self.response(message, code, headers))
        elif method == "CANCEL":
            send(self.response(message, 200, ()))
            message.headers["cseq"] = ["1 INVITE"]
            send(self.response(message, 487, ()))
        elif method == "BYE" and self.answers_bye:
            send(self.response(message, 200, self.bye_headers))

    def response(self, request: sip.Message, code: int, headers: tuple[str, ...]) -> bytes:
        body = b""
        lines = [f"SIP/2.0 {code} Whatever", *(f"Via: {via}" for via in request.headers["via"])]
        lines += [f"{name}: {request.first(name.lower())}" for name in ("From", "Call-ID", "CSeq")]
        to = request.first("to")
        lines.append(f"To: {to}" if ";tag=" in to or code == 100 else f"To: {to};tag=peer")
        if code in (183, 200) and "INVITE" in request.first("cseq"):
            body = sdp.offer(self.media_host or self.host, self.media_port, 1)
            lines.append("Content-Type: application/sdp")
        lines += [*headers, f"Content-Length: {len(body)}"]
        return ("\r\n".join(lines) + "\r\n\r\n").encode() + body

    def heard(self, data: bytes, send: Callable[[bytes], None]) -> None:
        for packet in self.back(len(self.packets), data):
            send(packet)
        self.packets.append(data)

    @contextlib.asynccontextmanager
    async def up(self) -> AsyncIterator[FarEnd]:
        """Listening until left."""
        loop = asyncio.get_running_loop()
        signals, _ = await loop.create_datagram_endpoint(lambda: _Ends(self, "took"), (self.host, 0))
        media, _ = await loop.create_datagram_endpoint(lambda: _Ends(self, "heard"), (self.host, 0))
        self.port = signals.get_extra_info("sockname")[1]
        self.media_port = media.get_extra_info("sockname")[1]
        try:
            yield self
        finally:
            signals.close()
            media.close()


class _Ends(asyncio.DatagramProtocol):
    def __init__(self, far: FarEnd, way: str) -> None:
        self._took = getattr(far, way)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._took(data, lambda out: self._transport.sendto(out, addr))  # type: ignore[attr-defined]


def closed_port(kind: socket.SocketKind = socket.SOCK_DGRAM, host: str = "127.0.0.1") -> int:
    """A port that nobody listens to."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, kind) as sock:
        sock.bind((host, 0))
        return int(sock.getsockname()[1])
