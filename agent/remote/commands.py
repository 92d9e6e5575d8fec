"""A command from the NOC: ``cmd/NAME`` as bytes, judged before anything is done. Pure; time is an argument.

Plain ones (lamp test, silence, acknowledge, status, report, state) are a JSON object; ``shelve``, ``restart`` and
``test-call`` are the document of a signed envelope (``envelope.py``, namespace ``dialtone-command``). A command has an
id that is carried out once, and a time after which it is not. Never retained: a retained one would come again.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from agent.clock import unix_s
from agent.readings import Plain
from agent.site import schema

COMMAND_MAX = 16 * 1024
LIFE_MAX_S = 3600.0
"""An id is remembered for the last 512 commands; what may live longer could outlive its memory."""
AHEAD_S = 60.0
NAME = re.compile(r"[a-z][a-z-]{0,31}\Z")
ID = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")
ARGS: dict[str, frozenset[str]] = {
    "status": frozenset(),
    "report": frozenset(),
    "state": frozenset(),
    "lamp-test": frozenset({"seconds"}),
    "silence": frozenset({"alarm"}),
    "ack": frozenset({"alarm"}),
    "shelve": frozenset({"what", "minutes"}),
    "restart": frozenset(),
    "test-call": frozenset({"path"}),
}
DO = {"lamp-test": "test"}
"""The core's verb, where it has another name."""


class Refused(Exception):
    """A command that is not carried out. ``id``: its own where it could be read, else None; the text is the answer."""

    def __init__(self, why: str, id_: str | None = None) -> None:
        super().__init__(why)
        self.id = id_


class Document(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a command says. ``expires``: RFC 3339. A signed one also names site, probe and command."""

    id: Annotated[str, Meta(pattern="^" + ID.pattern)]  # msgspec searches
    expires: Annotated[str, Meta(max_length=40)]
    args: dict[Annotated[str, Meta(max_length=32)], str | int | float | bool | None] = {}
    site: str | None = None
    probe: str | None = None
    command: str | None = None


@dataclass(frozen=True, slots=True)
class Command:
    """One to carry out. ``by``: who signed it, or "" where nobody had to."""

    name: str
    id: str
    args: dict[str, Plain]
    by: str = ""

    @property
    def do(self) -> str:
        """The core's verb."""
        return DO.get(self.name, self.name)


def known(name: str, remote: schema.Remote) -> str:
    """``name`` where this site takes such a command. Raises ``Refused``."""
    if not NAME.match(name) or name not in schema.COMMANDS:
        raise Refused(f"no such command; there are {', '.join(schema.COMMANDS)}")
    if name not in remote.commands:
        raise Refused(f"{name} is not enabled at this site ([remote] commands)")
    return name


def read(document: bytes, name: str, *, by: str, site: schema.Site, now_utc_s: float) -> Command:
    """The command in ``document``. ``by``: whose signature stood over it. Raises ``Refused`` with the id if it had one.

    ``now_utc_s``: the wall clock, or the journal's last word where that is later.
    """
    if len(document) > COMMAND_MAX:
        raise Refused(f"{len(document)} bytes; at most {COMMAND_MAX}")
    try:
        said = msgspec.json.decode(document, type=Document)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(f"not a command: {str(error)[:160]}", _id(document)) from None
    try:
        left_s = unix_s(said.expires) - now_utc_s
    except (ValueError, OverflowError):
        raise Refused("expires must be a time as in RFC 3339", said.id) from None
    if not left_s > 0:
        raise Refused(f"it expired {-left_s:.0f} s ago by this box's clock", said.id)
    if left_s > LIFE_MAX_S + AHEAD_S:
        raise Refused(f"it may expire {LIFE_MAX_S:g} s from now at the latest", said.id)
    if by and (said.site, said.probe, said.command) != (site.id, site.probe, name):
        raise Refused(f"it is signed for {said.command} at {said.site}/{said.probe}, not for this", said.id)
    strange = sorted(set(said.args) - ARGS[name])
    if strange:
        allowed = ", ".join(sorted(ARGS[name])) or "nothing"
        raise Refused(f"{name} takes {allowed}, not {strange[0][:32]}", said.id)
    return Command(name, said.id, dict(said.args), by)


def _id(document: bytes) -> str | None:
    """The id of what is no command otherwise, so that its sender can be answered."""
    try:
        said: Any = msgspec.json.decode(document)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    id_ = said.get("id") if isinstance(said, dict) else None
    return id_ if isinstance(id_, str) and ID.match(id_) else None


class Once:
    """The ids that were taken, newest last; an id is taken once, across restarts by the journal's own memory."""

    def __init__(self, taken: Collection[str], most: int = 512) -> None:
        self._taken = dict.fromkeys(list(taken)[-most:])
        self._most = most

    def take(self, id_: str) -> bool:
        """False where this id was taken before."""
        if id_ in self._taken:
            return False
        while len(self._taken) >= self._most:
            del self._taken[next(iter(self._taken))]
        self._taken[id_] = None
        return True
