"""SIP messages of a call, pure: their parts read, requests and responses built (RFC 3261 sections 7, 8, 12, 20).

What a far end sent is put into our requests only after it has been shown to be one word or one header value.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass

from agent.paths import sip

ALLOW = "ACK, BYE, CANCEL, OPTIONS"
ROUTES_MAX = 16
VALUE_MAX = 1024
_STATUS = re.compile(r"SIP/2\.0 ([1-6][0-9]{2})(?: |\Z)", re.IGNORECASE)
_REQUEST = re.compile(r"([A-Za-z]{1,32}) (\S{1,1024}) SIP/2\.0\Z", re.IGNORECASE)
_CSEQ = re.compile(r"([0-9]{1,10})\s+([A-Za-z]{1,32})\Z")
_BRANCH = re.compile(r";\s*branch\s*=\s*([^;,\s]{1,256})", re.IGNORECASE)
_TAG = re.compile(r";\s*tag\s*=\s*([!#$%&'+*.^_`|~0-9A-Za-z-]{1,256})", re.IGNORECASE)
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,15}:[^\s<>\"\x00-\x20\x7f]{1,1000}\Z")
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]{2,45}\]|[^:;?\[\]]{1,253})(?::([0-9]{1,5}))?(?=[;?]|\Z)")
_BOUNDARY = re.compile(r";\s*boundary\s*=\s*(?:\"([^\"]{1,70})\"|([^;\s\"]{1,70}))", re.IGNORECASE)


def status_of(message: sip.Message) -> int | None:
    """The code of a response; None for what is none."""
    found = _STATUS.match(message.start)
    return int(found[1]) if found is not None else None


def method_of(message: sip.Message) -> str | None:
    """The method of a request, upper case; None for what is none or lacks what every request has (section 8.1.1)."""
    found = _REQUEST.match(message.start)
    if found is None or not all(message.headers.get(name) for name in ("via", "from", "to", "call-id", "cseq")):
        return None
    return found[1].upper()


def cseq_of(message: sip.Message) -> tuple[int, str] | None:
    """The number and the method of CSeq."""
    found = _CSEQ.match(message.first("cseq"))
    return (int(found[1]), found[2].upper()) if found is not None else None


def branch_of(message: sip.Message) -> str | None:
    """The branch of the topmost Via."""
    found = _BRANCH.search(values_of(message, "via")[0]) if message.first("via") else None
    return found[1] if found is not None else None


def tag_of(value: str) -> str:
    """The tag of a From or To, "" without one (RFC 2543 peers)."""
    found = _TAG.search(value[:VALUE_MAX], value.rfind(">") + 1)
    return found[1] if found is not None else ""


def values_of(message: sip.Message, name: str) -> list[str]:
    """Every value of a header that may hold several, also where they stand in one line, commas between."""
    return [value for line in message.headers.get(name, []) for value in _commas(line)]


def _commas(line: str) -> list[str]:
    """Split at commas that stand neither in quotes nor in angle brackets."""
    values, start, quoted, angle, skip = [], 0, False, False, False
    for at, ch in enumerate(line):
        if skip:
            skip = False
        elif quoted:
            skip, quoted = ch == "\\", ch != '"'
        elif ch == '"':
            quoted = True
        elif ch in "<>":
            angle = ch == "<"
        elif ch == "," and not angle:
            values.append(line[start:at].strip())
            start = at + 1
    return [*values, line[start:].strip()]


def uri_of(value: str) -> str | None:
    """The URI of a Contact, Route or From; None where it is none that could stand in a request."""
    if len(value) > VALUE_MAX:
        return None
    _, angle, rest = _unquoted(value).partition("<")
    uri = rest.partition(">")[0].strip() if angle else value.partition(";")[0].strip()
    return uri if _URI.match(uri) and uri.isascii() else None


def _unquoted(value: str) -> str:
    """What stands after a display name in quotes."""
    return re.sub(r'\A\s*"(?:[^"\\]|\\.)*"', "", value)


def hop_of(uri: str) -> tuple[str, int] | None:
    """Where a URI sends to, where it says so in numbers: address and port (RFC 3263 section 4); None for a name."""
    scheme, _, rest = uri.partition(":")
    if scheme.lower() not in ("sip", "sips"):
        return None
    found = _HOST.match(rest.rpartition("@")[2])
    if found is None:
        return None
    try:
        address = ipaddress.ip_address(found[1].strip("[]"))
    except ValueError:
        return None
    port = int(found[2] or 5060)
    if address.is_multicast or address.is_unspecified or not 1 <= port <= 65_535:
        return None
    return str(address), port


def body_of(message: sip.Message, kind: str) -> bytes | None:
    """The body of a media type, also as one part of several (RFC 5621, RFC 2046); None where there is none."""
    length = message.first("content-length")
    body = message.body
    if length.isascii() and length.isdigit() and len(length) <= 6:
        if int(length) > len(body):  # cut off on the way (section 18.3)
            return None
        body = body[: int(length)]
    if not body:
        return None
    said = message.first("content-type").lower()
    if not said.startswith("multipart/"):
        return body if not said or said.partition(";")[0].strip() == kind else None
    boundary = _BOUNDARY.search(message.first("content-type"))
    if boundary is None:
        return None
    mark = b"--" + (boundary[1] or boundary[2]).encode("utf-8", "replace")
    for part in body.split(mark, 16)[1:]:
        head, _, inner = part.replace(b"\r\n", b"\n").lstrip(b"\n").partition(b"\n\n")
        if f"content-type: {kind}".encode() in head.lower():
            return inner
    return None


@dataclass(frozen=True, slots=True)
class Way:
    """How requests of a dialog go: the request URI, its Routes, and the hop they are sent to, None for the target's."""

    uri: str
    routes: tuple[str, ...] = ()
    hop: tuple[str, int] | None = None


