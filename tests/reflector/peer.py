"""A probe as tests play it against the pure core: requests, digests, and what came back."""

from __future__ import annotations

import re
from typing import Any

from agent.paths import sip
from agent.paths.call import digest, messages, sdp
from agent.reflector.answer import CallBack, Reflector
from agent.reflector.calls import Send, Source
from agent.reflector.settings import Probe, Settings

NS = 1_000_000_000
SECRET = b"a secret of some length"
OTHER = b"another one, of another"
HOST, PORT = "192.0.2.10", 5070
LOCAL = ("198.51.100.1", 5060)
TOKEN = "0123456789abcdef" * 2


def settings(**changes: Any) -> Settings:
    probes = (
        Probe("p", "p", ("192.0.2.10",), knock="192.0.2.77:5066", idle_max_s=300.0),
        Probe("q", "q", ("192.0.2.0/28",), knock="192.0.2.78:5066"),
        Probe("mute", "mute", ("192.0.2.12", "2001:db8::/64")),
    )
    return Settings(probe=probes, each_per_s=1000.0, strangers_per_s=10_000.0, **changes)


def reflector(**changes: Any) -> Reflector:
    return Reflector(settings(**changes), {"p": SECRET, "q": OTHER, "mute": b"m" * 16}, b"k" * 32)


def request(method: str, **more: Any) -> bytes:
    """A request as a probe writes it; keywords replace its parts."""
    host = more.get("host", HOST)
    call_id, cseq, to_tag = more.get("call_id", "c1"), more.get("cseq", 1), more.get("to_tag", "")
    branch = more.get("branch") or f"z9hG4bK{method}{cseq}"
    lines = [
        f"{method} sip:echo@{LOCAL[0]}:5060 SIP/2.0",
        more.get("via") or f"Via: SIP/2.0/UDP {sip.host_part(host)}:{PORT};branch={branch};rport",
        "Max-Forwards: 70",
        f"From: <sip:dialtone@{sip.host_part(host)}>;tag={more.get('from_tag', 'f1')}",
        f"To: <sip:echo@{LOCAL[0]}:5060>" + (f";tag={to_tag}" if to_tag else ""),
        f"Call-ID: {call_id}",
        f"CSeq: {cseq} {method}",
        more.get("contact") or f"Contact: <sip:dialtone@{sip.host_part(host)}:{PORT}>",
        *more.get("headers", ()),
        "User-Agent: a probe that is not sparing with its bytes, so that answers fit into what it asked of others",
    ]
    body = more.get("body", b"")
    if body:
        lines.append("Content-Type: application/sdp")
    lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


def offer(host: str = HOST, port: int = 41_000) -> bytes:
    return sdp.offer(host, port, 7)


def authorization(answer: bytes, method: str, secret: bytes = SECRET, **more: Any) -> str:
    message = sip.parse(answer)
    assert message is not None
    challenge = digest.parse_challenge(message.first("www-authenticate"))
    assert challenge is not None, answer
    value = digest.authorization(
        challenge,
        method,
        "sip:echo@198.51.100.1:5060",
        more.get("user", "dialtone"),
        secret,
        "c0ffee",
        more.get("nc", 1),
    )
    return f"Authorization: {value}"


class Peer:
    """One source's view of a reflector; ``bytes_in`` and ``bytes_out`` are counted."""

    def __init__(self, core: Reflector | None = None, host: str = HOST, port: int = PORT, **changes: Any) -> None:
        self.core = core or reflector(**changes)
        self.host, self.port, self.now_ns = host, port, 1000 * NS
        self.sent: list[Send] = []

    def give(self, data: bytes, port: int | None = None) -> list[Send]:
        source = Source(self.host, self.port if port is None else port, 0)
        out = self.core.datagram(data, source, LOCAL, self.now_ns, bytes(range(32)))
        self.sent += out
        return out

    def code(self, data: bytes) -> int | None:
        """Of the one answer to it; None for silence."""
        out = self.give(data)
        return code_of(out[-1].data) if out else None

    def challenged(self, method: str = "INVITE", **more: Any) -> bytes:
        (send,) = self.give(request(method, **more))
        assert code_of(send.data) == 401
        return send.data

    def call(self, secret: bytes = SECRET, **more: Any) -> sip.Message:
        """A call that is answered; the 200."""
        more.setdefault("body", offer(self.host))
        more.setdefault("host", self.host)
        headers = tuple(more.pop("headers", ()))
        login = authorization(self.challenged("INVITE", headers=headers, **more), "INVITE", secret)
        self.invite = request("INVITE", **{**more, "cseq": 2, "headers": (*headers, login)})
        out = self.give(self.invite)
        answer = sip.parse(out[-1].data)
        assert answer is not None
        assert messages.status_of(answer) == 200, out
        return answer

    def after(self, seconds: float) -> list[Send | CallBack]:
        """Every tick until that much later, in the core's own time."""
        end_ns = self.now_ns + int(seconds * NS)
        out: list[Send | CallBack] = []
        while (due_ns := self.core.due_ns()) is not None and due_ns <= end_ns:
            self.now_ns = max(self.now_ns, due_ns)
            out += self.core.tick(self.now_ns)
        self.now_ns = end_ns
        return out


def code_of(data: bytes) -> int | None:
    message = sip.parse(data)
    return None if message is None else messages.status_of(message)


def tag_of(answer: sip.Message) -> str:
    return messages.tag_of(answer.first("to"))


def method_of(data: bytes) -> str:
    found = re.match(rb"([A-Z]+) ", data)
    return found[1].decode() if found else ""


def audio(out: list[Send | CallBack]) -> list[Send]:
    return [send for send in out if isinstance(send, Send) and send.slot is not None]


def signals(out: list[Send | CallBack]) -> list[Send]:
    return [send for send in out if isinstance(send, Send) and send.slot is None]
