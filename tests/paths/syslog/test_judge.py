"""Refusals of calls counted: flows of the calls' addresses and ports, in a window; a silent log says nothing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agent.paths.syslog.framing import Stream
from agent.paths.syslog.judge import FLOWS_MAX, NS, SyslogJudge
from agent.paths.syslog.message import BYTES_MAX
from agent.site import schema

CHECK = schema.Syslog(denies=3, within_s=30, quiet_s=100)
PATH = schema.Path(id="fw", role="firewall", address="192.0.2.1", checks=(CHECK,))
LISTEN = schema.Listen(calls_at=("198.51.100.0/24",), call_ports=("5060-5061", "10000-20000"))


def line(sport: int, src: str = "192.0.2.9", dst: str = "198.51.100.10", dport: int = 5060) -> bytes:
    return (
        f'<166>: %ASA-4-106023: Deny udp src inside:{src}/{sport} dst outside:{dst}/{dport} by access-group "calls"'
    ).encode()


def judge() -> SyslogJudge:
    return SyslogJudge(PATH, "syslog", CHECK, LISTEN)


def test_three_flows_in_the_window_look_bad_and_their_end_looks_well() -> None:
    j = judge()
    assert [r.state for r in j.message(line(1), 0)] == ["up"]
    assert j.message(line(2), NS) == []
    (down,) = j.message(line(3), 2 * NS)
    assert (down.state, down.kind, down.detail["denies"]) == ("down", "probe-fail", 3)
    assert "198.51.100.10 port 5060 by calls" in str(down.detail["reason"])
    assert j.due_ns() == 30 * NS
    (up,) = j.tick(30 * NS)
    assert up.state == "up"


def test_one_peer_that_retries_is_one_flow() -> None:
    j = judge()
    states = [r.state for at in range(20) for r in j.message(line(5060), at * NS)]
    assert states == ["up"]


def test_scanners_and_other_ports_do_not_count() -> None:
    j = judge()
    for port in range(50):
        j.message(line(port, src="203.0.113.7", dst="192.0.2.9"), NS)  # neither end carries calls
        j.message(line(20_001 + port, dport=443), NS)
    assert j.counters == {"messages": 100, "denies": 100, "of calls": 0, "dropped": 0}


def test_media_ports_count_by_either_end() -> None:
    j = judge()
    for port in (12_000, 12_002, 12_004):
        j.message(line(port, src="198.51.100.10", dst="192.0.2.9", dport=40_000), NS)
    assert j.counters["of calls"] == 3


def test_a_silent_log_says_nothing() -> None:
    j = judge()
    j.message(b"hello", 0)
    assert j.due_ns() == 100 * NS
    (quiet,) = j.tick(100 * NS)
    assert (quiet.state, quiet.kind) == ("unknown", "probe-fail")
    assert j.tick(200 * NS) == []


def test_what_stands_is_told_again_each_ten_seconds_at_most() -> None:
    j = judge()
    told = [r for at in range(300) for r in j.message(line(at), at * NS // 10)]
    assert [r.state for r in told] == ["up", "down", "down", "down"]


def test_flows_are_bounded_and_the_drops_counted() -> None:
    j = judge()
    for port in range(2 * FLOWS_MAX):
        j.message(line(port), NS)
    assert j.counters["dropped"] == FLOWS_MAX


def test_a_change_of_its_configuration_is_told_without_a_name() -> None:
    j = judge()
    told = j.message(b"%ASA-5-111008: User 'somebody' executed the 'write memory' command.", 0)
    assert [(r.kind, r.subject) for r in told] == [("event", "config-change"), ("probe-ok", "")]
    assert "somebody" not in str(told)
    assert j.message(b"%ASA-5-111008: User 'x' executed", 59 * NS) == []


@given(st.lists(st.binary(max_size=300), max_size=30))
def test_any_lines_raise_nothing(lines: list[bytes]) -> None:
    j = judge()
    for number, one in enumerate(lines):
        j.message(one, number * NS)
    j.tick(10_000 * NS)


MESSAGES = [b"<34>first", b"<1>second line", b"no pri at all", b"<9>" + b"x" * 200]


@given(
    st.lists(st.tuples(st.sampled_from(MESSAGES), st.sampled_from(["count", "lf", "nul", "crlf"])), max_size=12),
    st.data(),
)
def test_any_split_gives_the_same_messages(sent: list[tuple[bytes, str]], draw: st.DataObject) -> None:
    ends = {"lf": b"\n", "nul": b"\x00", "crlf": b"\r\n"}
    wire = b"".join(
        f"{len(m)} ".encode() + m if how == "count" and m[:1] == b"<" else m + ends.get(how, b"\n") for m, how in sent
    )
    cuts = sorted(draw.draw(st.lists(st.integers(0, len(wire)), max_size=6)))
    stream, got = Stream(), []
    for start, end in zip([0, *cuts], [*cuts, len(wire)], strict=True):
        got += stream.feed(wire[start:end])
    assert [m.rstrip(b"\r") for m in got if m.strip()] == [m for m, _ in sent]


@given(st.lists(st.binary(max_size=5000), max_size=10))
def test_a_stream_holds_no_more_than_its_bound(chunks: list[bytes]) -> None:
    stream = Stream()
    for chunk in chunks:
        stream.feed(chunk)
        assert stream.held_bytes <= BYTES_MAX + 5000 + 16


def test_what_is_too_long_is_cut_and_counted() -> None:
    stream = Stream()
    (first, *rest) = stream.feed(b"<1>" + b"a" * 20_000 + b"\n<2>next\n")
    assert len(first) == BYTES_MAX
    assert rest == [b"<2>next"]
    counted = Stream()
    got = counted.feed(b"20000 <1>" + b"b" * 19_997 + b"7 <2>next")
    assert [len(got[0]), got[1]] == [BYTES_MAX, b"<2>next"]
    assert (stream.cut, counted.cut) == (1, 1)
