"""The fail-safe's own small readers and its rhythm, against the modules that it must not import."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.panel import DARK, HORN_CYCLE, MS, VOICES, Horn, PanelView, levels, next_change_ns
from agent.site import schema
from hw import failsafe
from hw.board import load_board

ROOT = Path(__file__).parent.parent.parent


def test_its_voice_is_trouble() -> None:
    assert (VOICES["trouble"].lit_ms, VOICES["trouble"].dark_ms) == (failsafe.SOUND_MS, failsafe.REST_MS)
    assert (HORN_CYCLE.lit_ms, HORN_CYCLE.lit_ms + HORN_CYCLE.dark_ms) == (failsafe.TURN_MS, failsafe.PERIOD_MS)
    view = PanelView(DARK.lamps, Horn("trouble", 0))
    at = 0
    for _ in range(50):
        on, wait_ms = failsafe.sounds(at)
        assert on is levels(view, at * MS).sound
        after = next_change_ns(view, at * MS)
        assert after is not None
        at += wait_ms
        assert at * MS <= after or on == failsafe.sounds(after // MS)[0]
        assert wait_ms > 0


@pytest.mark.parametrize("name", ["dialtone-8", "dialtone-8-head", "dialtone-8-relays", "dialtone-8-passive"])
def test_it_reads_every_board_as_the_loader_does(name: str) -> None:
    found = failsafe.outputs_of(failsafe.read(str(ROOT / f"hw/boards/{name}.toml")))
    outputs = load_board(name).outputs()
    assert {n: (o.pin, o.active_low) for n, o in outputs.items()} == {n: v[:2] for n, v in found.items()}
    assert [n for n, (_, _, hz) in found.items() if hz] == (["horn"] if name == "dialtone-8-passive" else [])


def test_its_defaults_are_the_site_files() -> None:
    panel = schema.Panel()
    assert failsafe.panel_of("") == (panel.board, panel.pins) == (failsafe.BOARD, failsafe.PINS)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("[panel]\npins = 'lgpio'\nboard = \"b-2\"  # ours\n", ("b-2", "lgpio")),
        ('pins = "lgpio"\n[panel]\n#pins = "lgpio"\n[journal]\npins = "lgpio"', ("dialtone-8", "mock")),
        ('  [panel]  # x\n  pins="lgpio"\n[[line]]\nboard = "x"', ("dialtone-8", "lgpio")),
    ],
)
def test_two_words_of_a_site_file(text: str, wanted: tuple[str, str]) -> None:
    assert failsafe.panel_of(text) == wanted


def test_a_board_that_is_none_is_said() -> None:
    with pytest.raises(failsafe.Unusable, match="can't be read"):
        failsafe.pins_of("/dev/null/none")
