"""Every message of protocols.md section 1.2, field by field, and the edge cases of section 1.3."""

from __future__ import annotations

import pytest

from agent.lines.tl1 import FIELDS, Tl1
from agent.readings import Reading

NONE = dict.fromkeys(FIELDS)


def read(data: bytes) -> list[Reading]:
    return Tl1("bank-a").feed(data, 5)


def one(data: bytes) -> Reading:
    readings = read(data)
    assert len(readings) == 1, readings
    return readings[0]


def message(text: str, *, ident: str = "** 000017 REPT ALM T1", sid: str = "MX2800") -> bytes:
    return f"\r\n\n   {sid} 04-10-05 09:14:22\r\n{ident}\r\n{text}\r\n;".encode("latin-1")


# Source: a test frame of an open TL1 tool's repository; LF only there.
FRAME = (
    b"\r\n\n   PLEASE-SET-SID-C8A00 15-10-04 17:01:56\r\n*  243 REPT ALM EQPT\r\n"
    b'   "MDL-1-1-18:MN,ABNORMAL,NSA,10-04,17-01-56,NEND"\r\n;'
)
FRAME_FIELDS = {
    **NONE,
    "sid": "PLEASE-SET-SID-C8A00",
    "date": "15-10-04",
    "time": "17:01:56",
    "alarm_code": "*",
    "atag": "243",
    "verb": "REPT",
    "mod1": "ALM",
    "mod2": "EQPT",
    "aid": "MDL-1-1-18",
    "ntfcncde": "MN",
    "condtype": "ABNORMAL",
    "srveff": "NSA",
    "ocrdat": "10-04",
    "ocrtm": "17-01-56",
    "locn": "NEND",
}
# Source: a TL1 simulator (its atag was not given).
SUNDAR = (
    b"\r\n\n   sundar 2002-03-15 16:29:21\r\n** 7 REPT ALM PORT\r\n"
    b'   "ST1-3-1:MJ,LOS "\r\n   "ST1-3-1:MJ,LOF "\r\n   "ST1-3-1:MJ,CGA-RED "\r\n;'
)
SUNDAR_FIELDS = {
    **NONE,
    "sid": "sundar",
    "date": "2002-03-15",
    "time": "16:29:21",
    "alarm_code": "**",
    "atag": "7",
    "verb": "REPT",
    "mod1": "ALM",
    "mod2": "PORT",
    "aid": "ST1-3-1",
    "ntfcncde": "MJ",
}
# Source: the Wide Bank 28's manual; "atag" and "tid" are its placeholders.
RAISED = (
    b"tid 2001-08-04 11:51:58\n*C atag REPT ALM EQPT\n"
    b'"DS3-A:CR,LOS,SA,08-04,11-51-58,NEND,RCV:\\"Loss of Signal\\",ACTIVE"\n;'
)
CLEARED = (
    b"\ntid 2001-08-04 11:52:19\nA atag REPT ALM EQPT\n"
    b'"DS3-A:CL,LOS,SA,08-04,11-52-19,NEND,RCV:\\"Loss of Signal\\",ACTIVE"\n;'
)
EVENT = (
    b"\ntid 2001-10-19 16:26:20\nA atag REPT EVT T3\n"
    b'"DS3-A:RAI,SC,10-19,16-26-19,NEND,RCV,,,:\\"Remote Alarm Indication\\""\n;'
)
RAISED_FIELDS = {
    "sid": "tid",
    "date": "2001-08-04",
    "time": "11:51:58",
    "alarm_code": "*C",
    "atag": "atag",
    "verb": "REPT",
    "mod1": "ALM",
    "mod2": "EQPT",
    "aid": "DS3-A",
    "aid_type": None,
    "ntfcncde": "CR",
    "condtype": "LOS",
    "srveff": "SA",
    "condeff": None,
    "ocrdat": "08-04",
    "ocrtm": "11-51-58",
    "locn": "NEND",
    "dirn": "RCV",
    "conddescr": "Loss of Signal",
    "aiddet": "ACTIVE",
}
CLEARED_FIELDS = {**RAISED_FIELDS, "time": "11:52:19", "alarm_code": "A", "ntfcncde": "CL", "ocrtm": "11-52-19"}
EVENT_FIELDS = {
    **NONE,
    "sid": "tid",
    "date": "2001-10-19",
    "time": "16:26:20",
    "alarm_code": "A",
    "atag": "atag",
    "verb": "REPT",
    "mod1": "EVT",
    "mod2": "T3",
    "aid": "DS3-A",
    "condtype": "RAI",
    "condeff": "SC",
    "ocrdat": "10-19",
    "ocrtm": "16-26-19",
    "locn": "NEND",
    "dirn": "RCV",
    "conddescr": "Remote Alarm Indication",
}
# Constructed from the MX2800 manual's table 9-3, not captured.
MX2800 = b'\r\n\n   MX2800 04-10-05 09:14:22\r\n** 000017 REPT ALM T1\r\n   "101:MJ,LOS,SA,10-05,09-14-22,NEND"\r\n;'
MX2800_FIELDS = {
    **NONE,
    "sid": "MX2800",
    "date": "04-10-05",
    "time": "09:14:22",
    "alarm_code": "**",
    "atag": "000017",
    "verb": "REPT",
    "mod1": "ALM",
    "mod2": "T1",
    "aid": "101",
    "ntfcncde": "MJ",
    "condtype": "LOS",
    "srveff": "SA",
    "ocrdat": "10-05",
    "ocrtm": "09-14-22",
    "locn": "NEND",
}
GOLDEN = [
    (FRAME, "alarm", "degraded", "MDL-1-1-18", FRAME_FIELDS),
    (RAISED, "alarm", "down", "DS3-A", RAISED_FIELDS),
    (CLEARED, "clear", "up", "DS3-A", CLEARED_FIELDS),
    (EVENT, "event", None, "DS3-A", EVENT_FIELDS),
    (MX2800, "alarm", "down", "101", MX2800_FIELDS),
]


