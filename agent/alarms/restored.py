"""Which judge has to be told of an alarm that stood when the last run ended, so that it can end it again."""

from __future__ import annotations

from agent.alarms.book import Alarm
from agent.alarms.lines import LineAlarms
from agent.site.line import TextLine

CALL_POINTS = frozenset(
    {
        "silence",
        "data-without-voice",
        "one-way-audio",
        "no-voice-button",
        "voice-reported",
        "button-stuck",
        "data-quality",
        "link-quiet",
    }
)
RESTORED_BY_LINE = frozenset({"los", "lof", "ais", "rai", "loopback", "trunk-down", "line-errors", "cpe-alarm"})
RESTORED_BY_RULES = frozenset(  # what a site's own text rules may raise besides
    {
        "power-on-battery",
        "firewall-fault",
        "router-fault",
        "far-end-fault",
        "lan-fault",
        "ha-degraded",
        "link-quiet",
    }
)


def restored_by_line(alarm: Alarm, line: LineAlarms | None) -> bool:
    """Whether the line's own judge has to know of it: it stands until the equipment clears it."""
    if line is None or not alarm.active:
        return False
    ruled = isinstance(line.line, TextLine) and alarm.point.name in RESTORED_BY_RULES and alarm.qualifier != "link"
    return ruled or alarm.point.name in RESTORED_BY_LINE
