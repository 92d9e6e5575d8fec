"""SIP OPTIONS, pure: build a request, judge a response, and answer one (RFC 3261 sections 7, 8, 11, 17).

Only the method OPTIONS exists here: this code can't place a call. What comes off the network is hostile until shown
otherwise: sizes are bounded, and anything that is not SIP is None, never an exception.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from agent import __version__

USER_AGENT = f"Dialtone/{__version__}"
MESSAGE_MAX = 65_535
HEADERS_MAX = 128
BRANCH_COOKIE = "z9hG4bK"
# A proxy in the middle makes these when it can't reach the far end itself: no proof of the whole path.
NOT_PROOF = frozenset({408, 502, 503, 504})
# RFC 3261 section 7.3.3.
COMPACT = {
    "v": "via",
    "f": "from",
    "t": "to",
    "i": "call-id",
    "m": "contact",
    "l": "content-length",
    "c": "content-type",
}

_STATUS = re.compile(r"SIP/2\.0 ([1-6][0-9]{2})(?: (.*))?\Z", re.IGNORECASE)
_REQUEST = re.compile(r"([A-Z]{1,32}) (\S{1,1024}) SIP/2\.0\Z", re.IGNORECASE)
_BRANCH = re.compile(r";\s*branch\s*=\s*([^;,\s]{1,256})", re.IGNORECASE)
_CSEQ = re.compile(r"\s*([0-9]{1,10})\s+([A-Za-z]{1,32})\s*\Z")
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_TAG = re.compile(r";\s*tag\s*=", re.IGNORECASE)

Verdict = Literal["alive", "not-proof", "provisional"]


@dataclass(frozen=True, slots=True)
class Message:
    """A start line and headers by lower-case full name, each with all its values in order."""

    start: str
    headers: dict[str, list[str]]
    body: bytes = b""

    def first(self, name: str) -> str:
        """The topmost value of a header, "" where it is missing."""
        values = self.headers.get(name)
        return values[0] if values else ""


@dataclass(frozen=True, slots=True)
class Options:
    """One request as sent, and what its answer must show to be ours."""

    data: bytes
    branch: str
    call_id: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What a response says. ``keepalive_ok`` is i3's stricter word (200 alone); ``alive`` is that of the path."""

    code: int
    verdict: Verdict

    @property
    def keepalive_ok(self) -> bool:
        return self.code == 200


def host_part(address: str) -> str:
    """An address as a URI's host: IPv6 in brackets, without a zone (RFC 3261 section 25.1)."""
    address = address.partition("%")[0]
    return f"[{address}]" if ":" in address and not address.startswith("[") else address


def options(target: str, port: int, local: str, local_port: int, random: bytes, transport: str = "UDP") -> Options:
    """An OPTIONS to ``target``. ``random``: 24 fresh bytes; branch, tag and Call-ID are made of them.

    Raises ValueError where ``random`` is too short.
    """
    if len(random) < 24:
        raise ValueError("24 random bytes are needed")
    branch = BRANCH_COOKIE + random[:8].hex()
    tag, call_id = random[8:16].hex(), f"{random[16:24].hex()}@{host_part(local)}"
    to, here = host_part(target), host_part(local)
    uri_transport = "" if transport == "UDP" else f";transport={transport.lower()}"
    lines = (
        f"OPTIONS sip:dialtone@{to}:{port} SIP/2.0",
        f"Via: SIP/2.0/{transport} {here}:{local_port};branch={branch};rport",
        "Max-Forwards: 70",
        f"From: <sip:dialtone@{here}>;tag={tag}",
        f"To: <sip:dialtone@{to}:{port}>",
        f"Call-ID: {call_id}",
        "CSeq: 1 OPTIONS",
        f"Contact: <sip:dialtone@{here}:{local_port}{uri_transport}>",
        "Accept: application/sdp",
        f"User-Agent: {USER_AGENT}",
        "Content-Length: 0",
    )
    return Options(("\r\n".join(lines) + "\r\n\r\n").encode("ascii", "replace"), branch, call_id)


def parse(data: bytes) -> Message | None:
    """A SIP message's start line, headers and body as it came; None for anything that is none."""
    if not data or len(data) > MESSAGE_MAX:
        return None
    data = data.lstrip(b"\r\n")
    end = _HEAD_END.search(data)
    body = data[end.end() :] if end is not None else b""
    head = (data[: end.start()] if end is not None else data).replace(b"\r\n", b"\n")
    lines = head.decode("utf-8", "replace").split("\n")
    if len(lines) - 1 > HEADERS_MAX:  # a folded line counts too: folding must not be a way around the limit
        return None
    headers: dict[str, list[str]] = {}
    last: list[str] | None = None
    for line in lines[1:]:
        if line[:1] in (" ", "\t"):  # folded: it goes on with the header before (section 7.3.1)
            if last:
                last[-1] += " " + line.strip()
            continue
        name, colon, value = line.partition(":")
        if not colon:
            continue
        key = name.strip().lower()
        last = headers.setdefault(COMPACT.get(key, key), [])
        last.append(value.strip())
    return Message(lines[0].strip(), headers, body)


def judge(data: bytes, sent: Options) -> Answer | None:
    """What a datagram says of our request; None where it is no answer to it.

    A response belongs to the request whose top Via branch and CSeq method it carries (section 17.1.3).
    """
    message = parse(data)
    status = _STATUS.match(message.start) if message is not None else None
    if message is None or status is None:
        return None
    branch = _BRANCH.search(message.first("via").partition(",")[0])
    cseq = _CSEQ.match(message.first("cseq"))
    if branch is None or cseq is None or branch[1] != sent.branch or cseq[2].upper() != "OPTIONS":
        return None
    code = int(status[1])
    if code < 200:
        return Answer(code, "provisional")
    return Answer(code, "not-proof" if code in NOT_PROOF else "alive")


def respond(request: bytes, code: int = 200, reason: str = "OK") -> bytes | None:
    """The answer to an OPTIONS as a far end gives it (section 8.2.6); None for anything else. The demo uses it.

    None too where it would be longer than a datagram.
    """
    message = parse(request)
    line = _REQUEST.match(message.start) if message is not None else None
    if message is None or line is None or line[1].upper() != "OPTIONS":
        return None
    if not all(message.headers.get(name) for name in ("via", "from", "to", "call-id", "cseq")):
        return None
    to = message.first("to")
    if not _TAG.search(to):
        to += ";tag=far-end"
    lines = [
        f"SIP/2.0 {code} {reason}",
        *(f"Via: {via}" for via in message.headers["via"]),
        f"From: {message.first('from')}",
        f"To: {to}",
        f"Call-ID: {message.first('call-id')}",
        f"CSeq: {message.first('cseq')}",
        "Allow: OPTIONS",
        "Content-Length: 0",
    ]
    data = ("\r\n".join(line.replace("\r", " ") for line in lines) + "\r\n\r\n").encode()
    return data if len(data) <= MESSAGE_MAX else None
