"""The Modbus RTU codec against protocols.md section 3.1, the serial-line specification's vector, and pymodbus."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pymodbus.framer import FramerRTU
from pymodbus.pdu import DecodePDU
from pymodbus.pdu.bit_message import ReadCoilsRequest, ReadDiscreteInputsRequest, ReadDiscreteInputsResponse

from agent.lines import modbus_rtu as rtu
from agent.lines.modbus_rtu import Ask, Found

SPEC = Ask(0x11, 2, 0x00C4, 0x16)  # MODBUS Application Protocol V1.1b3, section 6.2: inputs 197 to 218
EIGHT = Ask(1, 2, 0, 8)


@pytest.mark.parametrize(
    ("ask", "frame"),
    [
        (Ask(1, 2, 0, 8), "01 02 00 00 00 08 79 CC"),
        (Ask(1, 2, 0, 16), "01 02 00 00 00 10 79 C6"),
        (Ask(1, 1, 0, 8), "01 01 00 00 00 08 3D CC"),
        (SPEC, "11 02 00 C4 00 16 BA A9"),
    ],
)
def test_requests(ask: Ask, frame: str) -> None:
    assert ask.frame == bytes.fromhex(frame)


@pytest.mark.parametrize(
    ("ask", "frame", "on"),
    [
        (EIGHT, "01 02 01 01 60 48", [0]),
        (EIGHT, "01 02 01 FF E1 C8", list(range(8))),
        (Ask(1, 2, 0, 16), "01 02 02 01 01 79 E8", [0, 8]),
        # AC DB 35: section 6.2 says inputs 197-204 are 1010 1100, 205-212 are 1101 1011, 213-218 are 11 0101.
        (SPEC, "11 02 03 AC DB 35 20 18", [2, 3, 5, 7, 8, 9, 11, 12, 14, 15, 16, 18, 20, 21]),
    ],
)
def test_answers(ask: Ask, frame: str, on: list[int]) -> None:
    data = bytes.fromhex(frame)
    found = ask.find(data)
    assert found == Found("answer", 0, len(data), data[3:-2])
    assert [n for n, level in enumerate(rtu.bits(found.payload, ask.count)) if level] == on


@pytest.mark.parametrize(
    ("frame", "name"),
    [
        ("01 82 01 81 60", "illegal function"),
        ("01 82 02 C1 61", "illegal data address"),
        ("01 82 03 00 A1", "illegal data value"),
    ],
)
def test_exceptions(frame: str, name: str) -> None:
    found = EIGHT.find(bytes.fromhex(frame))
    assert found is not None
    assert (found.what, rtu.EXCEPTIONS[found.payload[0]]) == ("exception", name)


def test_silence_between_frames() -> None:
    assert rtu.silence_ns(9600, "8N1") == pytest.approx(3_645_833, abs=2)
    assert rtu.silence_ns(9600, "8E1") == pytest.approx(4_010_417, abs=2)
    assert rtu.silence_ns(19_200, "8E1") == pytest.approx(2_005_208, abs=2)
    assert rtu.silence_ns(38_400, "8N1") == rtu.silence_ns(115_200, "8N1") == 1_750_000


units, addresses = st.integers(1, 247), st.integers(0, 0xFFFF)
asks = st.builds(Ask, units, st.sampled_from([1, 2]), addresses, st.integers(1, 256))


@given(data=st.binary(max_size=300))
def test_the_check_bytes_are_those_of_pymodbus(data: bytes) -> None:
    assert rtu.crc16(data) == FramerRTU.compute_CRC(data).to_bytes(2, "big")


@given(ask=asks)
def test_pymodbus_sends_the_same_request(ask: Ask) -> None:
    kind = ReadCoilsRequest if ask.function == 1 else ReadDiscreteInputsRequest
    pdu = kind(address=ask.address, count=ask.count, dev_id=ask.unit)
    assert FramerRTU(DecodePDU(False)).buildFrame(pdu) == ask.frame


@given(levels=st.lists(st.booleans(), min_size=1, max_size=256), unit=units)
def test_pymodbus_sends_answers_that_are_read(levels: list[bool], unit: int) -> None:
    ask = Ask(unit, 2, 0, len(levels))
    frame = FramerRTU(DecodePDU(True)).buildFrame(ReadDiscreteInputsResponse(bits=levels, dev_id=unit))
    found = ask.find(frame)
    assert found is not None
    assert rtu.bits(found.payload, ask.count) == levels


def answer(ask: Ask, payload: bytes) -> bytes:
    body = bytes((ask.unit, ask.function, ask.payload_bytes)) + payload[: ask.payload_bytes].ljust(ask.payload_bytes)
    return body + rtu.crc16(body)


@settings(max_examples=300)
@given(ask=asks, noise=st.binary(max_size=40), payload=st.binary(max_size=32), after=st.binary(max_size=20))
def test_the_answer_is_found_in_noise(ask: Ask, noise: bytes, payload: bytes, after: bytes) -> None:
    frame = answer(ask, payload)
    if ask.find((noise + frame)[:-1]) is not None or frame == ask.frame:
        return  # the noise is a frame itself: one in 65,536
    found = ask.find(noise + frame + after)
    assert found is not None
    assert (found.what, found.start, found.end) == ("answer", len(noise), len(noise + frame))


@given(ask=asks, data=st.binary(max_size=300))
@example(ask=EIGHT, data=b"\x01\x02\x01")
@example(ask=EIGHT, data=b"")
def test_no_bytes_raise(ask: Ask, data: bytes) -> None:
    ask.find(data)
    assert ask.why_not(data)


def test_an_echo_that_looks_like_an_answer_is_the_echo() -> None:
    """01 02 03 .. .. .. CRC CRC: byte 2 is the address here, and could be the count of an answer."""
    ask = Ask(1, 2, 0x0300, 24)
    assert ask.frame[2] == ask.payload_bytes
    assert len(ask.frame) == ask.answer_bytes
    found = ask.find(ask.frame)
    assert found is not None
    assert found.what == "echo"
    assert (after := ask.find(ask.frame[found.end :] + answer(ask, b"\x01\x02\x03"))) is not None
    assert after.what == "answer"


def test_the_frame_that_ends_first_is_taken_so_that_chunks_do_not_matter() -> None:
    ask, inner = Ask(1, 2, 0, 64), bytes.fromhex("01 82 01 81 60")
    found = ask.find(answer(ask, inner))
    assert found == Found("exception", 3, 8, b"\x01")


@pytest.mark.parametrize(
    ("heard", "why"),
    [
        (b"garbage", "no Modbus frame"),
        (bytes.fromhex("01 02 01 01 60 49"), "wrong check bytes"),
        (bytes.fromhex("01 02 01 01"), "cut off"),
        (bytes.fromhex("01 02 02 01 01 79 E8"), "an answer of 2 bytes where 1 were asked for"),
        (answer(Ask(2, 2, 0, 8), b"\x01"), "unit 2 answered, unit 1 was asked"),
    ],
)
def test_what_is_wrong_is_said(heard: bytes, why: str) -> None:
    assert EIGHT.find(heard) is None
    assert EIGHT.why_not(heard) == why
