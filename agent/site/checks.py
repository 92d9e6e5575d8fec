"""The checks of a ``[[path]]``: every kind, its keys with their bounds, and how often and how long each asks.

Like the lines' dialects one tagged union, by ``kind``. Active kinds are started by this box; the passive ones,
``syslog`` and ``traps``, take what the device sends to ``[listen]``.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from agent.site.words import EveryS, Host, Id, SecretName, SipUri, TcpPort, Text, TimeoutS


class Judged(Struct, frozen=True, forbid_unknown_fields=True):
    """What every check has: how often, how long it may take, and how many of the last n must fail."""

    every_s: EveryS | None = None
    timeout_s: TimeoutS | None = None
    fail: Annotated[int, Meta(ge=1, le=20)] = 3
    of: Annotated[int, Meta(ge=1, le=50)] = 5


class Icmp(Judged, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="icmp"):
    """Ping (RFC 792, RFC 4443): up to four echo requests a check, one answer passes it."""


class Tcp(Judged, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="tcp"):
    """A TCP connection can be opened."""

    port: TcpPort = field(default=0)


class Tls(Judged, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="tls"):
    """A TLS handshake (RFC 8446, RFC 5246), its certificate verified; its expiry is a point of its own."""

    port: TcpPort = field(default=0)
    server_name: Host | None = None
    ca: SecretName | None = None
    verify: bool = True


class Dns(Judged, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="dns"):
    """A name asked of this path's own name server (RFC 1035); ``expect``: one of these must be among the answers."""

    name: Host = field(default="")
    record: Literal["A", "AAAA", "SRV", "NAPTR", "CNAME", "PTR", "SOA"] = "A"
    expect: Annotated[tuple[Text, ...], Meta(max_length=16)] = ()
    transport: Literal["udp", "tcp"] = "udp"
    port: TcpPort = 53


class Snmp(Judged, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="snmp"):
    """The device's own report by SNMP (RFC 3416; v3 with USM, RFC 3414). ``profiles``: files of agent/paths/snmp."""

    version: Literal["2c", "3"] = "2c"
    community: SecretName | None = None
    user: Text | None = None
    authentication: Literal["md5", "sha", "sha224", "sha256", "sha384", "sha512"] | None = None
    authentication_password: SecretName | None = None
    privacy: Literal["des", "aes"] | None = None
    privacy_password: SecretName | None = None
    profiles: Annotated[tuple[Id, ...], Meta(min_length=1, max_length=8)] = ("interfaces",)
    interfaces: Annotated[tuple[Text, ...], Meta(max_length=32)] = ()
    port: TcpPort = 161


class SipOptions(Judged, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="sip-options"):
    """SIP OPTIONS (RFC 3261 section 11); any final response of the far end says the path is alive.

    ``keepalive``: i3's stricter word is asked too (200 alone, NENA-STA-010.3): anything else is degraded.
    """

    port: TcpPort | None = None
    transport: Literal["udp", "tcp", "tls"] = "udp"
    keepalive: bool = False
    server_name: Host | None = None
    ca: SecretName | None = None
    certificate: SecretName | None = None
    key: SecretName | None = None
    verify: bool = True


class TestCall(Judged, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="test-call"):
    """A two-way call with audio (RFC 3261, RFC 3550): a tone goes out and must come back.

    ``to``: a SIP URI; never 911 nor urn:service:sos. ``covers``: the elements that a pass speaks for. ``talk_s``: how
    long it sends. ``answers``: what the far end does with the audio: ``echo``, or a ``reflector`` of ours, which adds
    its own tone and tells what it heard.
    """

    to: SipUri | None = None
    port: TcpPort | None = None
    transport: Literal["udp", "tcp"] = "udp"
    user: Text | None = None
    password: SecretName | None = None
    answers: Literal["reflector", "echo"] | None = None
    talk_s: Annotated[float, Meta(ge=0.5, le=20)] = 2.0
    ring_s: Annotated[float, Meta(ge=1, le=30)] = 8.0
    covers: Annotated[tuple[Id, ...], Meta(max_length=16)] = ()
    media_port: TcpPort | None = None


class Knock(Judged, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="knock"):
    """Our reflector calls in on a new flow, ``idle_s`` after it was asked to: longer than the firewall remembers."""

    idle_s: Annotated[float, Meta(ge=1, le=1800)] = 200.0
    port: TcpPort = 5060
    fail: Annotated[int, Meta(ge=1, le=20)] = 2
    of: Annotated[int, Meta(ge=1, le=50)] = 3


