"""How requests are put and answers are read, in version 2c and in version 3. Pure.

Version 3 first asks for the engine's identity and its time (RFC 3414 section 4). A refusal comes as a Report, which
says by its OID what was wrong (RFC 3414 section 5, RFC 3412 section 5).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Literal, Protocol

from agent.paths.snmp import message, usm
from agent.paths.snmp.ber import Malformed, Oid
from agent.paths.snmp.message import Community, Pdu, Secured

MESSAGE_SIZE = 1472  # one packet of Ethernet: an agent cuts its answer so that it fits
RESYNCS_MAX = 1
DISCOVERIES_MAX = 2

_USM_STATS: Oid = (1, 3, 6, 1, 6, 3, 15, 1, 1)
REFUSED: dict[Oid, str] = {
    (*_USM_STATS, 1, 0): "it does not take this security level (usmStatsUnsupportedSecLevels)",
    (*_USM_STATS, 3, 0): "it does not know this user (usmStatsUnknownUserNames)",
    (*_USM_STATS, 5, 0): "the authentication password or protocol is wrong (usmStatsWrongDigests)",
    (*_USM_STATS, 6, 0): "the privacy password or protocol is wrong (usmStatsDecryptionErrors)",
    (1, 3, 6, 1, 6, 3, 11, 2, 1, 1, 0): "it does not take this security model (snmpUnknownSecurityModels)",
    (1, 3, 6, 1, 6, 3, 11, 2, 1, 3, 0): "it handles no such request (snmpUnknownPDUHandlers)",
    (1, 3, 6, 1, 6, 3, 12, 1, 5, 0): "it has no such context (snmpUnknownContexts)",
}
NOT_IN_TIME_WINDOW: Oid = (*_USM_STATS, 2, 0)
UNKNOWN_ENGINE: Oid = (*_USM_STATS, 4, 0)
OUT_OF_TIME = "our time is not in its window, asked twice (usmStatsNotInTimeWindows)"
OTHER_ENGINE = "it keeps changing its engine id (usmStatsUnknownEngineIDs)"

Step = Literal["answer", "synchronised", "refused"]


@dataclass(frozen=True, slots=True)
class Heard:
    """A datagram that counts: the answer, a step on the way to it, or a refusal in words."""

    step: Step
    pdu: Pdu | None = None
    why: str = ""


class Dialogue(Protocol):
    """One run's way of asking. ``ignored`` counts by reason what counted for nothing."""

    ignored: dict[str, int]

    def put(self, pdu: Pdu, now_ns: int) -> bytes: ...

    def take(self, data: bytes, ids: Collection[int], now_ns: int) -> Heard | None: ...

    def anew(self) -> None:
        """Nothing has answered: what was learned in earlier runs may be wrong."""


class V2c:
    """Version 2c: a community, in clear."""

    def __init__(self, community: bytes) -> None:
        self._community = community
        self.ignored: dict[str, int] = {}

    def put(self, pdu: Pdu, now_ns: int) -> bytes:  # noqa: ARG002
        """The request as a datagram."""
        return message.wrap_community(message.V2C, self._community, pdu)

    def take(self, data: bytes, ids: Collection[int], now_ns: int) -> Heard | None:  # noqa: ARG002
        """What a datagram says to one of the requests ``ids``; None and counted where it says nothing."""
        try:
            read = message.parse(data)
        except Malformed:
            return _ignore(self.ignored, "malformed")
        if not isinstance(read, Community) or not isinstance(read.pdu, Pdu) or read.version != message.V2C:
            return _ignore(self.ignored, "other version")
        if read.pdu.tag != message.RESPONSE or read.pdu.id not in ids:
            return _ignore(self.ignored, "no answer to us")
        return Heard("answer", read.pdu)

    def anew(self) -> None:
        """There is nothing that it could have learned."""


@dataclass(slots=True)
class Peer:
    """What outlasts one run of version 3: the keys, and the engine with its clock."""

    keys: usm.Keys
    clock: usm.EngineClock | None = None


