"""RTP, pure: packets, and what a receiver counts of them (RFC 3550)."""

from __future__ import annotations

from dataclasses import dataclass

PACKET_MAX = 2048
"""Bytes of a datagram that may be one of PCMU: 160 of audio are usual."""
HEADER = 12
PCMU = 0
_MODULUS = 1 << 16
# RFC 3550 appendix A.1.
_MAX_DROPOUT = 3000
_MAX_MISORDER = 100
_SEEN_MAX = 512  # sequence numbers kept to know a duplicate
_TICKS_PER_S = 8000
_JUMP_MAX = 10 * _TICKS_PER_S  # a transit time that jumps further is a new clock, no jitter
_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Packet:
    """Section 5.1 without CSRCs, extension and padding."""

    payload_type: int
    marker: bool
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes


def parse(data: bytes) -> Packet | None:
    """A packet; None for what is none, RTCP on the same port among it (RFC 5761 section 4)."""
    if not HEADER <= len(data) <= PACKET_MAX or data[0] >> 6 != 2 or 192 <= data[1] <= 223:
        return None
    start, end = HEADER + 4 * (data[0] & 0x0F), len(data)
    if data[0] & 0x10:  # an extension: 16 bits of its own, then its length in words (section 5.3.1)
        if end < start + 4:
            return None
        start += 4 + 4 * int.from_bytes(data[start + 2 : start + 4], "big")
    if data[0] & 0x20:  # padding: the last byte says how many, itself counted
        if not data[-1]:
            return None
        end -= data[-1]
    if start > end:
        return None
    number = int.from_bytes
    return Packet(
        data[1] & 0x7F,
        bool(data[1] & 0x80),
        number(data[2:4], "big"),
        number(data[4:8], "big"),
        number(data[8:12], "big"),
        data[start:end],
    )


def build(packet: Packet) -> bytes:
    """The packet as sent. Numbers wrap around at their width."""
    head = bytes([0x80, packet.payload_type & 0x7F | packet.marker << 7])
    head += (packet.sequence % _MODULUS).to_bytes(2, "big")
    head += (packet.timestamp % (1 << 32)).to_bytes(4, "big")
    return head + (packet.ssrc % (1 << 32)).to_bytes(4, "big") + packet.payload


class Received:
    """What has come of one stream (appendices A.1, A.3, A.8). A new source is the same stream going on.

    ``sources``: how many SSRCs it had. ``restarts``: jumps of the sequence that no loss explains;
    ``strays``: single packets far off, not counted otherwise.
    """

    def __init__(self) -> None:
        self.packets = 0
        self.duplicates = 0
        self.late = 0
        self.sources = 0
        self.restarts = 0
        self.strays = 0
        self._ssrc: int | None = None
        self._before = 0  # expected of earlier sources and sequences
        self._first = self._highest = 0
        self._seen: dict[int, None] = {}
        self._bad: int | None = None
        self._transit: int | None = None
        self._jitter = 0.0

    def saw(self, packet: Packet, arrival_ns: int) -> bool:
        """Whether it is new audio: no duplicate, and not one stray packet far off."""
        if packet.ssrc != self._ssrc:
            self._begin(packet.sequence)
            self.sources += 1
            self._ssrc = packet.ssrc
        elif not self._place(packet.sequence):
            return False
        self.packets += 1
        self._time(packet.timestamp, arrival_ns)
        return True

    def _begin(self, sequence: int) -> None:
        self._before = self.expected
        self._first = self._highest = sequence
        self._seen = {sequence: None}
        self._bad = self._transit = None

    def _place(self, sequence: int) -> bool:
        ahead = (sequence - self._highest) % _MODULUS
        behind = _MODULUS - ahead
        if 0 < ahead < _MAX_DROPOUT:
            self._highest += ahead
            extended = self._highest
        elif ahead == 0 or behind <= _MAX_MISORDER:
            extended = self._highest - (behind if ahead else 0)
            if extended in self._seen:
                self.duplicates += 1
                return False
            self.late += 1
            self._first = min(self._first, extended)
        elif sequence == self._bad:  # two in a row: the other side has started anew (A.1)
            self.restarts += 1
            self._begin(sequence)
            return True
        else:
            self._bad = (sequence + 1) % _MODULUS
            self.strays += 1
            return False
        self._seen[extended] = None
        if len(self._seen) > _SEEN_MAX:
            del self._seen[next(iter(self._seen))]
        return True

    def _time(self, timestamp: int, arrival_ns: int) -> None:
        transit = arrival_ns * _TICKS_PER_S // _NS - timestamp
        if self._transit is not None:
            # The timestamp is 32 bits wide: the difference is taken in that width, with its sign.
            by = (transit - self._transit + (1 << 31)) % (1 << 32) - (1 << 31)
            if abs(by) <= _JUMP_MAX:
                self._jitter += (abs(by) - self._jitter) / 16
        self._transit = transit

    @property
    def expected(self) -> int:
        """How many there should be, from the first to the highest sequence number."""
        if self._ssrc is None:
            return 0
        return self._before + self._highest - self._first + 1

    @property
    def lost(self) -> int:
        """Expected and not there."""
        return max(0, self.expected - self.packets)

    @property
    def jitter_ms(self) -> float:
        """Interarrival jitter (section 6.4.1)."""
        return self._jitter * 1000 / _TICKS_PER_S
