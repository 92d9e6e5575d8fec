"""The README's picture of the screen: ``python -m agent.screen.picture > agent/screen/screen.svg``.

An answer as the agent gives it in the outage of 18 June 2024 goes through the very code that draws the console; only
the way from cells to rectangles and letters is this module's own. Equal code gives equal text.
"""

from __future__ import annotations

import sys
from datetime import UTC
from html import escape
from typing import Any

import msgspec

from agent.panel import LAMPS
from agent.screen.canvas import STYLES, Canvas
from agent.screen.face import face
from agent.screen.layout import draw
from agent.site.schema import Site
from agent.verdict.judge import judge

COLUMNS, ROWS = 192, 54
CELL = (6, 12)
# The Linux console's own sixteen colours.
COLOURS = {
    30: "#000000", 37: "#aaaaaa", 90: "#555555", 92: "#55ff55", 97: "#ffffff",
    40: "#000000", 41: "#aa0000", 43: "#aa5500", 47: "#aaaaaa", 102: "#55ff55", 103: "#ffff55",
}  # fmt: skip
SENSES = {"il": "u", "if": "u", "ir": "u", "O": "d", "To": "d", "Ti": "d", "A": "g", "V": "d"}
BEGAN = "2024-06-18T17:17:03.100Z"


def status() -> dict[str, Any]:
    """What the agent would answer: its own judge's sentence, and the two alarms that stand with it."""
    site = Site(id="ma-cambridge", noc_phone="555-0100")
    verdict = msgspec.to_builtins(judge(SENSES, site))
    alarm = {"acknowledged_by": None, "lamp": "calls", "raised": BEGAN}
    return {
        "site": "ma-cambridge",
        "name": "Cambridge Emergency Communications",
        "lamps": {**dict.fromkeys(LAMPS, "off"), "calls": "flash", "firewall": "steady"},
        "horn": "alarm",
        "verdict": verdict,
        "alarms": [
            {**alarm, "id": "a", "severity": "critical", "state": "unacknowledged", "text": verdict["sentence"]},
            {
                "id": "b",
                "severity": "major",
                "state": "acknowledged",
                "lamp": "firewall",
                "acknowledged_by": "pat",
                "raised": "2024-06-18T17:15:06.200Z",
                "text": "firewall: sip-options does not answer.",
            },
        ],
    }


def svg(canvas: Canvas) -> str:
    """The cells as SVG: grounds and blocks as rectangles, the rest as text."""
    wide, high = CELL
    out = [
        '<svg xmlns="http://www.w3.org/2000/svg" shape-rendering="crispEdges" '
        f'viewBox="0 0 {canvas.columns * wide} {canvas.rows * high}">',
        '<style>text{font:11px "DejaVu Sans Mono",Menlo,Consolas,monospace;white-space:pre}</style>',
        '<rect width="100%" height="100%"/>',
    ]
    for row in range(canvas.rows):
        for column, style, text in canvas.runs(row):
            ink, ground = (COLOURS[int(part)] for part in STYLES[style].split(";")[1:])
            x, y = column * wide, row * high
            if ground != "#000000":
                out.append(_box(x, y, len(text) * wide, high, ground))
            out += _blocks(text, x, y, ink)
            words = "".join(" " if ch in "▀▄█" else ch for ch in text)
            if words.strip():
                at = x + (len(words) - len(words.lstrip())) * wide
                words = words.strip()
                out.append(
                    f'<text x="{at}" y="{y + high - 3}" fill="{ink}" textLength="{len(words) * wide}">'
                    f"{escape(words)}</text>"
                )
    return "\n".join([*out, "</svg>", ""])


def _blocks(text: str, x: int, y: int, ink: str) -> list[str]:
    wide, high = CELL
    out, at = [], 0
    while at < len(text):
        ch, end = text[at], at
        while end < len(text) and text[end] == ch:
            end += 1
        if ch in "▀▄█":
            tall = high if ch == "█" else high // 2
            out.append(_box(x + at * wide, y + (high // 2 if ch == "▄" else 0), (end - at) * wide, tall, ink))
        at = end
    return out


def _box(x: int, y: int, width: int, height: int, colour: str) -> str:
    return f'<rect x="{x}" y="{y}" width="{width}" height="{height}" fill="{colour}"/>'


def picture() -> str:
    """The whole picture; the same text each time."""
    return svg(draw(face(status(), UTC), COLUMNS, ROWS))


if __name__ == "__main__":
    sys.stdout.write(picture())
