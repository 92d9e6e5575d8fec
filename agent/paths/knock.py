"""The knock: our reflector is asked to call in on a new flow, and whether it comes shows that calls can come in at all.

The request goes out and its socket is closed; then this box keeps still for ``idle_s``, longer than a firewall
remembers a flow. Where NAT forbids inbound, none ever comes: until the first one has, its absence is unknown, no fault.
"""

from __future__ import annotations

import asyncio
import os
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.clock import NS
from agent.paths import sip
from agent.paths.call import digest, messages
from agent.paths.datagrams import Exchange
from agent.paths.knocks import HEADER, Knocks
from agent.paths.outcome import Outcome, of_error
from agent.paths.target import Target
from agent.readings import Plain
from agent.site import schema
from agent.site.secrets import SecretRefused

if TYPE_CHECKING:
    from agent.paths.runner import Tools

USER = "dialtone"
ASK_S = 3.0
SENDS = (0.5, 1.0)
PAD = 480
"""The request is at least so long: the reflector answers nobody with more bytes than were asked."""
EARLY_S = 0.5
"""A knock may come so much before its time: our clock and the reflector's are not one."""


@dataclass(frozen=True, slots=True)
class _Asking:
    """One request to be called back; its Call-ID and tag stay the same when it is challenged (RFC 3261 section 22)."""

    target: Target
    token: str
    call_id: str
    tag: str


