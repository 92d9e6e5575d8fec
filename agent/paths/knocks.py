"""Calls in from outside: which knocks are awaited, and which datagram is one of them. Pure but for the futures.

The probe asks its reflector, under a digest, to call back after an idle time, and names a token. The reflector's INVITE
brings the token and a proof that only it can make; it is answered 486, and that answer proves us.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import re
from collections import Counter
from collections.abc import Collection

from agent.paths import sip
from agent.paths.call import messages

HEADER = "Dialtone-Knock"
TOKENS_MAX = 32
_KNOCK = re.compile(r"token=([0-9a-f]{32});proof=([0-9a-f]{64})\Z")
_PROOF = re.compile(r"proof=([0-9a-f]{64})\Z")


def proof(secret: bytes, token: str, word: str) -> str:
    """What shows that a knock, or the answer to it, is of one who knows the secret: ``word`` is knock or heard."""
    return hmac.new(secret, f"{token}{word}".encode(), hashlib.sha256).hexdigest()


def invite(call_id: str, branch: str, here: str, port: int, there: str, token: str, secret: bytes) -> bytes:
    """The reflector's knock: an INVITE without an offer (RFC 3261 section 13.2.1)."""
    ours, theirs = sip.host_part(here), sip.host_part(there)
    lines = (
        f"INVITE sip:dialtone@{theirs} SIP/2.0",
        f"Via: SIP/2.0/UDP {ours}:{port};branch={branch};rport",
        "Max-Forwards: 70",
        f"From: <sip:dialtone@{ours}>;tag={branch[-8:]}",
        f"To: <sip:dialtone@{theirs}>",
        f"Call-ID: {call_id}",
        "CSeq: 1 INVITE",
        f"Contact: <sip:dialtone@{ours}:{port}>",
        f"{HEADER}: token={token};proof={proof(secret, token, 'knock')}",
        f"User-Agent: {sip.USER_AGENT}",
        "Content-Length: 0",
    )
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def acknowledgement(sent: bytes, answer: sip.Message) -> bytes:
    """The ACK of a final answer other than 2xx, in the INVITE's own transaction (section 17.1.1.3)."""
    asked = sip.parse(sent)
    assert asked is not None
    lines = (
        asked.start.replace("INVITE", "ACK", 1),
        f"Via: {asked.first('via')}",
        "Max-Forwards: 70",
        f"From: {asked.first('from')}",
        f"To: {answer.first('to')}",
        f"Call-ID: {asked.first('call-id')}",
        "CSeq: 1 ACK",
        "Content-Length: 0",
    )
    text = "\r\n".join(re.sub(r"[\r\n\x00]", " ", line) for line in lines)
    return (text + "\r\n\r\n").encode("utf-8", "replace")


def answered(sent: bytes, data: bytes, token: str, secret: bytes) -> sip.Message | None:
    """The probe's answer to our knock; None for what is none, or proves nothing."""
    asked, message = sip.parse(sent), sip.parse(data)
    if asked is None or message is None or (messages.status_of(message) or 0) < 200:
        return None
    if messages.branch_of(message) != messages.branch_of(asked):
        return None
    given = _PROOF.match(message.first(HEADER.lower()))
    right = given is not None and hmac.compare_digest(given[1], proof(secret, token, "heard"))
    return message if right else None


class Knocks:
    """The knocks that this box awaits. ``addresses``: the configured reflectors'; others are not answered at all."""

    def __init__(self, addresses: Collection[str]) -> None:
        self.addresses = frozenset(addresses)
        self._awaited: dict[str, tuple[bytes, asyncio.Future[int]]] = {}
        self.counts: Counter[str] = Counter()

    def expect(self, token: str, secret: bytes) -> asyncio.Future[int]:
        """Await the knock with this token; the future gives the monotonic time at which it came."""
        if len(self._awaited) >= TOKENS_MAX:
            oldest = next(iter(self._awaited))
            self.forget(oldest)
            self.counts["dropped"] += 1
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._awaited[token] = (secret, future)
        return future

    def forget(self, token: str) -> None:
        """It is awaited no longer."""
        _, future = self._awaited.pop(token, (b"", None))
        if future is not None and not future.done():
            future.cancel()

    def datagram(self, data: bytes, source: str, now_ns: int) -> bytes | None:
        """A datagram at the knock port: the answer to send back, never longer than it, or None."""
        if source not in self.addresses:
            self.counts["strangers"] += 1
            return None
        message = sip.parse(data)
        given = None if message is None else _KNOCK.match(message.first(HEADER.lower()))
        if message is None or given is None or messages.method_of(message) != "INVITE":
            self.counts["others"] += message is None or messages.method_of(message) != "ACK"
            return None
        secret, future = self._awaited.get(given[1], (b"", None))
        if future is None or not hmac.compare_digest(given[2], proof(secret, given[1], "knock")):
            self.counts["unknown"] += 1
            return None
        self.counts["knocks"] += 1
        if not future.done():
            future.set_result(now_ns)
        to = message.first("to")
        lines = (
            "SIP/2.0 486 Busy Here",
            *(f"v: {via}" for via in message.headers["via"]),
            f"f: {message.first('from')}",
            to_line(to),
            f"i: {message.first('call-id')}",
            f"CSeq: {message.first('cseq')}",
            f"{HEADER}: proof={proof(secret, given[1], 'heard')}",
            "l: 0",
        )
        answer = ("\r\n".join(re.sub(r"[\r\n\x00]", " ", line) for line in lines) + "\r\n\r\n").encode()
        return answer if len(answer) <= len(data) else None


def to_line(to: str) -> str:
    """To with a tag, as every final answer has (section 8.2.6.2)."""
    return f"t: {to}" if messages.tag_of(to) else f"t: {to};tag=k"
