"""Sounds trouble when the agent has failed for good: ``python -m hw.failsafe SITE``, a process and a unit of its own.

systemd starts it when the agent's unit has failed (not at a restart, nor at a planned stop) and stops it as the
agent starts again. It imports next to nothing, so that what broke the agent does not break it: no gpiozero, no
checks of the whole site file, of which it needs two words. It drives the horn, lights ``probe``, and keeps ``ok``
dark and the heartbeat still.
"""

from __future__ import annotations

import os
import signal
import sys
import time

# agent.panel's voice `trouble` (a test holds them together): ms sounding, ms silent; for 3 s in each 30 s.
SOUND_MS, REST_MS = 100, 1400
TURN_MS, PERIOD_MS = 3000, 30_000
RETRY_S = 1.0
BOARD, PINS = "dialtone-8", "mock"
PI_5 = 0x17
REVISION = "/proc/device-tree/system/linux,revision"


class Unusable(Exception):
    """What is needed can't be had; the text is for the log."""


def panel_of(text: str) -> tuple[str, str]:
    """The board's and the pin library's name in a site file, also in one that is broken elsewhere."""
    board, pins, inside = BOARD, PINS, False
    for line in text.splitlines():
        line = line.strip()
        if line.startswith("["):
            inside = line.split("#")[0].strip() == "[panel]"
        elif inside and "=" in line:
            key, _, value = line.partition("=")
            value = value.split("#")[0].strip().strip("\"'")
            board = value if key.strip() == "board" else board
            pins = value if key.strip() == "pins" else pins
    return board, pins


def outputs_of(text: str) -> dict[str, tuple[int, bool, int]]:
    """Each output of a board file: its pin, whether it is active low, and the tone of a passive buzzer (0: none).

    These files are our own and simple, and the standard library's TOML costs 3 MB; a test reads all of them both ways.
    """
    tables: dict[str, dict[str, str]] = {}
    section = ""
    for line in text.splitlines():
        line = line.split("#")[0].strip()
        if line.startswith("["):
            section = line.strip("[]")
        elif "=" in line:
            key, _, value = (part.strip() for part in line.partition("="))
            pairs = value.strip("{} ").split(",") if value.startswith("{") else [line]
            name = f"{section}.{key}" if value.startswith("{") else section
            for pair in pairs:
                inner, _, what = pair.partition("=")
                tables.setdefault(name, {})[inner.strip()] = what.strip(' "')
    found = {}
    for at, table in tables.items():
        lamp = at.startswith("lamps.")
        if lamp or at in ("horn", "heartbeat", "head.horn", "head.lamp"):
            tone_hz = int(table.get("tone_hz", "2700")) if table.get("buzzer") == "passive" else 0
            name = at.removeprefix("lamps.") if lamp else at.replace(".", "-")
            found[name] = (int(table["pin"]), table.get("active_low") == "true", tone_hz)
    return found


def sounds(ms: int) -> tuple[bool, int]:
    """Whether the horn sounds ``ms`` after the start, and in how many ms that changes."""
    into = ms % PERIOD_MS
    if into >= TURN_MS:
        return False, PERIOD_MS - into
    beat = into % (SOUND_MS + REST_MS)
    until = SOUND_MS - beat if beat < SOUND_MS else SOUND_MS + REST_MS - beat
    return beat < SOUND_MS, min(until, TURN_MS - into)


def chip_number() -> int:
    """The header's chip: 4 on a Pi 5 with its first kernels, else 0."""
    try:
        with open(REVISION, "rb") as file:  # noqa: PTH123  pathlib costs more than this process
            revision = int.from_bytes(file.read(4), "big")
    except OSError:
        return 0
    return 4 if revision >> 4 & 0xFF == PI_5 and os.path.exists("/dev/gpiochip4") else 0  # noqa: PTH110


