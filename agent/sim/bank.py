"""A simulated channel bank: a real pty that speaks TL1 autonomous messages (GR-833-CORE's REPT ALM and REPT EVT).

``message`` is pure text; ``ChannelBank`` is the port that sends it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from agent.sim.ports import SerialPort

ATAG_MAX = 999_999


@dataclass(frozen=True, slots=True)
class Condition:
    """What a bank prints of a condition: type, notification code, service effect, location, direction, words."""

    condtype: str
    ntfcncde: str
    srveff: str
    locn: str
    dirn: str
    words: str


CONDITIONS: dict[str, Condition] = {
    "los": Condition("LOS", "MJ", "SA", "NEND", "RCV", "Loss Of Signal"),
    "lof": Condition("LOF", "MJ", "SA", "NEND", "RCV", "Loss Of Frame"),
    "ais": Condition("AIS", "MJ", "SA", "NEND", "RCV", "Alarm Indication Signal"),
    "rai": Condition("RAI", "MJ", "SA", "FEND", "RCV", "Remote Alarm Indication"),
}
CLEAR = "clear"
CODES = {"CR": "*C", "MJ": "**", "MN": "* ", "CL": "A "}


def message(sid: str, at: datetime, atag: int, aid: str, condition: Condition, cleared: bool) -> bytes:
    """One ``REPT ALM T1`` for ``aid``: raised, or cleared (NTFCNCDE ``CL``)."""
    code = "CL" if cleared else condition.ntfcncde
    return (
        f"\r\n\n   {sid} {at:%y-%m-%d %H:%M:%S}\r\n"
        f"{CODES[code]} {atag:06d} REPT ALM T1\r\n"
        f'   "{aid}:{code},{condition.condtype},{condition.srveff},{at:%m-%d,%H-%M-%S},'
        f'{condition.locn},{condition.dirn}:\\"{condition.words}\\""\r\n;'
    ).encode("ascii")


def hello(sid: str, at: datetime, atag: int) -> bytes:
    """The bank's word after initialisation: a transient event, nothing wrong."""
    return (
        f"\r\n\n   {sid} {at:%y-%m-%d %H:%M:%S}\r\n"
        f"A  {atag:06d} REPT EVT EQPT\r\n"
        f'   "COM:INIT,TC,{at:%m-%d,%H-%M-%S},NEND,NA,,,:\\"Initialised\\""\r\n;'
    ).encode("ascii")


class ChannelBank(SerialPort):
    """A bank of ``trunks`` behind the tty that ``link`` names. Times on its messages are the wall clock's, UTC.

    What stands when it is plugged in is not told again: autonomous messages are sent once.
    """

    def __init__(self, sid: str, trunks: Sequence[str], link: Path) -> None:
        super().__init__(link)
        self._sid = sid
        self._atag = 0
        self._standing: dict[str, str] = dict.fromkeys(trunks, CLEAR)

    def greet(self) -> None:
        """Say that the bank has come up."""
        self.send(hello(self._sid, datetime.now(UTC), self._next_atag()))

    def set(self, trunk: str, what: str) -> None:
        """Put ``trunk`` into a condition of ``CONDITIONS`` or into ``clear``. Raises KeyError for other words."""
        standing = self._standing[trunk]
        if what == standing:
            return
        if standing != CLEAR:
            self._report(trunk, CONDITIONS[standing], cleared=True)
        if what != CLEAR:
            self._report(trunk, CONDITIONS[what], cleared=False)
        self._standing[trunk] = what

    def _report(self, trunk: str, condition: Condition, cleared: bool) -> None:
        self.send(message(self._sid, datetime.now(UTC), self._next_atag(), trunk, condition, cleared))

    def _next_atag(self) -> int:
        self._atag = self._atag % ATAG_MAX + 1
        return self._atag
