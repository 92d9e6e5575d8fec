"""Call records of telephone switches (SMDR, CDR): one file a family, read line by line. Pure."""

from __future__ import annotations

from agent.callers import Callers
from agent.lines.smdr import avaya, columns, mitel, nec, nortel, panasonic, toshiba
from agent.lines.smdr.reader import Smdr
from agent.lines.smdr.record import Read
from agent.site.line import SmdrLine

FAMILIES: dict[str, Read] = {
    "nortel-old": nortel.read,
    "nortel-new": nortel.read,
    "mitel": mitel.read_standard,
    "mitel-extended": mitel.read_extended,
    "avaya-printer": avaya.read_printer,
    "avaya-teleseer": avaya.read_teleseer,
    "nec": nec.read,
    "panasonic": panasonic.read,
    "toshiba-e911": toshiba.read,
}


def smdr(line: SmdrLine, callers: Callers) -> Smdr:
    """The reader of a line's call records. Raises ``DialectRefused`` where its column map can't work."""
    if line.switch == "map":
        columns.check(line)
        assert line.map is not None
        return Smdr(line.id, columns.compile_map(line.map), callers)
    joins = line.switch == "nortel-new"
    return Smdr(line.id, FAMILIES[line.switch], callers, nortel.join if joins else None)
