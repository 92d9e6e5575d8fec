"""The site file's types: every key, its bounds and its default.

The types say what one key may be; ``load.py`` checks what several keys must agree on, and finds the line.
Units stand in the names. A key that does nothing yet is not listed: it would be a promise.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from agent.site.line import Line as Line
from agent.site.words import Directory, EveryS, Host, Id, Interface, SecretName, TcpPort, Text, TimeoutS, Url


class Site(Struct, frozen=True, forbid_unknown_fields=True):
    """``[site]``: who this is; a NOC is told these with each alarm."""

    id: Id
    probe: Id = "a"
    name: Text | None = None
    psap_id: Text | None = None
    population: Annotated[int, Meta(ge=0, le=100_000_000)] | None = None
    provider: Text | None = None
    noc_phone: Text | None = None
    shares: Annotated[tuple[Id, ...], Meta(max_length=16)] = ()
    timezone: Text = "UTC"
    calls_per_hour: Annotated[float, Meta(gt=0, le=100_000)] | None = None


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


class SipOptions(Judged, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="sip-options"):
    """SIP OPTIONS over UDP (RFC 3261 section 11); any final response of the far end says the path is alive."""

    port: TcpPort = 5060
    transport: Literal["udp"] = "udp"


Check = Icmp | Tcp | SipOptions

Role = Literal["lan", "firewall", "router", "far-end", "reflector"]


class Path(Struct, frozen=True, forbid_unknown_fields=True):
    """``[[path]]``: something on the way out, and the checks that watch it."""

    id: Id
    role: Role
    address: Host
    checks: Annotated[tuple[Check, ...], Meta(min_length=1, max_length=8)]
    behind: Id | None = None
    agreed_with: Text | None = None


class Uplink(Struct, frozen=True, forbid_unknown_fields=True):
    """``[[uplink]]``: a way to the NOC's broker. Keys, certificates and passwords are names of secrets."""

    id: Id
    urls: Annotated[tuple[Url, ...], Meta(min_length=1, max_length=8)]
    interface: Interface | None = None
    user: Text | None = None
    password: SecretName | None = None
    ca: SecretName | None = None
    certificate: SecretName | None = None
    key: SecretName | None = None
    keepalive_s: Annotated[int, Meta(ge=5, le=600)] = 30


class Panel(Struct, frozen=True, forbid_unknown_fields=True):
    """``[panel]``: the board, the pin library (always named, never guessed) and the ISA-18.1 sequence."""

    board: Id = "dialtone-8"
    pins: Literal["lgpio", "mock"] = "mock"
    sequence: Literal["A", "M", "R"] = "M"
    path_hold_s: Annotated[float, Meta(ge=0, le=300)] = 20.0


class Journal(Struct, frozen=True, forbid_unknown_fields=True):
    """``[journal]``: where the durable log lives and how large it may grow."""

    directory: Directory = "/var/lib/dialtone"
    max_mb: Annotated[int, Meta(ge=4, le=65_536)] = 256


class Control(Struct, frozen=True, forbid_unknown_fields=True):
    """``[control]``: the Unix socket of ``dialtone status`` and its like. Default: INTERFACES' place."""

    socket: Directory | None = None
    group: Text | None = None


class Secrets(Struct, frozen=True, forbid_unknown_fields=True):
    """``[secrets]``: the one directory secrets are named in; systemd's credentials directory wins over it."""

    directory: Directory = "/etc/dialtone/secrets"


class Calls(Struct, frozen=True, forbid_unknown_fields=True):
    """``[calls]``: how the calls themselves are judged (silence, data without voice, one-way audio, ALI quality).

    ``false_alarms_per_year`` is shared by all streams. ``shadow_days``: how long a detector lights and reports but does
    not sound, until that long has passed without an alarm of its own; 0 sounds at once.
    """

    false_alarms_per_year: Annotated[float, Meta(ge=0.1, le=12)] = 1.0
    shadow_days: Annotated[int, Meta(ge=0, le=365)] = 14
    silence: bool = True
    voice: bool = True
    talk_s: Annotated[float, Meta(ge=5, le=120)] = 20.0


class SiteFile(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    site: Site
    line: Annotated[tuple[Line, ...], Meta(max_length=32)] = ()
    path: Annotated[tuple[Path, ...], Meta(max_length=64)] = ()
    uplink: Annotated[tuple[Uplink, ...], Meta(max_length=8)] = ()
    panel: Panel = field(default_factory=Panel)
    journal: Journal = field(default_factory=Journal)
    control: Control = field(default_factory=Control)
    secrets: Secrets = field(default_factory=Secrets)
    calls: Calls = field(default_factory=Calls)


# How often each kind of check asks, by the role of what is asked. A far end is somebody else's: once a
# minute is i3's own keep-alive period (NENA-STA-010.3); our own devices and reflector are asked often.
EVERY_S: dict[tuple[str, str], float] = {
    ("icmp", "lan"): 2.0,
    ("icmp", "firewall"): 2.0,
    ("icmp", "router"): 2.0,
    ("icmp", "far-end"): 60.0,
    ("icmp", "reflector"): 2.0,
    ("tcp", "lan"): 5.0,
    ("tcp", "firewall"): 5.0,
    ("tcp", "router"): 5.0,
    ("tcp", "far-end"): 60.0,
    ("tcp", "reflector"): 2.0,
    ("sip-options", "lan"): 5.0,
    ("sip-options", "firewall"): 5.0,
    ("sip-options", "router"): 5.0,
    ("sip-options", "far-end"): 60.0,
    ("sip-options", "reflector"): 2.0,
}


def kind_of(check: Check) -> str:
    """The check's kind as the site file writes it."""
    return str(check.__struct_config__.tag)


def every_s(check: Check, role: Role) -> float:
    """Seconds between two starts of this check: the file's, else the default of its kind and role."""
    return check.every_s if check.every_s is not None else EVERY_S[kind_of(check), role]


def timeout_s(check: Check, role: Role) -> float:
    """Seconds one check may take: the file's, else 2 s, and shorter where it is asked more than once in 1 s."""
    if check.timeout_s is not None:
        return check.timeout_s
    return min(2.0, max(1.0, 2.0 * every_s(check, role)))


def check_names(path: Path) -> tuple[str, ...]:
    """A name for each check of a path, unique within it: its kind, and ``-2``, ``-3`` … where a kind recurs."""
    seen: dict[str, int] = {}
    names = []
    for check in path.checks:
        kind = kind_of(check)
        seen[kind] = seen.get(kind, 0) + 1
        names.append(kind if seen[kind] == 1 else f"{kind}-{seen[kind]}")
    return tuple(names)
