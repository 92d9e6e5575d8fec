"""The outputs on gpiozero's mock pins, and on its lgpio pins with a chip that is played."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from types import ModuleType
from typing import Any, ClassVar

import pytest
from gpiozero.pins.mock import MockFactory, MockPin

import hw.panel
from agent.panel import LAMPS, Lamp, Levels
from hw.board import Board, load_board, parse_board
from hw.panel import NullPanel, Panel, PanelFault, PinPanel

BOARD = load_board("dialtone-8")
OUTPUTS = [*LAMPS, "horn", "heartbeat"]
LOW_HORN = parse_board(
    "[lamps]\nok={pin=17}\ncalls={pin=27}\ntrunks={pin=22}\nfirewall={pin=23}\nrouter={pin=24}\nfar-end={pin=25}\n"
    'uplink={pin=12}\nprobe={pin=5, safe=true}\n[horn]\npin=26\nactive_low=true\nresistor="board"\n'
)


def shown(*lit: Lamp, sound: bool = False) -> Levels:
    return Levels({lamp: lamp in lit for lamp in LAMPS}, "alarm" if sound else "none", sound)


def levels_of(factory: MockFactory) -> dict[int, bool]:
    """Each output pin's electrical level."""
    found = {pin.info.name: pin for pin in factory.pins.values()}
    return {int(name.removeprefix("GPIO")): bool(pin.state) for name, pin in found.items() if pin.function == "output"}


class Dying(MockPin):  # type: ignore[misc]
    """A pin that can be taken away while it is in use."""

    dead: ClassVar[set[int]] = set()

    def _set_state(self, value: bool) -> None:
        if int(self.info.name.removeprefix("GPIO")) in self.dead:
            raise OSError(5, "Input/output error")
        super()._set_state(value)


@pytest.fixture
def factory(monkeypatch: pytest.MonkeyPatch) -> Iterator[MockFactory]:
    made = MockFactory(pin_class=Dying)
    monkeypatch.setattr(hw.panel, "_build_factory", lambda pins: made)
    monkeypatch.setattr(Dying, "dead", set())
    yield made
    made.close()


def test_the_mock_is_gpiozeros_own_and_starts_safe() -> None:
    panel: Panel = PinPanel(BOARD, "mock")
    try:
        assert panel.pin_values() == dict.fromkeys(OUTPUTS, False)
        panel.apply(shown("ok", "trunks", sound=True))
        on = {name for name, value in panel.pin_values().items() if value}
        assert on == {"ok", "trunks", "horn", "heartbeat"}
    finally:
        panel.close()


def test_each_lamp_is_its_own_pin(factory: MockFactory) -> None:
    panel = PinPanel(BOARD, "mock")
    for lamp in LAMPS:
        panel.apply(shown(lamp))
        high = {pin for pin, level in levels_of(factory).items() if level}
        wanted = {BOARD.outputs()[lamp].pin} | ({BOARD.heartbeat.pin} if lamp == "ok" and BOARD.heartbeat else set())
        assert high == wanted


def test_active_low_and_safe_values(factory: MockFactory) -> None:
    panel = PinPanel(LOW_HORN, "mock")
    assert levels_of(factory)[26] is True, "silent is high"
    assert panel.pin_values()["horn"] is False
    assert panel.pin_values()["probe"] is True, "safe = true is lit from the start"
    panel.apply(shown(sound=True))
    assert levels_of(factory)[26] is False
    assert [name for name, on in panel.pin_values().items() if on] == ["horn"]


def test_only_what_changed_is_written(factory: MockFactory) -> None:
    panel = PinPanel(BOARD, "mock")
    panel.apply(shown())
    assert sum(panel.levels_written.values()) == 0, "they are at these levels already"
    for _ in range(5):
        panel.apply(shown("trunks"))
    panel.apply(shown("trunks", sound=True))
    assert {name: n for name, n in panel.levels_written.items() if n} == {"trunks": 1, "horn": 1}


def test_close_drives_everything_safe_first_and_may_be_repeated(factory: MockFactory) -> None:
    panel = PinPanel(LOW_HORN, "mock")
    pins = {int(pin.info.name.removeprefix("GPIO")): pin for pin in factory.pins.values()}
    panel.apply(shown("ok", "calls", sound=True))
    panel.close()
    for output in LOW_HORN.outputs().values():
        last = pins[output.pin].states[-1].state
        assert bool(last) is (output.safe is not output.active_low)
        assert pins[output.pin].function == "input"
    panel.close()
    with pytest.raises(PanelFault, match="closed") as caught:
        panel.apply(shown())
    assert not caught.value.partial
    assert panel.pin_values() == {}


