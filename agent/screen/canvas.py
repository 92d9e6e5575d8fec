"""A grid of characters with a style each, and its way to a Linux console: plain ANSI, sixteen colours."""

from __future__ import annotations

from collections.abc import Sequence

from agent.screen.letters import BLOCKS

# fmt: off
STYLES: dict[str, str] = {
    "plain":   "0;37;40",
    "faint":   "0;90;40",
    "well":    "0;92;40",
    "alarm":   "0;97;41",
    "trouble": "0;30;43",
    "mute":    "0;30;47",
    "green":   "0;30;102",
    "red":     "0;97;41",
    "amber":   "0;30;103",
}
"""By name, Select Graphic Rendition parameters as console_codes(4) has them."""
# fmt: on


class Canvas:
    """``rows`` times ``columns`` cells; what is put outside is cut off."""

    def __init__(self, columns: int, rows: int) -> None:
        self.columns, self.rows = columns, rows
        self._chars = [[" "] * columns for _ in range(rows)]
        self._styles = [["plain"] * columns for _ in range(rows)]

    def fill(self, row: int, column: int, height: int, width: int, style: str) -> None:
        """A rectangle of one style, emptied."""
        for y in range(max(0, row), min(self.rows, row + height)):
            for x in range(max(0, column), min(self.columns, column + width)):
                self._chars[y][x], self._styles[y][x] = " ", style

    def put(self, row: int, column: int, text: str, style: str) -> None:
        """One line of text. A character that no console font is sure to have becomes ``?``."""
        if not 0 <= row < self.rows:
            return
        for x, ch in enumerate(text, column):
            if 0 <= x < self.columns:
                self._chars[row][x] = ch if " " <= ch <= "~" or ch in BLOCKS else "?"
                self._styles[row][x] = style

    def text(self) -> str:
        """The characters alone, a line a row."""
        return "\n".join("".join(row).rstrip() for row in self._chars)

    def runs(self, row: int) -> list[tuple[int, str, str]]:
        """A row as stretches of one style: where each begins, its style, its text."""
        out: list[tuple[int, str, str]] = []
        for x, (ch, style) in enumerate(zip(self._chars[row], self._styles[row], strict=True)):
            if out and out[-1][1] == style:
                at, _, text = out[-1]
                out[-1] = (at, style, text + ch)
            else:
                out.append((x, style, ch))
        return out

    def lines(self) -> list[str]:
        """Each row with its colours, as a terminal takes it."""
        return [
            "".join(f"\x1b[{STYLES[style]}m{text}" for _, style, text in self.runs(row)) for row in range(self.rows)
        ]


def changed(before: Sequence[str] | None, now: Sequence[str]) -> str:
    """What a terminal that shows ``before`` must be sent to show ``now``: only rows that differ; "" where none does."""
    anew = before is None or len(before) != len(now)
    out = ["\x1b[2J"] if anew else []
    for row, line in enumerate(now):
        if anew or before is None or before[row] != line:
            out.append(f"\x1b[{row + 1};1H{line}\x1b[0m")
    return "".join(out)
