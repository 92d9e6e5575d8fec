"""One call's audio at the reflector: what came is sent back, with our own tone mixed in; and what was heard. Pure.

The tone flows from the answer on, whether or not anything has come: so a probe that hears the tone without its echo
knows that its own voice is lost. Bounded by count: a packet each 20 ms at most, none after the call's longest time.
"""

from __future__ import annotations

from collections import deque

from agent.paths.call import g711, rtp, tone
from agent.paths.call.heard import Heard

FRAME_NS = 20_000_000
WAITING_MAX = 10
PACKET_MAX = 400
ECHO, OWN = 0.6, 0.15
SILENCE = [0] * tone.BLOCK


class Voice:
    """``host``: the only address that audio goes to and is taken from. ``port``: the SDP's, until the source's own is
    seen (RFC 4961)."""

    def __init__(
        self, host: str, port: int, own_hz: int, probe_hz: int | None, ssrc: int, now_ns: int, max_s: float
    ) -> None:
        self.host, self.port = host, port
        self._own_hz = own_hz
        self._ear = None if probe_hz is None else tone.ToneEar(probe_hz)
        self._received = rtp.Received()
        self._waiting: deque[list[int]] = deque(maxlen=WAITING_MAX)
        self._ssrc, self._sequence, self._count = ssrc, ssrc & 0xFFFF, 0
        self._left = int(max_s * 1_000_000_000 / FRAME_NS)
        self.next_ns = now_ns
        self.strangers = 0

    def packet(self, data: bytes, host: str, port: int, now_ns: int) -> None:
        """A datagram at this call's port."""
        packet = rtp.parse(data) if host == self.host and len(data) <= PACKET_MAX else None
        if packet is None or packet.payload_type != rtp.PCMU:
            self.strangers += 1
            return
        self.port = port
        if not self._received.saw(packet, now_ns):
            return
        samples = g711.decode(packet.payload[: tone.BLOCK])
        if len(samples) == tone.BLOCK:
            self._waiting.append(samples)
            if self._ear is not None:
                self._ear.block(samples)

    def send(self, now_ns: int) -> bytes | None:
        """The packet that is due, None where none is; ``next_ns`` says when to come again."""
        if self._left <= 0 or now_ns < self.next_ns:
            return None
        self._left -= 1
        # After a stall of our own the lost frames are left out: never more than a packet each 20 ms.
        self.next_ns = max(self.next_ns + FRAME_NS, now_ns + FRAME_NS // 2)
        echo = self._waiting.popleft() if self._waiting else SILENCE
        own = tone.samples(self._own_hz, self._count * tone.BLOCK, tone.BLOCK, OWN)
        mixed = [max(-32_768, min(32_767, int(a * ECHO) + b)) for a, b in zip(echo, own, strict=True)]
        packet = rtp.Packet(
            rtp.PCMU, self._count == 0, self._sequence + self._count, self._count * tone.BLOCK, self._ssrc,
            g711.encode(mixed),
        )  # fmt: skip
        self._count += 1
        return rtp.build(packet)

    @property
    def over(self) -> bool:
        return self._left <= 0

    def heard(self) -> Heard:
        """Our word on what came."""
        got = self._received
        return Heard(got.packets, got.lost, got.jitter_ms, self._ear is not None and self._ear.heard())
