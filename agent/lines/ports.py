"""From the site file's lines to their ports."""

from __future__ import annotations

import os
from collections.abc import Callable

from msgspec import structs

from agent.callers import Callers
from agent.clock import Clock
from agent.lines.port import Port
from agent.readings import Reading
from agent.site.line import Line, Tl1Line
from agent.site.schema import SiteFile
from agent.site.secrets import SecretRefused, SecretStore


def ports_of(
    site: SiteFile,
    post: Callable[[Reading], None],
    clock: Clock,
    refused: Callable[[str, str], None],
    progress: Callable[[str], Callable[[], None]] = lambda _line_id: lambda: None,
) -> list[Port]:
    """A port for each line. All share one key, so that a caller is the same one on every line.

    ``refused(line id, reason)``: the password of a line's session can't be had; that line only listens, since a log-in
    without it would be denied again and again. ``progress(line id)`` gives what its port calls as it comes round.
    """
    callers = Callers(os.urandom(32))
    secrets = SecretStore.of(site)
    ports = []
    for line in site.line:
        password: str | None = None
        if isinstance(line, Tl1Line) and line.session is not None:
            try:
                password = secrets.read(line.session.password).decode("ascii")
            except (SecretRefused, OSError, UnicodeDecodeError) as error:
                why = "is not in ASCII" if isinstance(error, UnicodeDecodeError) else str(error)
                refused(line.id, f"line {line.id} only listens, the password of its session: {why}")
                line = _without_session(line)
        ports.append(Port(line, post, clock, callers=callers, password=password, progress=progress(line.id)))
    return ports


def _without_session(line: Tl1Line) -> Line:
    return structs.replace(line, session=None)
