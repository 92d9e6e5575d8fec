"""The panel's levels as a function of time."""

from __future__ import annotations

from itertools import pairwise
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.panel import (
    CYCLES,
    DARK,
    HORN_CYCLE,
    LAMPS,
    MS,
    VOICES,
    Horn,
    Levels,
    Light,
    PanelView,
    Pattern,
    Voice,
    levels,
    next_change_ns,
)

S = 1000 * MS
PATTERNS: tuple[Pattern, ...] = get_args(Pattern)
SOUNDS: tuple[Voice, ...] = tuple(voice for voice in get_args(Voice) if voice != "none")

moments = st.integers(min_value=0, max_value=200 * S)
lights = st.builds(Light, st.sampled_from(PATTERNS), moments)
horns = st.builds(Horn, st.sampled_from(get_args(Voice)), moments)
views = st.builds(
    lambda lamps, horn: PanelView(dict(zip(LAMPS, lamps, strict=True)), horn), st.tuples(*[lights] * 8), horns
)


def one(pattern: Pattern, since_ns: int = 0) -> PanelView:
    return PanelView({**DARK.lamps, "trunks": Light(pattern, since_ns)}, DARK.horn)


def sounding(voice: Voice, since_ns: int = 0) -> PanelView:
    return PanelView(DARK.lamps, Horn(voice, since_ns))


def edges(view: PanelView, start_ns: int, end_ns: int) -> list[tuple[int, Levels]]:
    """What a ticker that trusts ``next_change_ns`` sees, at most 10,000 steps."""
    seen, at_ns = [(start_ns, levels(view, start_ns))], start_ns
    for _ in range(10_000):
        step_ns = next_change_ns(view, at_ns)
        if step_ns is None or step_ns >= end_ns:
            return seen
        assert step_ns > at_ns, "time must go on"
        at_ns = step_ns
        seen.append((at_ns, levels(view, at_ns)))
    raise AssertionError("too many edges")


def test_every_pattern_and_voice_is_in_its_table() -> None:
    assert set(CYCLES) == set(PATTERNS)
    assert set(VOICES) == set(get_args(Voice))


@pytest.mark.parametrize("cycle", [*CYCLES.values(), *VOICES.values(), HORN_CYCLE])
def test_every_cycle_takes_time(cycle: object) -> None:
    assert cycle.lit_ms >= 0  # type: ignore[attr-defined]
    assert cycle.dark_ms >= 0  # type: ignore[attr-defined]
    assert cycle.lit_ms + cycle.dark_ms > 0  # type: ignore[attr-defined]


@given(views, moments, st.floats(min_value=0, max_value=1, exclude_max=True))
def test_nothing_changes_before_the_next_change(view: PanelView, now_ns: int, part: float) -> None:
    then_ns = next_change_ns(view, now_ns)
    before = levels(view, now_ns)
    if then_ns is None:
        assert all(levels(view, now_ns + s * 137 * MS) == before for s in range(600))
        return
    assert then_ns > now_ns
    assert levels(view, now_ns + int((then_ns - now_ns) * part)) == before
    assert levels(view, then_ns - 1) == before


@given(views, moments)
def test_the_next_change_is_one(view: PanelView, now_ns: int) -> None:
    """A wake for nothing would cost a Pi its sleep."""
    then_ns = next_change_ns(view, now_ns)
    assert then_ns is None or levels(view, then_ns) != levels(view, then_ns - 1)


@given(views, moments)
def test_a_ticker_misses_no_change(view: PanelView, start_ns: int) -> None:
    seen = edges(view, start_ns, start_ns + 4 * S)
    for (from_ns, shown), (to_ns, _) in zip(seen, [*seen[1:], (start_ns + 4 * S, None)], strict=True):
        for at_ns in range(from_ns, to_ns, 23 * MS):
            assert levels(view, at_ns) == shown


@given(st.sampled_from(PATTERNS), moments)
def test_a_lamp_is_lit_from_its_first_instant(pattern: Pattern, since_ns: int) -> None:
    assert levels(one(pattern, since_ns), since_ns).lit["trunks"] is (pattern != "off")