@pytest.mark.parametrize("ending", [b"\r\n", b"\n"], ids=["crlf", "lf"])
@pytest.mark.parametrize(("data", "kind", "state", "subject", "fields"), GOLDEN)
def test_each_real_message_decodes_with_all_its_fields(
    data: bytes, kind: str, state: str | None, subject: str, fields: dict[str, str | None], ending: bytes
) -> None:
    reading = one(data.replace(b"\r\n", b"\n").replace(b"\n", ending))
    assert dict(reading.detail) == fields
    assert (reading.kind, reading.state, reading.subject) == (kind, state, subject)
    assert (reading.source, reading.sense, reading.at_ns) == ("bank-a", "tl1", 5)


def test_several_text_lines_are_one_alarm_each() -> None:
    readings = read(SUNDAR)
    assert [dict(r.detail) for r in readings] == [
        {**SUNDAR_FIELDS, "condtype": condition} for condition in ("LOS", "LOF", "CGA-RED")
    ]
    assert {(r.kind, r.state) for r in readings} == {("alarm", "down")}


def test_raw_ref_is_where_the_message_begins() -> None:
    second = Tl1("a").feed(MX2800 + MX2800.replace(b"17 ", b"18 "), 0)[1]
    assert second.raw_ref == len(MX2800) + 3


def test_the_alarm_is_there_with_its_last_byte_and_needs_no_line_end() -> None:
    assert one(MX2800).kind == "alarm"
    assert MX2800.endswith(b";")


@pytest.mark.parametrize(
    ("printed", "code"),
    [
        ("*C", "*C"),
        ("**", "**"),
        ("* ", "*"),
        ("*^", "*"),
        ("A ", "A"),
        ("A^", "A"),
        ("AA", "AA"),
        ("", ""),
        ("*", "*"),
    ],
)
def test_every_alarm_code_form(printed: str, code: str) -> None:
    reading = one(message('   "101:MJ,LOS,SA"', ident=f"{printed} 5 REPT ALM T1"))
    assert (reading.detail["alarm_code"], reading.detail["atag"]) == (code, "5")