def test_close_never_raises_and_silences_the_rest(factory: MockFactory) -> None:
    panel = PinPanel(BOARD, "mock")
    panel.apply(shown("ok", "calls", sound=True))
    pins = {int(pin.info.name.removeprefix("GPIO")): pin for pin in factory.pins.values()}
    Dying.dead = {BOARD.outputs()["calls"].pin}
    panel.close()
    assert not pins[BOARD.horn.pin].states[-1].state


def test_one_dead_pin_is_a_fault_and_the_others_are_set(factory: MockFactory) -> None:
    panel = PinPanel(BOARD, "mock")
    Dying.dead = {BOARD.outputs()["ok"].pin, BOARD.outputs()["firewall"].pin}
    with pytest.raises(PanelFault, match=r"ok: cannot be set: .*Input/output error; firewall: cannot be set") as caught:
        panel.apply(shown("ok", "trunks", "firewall", "probe", sound=True))
    assert caught.value.partial
    values = panel.pin_values()
    assert values["trunks"]
    assert values["probe"]
    assert values["horn"]
    assert not values["ok"]
    assert panel.write_failures["ok"] == 1
    assert panel.write_failures["probe"] == 0
    assert panel.levels_written["ok"] == 0
    with pytest.raises(PanelFault, match="ok: cannot be set"):
        panel.apply(shown("trunks", "firewall"))
    Dying.dead = set()
    panel.apply(shown("ok", "trunks", "firewall", "probe", sound=True))
    assert panel.pin_values()["ok"], "it is tried again when it is asked for again"


def test_a_level_that_nobody_gave_is_a_fault_not_a_dark_lamp(factory: MockFactory) -> None:
    panel = PinPanel(BOARD, "mock")
    with pytest.raises(PanelFault, match="calls: no level was given"):
        panel.apply(Levels({lamp: True for lamp in LAMPS if lamp != "calls"}, "none", False))
    assert panel.pin_values()["trunks"]


def test_a_pin_that_is_busy_leaves_no_pin_held(factory: MockFactory) -> None:
    first = PinPanel(BOARD, "mock")
    with pytest.raises(PanelFault, match="ok: GPIO 17 cannot be had"):
        PinPanel(BOARD, "mock")
    first.close()
    PinPanel(BOARD, "mock").close()


def test_a_fault_half_way_lets_the_first_pins_go(factory: MockFactory) -> None:
    from gpiozero import DigitalOutputDevice

    other = DigitalOutputDevice(BOARD.outputs()["router"].pin, pin_factory=factory)
    with pytest.raises(PanelFault, match="router"):
        PinPanel(BOARD, "mock")
    other.close()
    PinPanel(BOARD, "mock").close()


def test_no_threads(factory: MockFactory) -> None:
    before = threading.active_count()
    panel = PinPanel(BOARD, "mock")
    panel.apply(shown("ok", sound=True))
    assert threading.active_count() == before
    panel.close()


def test_the_null_panel_remembers_and_claims_nothing() -> None:
    panel: Panel = NullPanel()
    panel.apply(shown("ok"))
    assert isinstance(panel, NullPanel)
    assert panel.levels == shown("ok")
    assert panel.pin_values() == {}
    panel.close()
    panel.close()


# lgpio: the library and the chip are played here; gpiozero's own lgpio pins are real.


class Chip:
    """Stands for the lgpio module: keeps what was claimed at which level and what was written."""

    def __init__(self) -> None:
        self.done: list[tuple[str, int, int]] = []
        self.levels: dict[int, int] = {}
        self.outputs: set[int] = set()
        self.busy: set[int] = set()
        self.open_error: str | None = None
        self.open = False

    def module(self) -> ModuleType:
        module: Any = ModuleType("lgpio")
        names = ["SET_PULL_NONE", "SET_PULL_UP", "SET_PULL_DOWN", "BOTH_EDGES", "RISING_EDGE", "FALLING_EDGE"]
        for number, name in enumerate(names):
            setattr(module, name, number)
        module.error = type("error", (Exception,), {})
        module.gpiochip_open, module.gpiochip_close = self.chip_open, self.chip_close
        module.gpio_claim_input, module.gpio_claim_output = self.claim_input, self.claim_output
        module.gpio_write = self.write
        module.gpio_read = lambda handle, pin: self.levels.get(pin, 0)
        module.gpio_get_mode = lambda handle, pin: 2 if pin in self.outputs else 0
        self.error = module.error
        return module  # type: ignore[no-any-return]

    def chip_open(self, number: int) -> int:
        if self.open_error:
            raise self.error(self.open_error)
        self.open = True
        return 1

    def chip_close(self, handle: int) -> None:
        self.open = False

    def claim_input(self, handle: int, pin: int, flags: int = 0) -> None:
        if pin in self.busy:
            raise self.error("GPIO busy")
        self.outputs.discard(pin)
        self.done.append(("input", pin, 0))

    def claim_output(self, handle: int, pin: int, level: int = 0, flags: int = 0) -> None:
        self.outputs.add(pin)
        self.levels[pin] = level
        self.done.append(("claim", pin, level))

    def write(self, handle: int, pin: int, level: int) -> None:
        self.levels[pin] = int(level)
        self.done.append(("write", pin, int(level)))


