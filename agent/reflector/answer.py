"""The reflector's core: datagrams in, datagrams out. Pure: time, addresses and randomness are arguments.

What it will not do is its point: before a digest has passed, no answer is longer than what it answers; audio goes to
the address that has proved itself by the nonce, and nowhere that a message names; a call back goes to the file's
address.
"""

from __future__ import annotations

import re
from collections import Counter, OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from agent.paths import sip
from agent.paths.call import heard as words
from agent.paths.call import messages, sdp, tone
from agent.reflector.guard import Guard
from agent.reflector.media import Voice
from agent.reflector.settings import Probe, Settings, endpoint

NS = 1_000_000_000
KNOCK = "Dialtone-Knock"
ANSWERS_MAX = 512
ANSWER_KEPT_NS = 32 * NS
RESEND_NS = (500_000_000, 1_500_000_000, 3_500_000_000, 7_500_000_000)
_ASKED = re.compile(r"after=([0-9]{1,4}(?:\.[0-9]{1,3})?);token=([0-9a-f]{32})\Z")
State = Literal["answered", "up", "ended"]
# What a request inside a call does to it (RFC 3261 sections 13.3, 15); a call that is not there is answered 481.
NEXT: Mapping[State, Mapping[str, State]] = {
    "answered": {"ACK": "up", "BYE": "ended", "CANCEL": "answered", "INVITE": "answered"},
    "up": {"ACK": "up", "BYE": "ended", "CANCEL": "up", "INVITE": "up"},
    "ended": {"ACK": "ended", "BYE": "ended", "CANCEL": "ended", "INVITE": "ended"},
}


@dataclass(frozen=True, slots=True)
class Send:
    """A datagram from the socket that the request came to; ``slot``: from that call's audio socket instead."""

    data: bytes
    host: str
    port: int
    slot: int | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """Call a probe back, from a new socket, at its configured address; ``proof`` is in its answer."""

    probe: str
    host: str
    port: int
    token: str
    secret: bytes


@dataclass(slots=True)
class _Dialog:
    probe: Probe
    voice: Voice
    slot: int
    answer: Send
    state: State
    began_ns: int
    resent: int = 0
    ended_ns: int = 0


@dataclass(slots=True)
class _Waiting:
    call: Call
    due_ns: int


