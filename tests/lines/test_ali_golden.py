"""ALI and CAD-spill records of several vendors' layouts, framings and words, field by field.

Sources: SPILL a real CAD spill (Spillman KB0010099, columns collapsed); CHEROKEE the layout that a call centre's own
parser of the 30W data reads (pastebin KC7bj4g0); the others constructed from NENA 02-010, NENA-STA-015.10 and
protocols.md section 2.1, not captured. Every number is a 555-01xx one.
"""

from __future__ import annotations

from typing import Any

import pytest

from agent.callers import Callers
from agent.lines.ali import Ali
from agent.lines.ali_framing import lrc
from agent.lines.dialects import parser_for
from agent.lines.parser import DATA_FIELDS, Parser
from agent.readings import Reading
from agent.site.line import AliLine

CALLERS = Callers(b"k" * 32)
SHOWN = Callers(b"k" * 32, show=True)

SPILL = """\
207
555-555-0123 11:41:01 12312015
SPILLMAN TECHNOLOGIES INC
4625 BUSN
LAKE PARK BLVD
PL LEC VISTA
SALT LAKE CITY UT
BLDG
UNIT FLR ESN 319
P#555-555-0123 ALT# - -
X Y CF
UNC Z ZUNC
SPILLMAN SHERIFF 902-1712
SPILLMAN FIRE (STAT 8-7444
SPILLMAN EMS 902-1712"""
CHEROKEE = """\
104
(555) 511-0123  14:02   06/18
      123    E MAIN ST - N SECTOR
SPRINGFIELD       MA 01234 WPH2
VERIZON WIRELESS   P#555-555-0124
ALT# 000-000-0000  LEC:VZW
VERIFY PD
VERIFY FD
X-071.123456 Y+042.123456 CF 090"""
VERIFY = """\
112
(555) 555-0123 WRLS 09:15
T-MOBILE USA
1200 N STATE HWY 9 - SE
NORMAN OK ESN=00123
VERIFY
VERIFY
VERIFY"""


def parser(callers: Callers = CALLERS, **keys: Any) -> Ali:
    return Ali(AliLine(id="ali-a", port="/dev/ttyS0", **keys), callers)


def read(data: bytes, **keys: Any) -> list[Reading]:
    reader = parser(SHOWN, **keys)
    return reader.feed(data, 5) + reader.idle(6)


def framed(text: str) -> bytes:
    return b"\x02" + text.replace("\n", "\r\n").encode() + b"\x03"


def one(text: str, **keys: Any) -> Reading:
    readings = read(framed(text), **keys)
    assert len(readings) == 1, readings
    return readings[0]


GOLDEN = [
    (SPILL, "07", "555-555-0123", "BUSN"),
    (CHEROKEE, "04", "555-555-0124", "WPH2"),
    (VERIFY, "12", "(555) 555-0123", "WRLS"),
    ("103\n5555550123\n12 OAK LANE\nAPT 4\nVOIP ESN=00123", "03", "5555550123", "VOIP"),
    ("1 03\n(555)555-0123\nLAT:42.12345 LON:-71.12345\nWPH2", "03", "(555)555-0123", "WPH2"),
    ("103\n(555) 555-0123 WPH2\nN 42 21 30.1 W 071 03 12.4", "03", "(555) 555-0123", "WPH2"),
    ("103\n(555) 555-0123 WPH2\n42:21:30.1N 071:03:12W", "03", "(555) 555-0123", "WPH2"),
    ("103\n555.555.0123\nI-95 N MM 23\nMOBL", "03", "555.555.0123", "MOBL"),
    ("103\nCALLBACK# (555) 555-0199\nP-ANI 555-511-0111\nTOWER 7 44 RIVER RD\nWPH1", "03", "(555) 555-0199", "WPH1"),
    ("103\n555-0123 02:14\n9 ELM ST\nRESD", "03", "555-0123", "RESD"),
    ("(555) 555-0123 PAY$\nMAIN ST & 2ND AVE", None, "(555) 555-0123", "PAY$"),
    ("103\n(555) 555-0123 VRES\nADDRESS: 12 BROADWAY", "03", "(555) 555-0123", "VRES"),
]


