"""The site's own rules: counts, windows, raise and clear, what is refused, hostile rules and hostile lines."""

from __future__ import annotations

import re
from typing import Any, get_args, get_type_hints

import pytest
import re2
from hypothesis import example, given, settings
from hypothesis import strategies as st

from agent.alarms.points import POINTS
from agent.alarms.trunks import LineJudge
from agent.lines.dialects import refusal
from agent.lines.parser import DialectRefused, Talker, Timed
from agent.lines.text import AGAIN_NS, GARBAGE_BYTES, LINE_MAX, MINOR, TextRules, without_parity
from agent.lines.text_rules import LINE_STEPS, RULE_STEPS, matcher, why
from agent.readings import Reading
from agent.site.line import Rule, TextLine

NS = 1_000_000_000
FAIL = Rule(name="fail", match="(?i)mains? (power )?fail", point="power-on-battery")
BACK = Rule(name="back", match="(?i)mains? restored", point="power-on-battery", says="clear")
FLAP = Rule(name="flap", match="LINK DOWN", point="line-errors", subject="T1-1", count=3, within_s=10)


def line(*rules: Rule) -> TextLine:
    return TextLine(id="console", port="/dev/null", rules=rules)


def kinds(readings: list[Reading]) -> list[tuple[str, str]]:
    return [(one.kind, one.subject) for one in readings]


def test_a_rule_raises_once_and_another_clears() -> None:
    rules = TextRules(line(FAIL, BACK))
    (alarm,) = rules.feed(b"12:00 MAINS POWER FAILURE 5555550123\r\n12:01 mains failed\r\n", 7)
    assert (alarm.source, alarm.sense, alarm.kind, alarm.subject, alarm.state) == (
        "console",
        "text",
        "alarm",
        "rule",
        "down",
    )
    assert (alarm.at_ns, alarm.raw_ref) == (7, 0)
    assert alarm.detail == {
        "rule": "fail",
        "point": "power-on-battery",
        "aid": "rule",
        "subject": "rule",
        "count": 1,
        "condtype": "POWER-ON-BATTERY",
        "ntfcncde": "MJ",
        "srveff": None,
        "locn": None,
        "conddescr": "rule fail matched",
        "text": None,
    }
    assert "5555550123" not in str(alarm)
    assert rules.due_ns() is None  # it stands until the other rule matches
    assert rules.feed(b"nothing\n", 10**15) == []
    (clear,) = rules.feed(b"mains restored\n", 10**15)
    assert (clear.kind, clear.state, clear.detail["rule"], clear.detail["ntfcncde"]) == ("clear", "up", "back", "CL")
    assert rules.feed(b"mains restored\n", 10**15) == []
    assert rules.counters["unmatched"] == 1
    assert rules.counters["records"] == 4
    assert isinstance(rules, Timed)
    assert not isinstance(rules, Talker)  # its port is opened so that it cannot send


def test_a_clear_is_told_though_the_alarm_was_raised_before_this_start() -> None:
    assert kinds(TextRules(line(FAIL, BACK)).feed(b"mains restored\n", 0)) == [("clear", "rule")]


def test_a_count_in_a_window_and_an_end_by_time() -> None:
    rules = TextRules(line(FLAP))
    assert rules.feed(b"LINK DOWN\nLINK DOWN\n", 0) == []
    assert rules.feed(b"LINK DOWN\n", 9 * NS) != []
    rules = TextRules(line(FLAP))
    told = rules.feed(b"LINK DOWN\nLINK DOWN\n", 0)
    told += rules.feed(b"LINK DOWN\n", 11 * NS) + rules.feed(b"LINK DOWN\n", 12 * NS)
    assert [one for one in told if one.kind == "alarm"] == []
    (alarm,) = rules.feed(b"LINK DOWN\n", 13 * NS)
    assert (alarm.kind, alarm.subject, alarm.state, alarm.detail["ntfcncde"]) == ("alarm", "T1-1", "degraded", "MN")
    assert alarm.detail["count"] == 3
    assert alarm.detail["conddescr"] == "rule flap matched, 3 times in 10 s"
    assert rules.due_ns() == 23 * NS
    assert rules.feed(b"LINK DOWN\n", 15 * NS) == []
    assert rules.due_ns() == 25 * NS  # one more match: it goes on
    assert rules.tick(24 * NS) == []
    (clear,) = rules.tick(25 * NS)
    assert clear.detail["conddescr"] == "rule flap has not matched for 10 s"
    assert rules.due_ns() is None
    assert rules.feed(b"LINK DOWN\nLINK DOWN\n", 26 * NS) == []  # the old matches are gone


