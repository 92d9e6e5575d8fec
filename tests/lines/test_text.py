"""The site's own rules: counts, windows, raise and clear, what is refused, hostile lines."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.lines.dialects import refusal
from agent.lines.parser import Talker
from agent.lines.text import LINE_MAX, TextRules
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
    (alarm,) = rules.feed(b"12:00 MAINS POWER FAILURE 2125550123\r\n12:01 mains failed\r\n", 0)
    assert (alarm.kind, alarm.detail["point"], alarm.detail["rule"]) == ("alarm", "power-on-battery", "fail")
    assert "2125550123" not in str(alarm)
    assert rules.due_ns() is None
    assert kinds(rules.feed(b"mains restored\n", 10**15)) == [("clear", "rule")]
    assert rules.counters["unmatched"] == 0
    assert not isinstance(rules, Talker)


def test_a_count_in_a_window_and_an_end_by_time() -> None:
    rules = TextRules(line(FLAP))
    assert rules.feed(b"LINK DOWN\nLINK DOWN\n", 0) == []
    assert rules.feed(b"LINK DOWN\n", 11 * NS) == []
    assert rules.feed(b"LINK DOWN\n", 12 * NS) == []
    assert kinds(rules.feed(b"LINK DOWN\n", 13 * NS)) == [("alarm", "T1-1")]
    assert rules.due_ns() == 23 * NS
    assert rules.tick(22 * NS) == []
    assert kinds(rules.tick(23 * NS)) == [("clear", "T1-1")]
    assert rules.due_ns() is None


@pytest.mark.parametrize(
    ("rules", "at", "why"),
    [
        ((Rule(name="a", match="(a", point="los"),), ("rules", 0, "match"), "RE2"),
        ((Rule(name="a", match=r"(a)\1", point="los"),), ("rules", 0, "match"), "no back-references"),
        ((Rule(name="a", match="(?=a)", point="los"),), ("rules", 0, "match"), "no look-around"),
        ((Rule(name="a", match="a*", point="los"),), ("rules", 0, "match"), "matches an empty line"),
        ((Rule(name="a", match="((a{100}){100}){100}", point="los"),), ("rules", 0, "match"), "RE2"),
        ((Rule(name="a", match="€", point="los"),), ("rules", 0, "match"), "Latin-1"),
        ((FAIL, FAIL), ("rules", 1, "name"), "already the name"),
        ((BACK,), ("rules", 0, "says"), "which no rule here raises"),
    ],
)
def test_what_cannot_work_is_refused(rules: tuple[Rule, ...], at: tuple[Any, ...], why: str) -> None:
    refused = refusal(line(*rules))
    assert refused is not None
    assert refused[0] == at
    assert why in refused[1]


@given(st.lists(st.one_of(st.binary(max_size=80), st.sampled_from([b"LINK DOWN\r\n", b"mains fail\n"]))), st.data())
def test_any_split_gives_the_same(pieces: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(pieces)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))

    def told(chunks: list[bytes]) -> list[Reading]:
        rules = TextRules(line(FAIL, BACK, FLAP))
        out = [one for chunk in chunks for one in rules.feed(chunk, 5)] + rules.reset(5)
        assert rules.held_bytes <= LINE_MAX
        return out

    assert told([stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]) == told([stream])


def test_a_line_without_end_is_cut_and_told_and_the_next_is_read() -> None:
    rules = TextRules(line(FAIL))
    told = [one for _ in range(1000) for one in rules.feed(b"x" * 999, 0)]
    assert kinds(told) == [("garbage", "")]
    assert kinds(rules.feed(b"\nmains fail\n", 0)) == [("alarm", "rule")]


def test_a_hostile_rule_takes_linear_time() -> None:
    rules = TextRules(line(Rule(name="bad", match="(x+x+)+y", point="los")))
    begun = time.process_time()
    rules.feed((b"x" * 1000 + b"\n") * 1000, 0)
    assert time.process_time() - begun < 20  # a backtracking engine would need longer than the universe has
