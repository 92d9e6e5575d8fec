"""Vendor profiles: what to ask a device, what its answers and its traps mean. A vendor is a file of ``profiles``.

A file that says what nobody understands is refused whole: every key is typed, every OID parsed, every point known.
"""

from __future__ import annotations

import contextlib
import tomllib
from functools import lru_cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from agent.paths.snmp.ber import Oid, parse_oid

Meaning = Literal[
    "uptime", "host-uptime", "engine-uptime", "name", "circuit", "sessions", "sessions-max", "sessions-percent",
    "cpu-percent", "memory-percent", "storage-size", "storage-used", "if-admin", "if-oper", "if-type", "if-in-octets",
    "if-out-octets", "if-in-errors", "if-out-errors", "if-in-discards", "if-speed", "if-discontinuity",
    "ds1-line-status", "ds1-loopback", "ds1-counter", "ha-mode", "ha-member", "enum", "number", "text",
]  # fmt: skip
Does = Literal["raise", "clear", "event", "status"]
Index = Literal["number", "ip", "inet", "text"]
# The points (agent/alarms/points.py) that a device's own word may raise.
POINTS = frozenset(
    {
        "ha-degraded", "path-simplex", "line-errors", "los", "lof", "ais", "rai", "loopback", "power-on-battery",
        "interface-down", "device-restarted",
    }
)  # fmt: skip
ENTRIES_MAX = 64
LOCAL = Path("/etc/dialtone/profiles")
"""Where a technician puts the file of a make that we have none for, or a better one."""

Name = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,31}\Z")]
OidText = Annotated[str, Meta(pattern=r"^[0-9]+(\.[0-9]+){1,127}\Z", max_length=512)]
Words = Annotated[str, Meta(min_length=1, max_length=80)]
Meant = dict[Annotated[str, Meta(max_length=40)], Words]


class ProfileInvalid(Exception):
    """A profile that can't be used; the text says which and why."""


class Unless(Struct, frozen=True, forbid_unknown_fields=True):
    """It says nothing while the entry ``entry`` (of the same row, or a scalar) is one of ``values``."""

    entry: Name
    values: Annotated[tuple[str, ...], Meta(min_length=1, max_length=16)]


class Entry(Struct, frozen=True, forbid_unknown_fields=True):
    """One scalar, with its instance (``.0``), or one column.

    ``good``, ``bad`` and ``told``: what its values mean (numbers as text; texts in lower case; ``*``: all others).
    ``point``: what a bad one raises; without it, it makes the check degraded. ``at``: the number from which it is bad.
    ``changes``: a change is an event. ``subject``: whom a scalar is about. ``combine``: what the rows of a table give
    together. ``scale``: times this.
    """

    name: Name
    oid: OidText
    meaning: Meaning
    point: str | None = None
    subject: Annotated[str, Meta(max_length=40)] = ""
    good: Meant = {}
    bad: Meant = {}
    told: Meant = {}
    at: float | None = None
    unless: Unless | None = None
    changes: bool = False
    combine: Literal["max", "mean"] = "max"
    scale: Annotated[float, Meta(gt=0)] = 1.0

    @property
    def key(self) -> Oid:
        return _oid(self.oid)


class Table(Struct, frozen=True, forbid_unknown_fields=True):
    """Columns that share an index.

    ``row``: what a row without a name is called, before its index; ``rows``: names where the index is an enumeration.
    """

    name: Name
    column: Annotated[tuple[Entry, ...], Meta(min_length=1, max_length=24)]
    row: Annotated[str, Meta(max_length=24)] = ""
    index: Index = "number"
    rows: Meant = {}


class Trap(Struct, frozen=True, forbid_unknown_fields=True):
    """One notification.

    ``subject``: the variables that name what it is about, the best first; by their index where the value is a number;
    ``fixed`` where there are none. ``status``: the variable that ``good`` and ``bad`` are the values of, for ``does`` =
    ``status``; a DS1 line status needs none. ``unless``: an event alone while that variable is one of these.
    """

    oid: OidText
    words: Words
    does: Does = "event"
    point: str | None = None
    subject: Annotated[tuple[OidText, ...], Meta(max_length=8)] = ()
    row: Annotated[str, Meta(max_length=24)] = ""
    fixed: Annotated[str, Meta(max_length=40)] = ""
    status: OidText | None = None
    good: Meant = {}
    bad: Meant = {}
    unless: OidText | None = None
    unless_values: Annotated[tuple[str, ...], Meta(max_length=8)] = ()

    @property
    def key(self) -> Oid:
        return _oid(self.oid)


