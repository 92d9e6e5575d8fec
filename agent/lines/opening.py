"""Opens a line's port, whatever it is: a tty, a socket, or RFC 2217, whose library is imported only then."""

from __future__ import annotations

from agent.lines.wire import Wire, open_wire
from agent.site.line import Wired


def open_port(line: Wired, *, sends: bool) -> Wire:
    """Open it. Blocks (RFC 2217 up to 11 s); raises OSError, and with RFC 2217 whatever pyserial does.

    ``sends``: the wire is a ``TwoWayWire``; else it cannot write.
    """
    if line.port.lower().startswith("rfc2217://"):
        from agent.lines.rfc2217 import open_rfc2217

        return open_rfc2217(line, sends=sends)
    return open_wire(line, sends=sends)
