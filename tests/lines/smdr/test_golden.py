"""Real and manual records of every switch, field by field. Callers' digits are 555-01xx of the same length."""

from __future__ import annotations

from typing import Any

import pytest

from agent.callers import Callers
from agent.lines.parser import CALL_FIELDS
from agent.lines.smdr import smdr
from agent.readings import Reading
from agent.site.line import SmdrLine

SHOW, MASK = Callers(b"k" * 32, show=True), Callers(b"k" * 32)


def read(switch: Any, text: bytes, callers: Callers = SHOW) -> list[Reading]:
    parser = smdr(SmdrLine(id="s", port="/dev/null", switch=switch), callers)
    return parser.feed(text, 1) + parser.idle(2) + parser.reset(3)


def columns(**at: str) -> bytes:
    """A line from texts at columns counted from 1: ``c21="…"``."""
    line = [" "] * 120
    for name, text in at.items():
        first = int(name[1:]) - 1
        line[first : first + len(text)] = text
    return "".join(line).rstrip().encode() + b"\r\n"


PRINTER = {"c1": "1053", "c6": "0", "c7": "01", "c9": "2"}
TELESEER = {"c4": "1053", "c8": "0012"}
MITEL = {"c2": "06/13", "c8": "11:42p", "c15": "00:08:29"}
CASES: list[tuple[str, bytes, dict[str, Any]]] = [
    # Nortel: tek-tips 1082039 and 1607822, spacing collapsed there.
    (
        "nortel-old",
        b"S 025 00 T010 016 6101 05/09 07:47 00:00:20 5550172\r\n",
        {"phase": "start", "trunk": "T010016", "direction": "in", "station": "6101", "duration_s": 20.0}
        | {"caller": "5550172", "record": "025", "code": "S", "start": "05/09 07:47"},
    ),
    (
        "nortel-old",
        b"N 027 00 2343 T010 011 05/09 07:46 00:01:12 A 19995550163\r\n",
        {"direction": "out", "trunk": "T010011", "dialled": "19995550163", "caller": None, "duration_s": 72.0},
    ),
    ("nortel-old", b"E 028 00 T010 016 2463 05/09 07:48 00:00:52 5550172\r\n", {"phase": "end", "station": "2463"}),
    ("nortel-old", b"X 029 00 T010016 2463 05/09 07:48 00:00:52\r\n", {"phase": "part", "trunk": "T010016"}),
    ("nortel-old", b"B 030 00 T010 016 6101 05/09 07:48 00:00:20\r\n", {"abandoned": True, "answered": False}),
    ("nortel-old", b"T 031 00 05/09 07:48\r\n", {"trouble": "clock-changed", "phase": "other"}),
    ("nortel-old", b"L 032 00 2343 2344 05/09 07:48 00:00:20\r\n", {"direction": "internal"}),
    (
        "nortel-new",
        b"N 033 00 T010 011 2343 05/09 07:46:10 00:01:12.5\r\n & 2125550163\r\n",
        {"caller": "2125550163", "start": "05/09 07:46:10", "duration_s": 72.0},
    ),
    # Mitel: tek-tips 1385904 (collapsed), and the columns of smdr-reader's DBInstaller.cs.
    (
        "mitel",
        b" 07/09 10:54 00:03:02 5356 000 5334 I 5334\r\n",
        {"direction": "internal", "answered": True, "time_to_answer_s": 0.0, "station": "5356", "duration_s": 182.0},
    ),
    (
        "mitel",
        columns(c1="-", **MITEL, c24="T214", c29="0012", c34="911", c60="A", c62="5401", c92="6135550121"),
        {"direction": "in", "trunk": "T214", "station": "5401", "caller": "6135550121", "time_to_answer_s": 12.0},
    ),
    (
        "mitel",
        columns(**MITEL, c24="T214", c29="***", c62="5401"),
        {"answered": False, "abandoned": True, "time_to_answer_s": None},
    ),
    (
        "mitel",
        columns(**MITEL, c24="5401", c29="0003", c34="6135550121", c60="A", c62="X012"),
        {"direction": "out", "trunk": "X012", "dialled": "6135550121"},
    ),
    (
        "mitel-extended",
        columns(c2="06/13", c8="11:42p", c15="0000:08:29", c26="T214", c34="0012", c39="911", c67="5401"),
        {"direction": "in", "trunk": "T214", "duration_s": 509.0, "station": "5401"},
    ),
    # Avaya: 555-233-506 pages 1231 to 1256.
    (
        "avaya-printer",
        columns(**PRINTER, c11="9", c21="2343", c37="101", c74="012"),
        {"direction": "in", "trunk": "101/012", "station": "2343", "duration_s": 72.0, "start": "1053"},
    ),
    (
        "avaya-printer",
        columns(**PRINTER, c11="7", c13="9", c17="101", c21="2125550121", c37="2343", c78="004"),
        {"direction": "out", "trunk": "004", "dialled": "2125550121", "station": "2343"},
    ),
    ("avaya-printer", columns(**PRINTER, c11="4", c21="2343", c37="101", c74="012"), {"phase": "part"}),
    ("avaya-printer", columns(**PRINTER, c11="H", c21="2343", c37="101", c74="012"), {"answered": False}),
    (
        "avaya-teleseer",
        columns(**TELESEER, c12="9", c19="2343", c34="101", c56="012") + b"\0\0\0",
        {"direction": "in", "trunk": "101/012", "duration_s": 72.0},
    ),
    # NEC: IPK II p740 (collapsed), SL1100 p721.
    (
        "nec",
        b"PIN 10:53 12/09 022 2125550101 NO ANSWER\r\n",
        {"direction": "in", "trunk": "022", "answered": False, "caller": "2125550101", "start": "12/09 10:53"},
    ),
    (
        "nec",
        columns(c1="PIN", c6="10:53", c12="LINE 001", c23="00:00:12", c32="200", c43="2125550101"),
        {"direction": "in", "trunk": "LINE001", "station": "200", "caller": "2125550101", "duration_s": 12.0},
    ),
    ("nec", b"ALB  10:54\r\n", {"trouble": "all-lines-busy"}),
    ("nec", b"BFL  10:54\r\n", {"trouble": "buffer-full"}),
    # Panasonic: KX-NS1000 p222, pattern A.
    (
        "panasonic",
        b"06/18/24 10:03AM  1234 01 <I>2125550123             0'05 00:01'23            \r\n",
        {"direction": "in", "caller": "2125550123", "duration_s": 83.0, "time_to_answer_s": 5.0, "trunk": "01"},
    ),
    ("panasonic", b"06/18/24 10:03AM  1234 01 <I>2125550123  0'15 00:00'00 NA\r\n", {"answered": False}),
    ("panasonic", b"06/18/24 10:03AM  1234 01 2125550123 00:01'23\r\n", {"direction": "out", "dialled": "2125550123"}),
    ("panasonic", b"**/**/** 10:03AM  1234 01\r\n", {"trouble": "clock-changed"}),
    # Toshiba: DK424 p8-3.
    (
        "toshiba-e911",
        columns(c1="S", c2="001", c7="2001", c12="2002", c17="10:53", c61="911"),
        {"phase": "start", "trunk": "001", "station": "2002", "direction": "out"},
    ),
    (
        "toshiba-e911",
        columns(c1="E", c2="001", c7="2001", c12="2002", c17="10:53", c23="00:01:05", c61="911", c65="LOBBY"),
        {"phase": "end", "duration_s": 65.0},
    ),
]


