"""A tiny agent for version 2c: the values of any vendor, and manners that no agent should have."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable

from agent.paths.snmp import ber, message
from agent.paths.snmp.ber import Oid, Value, VarBind
from agent.paths.snmp.message import Community, Pdu

END = Value("absent", None, ber.END_OF_MIB_VIEW)
NO_SUCH = Value("absent", None, ber.NO_SUCH_OBJECT)


def number(data: int) -> Value:
    return Value("integer", data, ber.INTEGER)


def gauge(data: int) -> Value:
    return Value("gauge32", data, ber.GAUGE32)


def counter(data: int) -> Value:
    return Value("counter32", data % (1 << 32), ber.COUNTER32)


def counter64(data: int) -> Value:
    return Value("counter64", data % (1 << 64), ber.COUNTER64)


def ticks(data: int) -> Value:
    return Value("timeticks", data % (1 << 32), ber.TIMETICKS)


def text(data: str) -> Value:
    return Value("octets", data.encode(), ber.OCTETS)


def values(given: dict[str, Value]) -> dict[Oid, Value]:
    return {ber.parse_oid(oid): value for oid, value in given.items()}


class TinyAgent:
    """``twist`` may change an answer before it goes out; ``most`` is the largest answer it can send, in variables."""

    def __init__(self, held: dict[Oid, Value], community: bytes = b"public") -> None:
        self.held, self.community = held, community
        self.asked: list[Pdu] = []
        self.most = 1000
        self.refuses: dict[Oid, int] = {}
        self.twist: Callable[[Pdu, Pdu], Pdu] = lambda _asked, answer: answer

    def answer(self, data: bytes) -> bytes | None:
        read = message.parse(data)
        assert isinstance(read, Community)
        assert isinstance(read.pdu, Pdu)
        if read.community != self.community:
            return None
        answer = self.twist(read.pdu, self.of(read.pdu))
        return message.wrap_community(read.version, read.community, answer)

    def of(self, asked: Pdu) -> Pdu:
        self.asked.append(asked)
        for place, (oid, _) in enumerate(asked.varbinds, 1):
            if oid in self.refuses:
                return Pdu(message.RESPONSE, asked.id, self.refuses[oid], place, asked.varbinds)
        found = self._get(asked) if asked.tag == message.GET else self._bulk(asked)
        if len(found) > self.most:
            return Pdu(message.RESPONSE, asked.id, 1, 0, ())
        return Pdu(message.RESPONSE, asked.id, 0, 0, tuple(found))

    def _get(self, asked: Pdu) -> list[VarBind]:
        return [VarBind(oid, self.held.get(oid, NO_SUCH)) for oid, _ in asked.varbinds]

    def _bulk(self, asked: Pdu) -> list[VarBind]:
        order = sorted(self.held)
        cursors = [oid for oid, _ in asked.varbinds]
        found = []
        for _ in range(asked.index):
            for column, oid in enumerate(cursors):
                at = bisect_right(order, oid)
                if at == len(order):
                    found.append(VarBind(oid, END))
                else:
                    cursors[column] = order[at]
                    found.append(VarBind(order[at], self.held[order[at]]))
        return found
