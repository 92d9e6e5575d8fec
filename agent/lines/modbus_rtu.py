"""Modbus RTU as far as dry contacts need it: FC01 and FC02, their answers, exceptions, and the check bytes. Pure.

Sources: MODBUS Application Protocol V1.1b3, sections 6.1, 6.2 and 7; MODBUS over Serial Line V1.02, section 2.5.1
(frames, silence, CRC). pymodbus would do it for 13 MB of memory; it is the tests' other end instead.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

NS = 1_000_000_000
READ_COILS, READ_INPUTS = 1, 2
EXCEPTION = 0x80
COUNT_MAX = 2000
REQUEST_BYTES = 8
EXCEPTION_BYTES = 5
FAST_BAUD = 19_200
FAST_SILENCE_NS = 1_750_000
SILENCE_CHARS = 3.5

EXCEPTIONS: dict[int, str] = {
    1: "illegal function",
    2: "illegal data address",
    3: "illegal data value",
    4: "server device failure",
    5: "acknowledge",
    6: "server device busy",
    7: "negative acknowledge",
    8: "memory parity error",
    10: "gateway path unavailable",
    11: "gateway target device failed to respond",
}


def _row(value: int) -> int:
    for _ in range(8):
        value = value >> 1 ^ (0xA001 if value & 1 else 0)
    return value


_CRC = tuple(_row(n) for n in range(256))


def crc16(data: bytes) -> bytes:
    """The two check bytes of ``data`` as they are sent: CRC-16/MODBUS, low byte first."""
    crc = 0xFFFF
    for byte in data:
        crc = crc >> 8 ^ _CRC[(crc ^ byte) & 0xFF]
    return crc.to_bytes(2, "little")


def checked(frame: bytes) -> bool:
    """Whether the last two bytes of a frame are right."""
    return crc16(frame[:-2]) == frame[-2:]


def char_ns(baud: int, form: str) -> float:
    """How long one character takes on the wire; ``form`` is ``8N1`` and the like."""
    bits = 1 + int(form[0]) + (form[1] != "N") + int(form[2])
    return bits * NS / baud


def silence_ns(baud: int, form: str) -> int:
    """The shortest pause between two frames: 3.5 characters, and 1.75 ms above 19,200 baud."""
    return FAST_SILENCE_NS if baud > FAST_BAUD else int(SILENCE_CHARS * char_ns(baud, form)) + 1


class Found(NamedTuple):
    """The frame that ends first in what was heard: its place, and what it says."""

    what: Literal["echo", "answer", "exception"]
    start: int
    end: int
    payload: bytes
    """The answer's input bytes, or the exception's code."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One request: read ``count`` (1 to 2000) inputs or coils of ``unit`` from ``address`` on; ``frame`` its bytes."""

    unit: int
    function: int
    address: int
    count: int
    frame: bytes = field(init=False)

    def __post_init__(self) -> None:
        body = bytes((self.unit, self.function)) + self.address.to_bytes(2, "big") + self.count.to_bytes(2, "big")
        object.__setattr__(self, "frame", body + crc16(body))

    @property
    def payload_bytes(self) -> int:
        """How many bytes hold the inputs."""
        return -(-self.count // 8)

    @property
    def answer_bytes(self) -> int:
        """How long the answer is, all in all."""
        return EXCEPTION_BYTES + self.payload_bytes

    def find(self, heard: bytes) -> Found | None:
        """The first frame that is complete, whatever stands before it: by its end, so that chunks don't matter.

        An adapter for two wires hears itself. That echo may look like an answer (address 0x03xx, 17 to 24 inputs), so
        what equals the request is the echo (it stands first below), never an answer: a dead unit must not look alive.
        """
        at = heard.find(self.frame)
        echo = None if at < 0 else Found("echo", at, at + REQUEST_BYTES, b"")
        answer = self._search(heard, "answer", bytes((self.unit, self.function, self.payload_bytes)), self.answer_bytes)
        refused = self._search(heard, "exception", bytes((self.unit, self.function | EXCEPTION)), EXCEPTION_BYTES)
        return min((f for f in (echo, answer, refused) if f is not None), key=lambda f: f.end, default=None)

    def _search(self, heard: bytes, what: Literal["answer", "exception"], head: bytes, size: int) -> Found | None:
        at = heard.find(head)
        while 0 <= at <= len(heard) - size:
            frame = heard[at : at + size]
            if checked(frame):
                return Found(what, at, at + size, frame[3:-2] if what == "answer" else frame[2:3])
            at = heard.find(head, at + 1)
        return None

    def why_not(self, heard: bytes) -> str:
        """What is wrong with bytes that hold no answer, in plain words."""
        if heard[:1] and heard[0] != self.unit and len(heard) >= EXCEPTION_BYTES and checked(heard):
            return f"unit {heard[0]} answered, unit {self.unit} was asked"
        if heard[:2] == bytes((self.unit, self.function)):
            if len(heard) >= EXCEPTION_BYTES and checked(heard):
                return f"an answer of {heard[2]} bytes where {self.payload_bytes} were asked for"
            return "wrong check bytes" if len(heard) >= self.answer_bytes else "cut off"
        return "no Modbus frame"


def bits(payload: bytes, count: int) -> list[bool]:
    """The inputs, first first: the lowest bit of the first byte."""
    return [bool(payload[n // 8] >> n % 8 & 1) for n in range(count)]
