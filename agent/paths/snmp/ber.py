"""ASN.1's Basic Encoding Rules as far as SNMP needs them (RFC 3417 section 8, ITU-T X.690). Pure.

Read in one pass over the bytes: short tags and definite lengths alone, which is all that RFC 3417 allows. A value of a
type or size that nobody defined is kept as ``other``, so that one odd column does not cost the whole answer.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

Oid = tuple[int, ...]
Kind = Literal[
    "integer", "octets", "null", "oid", "ip", "counter32", "gauge32", "timeticks", "opaque", "counter64", "absent",
    "other",
]  # fmt: skip

SEQUENCE, INTEGER, OCTETS, NULL, OBJECT = 0x30, 0x02, 0x04, 0x05, 0x06
IP, COUNTER32, GAUGE32, TIMETICKS, OPAQUE, COUNTER64 = 0x40, 0x41, 0x42, 0x43, 0x44, 0x46
NO_SUCH_OBJECT, NO_SUCH_INSTANCE, END_OF_MIB_VIEW = 0x80, 0x81, 0x82

SUBIDS_MAX = 128
SUBID_MAX = 0xFFFF_FFFF
VARBINDS_MAX = 2048
_INTEGER_OCTETS_MAX = 9
_UNSIGNED: dict[int, Kind] = {
    COUNTER32: "counter32", GAUGE32: "gauge32", TIMETICKS: "timeticks", COUNTER64: "counter64",
}  # fmt: skip
_ABSENT = frozenset({NO_SUCH_OBJECT, NO_SUCH_INSTANCE, END_OF_MIB_VIEW})


class Malformed(ValueError):
    """These bytes are not what they should be: theirs, never our bug."""


class Value(NamedTuple):
    """A variable's value. ``absent`` is noSuchObject, noSuchInstance or endOfMibView (RFC 3416 section 3)."""

    kind: Kind
    data: int | bytes | Oid | None
    tag: int = 0

    @property
    def number(self) -> int | None:
        """The value where it is a number."""
        return self.data if isinstance(self.data, int) else None

    @property
    def text(self) -> str:
        """The value as one printable line, at most 64 characters."""
        if isinstance(self.data, bytes):
            if self.kind == "ip" and len(self.data) == 4:
                return ".".join(map(str, self.data))
            return printable(self.data)
        if isinstance(self.data, tuple):
            return dotted(self.data)[:64]
        return "" if self.data is None else str(self.data)


class VarBind(NamedTuple):
    """A variable's name and value (RFC 3416 section 3)."""

    oid: Oid
    value: Value


NOTHING = Value("null", None, NULL)


