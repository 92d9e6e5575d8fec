"""Which SIP URIs a test call may go to: never a live emergency call, in no spelling."""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import unquote

URI_MAX = 1024
DECODINGS_MAX = 4
# 911, 112 (mobile networks take it for 911) and 999; 988 is a live crisis line. Each also after a digit that gets an
# outside line (9-911, 8-911, 0-911) and after a country's or long distance's 1.
_LIVE = frozenset({"911", "112", "999", "988"})
_PREFIXES = ("", "9", "8", "0", "1", "91", "81", "01")
_SEPARATORS = re.compile(r"[\s().+*#_-]+")
_PIECES = re.compile(r"[;:,/?&=@<>\"\[\]]+")
_SOS = re.compile(r"service:+sos(?![a-z0-9-])|urn:+sos(?![a-z0-9-])")


def refused_uri(uri: str) -> str | None:
    """Why a test call must not go there; None where it may.

    ``urn:service:test.*`` (RFC 6881 section 15) is meant for tests. What can't be read to its end is refused.
    """
    text = _plain(uri)
    if text is None:
        return "it can't be read: too long, or encoded again and again"
    if any(ord(ch) < 0x20 or ord(ch) == 0x7F for ch in text):
        return "it holds a control character"
    squeezed = re.sub(r"\s+", "", text)
    if _SOS.search(squeezed):
        return "urn:service:sos is a live emergency call; urn:service:test.sos is for tests"
    scheme, colon, rest = squeezed.partition(":")
    if scheme == "urn":
        return None if rest.startswith("service:test.") else "of URNs, only urn:service:test.… may be called"
    if not colon or scheme not in ("sip", "sips", "tel"):
        return "it is no SIP URI"
    if "?" in rest:
        return "a test call's URI carries no headers (what stands after ?)"
    for piece in _PIECES.split(_who(scheme, rest)):
        digits = _digits(piece)
        if digits is not None and _live(digits):
            return f"{digits} is a live emergency number"
    return None


def _plain(uri: str) -> str | None:
    """Lower case, percent-encoding undone however often it was done, other alphabets' digits as ours."""
    text = uri
    for _ in range(DECODINGS_MAX):
        if len(text) > URI_MAX:
            return None
        plain = unquote(text, errors="replace")
        if plain == text:
            return unicodedata.normalize("NFKC", text).strip().lower()
        text = plain
    return None


def _who(scheme: str, rest: str) -> str:
    """What names the called: the user part; of a URI without one its host, which some dial; of tel: all of it."""
    user, at, _ = rest.rpartition("@")
    if at:
        return user
    if scheme == "tel":
        return rest
    return "" if rest.startswith("[") else rest.partition(";")[0]  # an IPv6 address is no number


def _digits(piece: str) -> str | None:
    """The number that a piece dials, visual separators taken out (RFC 3966 section 5.1.1); None for a name."""
    number = _SEPARATORS.sub("", piece)
    if not number or not all(unicodedata.decimal(ch, None) is not None for ch in number):
        return None
    return "".join(str(unicodedata.decimal(ch)) for ch in number)


def _live(digits: str) -> bool:
    return any(digits == prefix + live for prefix in _PREFIXES for live in _LIVE)