class Reflector:
    """One reflector. ``datagram`` and ``audio`` take what came, ``tick`` what time brings, ``due_ns`` when."""

    def __init__(self, settings: Settings, secrets: Mapping[str, bytes], key: bytes) -> None:
        self._settings = settings
        self._guard = Guard(settings.probe, secrets, key)
        self._calls: dict[str, _Dialog] = {}
        self._knocks: dict[str, _Waiting] = {}
        self._answers: OrderedDict[tuple[str, str, str], tuple[int, bytes]] = OrderedDict()
        self.counts: Counter[str] = Counter()

    # -- SIP -----------------------------------------------------------------------------------------------------

    def datagram(self, data: bytes, host: str, port: int, local: str, now_ns: int, random: bytes) -> list[Send]:
        """One datagram at a SIP port. ``local``: our address there; ``random``: 16 fresh bytes."""
        message = sip.parse(data)
        method = None if message is None else messages.method_of(message)
        if message is None or method is None:
            self.counts["no request"] += 1
            return []
        if not self._guard.rate(host, now_ns):
            self.counts["too fast"] += 1
            return []
        kept = self._kept(message, method, host, now_ns)
        if kept is not None:
            return [Send(kept, host, port)]
        if method == "OPTIONS" and KNOCK.lower() not in message.headers:
            self.counts["options"] += 1
            return self._small(message, data, 200, "OK", host, port)
        if method == "OPTIONS":
            return self._knock(message, data, host, port, now_ns, random)
        dialog = self._calls.get(self._id(message, host))
        if dialog is not None:
            return self._within(dialog, message, method, data, host, port, now_ns)
        if method == "INVITE":
            return self._invite(message, data, host, port, local, now_ns, random)
        if method == "ACK":
            return []
        code, reason = (481, "No Such Call") if method in ("BYE", "CANCEL") else (405, "Not Allowed")
        self.counts[f"refused {code}"] += 1
        return self._small(message, data, code, reason, host, port)

    def _small(
        self, message: sip.Message, asked: bytes, code: int, reason: str, host: str, port: int, *more: str
    ) -> list[Send]:
        """An answer to somebody who has proved nothing: no longer than what was asked, or none."""
        data = reply(message, code, reason, more)
        if len(data) > len(asked):
            self.counts["unanswered: too short to be answered"] += 1
            return []
        return [Send(data, host, port)]

    def _admitted(
        self, message: sip.Message, method: str, data: bytes, host: str, port: int, now_ns: int
    ) -> Probe | list[Send]:
        """The probe that this is of, or what to send instead."""
        if not self._guard.known(host):
            self.counts["stranger"] += 1
            return []
        header = message.first("authorization")
        found = self._guard.admit(header, method, host, now_ns) if header else "asked"
        if isinstance(found, Probe):
            return found
        self.counts[f"challenged: {found}"] += 1
        challenge = self._guard.challenge(host, now_ns, stale=found == "stale")
        return self._small(message, data, 401, "Unauthorized", host, port, f"WWW-Authenticate: {challenge}")

    def _invite(
        self, message: sip.Message, data: bytes, host: str, port: int, local: str, now_ns: int, random: bytes
    ) -> list[Send]:
        probe = self._admitted(message, "INVITE", data, host, port, now_ns)
        if not isinstance(probe, Probe):
            return probe
        body = messages.body_of(message, "application/sdp")
        offer = None if body is None else sdp.parse(body)
        self._end_others(probe, now_ns)
        slot = self._free_slot()
        if offer is None or slot is None:
            code, reason = (488, "Not Acceptable Here") if offer is None else (486, "Busy Here")
            self.counts[f"refused {code}"] += 1
            return [Send(reply(message, code, reason), host, port)]
        media_port = self._settings.media_ports[0] + slot
        answer = sdp.answer(offer, local, media_port, int.from_bytes(random[:4]))
        if answer is None:
            self.counts["refused 488"] += 1
            return [Send(reply(message, 488, "Not Acceptable Here"), host, port)]
        hz = tone.REFLECTOR_HZ[random[4] % len(tone.REFLECTOR_HZ)]
        probe_hz = words.tone_of(message.first(words.TONE.lower()))
        # The SDP's port and never its address: only the source of this message has proved that it is there.
        voice = Voice(host, offer.port, hz, probe_hz, int.from_bytes(random[5:9]), now_ns, self._settings.call_max_s)
        contact = f"Contact: <sip:dialtone@{sip.host_part(local)}>"
        more = (contact, f"{words.TONE}: {hz}", "Content-Type: application/sdp")
        sent = Send(reply(message, 200, "OK", more, answer, tag=random[9:16].hex()), host, port)
        self._calls[self._id(message, host)] = _Dialog(probe, voice, slot, sent, "answered", now_ns)
        self.counts["calls"] += 1
        return [sent]

    def _within(
        self, dialog: _Dialog, message: sip.Message, method: str, data: bytes, host: str, port: int, now_ns: int
    ) -> list[Send]:
        """A request in a call; the call was opened from this very address."""
        after = NEXT[dialog.state].get(method)
        if after is None:
            return self._small(message, data, 405, "Not Allowed", host, port)
        before, dialog.state = dialog.state, after
        if after == "ended" and before != "ended":
            dialog.ended_ns = now_ns
        if method == "ACK":
            return []
        if method == "BYE":
            told = reply(message, 200, "OK", (f"{words.HEARD}: {words.text_of(dialog.voice.heard())}",))
            return [Send(told, host, port)]
        if method == "CANCEL":
            return [Send(reply(message, 200, "OK"), host, port)]
        if message.first("cseq") == self._cseq(dialog):  # the same INVITE again: its 200 was lost
            return [dialog.answer]
        return self._small(message, data, 488, "Not Acceptable Here", host, port)

    def _cseq(self, dialog: _Dialog) -> str:
        answered = sip.parse(dialog.answer.data)
        return "" if answered is None else answered.first("cseq")

    # -- knocks --------------------------------------------------------------------------------------------------

    def _knock(self, message: sip.Message, data: bytes, host: str, port: int, now_ns: int, random: bytes) -> list[Send]:
        probe = self._admitted(message, "OPTIONS", data, host, port, now_ns)
        if not isinstance(probe, Probe):
            return probe
        asked = _ASKED.match(message.first(KNOCK.lower()))
        if asked is None or float(asked[1]) > self._settings.knock_idle_max_s:
            self.counts["refused 400"] += 1
            return [Send(reply(message, 400, "Bad Request"), host, port)]
        if probe.knock is None:
            self.counts["refused 403"] += 1
            return [Send(reply(message, 403, "No Address To Call"), host, port)]
        where, its_port = endpoint(probe.knock)
        call = Call(probe.id, where, its_port, asked[2], self._guard.secret(probe))
        self._knocks[probe.id] = _Waiting(call, now_ns + int(float(asked[1]) * NS))
        self.counts["knocks"] += 1
        answer = reply(message, 200, "OK", (f"{KNOCK}: in={asked[1]}",), tag=random[:7].hex())
        self._keep(message, "OPTIONS", host, answer, now_ns)
        return [Send(answer, host, port)]

    # -- time and audio ------------------------------------------------------------------------------------------

    def audio(self, slot: int, data: bytes, host: str, port: int, now_ns: int) -> None:
        """A datagram at a call's audio port."""
        for dialog in self._calls.values():
            if dialog.slot == slot and dialog.state != "ended":
                dialog.voice.packet(data, host, port, now_ns)
                return
        self.counts["stray audio"] += 1

    def tick(self, now_ns: int) -> list[Send | Call]:
        """What is due by now: audio, answers sent again, calls back. Calls past their time end."""
        out: list[Send | Call] = []
        for name, dialog in list(self._calls.items()):
            out += self._tick_call(name, dialog, now_ns)
        for probe, waiting in list(self._knocks.items()):
            if now_ns >= waiting.due_ns:
                del self._knocks[probe]
                out.append(waiting.call)
        return out

    def _tick_call(self, name: str, dialog: _Dialog, now_ns: int) -> list[Send | Call]:
        out: list[Send | Call] = []
        if dialog.state == "ended":
            if now_ns >= dialog.ended_ns + ANSWER_KEPT_NS:
                del self._calls[name]
            return out
        if now_ns - dialog.began_ns >= int(self._settings.call_max_s * NS):
            self.counts["calls cut at their longest"] += 1
            dialog.state, dialog.ended_ns = "ended", now_ns
            return out
        unacknowledged = dialog.state == "answered" and dialog.resent < len(RESEND_NS)
        if unacknowledged and now_ns >= dialog.began_ns + RESEND_NS[dialog.resent]:
            dialog.resent += 1
            out.append(dialog.answer)
        voice = dialog.voice
        packet = voice.send(now_ns)
        if packet is not None:
            out.append(Send(packet, voice.host, voice.port, dialog.slot))
        return out

    def due_ns(self) -> int | None:
        """When ``tick`` next has something."""
        times = [waiting.due_ns for waiting in self._knocks.values()]
        for dialog in self._calls.values():
            if dialog.state == "ended":
                times.append(dialog.ended_ns + ANSWER_KEPT_NS)
            else:
                longest = dialog.began_ns + int(self._settings.call_max_s * NS)
                times.append(longest if dialog.voice.over else min(longest, dialog.voice.next_ns))
        return min(times, default=None)

    def status(self) -> dict[str, int]:
        """Counts of all that came, and what is under way."""
        live = sum(dialog.state != "ended" for dialog in self._calls.values())
        return {**self.counts, "calls under way": live, "knocks waiting": len(self._knocks)}

    # -- small things --------------------------------------------------------------------------------------------

    def _id(self, message: sip.Message, host: str) -> str:
        return f"{host} {message.first('call-id')}"[:512]

    def _free_slot(self) -> int | None:
        taken = {dialog.slot for dialog in self._calls.values() if dialog.state != "ended"}
        return next((slot for slot in range(self._settings.calls_max) if slot not in taken), None)

    def _end_others(self, probe: Probe, now_ns: int) -> None:
        """One call a probe: a new one ends the old, whose box may have been restarted. Kept ones are bounded too."""
        for dialog in self._calls.values():
            if dialog.probe.id == probe.id and dialog.state != "ended":
                dialog.state, dialog.ended_ns = "ended", now_ns
        while len(self._calls) > 4 * self._settings.calls_max + 64:
            gone = next((name for name, one in self._calls.items() if one.state == "ended"), None)
            if gone is None:
                break
            del self._calls[gone]

    def _keep(self, message: sip.Message, method: str, host: str, answer: bytes, now_ns: int) -> None:
        branch = messages.branch_of(message)
        if branch is not None:
            self._answers[host, branch, method] = (now_ns + ANSWER_KEPT_NS, answer)
        while len(self._answers) > ANSWERS_MAX:
            self._answers.popitem(last=False)

    def _kept(self, message: sip.Message, method: str, host: str, now_ns: int) -> bytes | None:
        """The answer to a request that was sent again (section 17.2.2)."""
        branch = messages.branch_of(message)
        until_ns, answer = self._answers.get((host, branch or "", method), (0, b""))
        return answer if answer and now_ns < until_ns else None


def reply(
    message: sip.Message, code: int, reason: str, more: tuple[str, ...] = (), body: bytes = b"", tag: str = "r"
) -> bytes:
    """A response (RFC 3261 section 8.2.6) of as few bytes as it can have."""
    to = message.first("to")
    if not messages.tag_of(to):
        to += f";tag={tag}"
    lines = [
        f"SIP/2.0 {code} {reason}",
        *(f"v: {via}" for via in message.headers["via"]),
        f"f: {message.first('from')}",
        f"t: {to}",
        f"i: {message.first('call-id')}",
        f"CSeq: {message.first('cseq')}",
        *(f"Record-Route: {route}" for route in message.headers.get("record-route", ())),
        *more,
        f"l: {len(body)}",
    ]
    head = "\r\n".join(re.sub(r"[\r\n\x00]", " ", line) for line in lines)
    return head.encode("utf-8", "replace") + b"\r\n\r\n" + body