def printable(data: bytes, limit: int = 64) -> str:
    """Octets that others sent, as one line of text; what is none is shown in hexadecimal (a DateAndTime, a MAC)."""
    cut = data[: limit * 4].rstrip(b"\0")
    text = cut.decode("utf-8", "replace")
    if "\ufffd" in text or any(ord(c) < 32 and c not in "\t\r\n" for c in text):
        return cut[: limit // 2].hex()
    return " ".join(c if c.isprintable() else " " for c in text.split())[:limit].strip() if text else ""


def dotted(oid: Oid) -> str:
    """``1.3.6.1.2.1.1.3.0``."""
    return ".".join(map(str, oid))


def parse_oid(text: str) -> Oid:
    """The reverse; a leading dot is allowed. Raises ValueError."""
    parts = text.removeprefix(".").split(".")
    if not 2 <= len(parts) <= SUBIDS_MAX or not all(p.isascii() and p.isdigit() and len(p) <= 10 for p in parts):
        raise ValueError(f"{text[:80]!r} is no object identifier")
    oid = tuple(map(int, parts))
    if oid[0] > 2 or (oid[0] < 2 and oid[1] > 39) or max(oid) > SUBID_MAX:
        raise ValueError(f"{text[:80]!r} is no object identifier")
    return oid


def tlv(data: bytes, at: int, end: int) -> tuple[int, int, int]:
    """The element at ``at``: its tag, where its content starts and where it ends. Raises Malformed."""
    if at + 2 > end:
        raise Malformed("cut short")
    tag, length = data[at], data[at + 1]
    if tag & 0x1F == 0x1F:
        raise Malformed("a long tag")
    at += 2
    if length & 0x80:
        count = length & 0x7F
        if not 1 <= count <= 4 or at + count > end:
            raise Malformed("a bad length")
        length = int.from_bytes(data[at : at + count], "big")
        at += count
    if length > end - at:
        raise Malformed("longer than the datagram")
    return tag, at, at + length


def inside(data: bytes, at: int, end: int, want: int) -> tuple[int, int]:
    """Like ``tlv`` for an element that must have one tag."""
    tag, start, stop = tlv(data, at, end)
    if tag != want:
        raise Malformed(f"type {tag:#04x} where {want:#04x} belongs")
    return start, stop


def integer(data: bytes, at: int, end: int) -> tuple[int, int]:
    """An INTEGER of 32 bits, and where it ends. Raises Malformed."""
    start, stop = inside(data, at, end, INTEGER)
    if not 1 <= stop - start <= _INTEGER_OCTETS_MAX:
        raise Malformed("an INTEGER of no size")
    value = int.from_bytes(data[start:stop], "big", signed=True)
    if not -(1 << 31) <= value < 1 << 32:  # some agents count request ids without a sign
        raise Malformed("an INTEGER out of range")
    return value, stop


def octets(data: bytes, at: int, end: int) -> tuple[bytes, int]:
    """An OCTET STRING, and where it ends. Raises Malformed."""
    start, stop = inside(data, at, end, OCTETS)
    return data[start:stop], stop


def oid(data: bytes, start: int, stop: int) -> Oid:
    """An OBJECT IDENTIFIER's content (X.690 section 8.19). Raises Malformed."""
    if start == stop:
        return (0, 0)  # net-snmp reads an empty one so too
    subids: list[int] = []
    value = 0
    for byte in data[start:stop]:
        value = value << 7 | byte & 0x7F
        if value > SUBID_MAX + 80:
            raise Malformed("a sub-identifier over 32 bits")
        if not byte & 0x80:
            subids.append(value)
            value = 0
            if len(subids) >= SUBIDS_MAX:
                raise Malformed("more than 128 sub-identifiers")
    if data[stop - 1] & 0x80:
        raise Malformed("a cut sub-identifier")
    first = min(subids[0] // 40, 2)
    return (first, subids[0] - 40 * first, *subids[1:])


def value(data: bytes, at: int, end: int) -> tuple[Value, int]:
    """A variable's value, and where it ends. Raises Malformed."""
    tag, start, stop = tlv(data, at, end)
    body = data[start:stop]
    if tag == INTEGER and 1 <= len(body) <= _INTEGER_OCTETS_MAX:
        return Value("integer", int.from_bytes(body, "big", signed=True), tag), stop
    if tag in _UNSIGNED and 1 <= len(body) <= _INTEGER_OCTETS_MAX:
        number = int.from_bytes(body, "big")  # without the sign: some agents leave the leading zero out
        if number >> (64 if tag == COUNTER64 else 32) == 0:
            return Value(_UNSIGNED[tag], number, tag), stop
    elif tag == OCTETS:
        return Value("octets", body, tag), stop
    elif tag == OBJECT:
        return Value("oid", oid(data, start, stop), tag), stop
    elif tag == IP and len(body) in (4, 16):
        return Value("ip", body, tag), stop
    elif tag == NULL and not body:
        return NOTHING, stop
    elif tag in _ABSENT:
        return Value("absent", None, tag), stop
    elif tag == OPAQUE:
        return Value("opaque", body, tag), stop
    return Value("other", body, tag), stop


def varbinds(data: bytes, at: int, end: int) -> tuple[VarBind, ...]:
    """A VarBindList that ends with ``end``. Raises Malformed."""
    at, stop = inside(data, at, end, SEQUENCE)
    if stop != end:
        raise Malformed("bytes after the variables")
    found: list[VarBind] = []
    while at < end:
        if len(found) >= VARBINDS_MAX:
            raise Malformed("too many variables")
        start, stop = inside(data, at, end, SEQUENCE)
        first, after = inside(data, start, stop, OBJECT)
        name = oid(data, first, after)
        worth, after = value(data, after, stop)
        if after != stop:
            raise Malformed("bytes after a value")
        found.append(VarBind(name, worth))
        at = stop
    return tuple(found)


def wrap(tag: int, body: bytes) -> bytes:
    """An element with its definite length."""
    size = len(body)
    if size < 0x80:
        return bytes((tag, size)) + body
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + body


def wrap_integer(number: int, tag: int = INTEGER) -> bytes:
    """An INTEGER or one of the unsigned types, in as few octets as go."""
    size = (number if number >= 0 else -number - 1).bit_length() // 8 + 1
    return wrap(tag, number.to_bytes(size, "big", signed=True))


def wrap_oid(name: Oid) -> bytes:
    """An OBJECT IDENTIFIER."""
    out = bytearray()
    for subid in (name[0] * 40 + name[1], *name[2:]):
        groups = max(1, (subid.bit_length() + 6) // 7)
        out += bytes(subid >> 7 * n & 0x7F | (0x80 if n else 0) for n in range(groups - 1, -1, -1))
    return wrap(OBJECT, bytes(out))


def wrap_value(worth: Value) -> bytes:
    """A value as it came, or one of our own."""
    if isinstance(worth.data, int):
        return wrap_integer(worth.data, worth.tag)
    if isinstance(worth.data, tuple):
        return wrap_oid(worth.data)
    return wrap(worth.tag, worth.data or b"")


def wrap_varbinds(pairs: Iterable[VarBind]) -> bytes:
    """A VarBindList."""
    return wrap(SEQUENCE, b"".join(wrap(SEQUENCE, wrap_oid(name) + wrap_value(worth)) for name, worth in pairs))
