"""Lamps and horn on real pins. Levels go in; pins are set by ``.value``, from whoever calls; no threads here.

A panel that fails is an alarm, never a crash: :class:`PanelFault` says why in plain words, and the caller goes
on, with a :class:`NullPanel` where nothing is left. gpiozero (4 MB) is imported when the first
:class:`PinPanel` is built.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any, Literal, Protocol

from agent.panel import Levels
from hw.board import Board, HornOutput, Output
from hw.inputs import PinInputs

Pins = Literal["lgpio", "mock"]


class PanelFault(Exception):
    """The panel, or a part of it, cannot be driven. The text is for a person.

    ``partial``: some outputs failed, the others show what was asked. Keep such a panel and go on applying: each
    call tries the failed outputs again, and the first that returns says that all are well.
    """

    def __init__(self, reason: str, *, partial: bool = False) -> None:
        super().__init__(reason)
        self.partial = partial


class Panel(Protocol):
    """What the agent needs of a panel."""

    levels_written: dict[str, int]

    def listen(self) -> list[str]:
        """Take the buttons: which there are."""

    def closed(self) -> dict[str, bool]:
        """Which buttons are closed now; one that can't be read is left out."""

    def apply(self, levels: Levels) -> None:
        """Show these levels. Raises :class:`PanelFault` after trying every output."""

    def pin_values(self) -> dict[str, bool]:
        """What each output is now, read back from its pin; an output that cannot be read is left out."""

    def close(self) -> None:
        """Everything to its safe value, then let go of the pins. Twice is harmless; never raises."""


class PinPanel:
    """The outputs of ``board`` through gpiozero, with the pin library that was named and no other.

    Every output is at its safe value when this returns. Raises :class:`PanelFault` when the library, the chip
    or a pin cannot be had; then no pin is held. ``levels_written`` and ``write_failures`` count by output.
    """

    def __init__(self, board: Board, pins: Pins) -> None:
        self._board = board
        self._devices: dict[str, Any] = {}
        self._shown: dict[str, bool | None] = {}
        self.levels_written: dict[str, int] = dict.fromkeys(board.outputs(), 0)
        self.write_failures: dict[str, int] = dict.fromkeys(board.outputs(), 0)
        self._inputs: PinInputs | None = None
        self._factory: Any = _build_factory(pins)
        try:
            self._claim()
        except PanelFault:
            self.close()
            raise

    def _claim(self) -> None:
        for name, output in self._board.outputs().items():
            try:
                self._devices[name] = _output_device(output, self._factory)
            except Exception as error:  # lgpio.error is a bare Exception
                raise PanelFault(f"{name}: GPIO {output.pin} cannot be had: {_plain(error)}") from error
            self._shown[name] = output.safe

    def apply(self, levels: Levels) -> None:
        """Write the outputs that differ from what they show. The heartbeat follows the ``ok`` lamp.

        Raises :class:`PanelFault` naming every output that failed, after all were tried; a failed one is
        written again at the next call. Raises it too after ``close``.
        """
        if not self._devices:
            raise PanelFault("the panel is closed")
        wanted: dict[str, bool] = {"horn": levels.sound, "head-horn": levels.sound, "head-lamp": levels.head}
        wanted |= dict(levels.lit.items())
        if "ok" in wanted:
            wanted["heartbeat"] = wanted["ok"]
        faults = []
        for name in self._devices:
            if name not in wanted:
                faults.append(f"{name}: no level was given")
            elif self._shown[name] is not wanted[name]:
                fault = self._write(name, wanted[name])
                faults += [fault] if fault else []
        if faults:
            raise PanelFault("; ".join(faults), partial=len(faults) < len(self._devices))

    def _write(self, name: str, level: bool) -> str | None:
        try:
            self._devices[name].value = level * _full(self._board.outputs()[name])
        except Exception as error:  # one dead pin must not keep the others dark
            self._shown[name] = None
            self.write_failures[name] += 1
            return f"{name}: cannot be set: {_plain(error)}"
        self._shown[name] = level
        self.levels_written[name] += 1
        return None

    def listen(self) -> list[str]:
        """Take the board's buttons; their names."""
        inputs = self._board.inputs()
        self._inputs = PinInputs(self._factory, inputs)
        return list(inputs)

    def closed(self) -> dict[str, bool]:
        """Which buttons are closed now; one that can't be read is left out, and told in ``input_faults``."""
        return self._inputs.closed() if self._inputs is not None else {}

    def input_faults(self) -> list[str]:
        """Which buttons can't be had or read, in words."""
        return list(self._inputs.faults) if self._inputs is not None else []

    def pin_values(self) -> dict[str, bool]:
        """Whether each output is on, read back from its pin; an output that cannot be read is left out."""
        values = {}
        for name, device in self._devices.items():
            try:
                values[name] = bool(device.value)
            except Exception:  # noqa: S112  left out is what the caller is told
                continue
        return values

    def close(self) -> None:
        """Drive every output to its safe value, horn first, then let go of the pins and the chip.

        Never raises and may be called twice. A pin let go is an input, under lgpio without the Pi's pull:
        from there the board's own resistors hold it.
        """
        devices, self._devices = self._devices, {}
        outputs = self._board.outputs()
        for name in sorted(devices, key=lambda name: not name.endswith("horn")):
            _quietly(partial(setattr, devices[name], "value", outputs[name].safe))
        if self._inputs is not None:
            self._inputs.close()
        for device in devices.values():
            _quietly(device.close)
        factory, self._factory = self._factory, None
        if factory is not None:
            # gpiozero closes the pins before the chip and stops at the first that fails; ours have been closed.
            factory.pins.clear()
            _quietly(factory.close)


