"""What the keys of a ``[[line]]`` must agree on, with each other and between lines. Pure.

What only a dialect can know (whether a column map or a rule works) is asked where a file is loaded for use
(``agent.lines.dialects.refusal``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from agent.site import line as kinds
from agent.site.hosts import host_and_port
from agent.site.line import Line
from agent.site.walk import Key, Problem, good, quoted

_SLUG_OUT = re.compile(r"[^a-z0-9]")

Problems = Iterator[Problem]


def check(lines: tuple[Line, ...]) -> Problems:
    """Every mistake between the keys of the lines."""
    yield from _ports(lines)
    yield from _trunks(lines)
    yield from _links(lines)
    for number, line in enumerate(lines):
        if good(line):
            yield from _line(line, ("line", number))


def _ports(lines: tuple[Line, ...]) -> Problems:
    seen: dict[str, int] = {}
    for number, line in enumerate(lines):
        if not good(line) or not good(line.port):
            continue
        at: Key = ("line", number, "port")
        remote = not line.port.startswith("/")
        if remote and not host_and_port(line.port.partition("://")[2].partition("?")[0]):
            yield Problem(at, f"must name a host and a port from 1 to 65535, is {quoted(line.port)}")
        port = line.port if remote else str(PurePosixPath(line.port))
        if port in seen:
            yield Problem(at, f"{quoted(port)} is already the port of line[{seen[port]}]; a port has one reader")
        seen.setdefault(port, number)


def slug(text: str) -> str:
    """``text`` as alarm ids spell it (``agent.alarms.points.slug``, which comes later in the data's way)."""
    return _SLUG_OUT.sub("-", text.lower())[:32].strip("-") or "x"


def _trunks(lines: tuple[Line, ...]) -> Problems:
    for number, line in enumerate(lines):
        if not good(line) or not good(line.trunks):
            continue
        seen: dict[str, str] = {}
        for aid in line.trunks:
            first = seen.setdefault(slug(aid), aid)
            if first != aid:
                yield Problem(
                    ("line", number, "trunks", aid),
                    f"{quoted(aid)} and {quoted(first)} are both {slug(aid)} in alarms; one would hide the other",
                )


def _line(line: Line, at: Key) -> Problems:
    if isinstance(line, kinds.AliLine):
        yield from _ali(line, at)
    elif isinstance(line, kinds.SmdrLine):
        yield from _smdr(line, at)
    elif isinstance(line, kinds.ModbusLine | kinds.ContactsLine):
        yield from _contacts(line, at)


def _passive(line: kinds.AliLine | kinds.SmdrLine, at: Key) -> Problems:
    """Nothing may ever be sent on a link that carries calls' records."""
    if good(line.flow) and line.flow == "xon-xoff":
        yield Problem(
            (*at, "flow"), 'must not be "xon-xoff" here: the port would send, and this link is only listened to'
        )


def _ali(line: kinds.AliLine, at: Key) -> Problems:
    yield from _passive(line, at)
    if good(line.port) and line.port.lower().startswith("rfc2217://"):
        yield Problem((*at, "port"), "must not be rfc2217:// for an ali link: that protocol has to send; use socket://")
    if good(line.framing, line.check_chars) and line.check_chars and line.framing != "stx-etx":
        yield Problem((*at, "check_chars"), 'does nothing: check characters follow ETX, in framing "stx-etx" only')


def _smdr(line: kinds.SmdrLine, at: Key) -> Problems:
    yield from _passive(line, at)
    if not good(line.switch, line.map):
        return
    if line.switch == "map" and line.map is None:
        yield Problem((*at, "map"), 'is missing; switch = "map" needs a [line.map] that names the columns')
    elif line.switch != "map" and line.map is not None:
        yield Problem((*at, "map"), f'does nothing with switch = {quoted(line.switch)}; say switch = "map"')


def _contacts(line: kinds.ModbusLine | kinds.ContactsLine, at: Key) -> Problems:
    if isinstance(line, kinds.ContactsLine) and good(line.port) and not line.port.startswith("/"):
        yield Problem((*at, "port"), "must be a serial device of this box: the contacts are on its own modem lines")
    if not good(line.contacts):
        return
    contacts: tuple[kinds.ModbusContact | kinds.PinContact, ...] = line.contacts
    seen: dict[tuple[str, str | int], int] = {}
    for number, contact in enumerate(contacts):
        here: Key = (*at, "contacts", number)
        if not good(contact) or not good(contact.name, contact.input, contact.meaning):
            continue
        for what, value in (("name", contact.name), ("input", contact.input)):
            first = seen.setdefault((what, value), number)
            if first != number:
                yield Problem((*here, what), f"{quoted(str(value))} is already the {what} of contacts[{first}]")
        if contact.meaning == "loop-current" and contact.trunk is None:
            yield Problem((*here, "trunk"), "is missing; loop current is a trunk's: say which")
        if contact.meaning == "no-voice" and contact.position is None:
            yield Problem((*here, "position"), "is missing; a no-voice button stands at a position: say which")


def _links(lines: tuple[Line, ...]) -> Problems:
    """Two ports that both say they are the same wire of a link would count every call twice."""
    seen: dict[tuple[str, str, str], int] = {}
    for number, line in enumerate(lines):
        if (
            not good(line)
            or not isinstance(line, kinds.AliLine)
            or not good(line.id, line.link, line.side, line.carries)
        ):
            continue
        wires = ("records", "queries") if line.carries == "both" else (line.carries,)
        for wire in wires:
            first = seen.setdefault((line.link or line.id, line.side, wire), number)
            if first != number:
                what = f"{wire} of side {line.side} of link {quoted(line.link or line.id)}"
                yield Problem(("line", number, "link"), f"line[{first}] already has the {what}")
