"""From a line of the site file to its parser. Each dialect is imported only where a line speaks it. Pure."""

from __future__ import annotations

from agent.callers import Callers
from agent.lines.parser import DialectRefused, Parser
from agent.site import line as site
from agent.site.line import Line


def parser_for(line: Line, callers: Callers, password: str | None = None) -> Parser:
    """The parser of ``line``; ``password`` is what its session's secret holds. Raises ``DialectRefused``.

    The dialect ``contacts`` has no bytes and no parser here: see ``agent/lines/contacts.py``.
    """
    if isinstance(line, site.Tl1Line):
        if line.session is not None:
            from agent.lines.tl1_session import Tl1Session

            return Tl1Session(line.id, line.session, password or "")
        from agent.lines.tl1 import Tl1

        return Tl1(line.id)
    if isinstance(line, site.CsuLine):
        from agent.lines.csu import Csu

        return Csu(line.id, line.trunk)
    if isinstance(line, site.CiscoLine):
        from agent.lines.cisco import Cisco

        return Cisco(line.id)
    if isinstance(line, site.AliLine):
        from agent.lines.ali import Ali

        return Ali(line, callers)
    if isinstance(line, site.SmdrLine):
        from agent.lines.smdr import smdr

        return smdr(line, callers)
    if isinstance(line, site.ModbusLine):
        from agent.lines.modbus import Modbus

        return Modbus(line)
    if isinstance(line, site.TextLine):
        from agent.lines.text import TextRules

        return TextRules(line)
    raise TypeError(f"{line.dialect} has no parser of bytes")


def refusal(line: Line) -> tuple[tuple[str | int, ...], str] | None:
    """Why this line's own settings cannot work, and at which of its keys; None where they can."""
    try:
        if isinstance(line, site.SmdrLine):
            from agent.lines.smdr.columns import check as check_smdr

            check_smdr(line)
        elif isinstance(line, site.TextLine):
            from agent.lines.text import check as check_text

            check_text(line)
        elif isinstance(line, site.ModbusLine):
            from agent.lines.modbus import check as check_modbus

            check_modbus(line)
        elif isinstance(line, site.ContactsLine):
            from agent.lines.contacts import check as check_contacts

            check_contacts(line)
    except DialectRefused as refused:
        return refused.at, str(refused)
    return None
