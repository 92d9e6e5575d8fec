"""Which column of the cause table each sense of a site feeds (``agent/verdict/causes.py``). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from agent.site import schema
from agent.site.line import AliLine, ContactsLine, Line, ModbusLine, SmdrLine

OUTSIDE = frozenset({"far-end", "reflector"})
REACH: dict[str, str] = {"lan": "il", "firewall": "if", "router": "ir", "far-end": "ie", "reflector": "ie"}
# By kind of check, where it does not simply show that the path answers. "" feeds no column by itself.
OF_KIND: Mapping[str, str] = {"dns": "N", "knock": "K", "syslog": "Y", "traps": ""}
# What a certificate or a name has to do with it, as the checks say in their detail.
NAMES = frozenset({"name", "certificate"})
# The elements that a test call passes through where ``covers`` says nothing: our reflector stands behind the way out,
# a far end behind the provider's network too. "sbc" is the provider's border, a part of its core.
WAY = frozenset({"lan", "firewall", "router", "wan"})
PROVIDERS = WAY | {"far-end", "core"}
SAME: Mapping[str, str] = {"sbc": "core"}


# How much rarer a fault of our own reflectors is where each of two would have to fail at once: they stand apart, and
# share our software and our care of it. And where the reflector answers by another way: then only its audio could be
# dead, and a reflector that fails mostly fails whole.
TWO_AT_ONCE = 0.1
HEARD_BESIDE = 0.3


@dataclass(frozen=True, slots=True)
class Doubt:
    """How far our own reflectors may be what fails: ``dead``, one may not live; ``rare``, a factor on that chance.

    ``ours``: there are any, and not all of them are known to be dead.
    """

    dead: bool = False
    rare: float = 1.0
    ours: bool = False


def of_line(line: Line) -> str:
    """What a serial line feeds by itself; what the calls on it say comes by ``Senses.calls``."""
    if isinstance(line, ModbusLine | ContactsLine):
        return "L" if any(contact.meaning == "loop-current" for contact in line.contacts) else ""
    return "" if isinstance(line, AliLine | SmdrLine) else "L"


def of_check(path: schema.Path, check: schema.Check) -> tuple[str, ...]:
    """The columns of one check; a test call feeds both directions of voice.

    A path beside another one reaches the same machine by another way: it says nothing of this one.
    """
    kind = schema.kind_of(check)
    outside = path.role in OUTSIDE
    if path.beside is not None:
        return ("",)
    if kind == "test-call":
        return ("To", "Ti")
    if kind == "sip-options" and outside:
        return ("O",)
    if kind == "snmp" and path.role == "firewall":
        return ("S",)
    if kind == "tls":
        return (REACH[path.role], "N")
    return (OF_KIND.get(kind, REACH[path.role]),)


def reflector(site: schema.SiteFile) -> bool:
    """Whether a reflector of ours is asked over the way that calls take."""
    return any(path.role == "reflector" and path.beside is None for path in site.path)


def coincidence(paths: Iterable[schema.Path]) -> float:
    """The factor for a fault of all our reflectors that take test calls (where none does: of all), at one time."""
    ours = [path for path in paths if path.role == "reflector" and path.beside is None]
    called = [path for path in ours if any(isinstance(check, schema.TestCall) for check in path.checks)]
    return TWO_AT_ONCE if len({path.address for path in called or ours}) > 1 else 1.0


def doubts(site: schema.SiteFile) -> tuple[Doubt, ...]:
    """What ``Senses.doubt`` may say at this site, for what is stated of it beforehand."""
    ours, rare = reflector(site), coincidence(site.path)
    beside = any(path.beside is not None and path.role == "reflector" for path in site.path)
    told = (Doubt(False, rare * HEARD_BESIDE, ours), Doubt(False, rare)) if beside else ()
    return (Doubt(ours, rare, ours), *told)


def own_far_ends(site: schema.SiteFile) -> frozenset[str]:
    """The provider's far ends; none where no reflector stands beside them, since ``ie`` and ``O`` then say it all."""
    if not reflector(site):
        return frozenset()
    return frozenset(path.id for path in site.path if path.role == "far-end" and path.beside is None)


def covers(site: schema.SiteFile) -> frozenset[str] | None:
    """The elements that this site's test calls pass through together; None where it makes none."""
    found: set[str] = set()
    calls = False
    for path in site.path:
        for check in path.checks:
            if isinstance(check, schema.TestCall):
                calls = True
                given = {SAME.get(element, element) for element in check.covers}
                found |= given or (PROVIDERS if path.role == "far-end" else WAY)
    return frozenset(found) if calls else None


def columns(site: schema.SiteFile) -> tuple[str, ...]:
    """Every column that something at this site feeds, in no order; what ``check`` says can't be told apart here."""
    found = {of_line(line) for line in site.line}
    for path in site.path:
        for check in path.checks:
            found |= set(of_check(path, check))
    if any(isinstance(line, AliLine | SmdrLine) for line in site.line):
        found |= {"A", "R"}
    if any(isinstance(line, SmdrLine) for line in site.line):
        found |= {"V"}
    if any(isinstance(line, AliLine) for line in site.line):
        found |= {"H"}
    meanings = {c.meaning for line in site.line if isinstance(line, ModbusLine | ContactsLine) for c in line.contacts}
    found |= {"P"} if "on-battery" in meanings else set()
    found |= {"B"} if "make-busy" in meanings else set()
    found |= {"V"} if "no-voice" in meanings else set()
    found |= {"X"} if site.site.shares else set()
    found |= {"F"} if own_far_ends(site) else set()
    return tuple(found - {""})
