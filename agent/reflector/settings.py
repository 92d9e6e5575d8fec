"""The reflector's own file: where it listens, whom it knows, whom it may call, and how much of anything. TOML."""

from __future__ import annotations

import ipaddress
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct, field

from agent.site.walk import Key, Problem, Problems, path_text, walk
from agent.site.where import scan
from agent.site.words import Directory, Endpoint, Id, Network, PortRange, SecretName

SIZE_MAX = 256 * 1024
ERRORS_MAX = 50

Address = Annotated[
    str, Meta(min_length=2, max_length=45, pattern=r"^[0-9A-Fa-f:.]+\Z", description="an IPv4 or IPv6 address")
]
IdleS = Annotated[float, Meta(ge=0.1, le=3600)]


class Probe(Struct, frozen=True, forbid_unknown_fields=True):
    """``[[probe]]``: one box. ``addresses``: where it comes from, as this reflector sees it.

    ``knock``: the address that is called back, and no other ever; without it this probe is called back nowhere.
    ``idle_min_s`` to ``idle_max_s``: how long after it was asked.
    """

    id: Id
    secret: SecretName
    addresses: Annotated[tuple[Network, ...], Meta(min_length=1, max_length=16)]
    knock: Endpoint | None = None
    idle_min_s: IdleS = 1.0
    idle_max_s: IdleS = 1800.0


class Secrets(Struct, frozen=True, forbid_unknown_fields=True):
    """``[secrets]``: the one directory that secrets are named in; systemd's credentials directory wins over it."""

    directory: Directory = "/etc/dialtone/secrets"


class Settings(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file. ``public``: our addresses as probes see them, where translation hides them.

    ``media_ports``: each call has an even one of them (RFC 3550 section 11). ``each_per_s``: datagrams of one source
    that are looked at; ``strangers_per_s``: of all that are no probe's.
    """

    probe: Annotated[tuple[Probe, ...], Meta(min_length=1, max_length=512)]
    listen: Annotated[tuple[Endpoint, ...], Meta(min_length=1, max_length=8)] = ("0.0.0.0:5060",)
    public: Annotated[tuple[Address, ...], Meta(max_length=2)] = ()
    media_ports: PortRange = "40000-40063"
    call_max_s: Annotated[float, Meta(ge=1, le=120)] = 30.0
    calls_max: Annotated[int, Meta(ge=1, le=64)] = 16
    each_per_s: Annotated[float, Meta(ge=1, le=1000)] = 20.0
    strangers_per_s: Annotated[float, Meta(ge=1, le=10_000)] = 200.0
    secrets: Secrets = field(default_factory=Secrets)

    def media_port(self, slot: int) -> int:
        """The audio port of a call's slot, from 0."""
        low = port_range(self.media_ports)[0]
        return low + low % 2 + 2 * slot


class SettingsInvalid(ValueError):
    """The file can't be used. ``errors``: each mistake with its key, and its line where known."""

    def __init__(self, errors: tuple[str, ...]) -> None:
        super().__init__("; ".join(errors[:3]))
        self.errors = errors


def load(path: Path) -> Settings:
    """Read it. Raises ``SettingsInvalid``, also where it can't be read."""
    try:
        with path.open("rb") as file:
            data = file.read(SIZE_MAX + 1)
        text = data.decode("utf-8")
    except (OSError, ValueError) as error:
        raise SettingsInvalid((f"can't be read: {getattr(error, 'strerror', None) or error}",)) from None
    return parse(text)


def parse(text: str) -> Settings:
    """Read its text. Raises ``SettingsInvalid`` with all that is wrong."""
    positions = scan(text) if len(text) <= SIZE_MAX else None
    if positions is None or positions.too_deep is not None:
        raise SettingsInvalid((f"longer than {SIZE_MAX} bytes, or nested too deep",))
    try:
        data = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise SettingsInvalid((f"no TOML: {error}",)) from None
    problems = Problems(ERRORS_MAX)
    settings: Settings = walk(data, Settings, problems)
    if not problems.found:
        for problem in _rules(settings):
            problems.add(problem.at, problem.message)
    if problems.found:
        lines = ((positions.line_of(problem.at), problem) for problem in problems.found)
        raise SettingsInvalid(
            tuple(f"{'' if at is None else f'line {at}: '}{path_text(one.at)}: {one.message}" for at, one in lines)
        )
    try:
        return msgspec.convert(data, Settings)
    except msgspec.ValidationError as error:  # the walker missed something; a mistake is told all the same
        raise SettingsInvalid((str(error),)) from None


def _rules(settings: Settings) -> Iterator[Problem]:
    """What one key alone can't show."""
    low, high = port_range(settings.media_ports)
    if not 1024 <= low <= high <= 65_535:
        yield Problem(("media_ports",), "must be two ports from 1024 to 65535, the first not above the last")
    elif settings.media_port(settings.calls_max - 1) > high:
        yield Problem(("media_ports",), f"has fewer even ports than the {settings.calls_max} calls of calls_max")
    for number, at in enumerate(settings.listen):
        yield from _endpoint(at, ("listen", number))
    if len(set(settings.listen)) < len(settings.listen):
        yield Problem(("listen",), "names one address and port twice")
    for number, address in enumerate(settings.public):
        if not _is_address(address):
            yield Problem(("public", number), "must be an IPv4 or IPv6 address")
    for word in ("id", "secret"):
        seen: set[str] = set()
        for number, probe in enumerate(settings.probe):
            value = getattr(probe, word)
            if value in seen:
                yield Problem(("probe", number, word), f"must be of one probe alone; an earlier one has this {word}")
            seen.add(value)
    for number, probe in enumerate(settings.probe):
        yield from _probe(probe, ("probe", number))


def _probe(probe: Probe, at: Key) -> Iterator[Problem]:
    for number, network in enumerate(probe.addresses):
        try:
            ipaddress.ip_network(network, strict=False)
        except ValueError:
            yield Problem((*at, "addresses", number), "must be an address or a network such as 10.77.3.0/24")
    if probe.knock is not None:
        yield from _endpoint(probe.knock, (*at, "knock"))
        host = endpoint(probe.knock)[0]
        if _is_address(host) and (ipaddress.ip_address(host).is_unspecified or ipaddress.ip_address(host).is_multicast):
            yield Problem((*at, "knock"), "must be the address of one box")
    if probe.idle_min_s > probe.idle_max_s:
        yield Problem((*at, "idle_min_s"), "must not be above idle_max_s")


def _endpoint(text: str, at: Key) -> Iterator[Problem]:
    host, port = endpoint(text)
    if not _is_address(host):
        yield Problem(at, "must be address:port; the address can't be read")
    if not 1 <= port <= 65_535:
        yield Problem(at, "must have a port from 1 to 65535")


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def endpoint(text: str) -> tuple[str, int]:
    """``192.0.2.1:5060`` or ``[2001:db8::1]:5060`` as host and port."""
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


def port_range(text: str) -> tuple[int, int]:
    """``40000-40063``, or one port, as first and last."""
    low, _, high = text.partition("-")
    return int(low), int(high or low)
