"""Headers of syslog messages: RFC 5424's and 3164's own examples, and those that devices really send."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.paths.syslog.message import BYTES_MAX, PARAMS_MAX, Message, parse

# (message, facility, severity, host, app, text)
HEADERS = (
    # RFC 5424 section 6.5, examples 1 to 4
    (b"<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - \xef\xbb\xbf'su root' failed", 4, 2, "mymachine.example.com", "su", "'su root' failed"),
    (b"<165>1 2003-08-24T05:14:15.000003-07:00 192.0.2.1 myproc 8710 - - %% It's time", 20, 5, "192.0.2.1", "myproc", "%% It's time"),
    (b'<165>1 2003-10-11T22:14:15.003Z h evntslog - ID47 [e@32473 iut="3" eventSource="App"] \xef\xbb\xbfAn entry', 20, 5, "h", "evntslog", "An entry"),
    (b'<165>1 2003-10-11T22:14:15.003Z h evntslog - ID47 [a@1 iut="3"][b@1 class="high"]', 20, 5, "h", "evntslog", ""),
    (b"<34>1 - - - - - -", 4, 2, "", "", ""),
    # RFC 3164 section 5.4
    (b"<34>Oct 11 22:14:15 mymachine su: 'su root' failed", 4, 2, "mymachine", "su", "'su root' failed"),
    (b"<13>Feb  5 17:32:18 10.0.0.99 Use the BFG!", 1, 5, "10.0.0.99", "", "Use the BFG!"),
    (b"Use the BFG!", None, None, "", "", "Use the BFG!"),
    # PRI missing, too large, with blanks
    (b"<999>Oct 11 22:14:15 h su: x", None, None, "h", "su", "x"),
    (b" <13>Oct 11 22:14:15 h su: x", 1, 5, "h", "su", "x"),
    (b"<>Oct", None, None, "", "", "<>Oct"),
    # years, ISO clocks, no host, words for PRI
    (b"<13>Oct 10 2018 12:34:56 localhost CiscoASA[999]: %ASA-6-305011: Built", 1, 5, "localhost", "CiscoASA", "%ASA-6-305011: Built"),
    (b"<6>2021-03-12T14:10:18Z Hostname kernel: IN=", 0, 6, "Hostname", "kernel", "IN="),
    (b"<134>Jul  3 19:10:30 filterlog[72237]: 146,,", 16, 6, "", "filterlog", "146,,"),
    (b"LOCAL4.WARNING: %ASA-4-106023: Deny", 20, 4, "", "", "%ASA-4-106023: Deny"),
    # Cisco: sequence numbers, unset clocks, uptimes, names (elastic/integrations cisco_ios test-syslog-header.log)
    (b"<189>2360957: *Mar  1 18:48:50.483 UTC: %SYS-5-CONFIG_I: x", 23, 5, "", "", "%SYS-5-CONFIG_I: x"),
    (b"<190>3132517: sw01: 3132513: 2y10w: %FOO-6-BAR: x", 23, 6, "sw01", "", "%FOO-6-BAR: x"),
    (b"<190>Jul 13 08:23:43 192.168.100.2 585917: Jul 14 2023 08:23:43 UTC: %FOO-6-BAR: x", 23, 6, "192.168.100.2", "", "%FOO-6-BAR: x"),
    (b"<140>Oct 03 2023 16:40:40 myAsa : %ASA-4-106012: x", 17, 4, "myAsa", "", "%ASA-4-106012: x"),
    # FortiOS and PAN: no header at all
    (b"<189>date=2020-04-23 time=01:16:08 devname=x", 23, 5, "", "", "date=2020-04-23 time=01:16:08 devname=x"),
    (b"<14>1,2023/10/04 09:52:23,0070,TRAFFIC,drop", 1, 6, "", "", "1,2023/10/04 09:52:23,0070,TRAFFIC,drop"),
)  # fmt: skip


@pytest.mark.parametrize("case", HEADERS, ids=[repr(case[0][:50]) for case in HEADERS])
def test_a_header(case: tuple[bytes, int | None, int | None, str, str, str]) -> None:
    data, *wanted = case
    m = parse(data)
    assert [m.facility, m.severity, m.host, m.app, m.text] == wanted


def test_structured_data() -> None:
    m = parse(rb'<165>1 2003-10-11T22:14:15Z h a p id [x@1 a="1\"2\\3\]4" b=""][y c="\n"] text [not="data"]')
    assert m.data == {"a": '1"2\\3]4', "b": "", "c": "\\n"}
    assert (m.text, m.id) == ('text [not="data"]', "id")
    many = b" ".join(b'k%d="v"' % n for n in range(500))
    assert len(parse(b"<1>1 - h a p i [x " + many + b"]").data) == PARAMS_MAX


def test_what_should_be_structured_data_and_is_none_stays_text() -> None:
    m = parse(b'<134>1 2020-03-29T13:19:20Z gw CheckPoint 1930 - [flags:"133440"; ifdir:"inbound"]')
    assert (m.data, m.text) == ({}, '[flags:"133440"; ifdir:"inbound"]')
    cut = parse(b'<134>1 2020-03-29T13:19:20Z gw RT_FLOW - ID [junos@1 a="1" b="unfinis')
    assert cut.data == {"a": "1"}


def test_a_byte_order_mark_and_line_ends_come_off() -> None:
    assert parse(b"\xef\xbb\xbf<13>hello\r\n\0").whole == "hello"
    assert parse(b"").whole == parse(b"\r\n\0").whole == ""


@given(st.binary(max_size=3000))
def test_any_bytes(data: bytes) -> None:
    m = parse(data)
    assert isinstance(m, Message)
    assert len(m.whole) <= BYTES_MAX
    assert m.whole.endswith(m.text) or "\ufeff" in m.whole
    assert m.facility is None or 0 <= m.facility <= 23
    assert m.severity is None or 0 <= m.severity <= 7


@pytest.mark.parametrize(
    "fill", [b"1: ", b"a: ", b": ", b"[", b'[a b="', b"\\", b"<1>", b"Jan  1 00:00:00 ", b"kern.info "]
)
def test_long_hostile_headers_take_no_long_time(fill: bytes) -> None:
    for head in (b"<1>", b"<1>1 - h a p i ", b"<1>1 - h a p i [x "):
        parse(head + fill * (BYTES_MAX // len(fill)))
