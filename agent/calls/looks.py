"""How calls look in the verdict's columns, from what their judges say. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from agent.calls.silence import StreamLook
from agent.calls.voice import Voice
from agent.clock import NS

FRESH_EXPECTED = 5.0
"""A call shows that calls arrive until so many more would have been expected, or for ``FRESH_S`` while that is unknown;
a talk shows that voices pass for as long. At a usual rate a pause of that length comes to one call in 150."""
FRESH_S = 3600.0
BARE_FEW, BARE_CALLS = 3, 8
"""So many calls in a row without data: of ordinary ones a few in a hundred have none, so chance does it never."""


def fresh(at_ns: int | None, look: StreamLook | None, now_ns: int) -> bool:
    """Whether what was seen ``at_ns`` still speaks for now."""
    if at_ns is None:
        return False
    if look is None or not look.able or look.rate_per_h <= 0.0:
        return now_ns - at_ns <= int(FRESH_S * NS)
    return (now_ns - at_ns) / NS / 3600.0 * look.rate_per_h <= FRESH_EXPECTED


def arrivals(silent: Collection[str], *, arrives: bool) -> str:
    """Column A. ``silent``: the streams whose silence stands."""
    return "d" if "all" in silent else "g" if silent else "u" if arrives else "-"


def talk(voices: Mapping[str, Voice], *, button: bool, look: StreamLook | None, now_ns: int) -> str:
    """Column V. ``button``: the no-voice button was pressed for two callers."""
    whole = voices.get("all")
    if button or (whole is not None and whole.alarm):
        return "d"
    if any(voice.alarm or voice.collapsed for voice in voices.values()):
        return "g"
    talks = whole is not None and not whole.run and fresh(whole.talked_ns, look, now_ns)
    return "u" if talks else "-"
