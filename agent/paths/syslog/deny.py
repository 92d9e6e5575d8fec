"""What a firewall says it refused, in one form for every vendor; and the words they share. Pure."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

TEXT_MAX = 64

_PROTOCOLS: Mapping[str, str] = {
    "1": "icmp", "2": "igmp", "6": "tcp", "17": "udp", "47": "gre", "50": "esp", "58": "icmpv6", "132": "sctp",
    "icmp6": "icmpv6", "ipv6-icmp": "icmpv6", "icmpv6": "icmpv6",
}  # fmt: skip
# Port names as the services of firewalls call them: those of calls, and a few that stand for "no call".
_PORTS: Mapping[str, int] = {
    "sip": 5060, "sips": 5061, "sip-tls": 5061, "h323": 1720, "ssh": 22, "telnet": 23, "domain": 53, "dns": 53,
    "http": 80, "www": 80, "ntp": 123, "snmp": 161, "https": 443, "syslog": 514,
}  # fmt: skip
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}\Z")
_UNPRINTABLE = re.compile(r"[^\x20-\x7e]")
# A run of seven digits or more could be somebody's number.
_LONG_NUMBER = re.compile(r"\d{7,}")
_VERDICT = re.compile(
    r"(?<![a-z])(?:"
    r"(?P<no>drop(?:ped|ping|ed|s)?|den(?:y|ied|ies)|block(?:ed|ing|s)?|reject(?:ed|s)?|refuse[ds]?|discard(?:ed|s)?"
    r"|forbid(?:den)?|prohibit(?:ed)?)"
    r"|(?P<yes>accept(?:ed|s)?|allow(?:ed|s)?|permit(?:ted|s)?|pass(?:ed)?|audit)"
    r")(?![a-z])",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Deny:
    """One refused packet or connection; None where the log does not say.

    ``src``, ``dst``: an address in its shortest form, or the name that the firewall gave it. ``proto``: lower case.
    ``rule``: what refused it, as the firewall calls it. ``reason``: the kind of refusal.
    """

    src: str | None
    sport: int | None
    dst: str | None
    dport: int | None
    proto: str | None
    rule: str | None = None
    reason: str = ""


def deny(
    src: str, sport: str | None, dst: str, dport: str | None, proto: str | None, rule: str | None, reason: str
) -> Deny | None:
    """From the words of a log. ICMP has no ports, whatever stands in their place. None without any address."""
    source, destination = address(src), address(dst)
    if source is None and destination is None:
        return None
    named = protocol(proto)
    portless = named is not None and named.startswith("icmp")
    return Deny(
        source,
        None if portless else port(sport),
        destination,
        None if portless else port(dport),
        named,
        plain(rule) or None,
        reason,
    )


def protocol(text: str | None) -> str | None:
    """``17``, ``UDP`` and ``udp`` as ``udp``."""
    if not text:
        return None
    low = text.strip().lower()
    return _PROTOCOLS.get(low, low if _NAME.match(low) else None)


def port(text: str | None) -> int | None:
    """A port's number, 0 to 65535, or the number of a service's name."""
    if not text:
        return None
    if text.isascii() and text.isdigit() and len(text) <= 5:
        number = int(text)
        return number if number <= 65_535 else None
    return _PORTS.get(text.lower())


@lru_cache(maxsize=1024)
def ip(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """An address, IPv4-mapped ones as IPv4, without a zone; None for what is none."""
    if not 2 <= len(text) <= 64:
        return None
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        return found.ipv4_mapped
    return found


def address(text: str) -> str | None:
    """An address in its shortest form, or a host's name; None for neither."""
    text = text[:256].strip().strip("[]")
    found = ip(text)
    if found is not None:
        return str(found)
    return text if _NAME.match(text) and text.lower() not in ("n/a", "none", "unknown") else None


def behind_interface(text: str) -> str:
    """The address of ``outside:192.0.2.1``, ``ctx:outside:192.0.2.1`` or ``outside:2001:db8::1``."""
    text = text.strip()
    for _ in range(4):
        if ":" not in text or ip(text.strip("[]")) is not None:
            break
        text = text.partition(":")[2].strip()
    return text


def host_and_port(text: str, separator: str) -> tuple[str, str | None]:
    """``192.0.2.1/5060`` or ``[2001:db8::1]:5060``; an address alone where no port follows."""
    text = text.strip()
    head, found, tail = text.rpartition(separator)
    if not found or (separator == ":" and not text.startswith("[") and ip(text) is not None):
        return text, None
    return head, tail


def plain(text: str | None) -> str:
    """A name out of a log for people to read: printable ASCII, short, no long number in it."""
    if not text:
        return ""
    short = _UNPRINTABLE.sub("", text[: 4 * TEXT_MAX]).strip(" \t\"':,;[]")[:TEXT_MAX].strip()
    return _LONG_NUMBER.sub("…", short)


def verdict(words: str) -> bool | None:
    """Whether a rule's own words say that it refuses: the last such word; None where none is said."""
    last = None
    for found in _VERDICT.finditer(words):
        last = found
    return None if last is None else last["no"] is not None
