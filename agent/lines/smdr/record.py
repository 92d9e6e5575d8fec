"""What every family makes of a line: a call, a header to skip, or garbage with the reason. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Direction = Literal["in", "out", "internal"]
Phase = Literal["whole", "start", "end", "part", "other"]
Trouble = Literal["all-lines-busy", "buffer-full", "clock-changed"]


@dataclass(slots=True)
class Call:
    """One record as printed; numbers are still in clear here and leave by ``Callers`` only."""

    start: str | None = None
    duration_s: float | None = None
    trunk: str | None = None
    direction: Direction | None = None
    answered: bool | None = None
    time_to_answer_s: float | None = None
    code: str | None = None
    station: str | None = None
    phase: Phase = "whole"
    trouble: Trouble | None = None
    abandoned: bool | None = None
    record: str | None = None
    caller: str | None = None
    dialled: str | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """A line that is no record of this switch; ``why`` holds nothing of what stood there. ``skip``: it is meant so."""

    why: str
    skip: bool = False


Read = Callable[[str], Call | Refused]
"""One line (no line end, printable ASCII) to what it is. Time is linear in the line."""

_HMS = re.compile(r"(\d{1,4}):([0-5]\d)[:']([0-5]\d)(?:\.\d+)?\Z")


def hms_s(text: str) -> float | None:
    """``H:MM:SS`` (also ``HH:MM'SS``) in seconds; None for anything else."""
    found = _HMS.match(text.strip())
    return None if found is None else int(found[1]) * 3600.0 + int(found[2]) * 60.0 + int(found[3])


def field(text: str, first: int, last: int) -> str:
    """Columns ``first`` to ``last``, counted from 1, without the blanks around."""
    return text[first - 1 : last].strip()


def blank(text: str, *columns: int) -> bool:
    """Whether these columns, from 1, are blank or beyond the line's end."""
    return all(text[column - 1 : column] in ("", " ") for column in columns)


def number(text: str) -> str | None:
    """A number as printed, or None where nothing stands."""
    return text.strip() or None


def clock(text: str) -> bool:
    """Whether this is a time of day: ``HHMM`` or ``HH:MM`` with an optional a or p."""
    return _CLOCK.match(text.strip()) is not None


_CLOCK = re.compile(r"(?:[01]?\d|2[0-4]):?[0-5]\d(?::[0-5]\d)?(?:[ap]m?)?\Z", re.IGNORECASE)
