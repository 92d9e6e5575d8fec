"""What a firewall refused, out of one log line: the deny formats of the common makes. Pure.

Each make has a mark that only its lines bear, so that a line is tried by one reader at most. A line that is no deny, or
of nobody known, is None. Sources: protocols.md section 5.2 (elastic/integrations' test lines), and the makers' message
guides: Cisco ASA Series Syslog Messages, IOS System Message Guide, FortiOS Log Reference, PAN-OS Traffic Log Fields,
netfilter's ipt_LOG, pfSense's filter log grammar, Junos RT_FLOW, SonicOS Log Events, MikroTik's firewall log.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from agent.site.hosts import is_ip

PROTOCOLS: Mapping[str, str] = {"1": "icmp", "6": "tcp", "17": "udp", "58": "icmp", "132": "sctp"}


@dataclass(frozen=True, slots=True)
class Deny:
    """One refused packet or flow. Addresses as written (a name stays a name); what is not said is None."""

    src: str | None
    sport: int | None
    dst: str | None
    dport: int | None
    proto: str | None
    rule: str | None = None


def _port(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) <= 5 else None


def _proto(text: str | None) -> str | None:
    return None if not text else PROTOCOLS.get(text, text.lower())


# -- Cisco ASA, Firepower, IOS ---------------------------------------------------------------------------------------

_ASA = re.compile(r"%(?:ASA|FTD|FWSM|PIX)-(?:[A-Za-z]+-)?[0-7]-([0-9]{6}):? ?")
# An end: "dmz:10.1.2.30/63016", "inside/10.0.0.16(2011)", "ctx:iface:ip", "10.0.0.1/53", a host name, no port.
_END = r"(\S{1,300})"
_DENY = r"[Dd]en(?:y|ied)\s+(?:protocol |inbound )?(\w+)?\s*(?:\(no connection\) )?"
_SRC_DST = re.compile(rf"{_DENY}src {_END} dst {_END}")
_FROM_TO = re.compile(rf"{_DENY}(?:reverse path check )?from {_END} to {_END}")
_ARROW = re.compile(rf"access-list (\S+) denied (\w+) {_END} -> {_END}")
_GROUP = re.compile(r'by access-group "([^"]{1,100})"')
ASA_DENIES = frozenset(
    "106001 106002 106006 106007 106010 106014 106015 106018 106021 106023 106100 106102 710003 710005".split()
)
_ACE = re.compile(r"%(?:SEC|FMANFP|IOSXE_ACL)[\w-]*-6-IPACCESSLOG(?:P|DP|NP|S|RP)?:")
_ACE_DENIED = re.compile(
    r"list (\S+) denied (\w+) ([0-9A-Fa-f.:]+)(?:\((\d{1,5})\))? (?:\S{1,40} )?-> ([0-9A-Fa-f.:]+)(?: ?\((\d{1,5}))?"
)
_ZONE = re.compile(r"%FW-6-DROP_PKT: Dropping (\w+) (?:session|pkt) ([0-9.]+):(\d{1,5}) ([0-9.]+):(\d{1,5})")
_KEYED = re.compile(r"(?:^|[\s,;])([A-Za-z_][\w.-]{0,40})[=:] ?(\"[^\"]{0,400}\"|[^\s,;]{0,400})")


def _asa(text: str) -> Deny | None:
    head = _ASA.search(text)
    if head is None or head[1] not in ASA_DENIES:
        return _firepower(text) if head is not None and head[1] in ("430002", "430003") else None
    body = text[head.end() : head.end() + 1000]
    arrow = _ARROW.search(body)
    if arrow is not None:
        rule, proto, src, dst = arrow.groups()
        return Deny(*_cisco_end(src), *_cisco_end(dst), _proto(proto), rule)
    found = _SRC_DST.search(body) or _FROM_TO.search(body)
    if found is None:
        return None
    proto, src, dst = found.groups()
    group = _GROUP.search(body)
    rule = group[1] if group is not None else None
    return Deny(*_cisco_end(src), *_cisco_end(dst), _proto(proto), rule)


def _cisco_end(text: str) -> tuple[str | None, int | None]:
    """The address and the port of one end."""
    host, _, in_brackets = text.rstrip(",").partition("(")
    port = _port(in_brackets.rstrip(")"))
    front, slash, last = host.rpartition("/")
    if port is None and slash and _port(last) is not None:
        host, port = front, _port(last)
    host = host.rpartition("/")[2]
    for _ in range(3):  # a context, an interface
        if is_ip(host) or ":" not in host:
            break
        host = host.partition(":")[2]
    return host or None, port


def _firepower(text: str) -> Deny | None:
    fields = dict(_KEYED.findall(text[:4000]))
    if fields.get("AccessControlRuleAction", "").lower() not in ("block", "block with reset"):
        return None
    return Deny(
        fields.get("SrcIP"),
        _port(fields.get("SrcPort")),
        fields.get("DstIP"),
        _port(fields.get("DstPort")),
        _proto(fields.get("Protocol")),
        fields.get("AccessControlRuleName"),
    )


def _ios(text: str) -> Deny | None:
    zone = _ZONE.search(text)
    if zone is not None:
        proto, src, sport, dst, dport = zone.groups()
        return Deny(src, _port(sport), dst, _port(dport), _proto(proto))
    found = _ACE_DENIED.search(text) if _ACE.search(text) is not None else None
    if found is None:
        return None
    rule, proto, src, sport, dst, dport = found.groups()
    return Deny(src, _port(sport), dst, _port(dport), _proto(proto), rule)


# -- makers that write key=value -------------------------------------------------------------------------------------

_PAIR = re.compile(r"(?:^|[\s,|])([A-Za-z_][A-Za-z0-9_.-]{0,40})=(\"(?:[^\"\\]|\\.){0,400}\"|[^\s\"]{0,400})")


def _pairs(text: str) -> dict[str, str]:
    """Every key once, the first time it is said: what follows may be a quotation of another packet."""
    out: dict[str, str] = {}
    for name, value in _PAIR.findall(text):
        out.setdefault(name.lower(), value.strip('"'))
        if len(out) > 128:
            break
    return out


def _fortinet(text: str) -> Deny | None:
    f = _pairs(text)
    refused = f.get("action", f.get("status", "")).lower() in ("deny", "denied", "blocked", "block", "dropped", "drop")
    if not refused or f.get("type") not in (None, "traffic", "ips", "utm"):
        return None
    src, dst = f.get("srcip", f.get("src")), f.get("dstip", f.get("dst"))
    sport, dport = f.get("srcport", f.get("src_port")), f.get("dstport", f.get("dst_port"))
    return Deny(src, _port(sport), dst, _port(dport), _proto(f.get("proto")), f.get("policyid"))


def _netfilter(text: str) -> Deny | None:
    """The kernel's: what was done stands in the prefix alone, as the site's rules named it."""
    at = text.find("IN=")
    prefix, body = text[:at], text[at:].partition("[SRC=")[0]
    f = _pairs(body)
    if "src" not in f or "dst" not in f or _ACCEPTS.search(prefix) is not None:
        return None
    rule = prefix.strip(" :-[]")[-40:] or None
    return Deny(f["src"], _port(f.get("spt")), f["dst"], _port(f.get("dpt")), _proto(f.get("proto")), rule)


_ACCEPTS = re.compile(r"(?i)(?:^|[^a-z])(?:accept|allow|permit|pass)(?:ed|s)?(?:[^a-z]|$)")


def _sonicwall(text: str) -> Deny | None:
    f = _pairs(text)
    msg = f.get("msg", "").lower()
    if not any(word in msg for word in ("dropped", "denied", "blocked", "drop")):
        return None
    src, dst = f.get("src", "").split(":"), f.get("dst", "").split(":")
    proto = f.get("proto", "").partition("/")[0]
    return Deny(
        src[0] or None, _port(src[1] if len(src) > 1 else None), dst[0] or None,
        _port(dst[1] if len(dst) > 1 else None), _proto(proto), f.get("rule"),
    )  # fmt: skip


# -- the rest --------------------------------------------------------------------------------------------------------

_PAN = re.compile(r"(?:^|\s)1,(?=\d{4}/\d\d/\d\d )")


def _pan(text: str) -> Deny | None:
    """PAN-OS TRAFFIC: fields by their place; older versions have fewer (protocols.md section 5.2)."""
    start = _PAN.search(text)
    if start is None:
        return None
    try:
        f = next(csv.reader([text[start.start() :].lstrip()]))
    except (csv.Error, StopIteration):
        return None
    if len(f) < 31 or f[3] != "TRAFFIC":
        return None
    if f[4] not in ("drop", "deny") and not f[30].startswith(("deny", "drop", "reset", "block")):
        return None
    return Deny(f[7] or None, _port(f[24]), f[8] or None, _port(f[25]), _proto(f[29]), f[11] or None)


def _filterlog(text: str) -> Deny | None:
    """pf's filterlog: rule,subrule,anchor,tracker,if,reason,action,dir,version, then by the version."""
    body = text[text.find("filterlog") :]
    at = re.search(r"(?:: |- |\s)(\d*,)", body)
    f = body[at.start(1) :].split(",") if at is not None else []
    if len(f) < 17 or f[6] not in ("block", "reject"):
        return None
    if f[8] == "4" and len(f) >= 20:
        proto, ends = f[16], f[18:]
    elif f[8] == "6":
        proto, ends = f[12], f[15:]
    else:
        return None
    if len(ends) < 2:
        return None
    ports = ends[2:4] if proto.lower() in ("tcp", "udp") and len(ends) >= 4 else [None, None]
    return Deny(ends[0], _port(ports[0]), ends[1], _port(ports[1]), _proto(proto), f[3] or f[0] or None)


