"""Board files: what is refused, and that all of it is told at once."""

from __future__ import annotations

from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.panel import LAMPS
from hw.board import Board, BoardInvalid, load_board, parse_board

GOOD = {"ok": 17, "calls": 27, "trunks": 22, "firewall": 23, "router": 24, "far-end": 25, "uplink": 12, "probe": 16}


def text(lamps: dict[str, str] | None = None, horn: str = "pin = 26", more: str = "", top: str = "") -> str:
    rows = {lamp: f"pin = {pin}" for lamp, pin in GOOD.items()} | (lamps or {})
    body = "\n".join(f"{lamp} = {{ {row} }}" for lamp, row in rows.items() if row)
    return f"{top}\n[lamps]\n{body}\n[horn]\n{horn}\n{more}\n"


def errors(source: str) -> list[str]:
    with pytest.raises(BoardInvalid) as caught:
        parse_board(source)
    return caught.value.errors


def test_the_board_that_is_shipped() -> None:
    board = load_board("dialtone-8")
    outputs = board.outputs()
    assert [*outputs] == [*LAMPS, "horn", "heartbeat"]
    assert [*board.inputs()] == ["silence", "ack", "reset", "test", "no-voice"]
    assert not any(output.safe for output in outputs.values())
    pins = [output.pin for output in outputs.values()] + [button.pin for button in board.inputs().values()]
    assert len(set(pins)) == len(pins) == 15


def test_every_shipped_board_loads() -> None:
    names = [entry.name for entry in (resources.files("hw") / "boards").iterdir() if entry.name.endswith(".toml")]
    assert names
    assert all(isinstance(load_board(name.removesuffix(".toml")), Board) for name in names)


@pytest.mark.parametrize("name", ["none-such", "", "../board", "dialtone-8.toml", "/etc/passwd", "dialtone-8\n"])
def test_an_unknown_board_names_those_there_are(name: str) -> None:
    with pytest.raises(BoardInvalid, match="dialtone-8"):
        load_board(name)


def test_a_small_board_needs_no_relay_and_no_buttons() -> None:
    board = parse_board(text())
    assert [*board.outputs()] == [*LAMPS, "horn"]
    assert board.inputs() == {}


def test_two_names_on_one_pin() -> None:
    assert errors(text({"calls": "pin = 17"})) == ["lamps.calls.pin: GPIO 17 is already lamps.ok"]
    assert errors(text(more="[buttons]\nack = { pin = 26 }")) == ["buttons.ack.pin: GPIO 26 is already horn"]
    assert errors(text(more="[heartbeat]\npin = 12")) == ["heartbeat.pin: GPIO 12 is already lamps.uplink"]


@pytest.mark.parametrize("pin", [-1, 28, 40, 1000])
def test_pins_that_are_not_on_the_header(pin: int) -> None:
    assert errors(text({"ok": f"pin = {pin}"})) == [
        f"lamps.ok.pin: GPIO {pin} is not on the 40-pin header (2 to 27)",
    ]


@pytest.mark.parametrize(
    ("pin", "bus"),
    [
        *[(pin, "id-eeprom") for pin in (0, 1)],
        *[(pin, "i2c") for pin in (2, 3)],
        *[(pin, "spi") for pin in (7, 8, 9, 10, 11)],
        *[(pin, "uart") for pin in (14, 15)],
    ],
)
def test_pins_of_a_bus_need_the_board_to_say_so(pin: int, bus: str) -> None:
    button = f"[buttons]\nack = {{ pin = {pin} }}"
    (error,) = errors(text(more=button))
    assert error == f'buttons.ack.pin: GPIO {pin} belongs to {bus}; a board that takes it says uses = ["{bus}"]'
    assert parse_board(text(more=button, top=f'uses = ["{bus}"]')).inputs()["ack"].pin == pin
    other = "spi" if bus != "spi" else "uart"
    assert errors(text(more=button, top=f'uses = ["{other}"]')) == [error]


@pytest.mark.parametrize("lamp", LAMPS)
def test_a_missing_lamp(lamp: str) -> None:
    assert errors(text({lamp: ""})) == [f"lamps.{lamp}: missing"]


def test_an_unknown_lamp() -> None:
    assert errors(text({"trunk": "pin = 13"})) == ["lamps.trunk: unknown key, did you mean trunks?"]


