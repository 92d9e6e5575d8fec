"""The reflector's own file: where it listens, whom it knows, whom it may call, and how much of anything. TOML."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct, field

from agent.site.words import Directory, Endpoint, Id, Network, SecretName

MEDIA = (40_000, 40_063)


class Probe(Struct, frozen=True, forbid_unknown_fields=True):
    """``[[probe]]``: one box. ``addresses``: where it may come from, empty for anywhere (its secret decides).

    ``knock``: the address that is called back, and no other ever; without it this probe is called back nowhere.
    """

    id: Id
    secret: SecretName
    addresses: Annotated[tuple[Network, ...], Meta(max_length=16)] = ()
    knock: Endpoint | None = None


class Secrets(Struct, frozen=True, forbid_unknown_fields=True):
    """``[secrets]``: the one directory that secrets are named in."""

    directory: Directory = "/etc/dialtone/secrets"


class Settings(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file. ``media_ports``: first and last; each call has one of them."""

    probe: Annotated[tuple[Probe, ...], Meta(min_length=1, max_length=512)]
    listen: Annotated[tuple[Endpoint, ...], Meta(min_length=1, max_length=8)] = ("0.0.0.0:5060",)
    media_ports: Annotated[tuple[int, int], Meta(description="the first and the last port of audio")] = MEDIA
    call_max_s: Annotated[float, Meta(ge=2, le=120)] = 30.0
    calls_max: Annotated[int, Meta(ge=1, le=64)] = 16
    knock_idle_max_s: Annotated[float, Meta(ge=1, le=3600)] = 1800.0
    secrets: Secrets = field(default_factory=Secrets)


class SettingsInvalid(ValueError):
    """The file can't be used; the text says why."""


def load(path: Path) -> Settings:
    """Read it. Raises ``SettingsInvalid``, also where it can't be read."""
    try:
        return parse(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsInvalid(f"{path}: {error}") from None


def parse(text: str) -> Settings:
    """Read its text. Raises ``SettingsInvalid``."""
    try:
        settings = msgspec.toml.decode(text, type=Settings)
    except msgspec.MsgspecError as error:
        raise SettingsInvalid(str(error)) from None
    ids = [probe.id for probe in settings.probe]
    if len(set(ids)) != len(ids):
        raise SettingsInvalid("two probes have one id")
    low, high = settings.media_ports
    if not 1024 <= low <= high <= 65_535:
        raise SettingsInvalid("media_ports must be two ports from 1024 to 65535, the first not above the last")
    if high - low + 1 < settings.calls_max:
        raise SettingsInvalid(f"media_ports has {high - low + 1} ports, calls_max is {settings.calls_max}")
    for at in (*settings.listen, *(probe.knock for probe in settings.probe if probe.knock)):
        host, port = endpoint(at)
        if not 1 <= port <= 65_535:
            raise SettingsInvalid(f"{at}: a port goes from 1 to 65535")
        try:
            ipaddress.ip_address(host)
        except ValueError:
            raise SettingsInvalid(f"{at}: no address") from None
    for probe in settings.probe:
        for network in probe.addresses:
            try:
                ipaddress.ip_network(network, strict=False)
            except ValueError:
                raise SettingsInvalid(f"probe {probe.id}: {network} is no address and no network") from None
    return settings


def endpoint(text: str) -> tuple[str, int]:
    """``192.0.2.1:5060`` or ``[2001:db8::1]:5060`` as host and port."""
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)
