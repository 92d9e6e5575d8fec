"""SNMP's bytes: what others send is read, what nobody should send is refused, and both in one pass."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.paths.snmp import ber, message
from agent.paths.snmp.ber import Malformed, Value, VarBind
from agent.paths.snmp.message import Community, Pdu, Secured, TrapV1

SUBIDS = st.lists(st.integers(0, 0xFFFF_FFFF), max_size=40)
OIDS = st.one_of(
    st.tuples(st.sampled_from((0, 1)), st.integers(0, 39), SUBIDS).map(lambda p: (p[0], p[1], *p[2])),
    SUBIDS.map(lambda rest: (2, 47, *rest)),
)
VALUES = st.one_of(
    st.integers(-(1 << 31), (1 << 31) - 1).map(lambda n: Value("integer", n, ber.INTEGER)),
    st.integers(0, (1 << 32) - 1).map(lambda n: Value("counter32", n, ber.COUNTER32)),
    st.integers(0, (1 << 32) - 1).map(lambda n: Value("timeticks", n, ber.TIMETICKS)),
    st.integers(0, (1 << 64) - 1).map(lambda n: Value("counter64", n, ber.COUNTER64)),
    st.binary(max_size=300).map(lambda b: Value("octets", b, ber.OCTETS)),
    st.binary(min_size=4, max_size=4).map(lambda b: Value("ip", b, ber.IP)),
    OIDS.map(lambda o: Value("oid", o, ber.OBJECT)),
    st.just(Value("null", None, ber.NULL)),
    st.just(Value("absent", None, ber.END_OF_MIB_VIEW)),
)
PDUS = st.builds(
    Pdu,
    st.sampled_from((message.GET, message.RESPONSE, message.GET_BULK, message.TRAP, message.INFORM, message.REPORT)),
    st.integers(0, (1 << 31) - 1),
    st.integers(0, 18),
    st.integers(0, 200),
    st.lists(st.builds(VarBind, OIDS, VALUES), max_size=20).map(tuple),
)


@given(st.binary(max_size=64), PDUS)
def test_what_is_written_is_read(community: bytes, pdu: Pdu) -> None:
    assert message.parse(message.wrap_community(1, community, pdu)) == Community(1, community, pdu)


@given(PDUS)
def test_another_library_reads_the_same(pdu: Pdu) -> None:
    theirs = pytest.importorskip("snmp.pdu", reason="needs the library snmp")
    from snmp.message import Message

    types = {cls.TAG: cls for cls in (theirs.ResponsePDU,)}
    ours = Pdu(message.RESPONSE, pdu.id, 0, 0, pdu.varbinds)
    if any(len(oid) > 127 or (oid[0] == 2) for oid, _ in pdu.varbinds):
        return  # it reads the first octet of 2.47 otherwise
    if any(value.kind == "oid" and isinstance(value.data, tuple) and value.data[0] == 2 for _, value in pdu.varbinds):
        return
    read = Message.decodeExact(message.wrap_community(1, b"public", ours), types=types)
    assert [tuple(vb.name.subidentifiers) for vb in read.pdu.variableBindings] == [oid for oid, _ in pdu.varbinds]
    if all(oid[:2] == (1, 3) for oid, _ in pdu.varbinds):  # it writes 1.8 as 1.0
        assert message.parse(read.encode()).pdu.id == pdu.id  # type: ignore[union-attr]


def test_a_response_of_net_snmp() -> None:
    """sysUpTime.0 as snmpd answers it."""
    data = bytes.fromhex("302b02010104067075626c6963a21e02042a7f3b3c0201000201003010300e06082b06010201010300430203e8")
    read = message.parse(data)
    assert isinstance(read, Community)
    assert isinstance(read.pdu, Pdu)
    assert read.pdu.varbinds == (VarBind((1, 3, 6, 1, 2, 1, 1, 3, 0), Value("timeticks", 1000, ber.TIMETICKS)),)


def test_a_counter_without_its_leading_zero_is_read_without_a_sign() -> None:
    assert ber.value(bytes.fromhex("4104ffffffff"), 0, 6)[0].data == 0xFFFF_FFFF
    assert ber.value(bytes.fromhex("46080fffffffffffffff"), 0, 10)[0].data == 0x0FFF_FFFF_FFFF_FFFF


def test_one_odd_value_does_not_cost_the_others() -> None:
    odd = ber.wrap(ber.SEQUENCE, ber.wrap_oid((1, 3, 6, 1)) + ber.wrap(0x45, b"\1\2\3"))  # an NsapAddress
    long = ber.wrap(ber.SEQUENCE, ber.wrap_oid((1, 3, 6, 2)) + ber.wrap(ber.COUNTER32, b"\1" * 9))
    good = ber.wrap(ber.SEQUENCE, ber.wrap_oid((1, 3, 6, 3)) + ber.wrap_integer(5))
    data = ber.wrap(ber.SEQUENCE, odd + long + good)
    assert [value.kind for _, value in ber.varbinds(data, 0, len(data))] == ["other", "other", "integer"]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x30",
        b"\x30\x80\x02\x01\x01\x00\x00",  # indefinite length
        b"\x30\x85\x00\x00\x00\x00\x00",
        b"\x30\x7f\x02\x01\x01",
        b"\x30\x03\x02\x01\x02",  # a version that nobody has
        bytes.fromhex("3082ffff020101"),
        ber.wrap(0x30, ber.wrap_integer(1) + ber.wrap(4, b"public")),
    ],
)
def test_what_is_none_is_refused(data: bytes) -> None:
    with pytest.raises(Malformed):
        message.parse(data)


def test_a_hostile_identifier_of_60000_octets_is_refused_at_once() -> None:
    oid = ber.wrap(ber.OBJECT, b"\x2b" + b"\xff" * 60_000 + b"\x01")
    with pytest.raises(Malformed, match="32 bits"):
        ber.varbinds(data := ber.wrap(0x30, ber.wrap(0x30, oid + b"\5\0")), 0, len(data))


@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with contextlib.suppress(Malformed):
        assert isinstance(message.parse(data), Community | Secured)


@given(PDUS, st.data())
def test_any_change_of_a_message_is_read_or_refused(pdu: Pdu, data: st.DataObject) -> None:
    whole = bytearray(message.wrap_community(1, b"public", pdu))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(whole[: data.draw(st.integers(0, len(whole)))])
    with contextlib.suppress(Malformed):
        message.parse(cut)


def test_a_trap_of_version_1_has_the_name_that_rfc_3584_gives_it() -> None:
    assert TrapV1((1, 3, 6, 1, 4, 1, 318), 2, 0, ()).trap_oid == (1, 3, 6, 1, 6, 3, 1, 1, 5, 3)
    assert TrapV1((1, 3, 6, 1, 4, 1, 318), 6, 5, ()).trap_oid == (1, 3, 6, 1, 4, 1, 318, 0, 5)


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (b"wan1", "wan1"),
        (b"GigabitEthernet0/0\0", "GigabitEthernet0/0"),
        (b"two\r\nlines", "two lines"),
        ("Büro".encode(), "Büro"),
        (b"\x07\xe8\x02\x03", "07e80203"),
        (b"\xff\xfe", "fffe"),
        (b"", ""),
        (b"x" * 300, "x" * 64),
    ],
)
def test_texts_of_others_are_one_printable_line(data: bytes, shown: str) -> None:
    assert ber.printable(data) == shown


@given(st.binary(max_size=300))
def test_any_octets_are_printable(data: bytes) -> None:
    shown = ber.printable(data)
    assert len(shown) <= 64
    assert shown.isprintable()


@pytest.mark.parametrize(
    "wrong", ["", "1", "1.", "a.b", "1.3.-6", "3.1", "1.40", "1.3." + "1." * 130 + "1", "1.3.4294967296"]
)
def test_what_is_no_identifier_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match="identifier"):
        ber.parse_oid(wrong)
