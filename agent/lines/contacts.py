"""Dry contacts on a port's own modem lines: DCD, DSR, CTS and RI. Pure; the shell samples.

DTR or RTS is the wetting voltage, so a line that is asserted is a closed contact. The driver counts edges
(``TIOCGICOUNT``): a press between two samples is seen by them. A 16550 counts RI's trailing edge only (TERI), so any
edge counts, not a pair of them.
"""

from __future__ import annotations

from agent.lines.contact_points import ContactPoints
from agent.lines.parser import DialectRefused
from agent.readings import Reading
from agent.site.line import ContactsLine


def check(line: ContactsLine) -> None:
    """Raises ``DialectRefused`` where flow control would work the very lines that the contacts are on."""
    if line.flow == "rts-cts":
        raise DialectRefused(("flow",), 'must be "none": RTS and CTS belong to the contacts here')


class Contacts:
    """One port's contacts (``agent.lines.parser.PinReader``)."""

    def __init__(self, line: ContactsLine) -> None:
        self._pins = {contact.name: contact.input for contact in line.contacts}
        self._points = ContactPoints(line.id, line.dialect, line.contacts)

    def sample(self, asserted: dict[str, bool], edges: dict[str, int] | None, now_ns: int) -> list[Reading]:
        """What the modem lines look like now. ``edges``: the driver's counters, None where it has none."""
        closed = {name: asserted[pin] for name, pin in self._pins.items() if pin in asserted}
        counts = None
        if edges is not None:
            counts = {name: edges[pin] for name, pin in self._pins.items() if pin in edges}
        return self._points.see(closed, now_ns, counts)

    def blind(self, reason: str, now_ns: int) -> list[Reading]:
        """The port can't be read: every contact is unknown, told once."""
        return self._points.blind(reason, now_ns)

    def due_ns(self) -> int | None:
        """When to sample next to settle a contact that moved."""
        return self._points.due_ns()