class Pins:
    """The board's outputs by lgpio itself. Raises ``Unusable``."""

    def __init__(self, outputs: dict[str, tuple[int, bool, int]]) -> None:
        os.environ.setdefault("LG_WD", os.environ.get("RUNTIME_DIRECTORY", "/tmp").split(":")[0])  # noqa: S108
        try:
            import lgpio
        except Exception as error:
            raise Unusable(f"lgpio can't be had: {error}") from error
        self._lgpio = lgpio
        self._outputs: dict[str, tuple[int, bool, int]] = {}
        try:
            self._chip = lgpio.gpiochip_open(chip_number())
        except Exception as error:  # lgpio.error is a bare Exception
            raise Unusable(f"the GPIO chip can't be opened: {error}") from error
        self.faults = []
        for name, (pin, active_low, _) in outputs.items():
            try:
                lgpio.gpio_claim_output(self._chip, pin, int(active_low))
            except Exception as error:
                self.faults.append(f"{name}: GPIO {pin} can't be had: {error}")
            else:
                self._outputs[name] = outputs[name]
        if "horn" not in self._outputs and "head-horn" not in self._outputs:
            self.close()
            raise Unusable("; ".join(self.faults) or "the board has no horn")

    def set(self, name: str, on: bool) -> None:
        """On or off; a dead pin must not silence the others."""
        if name not in self._outputs:
            return
        pin, active_low, tone_hz = self._outputs[name]
        try:
            if tone_hz:
                self._lgpio.tx_pwm(self._chip, pin, tone_hz, 50 if on else 0)
            else:
                self._lgpio.gpio_write(self._chip, pin, int(on is not active_low))
        except Exception as error:
            print(f"failsafe: {name} can't be set: {error}", file=sys.stderr)

    def close(self) -> None:
        """Everything off, then let go."""
        for name in self._outputs:
            self.set(name, False)
        self._lgpio.gpiochip_close(self._chip)


def read(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as file:  # noqa: PTH123
        return file.read()


def pins_of(site_file: str) -> Pins | None:
    """The panel's pins; None where the site says that there are none. Raises ``Unusable``."""
    try:
        text = read(site_file)
    except OSError as error:
        raise Unusable(f"{site_file} can't be read: {error}") from error
    board, library = panel_of(text)
    if library == "mock":
        return None
    if os.sep in board or board.startswith("."):
        raise Unusable(f"no such board: {board!r}")
    try:
        where = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120
        return Pins(outputs_of(read(f"{where}/boards/{board}.toml")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise Unusable(f"board {board!r} can't be read: {error}") from error


def sound(pins: Pins, ended: list[int]) -> None:
    """Until told to stop."""
    start_ns = time.monotonic_ns()
    for fault in pins.faults:
        print(f"failsafe: {fault}", file=sys.stderr)
    pins.set("probe", True)
    pins.set("head-lamp", True)
    while not ended:
        on, wait_ms = sounds((time.monotonic_ns() - start_ns) // 1_000_000)
        pins.set("horn", on)
        pins.set("head-horn", on)
        time.sleep(wait_ms / 1000)


def main(arguments: list[str]) -> int:
    """0 stopped when asked; 2 wrong usage. What can't be had is tried again: it may be held by a process that dies."""
    if len(arguments) != 1:
        print("usage: python -m hw.failsafe SITE", file=sys.stderr)
        return 2
    ended: list[int] = []

    def end(number: int, _frame: object) -> None:
        ended.append(number)
        raise InterruptedError  # or sleep() would go on for the rest of its time

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    print("failsafe: the agent has failed for good; nobody watches this site", file=sys.stderr, flush=True)
    pins: Pins | None = None
    said = ""
    try:
        while not ended:
            try:
                pins = pins_of(arguments[0])
            except Unusable as why:
                if str(why) != said:
                    said = str(why)
                    print(f"failsafe: {said}; trying again each {RETRY_S:g} s", file=sys.stderr, flush=True)
                time.sleep(RETRY_S)
                continue
            if pins is not None:
                sound(pins, ended)
            else:
                print('failsafe: pins = "mock": there is no horn to sound', file=sys.stderr, flush=True)
                signal.pause()
    except InterruptedError:
        pass
    finally:
        if pins is not None:
            pins.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