@pytest.mark.parametrize(("text", "position", "number", "served"), GOLDEN)
@pytest.mark.parametrize("ending", ["\r", "\n", "\r\n", "\r\r\n"])
def test_a_good_record_of_any_layout(text: str, position: str | None, number: str, served: str, ending: str) -> None:
    readings = read(b"\x02" + text.replace("\n", ending).encode() + b"\x03")
    assert len(readings) == 1
    reading, detail = readings[0], readings[0].detail
    assert tuple(detail) == DATA_FIELDS
    assert (reading.kind, reading.subject, reading.state, reading.sense) == ("data", "record", "up", "ali")
    assert (detail["what"], detail["position"], detail["caller"]) == ("record", position, number)
    assert (detail["has_number"], detail["has_place"], detail["class_of_service"]) == (True, True, served)
    assert (detail["link"], detail["side"], detail["trunk"], detail["check_ok"]) == ("ali-a", "a", None, None)
    assert reading.raw_ref == 0


NOT_FOUND = [
    "105\n(555) 555-0123 11:02\n** NO RECORD FOUND **",
    "205\n555-555-0123\nRECORD NOT FOUND",
    "205\n5555550123\nALI NOT AVAILABLE",
    "205\n(555) 555-0123\nALI FAILURE\nESN 000",
    "205\n(555) 555-0123\n  No  Record\tFound",
    "205\n(555) 555-0123\nNO ALI RECORD FOUND\n100 MAIN ST\nSPRINGFIELD MA",
    "205\n(555) 555-0123\nRECORDS NOT AVAILABLE",
    "205\n(555) 555-0123\nALI DATABASE UNAVAILABLE",
    "205\n(555) 555-0123\nLOCATION NOT AVAILABLE",
    "205\n(555) 555-0123\nALI TIMED OUT",
]


@pytest.mark.parametrize("text", NOT_FOUND)
def test_no_record_found_in_many_words(text: str) -> None:
    reading = one(text)
    assert (reading.subject, reading.state) == ("no-record-found", "degraded")
    assert (reading.detail["has_number"], reading.detail["has_place"]) == (True, False)


def test_the_sites_own_words_for_no_record() -> None:
    text = "205\n(555) 555-0123\n*** KEIN EINTRAG ***\n1 MAIN ST"
    assert one(text).subject == "record"
    assert one(text, no_record_text="kein  Eintrag").subject == "no-record-found"


@pytest.mark.parametrize(
    ("text", "trunk"),
    [
        ("101\n911-0000", None),
        ("101\n911-0042", "042"),
        ("101\n617-911-0042 11:02\nCENTRAL OFFICE\n100 MAIN ST", "042"),
        ("101\n(617) 911-0TRK", "TRK"),
        ("101\n6179110107", "107"),
        ("101\n0000000000", None),
        ("101\n(000) 000-0000 11:02", None),
        ("101\n000-0000\nSPRINGFIELD MA", None),
        ("101\nANI FAILURE\nTRUNK 4", None),
    ],
)
def test_ani_failure_forms(text: str, trunk: str | None) -> None:
    detail = one(text).detail
    assert (detail["what"], detail["trunk"], detail["has_number"]) == ("ani-failure", trunk, False)
    assert (detail["caller"], detail["caller_key"]) == (None, None)


def test_an_empty_alternate_number_is_no_ani_failure() -> None:
    assert one("101\n(555) 555-0123\n1 MAIN ST\nALT# 000-000-0000").subject == "record"