@pytest.mark.parametrize("code", ["*C", "**", "* ", "A ", "AA", ""])
def test_a_clear_is_told_by_its_notification_code_alone(code: str) -> None:
    assert one(message('   "101:CL,LOS,SA"', ident=f"{code} 5 REPT ALM T1")).kind == "clear"
    assert one(message('   "101:MJ,LOS,SA"', ident=f"{code} 5 REPT ALM T1")).kind == "alarm"


@pytest.mark.parametrize("indent", ["", " ", "  ", "   "])
def test_any_indent_and_a_quoted_sid(indent: str) -> None:
    reading = one(
        f'\r\n\n{indent}"BANK ; 7" 04-10-05 09:14:22\r\n** 5 REPT ALM T1\r\n{indent}"101:MJ,LOS,SA"\r\n;'.encode()
    )
    assert reading.detail["sid"] == "BANK ; 7"


def test_terminators_inside_quotes_and_comments_do_not_count() -> None:
    text = '   /* it\'s "so; > < */\r\n   "101:MJ,LOS,SA,,,NEND,RCV:\\"cut; or, so: <it> seems\\",X;Y"'
    reading = one(message(text))
    assert reading.detail["conddescr"] == "cut; or, so: <it> seems"
    assert reading.detail["aiddet"] == "X;Y"


def test_a_comment_over_several_lines() -> None:
    reading = one(message('   /* first;\r\n "102:MJ,LOS,SA"\r\n last; */ "101:MJ,AIS,SA"'))
    assert (reading.subject, reading.detail["condtype"]) == ("101", "AIS")


def test_continuation_with_the_same_tag_is_no_gap() -> None:
    first = MX2800[:-1] + b">"
    assert [r.kind for r in read(first + MX2800.replace(b"101:", b"102:"))] == ["alarm", "alarm"]


def test_unquoted_text_and_unknown_conditions_pass_through() -> None:
    reading = one(message("   101,T1:MN,WET-SQUIRREL,SA,,,FEND,TRMT:Chewed, twice"))
    assert reading.state == "degraded"
    assert {k: reading.detail[k] for k in ("aid_type", "condtype", "locn", "dirn", "conddescr")} == {
        "aid_type": "T1",
        "condtype": "WET-SQUIRREL",
        "locn": "FEND",
        "dirn": "TRMT",
        "conddescr": "Chewed, twice",
    }


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("101:MJ,SC,10-05,09-14-22,NEND,RCV", {"ntfcncde": "MJ", "condeff": "SC", "condtype": None}),
        ("101:CL,CL,10-05,09-14-22,NEND,RCV", {"ntfcncde": "CL", "condeff": "CL", "condtype": None}),
        ("101:MJ,LOS,SC,10-05,09-14-22,NEND,RCV", {"ntfcncde": "MJ", "condeff": "SC", "condtype": "LOS"}),
        ("101:LOS,SC,10-05,09-14-22,NEND,RCV", {"ntfcncde": None, "condeff": "SC", "condtype": "LOS"}),
        ("101:INT,,10-05,09-14-22,NEND,RCV", {"ntfcncde": None, "condeff": "TC", "condtype": "INT"}),
    ],
)
def test_both_orders_of_rept_evt_are_told_apart_by_value(text: str, want: dict[str, str | None]) -> None:
    reading = one(message(f'   "{text}"', ident="A  5 REPT EVT T1"))
    assert (reading.kind, reading.state) == ("event", None)
    rest = {"ocrdat": "10-05", "ocrtm": "09-14-22", "locn": "NEND", "dirn": "RCV"}
    assert {k: reading.detail[k] for k in (*want, *rest)} == want | rest


@pytest.mark.parametrize(
    ("ident", "verb", "mod1"),
    [("A 5 REPT PM T1", "REPT", "PM"), ("A 6 REPT DBCHG", "REPT", "DBCHG"), ("A 7 CANC", "CANC", None)],
)
def test_other_autonomous_messages_are_events(ident: str, verb: str, mod1: str | None) -> None:
    reading = one(message('   "101:T-CVL,3"', ident=ident))
    assert (reading.kind, reading.subject, reading.detail["conddescr"]) == ("event", "101", "T-CVL,3")
    assert (reading.detail["verb"], reading.detail["mod1"]) == (verb, mod1)


