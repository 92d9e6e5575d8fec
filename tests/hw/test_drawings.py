"""The drawings are those that the script makes, and WIRING.md says what was computed."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from hw import circuits, drawings
from hw.board import load_board

HW = Path(__file__).parent.parent.parent / "hw"
WIRING = (HW / "WIRING.md").read_text()


@pytest.mark.parametrize("name", drawings.DRAWINGS)
def test_what_is_kept_is_what_the_script_draws(name: str) -> None:
    text = drawings.DRAWINGS[name]()
    assert (HW / "svg" / f"{name}.svg").read_text() == text, "run python -m hw.drawings"
    ET.fromstring(text)
    assert f"svg/{name}.svg" in WIRING


def test_wiring_names_no_other_drawing_and_every_board() -> None:
    assert set(re.findall(r"svg/([a-z0-9-]+)\.svg", WIRING)) == set(drawings.DRAWINGS)
    assert all(f"`{path.stem}`" in WIRING for path in (HW / "boards").glob("*.toml"))


@pytest.mark.parametrize("board", ["dialtone-8", "dialtone-8-head"])
def test_the_pin_out_is_the_boards(board: str) -> None:
    text = drawings.pinout(board)
    loaded = load_board(board)
    for name, pin in [*loaded.outputs().items(), *loaded.inputs().items()]:
        assert re.search(rf"GPIO {pin.pin}  {name}\b", text), name
    assert sorted(what for what in drawings.HEADER if isinstance(what, int)) == list(range(28))
    assert len(drawings.HEADER) == 40


def test_the_values() -> None:
    assert [circuits.lamp_ohm(colour) for colour in ("red", "amber", "green")] == [220, 220, 120]
    assert circuits.lamp_ohm("red", 24.0) == 2200
    assert 200 < circuits.lamp_mw("red", 24.0) < 250
    assert circuits.tap_ohm() == 6800
    assert circuits.tap_ma(circuits.LINE_MIN_V) >= circuits.OPTO_MA
    assert [f"{ohm} Ω" in WIRING for ohm in (220, 120)] == [True, True]


def test_no_pin_gives_more_than_it_may() -> None:
    assert circuits.pin_ma() < circuits.PI_PIN_MA
    assert 10 * circuits.pin_ma() < circuits.PI_ALL_MA
    assert circuits.relay_input_v() > 2.0, "a high to every Pi and module"


def test_the_relay_holds_over_a_wink_and_falls_soon() -> None:
    held = circuits.hold_s(circuits.HOLD_CAPACITOR_UF)
    assert circuits.hold_uf() <= circuits.HOLD_CAPACITOR_UF
    assert 0.8 * held > circuits.WINK_EVERY_S, "also with a capacitor of 20 % less"
    assert 1.2 * held < 15


@pytest.mark.parametrize(
    ("ohm", "up", "down"), [(100, 100, 100), (101, 120, 100), (2120, 2200, 1800), (7200, 8200, 6800)]
)
def test_e12(ohm: float, up: int, down: int) -> None:
    assert (circuits.e12_at_least(ohm), circuits.e12_at_most(ohm)) == (up, down)
