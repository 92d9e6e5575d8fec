"""SNMP's messages: communities (RFC 1157, RFC 1901), version 3 (RFC 3412 section 6), PDUs (RFC 3416). Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from agent.paths.snmp import ber
from agent.paths.snmp.ber import Malformed, Oid, VarBind

GET, GET_NEXT, RESPONSE, SET, TRAP_V1, GET_BULK, INFORM, TRAP, REPORT = range(0xA0, 0xA9)
V1, V2C, V3 = 0, 1, 3
MESSAGE_MAX = 65_507
USM = 3

SYS_UP_TIME: Oid = (1, 3, 6, 1, 2, 1, 1, 3, 0)
SNMP_TRAP_OID: Oid = (1, 3, 6, 1, 6, 3, 1, 1, 4, 1, 0)
_GENERIC_TRAPS: Oid = (1, 3, 6, 1, 6, 3, 1, 1, 5)
_ENTERPRISE_SPECIFIC = 6

Error = Literal["noError", "tooBig", "noSuchName", "badValue", "readOnly", "genErr", "noAccess", "authorizationError"]
_ERRORS: dict[int, Error] = {
    0: "noError", 1: "tooBig", 2: "noSuchName", 3: "badValue", 4: "readOnly", 5: "genErr", 6: "noAccess",
    16: "authorizationError",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Pdu:
    """One PDU. In a GetBulk ``status`` is non-repeaters and ``index`` max-repetitions (RFC 3416 section 3)."""

    tag: int
    id: int
    status: int
    index: int
    varbinds: tuple[VarBind, ...]

    @property
    def error(self) -> str:
        """The error's name, or its number."""
        return _ERRORS.get(self.status, f"error {self.status}")


@dataclass(frozen=True, slots=True)
class TrapV1:
    """A trap of version 1 (RFC 1157 section 4.1.6)."""

    enterprise: Oid
    generic: int
    specific: int
    varbinds: tuple[VarBind, ...]

    @property
    def trap_oid(self) -> Oid:
        """snmpTrapOID as RFC 3584 section 3.1 makes it."""
        if 0 <= self.generic < _ENTERPRISE_SPECIFIC:
            return (*_GENERIC_TRAPS, self.generic + 1)
        return (*self.enterprise, 0, max(self.specific, 0))


@dataclass(frozen=True, slots=True)
class Community:
    """A message of version 1 or 2c."""

    version: int
    community: bytes
    pdu: Pdu | TrapV1


@dataclass(frozen=True, slots=True)
class Secured:
    """A message of version 3 with the User-based Security Model's parameters (RFC 3414 section 2.4).

    ``scoped`` is the plain or encrypted ScopedPDU, ``raw`` the whole message and ``signature_at`` where in it the
    signature stands.
    """

    id: int
    max_size: int
    flags: int
    engine: bytes
    boots: int
    time_s: int
    user: bytes
    signature: bytes
    salt: bytes
    scoped: bytes
    raw: bytes = b""
    signature_at: int = 0

    @property
    def signed(self) -> bool:
        return bool(self.flags & 1)

    @property
    def encrypted(self) -> bool:
        return bool(self.flags & 2)

    @property
    def reportable(self) -> bool:
        return bool(self.flags & 4)


@dataclass(frozen=True, slots=True)
class Scoped:
    """A ScopedPDU (RFC 3412 section 6.8)."""

    engine: bytes
    context: bytes
    pdu: Pdu


def parse(data: bytes) -> Community | Secured:
    """One datagram's message. Raises Malformed."""
    if len(data) > MESSAGE_MAX:
        raise Malformed("longer than a datagram")
    at, end = ber.inside(data, 0, len(data), ber.SEQUENCE)  # bytes after it are padding of the link, and let be
    version, at = ber.integer(data, at, end)
    if version in (V1, V2C):
        community, at = ber.octets(data, at, end)
        return Community(version, community, _pdu(data, at, end))
    if version != V3:
        raise Malformed("a version that nobody has")
    return _secured(data, at, end)


def _pdu(data: bytes, at: int, end: int) -> Pdu | TrapV1:
    tag, start, stop = ber.tlv(data, at, end)
    if stop != end:
        raise Malformed("bytes after the PDU")
    if tag == TRAP_V1:
        return _trap_v1(data, start, stop)
    return pdu(data, at, end)


def pdu(data: bytes, at: int, end: int) -> Pdu:
    """A PDU of RFC 3416 at ``at``. Raises Malformed."""
    tag, at, end = ber.tlv(data, at, end)
    if not GET <= tag <= REPORT or tag == TRAP_V1:
        raise Malformed("no PDU of SNMP")
    number, at = ber.integer(data, at, end)
    status, at = ber.integer(data, at, end)
    index, at = ber.integer(data, at, end)
    return Pdu(tag, number, status, index, ber.varbinds(data, at, end))


