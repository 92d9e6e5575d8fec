"""A face on a canvas of any size: the action as large as it goes, then why, the lamps, and what stands. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from agent.draw import COLOURS
from agent.screen.canvas import Canvas
from agent.screen.face import HEADS, Face, Lamp
from agent.screen.letters import drawn, height_of, width_of, wrapped

SCALE_MAX = 6
MARGIN = 2
BIG_LAMPS = (184, 48)
"""From this size on the lamps have big letters too: four a row."""
SMALL = (40, 12)
"""Below this there are no lamps' boxes, only the names of those lit."""


@dataclass(frozen=True, slots=True)
class Block:
    """Lines of one size, 0 for plain text."""

    lines: tuple[str, ...]
    scale: int

    @property
    def height(self) -> int:
        return len(self.lines) * (height_of(self.scale) if self.scale else 1)


def draw(face: Face, columns: int, rows: int) -> Canvas:
    """The whole picture."""
    canvas = Canvas(max(1, columns), max(1, rows))
    canvas.fill(0, 0, 1, canvas.columns, face.level)
    canvas.put(0, min(MARGIN, canvas.columns // 20), face.head, face.level)
    lamps = _lamps_height(canvas)
    room = canvas.rows - 1 - lamps
    above = 1 if room >= 8 else 0
    blocks = fit(face.do, face.why, HEADS[face.level], max(1, canvas.columns - 2 * MARGIN), max(1, room - above))
    row = 1 + above
    if face.level != "well":
        canvas.fill(1, 0, above, canvas.columns, face.level)
    for index, block in enumerate(blocks):
        row = _block(canvas, row, block, "plain" if index and block is blocks[-1] else face.level)
    row += blocks[-1].scale == 0
    _details(canvas, row + 1, 1 + room, face)
    _lamps(canvas, canvas.rows - lamps, face.lamps)
    return canvas


def fit(do: str, why: str, word: str, width: int, height: int) -> list[Block]:
    """The largest letters with which both fit, the action's never smaller; then the action alone large; then one word
    large over plain text; at last all plain, cut off where the screen ends."""
    pairs = [(scale, less) for scale in range(SCALE_MAX, 0, -1) for less in range(scale, 0, -1)] + [(2, 0), (1, 0)]
    tries = [[(do, scale), (why, less)] for scale, less in pairs]
    tries += [[(word, scale), (do, 0), (why, 0)] for scale in (3, 2, 1)]
    for parts in tries:
        blocks = _blocks(parts, width)
        if blocks is not None and sum(block.height for block in blocks) <= height:
            return blocks
    lines, more = wrapped(do, 0, width) or [], wrapped(why, 0, width) or []
    return [Block(tuple(lines[:height]), 0), Block(tuple(more[: max(0, height - len(lines))]), 0)]


def _blocks(parts: list[tuple[str, int]], width: int) -> list[Block] | None:
    lines = [wrapped(text, scale, width) for text, scale in parts]
    if None in lines:
        return None
    return [Block(tuple(line or ()), scale) for line, (_, scale) in zip(lines, parts, strict=True)]


def _block(canvas: Canvas, row: int, block: Block, style: str) -> int:
    """Put it there; gives the row after it. A coloured ground goes across the whole screen."""
    if style not in ("plain", "well") and block.height:
        canvas.fill(row, 0, block.height, canvas.columns, style)
    at = MARGIN if canvas.columns > 4 * MARGIN else 0
    for line in block.lines:
        if not block.scale:
            canvas.put(row, at, line, style)
            row += 1
            continue
        for index, cells in enumerate(drawn(line, block.scale)):
            canvas.put(row + index, at, cells, style)
        row += height_of(block.scale)
    return row


def _details(canvas: Canvas, row: int, end: int, face: Face) -> None:
    """What stands, in plain text for whoever comes near, as far as there is room; what is left out is counted."""
    told = [*face.alarms, *face.notes]
    room = max(0, end - row)
    if len(told) > room > 0:
        told = [*told[: room - 1], f"and {len(told) - room + 1} more: dialtone status"]
    for index, line in enumerate(told[:room]):
        canvas.put(row + index, MARGIN, line, "faint" if line in face.notes else "plain")


def _lamps_height(canvas: Canvas) -> int:
    if canvas.columns < SMALL[0] or canvas.rows < SMALL[1]:
        return 1 if canvas.rows > 2 else 0
    return 2 * 7 if _big(canvas) else 3 if canvas.columns >= 80 else 6


def _big(canvas: Canvas) -> bool:
    return canvas.columns >= BIG_LAMPS[0] and canvas.rows >= BIG_LAMPS[1]


def _lamps(canvas: Canvas, row: int, lamps: tuple[Lamp, ...]) -> None:
    height = _lamps_height(canvas)
    if height <= 1:
        lit = [f"{lamp.name} {lamp.word}" for lamp in lamps if lamp.lit]
        canvas.put(row if height else canvas.rows, 0, ", ".join(lit) or "no lamp is lit", "plain")
        return
    each = 7 if _big(canvas) else 3
    across = 4 if height > each else 8
    width = canvas.columns // across
    for index, lamp in enumerate(lamps):
        top, left = row + index // across * each, index % across * width
        _lamp(canvas, top, left, each, width, lamp)


def _lamp(canvas: Canvas, top: int, left: int, height: int, width: int, lamp: Lamp) -> None:
    """A coloured box with the name, the word and since when: never the colour alone."""
    style = {"green": "green", "red": "red", "amber": "amber"}[COLOURS[lamp.name]] if lamp.lit else "faint"  # type: ignore[index]
    canvas.fill(top, left, height - 1, width - 1, style)
    name = lamp.name.upper()
    below = " ".join(part for part in (lamp.word, f"since {lamp.since}" if lamp.since else "") if part)
    if height >= 7 and width_of(name, 1) <= width - 3:
        for index, cells in enumerate(drawn(name, 1)):
            canvas.put(top + 1 + index, left + 1, cells, style)
        canvas.put(top + 5, left + 1, below[: width - 2], style)
        return
    canvas.put(top, left + 1, name[: width - 2], style)
    if len(below) > width - 2:
        below = f"{lamp.word} {lamp.since}" if len(lamp.word) + len(lamp.since) + 1 <= width - 2 else lamp.word
    canvas.put(top + 1, left + 1, below[: width - 2], style)