@pytest.mark.parametrize(
    ("text", "numbered", "placed"),
    [
        ("103\n(555) 555-0123 WRLS\nATT MOBILITY\nVERIFY PD", True, False),
        ("103\n(555) 555-0123 WPH2\nX 000.000000 Y 000.000000", True, False),
        ("103\n(555) 555-0123 WPH2\nX Y CF\nUNC Z ZUNC", True, False),
        ("103\n123 OAK LN\nRESD ESN 123\nSPRINGFIELD MA\nSPRINGFIELD PD 555-0100", False, True),
    ],
)
def test_a_record_with_something_missing_is_degraded(text: str, numbered: bool, placed: bool) -> None:
    reading = one(text)
    assert (reading.subject, reading.state) == ("record", "degraded")
    assert (reading.detail["has_number"], reading.detail["has_place"]) == (numbered, placed)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("9\nALI SYSTEM WILL BE DOWN AT 0200", "broadcast"),
        ("100\nBROADCAST: ALL PSAPS", "broadcast"),
        ("101\nTHIS IS A TEST", "test"),
        ("101\nTEST RECORD 1234", "test"),
        ("101\nHELLO", "other"),
        ("", "other"),
    ],
)
def test_what_is_no_call_has_no_state(text: str, what: str) -> None:
    reading = one(text)
    assert (reading.detail["what"], reading.state) == (what, None)


def test_the_record_digit_decides_where_the_text_does_not() -> None:
    assert one("3 07\nSMITH", record_digit="3").subject == "record"
    assert one("4 07\n(555) 555-0123", record_digit="3").subject == "other"
    assert one("4 07\n(555) 555-0123").subject == "record"
    assert one("4 07\n(555) 555-0123\nNO RECORD FOUND", record_digit="3").subject == "no-record-found"


@pytest.mark.parametrize(
    ("query", "position", "number", "trunk"),
    [
        (b"0555012307", "07", "5550123", None),
        (b"05550123007", "007", "5550123", None),
        (b"0 555 0123 07", "07", "5550123", None),
        (b"4-555-0123 02", "02", "5550123", None),
        (b"5555550123", None, "5555550123", None),
        (b"(555) 555-0123", None, "5555550123", None),
        (b"555555012307", "07", "5555550123", None),
        (b"0555012307A", "07", "5550123", None),
        (b"0911004207", "07", None, "042"),
        (b"0911000007", "07", None, None),
    ],
)
@pytest.mark.parametrize("end", [b"\r", b"\r\n", b"\n"])
@pytest.mark.parametrize("framing", ["stx-etx", "lines"])
def test_queries(
    query: bytes, position: str | None, number: str | None, trunk: str | None, end: bytes, framing: str
) -> None:
    readings = read(query + end, carries="queries", framing=framing)
    assert [r.subject for r in readings] == ["query"]
    detail = readings[0].detail
    assert (detail["position"], detail["caller"], detail["trunk"]) == (position, number, trunk)
    assert (detail["has_number"], readings[0].state) == (number is not None, None)


def test_a_line_of_digits_is_no_query_where_none_are_carried() -> None:
    assert [r.kind for r in read(b"0555012307\r")] == ["garbage"]


@pytest.mark.parametrize(
    ("data", "keys", "count"),
    [
        (b"\x02H\x03", {}, 1),
        (b"H\r", {}, 1),
        (b"\x06H\r\n", {}, 1),
        (b"\x02  link  ok \r\n\x03", {"heartbeat_text": "LINK OK"}, 1),
        (b"LINK OK\r\n", {"heartbeat_text": "LINK OK", "framing": "lines"}, 1),
        (b"LINK OK\r\n\r\n", {"heartbeat_text": "LINK OK", "framing": "blank-line"}, 1),
        (b"\x02H\x03", {"heartbeat_text": "LINK OK"}, 0),
        (b"\x02LINK OK?NO\x03", {"heartbeat_text": "LINK OK"}, 0),
    ],
)
def test_heartbeats(data: bytes, keys: dict[str, Any], count: int) -> None:
    beats = [r for r in read(data, **keys) if r.kind == "heartbeat"]
    assert [(r.subject, r.state) for r in beats] == [("link", "up")] * count


