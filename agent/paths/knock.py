"""The knock: our reflector is asked to call in on a new flow, and whether it comes shows that calls can come in at all.

The request goes out and its socket is closed; then this box keeps still for ``idle_s``, longer than a firewall
remembers a flow. Where NAT forbids inbound, none ever comes: until the first one has, its absence is unknown, no fault.
"""

from __future__ import annotations

import asyncio
import os
import socket
from typing import TYPE_CHECKING

from agent.clock import NS
from agent.paths import sip
from agent.paths.call import digest, messages
from agent.paths.datagrams import Exchange
from agent.paths.knocks import HEADER
from agent.paths.outcome import Outcome, of_error
from agent.paths.target import Target
from agent.site import schema
from agent.site.secrets import SecretRefused

if TYPE_CHECKING:
    from agent.paths.runner import Tools

USER = "dialtone"
ASK_S = 3.0
SENDS = (0.5, 1.0)
PAD = 420
"""The request is at least so long: the reflector answers nobody with more bytes than were asked."""


class KnockRunner:
    """The ``knock`` check of one path."""

    def __init__(self, path: schema.Path, check: schema.Knock, tools: Tools) -> None:
        self._path, self._check, self._tools = path, check, tools
        self._ever = False

    async def run(self, target: Target, timeout_s: float) -> Outcome:
        knocks = self._tools.knocks
        if knocks is None:
            return Outcome("unknown", "this box can't test: no port is open for knocks ([listen] knock)")
        try:
            secret = self._tools.secrets.read(self._path.secret or "")
        except (SecretRefused, OSError) as error:
            return Outcome("unknown", f"this box can't test: the reflector's secret: {error}")
        loop = asyncio.get_running_loop()
        until = loop.time() + timeout_s
        token = os.urandom(16).hex()
        future = knocks.expect(token, secret)
        began_ns = self._tools.clock.now_ns()
        try:
            refused = await self._ask(target, secret, token)
            if refused is not None:
                return refused
            done, _ = await asyncio.wait([future], timeout=max(0.0, until - loop.time() - 0.1))
            return self._came(future.result() - began_ns) if done and not future.cancelled() else self._missed()
        finally:
            knocks.forget(token)

    def _came(self, took_ns: int) -> Outcome:
        self._ever = True
        return Outcome("up", "", {"waited_s": round(took_ns / NS, 1)})

    def _missed(self) -> Outcome:
        if self._ever:
            return Outcome("down", f"asked to call back after {self._check.idle_s:g} s, and no call from outside came")
        return Outcome("unknown", "no call from outside has come yet; where address translation forbids it none will")

    async def _ask(self, target: Target, secret: bytes, token: str) -> Outcome | None:
        """Have it asked for; None where the reflector has taken it."""
        authorization = ""
        for attempt in range(3):  # asked, challenged, and once more where the nonce was too old
            answer = await self._exchange(target, token, authorization, attempt + 1)
            if isinstance(answer, Outcome):
                return answer
            code = messages.status_of(answer)
            if code == 200:
                return None
            challenge = digest.parse_challenge(answer.first("www-authenticate")) if code == 401 else None
            if challenge is None or (attempt and not challenge.stale):
                why = "the reflector does not know this box by its secret" if code == 401 else f"it answered {code}"
                return Outcome("unknown", f"the reflector was asked to call back: {why}")
            cnonce = os.urandom(8).hex()
            uri = self._uri(target)
            authorization = digest.authorization(challenge, "OPTIONS", uri, USER, secret, cnonce, 1)
        return Outcome("unknown", "the reflector was asked to call back: its challenges do not end")

    def _uri(self, target: Target) -> str:
        return f"sip:knock@{sip.host_part(target.host)}:{self._check.port}"

    async def _exchange(self, target: Target, token: str, authorization: str, cseq: int) -> sip.Message | Outcome:
        try:
            with target.socket(socket.SOCK_DGRAM) as sock:
                sock.connect(target.sockaddr(self._check.port))
                here, port = sock.getsockname()[:2]
                branch = sip.BRANCH_COOKIE + os.urandom(8).hex()
                request = self._request(target, str(here), int(port), branch, token, authorization, cseq)

                def ours(data: bytes, _source: str) -> sip.Message | None:
                    message = sip.parse(data)
                    code = None if message is None else messages.status_of(message)
                    if message is None or code is None or code < 200:
                        return None
                    return message if messages.branch_of(message) == branch else None

                exchange = Exchange(sock, ours)
                began = asyncio.get_running_loop().time()
                for after_s in (*SENDS, ASK_S):
                    exchange.send(request)
                    answer = await exchange.hear(began + after_s)
                    if answer is not None:
                        return answer
                failed = exchange.failure(ASK_S)
                return Outcome("unknown", f"the reflector could not be asked to call back: {failed.reason}")
        except OSError as error:
            return Outcome("unknown", f"the reflector could not be asked to call back: {of_error(error).reason}")

    def _request(
        self, target: Target, here: str, port: int, branch: str, token: str, authorization: str, cseq: int
    ) -> bytes:
        uri, ours = self._uri(target), sip.host_part(here)
        lines = [
            f"OPTIONS {uri} SIP/2.0",
            f"Via: SIP/2.0/UDP {ours}:{port};branch={branch};rport",
            "Max-Forwards: 70",
            f"From: <sip:{USER}@{ours}>;tag={token[:8]}",
            f"To: <{uri}>",
            f"Call-ID: {token}@{ours}",
            f"CSeq: {cseq} OPTIONS",
            f"Contact: <sip:{USER}@{ours}:{port}>",
            f"{HEADER}: after={self._check.idle_s:g};token={token}",
            f"User-Agent: {sip.USER_AGENT}",
        ]
        if authorization:
            lines.append(f"Authorization: {authorization}")
        lines.append("Content-Length: 0")
        short = PAD - len("\r\n".join(lines)) - 4
        if short > 0:
            lines.insert(-1, f"Dialtone-Pad: {'0' * short}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode()
