"""SDP for one PCMU stream, pure: offer, answer, and reading the other side's (RFC 8866, RFC 3264, RFC 3551)."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Literal, get_args

Direction = Literal["sendrecv", "sendonly", "recvonly", "inactive"]
BODY_MAX = 16_384
LINES_MAX = 512
MEDIA_MAX = 16
PCMU = 0
_DIRECTIONS: frozenset[str] = frozenset(get_args(Direction))
_MIRROR: dict[Direction, Direction] = {
    "sendrecv": "sendrecv",
    "sendonly": "recvonly",
    "recvonly": "sendonly",
    "inactive": "inactive",
}
_MEDIA = re.compile(
    r"([A-Za-z0-9-]{1,16}) ([0-9]{1,5})(?:/[0-9]{1,5})? ([A-Za-z0-9/-]{1,32})((?: [!-~]{1,32}){1,64})\Z"
)
_RTPMAP = re.compile(r"rtpmap:([0-9]{1,3}) +([!-~]{1,32})", re.IGNORECASE)
_CONNECTION = re.compile(r"IN IP([46]) ([!-~]{1,255})\Z", re.IGNORECASE)
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?\Z")


@dataclass(frozen=True, slots=True)
class Session:
    """The audio of one side. ``port`` 0: it is refused. ``pcmu``: the payload type that carries PCMU, None without one.

    ``media``: every m-line as it came with its port taken out (an answer has to name each), ``audio``: which is ours.
    """

    address: str
    port: int
    payload_types: tuple[int, ...]
    direction: Direction
    pcmu: int | None = PCMU
    media: tuple[str, ...] = ("audio {} RTP/AVP 0",)
    audio: int = 0

    @property
    def sends(self) -> bool:
        """Whether that side means to send audio."""
        return self.port > 0 and self.direction in ("sendrecv", "sendonly")

    @property
    def listens(self) -> bool:
        """Whether that side takes audio."""
        return self.port > 0 and self.direction in ("sendrecv", "recvonly")


def offer(address: str, port: int, session_id: int) -> bytes:
    """Our offer: PCMU alone, 20 ms, both ways."""
    media = (f"m=audio {port} RTP/AVP {PCMU}", f"a=rtpmap:{PCMU} PCMU/8000", "a=ptime:20", "a=sendrecv")
    return _session(address, session_id, media)


def answer(session: Session, address: str, port: int, session_id: int) -> bytes | None:
    """The answer to an offer: its PCMU taken, all else refused (RFC 3264 section 6); None where it has no PCMU."""
    if session.pcmu is None or session.port == 0:
        return None
    lines: list[str] = []
    for number, media in enumerate(session.media):
        if number != session.audio:
            lines.append(f"m={media.format(0)}")
            continue
        lines.append(f"m=audio {port} {media.split()[2]} {session.pcmu}")
        lines += [f"a=rtpmap:{session.pcmu} PCMU/8000", "a=ptime:20", f"a={_MIRROR[session.direction]}"]
    return _session(address, session_id, lines)


def _session(address: str, session_id: int, media: tuple[str, ...] | list[str]) -> bytes:
    where = f"IN IP{6 if ':' in address else 4} {address.partition('%')[0]}"
    head = ("v=0", f"o=dialtone {session_id} 1 {where}", "s=-", f"c={where}", "t=0 0")
    return ("\r\n".join((*head, *media)) + "\r\n").encode("ascii", "replace")


def parse(body: bytes) -> Session | None:
    """The first audio stream of a description; None for what is no SDP or has no audio we can read."""
    if len(body) > BODY_MAX:
        return None
    lines = [line for line in body.decode("utf-8", "replace").replace("\r\n", "\n").split("\n") if line]
    if not lines or len(lines) > LINES_MAX or lines[0].rstrip() != "v=0":
        return None
    sections: list[list[str]] = [[]]
    for line in lines[1:]:
        if line[1:2] != "=":
            return None
        if line.startswith("m="):
            sections.append([])
        sections[-1].append(line.rstrip())
    if not 2 <= len(sections) <= MEDIA_MAX + 1:
        return None
    media = [_MEDIA.match(section[0][2:]) for section in sections[1:]]
    found = [one for one in media if one is not None]
    if len(found) != len(media):
        return None
    # Of several audio lines the first that is not refused (a gateway may offer its encrypted one first).
    sounds = [number for number, one in enumerate(found) if one[1].lower() == "audio"]
    open_ones = [number for number in sounds if int(found[number][2]) and _avp(found[number][3])]
    if not sounds:
        return None
    number = (open_ones or sounds)[0]
    texts = tuple(_without_port(one) for one in found)
    return _audio(found[number], sections[0], sections[number + 1], texts, number)


def _without_port(media: re.Match[str]) -> str:
    kind, formats = media[1], media[4].replace("{", "{{").replace("}", "}}")
    return f"{kind} {{}} {media[3]}{formats}"


def _avp(protocol: str) -> bool:
    """Plain RTP: what is encrypted (SAVP) is not for us."""
    return protocol.upper() in ("RTP/AVP", "RTP/AVPF")


def _audio(
    media: re.Match[str], session: list[str], lines: list[str], texts: tuple[str, ...], number: int
) -> Session | None:
    port = int(media[2])
    address = _address(lines) or _address(session)
    if port > 65_535 or (address is None and port):
        return None
    # A type that is no number, or none of RTP's 7 bits, is not ours to speak.
    types = tuple(int(word) for word in media[4].split() if word.isascii() and word.isdigit() and int(word) < 128)
    pcmu = _pcmu(types, lines) if _avp(media[3]) else None
    direction = _direction(lines) or _direction(session) or "sendrecv"
    return Session(address or "", port, types, direction, pcmu, texts, number)


def _pcmu(types: tuple[int, ...], lines: list[str]) -> int | None:
    """The first type that carries PCMU at 8000 Hz in one channel, by its map or by RFC 3551."""
    names: dict[int, str] = {PCMU: "PCMU/8000"}
    for line in lines:
        mapped = _RTPMAP.match(line[2:]) if line.startswith("a=") else None
        if mapped is not None:
            names[int(mapped[1])] = mapped[2].upper()
    return next((one for one in types if names.get(one) in ("PCMU/8000", "PCMU/8000/1")), None)


def _address(lines: list[str]) -> str | None:
    for line in lines:
        found = _CONNECTION.match(line[2:]) if line.startswith("c=") else None
        if found is not None:
            return _host(found[2], found[1] == "6")
    return None


def _host(text: str, v6: bool) -> str | None:
    """An IP address as the other parts write it, or a name; None for anything else and for multicast."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return text.lower() if _HOST.match(text) and not text.replace(".", "").isdigit() else None
    if address.is_multicast or (address.version == 6) != v6:
        return None
    return str(address)


def _direction(lines: list[str]) -> Direction | None:
    for line in lines:
        word = line[2:].strip().lower()
        if line.startswith("a=") and word in _DIRECTIONS:
            return word  # type: ignore[return-value]
    return None