def test_an_output_that_the_pi_itself_would_turn_on() -> None:
    (high,) = errors(text({"calls": "pin = 5"}))
    assert "pulls GPIO 5 high from power-on, which turns this output on" in high
    (low,) = errors(text(horn="pin = 26\nactive_low = true"))
    assert "pulls GPIO 26 low from power-on, which turns this output on" in low
    (unlit,) = errors(text({"probe": "pin = 16, safe = true"}))
    assert "pulls GPIO 16 low from power-on, which turns this output off" in unlit
    parse_board(text({"calls": "pin = 5, active_low = true"}))
    parse_board(text({"calls": 'pin = 5, resistor = "board"'}))
    parse_board(text({"probe": "pin = 5, safe = true"}))


def test_no_safe_value_may_say_that_all_is_well_or_sound_for_ever() -> None:
    found = errors(
        text(
            {"ok": 'pin = 17, safe = true, resistor = "board"'},
            horn='pin = 26\nsafe = true\nresistor = "board"',
            more='[heartbeat]\npin = 20\nsafe = true\nresistor = "board"',
        )
    )
    assert [error.split(":")[0] for error in found] == ["lamps.ok.safe", "horn.safe", "heartbeat.safe"]


def test_all_mistakes_are_told_at_once() -> None:
    found = errors(
        text(
            {
                "ok": "pin = 99",
                "calls": 'pin = "27"',
                "trunks": "pin = true",
                "router": "pin = 23",
                "far-end": "pin = 25, active_low = 1, colour = 3",
                "uplink": "",
                "lamp9": "pin = 14",
            },
            horn='pin = 26\nbuzzer = "piezo"',
            more="[buttons]\nsilence = { pin = 2 }\nack = { }\nreset = 7\nshout = { pin = 4 }\n[relay]\npin = 1",
            top='uses = ["can"]\nabout = ""',
        )
    )
    wanted = [
        "lamps.ok.pin: GPIO 99",
        "lamps.calls.pin: Expected `int`, got `str`, not '27'",
        "lamps.trunks.pin: Expected `int`, got `bool`, not True",
        "lamps.router.pin: GPIO 23 is already lamps.firewall",
        "lamps.far-end.active_low: Expected `bool`",
        "lamps.far-end.colour: unknown key",
        "lamps.uplink: missing",
        "lamps.lamp9: unknown key",
        "lamps.lamp9.pin: GPIO 14 belongs to uart",
        "horn.buzzer: Invalid enum value 'piezo'",
        "buttons.silence.pin: GPIO 2 belongs to i2c",
        "buttons.ack.pin: missing",
        "buttons.reset: Expected `object | null`, got `int`, not 7",
        "buttons.shout: unknown key",
        "relay: unknown key",
        "uses: Invalid enum value 'can'",
        "about: Expected `str` of length >= 1",
    ]
    for start in wanted:
        assert sum(error.startswith(start) for error in found) == 1, (start, found)
    assert len(found) == len(wanted), found


@pytest.mark.parametrize(
    "source", ["", "lamps = 3", "[lamps]\nok = 4", "horn = []", "uses = 3", "x", "a=" + "[" * 5000]
)
def test_a_file_of_another_shape_is_refused_in_words(source: str) -> None:
    assert errors(source)


def test_a_huge_file_is_refused() -> None:
    assert errors("#" * 70_000) == ["larger than 65536 bytes"]


keys = st.sampled_from(["lamps", "horn", "buttons", "ok", "pin", "safe", "active_low", "uses", "heartbeat", "x"])
values = st.recursive(
    st.integers() | st.booleans() | st.text(max_size=5) | st.lists(st.integers(), max_size=2),
    lambda inner: st.dictionaries(keys, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(keys, values, max_size=6))
def test_no_shape_of_file_escapes_as_another_error(data: dict[str, object]) -> None:
    def toml(value: object) -> str:
        if isinstance(value, dict):
            return "{" + ", ".join(f"{key} = {toml(inner)}" for key, inner in value.items()) + "}"
        if isinstance(value, list):
            return "[" + ", ".join(map(toml, value)) + "]"
        if isinstance(value, bool):
            return str(value).lower()
        return str(value) if isinstance(value, int) else '"' + "".join(c for c in str(value) if c.isalnum()) + '"'

    with pytest.raises(BoardInvalid):
        parse_board("\n".join(f"{key} = {toml(value)}" for key, value in data.items()))
