"""The SNMP check's shell: one new connected socket a run, requests that are put again, answers read in this task.

The first question goes out at 0, 1/4 and 3/4 of the time allowed, each under an id of its own; each later one is put
again a few times within what is left. Wherever the device answers at all, what was read by the end is judged.
"""

from __future__ import annotations

import asyncio
import secrets as randomness
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from agent.paths.datagrams import Exchange
from agent.paths.outcome import Outcome, of_error
from agent.paths.snmp import profile
from agent.paths.snmp.dialogue import V3, Dialogue, Heard, Peer, V2c
from agent.paths.snmp.judge import Judge
from agent.paths.snmp.rows import poll_of
from agent.paths.snmp.secret import PASSWORD_LEAST, community, credentials
from agent.paths.snmp.usm import Credentials, Keys
from agent.paths.snmp.walk import Poll
from agent.paths.target import Target
from agent.readings import Plain
from agent.site import schema
from agent.site.secrets import SecretRefused

if TYPE_CHECKING:
    from agent.paths.runner import Tools

SENDS = (0.0, 0.25, 0.75)
"""When the first question goes out, as shares of the time allowed."""
TRIES = 3
AGAIN_SHARE, AGAIN_MAX_S = 0.15, 1.0
IDS_KEPT = 8


class SnmpRunner:
    """The ``snmp`` check of one path; it keeps the keys, the engine's clock and the course of what it saw."""

    def __init__(self, path: schema.Path, check: schema.Snmp, tools: Tools) -> None:
        self._path, self._check, self._tools = path, check, tools
        self._profiles: Sequence[profile.Profile] | None = None
        self._judge: Judge | None = None
        self._user: Credentials | None = None
        self._peer: Peer | None = None

    async def run(self, target: Target, timeout_s: float) -> Outcome:
        """One run. Never raises OSError."""
        try:
            judge, poll = self._ready()
            dialogue = await self._dialogue()
        except (SecretRefused, profile.ProfileInvalid, ImportError) as error:
            return Outcome("unknown", f"this box can't test: {error}")
        try:
            with target.socket(socket.SOCK_DGRAM) as sock:
                sock.connect(target.sockaddr(self._check.port))
                talk = _Talk(sock, dialogue, poll, self._tools, timeout_s)
                await talk.run()
        except OSError as error:
            return of_error(error)
        return self._outcome(talk, judge, timeout_s)

    def _ready(self) -> tuple[Judge, Poll]:
        if self._profiles is None:
            self._profiles = [profile.load(name) for name in self._check.profiles]
        if self._judge is None:
            self._judge = Judge(self._profiles, self._check.interfaces)
        return self._judge, poll_of(self._profiles)

    async def _dialogue(self) -> Dialogue:
        """The secrets are read each time: they change while the agent runs. Keys are made when they do."""
        if self._check.version == "2c":
            return V2c(community(self._check, self._tools.secrets))
        user = credentials(self._check, self._tools.secrets)
        for password in (
            user.password if user.authentication else None,
            user.privacy_password if user.privacy else None,
        ):
            if password is not None and len(password) < PASSWORD_LEAST:
                raise SecretRefused(f"an SNMPv3 password has at least {PASSWORD_LEAST} characters (RFC 3414)")
        if self._peer is None or user != self._user:
            peer = Peer(await asyncio.to_thread(Keys, user))
            self._user, self._peer = user, peer
        return V3(self._peer)

    def _outcome(self, talk: _Talk, judge: Judge, timeout_s: float) -> Outcome:
        if talk.answered:
            judged = judge.judge(talk.poll.values, self._tools.clock.now_ns(), whole=talk.poll.whole)
            return Outcome(judged.state, judged.reason, {**judged.detail, **talk.told()}, judged.findings)
        if talk.refused:
            return Outcome("unknown", f"this box can't test: it answers, but {talk.refused}", talk.told())
        if talk.synchronised:
            why = "tells its engine id and answers nothing more: the privacy password or protocol may be wrong"
            return Outcome("unknown", f"this box can't test: it {why}", talk.told())
        failure = talk.exchange.failure(timeout_s)
        reason = failure.reason
        if reason.startswith("no answer"):
            what = "this community or this address of ours" if self._check.version == "2c" else "this address of ours"
            reason = f"no SNMP answer in {timeout_s:.3g} s: it is silent, or it does not take {what}"
        return Outcome(failure.state, reason, {**failure.detail, **talk.told()})


