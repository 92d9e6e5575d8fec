"""One call at the reflector, pure: who called, what was answered, its audio, and what time brings."""

from __future__ import annotations

from dataclasses import dataclass, field

from agent.paths import sip
from agent.paths.call import messages
from agent.paths.call.messages import Way
from agent.reflector.media import Voice
from agent.reflector.states import State

NS = 1_000_000_000
T1_NS, T2_NS = NS // 2, 4 * NS
ACK_WAIT_NS = 64 * T1_NS
"""How long the 200 is sent again (RFC 3261 section 13.3.1.4)."""
BYE_WAIT_NS = 4 * NS
KEPT_NS = 32 * NS


@dataclass(frozen=True, slots=True)
class Send:
    """A datagram. ``listener``: the SIP socket it leaves by; ``slot``: that call's audio socket there instead."""

    data: bytes
    host: str
    port: int
    listener: int = 0
    slot: int | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """Where a datagram came from, and which of our sockets it came to."""

    host: str
    port: int
    listener: int = 0

    def send(self, data: bytes) -> Send:
        """Back the way it came: nothing that a message says leads anywhere else."""
        return Send(data, self.host, self.port, self.listener)


@dataclass(slots=True)
class Call:
    """A call that was answered. ``tag``: ours in it; ``bye``: our BYE, once we have hung up."""

    probe: str
    source: Source
    invite: sip.Message
    asked: bytes
    answer: bytes
    tag: str
    voice: Voice | None
    slot: int
    began_ns: int
    ends_ns: int
    here: str
    state: State = "answered"
    told: str = ""
    bye: bytes = b""
    repeat_ns: int = 0
    wait_ns: int = T1_NS
    until_ns: int = field(default=0)

    def __post_init__(self) -> None:
        self.repeat_ns = self.began_ns + T1_NS
        self.until_ns = min(self.ends_ns, self.began_ns + ACK_WAIT_NS)

    @property
    def live(self) -> bool:
        """Whether it still has audio, and a slot."""
        return self.state in ("answered", "up")

    def repeated(self, now_ns: int) -> None:
        """What waits for its answer has been sent once more."""
        self.wait_ns = min(2 * self.wait_ns, T2_NS)
        self.repeat_ns = now_ns + self.wait_ns

    def due_ns(self) -> int:
        """When time next brings something."""
        times = [self.until_ns]
        if self.state in ("answered", "leaving"):
            times.append(self.repeat_ns)
        if self.live and self.voice is not None:
            audio_ns = self.voice.due_ns()
            if audio_ns is not None:
                times.append(audio_ns)
        return min(times)

    def hang_up(self, now_ns: int, word: str) -> bytes:
        """Our BYE, addressed by their Contact and sent to where they called from. ``word``: fresh text."""
        contacts = messages.values_of(self.invite, "contact")
        uri = (messages.uri_of(contacts[0]) if contacts else None) or f"sip:{sip.host_part(self.source.host)}"
        routes = [messages.uri_of(value) for value in messages.values_of(self.invite, "record-route")]
        us = self.invite.first("to")
        fields = (
            ("Via", f"SIP/2.0/UDP {self.here};branch={sip.BRANCH_COOKIE}{word};rport"),
            ("From", us if messages.tag_of(us) else f"{us};tag={self.tag}"),
            ("To", self.invite.first("from")),
            ("Call-ID", self.invite.first("call-id")),
            ("CSeq", "1 BYE"),
        )
        way = Way(uri, tuple(route for route in routes[: messages.ROUTES_MAX] if route is not None))
        self.bye = messages.request("BYE", way, fields)
        self.wait_ns, self.repeat_ns, self.until_ns = T1_NS, now_ns + T1_NS, now_ns + BYE_WAIT_NS
        return self.bye

    def answers_bye(self, message: sip.Message) -> bool:
        """Whether this final response is of our BYE."""
        sent = sip.parse(self.bye)
        code = messages.status_of(message)
        return (
            sent is not None
            and code is not None
            and code >= 200
            and (messages.branch_of(message) == messages.branch_of(sent))
        )

    def over(self, now_ns: int) -> None:
        """It has ended; only what answers repetitions is kept."""
        self.voice = None
        self.until_ns = now_ns + KEPT_NS