def _trap_v1(data: bytes, at: int, end: int) -> TrapV1:
    start, at = ber.inside(data, at, end, ber.OBJECT)
    enterprise = ber.oid(data, start, at)
    _, at = ber.value(data, at, end)  # the agent's address: the datagram's sender says it better
    generic, at = ber.integer(data, at, end)
    specific, at = ber.integer(data, at, end)
    _, at = ber.value(data, at, end)  # its time
    return TrapV1(enterprise, generic, specific, ber.varbinds(data, at, end))


def _secured(data: bytes, at: int, end: int) -> Secured:
    head, head_end = ber.inside(data, at, end, ber.SEQUENCE)
    number, head = ber.integer(data, head, head_end)
    max_size, head = ber.integer(data, head, head_end)
    flags, head = ber.octets(data, head, head_end)
    model, head = ber.integer(data, head, head_end)
    if len(flags) != 1 or model != USM or flags[0] & 3 == 2:
        raise Malformed("flags or a security model that nobody has")
    start, stop = ber.inside(data, head_end, end, ber.OCTETS)
    tag, first, last = ber.tlv(data, stop, end)
    if last != end or tag != (ber.OCTETS if flags[0] & 2 else ber.SEQUENCE):
        raise Malformed("no ScopedPDU where it belongs")
    scoped = data[first:last] if flags[0] & 2 else data[stop:last]
    at, stop = ber.inside(data, start, stop, ber.SEQUENCE)
    engine, at = ber.octets(data, at, stop)
    boots, at = ber.integer(data, at, stop)
    time_s, at = ber.integer(data, at, stop)
    user, at = ber.octets(data, at, stop)
    signature_at, at = ber.inside(data, at, stop, ber.OCTETS)
    signature = data[signature_at:at]
    salt, at = ber.octets(data, at, stop)
    if len(engine) > 32 or len(user) > 32 or boots < 0 or time_s < 0:
        raise Malformed("security parameters out of range")
    return Secured(
        number, max_size, flags[0], engine, boots, time_s, user, signature, salt, scoped, data[:end], signature_at
    )


def scoped(data: bytes) -> Scoped:
    """A plain ScopedPDU; what follows is DES's padding (RFC 3414 section 8.1.1.2). Raises Malformed."""
    at, end = ber.inside(data, 0, len(data), ber.SEQUENCE)
    engine, at = ber.octets(data, at, end)
    context, at = ber.octets(data, at, end)
    return Scoped(engine, context, pdu(data, at, end))


def wrap_pdu(one: Pdu) -> bytes:
    """A PDU's bytes."""
    body = b"".join(map(ber.wrap_integer, (one.id, one.status, one.index))) + ber.wrap_varbinds(one.varbinds)
    return ber.wrap(one.tag, body)


def wrap_community(version: int, community: bytes, one: Pdu) -> bytes:
    """A message of version 1 or 2c."""
    body = ber.wrap_integer(version) + ber.wrap(ber.OCTETS, community) + wrap_pdu(one)
    return ber.wrap(ber.SEQUENCE, body)


def wrap_scoped(engine: bytes, context: bytes, one: Pdu) -> bytes:
    """A ScopedPDU's bytes."""
    return ber.wrap(ber.SEQUENCE, ber.wrap(ber.OCTETS, engine) + ber.wrap(ber.OCTETS, context) + wrap_pdu(one))


def wrap_secured(one: Secured) -> bytes:
    """A message of version 3 with the signature that stands in ``one``."""
    head = b"".join(
        (
            ber.wrap_integer(one.id),
            ber.wrap_integer(one.max_size),
            ber.wrap(ber.OCTETS, bytes((one.flags,))),
            ber.wrap_integer(USM),
        )
    )
    security = b"".join(
        (
            ber.wrap(ber.OCTETS, one.engine),
            ber.wrap_integer(one.boots),
            ber.wrap_integer(one.time_s),
            ber.wrap(ber.OCTETS, one.user),
            ber.wrap(ber.OCTETS, one.signature),
            ber.wrap(ber.OCTETS, one.salt),
        )
    )
    body = ber.wrap_integer(V3) + ber.wrap(ber.SEQUENCE, head)
    body += ber.wrap(ber.OCTETS, ber.wrap(ber.SEQUENCE, security))
    body += ber.wrap(ber.OCTETS, one.scoped) if one.encrypted else one.scoped
    return ber.wrap(ber.SEQUENCE, body)


def placed(one: Secured) -> Secured:
    """As it will arrive: with its bytes and the place of the signature in them."""
    raw = wrap_secured(one)
    read = parse(raw)
    assert isinstance(read, Secured)
    return replace(one, raw=raw, signature_at=read.signature_at)
