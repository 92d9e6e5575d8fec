"""Refusals of calls: whose, how many flows in a window; scanners; silence; what is told and how often; the bounds."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.clock import NS
from agent.paths.syslog.judge import FLOWS_MAX, SyslogJudge
from agent.readings import KINDS, Reading
from agent.site import schema

CHECK = schema.Syslog(denies=5, within_s=30, quiet_s=100)
PATH = schema.Path(id="fw", role="firewall", address="192.0.2.1", checks=(CHECK,))
LISTEN = schema.Listen(calls_at=("198.51.100.0/24", "2001:db8:5::/48"), call_ports=("5060-5061", "10000-20000"))
FAR, OURS, SCANNER = "198.51.100.10", "10.1.1.5", "203.0.113.66"
HELLO = b"<134>Oct  1 00:00:00 fw kernel: hello"


def line(sport: int, src: str = OURS, dst: str = FAR, dport: int = 5060, rule: str = "calls") -> bytes:
    return (
        f'<166>: %ASA-4-106023: Deny udp src in:{src}/{sport} dst out:{dst}/{dport} by access-group "{rule}"'.encode()
    )


def judge(listen: schema.Listen = LISTEN, check: schema.Syslog = CHECK) -> SyslogJudge:
    j = SyslogJudge(PATH, "syslog", check, listen)
    assert [r.state for r in j.message(HELLO, 0)] == ["up"]
    return j


def feed(j: SyslogJudge, lines: list[bytes], at_ns: int = NS) -> list[Reading]:
    return [reading for one in lines for reading in j.message(one, at_ns)]


def test_seven_refusals_are_told_with_what_was_refused() -> None:
    j = judge()
    told = feed(j, [line(port) for port in range(40_000, 40_007)])
    assert [(r.kind, r.state) for r in told] == [("probe-fail", "down")]  # at the fifth, and then for 10 s no more
    (again,) = j.tick(11 * NS)
    assert again.detail["reason"] == (
        "the firewall refuses calls: 7 denies in 30 s to 198.51.100.10 port 5060 by rule calls"
    )
    assert (again.source, again.sense, again.subject, again.detail["denies"]) == ("fw", "syslog", "", 7)
    assert (again.detail["address"], again.detail["port"], again.detail["proto"]) == (FAR, 5060, "udp")


def test_fewer_stay_up_and_a_window_without_any_clears() -> None:
    j = judge()
    assert feed(j, [line(port) for port in range(4)]) == []
    assert [r.state for r in j.message(line(9), 2 * NS)] == ["down"]
    assert j.message(line(10), 25 * NS)[0].state == "down"  # told again, after more than 10 s
    assert j.message(HELLO, 54 * NS) == []  # one refusal 29 s ago: not yet a window without any
    assert j.due_ns() == 55 * NS
    (up,) = j.tick(55 * NS)
    assert (up.kind, up.state) == ("probe-ok", "up")
    assert feed(j, [line(port) for port in range(4)], 56 * NS) == []


def test_a_log_that_refuses_no_call_says_so_again_after_each_window() -> None:
    """What it said before a fault says nothing of it; and while a call was refused it does not say that all is well."""
    j = judge()
    assert feed(j, [HELLO, line(1, src=SCANNER)], 29 * NS) == []
    assert [r.state for r in j.message(HELLO, 30 * NS)] == ["up"]
    assert j.tick(61 * NS) == []  # no message, no word
    assert [r.state for r in j.message(HELLO, 62 * NS)] == ["up"]
    assert feed(j, [line(1)], 95 * NS) == []
    assert feed(j, [HELLO], 120 * NS) == []
    assert [r.state for r in j.message(HELLO, 126 * NS)] == ["up"]


def test_the_first_word_of_a_log_may_be_a_refusal() -> None:
    j = SyslogJudge(PATH, "syslog", CHECK, LISTEN)
    states = [r.state for r in feed(j, [line(port) for port in range(5)])]
    assert states == ["up", "down"]


def test_one_call_that_is_repeated_is_no_five() -> None:
    """RFC 3261: INVITE at 0, 0.5, 1.5 … 31.5 s; OPTIONS every 4 s at last; a TCP SYN at 0, 1, 3, 7, 15, 31 s."""
    for times in ((0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5), (0, 0.5, 1.5, *range(4, 33, 4)), (0, 1, 3, 7, 15, 31)):
        j = judge()
        assert [r for t in times for r in j.message(line(5060), int((1 + t) * NS))] == []


def test_a_trunk_between_two_fixed_ports_refused_on_and_on_is() -> None:
    j = judge()
    told = [r for t in range(40) for r in j.message(line(5060, src=FAR, dst=OURS), (1 + t) * NS)]
    assert [r.state for r in told][:1] == ["down"]
    assert told[0].at_ns <= 30 * NS


def test_scanners_never_look_like_calls_refused() -> None:
    j = judge()
    assert feed(j, [line(5060 + n, src=SCANNER, dst=FAR) for n in range(200)]) == []  # one, at a far end
    assert feed(j, [line(5060, src=f"203.0.113.{n}", dst=FAR) for n in range(200)]) == []  # many, each once
    assert feed(j, [line(n, src=SCANNER, dst="8.8.4.4") for n in range(200)]) == []  # at others
    assert feed(j, [line(n, src=SCANNER, dst=OURS) for n in range(200)]) == []  # at our own address
    assert j.strangers == 400
    assert feed(j, [line(n) for n in range(5)])[0].detail["strangers_refused"] == 400


@pytest.mark.parametrize(
    ("src", "dst"),
    [
        (OURS, FAR), (FAR, OURS), (FAR, "198.51.100.11"), ("192.0.2.77", FAR), ("100.64.0.9", FAR),
        ("pbx.example.net", FAR), (FAR, "pbx"), ("2001:db8:5::1", "2001:db8:9::1"), ("fd00::5", "2001:db8:5::1"),
        ("::ffff:198.51.100.10", OURS), (FAR, SCANNER),
    ],
)  # fmt: skip
def test_whose_refusals_count(src: str, dst: str) -> None:
    assert [r.state for r in feed(judge(), [line(40_000 + n, src=src, dst=dst) for n in range(5)])] == ["down"]


@pytest.mark.parametrize(("sport", "dport", "counts"), [
    (40_000, 5060, True), (40_000, 5062, False), (40_000, 443, False), (5060, 40_000, True), (5060, 443, False),
    (12_000, 80, False), (12_000, 30_000, True), (40_000, 19_999, True),
])  # fmt: skip
def test_which_ports_count(sport: int, dport: int, counts: bool) -> None:
    j = judge(check=schema.Syslog(denies=1, within_s=30, quiet_s=100))
    assert bool(j.message(line(sport, dport=dport), NS)) is counts


def test_without_addresses_every_refusal_of_a_call_port_counts() -> None:
    j = judge(schema.Listen())
    told = feed(j, [line(n, src=SCANNER, dst="192.0.2.9") for n in range(5)])
    assert [r.state for r in told] == ["down"]
    assert feed(judge(schema.Listen()), [line(n, dport=80) for n in range(50)]) == []


def test_a_silent_log_says_nothing() -> None:
    j = judge()
    assert j.due_ns() == 100 * NS
    assert j.tick(99 * NS) == []
    (quiet,) = j.tick(100 * NS)
    assert (quiet.kind, quiet.state) == ("probe-fail", "unknown")
    assert "silent" in str(quiet.detail["reason"])
    assert (j.due_ns(), j.tick(500 * NS)) == (None, [])
    assert [r.state for r in j.message(HELLO, 600 * NS)] == ["up"]


def test_nothing_ever_heard_is_no_word_at_all() -> None:
    j = SyslogJudge(PATH, "syslog", CHECK, LISTEN)
    assert (j.due_ns(), j.tick(10_000 * NS)) == (None, [])


def test_a_box_that_can_not_hear_says_so_and_forgets() -> None:
    j = judge()
    feed(j, [line(n) for n in range(5)])
    (blind,) = j.blind("this box can't hear it", 2 * NS)
    assert (blind.kind, blind.state) == ("probe-fail", "unknown")
    assert [r.state for r in j.message(HELLO, 3 * NS)] == ["up"]


def test_what_stands_is_told_again_each_ten_seconds_at_most() -> None:
    j = judge()
    told = [r for n in range(300) for r in j.message(line(n), NS + n * NS // 10)]
    assert [r.state for r in told] == ["down", "down", "down"]


def test_memory_is_bounded_and_what_is_forgotten_is_told() -> None:
    j = judge()
    for n in range(3 * FLOWS_MAX):
        j.message(line(n % 60_000, src=f"10.{n >> 8 & 255}.{n & 255}.1"), NS)
    assert j.forgotten == 2 * FLOWS_MAX
    (told,) = j.tick(12 * NS)
    assert told.detail["flows_forgotten"] == 2 * FLOWS_MAX


def test_a_threshold_above_the_memory_can_be_reached() -> None:
    j = judge(check=schema.Syslog(denies=2000, within_s=30, quiet_s=100))
    told = feed(j, [line(n) for n in range(2000)])
    assert [(r.state, r.detail["denies"]) for r in told] == [("down", 2000)]


def test_events_are_told_once_a_minute_without_names() -> None:
    j = judge()
    change = b"%ASA-5-111008: User 'somebody' executed the 'write memory' command."
    told = feed(j, [change, change, b"%ASA-1-104001: (Primary) Switching to ACTIVE"])
    assert [(r.kind, r.subject, r.state) for r in told] == [
        ("event", "config-change", None), ("event", "failover", None),
    ]  # fmt: skip
    assert told[0].detail == {"what": "asa-111008", "times": 1}
    assert j.due_ns() == 61 * NS
    (more,) = j.tick(61 * NS)
    assert more.detail == {"what": "asa-111008", "times": 1}
    assert "somebody" not in str(told)


def test_no_number_of_a_caller_and_no_raw_text_is_told() -> None:
    j = judge()
    told = feed(j, [line(n, rule="sip 12125550142 \x1b[31m") for n in range(5)])
    alg = (
        'logid="1" type="utm" subtype="voip" action="blocked" from="sip:2125550142@x" srcip=10.1.1.5 src_port={} '
        "dstip=198.51.100.10 dst_port=5060"
    )
    told += feed(j, [alg.format(n).encode() for n in range(9)], 20 * NS)
    assert told
    assert "5550142" not in str(told)
    assert "\x1b" not in str(told)


def test_what_is_no_text_is_counted() -> None:
    j = judge()
    feed(j, [b"\xff\xfe", b"", b"x" * 9000])
    assert (j.garbled, j.overlong, j.messages) == (2, 1, 4)


WORDS = [line(n) for n in range(6)] + [HELLO, b"%ASA-5-111008: x", b"", b"\xff", line(1, src=SCANNER)]


@given(
    st.lists(st.tuples(st.one_of(st.sampled_from(WORDS), st.binary(max_size=200)), st.integers(0, 40))), st.booleans()
)
def test_any_messages_at_any_times(said: list[tuple[bytes, int]], ticks: bool) -> None:
    j, now_ns, told = SyslogJudge(PATH, "syslog", CHECK, LISTEN), 0, []
    for data, after_s in said:
        due_ns = j.due_ns()
        now_ns += after_s * NS
        if ticks and due_ns is not None and now_ns >= due_ns:
            told += j.tick(max(due_ns, now_ns))
        told += j.message(data, now_ns)
    states = [r.state for r in told if r.kind != "event"]
    assert all(r.kind in KINDS and len(str(r.detail.get("reason", ""))) <= 200 for r in told)
    assert all(a != b or a in ("down", "up") for a, b in itertools.pairwise(states))
    j.tick(now_ns + 1000 * NS)
    assert j.due_ns() is None or any(j.tick(now_ns + 2000 * NS))
