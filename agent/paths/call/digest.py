"""Digest authentication for SIP, pure, both sides (RFC 7616, RFC 8760, RFC 3261 section 22.4)."""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass

HEADER_MAX = 8192
PARAMETERS_MAX = 64
# Best first (RFC 8760 section 2.4). SHA-512-256 is left out: not every OpenSSL build has it.
ALGORITHMS = ("SHA-256", "SHA-256-sess", "MD5", "MD5-sess")
_HASHES = {"SHA-256": "sha256", "MD5": "md5"}
_NAMES = {name.lower(): name for name in ALGORITHMS}
_WORD = r"[!#$%&'+*.^_`|~0-9A-Za-z-]+"
_SCHEME = re.compile(rf"[\s,]*({_WORD})(?=\s+{_WORD}\s*=|\s*,|\s*\Z|\s)")
_PARAMETER = re.compile(rf"[\s,]*({_WORD})\s*=\s*")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_TOKEN = re.compile(r"[^\s,\"]+")
_NC = re.compile(r"[0-9A-Fa-f]{8}\Z")
_PAIR = re.compile(r"\\(.)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a 401 or 407 asks for. ``qop``: auth where it is offered. Texts stay as quoted: they are sent back so."""

    realm: str
    nonce: str
    algorithm: str = "MD5"
    qop: str | None = None
    opaque: str | None = None
    stale: bool = False
    named: bool = False
    """Whether the challenge names its algorithm: the answer names it then too."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What an Authorization header says. ``realm`` and ``nonce`` as quoted; whether they are ours others judge."""

    username: str
    realm: str
    nonce: str
    uri: str
    response: str
    algorithm: str = "MD5"
    qop: str | None = None
    nc: str | None = None
    cnonce: str | None = None
    opaque: str | None = None


def _schemes(header: str) -> list[tuple[str, dict[str, str]]]:
    """Every ``scheme name=value, …`` of a header. Stops at what is none; a repeated name spoils its scheme."""
    found: list[tuple[str, dict[str, str]]] = []
    at = count = 0
    while at < len(header) and count < PARAMETERS_MAX:
        count += 1
        parameter = _PARAMETER.match(header, at)
        if parameter is None:
            scheme = _SCHEME.match(header, at)
            if scheme is None:
                break
            found.append((scheme[1].lower(), {}))
            at = scheme.end()
            continue
        value = _QUOTED.match(header, parameter.end()) or _TOKEN.match(header, parameter.end())
        if value is None or not found:
            break
        name, values = parameter[1].lower(), found[-1][1]
        if name in values:
            values["repeated"] = ""
        values[name] = value[1] if value.re is _QUOTED else value[0]
        at = value.end()
    return [(name, values) for name, values in found if "repeated" not in values]


def parse_challenge(header: str) -> Challenge | None:
    """The strongest Digest challenge that can be met; None where there is none.

    Several headers are given joined by commas.
    """
    if len(header) > HEADER_MAX:
        return None
    challenges = [_challenge(values) for scheme, values in _schemes(header) if scheme == "digest"]
    met = [one for one in challenges if one is not None]
    return min(met, key=lambda one: ALGORITHMS.index(one.algorithm), default=None)


def _challenge(values: dict[str, str]) -> Challenge | None:
    algorithm = _NAMES.get(values.get("algorithm", "MD5").lower())
    realm, nonce = values.get("realm"), values.get("nonce")
    if algorithm is None or realm is None or not nonce:
        return None
    qop: str | None = None
    if "qop" in values:
        offered = [word.strip().lower() for word in values["qop"].split(",")]
        if "auth" not in offered:  # auth-int alone: not for us
            return None
        qop = "auth"
    stale = values.get("stale", "").lower() == "true"
    return Challenge(realm, nonce, algorithm, qop, values.get("opaque"), stale, "algorithm" in values)


def authorization(
    challenge: Challenge, method: str, uri: str, user: str, password: str | bytes, cnonce: str, nc: int
) -> str:
    """The value of Authorization or Proxy-Authorization that answers a challenge. ``nc``: from 1, once each nonce."""
    qop = challenge.qop
    counted = f"{nc:08x}"
    response = _response(challenge, method, uri, user, password, counted, cnonce)
    quoted = user.replace("\\", "\\\\").replace('"', '\\"')
    parts = [
        f'username="{quoted}"',
        f'realm="{challenge.realm}"',
        f'nonce="{challenge.nonce}"',
        f'uri="{uri}"',
        f'response="{response}"',
    ]
    if challenge.named:
        parts.append(f"algorithm={challenge.algorithm}")
    if qop is not None:
        parts += [f"qop={qop}", f"nc={counted}"]
    if qop is not None or challenge.algorithm.endswith("-sess"):
        parts.append(f'cnonce="{cnonce}"')
    if challenge.opaque is not None:
        parts.append(f'opaque="{challenge.opaque}"')
    return "Digest " + ", ".join(parts)


def _response(
    challenge: Challenge, method: str, uri: str, user: str, password: str | bytes, nc: str, cnonce: str
) -> str:
    """RFC 7616 sections 3.4.1 to 3.4.3; without qop as RFC 2069 did."""
    word = password if isinstance(password, bytes) else password.encode("utf-8", "replace")
    first = _hash(challenge.algorithm, f"{user}:{challenge.realm}:".encode("utf-8", "replace") + word)
    if challenge.algorithm.endswith("-sess"):
        first = _hash(challenge.algorithm, _join(first, challenge.nonce, cnonce))
    second = _hash(challenge.algorithm, _join(method, uri))
    if challenge.qop is None:
        return _hash(challenge.algorithm, _join(first, challenge.nonce, second))
    return _hash(challenge.algorithm, _join(first, challenge.nonce, nc, cnonce, challenge.qop, second))


def _join(*words: str) -> bytes:
    return ":".join(words).encode("utf-8", "replace")


def _hash(algorithm: str, data: bytes) -> str:
    # MD5 is what older SIP asks for; it guards no secret of ours beyond that.
    return hashlib.new(_HASHES[algorithm.removesuffix("-sess")], data, usedforsecurity=False).hexdigest()


def parse_authorization(header: str) -> Credentials | None:
    """The credentials of an Authorization header; None for what is none, or not Digest."""
    if len(header) > HEADER_MAX:
        return None
    schemes = _schemes(header)
    if len(schemes) != 1 or schemes[0][0] != "digest":
        return None
    values = schemes[0][1]
    algorithm = _NAMES.get(values.get("algorithm", "MD5").lower())
    if algorithm is None or not all(values.get(name) for name in ("username", "nonce", "uri", "response")):
        return None
    qop = values.get("qop")
    if qop is not None and (qop.lower() != "auth" or not _NC.match(values.get("nc", "")) or not values.get("cnonce")):
        return None
    if algorithm.endswith("-sess") and not values.get("cnonce"):
        return None
    return Credentials(
        _PAIR.sub(r"\1", values["username"]),
        values.get("realm", ""),
        values["nonce"],
        values["uri"],
        values["response"],
        algorithm,
        "auth" if qop is not None else None,
        values.get("nc"),
        values.get("cnonce"),
        values.get("opaque"),
    )


def right(credentials: Credentials, method: str, password: str | bytes) -> bool:
    """Whether the response was made with this password; takes as long either way."""
    challenge = Challenge(credentials.realm, credentials.nonce, credentials.algorithm, credentials.qop)
    nc, cnonce = credentials.nc or "", credentials.cnonce or ""
    wanted = _response(challenge, method, credentials.uri, credentials.username, password, nc, cnonce)
    return hmac.compare_digest(wanted.encode(), credentials.response.lower().encode("utf-8", "replace"))