class Profile(Struct, frozen=True, forbid_unknown_fields=True):
    """One file."""

    title: Words
    source: Annotated[str, Meta(min_length=1, max_length=400)]
    scalar: Annotated[tuple[Entry, ...], Meta(max_length=ENTRIES_MAX)] = ()
    table: Annotated[tuple[Table, ...], Meta(max_length=16)] = ()
    trap: Annotated[tuple[Trap, ...], Meta(max_length=ENTRIES_MAX)] = ()


_oid = lru_cache(maxsize=1024)(parse_oid)


def names() -> tuple[str, ...]:
    """The profiles there are, in the order of the alphabet: ours, and those of this machine."""
    return tuple(sorted(_files()))


def _files() -> dict[str, Traversable]:
    """By name; a machine's own file wins over ours of the same name."""
    found: dict[str, Traversable] = {}
    for folder in (resources.files("agent.paths.snmp.profiles"), LOCAL):
        with contextlib.suppress(OSError):
            files = [file for file in folder.iterdir() if file.name.endswith(".toml")]
            found |= {file.name.removesuffix(".toml"): file for file in files}
    return found


@lru_cache(maxsize=64)
def load(name: str) -> Profile:
    """The profile of this name. Raises ProfileInvalid."""
    file = _files().get(name)
    if file is None:
        raise ProfileInvalid(f"there is no profile {name[:40]!r}; there are {', '.join(names())}")
    try:
        return parse(name, file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ProfileInvalid(f"profile {name}: can't be read: {error}") from None


def parse(name: str, text: str) -> Profile:
    """A profile's text. Raises ProfileInvalid."""
    try:
        profile = msgspec.convert(tomllib.loads(text), Profile)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise ProfileInvalid(f"profile {name}: {error}") from None
    for wrong in _mistakes(profile):
        raise ProfileInvalid(f"profile {name}: {wrong}")
    return profile


def _mistakes(profile: Profile) -> list[str]:
    found: list[str] = []
    tables = [(table.name, table.column) for table in profile.table]
    scalars = {entry.name for entry in profile.scalar}
    for place, entries in [("scalar", profile.scalar), *tables]:
        here = [entry.name for entry in entries]
        if len(set(here)) != len(here):
            found.append(f"{place}: a name stands there twice")
        for entry in entries:
            found += [f"{place}.{entry.name}: {why}" for why in _entry(entry, set(here) | scalars)]
    for trap in profile.trap:
        found += [f"trap {trap.oid}: {why}" for why in _trap(trap)]
    return found


def _entry(entry: Entry, near: set[str]) -> list[str]:
    found = _oids(entry.oid) + _point(entry.point)
    if entry.unless is not None and entry.unless.entry not in near:
        found.append(f"unless names {entry.unless.entry}, which is not there")
    if entry.meaning in ("enum", "ha-mode") and not (entry.good or entry.bad or entry.told):
        found.append("an enum needs its values")
    twice = (
        (set(entry.good) & set(entry.bad)) | (set(entry.good) & set(entry.told)) | (set(entry.bad) & set(entry.told))
    )
    if twice:
        found.append(f"{sorted(twice)[0]} means two things")
    return found


def _trap(trap: Trap) -> list[str]:
    found = _oids(trap.oid, *trap.subject, *filter(None, (trap.status, trap.unless))) + _point(trap.point)
    if trap.does in ("raise", "clear") and trap.point is None:
        found.append(f"{trap.does} needs a point")
    if (trap.does == "status") != (trap.status is not None):
        found.append("status and does = status belong together")
    return found


def _oids(*texts: str) -> list[str]:
    try:
        for text in texts:
            _oid(text)
    except ValueError as error:
        return [str(error)]
    return []


def _point(point: str | None) -> list[str]:
    return [] if point is None or point in POINTS else [f"no device raises the point {point}"]