class KnockRunner:
    """The ``knock`` check of one path."""

    def __init__(self, path: schema.Path, check: schema.Knock, tools: Tools) -> None:
        self._path, self._check, self._tools = path, check, tools
        self._ever = self._waiting = False

    async def run(self, target: Target, timeout_s: float) -> Outcome:
        """Ask, keep still, and see whether the call comes. Raises no OSError."""
        knocks = self._tools.knocks
        if knocks is None:
            return _untested("no port is open for knocks ([listen] knock)")
        if self._waiting:  # the reflector holds one knock a probe: a second request would take the first one away
            return Outcome("unknown", "the knock before is still awaited")
        try:
            secret = self._tools.secrets.read(self._path.secret or "")
        except (SecretRefused, OSError) as error:
            return _untested(f"the reflector's secret: {error}")
        self._waiting = True
        try:
            return await self._knock(knocks, target, secret, timeout_s)
        finally:
            self._waiting = False

    async def _knock(self, knocks: Knocks, target: Target, secret: bytes, timeout_s: float) -> Outcome:
        loop = asyncio.get_running_loop()
        until = loop.time() + timeout_s
        token = os.urandom(16).hex()
        future = knocks.expect(token, secret)
        try:
            asked_ns = await self._ask(target, secret, token, until)
            if isinstance(asked_ns, Outcome):
                return asked_ns
            if until - loop.time() < self._check.idle_s:
                return _untested(f"timeout_s leaves no time to wait for a knock after {self._check.idle_s:g} s")
            await asyncio.wait([future], timeout=max(0.0, until - loop.time() - 0.05))
            if future.cancelled():
                return _untested("too many knocks are awaited at once")
            if not future.done():
                return self._missed()
            return self._came(future.result() - asked_ns, knocks.seen(token))
        finally:
            knocks.forget(token)

    def _came(self, took_ns: int, seen: int) -> Outcome:
        """A knock on the flow that we had opened ourselves would prove nothing: one too early is no proof."""
        waited_s = took_ns / NS
        late_s = waited_s - self._check.idle_s
        detail: dict[str, Plain] = {"waited_s": round(waited_s, 1), "late_s": round(late_s, 1), "attempts": seen}
        if late_s < -EARLY_S:
            return Outcome("unknown", f"the call came {-late_s:.1f} s before it was due, and proves nothing", detail)
        self._ever = True
        return Outcome("up", "", detail)

    def _missed(self) -> Outcome:
        if self._ever:
            return Outcome("down", f"asked to call back after {self._check.idle_s:g} s, and no call from outside came")
        return Outcome(
            "unknown", "no call from outside has come yet: where address translation forbids inbound it never will"
        )

    async def _ask(self, target: Target, secret: bytes, token: str, until: float) -> Outcome | int:
        """Have it asked for; when the request that the reflector took was first sent, in monotonic ns."""
        asking = _Asking(target, token, os.urandom(12).hex(), os.urandom(6).hex())
        authorization = ""
        for attempt in range(3):  # asked, challenged, and once more where the nonce was too old
            asked_ns = self._tools.clock.now_ns()
            answer = await self._exchange(asking, authorization, attempt + 1, until)
            if isinstance(answer, Outcome):
                return answer
            code = messages.status_of(answer)
            if code == 200:
                # A far end that knows no knock answers 200 to any OPTIONS: the header alone says that it will come.
                took = answer.first(HEADER.lower()).startswith("in=")
                return asked_ns if took else _refused("what answers there is no reflector of ours")
            asks = ", ".join(answer.headers.get("www-authenticate", []))
            challenge = digest.parse_challenge(asks) if code == 401 else None
            if code == 401 and (challenge is None or not challenge.algorithm.startswith("SHA-256")):
                return _refused("its challenge is not ours")
            if challenge is None or (attempt and not challenge.stale):
                unknown = "it does not know this box by its secret"
                return _refused(unknown if code == 401 else f"it answered {code}")
            cnonce = os.urandom(8).hex()
            authorization = digest.authorization(challenge, "OPTIONS", self._uri(target), USER, secret, cnonce, 1)
        return _refused("its challenges do not end")

    def _uri(self, target: Target) -> str:
        return f"sip:knock@{sip.host_part(target.host)}:{self._check.port}"

    async def _exchange(self, asking: _Asking, authorization: str, cseq: int, until: float) -> sip.Message | Outcome:
        try:
            with asking.target.socket(socket.SOCK_DGRAM) as sock:
                sock.connect(asking.target.sockaddr(self._check.port))
                here, port = sock.getsockname()[:2]
                branch = sip.BRANCH_COOKIE + os.urandom(8).hex()
                request = self._request(asking, str(here), int(port), branch, authorization, cseq)
                exchange = Exchange(sock, lambda data, _: _final(data, branch, asking.call_id))
                began = asyncio.get_running_loop().time()
                for after_s in (*SENDS, ASK_S):
                    exchange.send(request)
                    answer = await exchange.hear(min(until, began + after_s))
                    if answer is not None:
                        return answer
                return _refused(exchange.failure(ASK_S).reason)
        except OSError as error:
            return _refused(of_error(error).reason)

    def _request(self, asking: _Asking, here: str, port: int, branch: str, authorization: str, cseq: int) -> bytes:
        uri, ours = self._uri(asking.target), sip.host_part(here)
        lines = [
            f"OPTIONS {uri} SIP/2.0",
            f"Via: SIP/2.0/UDP {ours}:{port};branch={branch};rport",
            "Max-Forwards: 70",
            f"From: <sip:{USER}@{ours}>;tag={asking.tag}",
            f"To: <{uri}>",
            f"Call-ID: {asking.call_id}",
            f"CSeq: {cseq} OPTIONS",
            f"Contact: <sip:{USER}@{ours}:{port}>",
            f"{HEADER}: after={_seconds(self._check.idle_s)};token={asking.token}",
            f"User-Agent: {sip.USER_AGENT}",
        ]
        if authorization:
            lines.append(f"Authorization: {authorization}")
        lines.append("Content-Length: 0")
        short = PAD - len("\r\n".join(lines)) - 4
        if short > 0:
            lines.insert(-1, f"Dialtone-Pad: {'0' * short}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "replace")


def _seconds(idle_s: float) -> str:
    return f"{idle_s:.3f}".rstrip("0").rstrip(".")


def _final(data: bytes, branch: str, call_id: str) -> sip.Message | None:
    """A final answer to our request: by branch and method (RFC 3261 section 17.1.3), and Call-ID."""
    message = sip.parse(data)
    code = None if message is None else messages.status_of(message)
    if message is None or code is None or code < 200:
        return None
    cseq = messages.cseq_of(message)
    ours = messages.branch_of(message) == branch and message.first("call-id") == call_id
    return message if ours and cseq is not None and cseq[1] == "OPTIONS" else None


def _untested(why: str) -> Outcome:
    return Outcome("unknown", f"this box can't test: {why}")


def _refused(why: str) -> Outcome:
    """The way out, or the reflector: other checks tell that. Of the way in nothing is known."""
    return Outcome("unknown", f"the reflector could not be asked to call back: {why}")
