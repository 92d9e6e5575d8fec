"""What each lamp means, on one printable page: ``python -m agent.screen.lamps > agent/screen/lamps.svg``.

Made from the very tables that drive the panel: lamps, patterns and rhythms of ``agent/panel.py``, points of
``agent/alarms/points.py``. A test holds that every point has its words here and that the committed page is up to date.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from html import escape

from agent.alarms.points import POINTS
from agent.draw import COLOURS
from agent.panel import CYCLES, HORN_CYCLE, LAMPS, VOICES, Lamp

WIDTH, HEIGHT = 794, 1123  # A4 at 96 dots an inch
LEFT, LINE = 48, 15
INK = {"green": "#1a9a46", "red": "#d62718", "amber": "#e8960c"}
HEADS: dict[Lamp, str] = {
    "ok": "Every sense is heard and all is well.",
    "calls": "Callers may not get through, or can't be heard. Read the sentence and do what it says.",
    "trunks": "A trunk line or group has failed.",
    "firewall": "The firewall.",
    "router": "The router or the network in this building.",
    "far-end": "What lies outside: the call system's far end.",
    "uplink": "Nobody outside sees this box. Ring the NOC when another lamp lights.",
    "probe": "This box itself is in trouble. Tell your technician.",
}
MEANS: dict[str, str] = {
    "call-path": "calls fail, by all that is seen together",
    "data-without-voice": "numbers arrive and nobody talks",
    "no-voice-button": "two callers without voice were reported by button",
    "one-way-audio": "answered calls end without talk",
    "silence": "no call for longer than chance allows",
    "voice-reported": "one caller without voice was reported by button",
    "diverted": "calls go to another centre, on purpose",
    "trunk-group-down": "a whole trunk group",
    "trunk-down": "a trunk",
    "trunk-partial": "some trunks of a group",
    "los": "no signal",
    "lof": "no framing",
    "ais": "the far side has failed (blue alarm)",
    "rai": "the far side does not hear us (yellow alarm)",
    "loopback": "a line is looped",
    "link-quiet": "a data link has fallen silent",
    "data-quality": "callers' data lacks number or place",
    "firewall-fault": "does not answer",
    "router-fault": "does not answer",
    "far-end-fault": "does not answer",
    "lan-fault": "the local network",
    "reflector-fault": "our own test partner",
    "test-path-fault": "a test fails while calls get through",
    "calls-refused": "its log says that it refuses calls",
    "interface-down": "an interface is down",
    "device-restarted": "it has restarted",
    "path-simplex": "one of two ways is lost",
    "certificate-expiry": "a certificate ends soon",
    "ha-degraded": "its partner is missing",
    "line-errors": "errors on a line",
    "power-on-battery": "power has failed: on battery",
    "cpe-alarm": "the call system's own alarm contact",
    "cpe-warning": "a minor alarm of the call system",
    "generator-running": "the generator runs",
    "uplink-lost": "no way to report",
    "uplink-certificate": "the reports' certificate ends soon",
    "nobody-knows": "an alarm that nobody outside has received",
    "sense-failed": "a sense has failed",
    "port-lost": "a serial port has gone",
    "port-lent": "a serial port is lent to a technician",
    "journal-fault": "its journal",
    "clock-unsynced": "its clock is not set",
    "host": "heat, disk, memory or power",
    "link-down": "a network cable is out",
    "panel-fault": "lamps or horn",
    "button-stuck": "a button is stuck",
    "config-rejected": "a site file was refused",
}
PATTERNS = {
    "off": "nothing of this stands",
    "steady": "acknowledged, or over and waiting for reset",
    "flash": "new: not yet acknowledged",
    "slow-flash": "over, waiting for reset (sequence R)",
    "pulse": "on purpose: diverted",
    "wink": "the ok lamp's sign of life; without it the box hangs",
    "first-flash": "new, and the first of its group to fail",
    "first-steady": "the first of its group, acknowledged",
}
HORN = {
    "alarm": "calls or lines: act now",
    "ringback": "it is over: press reset",
    "trouble": "the box itself, or its way out: no hurry for callers",
}
BUTTONS = (
    ("silence", "the horn is quiet for what stands now; a new alarm sounds again"),
    ("ack", "I know: lamps go steady, the horn stops"),
    ("reset", "puts out what is acknowledged and over"),
    ("test", "held 3 s: every lamp and the horn"),
    ("no-voice", "press when a caller can't be heard; a second caller's press is an alarm"),
)


def seconds(cycle_ms: int) -> str:
    return f"{cycle_ms / 1000:g} s"


def points_of(lamp: Lamp) -> str:
    """What lights a lamp, the worst first; a ``!`` marks what sounds as an alarm."""
    rank = {"critical": 0, "major": 1, "minor": 2}
    mine = sorted((p for p in POINTS.values() if p.lamp == lamp), key=lambda p: rank[p.severity])
    return "; ".join(f"{MEANS[p.name]}{' !' if p.horn == 'alarm' else ''}" for p in mine)


def wrapped(text: str, width: int) -> list[str]:
    lines = [""]
    for word in text.split():
        if len(lines[-1]) + len(word) + 1 > width and lines[-1]:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


class Page:
    """An SVG that grows downwards."""

    def __init__(self) -> None:
        self.y = 52
        self.out: list[str] = []

    def text(self, x: int, text: str, size: int = 12, weight: str = "normal", fill: str = "#111") -> None:
        self.out.append(
            f'<text x="{x}" y="{self.y}" font-size="{size}" font-weight="{weight}" fill="{fill}">{escape(text)}</text>'
        )

    def head(self, text: str) -> None:
        self.y += 8
        self.text(LEFT, text, 15, "bold")
        self.out.append(f'<path d="M{LEFT} {self.y + 5}H{WIDTH - LEFT}" stroke="#999"/>')
        self.y += 24

    def row(self, name: str, words: str) -> None:
        self.text(LEFT, name, 12, "bold")
        for line in wrapped(words, 92):
            self.text(LEFT + 110, line)
            self.y += LINE


def _lamps(page: Page) -> None:
    for lamp in LAMPS:
        colour = COLOURS[lamp]
        page.out.append(f'<circle cx="{LEFT + 11}" cy="{page.y + 2}" r="11" fill="{INK[colour]}" stroke="#333"/>')
        page.text(LEFT + 30, lamp, 14, "bold")
        page.text(LEFT + 110, HEADS[lamp], 12, "bold")
        page.y += LINE
        page.text(LEFT + 30, colour, 10, fill="#555")
        for line in wrapped(points_of(lamp), 104):
            page.text(LEFT + 110, line, 11, fill="#333")
            page.y += LINE - 1
        page.y += 8


def _rhythms() -> Iterator[tuple[str, str]]:
    for pattern, words in PATTERNS.items():
        cycle = CYCLES[pattern]  # type: ignore[index]
        rhythm = f"{seconds(cycle.lit_ms)} on, {seconds(cycle.dark_ms)} off: " if cycle.lit_ms and cycle.dark_ms else ""
        yield pattern, rhythm + words


def page() -> str:
    """The page as SVG; the same text each time."""
    made = Page()
    made.text(LEFT, "Dialtone: what each lamp means", 24, "bold")
    made.y += 22
    made.text(LEFT, "Numbers may arrive and voices not. Trust what callers say over any lamp, this panel's too.", 12)
    made.y += 20
    made.head("Lamps (! also sounds the horn as an alarm)")
    _lamps(made)
    made.head("How a lamp is lit")
    for name, words in _rhythms():
        made.row(name, words)
    made.head(f"Horn: {seconds(HORN_CYCLE.lit_ms)} in each {seconds(HORN_CYCLE.lit_ms + HORN_CYCLE.dark_ms)}")
    for voice, words in HORN.items():
        cycle = VOICES[voice]  # type: ignore[index]
        made.row(voice, f"{seconds(cycle.lit_ms)} on, {seconds(cycle.dark_ms)} off: {words}")
    made.head("Buttons")
    for name, words in BUTTONS:
        made.row(name, words)
    made.y += 10
    made.text(LEFT, "No lamp at all, or ok dark with nothing else lit: the box can't vouch for anything.", 12, "bold")
    made.y += 24
    made.text(LEFT, "NOC: ______________________   Technician: ______________________   Site: __________________", 12)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="210mm" height="297mm" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="DejaVu Sans, Arial, sans-serif">\n<rect width="100%" height="100%" fill="#fff"/>'
    )
    if made.y > HEIGHT - 20:
        raise ValueError(f"the page is too long: {made.y} of {HEIGHT}")
    return "\n".join([head, *made.out, "</svg>", ""])


if __name__ == "__main__":
    sys.stdout.write(page())