def test_a_clear_begins_the_count_anew() -> None:
    up = Rule(name="up", match="LINK UP", point="line-errors", subject="T1-1", says="clear")
    rules = TextRules(line(FLAP, up))
    assert kinds(rules.feed(b"LINK DOWN\nLINK DOWN\nLINK UP\nLINK DOWN\n", 0)) == [("clear", "T1-1")]
    assert kinds(rules.feed(b"LINK DOWN\nLINK DOWN\nLINK UP\n", 0)) == [("alarm", "T1-1"), ("clear", "T1-1")]


def test_what_an_earlier_run_left_ends_when_the_rule_has_not_matched_for_its_time() -> None:
    rules = TextRules(line(FLAP))
    assert rules.due_ns() is None  # nothing was heard: nothing is known
    assert rules.feed(b"hello\n", 5 * NS) == []
    assert rules.due_ns() == 15 * NS
    assert kinds(rules.tick(15 * NS)) == [("clear", "T1-1")]
    assert rules.tick(99 * NS) == []


def test_nothing_ends_by_time_while_the_port_is_lost() -> None:
    rules = TextRules(line(Rule(name="a", match="bad", point="los", within_s=10)))
    assert kinds(rules.feed(b"bad\n", 0)) == [("alarm", "rule")]
    assert rules.reset(1 * NS) == []
    assert rules.due_ns() is None
    assert rules.tick(100 * NS) == []
    assert rules.feed(b"hello\n", 200 * NS) == []
    assert kinds(rules.tick(210 * NS)) == [("clear", "rule")]


def test_what_stands_is_told_again_now_and_then() -> None:
    """A person may have reset the alarm meanwhile."""
    rules = TextRules(line(FAIL, BACK))
    told = [one for second in range(121) for one in rules.feed(b"mains fail\n", second * NS)]
    assert [one.at_ns for one in told] == [0, AGAIN_NS, 2 * AGAIN_NS]


def test_two_rules_may_raise_one_point() -> None:
    one = Rule(name="one", match="first", point="los", within_s=10)
    two = Rule(name="two", match="second", point="los", within_s=30)
    rules = TextRules(line(one, two))
    assert kinds(rules.feed(b"second\n", 0)) == [("alarm", "rule")]
    assert rules.feed(b"first\n", 5 * NS) == []
    assert rules.tick(29 * NS) == []
    assert kinds(rules.tick(30 * NS)) == [("clear", "rule")]


def test_the_readings_do_what_the_rule_says_to_the_alarms() -> None:
    rules, judge = TextRules(line(FAIL, BACK)), LineJudge("console", {})
    (alarm,) = rules.feed(b"mains fail\n", 0)
    assert [(c.type, c.qualifier, c.holds) for c in judge.judge(alarm)] == [("power-on-battery", "rule", True)]
    (clear,) = rules.feed(b"mains restored\n", 0)
    assert [(c.type, c.qualifier, c.holds) for c in judge.judge(clear)] == [("power-on-battery", "rule", False)]


def test_every_point_of_a_rule_is_a_point_and_as_severe() -> None:
    named = get_args(get_type_hints(Rule)["point"])
    assert {name for name in named if POINTS[name].severity == "minor"} == MINOR