class Syslog(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="syslog"):
    """This device's log comes to ``[listen]``; what it refuses of the calls' addresses and ports is counted.

    ``denies`` within ``within_s`` look bad; a log that says nothing for ``quiet_s`` says nothing of calls either.
    """

    denies: Annotated[int, Meta(ge=1, le=10_000)] = 5
    within_s: Annotated[float, Meta(ge=1, le=3600)] = 30.0
    quiet_s: Annotated[float, Meta(ge=10, le=86_400)] = 900.0


class Traps(Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="traps"):
    """This device's SNMP traps and informs come to ``[listen]`` (RFC 3416 section 4.2.6)."""

    version: Literal["2c", "3"] = "2c"
    community: SecretName | None = None
    user: Text | None = None
    authentication: Literal["md5", "sha", "sha224", "sha256", "sha384", "sha512"] | None = None
    authentication_password: SecretName | None = None
    privacy: Literal["des", "aes"] | None = None
    privacy_password: SecretName | None = None
    profiles: Annotated[tuple[Id, ...], Meta(min_length=1, max_length=8)] = ("interfaces",)


ActiveCheck = Icmp | Tcp | Tls | Dns | Snmp | SipOptions | TestCall | Knock
PassiveCheck = Syslog | Traps
Check = Icmp | Tcp | Tls | Dns | Snmp | SipOptions | TestCall | Knock | Syslog | Traps

Role = Literal["lan", "firewall", "router", "far-end", "reflector"]


# How often each kind of check asks, by the role of what is asked. A far end is somebody else's: once a
# minute is i3's own keep-alive period (NENA-STA-010.3); our own devices and reflector are asked often.
_OFTEN: dict[str, tuple[float, float, float]] = {
    #               own devices, far end, reflector
    "icmp":        (2.0, 60.0, 2.0),
    "tcp":         (5.0, 60.0, 2.0),
    "tls":         (300.0, 3600.0, 300.0),
    "dns":         (60.0, 60.0, 60.0),
    "snmp":        (10.0, 60.0, 60.0),
    "sip-options": (5.0, 60.0, 2.0),
    "test-call":   (60.0, 300.0, 60.0),
}  # fmt: skip
_COLUMN: dict[str, int] = {"lan": 0, "firewall": 0, "router": 0, "far-end": 1, "reflector": 2}
EVERY_S: dict[tuple[str, str], float] = {
    (kind, role): times[column] for kind, times in _OFTEN.items() for role, column in _COLUMN.items()
}
# What a check may take where the file does not say; 2 s for the others. SNMP reads several tables.
_TIMEOUT_S: dict[str, float] = {"tls": 5.0, "dns": 3.0, "snmp": 5.0}
# A certificate is asked once an hour: three failures of it must not take three hours. Once a minute is i3's own
# keep-alive period (NENA-STA-010.3), so no oftener than a far end may be asked by strangers.
AGAIN_S = 60.0
# After the idle time: the reflector's ring and its repetitions (RFC 3261 timer F's first steps).
KNOCK_MORE_S = 5.0


def kind_of(check: Check) -> str:
    """The check's kind as the site file writes it."""
    return str(check.__struct_config__.tag)


def every_s(check: ActiveCheck, role: Role) -> float:
    """Seconds between two starts of this check: the file's, else the default of its kind and role."""
    if check.every_s is not None:
        return check.every_s
    if isinstance(check, Knock):
        return check.idle_s + 2 * KNOCK_MORE_S
    return EVERY_S[kind_of(check), role]


def timeout_s(check: ActiveCheck, role: Role) -> float:
    """Seconds one check may take: the file's, else by its kind, and shorter where it is asked more than once in 1 s."""
    if check.timeout_s is not None:
        return check.timeout_s
    if isinstance(check, Knock):
        return check.idle_s + KNOCK_MORE_S
    if isinstance(check, TestCall):
        return check.ring_s + check.talk_s + 4.0
    return min(_TIMEOUT_S.get(kind_of(check), 2.0), max(1.0, 2.0 * every_s(check, role)))


def patient(check: ActiveCheck, role: Role) -> bool:
    """Whether it is asked again sooner than by its period while its word is wanted; a knock waits out its idle time."""
    return every_s(check, role) > AGAIN_S and not isinstance(check, Knock)


def port_of(check: SipOptions | TestCall) -> int:
    """The port the check speaks to: the file's, else 5060, 5061 under TLS (RFC 3261 section 19.1.2)."""
    return check.port if check.port is not None else (5061 if check.transport == "tls" else 5060)
