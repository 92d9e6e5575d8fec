"""NEC SL1100, Aspire and IPK II (SL1100 programming manual p721, IPK II p740). Pure.

Columns from 1: class 1-4, HH:MM 6-10, line 12-21, HH:MM:SS 23-30, station 32-41, number 43-62, account or NO ANSWER
64-79. Where the blanks are collapsed the words are read in their order.
"""

from __future__ import annotations

import re

from agent.lines.smdr.record import Call, Direction, Phase, Refused, Trouble, hms_s

CLASSES: dict[str, tuple[Direction | None, Phase, Trouble | None]] = {
    "PIN": ("in", "whole", None),
    "IVIN": ("in", "whole", None),
    "PINA": ("in", "whole", None),
    "GIN": ("in", "whole", None),
    "DIN": ("in", "whole", None),
    "POT": ("out", "whole", None),
    "IVOT": ("out", "whole", None),
    "POTA": ("out", "whole", None),
    "PTRS": (None, "part", None),
    "TRS": (None, "part", None),
    "ICM": ("internal", "whole", None),
    "ALB": (None, "other", "all-lines-busy"),
    "BFL": (None, "other", "buffer-full"),
}
_HEAD = re.compile(r"([A-Z]{3,4}) +(\d\d:[0-5]\d)(?= |\Z)")
_TOOK = re.compile(r"(?<!\S)\d\d:[0-5]\d:[0-5]\d(?!\S)")
_NO_ANSWER = re.compile(r"NO ANSWER\Z")
_DATE = re.compile(r"\d\d/\d\d\Z")
_NUMBER = re.compile(r"[0-9*#]{3,24}\Z")


def read(text: str) -> Call | Refused:
    """One record."""
    head = _HEAD.match(text.strip())
    if head is None or head[1] not in CLASSES:
        return Refused("no class and time at the beginning")
    direction, phase, trouble = CLASSES[head[1]]
    call = Call(start=head[2], code=head[1], direction=direction, phase=phase, trouble=trouble)
    rest = text.strip()[head.end() :].strip()
    if _NO_ANSWER.search(rest):
        call.answered = False
        call.abandoned = True if direction == "in" else None
        rest = rest[: -len("NO ANSWER")].strip()
    if trouble is not None:
        return call
    took = _TOOK.search(rest)
    before, after = (rest[: took.start()], rest[took.end() :]) if took else (rest, "")
    line = before.split()
    if line and _DATE.match(line[0]):
        call.start = f"{line.pop(0)} {call.start}"
    behind = after.split()
    if took:
        call.duration_s = hms_s(took[0])
        call.trunk = " ".join(line) or None
        call.station = behind.pop(0) if behind else None
    else:
        if len(line) > 1 and _NUMBER.match(line[-1]):
            behind = [line.pop()]
        call.trunk = " ".join(line) or None
        if call.answered is None:
            return Refused("neither a duration nor NO ANSWER")
    if not call.trunk:
        return Refused("no line")
    dialled = behind[0] if behind and _NUMBER.match(behind[0]) else None
    if direction == "in":
        call.caller = dialled
    else:
        call.dialled = dialled
    return call