def test_ack_and_nak_stand_alone_in_every_framing() -> None:
    for framing in ("stx-etx", "lines", "blank-line", "idle-gap"):
        readings = read(b"\x06\x15\x00\x7f\x86", framing=framing)
        assert [r.subject for r in readings] == ["ack", "nak", "ack"], framing
        assert [r.raw_ref for r in readings] == [0, 1, 4], framing


# -- framings ----------------------------------------------------------------------------------------------------


def test_parity_read_as_data_and_padding_are_not_seen() -> None:
    plain = b"\x02" + SPILL.replace("\n", "\r\n").encode() + b"\x03"
    even = bytes(code | (0x80 if code.bit_count() % 2 else 0) for code in plain)
    odd = bytes(code | (0x80 if code.bit_count() % 2 == 0 else 0) for code in plain)
    mark = bytes(code | 0x80 for code in plain)
    padded = plain.replace(b"\r\n", b"\r\x00\n\x7f\x00")
    noisy = bytes(code | (0x80 if at % 40 == 7 else 0) for at, code in enumerate(plain))
    want = {**read(plain)[0].detail, "bytes": 0}
    for data in (even, odd, padded, noisy):
        readings = read(data)
        assert len(readings) == 1
        assert {**readings[0].detail, "bytes": 0} == want
    assert [r.kind for r in read(mark)][-1:] in (["data"], ["garbage"])


def test_the_check_character() -> None:
    body = SPILL.replace("\n", "\r\n").encode() + b"\x03"
    good = b"\x02" + body + bytes([lrc(body)])
    bad = b"\x02" + body + bytes([lrc(body) ^ 1])
    odd = b"\x02" + body + bytes([lrc(body) ^ 0x11 or 0x21])
    reader = parser(check_chars=1)
    assert [r.detail["check_ok"] for r in reader.feed(odd, 0)] == [None]  # the sender's rule may be another
    assert [r.detail["check_ok"] for r in reader.feed(good * 4, 0)] == [True] * 4
    damaged = reader.feed(bad, 0)[0]
    assert (damaged.detail["check_ok"], damaged.state) == (False, "degraded")
    assert [r.detail["check_ok"] for r in reader.feed(good, 0)] == [True]
    assert reader.counters["check_failed"] == 1


def test_a_check_character_may_be_any_byte_but_none_swallows_the_next_record() -> None:
    body = b"103\r(555) 555-0123\r1 MAIN ST\r"
    for want in range(128):
        filler = next(code for code in range(128) if lrc(body + bytes([code]) + b"\x03") == want)
        if filler in (0x02, 0x03):
            continue
        text = body + bytes([filler]) + b"\x03"
        readings = read((b"\x02" + text + bytes([want])) * 2, check_chars=1)
        assert [r.detail.get("check_ok") for r in readings] == [True, True], want
    missing = b"\x02" + body + b"\x03"
    assert [r.detail["check_ok"] for r in read(missing * 3, check_chars=1)] == [None] * 3
    assert [r.subject for r in read(missing * 3, check_chars=2)] == ["record"] * 3
    two = (missing + b"4F") * 3
    assert [(r.subject, r.detail["check_ok"]) for r in read(two, check_chars=2)] == [("record", None)] * 3


@pytest.mark.parametrize(
    "end",
    [b"\r\n\r\n", b"\r\r", b"\n\n", b"\r\n\n", b"\n\r\n\r", b"\r\r\n\r\r\n", b"\r\n \x00 \r\n", b"\r\n\r\n\r\n\r\n"],
)
def test_blank_line_records(end: bytes) -> None:
    one_end = {b"\r\r": b"\r", b"\n\n": b"\n", b"\n\r\n\r": b"\n\r", b"\r\r\n\r\r\n": b"\r\r\n"}.get(end, b"\r\n")
    record = SPILL.encode().replace(b"\n", one_end)
    readings = read((record + end) * 3, framing="blank-line")
    assert [(r.subject, r.state) for r in readings] == [("record", "up")] * 3
    assert [r.raw_ref for r in readings] == [at * len(record + end) for at in range(3)]