_FLOW = re.compile(
    r"session denied (?:\w+ )?([0-9A-Fa-f.:]+)/(\d{1,5})\s*->\s*([0-9A-Fa-f.:]+)/(\d{1,5})"
    r"(?: \S{1,40}){0,3}? (\d{1,3})\("
)


def _junos(text: str) -> Deny | None:
    f = _pairs(text)
    if "source-address" in f:
        return Deny(
            f["source-address"], _port(f.get("source-port")), f.get("destination-address"),
            _port(f.get("destination-port")), _proto(f.get("protocol-id")), f.get("policy-name"),
        )  # fmt: skip
    found = _FLOW.search(text)
    if found is None:
        return None
    src, sport, dst, dport, proto = found.groups()
    return Deny(src, _port(sport), dst, _port(dport), _proto(proto))


_MIKROTIK = re.compile(
    r"proto (\w+)(?: \([^)]{0,40}\))?, (?:\[?)([0-9A-Fa-f.:]+?)\]?(?::(\d{1,5}))?->"
    r"\[?([0-9A-Fa-f.:]+?)\]?(?::(\d{1,5}))?,"
)


def _mikrotik(text: str) -> Deny | None:
    found = _MIKROTIK.search(text)
    if found is None or _ACCEPTS.search(text[: found.start()]) is not None:
        return None
    proto, src, sport, dst, dport = found.groups()
    return Deny(src, _port(sport), dst, _port(dport), _proto(proto))


# A mark that only this make's lines bear, and its reader; tried in this order, the first that fits alone.
READERS: tuple[tuple[tuple[str, ...], Callable[[str], Deny | None]], ...] = (
    (("%ASA-", "%FTD-", "%FWSM-", "%PIX-"), _asa),
    (("IPACCESSLOG", "%FW-6-DROP_PKT"), _ios),
    (("RT_FLOW_SESSION_DENY", "RT_FLOW: RT_FLOW_SESSION_DENY", "session denied"), _junos),
    (("filterlog",), _filterlog),
    ((",TRAFFIC,",), _pan),
    (("devid=", "logid=", "devname="), _fortinet),
    (("sn=", "fw=", "m="), _sonicwall),
    (("IN=",), _netfilter),
    (("proto ", "->"), _mikrotik),
)


def deny_of(text: str) -> Deny | None:
    """What one line refuses, None where it refuses nothing or nobody knows its form. Raises nothing."""
    for marks, reader in READERS:
        if reader is _sonicwall or reader is _mikrotik:
            fits = all(mark in text for mark in marks)
        else:
            fits = any(mark in text for mark in marks)
        if fits:
            return reader(text)
    return None
