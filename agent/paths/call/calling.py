"""The test call's shell: places the call, speaks and listens in the loop's time, hangs up, and always ends."""

from __future__ import annotations

import asyncio
import os
import random
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from agent.clock import NS
from agent.paths import sip
from agent.paths.call import sdp, tone
from agent.paths.call.audio import PACKET_NS, Audio
from agent.paths.call.dialog import Dialog
from agent.paths.call.facts import Plan
from agent.paths.call.testcall import Asked, judge
from agent.paths.call.wire import PACKETS_MAX, Connection, Datagrams, Hop, PortTaken, audio_socket, local_address
from agent.paths.outcome import OURS, REFUSED_TCP, REFUSED_UDP, Outcome, of_error
from agent.paths.target import Target
from agent.readings import Plain
from agent.site import schema
from agent.site.secrets import SecretRefused
from agent.site.uris import refused_uri

if TYPE_CHECKING:
    from agent.paths.runner import Tools

APART_S = 5.0
"""The least time between two calls to anything that is no reflector of ours."""
OUR_USER = "dialtone"
"""How the probe names itself to our reflector, whose secret alone it has to know."""
END_S = 2.0
BEHIND_MAX = 5
"""Packets sent at once where this machine was late; the others are left out, as speech would be."""
REFUSED_MIN = 2
"""Repetitions that must have met a closed port too before the call is given up: a service that restarts is back."""
LINGER_S = 0.1
"""The last echo is still under way when the last packet has gone out."""


@dataclass(slots=True)
class _Turn:
    busy: bool = False
    began_ns: int | None = None


# One call of a path at a time, also where it has several checks of this kind.
_TURNS: dict[str, _Turn] = {}


class CallRunner:
    """The ``test-call`` check of one path."""

    def __init__(self, path: schema.Path, check: schema.TestCall, tools: Tools) -> None:
        self._path, self._check, self._tools = path, check, tools
        self._reflector = (check.answers or ("reflector" if path.role == "reflector" else "echo")) == "reflector"
        self._turn = _TURNS.setdefault(path.id, _Turn())

    async def run(self, target: Target, timeout_s: float) -> Outcome:
        """One call, never longer than ``timeout_s``. Raises no OSError."""
        now_ns = self._tools.clock.now_ns()
        if not self._may(now_ns):
            return _unknown("rate-limited: the call before is still up, or was less than 5 s ago")
        uri = self._check.to or f"sip:echo@{sip.host_part(self._path.address)}:{schema.port_of(self._check)}"
        why = refused_uri(uri)
        if why is not None:
            return _unknown(f"a test call may not go there: {why}")
        try:
            user, password = self._credentials()
        except SecretRefused as refused:
            return _unknown(f"this box can't test: {refused}")
        self._turn.busy, self._turn.began_ns = True, now_ns
        try:
            return await self._place(target, timeout_s, uri, user, password)
        except PortTaken as taken:
            return _unknown(f"this box can't test: {taken}")
        except OSError as error:
            return _failed(error, REFUSED_TCP if self._check.transport == "tcp" else REFUSED_UDP)
        finally:
            self._turn.busy = False

    def _may(self, now_ns: int) -> bool:
        if self._turn.busy:
            return False
        began_ns = self._turn.began_ns
        ours = self._path.role == "reflector"
        return ours or began_ns is None or not 0 <= now_ns - began_ns < APART_S * NS

    def _credentials(self) -> tuple[str | None, bytes | None]:
        """Who calls. Raises ``SecretRefused``."""
        check, path = self._check, self._path
        if check.password is not None:
            return check.user or OUR_USER, self._tools.secrets.read(check.password)
        if self._reflector and path.secret is not None:
            return check.user or OUR_USER, self._tools.secrets.read(path.secret)
        return check.user, None

    async def _place(
        self, target: Target, timeout_s: float, uri: str, user: str | None, password: bytes | None
    ) -> Outcome:
        call = Call(target, self._check, self._tools, timeout_s)
        try:
            await call.open()
            call.dial(uri, user, password)
            await call.ring()
            if call.dialog.state == "talking":
                await call.talk()
            await call.hang_up()
            ring_s = min(self._check.ring_s, timeout_s)
            return call.outcome(Asked(self._reflector, ring_s, self._check.covers))
        finally:
            call.close()


