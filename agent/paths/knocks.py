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
from dataclasses import dataclass

from agent.paths import sip
from agent.paths.call import messages

HEADER = "Dialtone-Knock"
TOKENS_MAX = 32
LONGEST = 4096
"""Bytes of a datagram that may be a knock."""
_TOKEN = re.compile(r"[0-9a-f]{32}\Z")
_KNOCK = re.compile(r"token=([0-9a-f]{32})\s*;\s*proof=([0-9A-Fa-f]{64})\Z")
_PROOF = re.compile(r"proof=([0-9A-Fa-f]{64})\Z")


def proof(secret: bytes, token: str, word: str) -> str:
    """What shows that a knock, or the answer to it, is of one who knows the secret: ``word`` is knock or heard."""
    return hmac.new(secret, f"{token}{word}".encode(), hashlib.sha256).hexdigest()


def invite(call_id: str, branch: str, here: str, port: int, there: tuple[str, int], token: str, secret: bytes) -> bytes:
    """The reflector's knock: an INVITE without an offer (RFC 3261 section 13.2.1)."""
    ours, theirs = sip.host_part(here), f"{sip.host_part(there[0])}:{there[1]}"
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
        f"To: {answer.first('to')[: messages.VALUE_MAX]}",
        f"Call-ID: {asked.first('call-id')}",
        "CSeq: 1 ACK",
        "Content-Length: 0",
    )
    return _data(lines)


def answered(sent: bytes, data: bytes, token: str, secret: bytes) -> sip.Message | None:
    """The probe's answer to our knock; None for what is none, or proves nothing."""
    asked, message = sip.parse(sent), sip.parse(data)
    if asked is None or message is None or (messages.status_of(message) or 0) < 200:
        return None
    if messages.branch_of(message) != messages.branch_of(asked):
        return None
    given = _PROOF.match(message.first(HEADER.lower()))
    right = given is not None and hmac.compare_digest(given[1].lower(), proof(secret, token, "heard"))
    return message if right else None


@dataclass(slots=True)
class _Awaited:
    secret: bytes
    future: asyncio.Future[int]
    seen: int = 0


class Knocks:
    """The knocks that this box awaits. ``addresses``: the configured reflectors'; others are not answered at all.

    ``counts``: strangers (other addresses), garbage (no SIP request), others (other requests), unproved (no proof, or
    a wrong one), unknown (a token that is not awaited), unanswered (in too few bytes), dropped (awaited, and pushed
    out by newer ones), knocks.
    """

    def __init__(self, addresses: Collection[str]) -> None:
        self.addresses: Collection[str] = frozenset(addresses)
        self._awaited: dict[str, _Awaited] = {}
        self.counts: Counter[str] = Counter()

    def expect(self, token: str, secret: bytes) -> asyncio.Future[int]:
        """Await the knock with this token; the future gives the monotonic time in ns at which it came.

        Raises ValueError for a token that is not 32 hexadecimal digits, or a secret without bytes.
        """
        if not _TOKEN.match(token) or not secret:
            raise ValueError("a token is 32 hexadecimal digits, and a secret has bytes")
        while len(self._awaited) >= TOKENS_MAX:
            self.forget(next(iter(self._awaited)))
            self.counts["dropped"] += 1
        self.forget(token)
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._awaited[token] = _Awaited(secret, future)
        return future

    def seen(self, token: str) -> int:
        """How often the knock with this token has come; it is sent again until it is answered."""
        awaited = self._awaited.get(token)
        return 0 if awaited is None else awaited.seen

    def forget(self, token: str) -> None:
        """It is awaited no longer."""
        awaited = self._awaited.pop(token, None)
        if awaited is not None and not awaited.future.done():
            awaited.future.cancel()

    def datagram(self, data: bytes, source: str, now_ns: int) -> bytes | None:
        """A datagram at the knock port: the answer to send back, never longer than it, or None."""
        if source not in self.addresses:
            return self._passed_over("strangers")
        message = sip.parse(data) if len(data) <= LONGEST else None
        method = None if message is None else messages.method_of(message)
        if message is None or method is None:
            return self._passed_over("garbage")
        if method != "INVITE":
            return None if method == "ACK" else self._passed_over("others")
        given = _KNOCK.match(message.first(HEADER.lower()))
        if given is None:
            return self._passed_over("unproved")
        token, awaited = given[1], self._awaited.get(given[1])
        if awaited is None:
            return self._passed_over("unknown")
        if not hmac.compare_digest(given[2].lower(), proof(awaited.secret, token, "knock")):
            return self._passed_over("unproved")
        self.counts["knocks"] += 1
        awaited.seen += 1
        if not awaited.future.done():
            awaited.future.set_result(now_ns)
        answer = _busy(message, proof(awaited.secret, token, "heard"))
        return answer if len(answer) <= len(data) else self._passed_over("unanswered")

    def _passed_over(self, why: str) -> bytes | None:
        self.counts[why] += 1
        return None


def _busy(message: sip.Message, ours: str) -> bytes:
    """486: nobody takes this call, it has shown all that it could."""
    to = message.first("to")
    if not messages.tag_of(to):
        to += ";tag=k"
    return _data(
        (
            "SIP/2.0 486 Busy Here",
            *(f"v: {via}" for via in message.headers["via"]),
            f"f: {message.first('from')}",
            f"t: {to}",
            f"i: {message.first('call-id')}",
            f"CSeq: {message.first('cseq')}",
            f"{HEADER}: proof={ours}",
            "l: 0",
        )
    )


def _data(lines: Collection[str]) -> bytes:
    # A bare CR or another line end of theirs must begin no line of ours.
    text = "\r\n".join(re.sub(r"[\r\n\x00]", " ", line) for line in lines)
    return (text + "\r\n\r\n").encode("utf-8", "replace")