def test_a_blank_line_record_needs_no_second_one_to_be_told() -> None:
    reader = parser(framing="blank-line")
    assert reader.feed(SPILL.encode() + b"\r\n", 0) == []
    assert [r.subject for r in reader.feed(b"\r\n", 0)] == ["record"]
    assert reader.feed(SPILL.encode() + b"\r\r", 0) == []  # a line feed might follow
    assert [r.subject for r in reader.idle(9)] == ["record"]


def test_idle_gap_by_the_clock_and_by_the_shell() -> None:
    reader = parser(framing="idle-gap", idle_gap_s=0.5)
    assert reader.idle_s == 0.5
    half = len(SPILL) // 2
    assert reader.feed(SPILL[:half].encode(), 0) == []
    assert reader.feed(SPILL[half:].encode(), 400_000_000) == []
    assert [r.subject for r in reader.feed(SPILL.encode(), 900_000_000)] == ["record"]
    assert [r.subject for r in reader.idle(1_500_000_000)] == ["record"]
    assert reader.idle(9_000_000_000) == []


@pytest.mark.parametrize(
    "line",
    [
        "102 (555) 555-0123 RESD 123 MAIN ST SPRINGFIELD MA",
        "1,02,5555550123,SMITH JOHN,123,MAIN ST,SPRINGFIELD,MA,RESD,00319",
        "02|5555550123|WPH2|LAT 42.1234|LON -71.1234",
    ],
)
def test_a_record_on_one_line(line: str) -> None:
    readings = read(line.encode() + b"\r\n", framing="lines")
    assert [(r.subject, r.state) for r in readings] == [("record", "up")]


def test_two_layouts_in_a_row_with_their_offsets() -> None:
    first, second = framed(SPILL), framed(CHEROKEE)
    readings = read(b"\r\n" + first + b"\r\n\x00" + second)
    assert [r.raw_ref for r in readings] == [2, 2 + len(first) + 3]
    assert [r.detail["bytes"] for r in readings] == [len(first), len(second)]


# -- nothing of the caller ---------------------------------------------------------------------------------------


def test_nothing_of_the_record_is_in_a_reading() -> None:
    shown = (
        "SPILLMAN",
        "LAKE",
        "PARK",
        "SALT",
        "0123",
        "4625",
        "MAIN",
        "SPRINGFIELD",
        "071",
        "042.",
        "VERIZON",
        "0124",
    )
    for framing in ("stx-etx", "blank-line", "lines", "idle-gap"):
        reader = parser(framing=framing)
        data = (
            framed(SPILL) + b"\r\n\r\n" + framed(CHEROKEE) + b"\r\n\r\n" + b"SPILLMAN 555-555-0123 LAKE\x02\x02"
        ) * 2
        readings = reader.feed(data, 0) + reader.idle(1) + reader.reset(2)
        assert readings
        text = repr([(r.subject, dict(r.detail), r.source) for r in readings])
        assert not [word for word in shown if word in text], framing


def test_the_masked_number_and_its_key() -> None:
    detail = parser().feed(framed("103\n(555) 555-0123\n1 MAIN ST"), 0)[0].detail
    assert detail["caller"] == "(***) ***-****"
    assert detail["caller_key"] == CALLERS.hash_of("15555550123")


def test_the_link_and_side_are_the_site_files_and_it_is_a_parser_that_can_not_speak() -> None:
    line = AliLine(id="ali-b", port="/dev/x", link="main", side="b")
    made = parser_for(line, CALLERS)
    assert isinstance(made, Ali)
    as_parser: Parser = made
    detail = as_parser.feed(framed(SPILL), 0)[0].detail
    assert (detail["link"], detail["side"]) == ("main", "b")
    assert not hasattr(made, "speak")