# -- lines ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sent",
    [
        b"MAINS FAIL\n",
        b"MAINS FAIL\r",
        b"\r\n  MAINS FAIL\t\r\n",
        b"\0\0\0MAINS\0 FAIL\0\r\n",
        b"\x7fMA\x7fINS FAIL\n",
        b"MAINS FAIL\r\0\n",
    ],
)
def test_line_ends_and_fill(sent: bytes) -> None:
    rules = TextRules(line(Rule(name="a", match="^MAINS FAIL$", point="los")))
    assert kinds(rules.feed(sent, 0)) == [("alarm", "rule")]
    assert rules.counters["lines"] == 1


def test_fill_of_any_length_does_not_lose_the_line_after_it() -> None:
    rules = TextRules(line(FAIL))
    (alarm,) = rules.feed(b"\0" * 5000 + b"mains fail\n", 0)
    assert alarm.raw_ref == 5000


def with_parity(text: bytes, odd: int) -> bytes:
    return bytes(byte | 0x80 if byte.bit_count() % 2 != odd else byte for byte in text)


@pytest.mark.parametrize("odd", [0, 1])
def test_seven_bits_with_parity_read_at_eight(odd: int) -> None:
    rules = TextRules(line(FAIL))
    assert kinds(rules.feed(with_parity(b"mains power failure\r\n", odd), 0)) == [("alarm", "rule")]
    assert rules.counters["eighth_bit"] == 1
    marked = bytes(byte | 0x80 for byte in b"hello\r\nmains fail\r\n")
    assert TextRules(line(FAIL)).feed(marked, 0) == []
    rules = TextRules(line(FAIL))
    rules.feed(marked, 0)
    assert kinds(rules.idle(NS)) == [("alarm", "rule")]  # not even its line ends are seen


def test_latin_1_is_no_parity() -> None:
    assert without_parity("Störung am Gerät".encode("latin-1")) is None
    rules = TextRules(line(Rule(name="a", match="Störung", point="los")))
    assert kinds(rules.feed("Störung\n".encode("latin-1"), 0)) == [("alarm", "rule")]


def test_a_line_whose_end_does_not_come_is_read_when_it_is_quiet_and_counts_once() -> None:
    rules = TextRules(line(Rule(name="a", match="MAINS", point="los", count=2), FAIL))
    assert rules.feed(b"\r\nMAINS FA", 0) == []
    assert rules.idle(1 * NS) + rules.idle(2 * NS) == []
    (alarm,) = rules.feed(b"IL\r\n", 3 * NS)
    assert (alarm.detail["rule"], alarm.raw_ref) == ("fail", 2)
    assert (rules.counters["lines"], rules.counters["records"]) == (1, 1)
    assert [one.detail["rule"] for one in rules.feed(b"MAINS\n", 4 * NS)] == ["a"]


def test_a_prompt_is_read_once() -> None:
    rules = TextRules(line(FAIL))
    told = rules.feed(b"mains fail", 0) + rules.idle(NS)
    assert kinds(told) == [("alarm", "rule")]
    assert rules.idle(2 * NS) + rules.reset(3 * NS) == []


def test_a_line_is_cut_and_told_and_the_next_is_read() -> None:
    rules = TextRules(line(FAIL))
    long = b"mains fail " + b"x" * 2000
    alarm, garbage = rules.feed(b"hi\n" + long + b"\n", 0)
    assert (alarm.kind, alarm.raw_ref) == ("alarm", 3)
    assert garbage.detail == {"bytes": len(long) - LINE_MAX, "reason": f"line of more than {LINE_MAX} bytes"}
    assert garbage.raw_ref == 3 + LINE_MAX
    beyond = TextRules(line(FAIL))
    assert [r.kind for r in beyond.feed(b"x" * LINE_MAX + b"mains fail\nmains fail\n", 0)] == ["garbage", "alarm"]


