"""Console messages of a Cisco voice gateway: controllers, interfaces, and what the trunks' judge makes of them."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.alarms.trunks import LineJudge
from agent.lines.cisco import FIELDS, Cisco, condition_of, masked
from agent.lines.console import LINE_BYTES
from agent.readings import Reading

# Sources: a public script's captured log (PRI E1 0/1/1); a cisco-voip mailing-list post of 2013 (T1 0/0/0, LINK,
# CHANGED); a captured router log of 2019 (SDH); a blog's 3845 log (Controller E1 0/0/0).
RAI = b"*Feb 28 2023 13:03:24.252 UTC: %CONTROLLER-5-UPDOWN: PRI E1 0/1/1, changed state to down (RAI detected)\r\n"
AIS = (
    b"021244: Mar 18 10:25:16.673 CDT: %CONTROLLER-5-UPDOWN: "
    b"Controller T1 0/0/0, changed state to down (AIS detected)\r\n"
)
UP = b"021247: Mar 18 10:25:20.673 CDT: %CONTROLLER-5-UPDOWN: Controller T1 0/0/0, changed state to up\r\n"
LINK = b"021246: Mar 18 10:25:18.673 CDT: %LINK-3-UPDOWN: Interface Serial0/0/0:23, changed state to down\r\n"
LINK_UP = b"021248: Mar 18 10:25:22.189 CDT: %LINK-3-UPDOWN: Interface Serial0/0/0:23, changed state to up\r\n"
PROTO = b"%LINEPROTO-5-UPDOWN: Line protocol on Interface GigabitEthernet0/0, changed state to down\r\n"
SLOS = b"000327: Oct 14 13:15:07.463 IST: %SDH-2-ALARM: SDH 0/5/16: SLOS asserted\r\n"


def read(data: bytes) -> list[Reading]:
    parser = Cisco("gw")
    return parser.feed(data, 5) + parser.reset(5)


def one(data: bytes) -> Reading:
    (reading,) = read(data)
    return reading


def brief(reading: Reading) -> tuple[str, str, object]:
    return reading.kind, reading.subject, reading.detail.get("condtype")


@pytest.mark.parametrize("ending", [b"\r\n", b"\n", b"\r", b"\r\n\x00", b"  \r\r\n"])
def test_a_controller_goes_down_field_by_field(ending: bytes) -> None:
    reading = one(AIS.replace(b"\r\n", ending))
    assert (reading.kind, reading.subject, reading.state, reading.sense, reading.raw_ref) == (
        "alarm",
        "0/0/0",
        "down",
        "cisco",
        0,
    )
    assert dict(reading.detail) == {
        **dict.fromkeys(FIELDS),
        "facility": "CONTROLLER",
        "severity": 5,
        "mnemonic": "UPDOWN",
        "seq": 21244,
        "time": "Mar 18 10:25:16.673 CDT",
        "controller": "T1",
        "aid": "0/0/0",
        "condtype": "AIS",
        "ntfcncde": "MJ",
        "srveff": "SA",
        "conddescr": "T1 0/0/0 went down (AIS detected)",
        "reason": "AIS detected",
    }


@pytest.mark.parametrize(
    "head",
    [
        "",
        "*Mar  1 00:00:12.345: ",
        ".Mar  1 2013 00:00:12: ",
        "000123: *Mar  1 00:00:12.345 UTC: ",
        "<189>45: gw1: Mar 18 10:25:16.673: ",
        "1w2d: ",
        "00:00:12: ",
        "Router>",
        "Router#",
        "SLOT 0:",
    ],
)
@pytest.mark.parametrize(
    ("text", "condtype"),
    [
        ("Controller T1 0/1/1, changed state to down (LOS detected)", "LOS"),
        ("Controller T1 0/1/1, changed state to down (LOF detected)", "LOF"),
        ("PRI E1 0/1/1, changed state to down (RAI detected)", "RAI"),
        ("Controller J1 0/1/1, changed state to down", "DOWN"),
        ("Controller SONET 0/1/1, changed state to down", "DOWN"),
        ("Controller E1 0/1/1,  changed state to Down ( Loss of Signal )", "LOS"),
        ("controller t3 0/1/1 ,changed state to down (Remote Alarm Indication)", "RAI"),
        ("T1 0/1/1, changed state to down (Weird thing detected)", "WEIRD-THING"),
        ("T1 0/1/1, changed state to down (Loopback).", "LPBK"),
    ],
)
def test_with_and_without_sequence_time_mark_prefix_and_reason(head: str, text: str, condtype: str) -> None:
    reading = one(f"{head}%CONTROLLER-5-UPDOWN: {text}\r\n".encode())
    assert brief(reading) == ("alarm", "0/1/1", condtype)
    assert reading.state == "down"


def test_times_and_sequence_numbers_are_as_printed() -> None:
    told = [one(RAI).detail, one(b"1w2d: " + PROTO).detail, one(b"000123: *Mar  1 00:00:12.345 UTC: " + PROTO).detail]
    assert [(d["seq"], d["time"]) for d in told] == [
        (None, "*Feb 28 2023 13:03:24.252 UTC"),
        (None, "1w2d"),
        (123, "*Mar 1 00:00:12.345 UTC"),
    ]


@pytest.mark.parametrize(
    ("data", "want", "state"),
    [
        (UP, ("clear", "0/0/0", None), "up"),
        (LINK, ("alarm", "Serial0/0/0:23", "LINK-DOWN"), "down"),
        (LINK_UP, ("clear", "Serial0/0/0:23", "LINK-DOWN"), "up"),
        (PROTO, ("alarm", "GigabitEthernet0/0", "LINEPROTO-DOWN"), "degraded"),
        (PROTO.replace(b"down", b"up"), ("clear", "GigabitEthernet0/0", "LINEPROTO-DOWN"), "up"),
        (SLOS, ("alarm", "0/5/16", "LOS"), "down"),
        (SLOS.replace(b"asserted", b"cleared"), ("clear", "0/5/16", "LOS"), "up"),
        (b"%SDH-2-ALARM: SDH 0/5/16.1 PATH : PAIS cleared\r\n", ("clear", "0/5/16.1", "AIS-P"), "up"),
        (b"%SONET-4-ALARM: SONET 0/0/0: SONET_LINK_DOWN asserted", ("alarm", "0/0/0", "SONET_LINK_DOWN"), "down"),
        (UP.replace(b"to up", b"to administratively down"), ("event", "0/0/0", None), None),
        (
            b"%LINK-5-CHANGED: Interface Serial0/0/0:23, changed state to administratively down\r\n",
            ("event", "Serial0/0/0:23", None),
            None,
        ),
    ],
)
def test_what_each_message_says(data: bytes, want: tuple[str, str, str | None], state: str | None) -> None:
    reading = one(data)
    assert brief(reading) == want
    assert reading.state == state


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("%ISDN-6-CONNECT: Interface Serial0/0/0:0 is now connected to 5555550123 N/A", "connected to ********** N/A"),
        ("%ISDN-6-DISCONNECT: disconnected from (555) 555-0123 , call lasted 30 seconds", "(***) ***-**** , call"),
        ("%PFINIT-SP-5-CONFIG_SYNC: Sync'ing the startup configuration", "Sync'ing the startup configuration"),
        ("%SYS-5-CONFIG_I: Configured from console by vty0", "Configured from console by vty0"),
        ("%MARS_NETCLK-3-HOLDOVER: Entering Holdover for Controller T1 0/0/0", "Holdover for Controller T1 0/0/0"),
    ],
)  # fmt: skip
def test_other_messages_are_events_and_hold_no_number(text: str, shown: str) -> None:
    reading = one(b"021245: Mar 18 10:25:16.881 CDT: " + text.encode() + b"\r\n")
    assert (reading.kind, reading.state, reading.subject) == ("event", None, "")
    assert shown in str(reading.detail["conddescr"])
    assert "55501" not in str(reading)


def test_masking_leaves_short_numbers() -> None:
    assert masked("T1 0/0/0:23 lasted 911 s, 617-555-0123.") == "T1 0/0/0:23 lasted 911 s, ***-***-****."


@pytest.mark.parametrize(
    "text",
    [
        "Router#show clock",
        "%CONTROLLER-5-UPDOWN: Controller J1 3/0, changed state to)",
        "%CONTROLLER-5-UPDOWN: Controller T1 0/0/0, changed state to down (AIS dete",
        "%CONTROLLER-5-UPDOWN: Controller T1 0/0/0, changed state to d",
        "%CONTROLLER-5-UPDOWN: Controller T1, changed state to down",
        "%LINK-3-UPDOWN: Interface , changed state to down",
        "%LINK-3-UPDOWN Interface Serial0, changed state to down",
        "100 % of everything",
    ],
)
def test_what_almost_fits_is_garbage_with_its_bytes(text: str) -> None:
    reading = one(text.encode() + b"\r\n")
    assert (reading.kind, reading.detail["bytes"]) == ("garbage", len(text))


def test_a_message_after_a_prompt_with_a_percent_sign_is_found() -> None:
    assert brief(one(b"gw% 50% done " + AIS)) == ("alarm", "0/0/0", "AIS")


def test_parity_bits_are_taken_off() -> None:
    even = bytes(b | 0x80 if b.bit_count() % 2 else b for b in AIS)
    assert brief(one(even)) == ("alarm", "0/0/0", "AIS")


def test_reasons() -> None:
    assert [condition_of(why) for why in (None, "", "OOF detected", "ais", "Receiver has loss of frame")] == [
        "DOWN",
        "DOWN",
        "OOF",
        "AIS",
        "LOF",
    ]


# -- what the trunks make of it ---------------------------------------------------------------------------------

GROUPS = {"0/0/0": "cama", "0/0/1": "cama", "GigabitEthernet0/1": "sip"}


def judged(judge: LineJudge, data: bytes) -> list[tuple[str, str, bool]]:
    return [(c.type, c.qualifier, c.holds) for reading in read(data) for c in judge.judge(reading)]


def test_up_ends_all_that_stands_on_the_place_and_nothing_elsewhere() -> None:
    judge = LineJudge("gw", GROUPS)
    assert judged(judge, AIS)[0] == ("ais", "0/0/0", True)
    judged(judge, AIS.replace(b"AIS", b"LOS") + AIS.replace(b"0/0/0", b"0/0/1") + LINK)
    said = judged(judge, UP)
    assert said[:2] == [("ais", "0/0/0", False), ("los", "0/0/0", False)]
    assert not judge.down("0/0/0")
    assert judge.down("0/0/1")
    assert judge.down("Serial0/0/0:23")  # the D channel says itself when it is back
    assert judged(judge, LINK_UP) == [("trunk-down", "Serial0/0/0:23", False)]


def test_up_ends_what_stood_before_this_start_without_its_reason() -> None:
    judge = LineJudge("gw", GROUPS)
    judge.restore("0/0/0", "rai", {"aid": "0/0/0", "condtype": "RAI", "srveff": "SA"})
    judge.restore("0/0/0", "trunk-down", {"aid": "0/0/0", "condtype": "WEIRD-THING", "srveff": "SA"})
    judged(judge, UP)
    assert not judge.down("0/0/0")
    assert judge._standing == {}


def test_up_without_anything_standing_says_only_how_the_group_is() -> None:
    assert judged(LineJudge("gw", GROUPS), UP) == [("trunk-group-down", "all", False), ("trunk-partial", "all", False)]
    assert judged(LineJudge("gw", {}), UP) == []


def test_put_down_by_command_is_no_alarm() -> None:
    assert judged(LineJudge("gw", {}), UP.replace(b"to up", b"to administratively down")) == []


def test_a_lan_port_is_a_warning_unless_the_site_file_names_it_as_a_trunk() -> None:
    judge = LineJudge("gw", GROUPS)
    assert judged(judge, PROTO) == [("cpe-warning", "GigabitEthernet0/0", True)]
    said = judged(judge, PROTO.replace(b"Ethernet0/0", b"Ethernet0/1"))
    assert said[:2] == [("trunk-down", "GigabitEthernet0/1", True), ("trunk-group-down", "all", True)]


def test_a_sites_own_rule_names_its_point_and_words() -> None:
    judge = LineJudge("t", {})
    detail = {"condtype": "X", "ntfcncde": "MN", "point": "firewall-fault", "text": "The firewall says it is full."}
    (raised,) = judge.judge(Reading("t", "text", "alarm", "fw", "down", 0, detail))
    assert (raised.type, raised.holds, raised.text) == (
        "firewall-fault",
        True,
        "fw on t: The firewall says it is full.",
    )
    (other,) = judge.judge(Reading("t", "text", "alarm", "fw", "down", 0, {**detail, "point": "los"}))
    assert other.type == "los"
    cleared = {"condtype": "Y", "ntfcncde": "CL", "point": "firewall-fault"}
    (ended,) = judge.judge(Reading("t", "text", "clear", "fw", "up", 0, cleared))
    assert (ended.type, ended.holds) == ("firewall-fault", False)
    assert list(judge.judge(Reading("t", "text", "clear", "fw", "up", 0, cleared))) == []
    assert judge.down("fw")  # its los stands
    unknown = {**detail, "point": "no such point", "ntfcncde": "MJ"}
    assert [c.type for c in judge.judge(Reading("t", "text", "alarm", "fw", "down", 0, unknown))] == ["trunk-down"]


# -- any bytes --------------------------------------------------------------------------------------------------

JUNK = st.one_of(
    st.binary(max_size=200),
    st.lists(
        st.one_of(
            st.sampled_from(
                [
                    *b"% %% \r \n : , ( ) %LINK-3-UPDOWN: Interface changed state to down %CONTROLLER-5-UPDOWN".split(
                        b" "
                    ),
                    b" ",
                    b"\r\n",
                    b"Controller T1 0/0/0, ",
                    RAI,
                    RAI[:70],
                    b"\x00",
                    b"\xff",
                    b"\x1b[",
                    b"x" * 1500,
                ]
            ),
            st.binary(max_size=3),
        ),
        max_size=20,
    ).map(b"".join),
)


@settings(max_examples=300, deadline=None)
@given(junk=JUNK)
def test_the_next_good_message_is_always_read(junk: bytes) -> None:
    readings = Cisco("gw").feed(junk + b"\r\n" + AIS, 0)
    assert brief(readings[-1]) == ("alarm", "0/0/0", "AIS")
    assert readings[-1].raw_ref == len(junk) + 2


@settings(max_examples=300, deadline=None)
@given(data=JUNK, cuts=st.lists(st.integers(0, 3000), max_size=10))
def test_any_chunks_give_the_same_readings(data: bytes, cuts: list[int]) -> None:
    data += AIS
    parser, got = Cisco("gw"), []
    for start, stop in itertools.pairwise([0, *sorted(min(c, len(data)) for c in cuts), len(data)]):
        got += parser.feed(data[start:stop], 5)
    assert got + parser.reset(5) == read(data)


@settings(max_examples=200, deadline=None)
@given(pieces=st.lists(st.tuples(JUNK, st.sampled_from(["feed", "idle", "reset"])), max_size=10))
def test_nothing_raises_and_what_is_held_is_bounded(pieces: list[tuple[bytes, str]]) -> None:
    parser = Cisco("gw")
    for data, then in pieces:
        parser.feed(data * 4, 0)
        if then != "feed":
            getattr(parser, then)(0)
        assert parser.held_bytes <= LINE_BYTES
    parser.feed(b"\r\n", 0)
    assert brief(parser.feed(AIS, 0)[-1]) == ("alarm", "0/0/0", "AIS")


@pytest.mark.parametrize("endless", [b"x", b"%", b"%A-", b"x\n", b"%LINK-3-UPDOWN:\r", b"\xff%"])
def test_an_endless_stream_holds_little_and_is_told(endless: bytes) -> None:
    parser, readings = Cisco("gw"), []
    for _ in range(200):
        readings += parser.feed(endless * 500, 0)
        assert parser.held_bytes <= LINE_BYTES
    readings += parser.reset(0)
    told = sum(int(r.detail["bytes"] or 0) for r in readings)
    assert told == parser.counters["garbage_bytes"] == 200 * 500 * len(endless.strip())
