"""What a site file sent from afar may not change, and how far it may loosen what watches. Pure.

Whoever holds a signing key can tell a box what to watch and whom to tell. They can't make it blind, move its journal,
silence its horn, open its ports to others, talk on other serial ports, or say who may sign.
"""

from __future__ import annotations

from collections.abc import Iterator

from agent.site import schema

SAME = ("journal", "control", "secrets", "remote", "listen")
"""Whole tables that stay as the local file has them."""
EVERY_MOST_S, EVERY_FACTOR = 300.0, 4.0
HOLD_MOST_S = 60.0
PANEL_SAME = ("board", "pins")


def mistakes(running: schema.SiteFile, new: schema.SiteFile) -> list[tuple[str, str]]:
    """Every key that may not be so, and why, in words for the operator; empty where the file may be tried."""
    return [*_same(running, new), *_ports(running, new), *_looser(running, new), *_fewer(running, new)]


def _same(running: schema.SiteFile, new: schema.SiteFile) -> Iterator[tuple[str, str]]:
    for key in ("id", "probe"):
        if getattr(running.site, key) != getattr(new.site, key):
            yield f"site.{key}", f"is {getattr(running.site, key)!r} here, and only a person at the box can change it"
    for table in SAME:
        if getattr(running, table) != getattr(new, table):
            yield table, "is local alone: it must be as it is here"
    for key in PANEL_SAME:
        if getattr(running.panel, key) != getattr(new.panel, key):
            yield f"panel.{key}", "is local alone: it must be as it is here"


def _ports(running: schema.SiteFile, new: schema.SiteFile) -> Iterator[tuple[str, str]]:
    """A serial port stays with the line that has it: another could be a port that must never be written to."""
    held = {line.id: (line.port, line.dialect) for line in running.line}
    for number, line in enumerate(new.line):
        port, dialect = held.get(line.id, (None, None))
        if port is None:
            yield f"line[{number}]", "a new line needs a person at the box: its port is local alone"
        elif port != line.port:
            yield f"line[{number}].port", f"is local alone: {port!r} here"
        elif dialect != line.dialect:
            yield f"line[{number}].dialect", f"is local alone: {dialect!r} here"
        elif _talks(line) and not _talks(next(one for one in running.line if one.id == line.id)):
            yield f"line[{number}].session", "this line only listens; that it may send is local alone"


def _talks(line: schema.Line) -> bool:
    return getattr(line, "session", None) is not None


def _looser(running: schema.SiteFile, new: schema.SiteFile) -> Iterator[tuple[str, str]]:
    """Detectors may be tuned, and not put to sleep."""
    for key in ("silence", "voice"):
        if getattr(running.calls, key) and not getattr(new.calls, key):
            yield f"calls.{key}", "can't be switched off from afar"
    if new.calls.shadow_days > max(running.calls.shadow_days, 30):
        yield "calls.shadow_days", "at most 30 from afar"
    if new.panel.path_hold_s > max(running.panel.path_hold_s, HOLD_MOST_S):
        yield "panel.path_hold_s", f"at most {HOLD_MOST_S:g} s from afar"
    paths = {path.id: path for path in running.path}
    for number, path in enumerate(new.path):
        before = dict(schema.active(paths[path.id])) if path.id in paths else {}
        for place, (name, check) in enumerate(schema.active(path)):
            every_s = schema.every_s(check, path.role)
            was_s = schema.every_s(before[name], path.role) if name in before else 0.0
            if every_s > max(EVERY_MOST_S, EVERY_FACTOR * was_s):
                yield f"path[{number}].checks[{place}].every_s", f"at most {EVERY_MOST_S:g} s, or four times as it is"


def _fewer(running: schema.SiteFile, new: schema.SiteFile) -> Iterator[tuple[str, str]]:
    """No file takes more than half of the senses away at once, and none the last way out."""
    if running.uplink and not new.uplink:
        yield "uplink", "at least one way out must stay"
    kept = {line.id for line in new.line}
    gone = [line.id for line in running.line if line.id not in kept]
    if 2 * len(gone) > len(running.line):
        yield "line", f"more than half of the lines would go: {', '.join(gone)[:120]}"
    before = {(path.id, name) for path in running.path for name in schema.check_names(path)}
    after = {(path.id, name) for path in new.path for name in schema.check_names(path)}
    if before and 2 * len(before - after) > len(before) and len(after) < len(before):
        yield "path", f"more than half of the checks would go, {len(before - after)} of {len(before)}"