def test_a_stream_without_line_ends_is_told_without_waiting_and_ends_when_it_is_quiet() -> None:
    rules = TextRules(line(FAIL))
    told = [one for _ in range(1000) for one in rules.feed(b"x" * 999, 0)]
    assert [(one.kind, one.detail["bytes"]) for one in told] == [("garbage", GARBAGE_BYTES)] * 15
    rest = 999_000 - LINE_MAX - 15 * GARBAGE_BYTES
    assert [one.detail["bytes"] for one in rules.idle(NS)] == [rest]
    assert kinds(rules.feed(b"mains fail\n", 2 * NS)) == [("alarm", "rule")]


def test_half_a_line_at_the_end_of_the_stream() -> None:
    rules = TextRules(line(FAIL))
    rules.feed(b"hi\nmains f", 0)
    (garbage,) = rules.reset(0)
    assert (garbage.detail["reason"], garbage.detail["bytes"]) == ("line cut off: the stream ended", 7)
    assert garbage.raw_ref == 3
    assert rules.feed(b"ail\n", 0) == []
    assert rules.reset(0) == []
    rules.feed(b"mains fail", 0)
    assert kinds(rules.reset(0)) == [("alarm", "rule")]


SCRAPS = st.sampled_from(
    [b"LINK DOWN\r\n", b"mains fail\n", b"mains restored\r", b"\0", b"\x7f", b"\r\n", b"y" * 700, b"z" * 1100, b"\n"]
)
STREAM = st.lists(st.one_of(st.binary(max_size=60), SCRAPS), max_size=25).map(b"".join)


@settings(max_examples=300, deadline=None)
@given(stream=STREAM, cuts=st.lists(st.integers(0, 4000), max_size=8))
@example(stream=b"y" * 1024 + b"\n" + b"z" * 1025 + b"\nmains fail\n", cuts=[1023, 1024, 1025, 2049, 2050, 2051])
def test_any_split_gives_the_same(stream: bytes, cuts: list[int]) -> None:
    def told(at: list[int]) -> list[Reading]:
        rules = TextRules(line(FAIL, BACK, FLAP))
        out = []
        for begin, end in zip([0, *at], [*at, len(stream)], strict=True):
            out += rules.feed(stream[begin:end], 5)
            assert rules.held_bytes <= LINE_MAX + 8 * 5
        return out + rules.idle(6) + rules.reset(7)

    assert told(sorted(min(cut, len(stream)) for cut in cuts)) == told([])


@settings(max_examples=300, deadline=None)
@given(junk=STREAM)
def test_after_any_garbage_the_next_line_is_read(junk: bytes) -> None:
    rules = TextRules(line(Rule(name="a", match="^SURELY NOT THERE$", point="los")))
    before = rules.feed(junk, 0)
    told = before + rules.feed(b"\nSURELY NOT THERE\n", 0)
    assert [one.raw_ref for one in told if one.kind == "alarm"] == [len(junk) + 1]
    cut = sum(int(one.detail["bytes"] or 0) for one in told if one.kind == "garbage")
    assert cut == rules.counters["garbage_bytes"] == sum(max(0, len(x) - LINE_MAX) for x in lines_of(junk))


def lines_of(data: bytes) -> list[bytes]:
    return [part.lstrip(b"\x00\x7f") for part in re.split(rb"[\r\n]", data)]


# -- rules ---------------------------------------------------------------------------------------------------------


def a(match: str, **more: Any) -> Rule:
    return Rule(**{"name": "a", "match": match, "point": "los", **more})


@pytest.mark.parametrize(
    ("match", "reason"),
    [
        (r"(a)\1", "back-reference"),
        ("(?=a)", "look-around"),
        ("(?<!a)b", "look-around"),
        ("(?>a)b", "atomic group"),
        ("a++", "possessive"),
        ("a**", "repeats a repetition"),
        ("a{1001}", "more than 1000 times"),
        ("((a{100}){100}){100}", "more than 1000 times"),
        ("*a", "nothing before it"),
        ("(a", "never closed"),
        ("a)", "never opened"),
        ("[a", "never closed"),
        ("a\\", r"lone \\"),
        (r"a\Z", r"spelled \\z"),
        (r"\y", r"can't be compiled: invalid escape sequence: \\y"),
        ("[z-a]", "can't be compiled: invalid character class range: z-a"),
        ("a*", "matches an empty line"),
        ("^$", "matches an empty line"),
        ("€", "Latin-1"),
        ("(abcd|efgh|ijkl|mnop){400}", "too large when compiled [(]"),
    ],
)
def test_a_rule_that_cannot_work_is_refused_in_plain_words(match: str, reason: str) -> None:
    refused = refusal(line(FAIL, a(match)))
    assert refused is not None
    assert refused[0] == ("rules", 1, "match")
    assert re.search(reason, refused[1])
    with pytest.raises(DialectRefused):
        TextRules(line(a(match)))


