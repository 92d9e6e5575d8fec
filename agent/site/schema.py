"""The site file's types: every key, its bounds and its default.

The types say what one key may be; ``load.py`` checks what several keys must agree on, and finds the line.
Units stand in the names. A key that does nothing yet is not listed: it would be a promise.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from agent.site.checks import (
    AGAIN_S as AGAIN_S,
)
from agent.site.checks import (
    EVERY_S as EVERY_S,
)
from agent.site.checks import (
    KNOCK_MORE_S as KNOCK_MORE_S,
)
from agent.site.checks import (
    ActiveCheck as ActiveCheck,
)
from agent.site.checks import (
    Check as Check,
)
from agent.site.checks import (
    Dns as Dns,
)
from agent.site.checks import (
    Icmp as Icmp,
)
from agent.site.checks import (
    Knock as Knock,
)
from agent.site.checks import (
    Role as Role,
)
from agent.site.checks import (
    SipOptions as SipOptions,
)
from agent.site.checks import (
    Snmp as Snmp,
)
from agent.site.checks import (
    Syslog as Syslog,
)
from agent.site.checks import (
    Tcp as Tcp,
)
from agent.site.checks import (
    TestCall as TestCall,
)
from agent.site.checks import (
    Tls as Tls,
)
from agent.site.checks import (
    Traps as Traps,
)
from agent.site.checks import (
    every_s as every_s,
)
from agent.site.checks import (
    kind_of as kind_of,
)
from agent.site.checks import (
    patient as patient,
)
from agent.site.checks import (
    port_of as port_of,
)
from agent.site.checks import (
    timeout_s as timeout_s,
)
from agent.site.line import Line as Line
from agent.site.words import (
    Directory,
    Endpoint,
    Host,
    Id,
    Interface,
    Network,
    PortRange,
    SecretName,
    Text,
    Url,
)


class Site(Struct, frozen=True, forbid_unknown_fields=True):
    """``[site]``: who this is; a NOC is told these with each alarm."""

    id: Id
    probe: Id = "a"
    name: Text | None = None
    psap_id: Text | None = None
    population: Annotated[int, Meta(ge=0, le=100_000_000)] | None = None
    provider: Text | None = None
    noc_phone: Text | None = None
    ticket: Text | None = None
    shares: Annotated[tuple[Id, ...], Meta(max_length=16)] = ()
    timezone: Text = "UTC"
    calls_per_hour: Annotated[float, Meta(gt=0, le=100_000)] | None = None


class Path(Struct, frozen=True, forbid_unknown_fields=True):
    """``[[path]]``: something on the way out, and the checks that watch it.

    ``secret``: shared with our reflector. ``interface``: the checks leave by it. ``beside``: another path to the very
    same machine by another way; where both fail, the machine is dead and says nothing of the way.
    """

    id: Id
    role: Role
    address: Host
    checks: Annotated[tuple[Check, ...], Meta(min_length=1, max_length=8)]
    behind: Id | None = None
    agreed_with: Text | None = None
    circuit_id: Text | None = None
    secret: SecretName | None = None
    interface: Interface | None = None
    beside: Id | None = None


class Listen(Struct, frozen=True, forbid_unknown_fields=True):
    """``[listen]``: where other devices may speak to this box, each ``address:port``; nothing listens by default.

    ``calls_at`` (networks) and ``call_ports`` (single ports or ``low-high``) say which packets carry calls.
    """

    syslog_udp: Endpoint | None = None
    syslog_tcp: Endpoint | None = None
    traps: Endpoint | None = None
    knock: Endpoint | None = None
    calls_at: Annotated[tuple[Network, ...], Meta(max_length=32)] = ()
    call_ports: Annotated[tuple[PortRange, ...], Meta(max_length=32)] = ("5060-5061",)


class HostWatch(Struct, frozen=True, forbid_unknown_fields=True):
    """``[host]``: what this box watches of itself; without the table, nothing."""

    interfaces: Annotated[tuple[Interface, ...], Meta(max_length=16)] = ()
    temperature_max_c: Annotated[float, Meta(ge=40, le=110)] = 80.0
    disk_free_mb: Annotated[int, Meta(ge=1, le=1_000_000)] = 200
    memory_free_mb: Annotated[int, Meta(ge=1, le=1_000_000)] = 64


class Uplink(Struct, frozen=True, forbid_unknown_fields=True):
    """``[[uplink]]``: a way to the NOC's broker. Keys, certificates and passwords are names of secrets."""

    id: Id
    urls: Annotated[tuple[Url, ...], Meta(min_length=1, max_length=8)]
    interface: Interface | None = None
    source: Text | None = None
    standby_s: Annotated[float, Meta(ge=0, le=3600)] | None = None
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
    first_out: bool = False
    realarm_h: Annotated[float, Meta(ge=0, le=168)] = 24.0
    path_hold_s: Annotated[float, Meta(ge=0, le=300)] = 20.0


class Journal(Struct, frozen=True, forbid_unknown_fields=True):
    """``[journal]``: where the durable log lives, how large it may grow, for how many days of running it is kept."""

    directory: Directory = "/var/lib/dialtone"
    max_mb: Annotated[int, Meta(ge=4, le=65_536)] = 256
    max_days: Annotated[int, Meta(ge=1, le=3_650)] = 400


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


Command = Literal["status", "report", "state", "lamp-test", "silence", "ack", "shelve", "restart", "test-call"]
PLAIN_COMMANDS: tuple[Command, ...] = ("status", "report", "state", "lamp-test", "silence", "ack")
SIGNED_COMMANDS: tuple[Command, ...] = ("shelve", "restart", "test-call")
COMMANDS = PLAIN_COMMANDS + SIGNED_COMMANDS


class Remote(Struct, frozen=True, forbid_unknown_fields=True):
    """``[remote]``: what the NOC may do over an uplink. Local alone: no remote file can change it.

    ``allowed_signers``: a secret's name, the file of ssh-keygen(1) that says who may sign. ``config``: whether signed
    site files are taken; ``commands``: which commands. ``trial_s``: how long a new file has to prove that the NOC can
    still be reached.
    """

    allowed_signers: SecretName | None = None
    config: bool = False
    commands: Annotated[tuple[Command, ...], Meta(max_length=len(COMMANDS))] = PLAIN_COMMANDS
    trial_s: Annotated[int, Meta(ge=10, le=3600)] = 600


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
    listen: Listen = field(default_factory=Listen)
    host: HostWatch | None = None
    remote: Remote = field(default_factory=Remote)


def check_names(path: Path) -> tuple[str, ...]:
    """A name for each check of a path, unique within it: its kind, and ``-2``, ``-3`` … where a kind recurs."""
    seen: dict[str, int] = {}
    names = []
    for check in path.checks:
        kind = kind_of(check)
        seen[kind] = seen.get(kind, 0) + 1
        names.append(kind if seen[kind] == 1 else f"{kind}-{seen[kind]}")
    return tuple(names)


def active(path: Path) -> tuple[tuple[str, ActiveCheck], ...]:
    """The checks of a path that this box starts, by their names; the others only listen."""
    pairs = zip(check_names(path), path.checks, strict=True)
    return tuple((name, check) for name, check in pairs if not isinstance(check, Syslog | Traps))
