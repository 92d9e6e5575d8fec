"""What single values mean by their profile: enums, numbers with a limit, DS1 line status, HA. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from agent.paths.outcome import Finding
from agent.paths.snmp.ber import Value
from agent.paths.snmp.profile import Entry
from agent.paths.snmp.rows import Row, Sheet
from agent.readings import Plain

# dsx1LineStatus (RFC 4805): a sum of bits. What we send out ourselves (4, 16, 1024) follows from what we receive.
NO_ALARM = 1
DS1_POINTS: tuple[tuple[str, int, str], ...] = (
    ("los", 64, "loss of signal"),
    ("lof", 32, "loss of frame (red alarm)"),
    ("ais", 8 | 256 | 32768, "all ones received (AIS, blue alarm)"),
    ("rai", 2 | 512, "the far end reports a failure (yellow alarm)"),
    ("loopback", 128 | 2048, "looped back, or a test code is received"),
)
DS1_FAILED = 4096 | 8192
DS1_BITS = (1 << 17) - 1
DS1_NO_LOOPBACK = 1
IF_UP, IF_DOWN, IF_NOT_PRESENT, IF_LOWER_DOWN = 1, 2, 6, 7
IF_WORDS = {1: "up", 2: "down", 3: "testing", 4: "unknown", 5: "dormant", 6: "not present", 7: "lower layer down"}


def key_of(value: Value) -> str:
    """A value as the profiles write it."""
    return str(value.data) if isinstance(value.data, int) else value.text.lower()


def words_of(entry: Entry, value: Value) -> str:
    """A value in words, with what it is where nobody knows it."""
    key = key_of(value)
    known = entry.good.get(key) or entry.bad.get(key) or entry.told.get(key)
    return known or (value.text if "*" in entry.good else f"unknown ({key})")


def verdict_of(entry: Entry, value: Value) -> bool | None:
    """True where the value is bad, False where it is good, None where the profile has no opinion."""
    key = key_of(value)
    if key in entry.bad:
        return True
    if key in entry.good or "*" in entry.good:
        return False
    if entry.at is not None and value.number is not None:
        return value.number * entry.scale >= entry.at
    return None


def silenced(entry: Entry, row: Row | None, sheet: Sheet) -> bool:
    """Whether its ``unless`` applies: HA that is switched off, a neighbour shut by hand."""
    if entry.unless is None:
        return False
    near = [*(row.cells if row is not None else ()), *sheet.scalars]
    for other, value in near:
        if other.name == entry.unless.entry:
            key = key_of(value)
            return key in entry.unless.values or other.told.get(key) in entry.unless.values
    return False


def found(entry: Entry, value: Value, row: Row | None, sheet: Sheet) -> tuple[Finding | None, str]:
    """What one value raises or clears, and the reason where it makes the check degraded without a point."""
    off = silenced(entry, row, sheet)
    bad = False if off else verdict_of(entry, value)
    if bad is None:
        return None, ""
    subject = row.subject if row is not None else entry.subject or entry.name
    known = bool(entry.good or entry.bad or entry.told)
    said = (
        words_of(entry, value) if known else f"{value.text}, from {entry.at:g}" if entry.at is not None else value.text
    )
    text = f"{subject}: {entry.name.replace('-', ' ')} {said}"
    if entry.point is None:
        return None, text if bad else ""
    return Finding(entry.point, subject, bad, text if bad else "", {entry.name: value.text}), ""


def ds1(rows: Sequence[Row]) -> Iterator[Finding]:
    """Each circuit's alarms, from its status, its loopback and its counters of this quarter of an hour."""
    for row in rows:
        status = row.number("ds1-line-status")
        if status is None or not 0 < status <= DS1_BITS:
            continue  # no bit at all, or one that nobody defined alone: nothing is known
        looped = row.number("ds1-loopback")
        circuit = row.get("circuit")
        detail: dict[str, Plain] = {"line_status": status}
        if circuit is not None:
            detail["circuit"] = circuit.text
        for point, bits, words in DS1_POINTS:
            holds = bool(status & bits)
            if point == "loopback":
                holds = holds or (looped is not None and looped > DS1_NO_LOOPBACK)
            yield Finding(point, row.subject, holds, f"{row.subject}: {words}" if holds else "", detail)
        over = [
            f"{entry.name} {value.number}"
            for entry, value in row.cells
            if entry.meaning == "ds1-counter" and entry.at is not None and (value.number or 0) >= entry.at
        ]
        failed = ["unavailable"] if status & DS1_FAILED else []
        text = f"{row.subject}: {', '.join([*failed, *over])} in this quarter of an hour" if over or failed else ""
        yield Finding("line-errors", row.subject, bool(over or failed), text, detail)


def ha(sheet: Sheet, most: int) -> tuple[Finding | None, int]:
    """Whether a cluster has lost a member: the device lists those alone that it hears. ``most``: the most it had."""
    modes = [(entry, value) for entry, value in sheet.cells("ha-mode")]
    if not modes:
        return None, most
    entry, value = modes[0]
    key = key_of(value)
    if key in entry.good:  # it stands alone, as it was set up
        return Finding(entry.point or "ha-degraded", "cluster", False), 0
    members = len(sheet.having("ha-member"))
    if key not in entry.told or not members:
        return None, most
    most = max(most, members, 2)
    lost = members < most
    text = f"cluster: {members} of {most} members ({entry.told[key]})" if lost else ""
    return Finding(entry.point or "ha-degraded", "cluster", lost, text, {"members": members}), most


def interfaces(rows: Sequence[Row], wanted: Sequence[str], seen: set[str], *, whole: bool) -> Iterator[Finding]:
    """The interfaces that the site file names. One shut by hand is no fault; one that has vanished is.

    ``seen``: those of them that were ever there.
    """
    by_name: dict[str, Row] = {}
    for row in rows:
        for entry, value in row.cells:
            if entry.meaning == "name" and value.text:
                by_name.setdefault(value.text.lower(), row)
    for name in wanted:
        row_of = by_name.get(name.lower())
        if row_of is None:
            if name in seen and rows and whole:
                yield Finding("interface-down", name, True, f"interface {name} is no longer there")
            continue
        seen.add(name)
        admin, oper = row_of.number("if-admin"), row_of.number("if-oper")
        words = IF_WORDS.get(oper or 0, str(oper))
        if admin is not None and admin != IF_UP:
            yield Finding("interface-down", name, False, "shut by its administrator", {"oper": words})
        elif oper in (IF_DOWN, IF_NOT_PRESENT, IF_LOWER_DOWN):
            yield Finding("interface-down", name, True, f"interface {name} is {words}", {"oper": words})
        elif oper == IF_UP:
            yield Finding("interface-down", name, False, "", {"oper": words})
