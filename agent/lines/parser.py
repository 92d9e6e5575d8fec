"""What every dialect offers the shell: bytes and the time in, readings out. No I/O, no clock.

The readings' vocabulary, which the judges (``agent/alarms``, ``agent/calls``) rely on:

``alarm``, ``clear``  a trunk's or the equipment's state: ``subject`` the AID, detail at least ``condtype`` ``ntfcncde``
    (CR MJ MN CL) ``srveff`` (SA NSA or None) ``locn`` (NEND FEND or None) ``conddescr``; a site's own text rule gives
    ``point`` too, the type in ``agent/alarms/points.py``.
``call``   one call record (SMDR): detail always all of ``CALL_FIELDS``.
``data``   one record of an ALI link: detail always all of ``DATA_FIELDS``; state up for a good one, degraded else.
``heartbeat``  subject ``link``: the link's own sign of life was seen (state up).
``contact``  subject the contact's name; state down where it says that something is wrong, else up, unknown where it
    can't be read; detail ``meaning`` ``active`` ``edges`` (since the last reading) ``trunk`` ``position``.
``gap``, ``garbage``  what was lost or not understood; detail ``reason`` and ``bytes``.
No detail holds a caller's number or place: ``caller`` is masked by ``Callers``, ``caller_key`` is its keyed hash.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from agent.readings import Reading

CALL_FIELDS = (
    "start",  # as printed, the switch's local time; at a record's end or the call's start, as the switch does
    "duration_s",  # talk or hold time as the switch counts it; None where it does not say
    "trunk",  # the trunk's name as printed, blanks out (T010016); None where no trunk took part
    "direction",  # in, out, internal or None
    "answered",  # True, False or None (the record does not say)
    "time_to_answer_s",
    "code",  # the switch's own type, class or condition code, as printed
    "station",  # the extension or position that had the call, as printed
    "phase",  # whole: one record a call; start, end, part (more of a call follows or came before), other
    "trouble",  # None, all-lines-busy, buffer-full, clock-changed
    "abandoned",  # True where the record itself says so, else None
    "record",  # the switch's record number, None where it has none
    "caller",  # masked
    "caller_key",
    "dialled",  # masked
    "dialled_key",  # its keyed hash: a call-back to a caller
)
DATA_FIELDS = (
    "what",  # record, no-record-found, ani-failure, broadcast, query, test, ack, nak, other
    "link",  # the site file's link id, the line's own id where it names none
    "side",  # a or b
    "position",  # the answering position as sent, None where the framing has none
    "has_number",
    "has_place",
    "trunk",  # from NPA-911-0TRK and the like
    "class_of_service",  # as printed (RESD BUSN WRLS WPH2 VOIP …), None where none was found
    "bytes",
    "check_ok",  # None where the link has no check characters
    "caller",  # masked
    "caller_key",
)


class DialectRefused(ValueError):
    """This line's own settings (a column map, a rule) cannot work; the text says why, ``at`` names the key."""

    def __init__(self, at: tuple[str | int, ...], why: str) -> None:
        super().__init__(why)
        self.at = at


class Parser(Protocol):
    """One line's reader. ``feed``, ``idle`` and ``reset`` raise on no bytes at all; any split gives the same.

    ``idle_s``: the shell calls ``idle`` once when the line has been quiet for so long. ``counters`` has at least
    ``bytes``, ``records`` (messages understood) and ``garbage_bytes``. ``held_bytes`` is bounded.
    """

    idle_s: float
    counters: dict[str, int]

    @property
    def held_bytes(self) -> int: ...
    def feed(self, data: bytes, now_ns: int) -> list[Reading]: ...
    def idle(self, now_ns: int) -> list[Reading]: ...
    def reset(self, now_ns: int) -> list[Reading]: ...


@runtime_checkable
class Talker(Parser, Protocol):
    """A dialect that also asks (TL1 with a session, Modbus). The shell writes what it is given, nothing else ever.

    ``opened``: the port is open and nothing is under way. ``speak``: the bytes to write now, b"" for none, and the
    readings that follow from time alone (no answer came). ``due_ns``: when to call ``speak`` next at the latest, None
    where only an answer moves it on; the shell also calls it after every ``feed``.
    """

    def opened(self, now_ns: int) -> None: ...
    def speak(self, now_ns: int) -> tuple[bytes, list[Reading]]: ...
    def due_ns(self) -> int | None: ...


@runtime_checkable
class Timed(Parser, Protocol):
    """A dialect that sends nothing and yet tells things by time alone. ``due_ns`` as a Talker's."""

    def tick(self, now_ns: int) -> list[Reading]: ...
    def due_ns(self) -> int | None: ...


class PinReader(Protocol):
    """The dialect ``contacts``: the port's own modem lines instead of bytes. The shell samples, this judges.

    ``sample``: which of dcd, dsr, cts, ri are asserted, and their edge counts since the port was opened where the
    driver counts them. ``due_ns`` as above, for debouncing.
    """

    def sample(self, asserted: dict[str, bool], edges: dict[str, int] | None, now_ns: int) -> list[Reading]: ...
    def blind(self, reason: str, now_ns: int) -> list[Reading]: ...
    def due_ns(self) -> int | None: ...
