"""What a name server's answer says of the name that was asked for. Pure; the message is read by dnspython."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype

from agent.paths.outcome import Outcome
from agent.readings import Plain

WORDS = {"NXDOMAIN": "the name does not exist", "SERVFAIL": "the server failed", "REFUSED": "the server refused"}
SHOWN = 4
RECORDS_MAX = 64


@dataclass(frozen=True, slots=True)
class Question:
    """One query as sent. ``number``: its id, fresh each time (RFC 5452 section 9.2)."""

    name: str
    record: str
    number: int
    data: bytes


def question(name: str, record: str, number: int) -> Question:
    """A query for ``name``. Raises ValueError for what is no domain name."""
    try:
        query = dns.message.make_query(name, record, use_edns=0, payload=1232, id=number)
    except dns.exception.DNSException as error:
        raise ValueError(f"{name} is no domain name: {error}") from None
    return Question(name, record, number, query.to_wire())


def ours(data: bytes, sent: Question) -> dns.message.Message | None:
    """The answer to this very question, by id, name and type; None for anything else."""
    try:
        message = dns.message.from_wire(data, ignore_trailing=True)
        asked = dns.message.from_wire(sent.data)
    except Exception:  # whatever a hostile message makes the library raise, it is no answer
        return None
    answers = bool(message.flags & dns.flags.QR) and message.id == sent.number
    return message if answers and message.question == asked.question else None


def truncated(message: dns.message.Message) -> bool:
    """Whether it must be asked again over TCP (RFC 7766)."""
    return bool(message.flags & dns.flags.TC)


def judge(message: dns.message.Message, sent: Question, expect: Sequence[str]) -> Outcome:
    """up with an answer that was expected, degraded with another, down with an error or none at all."""
    code = dns.rcode.to_text(message.rcode())
    if code != "NOERROR":
        return Outcome("down", f"{sent.name}: {WORDS.get(code, code)}", {"rcode": code, "fault": "name"})
    wanted = dns.rdatatype.from_text(sent.record)
    found = [str(item) for answer in message.answer if answer.rdtype == wanted for item in list(answer)[:RECORDS_MAX]]
    detail: dict[str, Plain] = {"rcode": code, "answers": len(found)}
    if not found:
        return Outcome("down", f"{sent.name} has no {sent.record} record", {**detail, "fault": "name"})
    if expect and not any(_same(one, text) for one in expect for text in found):
        shown = ", ".join(found[:SHOWN])[:120]
        return Outcome("degraded", f"{sent.name} answers {shown}, not what is expected", {**detail, "fault": "name"})
    return Outcome("up", "", detail)


def _same(expected: str, found: str) -> bool:
    """Names without their last dot and in any case; the target alone of an SRV or NAPTR record will do."""
    left, right = expected.rstrip(".").lower(), found.rstrip(".").lower()
    return left == right or left == right.split()[-1].rstrip(".")