def test_a_message_without_text_is_an_event() -> None:
    reading = one(b"\r\n\n   S 04-10-05 09:14:22\r\nA 5 REPT EVT SESSION\r\n   /* NO LOGIN */\r\n;")
    assert (reading.kind, reading.detail["conddescr"]) == ("event", "NO LOGIN")


def test_not_alarmed_and_transient_are_events_and_an_unknown_code_is_an_alarm() -> None:
    kinds = {code: one(message(f'   "101:{code},LOS,SA"')).kind for code in ("NA", "TC", "NR", "WX")}
    assert kinds == {"NA": "event", "TC": "event", "NR": "event", "WX": "alarm"}


@pytest.mark.parametrize("compl", ["COMPLD", "DENY", "PRTL", "RTRV"])
@pytest.mark.parametrize("ending", ["\r\n;", ";", "\r\n>", ">"])
def test_responses_are_data(compl: str, ending: str) -> None:
    reading = one(f"\r\n\n   AI296 97-01-01 05:06:39\r\nM  12345 {compl}{ending}\r\n".encode())
    assert reading.kind == "data"
    assert (reading.detail["ctag"], reading.detail["compl"], reading.detail["lines"]) == ("12345", compl, 0)


def test_a_denial_says_why_and_standing_alarms_in_a_response_are_not_alarms() -> None:
    deny = one(b"\r\n\n   S 04-10-05 09:14:22\r\nM  c DENY\r\n   PLNA\r\n   /* login not active */\r\n;")
    assert (deny.detail["errcde"], deny.detail["text"]) == ("PLNA", "login not active")
    listed = one(b'\r\n\n   S 04-10-05 09:14:22\r\nM  c COMPLD\r\n   "101,T1:MJ,LOS,SA,,,NEND,RCV:x"\r\n;')
    assert (listed.kind, listed.detail["lines"]) == ("data", 1)


@pytest.mark.parametrize("end", ["<", ">"])
def test_acknowledgements_end_either_way(end: str) -> None:
    reading = one(f"\r\nPF 123\r\n{end}".encode())
    assert (reading.kind, reading.detail["ack"], reading.detail["ctag"]) == ("data", "PF", "123")


def test_an_echoed_command_is_neither_garbage_nor_passed_on() -> None:
    parser = Tl1("a")
    data = b"ACT-USER::FRED:SC001::SECRET;" + MX2800[:-1] + b"\r\nACT-USER::FRED:SC001::SECRET;\r\n;"
    readings = parser.feed(data, 0) + parser.reset(0)
    assert [r.kind for r in readings] == ["alarm"]
    assert parser.counters["echoes"] == 2


def test_an_echo_in_the_middle_of_a_message_does_not_end_it() -> None:
    reading = one(message('RTRV-HDR:X:1;\r\n   "101:MN,WET-SQUIRREL,NSA"'))
    assert (reading.kind, reading.subject) == ("alarm", "101")


def test_control_characters_are_stripped_from_values() -> None:
    reading = one(message('   "10\x001:MJ,L\x7fOS,SA\x1b,,,NEND"'))
    assert (reading.subject, reading.detail["condtype"], reading.detail["srveff"]) == ("101", "LOS", "SA")


@pytest.mark.parametrize(("code", "kind"), [("CR", "alarm"), ("MJ", "alarm"), ("MN", "alarm"), ("CL", "clear")])
def test_an_alarm_of_any_code_counts_though_its_identification_is_damaged(code: str, kind: str) -> None:
    readings = read(message(f'   "T1-1:{code},LOS,SA"', ident="** 0000\x1617 REPT A"))
    assert [(r.kind, r.subject) for r in readings if r.kind != "garbage"] == [(kind, "T1-1")]
