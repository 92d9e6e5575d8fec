"""What the drawings' parts are worth, computed: one place for a value and for the reason it has."""

from __future__ import annotations

SUPPLY_V, PI_V = 5.0, 3.3
DRIVER_V = 0.8
"""What a ULN2803A keeps for itself at some 10 mA."""
DRIVER_IN_OHM, DRIVER_IN_V = 2700, 1.35
LED_MA = 10.0
LED_V: dict[str, float] = {"red": 2.0, "amber": 2.1, "green": 3.0}
PI_PIN_MA, PI_ALL_MA = 16.0, 50.0
"""What a pin and all pins together may give on a BCM283x; the later chips are no weaker."""
RELAY_HOLD_S, WINK_EVERY_S = 3.0, 2.0
HOLD_UF, HOLD_K = 0.7, 1_000_000
"""74HC4538: a pulse of 0.7 R C; R = 1 MOhm."""
LINE_MIN_V, LINE_MAX_V, OPTO_V, OPTO_MA = 5.0, 15.0, 1.4, 0.5
"""TIA-232 gives at least 5 V into its load and at most 15 V; a 6N139's diode takes 1.4 V and works from 0.5 mA."""

E12 = (10, 12, 15, 18, 22, 27, 33, 39, 47, 56, 68, 82)


def e12_at_least(ohm: float) -> int:
    """The next E12 value that is not smaller: never more current than computed."""
    scale = 1
    while True:
        for step in E12:
            if step * scale >= ohm - 1e-9:
                return step * scale
        scale *= 10


def e12_at_most(ohm: float) -> int:
    """The next E12 value that is not larger: never less current than computed."""
    scale, best = 1, 10
    while scale * 10 <= ohm:
        best = max([step * scale for step in E12 if step * scale <= ohm + 1e-9] + [best])
        scale *= 10
    return best


def lamp_ohm(colour: str, supply_v: float = SUPPLY_V) -> int:
    """In series with a lamp: (supply - LED - driver) / current."""
    return e12_at_least((supply_v - LED_V[colour] - DRIVER_V) / (LED_MA / 1000))


def lamp_mw(colour: str, supply_v: float = SUPPLY_V) -> float:
    """What that resistor must bear."""
    return (supply_v - LED_V[colour] - DRIVER_V) ** 2 / lamp_ohm(colour, supply_v) * 1000


def pin_ma() -> float:
    """What one driver's input takes from its pin."""
    return (PI_V - DRIVER_IN_V) / DRIVER_IN_OHM * 1000


def hold_uf() -> float:
    """The capacitor that holds the heartbeat's relay over a missing wink, and no longer than it must."""
    return RELAY_HOLD_S / (HOLD_UF * HOLD_K) * 1e6


def hold_s(capacitor_uf: float) -> float:
    """How long the relay holds after the last change."""
    return HOLD_UF * HOLD_K * capacitor_uf / 1e6


HOLD_CAPACITOR_UF = 4.7


def tap_ohm() -> int:
    """In series with the tap's diode: enough current at the weakest permitted level."""
    return e12_at_most((LINE_MIN_V - OPTO_V) / (OPTO_MA / 1000))


def tap_ma(line_v: float) -> float:
    """What the tap takes from a line at this level."""
    return (line_v - OPTO_V) / tap_ohm() * 1000


def relay_input_v(resistor_ohm: float = 10_000, pi_pull_ohm: float = 50_000) -> float:
    """A relay module's input while the Pi still pulls its pin low."""
    return PI_V * pi_pull_ohm / (pi_pull_ohm + resistor_ohm)
