"""The drawings of hw/WIRING.md: ``python -m hw.drawings [DIRECTORY]`` writes them anew, the same text each time.

The pin-out is read from the board file and every value is computed in hw.circuits, so that neither can be out of date.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from html import escape
from pathlib import Path

from hw import circuits as c
from hw.board import load_board

HERE = Path(__file__).parent / "svg"
# The 40-pin header, by physical pin, odd ones on the left: a number is a BCM GPIO.
HEADER: tuple[str | int, ...] = (
    "3V3", "5V", 2, "5V", 3, "GND", 4, 14, "GND", 15, 17, 18, 27, "GND", 22, 23, "3V3", 24, 10, "GND", 9, 25, 11, 8,
    "GND", 7, 0, 1, 5, "GND", 6, 12, 13, "GND", 19, 16, 26, 20, "GND", 21,
)  # fmt: skip
BUSES = {
    2: "I2C",
    3: "I2C",
    14: "UART TXD",
    15: "UART RXD",
    **dict.fromkeys((7, 8, 9, 10, 11), "SPI"),
    0: "ID",
    1: "ID",
}


class Sheet:
    """An SVG that is written line by line."""

    def __init__(self, title: str, width: int, height: int) -> None:
        self._title, self._width, self._height = title, width, height
        self._parts: list[str] = []

    def wire(self, *points: tuple[int, int]) -> None:
        self._parts.append(f'<polyline points="{" ".join(f"{x},{y}" for x, y in points)}" class="w"/>')

    def text(self, x: int, y: int, text: str, anchor: str = "start", kind: str = "t") -> None:
        self._parts.append(f'<text x="{x}" y="{y}" class="{kind}" text-anchor="{anchor}">{escape(text)}</text>')

    def box(self, x: int, y: int, width: int, height: int, *lines: str) -> None:
        self._parts.append(f'<rect x="{x}" y="{y}" width="{width}" height="{height}" class="b"/>')
        top = y + height // 2 - 8 * (len(lines) - 1) + 5
        for number, line in enumerate(lines):
            self.text(x + width // 2, top + 16 * number, line, "middle")

    def resistor(self, x: int, y: int, value: str) -> None:
        """Lying, 60 wide, its left end at (x, y)."""
        self._parts.append(f'<rect x="{x}" y="{y - 8}" width="60" height="16" class="b"/>')
        self.text(x + 30, y - 14, value, "middle")

    def diode(self, x: int, y: int, name: str, turn: int = 0) -> None:
        """26 wide from (x, y), pointing (anode to cathode) right, or turned by degrees about its middle."""
        self._parts.append(f'<g transform="rotate({turn} {x + 13} {y})">')
        self._parts.append(f'<polygon points="{x},{y - 12} {x},{y + 12} {x + 26},{y}" class="b"/>')
        self._parts.append(f'<polyline points="{x + 26},{y - 12} {x + 26},{y + 12}" class="w"/></g>')
        self.text(x + 14, y - 18, name, "middle")

    def ground(self, x: int, y: int) -> None:
        self.wire((x, y), (x, y + 12))
        for number, half in enumerate((14, 9, 4)):
            self.wire((x - half, y + 12 + 5 * number), (x + half, y + 12 + 5 * number))

    def svg(self) -> str:
        style = (
            "text{font-family:sans-serif;font-size:14px;fill:#111}.h{font-size:18px;font-weight:bold}.s{font-size:12px;"
            "fill:#444}.w{fill:none;stroke:#111;stroke-width:2}.b{fill:#fff;stroke:#111;stroke-width:2}"
        )
        size = f'width="{self._width}" height="{self._height}" viewBox="0 0 {self._width} {self._height}"'
        head = f'<svg xmlns="http://www.w3.org/2000/svg" {size}>\n<title>{escape(self._title)}</title>\n'
        back = f'<style>{style}</style>\n<rect width="100%" height="100%" fill="#fff"/>\n'
        top = f'<text x="20" y="30" class="h">{escape(self._title)}</text>\n'
        return head + back + top + "\n".join(self._parts) + "\n</svg>\n"


def pinout(board: str) -> str:
    """The header, seen from above with pin 1 at the top left."""
    loaded = load_board(board)
    names = {output.pin: name for name, output in loaded.outputs().items()}
    names |= {button.pin: f"{name} (contact to ground)" for name, button in loaded.inputs().items()}
    sheet = Sheet(f"Pin-out of board {board}: 40-pin header, pin 1 at the top left", 760, 540)
    for index, what in enumerate(HEADER):
        left, y = index % 2 == 0, 64 + 22 * (index // 2)
        power = what if isinstance(what, str) else ""
        gpio = what if isinstance(what, int) else -1
        used = names.get(gpio, "")
        label = power or f"GPIO {gpio}  {used or '(' + BUSES.get(gpio, 'free') + ')'}"
        x = 350 if left else 382
        sheet.box(x, y - 11, 28, 20, str(index + 1))
        sheet.text(x - 10 if left else x + 38, y + 4, label, "end" if left else "start", "t" if used or power else "s")
    return sheet.svg()


def lamp() -> str:
    """One lamp; the horn is the same without its resistor."""
    sheet = Sheet("A lamp, and the horn: switched to ground by a driver that is off by itself", 760, 330)
    sheet.box(20, 90, 110, 50, "Pi", "GPIO pin")
    sheet.wire((130, 115), (190, 115))
    sheet.box(190, 80, 150, 70, "ULN2803A", "one of 8 channels")
    sheet.text(190, 170, "pin 9 to GND, pin 10 (COM) to +5 V", kind="s")
    sheet.wire((340, 115), (400, 115))
    sheet.resistor(400, 115, f"{c.lamp_ohm('red')} Ω")
    sheet.wire((460, 115), (520, 115))
    sheet.diode(520, 115, "lamp", 180)
    sheet.wire((546, 115), (640, 115))
    sheet.text(646, 120, "+5 V")
    for number, colour in enumerate(c.LED_V):
        sum_ = f"({c.SUPPLY_V:g} − {c.LED_V[colour]:g} − {c.DRIVER_V:g}) V / {c.LED_MA:g} mA"
        sheet.text(20, 220 + 20 * number, f"{colour}: {sum_} → {c.lamp_ohm(colour)} Ω, {c.lamp_mw(colour):.0f} mW")
    whole = 10 * c.pin_ma()
    sheet.text(20, 290, f"From each pin {c.pin_ma():.2f} mA (may give {c.PI_PIN_MA:g}), ten outputs {whole:.1f} mA.")
    sheet.text(20, 312, "A pin that nobody drives floats; the driver's own 10 kΩ to ground keep it off.")
    return sheet.svg()


def relay_module() -> str:
    sheet = Sheet("An active-low relay module: held off until the agent takes the pin", 760, 250)
    sheet.box(20, 110, 110, 50, "Pi", "GPIO pin")
    sheet.wire((130, 135), (420, 135))
    sheet.wire((200, 135), (200, 85))
    sheet.resistor(200, 85, "10 kΩ")
    sheet.wire((260, 85), (300, 85))
    sheet.text(306, 90, "3.3 V")
    sheet.box(420, 100, 200, 70, "relay module", "IN (active low)")
    sheet.text(420, 190, "VCC to 3.3 V, JD-VCC to 5 V, jumper off", kind="s")
    low = c.relay_input_v()
    sheet.text(20, 215, f"While the Pi still pulls low (50 kΩ): 3.3 V × 50 / (50 + 10) = {low:.2f} V, a high.")
    return sheet.svg()


def heartbeat() -> str:
    sheet = Sheet("The ok relay: held by the winks, falls when they stop or the power goes", 860, 300)
    sheet.box(20, 90, 110, 50, "Pi", "heartbeat")
    sheet.wire((130, 115), (190, 115))
    sheet.box(190, 70, 170, 90, "74HC4538 at 3.3 V", "retriggerable,", "A input, B high")
    sheet.text(190, 182, f"R 1 MΩ, C {c.HOLD_CAPACITOR_UF:g} µF; CLR by 100 kΩ and 100 nF at power-on", kind="s")
    sheet.wire((360, 115), (420, 115))
    sheet.box(420, 90, 120, 50, "ULN2803A", "spare channel")
    sheet.wire((540, 115), (600, 115))
    sheet.box(600, 80, 110, 70, "relay 5 V", "coil to +5 V")
    sheet.wire((710, 100), (750, 100))
    sheet.text(756, 104, "NO: well")
    sheet.wire((710, 130), (750, 130))
    sheet.text(756, 134, "NC: trouble")
    held = c.hold_s(c.HOLD_CAPACITOR_UF)
    sheet.text(20, 230, f"Holds 0.7 × 1 MΩ × {c.HOLD_CAPACITOR_UF:g} µF = {held:.1f} s; winks come each 2 s.")
    sheet.text(
        20, 254, "Dead agent, hung agent, an alarm, no power: the trouble contact closes by the relay's own spring."
    )
    return sheet.svg()


def rs232() -> str:
    sheet = Sheet("A craft port on the Pi's own UART: never without a level shifter", 760, 250)
    sheet.box(20, 80, 140, 90, "channel bank", "RS-232, DB-9 or -25")
    sheet.wire((160, 100), (300, 100))
    sheet.text(170, 92, "TXD → R1IN", kind="s")
    sheet.wire((160, 150), (300, 150))
    sheet.text(170, 142, "RXD ← T1OUT", kind="s")
    sheet.box(300, 70, 150, 110, "MAX3232", "at 3.3 V", "5 × 100 nF")
    sheet.wire((450, 100), (590, 100))
    sheet.text(456, 92, "R1OUT → RXD", kind="s")
    sheet.wire((450, 150), (590, 150))
    sheet.text(456, 142, "T1IN ← TXD", kind="s")
    sheet.box(590, 70, 140, 110, "Pi", "GPIO 15 RXD", "GPIO 14 TXD")
    sheet.text(
        20, 215, "±12 V on a Pi's pin destroys it. T1IN and T1OUT are wired for a TL1 session only; else T1IN to 3.3 V."
    )
    return sheet.svg()


def ali_tap() -> str:
    sheet = Sheet("The ALI tap: light goes one way, so nothing here can transmit", 860, 330)
    sheet.text(20, 75, "ALI data wire")
    sheet.text(20, 92, "(DB-25 pin 3 or 2)", kind="s")
    sheet.wire((20, 100), (200, 100))
    sheet.resistor(200, 100, f"{c.tap_ohm() / 1000:g} kΩ")
    sheet.wire((260, 100), (360, 100))
    sheet.box(360, 80, 130, 130, "6N139", "opto-coupler")
    sheet.wire((310, 100), (310, 137))
    sheet.diode(297, 150, "", -90)
    sheet.text(225, 155, "1N4148")
    sheet.wire((310, 163), (310, 200))
    sheet.text(20, 195, "signal ground (pin 7)")
    sheet.wire((20, 200), (360, 200))
    sheet.wire((490, 100), (560, 100))
    sheet.resistor(560, 100, "4.7 kΩ")
    sheet.wire((620, 100), (670, 100))
    sheet.text(676, 105, "3.3 V")
    sheet.wire((525, 100), (525, 150), (670, 150))
    sheet.text(676, 155, "Pi GPIO 15 RXD")
    sheet.wire((490, 195), (560, 195))
    sheet.ground(560, 195)
    sheet.text(590, 200, "TXD: not wired, no pin for it on the plug", kind="s")
    weak, strong = c.tap_ma(c.LINE_MIN_V), c.tap_ma(c.LINE_MAX_V)
    sheet.text(
        20, 260, f"({c.LINE_MIN_V:g} − {c.OPTO_V:g}) V / {c.OPTO_MA:g} mA → {c.tap_ohm() / 1000:g} kΩ: {weak:.2f} mA"
    )
    sheet.text(20, 282, f"at the weakest level, {strong:.1f} mA at the strongest. Unpowered, the box is the same load.")
    sheet.text(
        20, 304, "No copper joins the two sides; the diode is lit by a space, so that the Pi reads the line as it is."
    )
    return sheet.svg()


def head() -> str:
    sheet = Sheet("The remote head: eight wires, one of them a loop that shows a cut", 760, 330)
    sheet.box(20, 60, 190, 240, "box", "board", "dialtone-8-head")
    sheet.box(540, 60, 190, 240, "head", "on the floor")
    rows = ("+5 V", "ground", "horn (driver)", "lamp (driver)", "ack (1 kΩ in series)", "no-voice (1 kΩ in series)",
            "loop out: GPIO 4", "loop back: ground")  # fmt: skip
    for number, row in enumerate(rows):
        y = 90 + 26 * number
        sheet.wire((210, y), (540, y))
        sheet.text(375, y - 5, row, "middle", "s")
    sheet.wire((540, 246), (560, 246), (560, 272), (540, 272))
    sheet.text(20, 320, "Loop closed: whole. Open for 2 s: panel-fault, trouble. A short between wires is not seen.")
    return sheet.svg()


DRAWINGS: dict[str, Callable[[], str]] = {
    "pinout": lambda: pinout("dialtone-8"),
    "pinout-head": lambda: pinout("dialtone-8-head"),
    "lamp": lamp,
    "relay-module": relay_module,
    "heartbeat": heartbeat,
    "rs232": rs232,
    "ali-tap": ali_tap,
    "head": head,
}


def main(directory: Path) -> None:
    """Write every drawing."""
    directory.mkdir(exist_ok=True)
    for name, draw in DRAWINGS.items():
        (directory / f"{name}.svg").write_text(draw(), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