@pytest.fixture
def chip(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Iterator[Chip]:
    played = Chip()
    monkeypatch.setitem(sys.modules, "lgpio", played.module())
    monkeypatch.delitem(sys.modules, "gpiozero.pins.lgpio", raising=False)
    monkeypatch.setattr("gpiozero.pins.local.get_pi_revision", lambda: 0xC03111)  # a Pi 4B
    monkeypatch.setenv("LG_WD", str(tmp_path))
    yield played
    sys.modules.pop("gpiozero.pins.lgpio", None)


@pytest.mark.parametrize("board", [BOARD, LOW_HORN])
def test_lgpio_claims_each_output_at_its_safe_level(chip: Chip, board: Board) -> None:
    """gpiozero alone claims low and then writes: an active-low horn would sound at every start."""
    panel = PinPanel(board, "lgpio")
    for output in board.outputs().values():
        level = int(output.safe is not output.active_low)
        assert [what for what in chip.done if what[1] == output.pin] == [
            ("input", output.pin, 0),
            ("claim", output.pin, level),
        ]
    panel.apply(shown("trunks", sound=True))
    assert chip.levels[board.outputs()["trunks"].pin] == 1
    assert chip.levels[board.horn.pin] == int(not board.horn.active_low)
    panel.close()
    assert chip.levels[board.horn.pin] == int(board.horn.active_low)
    assert not chip.outputs
    assert not chip.open


def test_a_chip_that_cannot_be_opened(chip: Chip) -> None:
    chip.open_error = "can not open gpiochip"
    with pytest.raises(PanelFault, match="the GPIO chip cannot be opened: can not open gpiochip"):
        PinPanel(BOARD, "lgpio")


def test_a_pin_that_another_program_holds(chip: Chip) -> None:
    chip.busy = {BOARD.horn.pin}
    with pytest.raises(PanelFault, match="horn: GPIO 26 cannot be had: GPIO busy"):
        PinPanel(BOARD, "lgpio")
    assert not chip.outputs, "no lamp stays claimed"
    assert not chip.open


def test_a_chip_that_goes_away_does_not_keep_the_panel_from_closing(chip: Chip) -> None:
    panel = PinPanel(BOARD, "lgpio")
    chip.busy = {output.pin for output in BOARD.outputs().values()}
    panel.close()
    assert not chip.open
    chip.busy = set()
    again = PinPanel(BOARD, "lgpio")
    again.apply(shown("trunks"))
    assert again.pin_values()["trunks"]
    again.close()


def test_not_a_pi(chip: Chip, monkeypatch: pytest.MonkeyPatch) -> None:
    from gpiozero.exc import PinUnknownPi

    def unknown() -> int:
        raise PinUnknownPi("unable to locate Pi revision")

    monkeypatch.setattr("gpiozero.pins.local.get_pi_revision", unknown)
    with pytest.raises(PanelFault, match="not a Raspberry Pi"):
        PinPanel(BOARD, "lgpio")


def test_lgpio_is_not_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setenv("LG_WD", str(tmp_path))
    monkeypatch.setitem(sys.modules, "lgpio", None)
    monkeypatch.delitem(sys.modules, "gpiozero.pins.lgpio", raising=False)
    with pytest.raises(PanelFault, match="lgpio is not installed"):
        PinPanel(BOARD, "lgpio")


def test_lgpios_pipe_goes_to_the_runtime_directory(chip: Chip, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LG_WD", "")
    monkeypatch.delenv("LG_WD")
    monkeypatch.setenv("RUNTIME_DIRECTORY", "/run/dialtone:/run/other")
    PinPanel(BOARD, "lgpio").close()
    import os

    assert os.environ["LG_WD"] == "/run/dialtone"


def test_gpiozero_is_imported_only_when_pins_are_built() -> None:
    import subprocess

    code = "import sys, hw.panel, hw.board, agent.draw; print([m for m in ('gpiozero', 'rich') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"
