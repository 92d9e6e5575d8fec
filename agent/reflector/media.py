"""One call's audio at the reflector: what came is sent back, with our own tone mixed in; and what was heard. Pure.

The tone flows from the answer on, whether or not anything has come: so a probe that hears the tone without its echo
knows that its own voice is lost. Bounded by count: a packet each 20 ms at most, none after the call's longest time.
"""

from __future__ import annotations

from agent.paths.call import g711, rtp, tone
from agent.paths.call.heard import Heard

NS = 1_000_000_000
FRAME_NS = 20_000_000
WAITING_MAX = 10 * tone.BLOCK
"""Samples of echo that wait to be sent: 200 ms; more means that their clock is faster, and the oldest are dropped."""
PACKET_MAX = 400
ECHO, OWN = 0.6, 0.15
"""The echo of the probe's tone, a quarter of full scale, comes out as loud as our own tone; their sum can't clip."""


class Voice:
    """``host``: the only address that audio goes to and is taken from, for it alone has proved itself.

    ``named``: where the SDP wants it. Where that is another address nothing is sent, until audio has come from
    ``host``: then it goes back to that very port, as behind a translation it must (RFC 4961).
    """

    def __init__(
        self,
        host: str,
        named: tuple[str, int],
        own_hz: int,
        probe_hz: int | None,
        random: bytes,
        now_ns: int,
        max_s: float,
        *,
        pcmu: int = rtp.PCMU,
        listens: bool = True,
    ) -> None:
        self.host = host
        self.to: tuple[str, int] | None = (host, named[1]) if named[0] == host.partition("%")[0] else None
        self._latched: int | None = None
        self._pcmu, self._listens = pcmu, listens
        self._own_hz = own_hz
        self._ear = None if probe_hz is None or probe_hz == own_hz else tone.ToneEar(probe_hz)
        self._received = rtp.Received()
        self._last: int | None = None
        self._waiting: list[int] = []
        self._ssrc = int.from_bytes(random[:4], "big")
        self._first = int.from_bytes(random[4:6], "big")
        self._sent = 0
        self._frames = int(max_s * NS / FRAME_NS)
        self._looked = 0
        self._began_ns = self._next_ns = now_ns
        self.strangers = self.garbage = self.over = 0

    def packet(self, data: bytes, host: str, port: int, now_ns: int) -> None:
        """A datagram at this call's port."""
        if host != self.host or self._latched not in (None, port):
            self.strangers += 1
            return
        if self._looked >= 2 * self._frames + 100:
            self.over += 1
            return
        self._looked += 1
        packet = rtp.parse(data) if len(data) <= PACKET_MAX else None
        if packet is None or packet.payload_type != self._pcmu:
            self.garbage += 1
            return
        if self._latched is None:
            if self.to is None:  # only now is it known where to: the frames until here are not owed
                self._next_ns = max(self._next_ns, now_ns)
            self._latched, self.to = port, (host, port)
        if not self._received.saw(packet, now_ns):
            return
        if self._ear is not None and packet.sequence != self._last:
            self._ear.gap()
        self._last = (packet.sequence + 1) % (1 << 16)
        samples = g711.decode(packet.payload)
        self._waiting += samples
        del self._waiting[:-WAITING_MAX]
        if self._ear is not None:
            self._ear.block(samples)

    def due_ns(self) -> int | None:
        """When ``send`` next has a packet; None while it is not known where to, and when no more may go."""
        if self.to is None or not self._listens or self._sent >= self._frames:
            return None
        return self._next_ns

    def send(self, now_ns: int) -> bytes | None:
        """The packet that is due, None where none is."""
        due_ns = self.due_ns()
        if due_ns is None or now_ns < due_ns:
            return None
        # After a stall of our own the lost frames are left out: never more than a packet each 20 ms.
        self._next_ns = max(due_ns + FRAME_NS, now_ns + FRAME_NS // 2)
        at = self._sent * tone.BLOCK
        echo, self._waiting = self._waiting[: tone.BLOCK], self._waiting[tone.BLOCK :]
        echo += [0] * (tone.BLOCK - len(echo))
        own = tone.samples(self._own_hz, at, tone.BLOCK, OWN)
        mixed = [round(theirs * ECHO) + ours for theirs, ours in zip(echo, own, strict=True)]
        packet = rtp.Packet(self._pcmu, not self._sent, self._first + self._sent, at, self._ssrc, g711.encode(mixed))
        self._sent += 1
        return rtp.build(packet)

    def heard(self) -> Heard:
        """Our word on what came."""
        got = self._received
        return Heard(got.packets, got.lost, got.jitter_ms, self._ear is not None and self._ear.heard())