@given(st.sampled_from(SOUNDS), moments)
def test_the_horn_sounds_from_its_first_instant(voice: Voice, since_ns: int) -> None:
    first = levels(sounding(voice, since_ns), since_ns)
    assert (first.voice, first.sound) == (voice, True)


@given(views, moments)
def test_off_and_not_yet_are_dark(view: PanelView, now_ns: int) -> None:
    shown = levels(view, now_ns)
    for lamp, light in view.lamps.items():
        if light.pattern == "off" or now_ns < light.since_ns:
            assert not shown.lit[lamp]
    if view.horn.voice == "none" or now_ns < view.horn.since_ns:
        assert (shown.voice, shown.sound) == ("none", False)
    assert not (shown.sound and shown.voice == "none")


def test_off_and_steady_never_wake_anybody() -> None:
    assert next_change_ns(DARK, 5) is None
    assert next_change_ns(one("off", since_ns=9), 5) is None
    assert next_change_ns(one("steady", since_ns=9), 5) == 9
    assert next_change_ns(one("steady", since_ns=9), 9) is None


@pytest.mark.parametrize(
    ("pattern", "lit_ms", "dark_ms"),
    [("flash", 500, 500), ("slow-flash", 1000, 1000), ("wink", 1900, 100), ("pulse", 3000, 1000)],
)
def test_the_rates(pattern: Pattern, lit_ms: int, dark_ms: int) -> None:
    since_ns, view = 3 * S + 7, one(pattern, 3 * S + 7)
    shown = [(at_ns - since_ns, seen.lit["trunks"]) for at_ns, seen in edges(view, since_ns, since_ns + 3600 * S)]
    period_ns = (lit_ms + dark_ms) * MS
    assert len(shown) == 2 * 3600 * S // period_ns
    for turn in range(len(shown) // 2):
        assert shown[2 * turn] == (turn * period_ns, True)
        assert shown[2 * turn + 1] == (turn * period_ns + lit_ms * MS, False)


def horn_edges(voice: Voice, end_ns: int) -> list[tuple[int, bool]]:
    return [(at_ns, shown.sound) for at_ns, shown in edges(sounding(voice), 0, end_ns)]


@pytest.mark.parametrize("voice", SOUNDS)
def test_the_horn_sounds_within_3_s_of_each_30(voice: Voice) -> None:
    """Sound in any window of 30 s adds up to 3 s at most, and lies within 3 s of one turn."""
    spans = []
    for (from_ns, on), (to_ns, _) in pairwise(horn_edges(voice, 300 * S)):
        if on:
            spans.append((from_ns, to_ns))
            assert from_ns % (30 * S) < 3 * S
            assert (to_ns - 1) % (30 * S) < 3 * S
    assert len(spans) >= 10, "it sounds in each turn"
    for start_ns in range(0, 270 * S, 250 * MS):
        heard = sum(max(0, min(to, start_ns + 30 * S) - max(at, start_ns)) for at, to in spans)
        assert 0 < heard <= 3 * S


def test_the_voices_can_be_told_apart() -> None:
    """Within one turn each has its own rhythm, and its own share of sound."""
    rhythms = {voice: tuple(horn_edges(voice, 30 * S)) for voice in SOUNDS}
    assert len(set(rhythms.values())) == len(SOUNDS)
    first_sounds = sorted(rhythm[1][0] for rhythm in rhythms.values())
    assert all(longer >= 2 * shorter for shorter, longer in pairwise(first_sounds))


def test_the_voice_is_named_for_the_whole_turn_and_no_longer() -> None:
    view = sounding("alarm")
    assert [levels(view, at).voice for at in (0, 2_999 * MS, 3 * S, 29_999 * MS, 30 * S)] == [
        "alarm",
        "alarm",
        "none",
        "none",
        "alarm",
    ]
    assert not levels(view, 800 * MS).sound
    assert levels(view, 800 * MS).voice == "alarm", "a rest within the turn is still the alarm's turn"