@pytest.mark.parametrize(("switch", "line", "fields"), CASES)
def test_each_record_field_by_field(switch: str, line: bytes, fields: dict[str, Any]) -> None:
    (call,) = read(switch, line)
    assert call.kind == "call"
    assert tuple(call.detail) == CALL_FIELDS
    assert {name: call.detail[name] for name in fields} == fields


@pytest.mark.parametrize(("switch", "line", "fields"), CASES)
def test_no_number_in_clear(switch: str, line: bytes, fields: dict[str, Any]) -> None:
    (call,) = read(switch, line, MASK)
    for name in ("caller", "dialled"):
        assert not any(ch.isdigit() for ch in str(call.detail[name] or ""))
    assert bool(call.detail["caller_key"]) == bool(call.detail["caller"])
    assert call.detail["caller"] or not fields.get("caller")


@pytest.mark.parametrize(("switch", "line", "fields"), CASES)
def test_page_headers_are_no_garbage_and_noise_is(switch: str, line: bytes, fields: dict[str, Any]) -> None:
    noisy = b"\x0c   STATION MESSAGE DETAIL  PAGE 1\r\n-----------\r\n" + line + b"00:00 $%& 2125550123 ((\r\n" + line
    told = read(switch, noisy)
    assert [one.kind for one in told] == ["call", "garbage", "call"]
    assert "2125550123" not in str(told)[: str(told).index("call")]
    assert "555" not in str(told[1].detail)


def test_a_high_bit_is_parity() -> None:
    line = bytes(ch | 0x80 for ch in b"N 027 00 T010 011 2343 05/09 07:46 00:01:12")
    (call,) = read("nortel-old", line + b"\r\n")
    assert call.detail["trunk"] == "T010011"
