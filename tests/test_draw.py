"""The drawn panel: fits, tells lit from dark, and shows no control characters."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from agent.draw import (
    COLOURS,
    COLUMNS,
    HORN_WORDS,
    ROWS,
    WORDS,
    OfLamps,
    clean,
    lamp_row_ascii,
    panel_renderable,
    panel_svg,
)
from agent.panel import LAMPS, Pattern, Voice
from agent.payloads import AlarmState
from agent.sim import picture

OFF: dict[str, str] = dict.fromkeys([*map(str, LAMPS)], "off")
DARK: dict[str, bool] = dict.fromkeys([*map(str, LAMPS)], False)


def render(
    lit: OfLamps[bool] = DARK,
    patterns: OfLamps[str] = OFF,
    horn: str = "none",
    sentence: str = "All is well.",
    alarms: Sequence[Mapping[str, Any]] = (),
    reported: Sequence[str] = (),
    hint: str = "q quit",
    colour: bool = False,
) -> str:
    out = io.StringIO()
    console = Console(
        file=out,
        width=COLUMNS,
        height=ROWS,
        color_system="truecolor" if colour else None,
        force_terminal=colour,
        _environ={},
    )
    console.print(panel_renderable(lit, patterns, horn, sentence, alarms, reported, hint))
    return out.getvalue()


def test_every_pattern_voice_and_state_has_a_word() -> None:
    assert set(WORDS) == set(get_args(Pattern))
    assert set(HORN_WORDS) == set(get_args(Voice))
    assert set(COLOURS) == set(LAMPS)
    from agent.draw import SEVERITY_STYLES, STATE_WORDS

    hints = get_type_hints(AlarmState)
    assert set(STATE_WORDS) == set(get_args(hints["state"]))
    assert set(SEVERITY_STYLES) == set(get_args(hints["severity"]))


def test_one_plain_line_for_status() -> None:
    line = lamp_row_ascii({**OFF, "ok": "wink", "trunks": "flash", "uplink": "steady"}, "alarm")
    assert line == ("ok ●  calls ○  trunks ◉ flashing  firewall ○  router ○  far-end ○  uplink ●  probe ○  horn: ALARM")


def test_a_lamp_nothing_is_known_of_is_not_shown_as_off() -> None:
    assert "calls ?" in lamp_row_ascii({}, "none")
    assert "?" in render(patterns={})


def test_colour_in_the_line_only_where_asked() -> None:
    lamps = {**OFF, "trunks": "flash"}
    assert "\x1b" not in lamp_row_ascii(lamps, "none")
    assert "trunks \x1b[31m◉ flashing\x1b[0m" in lamp_row_ascii(lamps, "none", colour=True)


texts = st.text(max_size=400)
alarm = st.fixed_dictionaries(
    {}, optional={key: texts | st.none() for key in ("id", "text", "severity", "state")} | {"silenced": st.booleans()}
)


@given(texts, texts, texts, st.lists(alarm, max_size=9), st.lists(texts, max_size=9), texts)
def test_whatever_is_shown_it_fits_and_is_printable(
    horn: str, pattern: str, sentence: str, alarms: list[dict[str, Any]], reported: list[str], hint: str
) -> None:
    rows = render(DARK, {**OFF, "calls": pattern}, horn, sentence, alarms, reported, hint).splitlines()
    assert len(rows) <= ROWS
    width = Console(file=io.StringIO(), width=200, _environ={})
    for row in rows:
        assert all(ch.isprintable() for ch in row)
        assert width.measure(row).maximum <= COLUMNS


def test_markup_and_control_characters_are_shown_not_obeyed() -> None:
    drawn = render(alarms=[{"text": "[bold]T1[/bold] \x1b[2J\x07 x", "severity": "major", "state": "unacknowledged"}])
    assert "[bold]T1[/bold] ·[2J· x" in drawn
    assert clean("\u202eabc\n d", 20) == "·abc  d"
    assert clean("x" * 30, 10) == "x" * 9 + "…"


def test_the_height_does_not_change_with_what_is_shown() -> None:
    alarms = [{"text": f"alarm {n}", "severity": "major", "state": "acknowledged"} for n in range(9)]
    quiet = render()
    busy = render(sentence="word " * 90, alarms=alarms, reported=[f"event {n}" for n in range(9)])
    assert quiet.count("\n") == busy.count("\n")
    assert "9, 5 not shown" in busy
    assert "alarm 3" in busy
    assert "alarm 4" not in busy
    assert "event 8" in busy
    assert "event 5" not in busy
    assert "…" in busy


def test_a_lit_lens_looks_lit_in_colour_and_without() -> None:
    for lamp in LAMPS:
        lit = {**DARK, lamp: True}
        plain = render(lit)
        assert plain.count("█") == 2 * 8
        column = next(row for row in plain.splitlines() if "█" in row).index("█")
        label = next(row for row in plain.splitlines() if "FIREWALL" in row)
        assert lamp.upper() in label[column : column + 8]
        assert render(lit, colour=True) != render(colour=True)
    assert "█" not in render()


@pytest.mark.parametrize("voice", get_args(Voice))
def test_the_horn_says_which_voice(voice: Voice) -> None:
    drawn = render(horn=voice)
    assert HORN_WORDS[voice] in drawn
    assert (")))" in drawn) is (voice != "none")


def test_the_picture_in_the_readme_is_the_panels_own() -> None:
    """Draw it again with ``python -m agent.sim.picture > agent/sim/panel.svg`` when this fails."""
    kept = Path(picture.__file__).with_name("panel.svg").read_text(encoding="utf-8")
    assert kept == picture.draw()
    assert picture.draw() == picture.draw()


def test_the_picture_names_no_other_host() -> None:
    svg = panel_svg(DARK, OFF, "none", "", [], [], "")
    assert set(re.findall(r"https?://[^\s\"')]+", svg)) == {"http://www.w3.org/2000/svg"}
    assert "@font-face" not in svg
    import xml.etree.ElementTree as ET

    assert ET.fromstring(svg).tag.endswith("svg")
