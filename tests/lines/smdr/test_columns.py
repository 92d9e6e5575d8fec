"""The site's own column map: what it reads, and what is refused at load, with the reason."""

from __future__ import annotations

from typing import Any

import pytest

from agent.callers import Callers
from agent.lines.dialects import refusal
from agent.lines.smdr import smdr
from agent.site.columns import ColumnMap
from agent.site.line import SmdrLine

GOOD: dict[str, Any] = {
    "start": (1, 11),
    "start_layout": "MM/DD HH:MM",
    "duration": (13, 20),
    "duration_layout": "HH:MM:SS",
    "trunk": (22, 25),
    "direction": (27, 29),
    "incoming": ("IN",),
    "outgoing": ("OUT",),
    "station": (31, 34),
    "caller": (36, 45),
    "answer": (47, 48),
    "unanswered": ("NA",),
}


def line(**changed: Any) -> SmdrLine:
    given = {name: value for name, value in {**GOOD, **changed}.items() if value is not None}
    return SmdrLine(id="s", port="/dev/null", switch="map", map=ColumnMap(**given))


def test_a_map_reads_what_it_says() -> None:
    parser = smdr(line(), Callers(b"k" * 32, show=True))
    call, missed, garbage = parser.feed(
        b"06/18 13:15 00:01:06 T001 IN  6101 2125550123\r\n"
        b"06/18 13:16 00:00:00 T002 IN  6101 2125550124 NA\r\n"
        b"06/18 13:16 00:0x:00 T002 IN  6101 2125550124 NA\r\n",
        0,
    ) + parser.idle(1)
    assert (call.detail["duration_s"], call.detail["trunk"], call.detail["direction"]) == (66.0, "T001", "in")
    assert call.detail["caller"] == "2125550123"
    assert (missed.detail["answered"], missed.detail["abandoned"]) == (False, True)
    assert garbage.kind == "garbage"
    assert garbage.detail["reason"] == "duration, columns 13 to 20: '99:9A:99' where HH:MM:SS should be"


@pytest.mark.parametrize(
    ("layout", "printed", "seconds"),
    [
        ("HH:MM:SS", "00:01:06", 66.0),
        ("H:MM:SS", " :01:06", 66.0),
        ("HMMT", "0012", 72.0),
        ("SSSSS", "  154", 154.0),
        ("MM'SS", "01'06", 66.0),
        ("HHHHMM", "000102", 3720.0),
    ],
)
def test_durations_in_any_layout(layout: str, printed: str, seconds: float) -> None:
    given = line(duration=(13, 12 + len(layout)), duration_layout=layout, trunk=(30, 33), direction=None, incoming=None)
    given = SmdrLine(
        id="s",
        port="/dev/null",
        switch="map",
        map=ColumnMap(
            start=(1, 11),
            start_layout="MM/DD HH:MM",
            duration=(13, 12 + len(layout)),
            duration_layout=layout,
            trunk=(30, 33),
        ),
    )
    (call,) = smdr(given, Callers(b"k" * 32)).feed(f"06/18 13:15 {printed:17}T001\r\n".encode(), 0)
    assert call.detail["duration_s"] == seconds


@pytest.mark.parametrize(
    ("changed", "at", "why"),
    [
        ({"duration": (20, 13)}, "duration", "ends in column 13 before it begins in column 20"),
        ({"duration": (5, 12)}, "duration", "already belongs to start"),
        ({"duration_layout": "HH:MM"}, "duration_layout", "has 5 signs for 8 columns"),
        ({"duration_layout": "HH:MM:XX"}, "duration_layout", "knows no X"),
        ({"duration_layout": None}, "duration_layout", "is missing beside duration"),
        ({"duration": None}, "duration", "is missing beside duration_layout"),
        ({"duration_layout": "::::::::"}, "duration_layout", "has none of H, M, S and T"),
        ({"start_layout": "MM/DD DD-DD"}, "start_layout", "no hour"),
        ({"start_layout": "QQ/DD HH:MM"}, "start_layout", "knows no Q"),
        ({"trunk": None, "station": None}, None, "needs trunk or station"),
        ({"direction": None}, "incoming", "does nothing without direction"),
        ({"incoming": ()}, "incoming", "which words"),
        ({"incoming": ("INBOUND",)}, "incoming", "can't stand in 3 columns"),
        ({"outgoing": ("IN",)}, "outgoing", "is an incoming word too"),
        ({"unanswered": ()}, "unanswered", "is missing beside answer"),
        ({"answer": None}, "answer", "is missing beside unanswered"),
        ({"direction": None, "incoming": (), "outgoing": (), "trunk": None}, "direction", "which calls come in"),
    ],
)
def test_what_cannot_work_is_refused(changed: dict[str, Any], at: str | None, why: str) -> None:
    refused = refusal(line(**changed))
    assert refused is not None
    assert refused[0][:2] == (("map",) if at is None else ("map", at))
    assert why in refused[1]
    assert refusal(line()) is None
