"""The audio of a test call, pure: what is sent packet by packet, and what of it comes back (RFC 3550, RFC 3551)."""

from __future__ import annotations

from agent.paths.call import g711, rtp, tone

PACKET_MS = 20
PACKET_NS = PACKET_MS * 1_000_000
COMFORT_NOISE = 13
PACKETS_MAX = 8192
"""Packets that are looked at in one call: a flood is not listened to, and told."""


class Audio:
    """One call's audio both ways. ``random``: 8 fresh bytes for SSRC and first numbers (section 5.1)."""

    def __init__(self, probe_hz: int, random: bytes, pcmu: int = rtp.PCMU) -> None:
        if len(random) < 8:
            raise ValueError("8 random bytes are needed")
        self._hz, self._pcmu = probe_hz, pcmu
        self._ssrc = int.from_bytes(random[:4], "big")
        self._sequence = int.from_bytes(random[4:6], "big")
        self._timestamp = int.from_bytes(random[4:8], "big")
        self._at = 0
        self.sent = 0
        self.skipped = 0
        self.received = rtp.Received()
        self.echo = tone.ToneEar(probe_hz)
        self.own: tone.ToneEar | None = None
        self.samples = 0
        self.garbage = 0
        self.strangers = 0
        self.unspoken = 0
        """Packets of another type than PCMU: comfort noise, digits, codecs that were not agreed."""
        self.over = 0
        self._last: int | None = None

    def agreed(self, pcmu: int, far_hz: int | None) -> None:
        """The answer has come: the payload type, and the tone that the far end says it adds."""
        self._pcmu = pcmu
        # A tone like ours would be found in our own echo.
        self.own = tone.ToneEar(far_hz) if far_hz is not None and far_hz != self._hz else None

    def packet(self) -> bytes:
        """The next 20 ms. Count it as ``sent`` when it has gone out."""
        payload = g711.encode(tone.samples(self._hz, self._at, tone.BLOCK))
        packet = rtp.Packet(self._pcmu, self._at == 0, self._sequence, self._timestamp, self._ssrc, payload)
        self._at += tone.BLOCK
        self._sequence += 1
        self._timestamp += tone.BLOCK
        return rtp.build(packet)

    def skip(self, packets: int) -> None:
        """This machine was too slow to send these: time goes on, the numbers don't, so it is no loss."""
        self.skipped += packets
        self._at += packets * tone.BLOCK
        self._timestamp += packets * tone.BLOCK

    def came(self, data: bytes, arrival_ns: int) -> None:
        """A datagram from where the audio is to come from."""
        if self.received.packets + self.garbage >= PACKETS_MAX:
            self.over += 1
            return
        packet = rtp.parse(data)
        if packet is None:
            self.garbage += 1
            return
        if not self.received.saw(packet, arrival_ns):
            return
        if packet.sequence != self._last:
            self._gap()
        self._last = (packet.sequence + 1) % (1 << 16)
        if packet.payload_type != self._pcmu:
            self.unspoken += 1
            self._gap()
            return
        samples = g711.decode(packet.payload)
        self.samples += len(samples)
        self.echo.block(samples)
        if self.own is not None:
            self.own.block(samples)

    def _gap(self) -> None:
        self.echo.gap()
        if self.own is not None:
            self.own.gap()

    @property
    def sent_ms(self) -> int:
        """How long we have spoken."""
        return self.sent * PACKET_MS

    @property
    def heard_ms(self) -> float:
        """How much PCMU has come, in time."""
        return self.samples * 1000 / tone.RATE_HZ
