"""Deny formats: lines as the makers print them, field by field; any bytes at all; long hostile lines."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.paths.syslog.deny import address, behind_interface, plain, verdict
from agent.paths.syslog.formats import denies, deny_of
from agent.paths.syslog.message import BYTES_MAX, parse
from tests.paths.syslog import lines
from tests.paths.syslog.lines import ALL, Case


def fields(line: str) -> lines.Fields | None:
    one = deny_of(line.encode())
    return None if one is None else (one.src, one.sport, one.dst, one.dport, one.proto, one.rule)


@pytest.mark.parametrize("case", ALL, ids=[line[:60] or "empty" for line, _ in ALL])
def test_a_golden_line(case: Case) -> None:
    line, wanted = case
    assert fields(line) == wanted


@pytest.mark.parametrize("header", ["<134>", "<134>Oct  1 10:00:00 gw ", "<134>1 2024-01-01T00:00:00Z gw - - - - ", ""])
def test_a_deny_behind_any_header(header: str) -> None:
    asa = '%ASA-4-106023: Deny udp src in:10.0.0.1/5060 dst out:10.0.0.2/5060 by access-group "g"'
    assert fields(header + asa) == ("10.0.0.1", 5060, "10.0.0.2", 5060, "udp", "g")
    log = "DROP IN=a OUT=b SRC=10.0.0.1 DST=10.0.0.2 PROTO=UDP SPT=5060 DPT=5060"
    found = fields(header + "kernel: " + log)
    assert found is not None
    assert found[:5] == ("10.0.0.1", 5060, "10.0.0.2", 5060, "udp")


def test_all_packets_of_one_record_are_told() -> None:
    line = next(line for line, _ in lines.OTHERS if "packet_amount" in line)
    assert [(one.dst, one.dport, one.proto) for one in denies(parse(line.encode()))] == [
        ("81.2.69.144", 443, "tcp"),
        ("89.160.20.128", 80, "udp"),
    ]


def test_the_packet_that_an_error_is_about_is_not_the_refused_one() -> None:
    line = "kernel: DROP IN=a OUT=b SRC=10.0.0.1 DST=10.0.0.2 [SRC=10.0.0.3 DST=10.0.0.4 PROTO=UDP SPT=5060 DPT=5060 ]"
    assert fields(line) == ("10.0.0.1", None, "10.0.0.2", None, None, "DROP")


def test_text_that_quotes_a_deny_is_none() -> None:
    assert (
        fields('date=2024-01-01 devid="F" type="utm" action="passthrough" url="/?a=%ACCESSLOGP: list 1 denied"') is None
    )
    assert fields("sshd[1]: Invalid user DROP from 10.0.0.1 port 5060") is None


def test_words_of_rules() -> None:
    for words in ("DROP_INPUT", "fw DENY: ", "[UFW BLOCK]", "net2fw:REJECT:", "allow-list drop", "dropped"):
        assert verdict(words) is True, words
    for words in ("ACCEPT ", "[UFW ALLOW]", "lan-permit", "PASS"):
        assert verdict(words) is False, words
    for words in ("", "voip: ", "blockade runner", "raindrops", "bypass"):
        assert verdict(words) is None, words


def test_what_people_read_has_no_long_number_and_no_control_character() -> None:
    assert plain('"rule 2125550142\x1b[31m\n"') == "rule …[31m"
    assert len(plain("x" * 9000)) <= 64


def test_addresses() -> None:
    assert address("[2001:0db8::0005%eth0]") == "2001:db8::5"
    assert address("::ffff:192.0.2.1") == "192.0.2.1"
    assert address("N/A") is None
    assert address("x y") is None
    assert behind_interface("ctx:outside:2001:db8::5") == "2001:db8::5"


def check_plain(data: bytes) -> None:
    for one in denies(parse(data)):
        assert one.src is not None or one.dst is not None
        assert all(port is None or 0 <= port <= 65_535 for port in (one.sport, one.dport))
        assert all(text is None or len(text) <= 64 for text in (one.src, one.dst, one.proto, one.rule, one.reason))


@given(st.binary(max_size=2000))
def test_any_bytes(data: bytes) -> None:
    check_plain(data)


@given(st.sampled_from([line for line, _ in ALL if line]), st.data())
def test_lines_cut_mixed_and_sprinkled(line: str, draw: st.DataObject) -> None:
    data = bytearray(line.encode())
    for _ in range(draw.draw(st.integers(0, 4))):
        at = draw.draw(st.integers(0, len(data)))
        data[at : at + draw.draw(st.integers(0, 20))] = draw.draw(st.binary(max_size=12))
    check_plain(bytes(data))


MARKS = (
    "%ASA-4-106023: Deny",
    "%ASA-4-106100: access-list x denied tcp ",
    "%FTD-1-430003: ",
    "%SEC-6-IPACCESSLOGP: list a denied ",
    "%FW-6-DROP_PKT: Dropping ",
    "filterlog: ",
    "RT_FLOW_SESSION_DENY: session denied ",
    "1,2020/01/01 00:00:00,,TRAFFIC,",
    "DROP IN= OUT= SRC=",
    "id=firewall ",
    "logid= action=",
    " forward: in:a out:b, ",
    'msg_id="1" Deny ',
    'action:"Drop"; ',
    "rule 1: block in on ",
    "<1>1 - - - - - [a ",
)
FILLS = (
    "a",
    " ",
    "[",
    "(",
    "<",
    "1,",
    '="',
    'a="',
    "=a ",
    " src ",
    " dst ",
    "from ",
    "/",
    ":",
    "1.",
    "1.1.1.1 ",
    "1/1->",
    "> ",
    '"',
    "\\",
    ' b="',
    "; ",
    "a:",
    "a=b,",
    "%",
    "SRC=1 ",
    "drop ",
    "proto a, ",
)


@pytest.mark.parametrize("mark", MARKS)
def test_long_hostile_lines_take_no_long_time(mark: str) -> None:
    """A reader that takes the square of the length would take minutes here, not moments."""
    for fill in FILLS:
        check_plain((mark + fill * (BYTES_MAX // len(fill))).encode())
