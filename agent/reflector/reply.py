"""The reflector's answers, pure, each as long as it may be and no longer (RFC 3261 section 8.2.6, RFC 3581 section 4).

Where an answer must not be longer than what it answers, it is written shorter and shorter: compact header names, then
without what only helps, then without saying where the request came from; and where that does not do, not at all.
"""

from __future__ import annotations

import re

from agent.paths import sip
from agent.paths.call import messages

ALLOW = "INVITE, ACK, BYE, CANCEL, OPTIONS"
LONGEST = 8192
"""Bytes of a request that is looked at, and of an answer."""
_RPORT = re.compile(r";\s*rport\s*(?==?\s*(?:;|\Z))(?:=\s*)?", re.IGNORECASE)
_RECEIVED = re.compile(r";\s*received\s*=\s*[^;]*", re.IGNORECASE)
_SENT_BY = re.compile(r"SIP\s*/\s*2\.0\s*/\s*\S{1,16}\s+(\[[0-9A-Fa-f:.]+\]|[^\s:;]+)", re.IGNORECASE)
_COMPACT = {"Via": "v", "From": "f", "To": "t", "Call-ID": "i", "Content-Type": "c", "Content-Length": "l"}
_LEVELS = ((False, True, True), (True, True, True), (True, False, True), (True, False, False))


def reply(
    message: sip.Message,
    code: int,
    reason: str,
    source: tuple[str, int],
    tag: str,
    *,
    must: tuple[tuple[str, str], ...] = (),
    may: tuple[tuple[str, str], ...] = (),
    body: bytes = b"",
    longest: int = LONGEST,
) -> bytes | None:
    """An answer of at most ``longest`` bytes, None where there is none so short. ``tag``: ours, where To has none."""
    to = message.first("to")
    if not messages.tag_of(to):
        to += f";tag={tag}"
    vias = messages.values_of(message, "via")
    for compact, helpful, located in _LEVELS:
        fields = [("Via", via_seen(vias[0], *source) if located else vias[0])]
        fields += [("Via", via) for via in vias[1:]]
        fields += [("From", message.first("from")), ("To", to), ("Call-ID", message.first("call-id"))]
        fields += [
            ("CSeq", message.first("cseq")),
            *must,
            *(may if helpful else ()),
            ("Content-Length", str(len(body))),
        ]
        lines = [f"SIP/2.0 {code} {reason}"]
        for name, value in fields:
            lines.append(f"{_COMPACT.get(name, name) if compact else name}: {value}")
        # A bare CR or another line end of theirs must begin no line of ours.
        head = "\r\n".join(re.sub(r"[\r\n\x00]", " ", line) for line in lines)
        data = head.encode("utf-8", "replace") + b"\r\n\r\n" + body
        if len(data) <= longest:
            return data
    return None


def via_seen(via: str, host: str, port: int) -> str:
    """The topmost Via with what we saw of its sender: ``received`` (section 18.2.1) and ``rport`` (RFC 3581)."""
    host = host.partition("%")[0]
    sent_by = _SENT_BY.match(via)
    via = _RECEIVED.sub("", via)
    seen, asked = _RPORT.subn(f";rport={port}", via, count=1)
    if asked or sent_by is None or sent_by[1].strip("[]").lower() != host.lower():
        seen += f";received={host}"
    return seen
