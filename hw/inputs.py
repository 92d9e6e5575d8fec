"""Buttons and contacts of the board, through gpiozero. Levels go out; what they mean is decided elsewhere.

They are looked at, not waited for: lgpio hears edges in a thread that wakes over a thousand times a second, which cost
a fifth of the emulated Pi's core, for fingers that are never faster than twenty looks a second.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hw.board import Button


class PinInputs:
    """Those inputs of ``wanted`` that could be had; ``faults`` says in words which could not.

    An input that fails must not cost the lamps: nothing raises.
    """

    def __init__(self, factory: Any, wanted: Mapping[str, Button]) -> None:
        from gpiozero import InputDevice

        self._devices: dict[str, Any] = {}
        self.faults: list[str] = []
        for name, button in wanted.items():
            try:
                self._devices[name] = InputDevice(button.pin, pull_up=button.pull == "up", pin_factory=factory)
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
                device.close()
            except Exception:  # noqa: S112  the caller is leaving, and the next one must be closed too
                continue