@dataclass(slots=True)
class _Talk:
    """One run on its socket."""

    sock: socket.socket
    dialogue: Dialogue
    poll: Poll
    tools: Tools
    timeout_s: float
    answered: bool = False
    synchronised: int = 0
    refused: str = ""
    rtt_ms: float | None = None
    exchange: Exchange[Heard] = field(init=False)
    _ids: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.exchange = Exchange(self.sock, self._judge)

    def _judge(self, data: bytes, _source: str) -> Heard | None:
        heard = self.dialogue.take(data, self._ids, self.tools.clock.now_ns())
        if heard is not None and heard.pdu is not None and self.rtt_ms is None:
            sent_ns = self._ids.get(heard.pdu.id)
            if sent_ns is not None:
                self.rtt_ms = round((self.tools.clock.now_ns() - sent_ns) / 1e6, 2)
        return heard

    async def run(self) -> None:
        """Until all is read, nothing answers any more, or the time is up."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        end = began + self.timeout_s
        while not self.refused and loop.time() < end:
            self._ids.clear()
            if self.poll.request(0) is None:
                return
            heard = await self._ask(loop.time(), end)
            if heard is None:
                if not self.answered:
                    return
                self.poll.give_up()
            elif heard.step == "refused":
                self.refused = heard.why
            elif heard.step == "synchronised":
                self.synchronised += 1
            elif heard.pdu is not None:
                self.answered = True
                self.poll.take(heard.pdu)
                await asyncio.sleep(0)  # a long table must not hold up the loop

    async def _ask(self, began: float, end: float) -> Heard | None:
        """One question, put again until something comes or it is time to go on."""
        left_s = end - began
        if self.answered:
            again_s = min(AGAIN_MAX_S, AGAIN_SHARE * self.timeout_s)
            times = [min(began + (n + 1) * again_s, end) for n in range(TRIES)]
        else:
            times = [began + share * left_s for share in (*SENDS[1:], 1.0)]
        for number, until in enumerate(times):
            if number == len(times) - 1 and not self.answered:
                self.dialogue.anew()
            self._send()
            heard = await self.exchange.hear(until)
            if heard is not None:
                return heard
        return None

    def _send(self) -> None:
        number = randomness.randbits(31)
        pdu = self.poll.request(number)
        if pdu is None:
            return
        now_ns = self.tools.clock.now_ns()
        if len(self._ids) < IDS_KEPT:
            self._ids[number] = now_ns
        self.exchange.send(self.dialogue.put(pdu, now_ns))

    def told(self) -> dict[str, Plain]:
        """What else there is to tell of the run: drops are never silent."""
        detail: dict[str, Plain] = {"sent": self.exchange.sent}
        if self.rtt_ms is not None:
            detail["rtt_ms"] = self.rtt_ms
        for key, count in (
            ("variables", len(self.poll.values)),
            ("not_there", self.poll.absent),
            ("errors", self.poll.errors),
            ("cut", self.poll.cut),
            ("unread", self.poll.left if self.answered else 0),
        ):
            if count:
                detail[key] = count
        if self.exchange.ignored:
            ignored = ", ".join(f"{why} {count}" for why, count in sorted(self.dialogue.ignored.items()))
            detail["ignored"] = f"{self.exchange.ignored} ({ignored})"[:200]
        return detail