@dataclass(slots=True)
class V3:
    """Version 3 with one user."""

    peer: Peer
    ignored: dict[str, int] = field(default_factory=dict)
    resyncs: int = 0
    discoveries: int = 0

    def anew(self) -> None:
        """Ask for its engine again: another device may stand there, or this one refuses us without a word."""
        if not self.discoveries:
            self.peer.clock = None

    def put(self, pdu: Pdu, now_ns: int) -> bytes:
        """The request as a datagram; where the engine is unknown, the question for it instead."""
        clock, user = self.peer.clock, self.peer.keys.user
        if clock is None:
            asking = Pdu(message.GET, pdu.id, 0, 0, ())
            plain = message.wrap_scoped(b"", b"", asking)
            return self.peer.keys.close(Secured(pdu.id, MESSAGE_SIZE, 4, b"", 0, 0, b"", b"", b"", plain))
        plain = message.wrap_scoped(clock.engine, b"", pdu)
        boots, time_s = (clock.boots, clock.time_now_s(now_ns)) if user.authentication else (0, 0)
        flags = 4 | user.flags
        return self.peer.keys.close(
            Secured(pdu.id, MESSAGE_SIZE, flags, clock.engine, boots, time_s, user.user, b"", b"", plain)
        )

    def take(self, data: bytes, ids: Collection[int], now_ns: int) -> Heard | None:
        """What a datagram says to one of the requests ``ids``; None and counted where it says nothing."""
        try:
            read = message.parse(data)
            if not isinstance(read, Secured):
                return _ignore(self.ignored, "other version")
            if read.id not in ids:
                return _ignore(self.ignored, "no answer to us")
            ours = not read.signed or (
                self.peer.clock is not None
                and read.engine == self.peer.clock.engine
                and read.user == self.peer.keys.user.user
            )
            if not ours:
                return _ignore(self.ignored, "another engine or user")
            inner = message.scoped(self.peer.keys.open(read))
        except usm.WrongDigest:
            return _ignore(self.ignored, "wrong digest")
        except usm.CannotDecrypt:
            return _ignore(self.ignored, "not to be deciphered")
        except Malformed:
            return _ignore(self.ignored, "malformed")
        if inner.pdu.tag == message.REPORT:
            return self._report(read, inner.pdu, now_ns)
        return self._response(read, inner.pdu, ids, now_ns)

    def _response(self, read: Secured, pdu: Pdu, ids: Collection[int], now_ns: int) -> Heard | None:
        if pdu.tag != message.RESPONSE or pdu.id not in ids:
            return _ignore(self.ignored, "no answer to us")
        if read.flags & 3 != self.peer.keys.user.flags or self.peer.clock is None:
            return _ignore(self.ignored, "less secure than asked")
        if read.engine != self.peer.clock.engine:
            return _ignore(self.ignored, "another engine or user")
        if read.signed and not self.peer.clock.hear(read, now_ns):
            return _ignore(self.ignored, "not in the time window")
        return Heard("answer", pdu)

    def _report(self, read: Secured, pdu: Pdu, now_ns: int) -> Heard | None:
        name = pdu.varbinds[0].oid if pdu.varbinds else ()
        if name == UNKNOWN_ENGINE or (self.peer.clock is None and not read.signed and name not in REFUSED):
            return self._discovered(read, now_ns)
        if name == NOT_IN_TIME_WINDOW:
            return self._resync(read, now_ns)
        if name in REFUSED:
            return Heard("refused", None, REFUSED[name])
        return _ignore(self.ignored, "a report of something else")

    def _discovered(self, read: Secured, now_ns: int) -> Heard | None:
        if len(read.engine) not in usm.ENGINE_ID_OCTETS:
            return _ignore(self.ignored, "malformed")
        if self.discoveries >= DISCOVERIES_MAX:
            return Heard("refused", None, OTHER_ENGINE)
        self.discoveries += 1
        self.peer.clock = usm.EngineClock(read.engine, read.boots, read.time_s, now_ns)
        return Heard("synchronised")

    def _resync(self, read: Secured, now_ns: int) -> Heard | None:
        """Take its time even where its boots went back: an agent that does not keep them would else stay deaf to us."""
        clock = self.peer.clock
        if clock is None or read.engine != clock.engine or (clock.proved and not read.signed):
            return _ignore(self.ignored, "another engine or user")
        if self.resyncs >= RESYNCS_MAX:
            self.peer.clock = None  # the next run begins anew
            return Heard("refused", None, OUT_OF_TIME)
        self.resyncs += 1
        self.peer.clock = usm.EngineClock(read.engine, read.boots, read.time_s, now_ns, read.signed)
        return Heard("synchronised")


def _ignore(ignored: dict[str, int], why: str) -> Heard | None:
    ignored[why] = ignored.get(why, 0) + 1
    return None