class NullPanel:
    """A panel without pins, for when the real one has failed: remembers the last levels, drives nothing."""

    def __init__(self) -> None:
        self.levels: Levels | None = None
        self.levels_written: dict[str, int] = {}

    def listen(self) -> list[str]:
        """No buttons either."""
        return []

    def closed(self) -> dict[str, bool]:
        """Nothing can be read."""
        return {}

    def apply(self, levels: Levels) -> None:
        """Remember ``levels``."""
        self.levels = levels

    def pin_values(self) -> dict[str, bool]:
        """Nothing: there are no pins, and what is not driven must not read as if it were."""
        return {}

    def close(self) -> None:
        """Nothing to let go of."""


def _output_device(output: Output, factory: Any) -> Any:
    """One output, at its safe value from its first moment."""
    from gpiozero import DigitalOutputDevice, PWMOutputDevice

    if isinstance(output, HornOutput) and output.buzzer == "passive":
        return PWMOutputDevice(output.pin, initial_value=0, frequency=output.tone_hz, pin_factory=factory)
    return DigitalOutputDevice(
        output.pin, active_high=not output.active_low, initial_value=output.safe, pin_factory=factory
    )


def _full(output: Output) -> float:
    """What "on" is: a square wave where the buzzer needs a tone."""
    return 0.5 if isinstance(output, HornOutput) and output.buzzer == "passive" else 1


def _build_factory(pins: Pins) -> Any:
    """The pin library that was named. gpiozero's own search for one would take whichever it finds."""
    if pins == "mock":
        from gpiozero.pins.mock import MockFactory, MockPWMPin

        return MockFactory(pin_class=MockPWMPin)
    # lgpio makes a named pipe in its working directory as it is imported.
    if "LG_WD" not in os.environ:
        runtime = os.environ.get("RUNTIME_DIRECTORY", "").split(":")[0] or os.environ.get("XDG_RUNTIME_DIR")
        os.environ["LG_WD"] = runtime or tempfile.gettempdir()
    try:
        from gpiozero.pins.lgpio import LGPIOFactory
    except ImportError as error:
        raise PanelFault("lgpio is not installed: pip install 'dialtone[pi]'") from error
    except Exception as error:
        raise PanelFault(f"lgpio does not start: {_plain(error)}") from error
    from gpiozero.exc import PinUnknownPi

    try:
        factory = LGPIOFactory()
    except PinUnknownPi as error:
        raise PanelFault('this is not a Raspberry Pi; [panel] pins = "mock" runs without one') from error
    except Exception as error:
        raise PanelFault(f"the GPIO chip cannot be opened: {_plain(error)}") from error
    factory.pin_class = _pin_without_blip(factory.pin_class)
    return factory


def _pin_without_blip(base: Any) -> Any:
    """gpiozero's lgpio pin, but claimed at its first level.

    gpiozero 2.0.1 claims an output low and then sets it, so an active-low horn would sound at each start.
    """
    lgpio = import_module("lgpio")  # an extra: there may be nothing to check types against

    class SteadyPin(base):  # type: ignore[misc]
        def output_with_state(self, state: bool) -> None:
            lgpio.gpio_claim_output(self.factory._handle, self._number, int(state))

    return SteadyPin


def _plain(error: Exception) -> str:
    """An error as one short line."""
    text = " ".join(str(error).strip("'\"").split()) or type(error).__name__
    return text[:200]


def _quietly(step: Callable[[], object]) -> None:
    """Do one step of closing; what fails here must not keep the next from being done."""
    try:
        step()
    except Exception:  # the caller is leaving, and the pin is an input again when the process ends
        return
