"""One syslog message to its text: RFC 5424, RFC 3164, and what devices send in their place. Pure, liberal, bounded.

Only the text matters here: what a firewall says stands behind a header that every make writes otherwise. The time and
the host in it are not used: the message's arrival and its source address are.
"""

from __future__ import annotations

import re

BYTES_MAX = 8192
# <PRI>, 0 to 191 (RFC 3164 section 4.1.1); Cisco's "LOCAL4.WARNING:" of a relay's file stands in its place.
_PRI = re.compile(r"<[0-9]{1,3}>")
_V5424 = re.compile(r"1 (?:-|\d{4}-\d\d-\d\dT\S{1,40}) \S{1,255} (\S{1,48}) \S{1,128} (\S{1,32}) ")
_WORDED = re.compile(r"[A-Za-z]{3,9}[0-7]?\.[A-Za-z]{3,9}:? ")


def text_of(data: bytes) -> str | None:
    """The message without its priority, and of RFC 5424 without time and host; None where nothing is left.

    Longer than ``BYTES_MAX`` it is cut. A byte order mark (RFC 5424 section 6.4) and line ends are taken off.
    """
    text = data[:BYTES_MAX].decode("utf-8", "replace").strip("\r\n\x00 ")
    pri = _PRI.match(text)
    text = text[pri.end() :] if pri is not None else text
    header = _V5424.match(text)
    if header is not None:
        names = [name for name in header.groups() if name != "-"]  # who says it, and what: Junos says it nowhere else
        text = " ".join([*names, _after_structured(text, header.end()).lstrip("\ufeff ")])
    worded = _WORDED.match(text)
    text = text[worded.end() :] if worded is not None else text
    text = text.lstrip("\ufeff ")
    return text or None


def _after_structured(text: str, at: int) -> str:
    """What stands behind the structured data (RFC 5424 section 6.3); all of it where that never ends.

    Structured data is kept before the text too: Junos says all that it has to say in there.
    """
    start = at
    if text[at : at + 1] != "[":
        return text[at + 1 :] if text[at : at + 1] == "-" else text[at:]
    while text[at : at + 1] == "[":
        quoted = escaped = False
        at += 1
        while at < len(text):
            char = text[at]
            if quoted and not escaped and char == "\\":
                escaped = True
            elif char == '"' and not escaped:
                quoted = not quoted
            elif char == "]" and not quoted:
                break
            else:
                escaped = False
            at += 1
        else:
            return text[start:]
        at += 1
    return text[start:at] + text[at:]
