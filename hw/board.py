"""A board file: which pin is which lamp, and what each output must be while nobody drives it.

Boards are TOML in ``hw/boards``. Every key is typed, unknown keys are refused, and all errors come at once:
a wrong pin can put 3.3 V on somebody's UART, so nothing is driven from a file that has any.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from importlib import resources
from typing import Annotated, Any, Literal

from msgspec import NODEFAULT, Meta, Struct, ValidationError, convert, field
from msgspec.structs import fields

from agent.panel import LAMPS

Bus = Literal["id-eeprom", "i2c", "spi", "uart"]
Text = Annotated[str, Meta(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*\Z")]

# Which bus a pin belongs to when it is switched on (BCM2835 ARM Peripherals, table 6-31, ALT0).
BUS_OF_PIN: dict[int, Bus] = {
    **dict.fromkeys((0, 1), "id-eeprom"),
    **dict.fromkeys((2, 3), "i2c"),
    **dict.fromkeys(range(7, 12), "spi"),
    **dict.fromkeys((14, 15), "uart"),
}
HEADER_PINS = range(28)
# The same table's pulls at reset: GPIO 0-8 high, 9-27 low. They hold from power-on until a pin is taken.
PULLED_UP_AT_RESET = range(9)

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}\Z")
_SIZE_MAX = 64 * 1024
_ECHO_MAX = 40


class BoardInvalid(Exception):
    """The board file cannot be used. ``errors`` are all its mistakes, each with its key."""

    def __init__(self, name: str, errors: list[str]) -> None:
        super().__init__(f"board {name}: " + "; ".join(errors))
        self.errors = errors


class Output(Struct, frozen=True, forbid_unknown_fields=True):
    """A lamp or a relay. ``safe``: on or off at start, at the end, and from power-on until the start.

    ``resistor = "board"`` says that the board itself holds the pin at its safe level, so that the Pi's own
    pull at reset does not matter.
    """

    pin: int
    active_low: bool = False
    safe: bool = False
    resistor: Literal["none", "board"] = "none"


class HornOutput(Output, frozen=True, forbid_unknown_fields=True):
    """The horn. An ``active`` buzzer has its own oscillator and is switched; a ``passive`` one is given ``tone_hz``.

    The three voices are rhythms, so that either kind has them all. The tone is lgpio's software PWM, which its own
    thread times: near enough for an ear, and gone with the process.
    """

    buzzer: Literal["active", "passive"] = "active"
    tone_hz: Annotated[int, Meta(ge=200, le=8000)] = 2700


class Button(Struct, frozen=True, forbid_unknown_fields=True):
    """A button or contact: ``up`` closes to ground, ``down`` closes to 3.3 V."""

    pin: int
    pull: Literal["up", "down"] = "up"


class Lamps(Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """One output for each lamp; none may be missing, or an alarm would have nowhere to show."""

    ok: Output
    calls: Output
    trunks: Output
    firewall: Output
    router: Output
    far_end: Output
    uplink: Output
    probe: Output


class Buttons(Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """The panel's buttons; a board may have fewer."""

    silence: Button | None = None
    ack: Button | None = None
    reset: Button | None = None
    test: Button | None = None
    no_voice: Button | None = None