class Call:
    """One call over its sockets. ``close`` after whatever has happened: it leaves no half call behind."""

    def __init__(self, target: Target, check: schema.TestCall, tools: Tools, timeout_s: float) -> None:
        self._target, self._check, self._clock = target, check, tools.clock
        self._loop = asyncio.get_running_loop()
        self._port = schema.port_of(check)
        self._began, self._timeout_s = self._loop.time(), timeout_s
        self._end_s = min(END_S, timeout_s / 4)
        self._probe_hz = random.choice(tone.PROBE_HZ)
        self._audio = Audio(self._probe_hz, os.urandom(8))
        self._signals: Datagrams | Connection | None = None
        self._media: Datagrams | None = None
        self._media_to: Hop | None = None
        self._changed = asyncio.Event()
        self._talking = False
        self.dialog: Dialog

    async def open(self) -> None:
        """The sockets. Raises OSError and ``PortTaken``."""
        self._local = local_address(self._target, self._port)
        self._media = audio_socket(self._target, self._local, self._check.media_port, self._took_audio)
        if self._check.transport == "tcp":
            left_s = self._timeout_s - self._end_s
            self._signals = await Connection.open(self._target, self._port, left_s, self._took)
        else:
            self._signals = Datagrams(self._target, self._local, 0, self._took)

    def dial(self, uri: str, user: str | None, password: bytes | None) -> None:
        """Send the INVITE."""
        assert self._signals is not None
        assert self._media is not None
        offer = sdp.offer(self._local, self._media.port, int.from_bytes(os.urandom(4), "big"))
        spent_s = self._loop.time() - self._began
        ring_s = max(self._timeout_s / 4, self._timeout_s - spent_s - self._check.talk_s - 2 * self._end_s)
        plan = Plan(
            to=uri,
            local=self._local,
            port=self._signals.port,
            offer=offer,
            tone_hz=self._probe_hz,
            target=(self._target.host, self._port),
            transport=self._check.transport,
            user=user,
            password=password,
            ring_s=min(self._check.ring_s, ring_s),
            end_s=self._end_s,
        )
        self.dialog = Dialog(plan, os.urandom(32))
        self.dialog.start(self._clock.now_ns())
        self._send()

    async def ring(self) -> None:
        """Until it is answered, refused, or given up for good."""
        while self.dialog.state not in ("talking", "ended") and not self._over() and not self._turned_away():
            await self._wait(None)

    async def talk(self) -> None:
        """Send the tone, packet by packet in its own time, and listen; until the time is over or they hang up."""
        told, media = self.dialog.told, self.dialog.told.media
        if media is None or media.port == 0 or media.pcmu is None:
            return
        began = self._loop.time()
        until = min(began + self._check.talk_s, self._began + self._timeout_s - self._end_s - LINGER_S)
        self._audio.agreed(media.pcmu, told.tone_hz)
        self._media_to = (self._media_host(media.address), media.port)
        self._talking = True
        number = 0
        while self.dialog.state == "talking" and self._loop.time() < until:
            due = began + number * PACKET_NS / NS
            behind = int((self._loop.time() - due) * NS // PACKET_NS)
            if behind > BEHIND_MAX:
                self._audio.skip(behind - 1)
                number += behind - 1
                continue
            if self._loop.time() < due:
                await self._wait(min(due, until))
                continue
            self._speak()
            number += 1
        if self.dialog.state == "talking":
            await self._until(self._loop.time() + LINGER_S)

    async def hang_up(self) -> None:
        """BYE, or CANCEL, and its answer, or the end of waiting."""
        if self._turned_away():
            return
        self.dialog.hang_up(self._clock.now_ns())
        self._send()
        while self.dialog.state != "ended" and not self._over():
            await self._wait(None)

    def outcome(self, asked: Asked) -> Outcome:
        """How it went; trouble of our own sockets is told as such."""
        signals, media, told = self._signals, self._media, self.dialog.told
        assert signals is not None
        assert media is not None
        if told.code is None and signals.problem is not None:
            return _failed(signals.problem, REFUSED_TCP if self._check.transport == "tcp" else REFUSED_UDP)
        if isinstance(signals, Connection) and signals.ended and not told.final:
            return Outcome("down", "the far end closed the connection", {"out": "d", "in": "d"})
        if self._talking and not self._audio.sent and media.problem is not None:
            return _failed(media.problem, REFUSED_UDP)
        found = judge(told, self._audio, asked)
        more: dict[str, Plain] = {"media_refused": media.refused} if media.refused else {}
        deaf = max(signals.read, media.read)
        if deaf >= PACKETS_MAX:
            more["deaf_after"] = deaf
        return replace(found, detail={**found.detail, **more})

    def close(self) -> None:
        """Hang up what still stands, without waiting, and close."""
        if hasattr(self, "dialog") and self.dialog.state != "ended":
            self.dialog.abandon(self._clock.now_ns())
            self._send()
        for sock in (self._signals, self._media):
            if sock is not None:
                sock.close()

    # ---- in between

    def _media_host(self, address: str) -> str:
        """Where the audio goes: by the answer; where that names a name, the target itself."""
        v6 = ":" in address
        numbers = v6 or address.replace(".", "").isdigit()
        return address if numbers and v6 == self._target.v6 else self._target.host

    def _speak(self) -> None:
        assert self._media is not None
        assert self._media_to is not None
        if self._media.send(self._audio.packet(), self._media_to):
            self._audio.sent += 1

    def _took_audio(self, data: bytes, source: Hop) -> None:
        if not self._talking:
            return
        if self._media_to is None or source[0] != self._media_to[0]:
            self._audio.strangers += 1
            return
        self._audio.came(data, self._clock.now_ns())

    def _took(self, data: bytes, source: Hop) -> None:
        known = source[0] == self._target.host or source[0] in self._hops()
        if not known:
            self.dialog.told.ignored += 1
            return
        self.dialog.received(data, self._clock.now_ns(), source)
        self._send()
        self._changed.set()

    def _hops(self) -> frozenset[str]:
        return frozenset(hop[0] for hop in self.dialog.hops)

    def _send(self) -> None:
        if self._signals is None:
            return
        for outgoing in self.dialog.outgoing():
            self._signals.send(outgoing.data, outgoing.hop or (self._target.host, self._port))

    def _turned_away(self) -> bool:
        """No SIP there: every INVITE so far, and two at least, came back as an ICMP error."""
        refused = isinstance(self._signals, Datagrams) and self._signals.refused > 0
        return refused and self.dialog.told.code is None and self.dialog.repeated >= REFUSED_MIN

    def _over(self) -> bool:
        ended = isinstance(self._signals, Connection) and self._signals.ended
        return ended or self._loop.time() >= self._began + self._timeout_s

    async def _wait(self, until: float | None) -> None:
        """Until something has come, a repetition is due, or the loop's time ``until``."""
        now_ns = self._clock.now_ns()
        due_ns = self.dialog.due_ns()
        at = self._began + self._timeout_s if until is None else until
        if due_ns is not None:
            at = min(at, self._loop.time() + max(0, due_ns - now_ns) / NS)
        try:
            async with asyncio.timeout_at(at):
                await self._changed.wait()
        except TimeoutError:
            pass
        self._changed.clear()
        self.dialog.tick(self._clock.now_ns())
        self._send()

    async def _until(self, until: float) -> None:
        while self._loop.time() < until and self.dialog.state == "talking":
            await self._wait(until)


def _unknown(reason: str) -> Outcome:
    return Outcome("unknown", reason, {"out": "-", "in": "-"})


def _failed(error: OSError, refused: str) -> Outcome:
    """An error of a socket, with its directions: of ours nothing was learned."""
    if isinstance(error, TimeoutError) and error.errno is None:
        return Outcome("down", "no answer: the connection was not opened in time", {"out": "d", "in": "d"})
    found = of_error(error, refused)
    both = "-" if error.errno in OURS or found.state == "unknown" else "d"
    return Outcome(found.state, found.reason, {"out": both, "in": both})