def way_of(answer: sip.Message, asked: str) -> Way:
    """The route set and remote target that a response to our INVITE gives (section 12.1.2), ready to send by.

    ``asked``: the URI of the INVITE, where the answer names no Contact that could be used.
    """
    contacts = values_of(answer, "contact")
    target = (uri_of(contacts[0]) if contacts else None) or asked
    found = [uri_of(value) for value in values_of(answer, "record-route")[:ROUTES_MAX]]
    routes = [uri for uri in reversed(found) if uri is not None]
    if not routes:
        return Way(target, (), hop_of(target))
    hop = hop_of(routes[0])
    if re.search(r";lr(?:[=;]|\Z)", routes[0], re.IGNORECASE):
        return Way(target, tuple(routes), hop)
    # A strict router (RFC 2543) wants itself in the request URI and the target last (section 12.2.1.1).
    return Way(routes[0], (*routes[1:], target), hop)


def request(
    method: str,
    way: Way,
    fields: Iterable[tuple[str, str]],
    body: bytes = b"",
) -> bytes:
    """A request; ``fields`` in their order, Routes, Max-Forwards, our name and the length come by themselves."""
    lines = [f"{method} {way.uri} SIP/2.0"]
    lines += [f"{name}: {value}" for name, value in fields]
    lines += [f"Route: <{route}>" for route in way.routes]
    lines += ["Max-Forwards: 70", f"User-Agent: {sip.USER_AGENT}", f"Content-Length: {len(body)}"]
    return _data(lines, body)


def respond(message: sip.Message, code: int, reason: str, tag: str) -> bytes | None:
    """A response without a body (section 8.2.6); None where it would be longer than a datagram."""
    to = message.first("to")
    if not tag_of(to):
        to += f";tag={tag}"
    lines = [
        f"SIP/2.0 {code} {reason}",
        *(f"Via: {via}" for via in message.headers["via"]),
        f"From: {message.first('from')}",
        f"To: {to}",
        f"Call-ID: {message.first('call-id')}",
        f"CSeq: {message.first('cseq')}",
        f"Allow: {ALLOW}",
        f"User-Agent: {sip.USER_AGENT}",
        "Content-Length: 0",
    ]
    data = _data(lines, b"")
    return data if len(data) <= sip.MESSAGE_MAX else None


def _data(lines: Iterable[str], body: bytes) -> bytes:
    # A bare CR or another line end of theirs must begin no line of ours.
    head = "\r\n".join(re.sub(r"[\r\n\x00]", " ", line) for line in lines)
    return head.encode("utf-8", "replace") + b"\r\n\r\n" + body
