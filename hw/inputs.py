"""Buttons and contacts of the board, through gpiozero. Levels and edges go out; what they mean is decided elsewhere.

An edge comes in the pin library's own thread, and nothing is done there but to hand it on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from hw.board import Button

Edge = Callable[[str, bool], None]


def _teller(edge: Edge, name: str, closed: bool) -> Callable[[], None]:
    """Takes no argument, visibly: gpiozero hands its device to whatever seems to take one."""

    def tell() -> None:
        edge(name, closed)

    return tell


class PinInputs:
    """Those inputs of ``wanted`` that could be had; ``faults`` says in words which could not.

    ``edge(name, closed)`` is called from another thread. An input that fails must not cost the lamps: nothing raises.
    """

    def __init__(self, factory: Any, wanted: Mapping[str, Button], edge: Edge) -> None:
        from gpiozero import DigitalInputDevice

        self._devices: dict[str, Any] = {}
        self.faults: list[str] = []
        for name, button in wanted.items():
            try:
                device = DigitalInputDevice(button.pin, pull_up=button.pull == "up", pin_factory=factory)
                self._devices[name] = device
                device.when_activated = _teller(edge, name, True)
                device.when_deactivated = _teller(edge, name, False)
            except Exception as error:  # lgpio.error is a bare Exception
                self.faults.append(f"{name}: GPIO {button.pin} can't be read: {error}"[:200])

    def closed(self) -> dict[str, bool]:
        """Which inputs are closed now; one that can't be read is left out, and told in ``faults``."""
        found = {}
        for name, device in list(self._devices.items()):
            try:
                found[name] = bool(device.is_active)
            except Exception as error:
                self.faults.append(f"{name}: can't be read any more: {error}"[:200])
                del self._devices[name]
        return found

    def close(self) -> None:
        """Let go of the pins. Never raises."""
        devices, self._devices = self._devices, {}
        for device in devices.values():
            try:
                device.when_activated = device.when_deactivated = None
                device.close()
            except Exception:  # noqa: S112  the caller is leaving, and the next one must be closed too
                continue
