"""The faults of the demo: files of this folder, typed, with a small literal vocabulary of what they may set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from agent.panel import LAMPS

Setting = str | bool

# What may be set: the first value is the healthy one.
_TRUNK: tuple[Setting, ...] = ("clear", "los", "lof", "ais", "rai")
_SWITCH: tuple[Setting, ...] = (True, False)
VOCABULARY: dict[str, tuple[Setting, ...]] = {
    "bank.T1-1": _TRUNK,
    "bank.T1-2": _TRUNK,
    "bank.port": ("plugged", "unplugged"),
    "calls.voice": _SWITCH,
    "calls.data": _SWITCH,
    "firewall.forwarding": _SWITCH,
    "firewall.udp": _SWITCH,
    "firewall.alive": _SWITCH,
    "router.alive": _SWITCH,
    "far-end.alive": _SWITCH,
    "broker.alive": _SWITCH,
}


class OutageInvalid(Exception):
    """An outage file is wrong; the text names the file and the mistake."""


class Change(Struct, frozen=True, forbid_unknown_fields=True):
    """What is set ``at_s`` seconds after the outage begins."""

    at_s: Annotated[float, Meta(ge=0, le=600)]
    set: Annotated[dict[str, Setting], Meta(min_length=1, max_length=16)]


class Outage(Struct, frozen=True, forbid_unknown_fields=True):
    """One fault. ``lights``: the lamps that must light within ``lights_within_s``, else the demo failed."""

    name: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,31}\Z")]
    title: Annotated[str, Meta(min_length=1, max_length=60)]
    story: Annotated[str, Meta(min_length=1, max_length=300)]
    lights: Annotated[tuple[str, ...], Meta(min_length=1, max_length=8)]
    change: Annotated[tuple[Change, ...], Meta(min_length=1, max_length=32)]
    key: Annotated[int, Meta(ge=1, le=9)] | None = None
    lights_within_s: Annotated[float, Meta(gt=0, le=600)] = 15.0

    def repair(self) -> dict[str, Setting]:
        """What puts right all that this outage sets."""
        return {what: VOCABULARY[what][0] for change in self.change for what in change.set}


def parse(text: str, name: str) -> Outage:
    """One outage file. Raises ``OutageInvalid``."""
    try:
        outage = msgspec.toml.decode(text, type=Outage)
    except msgspec.MsgspecError as error:
        raise OutageInvalid(f"{name}: {error}") from None
    for change in outage.change:
        check(change.set, name)
    for lamp in outage.lights:
        if lamp not in LAMPS:
            raise OutageInvalid(f"{name}: no such lamp: {lamp!r}")
    if list(outage.change) != sorted(outage.change, key=lambda change: change.at_s):
        raise OutageInvalid(f"{name}: its changes must stand in the order of at_s")
    return outage


def check(settings: Mapping[str, Any], name: str) -> None:
    """Refuse what the vocabulary does not know. Raises ``OutageInvalid``."""
    for what, value in settings.items():
        allowed = VOCABULARY.get(what)
        if allowed is None:
            raise OutageInvalid(f"{name}: nothing called {what!r}; it can be {', '.join(VOCABULARY)}")
        if not any(value is known or (isinstance(value, str) and value == known) for known in allowed):
            raise OutageInvalid(f"{name}: {what} can't be {value!r}; it can be {', '.join(map(str, allowed))}")


def load_all() -> Sequence[Outage]:
    """Every outage of this folder, those with a key first. Raises ``OutageInvalid``."""
    files = sorted((f for f in resources.files(__name__).iterdir() if f.name.endswith(".toml")), key=lambda f: f.name)
    texts = {file.name: file.read_text(encoding="utf-8") for file in files}
    # What has sources is a recorded outage (``story``), not one of the demo's own faults.
    faults = {name: text for name, text in texts.items() if "\nsources = [" not in text}
    outages = [parse(text, name) for name, text in faults.items()]
    names = [outage.name for outage in outages]
    keys = [outage.key for outage in outages if outage.key is not None]
    if len(set(names)) != len(names) or len(set(keys)) != len(keys):
        raise OutageInvalid("two outages have one name or one key")
    return sorted(outages, key=lambda outage: (outage.key is None, outage.key or 0, outage.name))
