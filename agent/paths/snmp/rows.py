"""A run's answers as the profiles' scalars and rows. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from agent.paths.snmp import ber
from agent.paths.snmp.ber import Oid, Value
from agent.paths.snmp.counters import UPTIMES
from agent.paths.snmp.profile import Entry, Meaning, Profile, Table
from agent.paths.snmp.walk import Poll

ROWS_SHOWN = 256


@dataclass(slots=True)
class Row:
    """One row of a table: its cells by the entries' names, several of the same meaning the best first."""

    table: Table
    index: Oid
    cells: list[tuple[Entry, Value]] = field(default_factory=list)

    def get(self, meaning: Meaning) -> Value | None:
        """The first cell of this meaning that has something in it."""
        for entry, value in self.cells:
            if entry.meaning == meaning and value.data != b"":
                return value
        return None

    def number(self, meaning: Meaning) -> int | None:
        """The same as a number."""
        value = self.get(meaning)
        return value.number if value is not None else None

    @property
    def subject(self) -> str:
        """What people call it: its name, a line's circuit, else its index."""
        given = self.table.rows.get(ber.dotted(self.index))
        if given is not None:
            return given
        name = self.get("name") or self.get("circuit")
        return (name.text if name is not None else "") or place(self.table.row, self.table.index, self.index)


def place(row: str, kind: str, index: Oid) -> str:
    """A row's index in words: ``if-3``, ``peer 192.0.2.1``."""
    text = _index(kind, index)
    if not row:
        return text
    return f"{row}{'-' if kind == 'number' else ' '}{text}"[:64]


def _index(kind: str, index: Oid) -> str:
    if kind == "ip" and len(index) >= 4 and max(index[:4]) < 256:
        return ".".join(map(str, index[:4]))
    if kind == "inet":
        # InetAddressType and InetAddress (RFC 4001): the type, the length and the octets, in some tables no length.
        octets = index[2:] if len(index) > 2 and index[1] == len(index) - 2 else index[1:]
        if len(octets) == 4:
            return ".".join(map(str, octets))
        if len(octets) == 16 and max(octets) < 256:
            return bytes(octets).hex(":", 2)
    if kind == "text" and len(index) > 1 and index[0] == len(index) - 1 and all(32 <= c < 127 for c in index[1:]):
        return bytes(index[1:]).decode("ascii")[:64]
    return ber.dotted(index)[:40]


@dataclass(slots=True)
class Sheet:
    """All that a run has read, sorted by profile entry. ``absent``: entries of which nothing came."""

    scalars: list[tuple[Entry, Value]]
    tables: list[list[Row]]
    absent: tuple[str, ...]

    def rows(self) -> Iterator[Row]:
        """Every row."""
        for rows in self.tables:
            yield from rows

    def having(self, meaning: Meaning) -> list[Row]:
        """The rows with a cell of this meaning."""
        return [row for row in self.rows() if row.get(meaning) is not None]

    def cells(self, *meanings: Meaning) -> Iterator[tuple[Entry, Value]]:
        """Every scalar and cell of these meanings."""
        for entry, value in self.scalars:
            if entry.meaning in meanings:
                yield entry, value
        for row in self.rows():
            for entry, value in row.cells:
                if entry.meaning in meanings:
                    yield entry, value


def poll_of(profiles: Sequence[Profile]) -> Poll:
    """What to ask for these profiles; the uptimes always and first, since they say that it answers."""
    scalars = dict.fromkeys([*UPTIMES, *(entry.key for profile in profiles for entry in profile.scalar)])
    tables: dict[tuple[Oid, ...], None] = {}
    asked: set[Oid] = set()
    for profile in profiles:
        for table in profile.table:
            columns = tuple(entry.key for entry in table.column if entry.key not in asked)
            asked.update(columns)
            if columns:
                tables[columns] = None
    return Poll.of(tuple(scalars), list(tables))


def sheet_of(profiles: Sequence[Profile], values: Mapping[Oid, Value]) -> Sheet:
    """The answers sorted. One pass over them, whatever the device sent."""
    scalars: list[tuple[Entry, Value]] = []
    absent: list[str] = []
    seen: set[Oid] = set()
    for profile in profiles:
        for entry in profile.scalar:
            if entry.key in seen:
                continue
            seen.add(entry.key)
            if entry.key in values:
                scalars.append((entry, values[entry.key]))
            else:
                absent.append(entry.name)
    columns = _columns(profiles, values)
    tables = []
    for profile in profiles:
        for table in profile.table:
            rows: dict[Oid, Row] = {}
            for entry in table.column:
                cells = columns[entry.key]
                if not cells:
                    absent.append(entry.name)
                for index, value in list(cells.items())[:ROWS_SHOWN]:
                    rows.setdefault(index, Row(table, index)).cells.append((entry, value))
            tables.append([rows[index] for index in sorted(rows)])
    return Sheet(scalars, tables, tuple(absent))


def _columns(profiles: Sequence[Profile], values: Mapping[Oid, Value]) -> dict[Oid, dict[Oid, Value]]:
    found: dict[Oid, dict[Oid, Value]] = {
        entry.key: {} for profile in profiles for table in profile.table for entry in table.column
    }
    sizes = sorted({len(key) for key in found})
    for oid, value in values.items():
        for size in sizes:
            column = found.get(oid[:size])
            if column is not None and len(oid) > size:
                column[oid[size:]] = value
                break
    return found
