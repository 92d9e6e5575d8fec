"""One outgoing call's signalling, pure: bytes in, bytes out, time as an argument (RFC 3261 sections 9, 12 to 15, 22).

It never follows a redirection, offers no reliable provisional responses, and takes no call. ``to`` must have passed
``agent.site.uris.refused_uri``: it is asked here once more, so that no call to an emergency number can be built.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote

from agent.paths import sip
from agent.paths.call import authorising, heard, messages, sdp
from agent.paths.call.authorising import Authorising
from agent.paths.call.facts import Plan, Told
from agent.paths.call.messages import Way
from agent.paths.call.repeats import NS, Outgoing, Repeats
from agent.paths.call.states import TABLE, Action, Event, State
from agent.site.uris import refused_uri

LEGS_MAX = 4
"""Answers of a forked call that are acknowledged and hung up; more are passed over."""
REQUESTS_MAX = 32
"""Requests of the far end that are answered in one call."""


@dataclass(frozen=True, slots=True)
class _Leg:
    """One answer to the INVITE: its ACK, and how to hang it up."""

    tag: str
    to: str
    way: Way
    ack: Outgoing


class Dialog:
    """``random``: at least 16 fresh bytes; Call-ID, tags and branches are made of them. Raises ValueError for less,
    and for a ``to`` that must not be called."""

    def __init__(self, plan: Plan, random: bytes) -> None:
        why = refused_uri(plan.to)
        if why is None and messages.uri_of(f"<{plan.to}>") != plan.to:
            why = "it is no URI"
        if why is not None or len(random) < 16:
            raise ValueError(why or "16 random bytes are needed")
        self.state: State = "idle"
        self.told = Told()
        self._plan, self._random = plan, random
        self._repeats = Repeats(plan.transport == "tcp")
        here = sip.host_part(plan.local)
        self._call_id, self._tag = f"{self._word('call')}@{here}", self._word("tag")
        user = quote(plan.user or "dialtone", safe="-_.!~*'()&=+$,;?/")
        self._from = f"<sip:{user}@{here}>;tag={self._tag}"
        self._to = f"<{plan.to}>"
        self._contact = f"<sip:dialtone@{here}:{plan.port};transport={plan.transport}>"
        self._way = Way(plan.to)
        self._cseq = self._branches = 0
        self._branch = ""
        self._authorising = Authorising(plan.user, plan.password, self._word)
        self._invited_with: list[tuple[str, str]] = []
        self._rejections: dict[str, Outgoing] = {}
        self._legs: dict[str, _Leg] = {}
        self._leg: _Leg | None = None
        self._byes: dict[str, _Leg] = {}
        self._deadline_ns: int | None = None
        self._now_ns = 0
        self._message: sip.Message | None = None
        self._actions: dict[Action, Callable[[], None]] = {
            "none": lambda: None,
            "invite": self._invite,
            "authorise": self._authorise,
            "accept": self._accept,
            "acknowledge": self._acknowledge,
            "reject": self._reject,
            "reject-again": self._reject_again,
            "cancel": self._cancel,
            "bye": self._bye,
            "undo": self._undo,
            "bye-authorise": self._bye_authorise,
            "give-up": self._give_up,
            "end": self._end,
        }

    # ---- what the shell calls

    def start(self, now_ns: int) -> None:
        """Send the INVITE; the time to ring begins."""
        self._deadline_ns = now_ns + int(self._plan.ring_s * NS)
        self._happen("start", now_ns)

    def hang_up(self, now_ns: int) -> None:
        """BYE, or CANCEL where nobody has answered yet."""
        self._happen("hang-up", now_ns)

    def abandon(self, now_ns: int) -> None:
        """This process can't wait for an answer: BYE or CANCEL, sent once. Done after every call it does no harm.

        A CANCEL before any response breaks RFC 3261 section 9.1; a telephone that rings on and on is worse.
        """
        if self.state in ("calling", "proceeding"):
            self._cancel()
        elif self.state == "talking":
            self._happen("hang-up", now_ns)
        self.state = "ended"
        self._end()

    def received(self, data: bytes, now_ns: int, source: tuple[str, int] | None = None) -> None:
        """One message as it came. ``source``: where responses to it go, None for the target."""
        self._now_ns = now_ns
        message = sip.parse(data)
        if message is not None:
            code, method = messages.status_of(message), messages.method_of(message)
            self._message = message
            if code is not None and self._response(message, code, now_ns):
                return
            if method is not None and self._request(message, method, source, now_ns):
                return
        self.told.ignored += 1

    def tick(self, now_ns: int) -> None:
        """What time brings: repetitions, and the end of waiting."""
        if self._deadline_ns is not None and now_ns >= self._deadline_ns:
            self._deadline_ns = None
            self._happen("late", now_ns)
        self._repeats.tick(now_ns)

    def due_ns(self) -> int | None:
        """When ``tick`` next has something to do."""
        times = (self._deadline_ns, self._repeats.due_ns())
        return min((at for at in times if at is not None), default=None)

    def to_send(self) -> list[bytes]:
        """What is to be sent now."""
        return [outgoing.data for outgoing in self.outgoing()]

    def outgoing(self) -> list[Outgoing]:
        """What is to be sent now, and where to."""
        return self._repeats.take()

    @property
    def hops(self) -> frozenset[tuple[str, int]]:
        """Where the call goes on past the target: messages may come from there too."""
        return frozenset(leg.way.hop for leg in self._legs.values() if leg.way.hop is not None)

    @property
    def repeated(self) -> int:
        """How many messages were sent again for want of an answer."""
        return self._repeats.repeated

    # ---- what comes

    def _response(self, message: sip.Message, code: int, now_ns: int) -> bool:
        """Whether it answers a request of ours: by branch and method (section 17.1.3), and Call-ID."""
        cseq, branch = messages.cseq_of(message), messages.branch_of(message)
        if cseq is None or branch is None or message.first("call-id") != self._call_id:
            return False
        if cseq[1] == "BYE" and branch in self._byes:
            return self._bye_response(message, branch, code, now_ns)
        if cseq[1] == "CANCEL" and branch == self._branch:
            self._repeats.stop("cancel")
            return True
        if cseq[1] != "INVITE":
            return False
        if branch != self._branch:
            if branch not in self._rejections:
                return False
            self._repeats.send(self._rejections[branch])  # the ACK of a challenge was lost
            return True
        if cseq[0] != self._cseq:
            return False
        event = self._invite_event(message, code)
        if self.state != "ended":
            self._repeats.stop("invite")
        self._happen(event, now_ns)
        return True

    def _invite_event(self, message: sip.Message, code: int) -> Event:
        open_ = self.state in ("calling", "proceeding", "cancelling", "cancelled")
        if open_:
            self.told.code, self.told.final = code, code >= 200
        if code < 200:
            if open_:
                self.told.rang = max(code, self.told.rang or 0)
                self.told.early = self._media(message) or self.told.early
            return "provisional"
        if code < 300:
            return "answer"
        if code not in authorising.HEADERS or self.state not in ("calling", "proceeding"):
            return "refusal"
        self.told.challenges += 1
        return "challenge" if self._authorising.meets(message, code, "INVITE") else "refusal"

    def _bye_response(self, message: sip.Message, branch: str, code: int, now_ns: int) -> bool:
        leg = self._byes[branch]
        if code < 200:
            return True
        self._repeats.stop(branch)
        if leg is not self._leg:
            return True
        asks = code in authorising.HEADERS and self.state == "leaving"
        if asks and self._authorising.meets(message, code, "BYE"):
            self._happen("bye-challenge", now_ns)
            return True
        if self.state == "leaving":
            self.told.bye_answered = code < 300 or code == 481
            self._hear(message)
        self._happen("bye-done", now_ns)
        return True

    def _request(self, message: sip.Message, method: str, source: tuple[str, int] | None, now_ns: int) -> bool:
        if method == "ACK":
            return True
        self.told.requests += 1
        if self.told.requests > REQUESTS_MAX:
            return False
        inside = message.first("call-id") == self._call_id and messages.tag_of(message.first("to")) == self._tag
        leg = self._legs.get(messages.tag_of(message.first("from"))) if inside else None
        code, reason = _REPLIES.get(method, (405, "Method Not Allowed"))
        if leg is None and (method in _REPLIES or messages.tag_of(message.first("to"))):
            code, reason = 481, "Call/Transaction Does Not Exist"
        data = messages.respond(message, code, reason, self._tag)
        if data is not None:
            self._repeats.send(Outgoing(data, source))
        if leg is not None and leg is self._leg and method == "BYE":
            if self.state == "talking":
                self.told.hung_up = True
            self._hear(message)
            self._happen("far-bye", now_ns)
        return True

    def _hear(self, message: sip.Message) -> None:
        self.told.heard = heard.heard_of(message.first(heard.HEARD.lower())) or self.told.heard

    def _media(self, message: sip.Message) -> sdp.Session | None:
        body = messages.body_of(message, "application/sdp")
        return sdp.parse(body) if body is not None else None

    # ---- what is done

    def _happen(self, event: Event, now_ns: int) -> None:
        self._now_ns = now_ns
        self.state, action = TABLE[self.state][event]
        self._actions[action]()

    def _invite(self) -> None:
        self._cseq += 1
        self._branch = self._new_branch()
        data = self._build("INVITE", Way(self._plan.to), self._branch, self._cseq, self._to, self._plan.offer)
        self._repeats.begin("invite", Outgoing(data), self._now_ns, invite=True)

    def _authorise(self) -> None:
        self._reject_again()
        self._invite()

    def _accept(self) -> None:
        self.told.answered = True
        message = self._newest()
        self.told.media = self._media(message) or self.told.early
        self.told.tone_hz = heard.tone_of(message.first(heard.TONE.lower()))
        self._deadline_ns = None
        self._acknowledge()

    def _acknowledge(self) -> None:
        """ACK a 2xx: the first of its leg, or one sent again because the ACK was lost; a second leg is hung up."""
        message = self._newest()
        tag = messages.tag_of(message.first("to"))
        leg = self._legs.get(tag)
        if leg is not None:
            self._repeats.send(leg.ack)
            if leg.ack.hop is not None:
                self._repeats.send(Outgoing(leg.ack.data))
            return
        if len(self._legs) >= LEGS_MAX:
            self.told.ignored += 1
            return
        way = messages.way_of(message, self._plan.to)
        if self._plan.transport == "tcp" or way.hop == self._plan.target:
            way = Way(way.uri, way.routes)  # over TCP all goes over the one connection
        to = message.first("to")[: messages.VALUE_MAX]
        data = self._build("ACK", way, self._new_branch(), self._cseq, to)
        leg = self._legs[tag] = _Leg(tag, to, way, Outgoing(data, way.hop))
        self._repeats.send(leg.ack)
        if self._leg is None and self.state in ("talking", "leaving"):
            self._leg = leg
        else:  # a second one, or one that comes when all is over
            self.told.forks += 1
            self._bye_to(leg)

    def _reject(self) -> None:
        self._reject_again()
        self._end()

    def _reject_again(self) -> None:
        """ACK a final response that is no 2xx: part of the INVITE's own transaction (section 17.1.1.3)."""
        to = self._newest().first("to")[: messages.VALUE_MAX]
        data = self._build("ACK", Way(self._plan.to), self._branch, self._cseq, to)
        self._rejections[self._branch] = Outgoing(data)
        self._repeats.send(Outgoing(data))

    def _cancel(self) -> None:
        self.told.gave_up = True
        self._repeats.stop("invite")
        data = self._build("CANCEL", Way(self._plan.to), self._branch, self._cseq, self._to)
        self._repeats.begin("cancel", Outgoing(data), self._now_ns)
        self._wait()

    def _give_up(self) -> None:
        self.told.gave_up = True
        self._repeats.stop("invite")
        self._wait()

    def _wait(self) -> None:
        self._deadline_ns = self._now_ns + int(self._plan.end_s * NS)

    def _bye(self) -> None:
        if self._leg is not None:
            self._bye_to(self._leg)
        self._wait()

    def _undo(self) -> None:
        """An answer that crossed our CANCEL: the call stands, so it is acknowledged and hung up (section 9.1)."""
        self._repeats.clear()
        self._acknowledge()
        self._bye()

    def _bye_to(self, leg: _Leg) -> None:
        branch = self._new_branch()
        # Every BYE has a number of its own; those of other legs leave gaps, which section 12.2.1.1 allows.
        data = self._build("BYE", leg.way, branch, self._cseq + 1 + len(self._byes), leg.to)
        self._byes[branch] = leg
        self._repeats.begin(branch, Outgoing(data, leg.way.hop), self._now_ns)

    def _bye_authorise(self) -> None:
        if self._leg is not None:
            self._bye_to(self._leg)

    def _end(self) -> None:
        self._repeats.clear()
        self._deadline_ns = None

    # ---- how it is written

    def _newest(self) -> sip.Message:
        assert self._message is not None, "an action of a message without one"
        return self._message

    def _word(self, of: str) -> str:
        return hashlib.blake2b(of.encode(), key=self._random[:64], digest_size=12).hexdigest()

    def _new_branch(self) -> str:
        self._branches += 1
        return sip.BRANCH_COOKIE + self._word(f"branch {self._branches}")

    def _build(self, method: str, way: Way, branch: str, cseq: int, to: str, body: bytes = b"") -> bytes:
        plan = self._plan
        where = f"{sip.host_part(plan.local)}:{plan.port}"
        fields = [
            ("Via", f"SIP/2.0/{plan.transport.upper()} {where};branch={branch};rport"),
            ("From", self._from),
            ("To", to),
            ("Call-ID", self._call_id),
            ("CSeq", f"{cseq} {method}"),
        ]
        if method in ("INVITE", "BYE"):
            fields.append(("Contact", self._contact))
        if method == "INVITE":
            fields += [("Allow", messages.ALLOW), (heard.TONE, str(plan.tone_hz)), ("Content-Type", "application/sdp")]
            self._invited_with = self._authorising.fields(method, way.uri)
        if method == "BYE":
            fields += self._authorising.fields(method, way.uri)
        elif method != "CANCEL":  # an ACK carries its INVITE's (section 22.1)
            fields += self._invited_with
        return messages.request(method, way, fields, body)


# Requests of the far end inside the call. A re-INVITE would change the audio that is being measured.
_REPLIES: dict[str, tuple[int, str]] = {
    "BYE": (200, "OK"),
    "OPTIONS": (200, "OK"),
    "INVITE": (488, "Not Acceptable Here"),
    "CANCEL": (481, "Call/Transaction Does Not Exist"),
}