class Head(Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """The remote head on the dispatch floor. ``loop`` is a wire through the head and back: open, its cable is cut."""

    horn: HornOutput
    lamp: Output
    ack: Button
    no_voice: Button
    loop: Button


class Board(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file. ``uses`` names the buses whose pins this board takes; they must be off on the Pi."""

    lamps: Lamps
    horn: HornOutput
    heartbeat: Output | None = None
    buttons: Buttons = field(default_factory=Buttons)
    head: Head | None = None
    uses: Annotated[tuple[Bus, ...], Meta(max_length=4)] = ()
    about: Text | None = None

    def outputs(self) -> dict[str, Output]:
        """Every output by name: the lamps in their order, ``horn``, then ``heartbeat`` and the head's, if any."""
        found: dict[str, Output] = dict(_present(self.lamps))
        found["horn"] = self.horn
        if self.heartbeat is not None:
            found["heartbeat"] = self.heartbeat
        if self.head is not None:
            found |= {"head-horn": self.head.horn, "head-lamp": self.head.lamp}
        return found

    def inputs(self) -> dict[str, Button]:
        """Every button that the board has, by its name, and the head's two and its loop."""
        found = dict(_present(self.buttons))
        if self.head is not None:
            found |= {"head-ack": self.head.ack, "head-no-voice": self.head.no_voice, "head-loop": self.head.loop}
        return found


def load_board(name: str) -> Board:
    """The board of this name from the package. Raises :class:`BoardInvalid` with all that is wrong."""
    boards = resources.files("hw") / "boards"
    known = sorted(entry.name.removesuffix(".toml") for entry in boards.iterdir() if entry.name.endswith(".toml"))
    if not _NAME.match(name) or name not in known:
        raise BoardInvalid(_echo(name), [f"there is no such board; there is {', '.join(known)}"])
    return parse_board((boards / f"{name}.toml").read_text(encoding="utf-8"), name)


def parse_board(text: str, name: str = "given") -> Board:
    """The board that ``text`` (TOML, at most 64 KiB) describes. Raises :class:`BoardInvalid`."""
    if len(text) > _SIZE_MAX:
        raise BoardInvalid(name, [f"larger than {_SIZE_MAX} bytes"])
    try:
        data = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise BoardInvalid(name, [f"not TOML: {error}"]) from error
    errors = [*_type_errors(Board, data, ""), *_pin_errors(data)]
    if errors:
        raise BoardInvalid(name, errors)
    return convert(data, Board)


def _present(group: Struct) -> Iterator[tuple[str, Any]]:
    """The parts of a group that are there, by the names the file uses."""
    for part in fields(group):
        value = getattr(group, part.name)
        if value is not None:
            yield part.encode_name, value


def _echo(value: object) -> str:
    """What the file says, short enough to quote."""
    text = repr(value)
    return text if len(text) <= _ECHO_MAX else text[: _ECHO_MAX - 1] + "…"


def _type_errors(kind: type[Struct], data: Mapping[str, Any], at: str) -> Iterator[str]:
    """Every wrong, unknown or missing key. msgspec alone stops at the first, so each key is converted apart."""
    known = {part.encode_name: part for part in fields(kind)}
    for key in sorted(data.keys() - known.keys()):
        yield f"{at}{key}: unknown key{_did_you_mean(key, list(known))}"
    for key, part in known.items():
        if key not in data:
            if part.required:
                yield f"{at}{key}: missing"
            continue
        inner = _struct_of(part.type)
        if inner is not None and isinstance(data[key], dict):
            yield from _type_errors(inner, data[key], f"{at}{key}.")
            continue
        try:
            convert(data[key], part.type)
        except ValidationError as error:
            yield f"{at}{key}: {str(error).replace(' - at `$', ' at `')}, not {_echo(data[key])}"


def _struct_of(kind: Any) -> type[Struct] | None:
    """The struct that a field's type holds, itself or as ``Struct | None``."""
    for choice in (kind, *getattr(kind, "__args__", ())):
        if isinstance(choice, type) and issubclass(choice, Struct):
            return choice
    return None


def _did_you_mean(key: str, known: list[str]) -> str:
    from difflib import get_close_matches

    close = get_close_matches(key, known, n=1)
    return f", did you mean {close[0]}?" if close else f"; there is {', '.join(known)}"


def _tables(data: Mapping[str, Any], key: str) -> Iterator[tuple[str, dict[str, Any]]]:
    group = data.get(key)
    if isinstance(group, dict):
        for name, value in group.items():
            if isinstance(value, dict):
                yield f"{key}.{name}", value


def _pin_errors(data: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with the pins, looked up in the raw file so that one mistyped key hides no conflict."""
    outputs = [*_tables(data, "lamps")]
    outputs += [(key, data[key]) for key in ("horn", "heartbeat") if isinstance(data.get(key), dict)]
    head = dict(_tables(data, "head"))
    outputs += [(at, table) for at, table in head.items() if at in ("head.horn", "head.lamp")]
    inputs = [(at, table) for at, table in head.items() if at in ("head.ack", "head.no-voice", "head.loop")]
    uses = data.get("uses")
    taken: dict[int, str] = {}
    for at, table in [*outputs, *_tables(data, "buttons"), *inputs]:
        pin = table.get("pin")
        if type(pin) is not int:
            continue  # told by the types
        if pin not in HEADER_PINS:
            yield f"{at}.pin: GPIO {pin} is not on the 40-pin header (2 to 27)"
            continue
        bus = BUS_OF_PIN.get(pin)
        if bus is not None and not (isinstance(uses, list) and bus in uses):
            yield f'{at}.pin: GPIO {pin} belongs to {bus}; a board that takes it says uses = ["{bus}"]'
        if pin in taken:
            yield f"{at}.pin: GPIO {pin} is already {taken[pin]}"
        taken.setdefault(pin, at)
    for at, table in outputs:
        yield from _safe_errors(at, table)


def _safe_errors(at: str, table: Mapping[str, Any]) -> Iterator[str]:
    """Whether the output is safe without the agent: dark or silent, and so from power-on."""
    safe, active_low, pin = table.get("safe", False), table.get("active_low", False), table.get("pin")
    if type(safe) is not bool or type(active_low) is not bool:
        return  # told by the types
    if table.get("buzzer") == "passive" and active_low:
        yield f"{at}.active_low: a passive buzzer is switched by a high level: between tones it must draw no current"
    if safe and at in ("lamps.ok", "horn", "heartbeat", "head.horn"):
        yield f"{at}.safe: must be false; without the agent nothing is well, and no horn may sound without end"
    if type(pin) is not int or pin not in HEADER_PINS or table.get("resistor") == "board":
        return
    pulled_up = pin in PULLED_UP_AT_RESET
    if (pulled_up is not active_low) is not safe:
        yield (
            f"{at}.pin: a Pi pulls GPIO {pin} {'high' if pulled_up else 'low'} from power-on, which turns this output "
            f'{"off" if safe else "on"}; choose another pin, or say resistor = "board" where the board holds it'
        )


assert tuple(part.encode_name for part in fields(Lamps)) == LAMPS, "the board's lamps are the panel's"
assert all(part.default is NODEFAULT for part in fields(Lamps)), "no lamp may be left out"
