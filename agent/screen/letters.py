"""Big letters for a text console, five by seven dots each, two dots a cell by the half blocks every console font has.

Capitals alone: they use the whole height, so they are read from the farthest. Anything else is folded to its base
letter (``é`` to ``E``) and what has none is a ``?``.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

HEIGHT = 7
GAP = 1
SPACE = 3
BLOCKS = " ▀▄█"

# Each band: its characters, then seven rows of five dots a character.
_BANDS = """
A     B     C     D     E     F     G     H     I     J     K     L     M
.###. ####. .###. ####. ##### ##### .###. #...# ###.. ..### #...# #.... #...#
#...# #...# #...# #...# #.... #.... #...# #...# .#... ...#. #..#. #.... ##.##
#...# #...# #.... #...# #.... #.... #.... #...# .#... ...#. #.#.. #.... #.#.#
##### ####. #.... #...# ####. ####. #.### ##### .#... ...#. ##... #.... #.#.#
#...# #...# #.... #...# #.... #.... #...# #...# .#... ...#. #.#.. #.... #...#
#...# #...# #...# #...# #.... #.... #...# #...# .#... #..#. #..#. #.... #...#
#...# ####. .###. ####. ##### #.... .#### #...# ###.. .##.. #...# ##### #...#

N     O     P     Q     R     S     T     U     V     W     X     Y     Z
#...# .###. ####. .###. ####. .#### ##### #...# #...# #...# #...# #...# #####
##..# #...# #...# #...# #...# #.... ..#.. #...# #...# #...# #...# #...# ....#
##..# #...# #...# #...# #...# #.... ..#.. #...# #...# #...# .#.#. .#.#. ...#.
#.#.# #...# ####. #...# ####. .###. ..#.. #...# #...# #.#.# ..#.. ..#.. ..#..
#..## #...# #.... #.#.# #.#.. ....# ..#.. #...# #...# #.#.# .#.#. ..#.. .#...
#..## #...# #.... #..#. #..#. ....# ..#.. #...# .#.#. ##.## #...# ..#.. #....
#...# .###. #.... .##.# #...# ####. ..#.. .###. ..#.. #...# #...# ..#.. #####

0     1     2     3     4     5     6     7     8     9     ?     !     &
.###. .#... .###. ##### ...#. ##### ..##. ##### .###. .###. .###. #.... .##..
#...# ##... #...# ...#. ..##. #.... .#... ....# #...# #...# #...# #.... #..#.
#..## .#... ....# ..#.. .#.#. ####. #.... ...#. #...# #...# ....# #.... #.#..
#.#.# .#... ...#. ...#. #..#. ....# ####. ..#.. .###. .#### ...#. #.... .#...
##..# .#... ..#.. ....# ##### ....# #...# .#... #...# ....# ..#.. #.... #.#.#
#...# .#... .#... #...# ...#. #...# #...# .#... #...# ...#. ..... ..... #..#.
.###. ###.. ##### .###. ...#. .###. .###. .#... .###. .##.. ..#.. #.... .##.#

.     ,     :     ;     -     +     /     (     )     '     "     %     =
..... ..... ..... ..... ..... ..... ....# .#... #.... #.... #.#.. ##... .....
..... ..... #.... .#... ..... ..#.. ....# #.... .#... #.... #.#.. ##..# .....
..... ..... #.... .#... ..... ..#.. ...#. #.... .#... ..... ..... ...#. ####.
..... ..... ..... ..... ####. ##### ..#.. #.... .#... ..... ..... ..#.. .....
..... .#... #.... .#... ..... ..#.. .#... #.... .#... ..... ..... .#... ####.
#.... .#... #.... .#... ..... ..#.. #.... #.... .#... ..... ..... #..## .....
#.... #.... ..... #.... ..... ..... #.... .#... #.... ..... ..... ...## .....
"""


def _read(bands: str) -> dict[str, tuple[str, ...]]:
    glyphs = {}
    for band in bands.strip().split("\n\n"):
        head, *rows = band.split("\n")
        columns = list(zip(*(row.split(" ") for row in rows), strict=True))
        for name, dots in zip(head.split(), columns, strict=True):
            width = max(len(row.rstrip(".")) for row in dots)
            glyphs[name] = tuple(row[:width] for row in dots)
    return glyphs


GLYPHS = _read(_BANDS)
_LIKE = {"–": "-", "—": "-", "…": "...", "’": "'", "‘": "'", "“": '"', "”": '"', "·": "."}


def plain(text: object, limit: int = 400) -> str:
    """``text`` in printable ASCII on one line: a console's font has it, and nothing in it moves a cursor."""
    out = []
    for ch in str(text)[:limit]:
        if ch.isspace():
            out.append(" ")
        elif " " <= ch <= "~":
            out.append(ch)
        elif ch in _LIKE:
            out.append(_LIKE[ch])
        else:
            base = unicodedata.normalize("NFKD", ch)[0]
            out.append(base if " " < base <= "~" else "?")
    return " ".join("".join(out).split())


def glyph(ch: str) -> tuple[str, ...]:
    """A character's dots; a ``?`` for one that has none."""
    return GLYPHS.get(ch.upper()) or GLYPHS["?"]


def width_of(text: str, scale: int) -> int:
    """How many cells ``text`` takes at ``scale``."""
    dots = sum((SPACE if ch == " " else len(glyph(ch)[0])) + GAP for ch in text)
    return max(0, dots - GAP) * scale


def height_of(scale: int) -> int:
    """How many rows a line of letters takes at ``scale``, the gap under it included."""
    return (HEIGHT * scale + 1) // 2 + max(1, scale // 2)


@lru_cache(maxsize=64)
def drawn(text: str, scale: int) -> tuple[str, ...]:
    """``text`` as rows of blocks: two dots above each other are one cell."""
    dots = ["" for _ in range(HEIGHT)]
    for ch in text:
        rows = ("." * SPACE,) * HEIGHT if ch == " " else glyph(ch)
        for index, row in enumerate(rows):
            dots[index] += row + "." * GAP
    tall = ["".join(dot * scale for dot in row) for row in dots for _ in range(scale)]
    if len(tall) % 2:
        tall.append("." * len(tall[0]))
    pairs = zip(tall[::2], tall[1::2], strict=True)
    return tuple(
        "".join(BLOCKS[(upper == "#") + 2 * (lower == "#")] for upper, lower in zip(above, below, strict=True)).rstrip()
        for above, below in pairs
    )


def wrapped(text: str, scale: int, width: int) -> list[str] | None:
    """``text`` in lines of at most ``width`` cells at ``scale`` (0: plain text); None where a word does not fit."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and _cells(longer, scale) <= width:
            lines[-1] = longer
        elif _cells(word, scale) <= width:
            lines.append(word)
        elif scale:
            return None
        else:  # plain text may cut a word that is longer than the screen is wide
            lines += [word[at : at + width] for at in range(0, len(word), width)]
    return lines


def _cells(text: str, scale: int) -> int:
    return width_of(text, scale) if scale else len(text)