@pytest.mark.parametrize(
    ("rules", "at", "reason"),
    [
        ((FAIL, FAIL), ("rules", 1, "name"), "already the name of rules[0]"),
        ((BACK,), ("rules", 0, "says"), "which no rule here raises"),
        ((FAIL, a("x", says="clear")), ("rules", 1, "says"), "clears los of rule"),
        ((a("x"), a("y", name="b", subject="T1", says="clear")), ("rules", 1, "says"), "clears los of T1"),
        ((a("x"), a("y", name="b", says="clear", count=2)), ("rules", 1, "count"), "must be 1"),
        ((a("x"), a("x", name="b", says="clear")), ("rules", 1, "match"), "rule a too"),
    ],
)
def test_rules_that_do_not_fit_together_are_refused(rules: tuple[Rule, ...], at: tuple[Any, ...], reason: str) -> None:
    refused = refusal(line(*rules))
    assert refused is not None
    assert refused[0] == at
    assert reason in refused[1]


def test_rules_that_are_too_large_together_are_refused() -> None:
    each = RULE_STEPS // 4
    rules = tuple(a(f"x{{{each - 10}}}y{n}", name=f"r{n}") for n in range(64))
    refused = refusal(line(*rules))
    assert refused is not None
    assert LINE_STEPS // each - 2 <= int(refused[0][1]) <= LINE_STEPS // each + 2
    assert "together" in refused[1]


def test_an_error_nobody_has_seen_is_shown_as_it_is() -> None:
    assert why(re2.error(b"something new")) == "can't be compiled: something new"
    assert why(re2.error(b"pattern too large - compile failed")).startswith("is too large when compiled (RE2: ")


HOSTILE = ["(x+x+)+y", "(a|aa)+b", "(.*)*q{3}!", "(.{1,30}x){30}z", "a.{200}b", "(x?){500}x{400}!"]


@pytest.mark.parametrize("match", HOSTILE)
def test_hostile_rules_and_lines_end(match: str) -> None:
    """A backtracking engine would need longer than the universe has for the first of these."""
    rules = TextRules(line(a(match)))
    for filler in (b"x", b"a", b"ax", b".", b"xa b"):
        rules.feed((filler * LINE_MAX)[:LINE_MAX] + b"\n", 0)
    assert rules.counters["lines"] == 5


@settings(max_examples=150, deadline=None)
@given(
    text=st.text(alphabet="axb01 .", max_size=300), picked=st.lists(st.sampled_from(HOSTILE), min_size=1, unique=True)
)
def test_all_rules_at_once_match_as_each_of_them_does(text: str, picked: list[str]) -> None:
    made = line(*(a(match, name=f"r{n}") for n, match in enumerate(picked)))
    found = set(matcher(made).Match(text.encode()) or ())
    assert found == {n for n, match in enumerate(picked) if re2.search(match, text)}


@settings(max_examples=200, deadline=None)
@given(match=st.text(min_size=1, max_size=60), data=st.binary(max_size=200))
def test_any_rule_is_compiled_or_refused(match: str, data: bytes) -> None:
    made = line(a(match))
    refused = refusal(made)
    if refused is None:
        TextRules(made).feed(data + b"\n", 0)
    else:
        assert refused[0][:2] == ("rules", 0)
        assert refused[1]
