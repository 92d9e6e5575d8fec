"""The reflector's core: datagrams in, datagrams out. Pure: time, addresses and randomness are arguments.

What it will not do is its point: before a digest has passed, no answer is longer than what it answers; every answer and
all audio go to the address that asked, which the nonce has proved, and nowhere that a message names; a call back goes
to the file's address.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from agent.paths import sip
from agent.paths.call import heard as words
from agent.paths.call import messages, sdp, tone
from agent.paths.knocks import HEADER as KNOCK
from agent.reflector.calls import KEPT_NS, Call, Send, Source
from agent.reflector.guard import Guard
from agent.reflector.media import Voice
from agent.reflector.reply import ALLOW, LONGEST, reply
from agent.reflector.settings import Probe, Settings, endpoint
from agent.reflector.states import TABLE, Action, Event

NS = 1_000_000_000
KEPT_MAX = 128
RANDOM_BYTES = 32
NAMES_MAX = 256
_ASKED = re.compile(r"after=([0-9]{1,4}(?:\.[0-9]{1,3})?);token=([0-9a-f]{32})\Z")
Field = tuple[str, str]


@dataclass(frozen=True, slots=True)
class CallBack:
    """Call a probe, from a new socket at ``here``, at its configured address; ``secret`` makes the proof."""

    probe: str
    host: str
    port: int
    token: str
    secret: bytes
    here: str


@dataclass(frozen=True, slots=True)
class _Request:
    """A request, and all that an answer to it needs."""

    data: bytes
    message: sip.Message
    method: str
    source: Source
    local: tuple[str, int]
    now_ns: int
    random: bytes


class Reflector:
    """One reflector. ``datagram`` and ``audio`` take what came, ``tick`` what time brings, ``due_ns`` says when."""

    def __init__(self, settings: Settings, secrets: Mapping[str, bytes], key: bytes) -> None:
        self._settings = settings
        self._guard = Guard(settings.probe, secrets, key, settings.each_per_s, settings.strangers_per_s)
        self._calls: OrderedDict[tuple[str, str, str], Call] = OrderedDict()
        self._knocks: dict[str, tuple[int, CallBack]] = {}
        self._kept: OrderedDict[tuple[str, bytes], tuple[int, bytes]] = OrderedDict()
        self._slot = -1
        self.counts: Counter[str] = Counter()
        self._methods: dict[str, Callable[[_Request], list[Send]]] = {
            "OPTIONS": self._options,
            "INVITE": self._invite,
            "ACK": lambda _asked: [],
            "BYE": lambda asked: self._short(asked, 481, "No Such Call"),
            "CANCEL": lambda asked: self._short(asked, 481, "No Such Call"),
        }
        self._actions: dict[Action, Callable[[Call, _Request], list[Send]]] = {
            "none": lambda _call, _asked: [],
            "answer-again": lambda call, asked: [asked.source.send(call.answer)],
            "tell": self._tell,
            "ok": lambda _call, asked: self._short(asked, 200, "OK"),
            "loop": lambda _call, asked: self._short(asked, 482, "Loop Detected"),
            "refuse": lambda _call, asked: self._short(asked, 488, "Not Acceptable Here"),
            "gone": lambda _call, asked: self._short(asked, 481, "No Such Call"),
            "method": lambda _call, asked: self._short(asked, 405, "Method Not Allowed", ("Allow", ALLOW)),
        }

    # -- what comes ----------------------------------------------------------------------------------------------

    def datagram(self, data: bytes, source: Source, local: tuple[str, int], now_ns: int, random: bytes) -> list[Send]:
        """One datagram at a SIP port. ``local``: our address and port as its sender sees them; ``random``: 32 fresh
        bytes. Raises ValueError for fewer."""
        if len(random) < RANDOM_BYTES:
            raise ValueError(f"{RANDOM_BYTES} random bytes are needed")
        if not self._guard.rate(source.host, now_ns):
            return self._drop("too fast")
        if len(data) > LONGEST:
            return self._drop("too long")
        message = sip.parse(data)
        method = None if message is None else messages.method_of(message)
        if message is None or method is None:
            return self._response(message, source, now_ns)
        asked = _Request(data, message, method, source, local, now_ns, random)
        cseq = messages.cseq_of(message)
        if cseq is None or cseq[1] != method or len(message.first("call-id")) > NAMES_MAX:
            return self._drop("malformed") if method == "ACK" else self._short(asked, 400, "Bad Request")
        kept = self._kept.get(self._print_of(asked))
        if kept is not None and now_ns < kept[0]:
            return [source.send(kept[1])]
        call = self._calls.get(self._id_of(asked))
        if call is not None and method != "OPTIONS":
            event = self._event(call, asked)
            return self._happen(call, event, asked) if event is not None else self._short(asked, 481, "No Such Call")
        take = self._methods.get(method)
        return take(asked) if take else self._short(asked, 405, "Method Not Allowed", ("Allow", ALLOW))

    def audio(self, slot: int, data: bytes, host: str, port: int, now_ns: int) -> None:
        """A datagram at a call's audio port."""
        for call in self._calls.values():
            if call.slot == slot and call.live and call.voice is not None:
                call.voice.packet(data, host, port, now_ns)
                return
        self.counts["stray audio"] += 1

    def _response(self, message: sip.Message | None, source: Source, now_ns: int) -> list[Send]:
        """What is no request: the answer to a BYE of ours, or nothing that we know."""
        if message is not None:
            for call in self._calls.values():
                if call.state == "leaving" and call.source.host == source.host and call.answers_bye(message):
                    self._end(call, "bye-answered", now_ns)
                    return []
        return self._drop("no request")

    # -- answers to those who have proved nothing ----------------------------------------------------------------

    def _drop(self, why: str) -> list[Send]:
        self.counts[why] += 1
        return []

    def _short(self, asked: _Request, code: int, reason: str, *must: Field, may: tuple[Field, ...] = ()) -> list[Send]:
        """An answer no longer than what was asked, or none."""
        data = self._write(asked, code, reason, must, may, len(asked.data))
        if data is None:
            return self._drop("left unanswered: asked in too few bytes")
        self.counts[f"answered {code}"] += 1
        return [asked.source.send(data)]

    def _write(
        self,
        asked: _Request,
        code: int,
        reason: str,
        must: tuple[Field, ...] = (),
        may: tuple[Field, ...] = (),
        longest: int = LONGEST,
    ) -> bytes | None:
        message, source = asked.message, asked.source
        tag = self._guard.tag(source.host, message.first("call-id"), message.first("from"), message.first("cseq"))
        return reply(message, code, reason, (source.host, source.port), tag, must=must, may=may, longest=longest)

    def _options(self, asked: _Request) -> list[Send]:
        if KNOCK.lower() in asked.message.headers:
            return self._knock(asked)
        if "require" in asked.message.headers:
            return self._unsupported(asked)
        may = (("Allow", ALLOW), ("Accept", "application/sdp"))
        return self._short(asked, 200, "OK", may=may)

    def _unsupported(self, asked: _Request) -> list[Send]:
        """We have no extension that anybody could require (section 8.2.2.3)."""
        wanted = ", ".join(asked.message.headers["require"])[:NAMES_MAX]
        return self._short(asked, 420, "Bad Extension", ("Unsupported", wanted))

    def _admitted(self, asked: _Request) -> Probe | list[Send]:
        """The probe that this is of, or what to send instead."""
        host, now_ns = asked.source.host, asked.now_ns
        if not self._guard.known(host):
            return self._drop("strangers")
        found = self._guard.admit(asked.message.first("authorization"), asked.method, host, now_ns)
        if isinstance(found, Probe):
            return found
        self.counts[f"challenged: {found}"] += 1
        challenge = self._guard.challenge(host, now_ns, stale=found == "stale")
        return self._short(asked, 401, "Unauthorized", ("WWW-Authenticate", challenge))

    # -- calls ---------------------------------------------------------------------------------------------------

    def _invite(self, asked: _Request) -> list[Send]:
        if messages.tag_of(asked.message.first("to")):
            return self._short(asked, 481, "No Such Call")
        probe = self._admitted(asked)
        if not isinstance(probe, Probe):
            return probe
        if "require" in asked.message.headers:
            return self._keep(asked, self._unsupported(asked))
        body = messages.body_of(asked.message, "application/sdp")
        offer = None if body is None else sdp.parse(body)
        if offer is None or offer.pcmu is None or offer.port == 0:
            return self._keep(asked, self._short(asked, 488, "Not Acceptable Here"))
        out = self._replaced(probe, asked)
        slot = self._free_slot()
        if slot is None:
            return out + self._keep(asked, self._short(asked, 486, "Busy Here"))
        return out + self._answer(asked, probe, offer, slot)

    def _answer(self, asked: _Request, probe: Probe, offer: sdp.Session, slot: int) -> list[Send]:
        (here, port), random, host = asked.local, asked.random, asked.source.host
        probe_hz = words.tone_of(asked.message.first(words.TONE.lower()))
        choice = [hz for hz in tone.REFLECTOR_HZ if hz != probe_hz]
        own_hz = choice[random[0] % len(choice)]
        body = sdp.answer(offer, here, self._settings.media_port(slot), int.from_bytes(random[1:5], "big"))
        where = f"{sip.host_part(here)}:{port}"
        must = [("Contact", f"<sip:dialtone@{where}>"), (words.TONE, str(own_hz)), ("Content-Type", "application/sdp")]
        must += [("Record-Route", route) for route in asked.message.headers.get("record-route", ())]
        tag = random[5:13].hex()
        to = (host, asked.source.port)
        may = (("Allow", ALLOW), ("User-Agent", sip.USER_AGENT))
        data = reply(asked.message, 200, "OK", to, tag, must=tuple(must), may=may, body=body or b"")
        if body is None or data is None:
            return self._keep(asked, self._short(asked, 488, "Not Acceptable Here"))
        max_s, now_ns = self._settings.call_max_s, asked.now_ns
        voice = Voice(
            host, (offer.address, offer.port), own_hz, probe_hz, random[13:21], now_ns, max_s,
            pcmu=offer.pcmu or 0, listens=offer.listens,
        )  # fmt: skip
        ends_ns = now_ns + int(max_s * NS)
        self._calls[self._id_of(asked)] = Call(
            probe.id, asked.source, asked.message, self._print_of(asked)[1], data, tag, voice, slot, now_ns, ends_ns,
            where,
        )  # fmt: skip
        self.counts["calls"] += 1
        self._bound()
        return [asked.source.send(data)]

    def _event(self, call: Call, asked: _Request) -> Event | None:
        """What a request is to a call with its Call-ID and From tag; None where it is of another dialog."""
        ours = messages.tag_of(asked.message.first("to"))
        same_way = messages.branch_of(asked.message) == messages.branch_of(call.invite)
        if asked.method == "CANCEL":
            return "cancel" if same_way else None
        if asked.method == "INVITE" and not ours:
            return "again" if self._print_of(asked)[1] == call.asked else "merged"
        if ours != call.tag:
            return None
        events: dict[str, Event] = {"INVITE": "re-invite", "ACK": "ack", "BYE": "bye"}
        return events.get(asked.method, "other")

    def _happen(self, call: Call, event: Event, asked: _Request) -> list[Send]:
        """A request inside a call."""
        before = call.state
        call.state, action = TABLE[before][event]
        out = self._actions[action](call, asked)
        if event == "ack" and before == "answered":
            call.until_ns = call.ends_ns
        if call.state == "ended" != before:
            self._over(call, asked.now_ns)
        return out

    def _tell(self, call: Call, asked: _Request) -> list[Send]:
        """What was heard, the same each time it is asked."""
        if call.voice is not None and not call.told:
            call.told = words.text_of(call.voice.heard())
        must = ((words.HEARD, call.told),) if call.told else ()
        data = self._write(asked, 200, "OK", must)
        return [asked.source.send(data)] if data is not None else []

    def _replaced(self, probe: Probe, asked: _Request) -> list[Send]:
        """One call a probe: a new one ends the old, whose box may have started anew."""
        out: list[Send] = []
        for call in self._calls.values():
            if call.probe == probe.id and call.live:
                self.counts["calls replaced"] += 1
                out += self._end(call, "replaced", asked.now_ns, asked.random[21:].hex())
        return out

    def _end(self, call: Call, event: Event, now_ns: int, word: str = "") -> list[Send]:
        """What time, or a new call, does to a call."""
        if call.voice is not None and not call.told:
            call.told = words.text_of(call.voice.heard())
        before = call.state
        call.state, action = TABLE[before][event]
        if action == "hang-up":
            # A branch that repeats is harmless: each call sends one BYE, and its Call-ID goes into the word.
            word = word or self._guard.tag("bye", call.tag, str(now_ns))
            return [call.source.send(call.hang_up(now_ns, word))]
        if call.state == "ended" != before:
            self._over(call, now_ns)
        return []

    def _over(self, call: Call, now_ns: int) -> None:
        if call.voice is not None:
            for what in ("strangers", "garbage", "over"):
                if count := getattr(call.voice, what):
                    self.counts[f"audio {what}"] += count
        call.over(now_ns)

    # -- knocks --------------------------------------------------------------------------------------------------

    def _knock(self, asked: _Request) -> list[Send]:
        """A probe asks to be called back after a while; at its configured address, whatever it says."""
        probe = self._admitted(asked)
        if not isinstance(probe, Probe):
            return probe
        given = _ASKED.match(asked.message.first(KNOCK.lower()))
        if given is None or not probe.idle_min_s <= float(given[1]) <= probe.idle_max_s:
            return self._keep(asked, self._short(asked, 400, "Bad Request"))
        if probe.knock is None:
            return self._keep(asked, self._short(asked, 403, "No Address To Call"))
        host, port = endpoint(probe.knock)
        back = CallBack(probe.id, host, port, given[2], self._guard.secret(probe), asked.local[0])
        if probe.id in self._knocks:
            self.counts["knocks replaced"] += 1
        self._knocks[probe.id] = (asked.now_ns + int(float(given[1]) * NS), back)
        self.counts["knocks"] += 1
        return self._keep(asked, self._short(asked, 200, "OK", (KNOCK, f"in={given[1]}")))

    # -- time ----------------------------------------------------------------------------------------------------

    def tick(self, now_ns: int) -> list[Send | CallBack]:
        """What is due by now: audio, what is sent again, calls back. Calls past their time end."""
        out: list[Send | CallBack] = []
        for name, call in list(self._calls.items()):
            if now_ns < call.due_ns():
                continue
            if now_ns >= call.until_ns:
                if call.state == "ended":
                    del self._calls[name]
                else:
                    out += self._late(call, now_ns)
                continue
            out += self._again(call, now_ns)
            if call.live and call.voice is not None and call.voice.to is not None:
                packet = call.voice.send(now_ns)
                if packet is not None:
                    out.append(Send(packet, *call.voice.to, call.source.listener, call.slot))
        for probe, (due_ns, back) in list(self._knocks.items()):
            if now_ns >= due_ns:
                del self._knocks[probe]
                out.append(back)
        return out

    def _late(self, call: Call, now_ns: int) -> list[Send]:
        event: Event = "no-ack" if call.state == "answered" and now_ns < call.ends_ns else "longest"
        self.counts["calls without ACK" if event == "no-ack" else "calls cut at their longest"] += call.live
        return self._end(call, event, now_ns)

    def _again(self, call: Call, now_ns: int) -> list[Send]:
        if call.state not in ("answered", "leaving") or now_ns < call.repeat_ns:
            return []
        call.repeated(now_ns)
        return [call.source.send(call.answer if call.state == "answered" else call.bye)]

    def due_ns(self) -> int | None:
        """When ``tick`` next has something."""
        times = [due_ns for due_ns, _ in self._knocks.values()]
        times += [call.due_ns() for call in self._calls.values()]
        return min(times, default=None)

    def leave(self, now_ns: int) -> list[Send]:
        """The process ends: every call is hung up, once."""
        return [send for call in self._calls.values() if call.live for send in self._end(call, "replaced", now_ns)]

    def status(self) -> dict[str, int]:
        """Counts of all that came, and what is under way."""
        live = sum(call.live for call in self._calls.values())
        return {**self.counts, "calls under way": live, "knocks waiting": len(self._knocks)}

    # -- small things --------------------------------------------------------------------------------------------

    def _id_of(self, asked: _Request) -> tuple[str, str, str]:
        message = asked.message
        return asked.source.host, message.first("call-id")[:NAMES_MAX], messages.tag_of(message.first("from"))

    def _print_of(self, asked: _Request) -> tuple[str, bytes]:
        """What tells a request that is sent again: the same bytes of the same source (section 17.1.1.2)."""
        return asked.source.host, hashlib.sha256(asked.data).digest()

    def _free_slot(self) -> int | None:
        """The next free one after the last: audio that is still under way must not fall into a new call."""
        taken = {call.slot for call in self._calls.values() if call.live}
        count = self._settings.calls_max
        slots = ((self._slot + 1 + step) % count for step in range(count))
        free = next((slot for slot in slots if slot not in taken), None)
        self._slot = self._slot if free is None else free
        return free

    def _bound(self) -> None:
        while len(self._calls) > 2 * self._settings.calls_max + 64:
            gone = next((name for name, call in self._calls.items() if not call.live), None)
            if gone is None:
                break
            del self._calls[gone]

    def _keep(self, asked: _Request, sends: list[Send]) -> list[Send]:
        """Its digest is used up: where it is sent again the answer is this one and no challenge (section 17.2.2)."""
        if sends:
            self._kept[self._print_of(asked)] = (asked.now_ns + KEPT_NS, sends[-1].data)
            self._kept.move_to_end(self._print_of(asked))
        while len(self._kept) > KEPT_MAX:
            self._kept.popitem(last=False)
        return sends
