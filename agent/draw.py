"""The panel drawn as text: one plain line for ``dialtone status``, and a front plate for ``dialtone demo``.

rich is the ``demo`` extra, so it is imported inside the functions that need it. Texts that come from equipment
are shown as they are, never read as markup, and with anything unprintable replaced.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from agent.panel import LAMPS, Lamp

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

T = TypeVar("T")
OfLamps: TypeAlias = Mapping[Lamp, T] | Mapping[str, T]

COLUMNS = 80
ROWS = 24
ALARMS_SHOWN = 4
REPORTED_SHOWN = 3
SENTENCE_ROWS = 2

COLOURS: dict[Lamp, str] = {
    "ok": "green",
    "calls": "red",
    "trunks": "red",
    "firewall": "amber",
    "router": "amber",
    "far-end": "amber",
    "uplink": "amber",
    "probe": "amber",
}
# A lens: its upper and lower half when lit, and when dark. The two shades make it look like glass.
LENSES: dict[str, tuple[str, str, str, str]] = {
    "green": ("#7dffa0", "#22d15a", "#123420", "#0c2416"),
    "red": ("#ff8a7a", "#ff3322", "#3a1616", "#2a0f0f"),
    "amber": ("#ffd98a", "#ffab1a", "#33270f", "#241b09"),
}
PLATE = "#3a414b"
ENGRAVED = "#f1f3f6"
FAINT = "#a9b1bc"
WORDS: dict[str, str] = {
    "off": "–",
    "steady": "steady",
    "flash": "flashing",
    "slow-flash": "slow",
    "pulse": "pulse",
    "wink": "steady",
    "first-flash": "FIRST",
    "first-steady": "first",
}
HORN_WORDS: dict[str, str] = {
    "none": "quiet",
    "alarm": "ALARM",
    "ringback": "RINGBACK: over, press reset",
    "trouble": "TROUBLE: the probe itself",
}
STATE_WORDS: dict[str, str] = {
    "unacknowledged": "not acked",
    "returned-unacknowledged": "over, not acked",
    "acknowledged": "acked",
    "returned": "over, to be reset",
    "normal": "cleared",
}
SEVERITY_STYLES: dict[str, str] = {
    "critical": "bold #ffffff on #c81e1e",
    "major": "bold #ff5a4a",
    "minor": "#ffc04a",
}
_LENS_WIDTH = 8
_CELL_WIDTH = _LENS_WIDTH + 1
_ANSI: dict[str, str] = {"green": "\x1b[32m", "red": "\x1b[31m", "amber": "\x1b[33m"}
_ANSI_END = "\x1b[0m"


def clean(text: object, limit: int) -> str:
    """``text`` as one line of at most ``limit`` characters; what cannot be printed becomes ``·``."""
    start = str(text).strip()[: limit + 1]
    line = "".join(" " if ch.isspace() else ch if ch.isprintable() else "·" for ch in start)
    return line if len(line) <= limit else line[: limit - 1] + "…"


def lamp_row_ascii(lamps: OfLamps[str], horn: str, *, colour: bool = False) -> str:
    """The lamps' patterns and the horn's voice as one line, for example ``ok ●  calls ○  trunks ◉ flashing …``.

    ``●`` is on, ``◉`` changes, ``○`` is off and ``?`` a lamp that nothing is known of. ``colour`` adds plain ANSI.
    """
    parts = []
    for lamp in LAMPS:
        pattern = lamps.get(lamp)
        if pattern is None:
            parts.append(f"{lamp} ?")
            continue
        mark = "○" if pattern == "off" else "●" if pattern in ("steady", "wink") else "◉"
        word = f" {WORDS.get(pattern, clean(pattern, 12))}" if mark == "◉" else ""
        if colour and mark != "○":
            mark, word = f"{_ANSI[COLOURS[lamp]]}{mark}", f"{word}{_ANSI_END}"
        parts.append(f"{lamp} {mark}{word}")
    return "  ".join([*parts, f"horn: {HORN_WORDS.get(horn, clean(horn, 20))}"])


def panel_renderable(
    lit: OfLamps[bool],
    patterns: OfLamps[str],
    horn: str,
    sentence: str,
    alarms: Sequence[Mapping[str, Any]],
    reported: Sequence[str],
    hint: str,
    title: str = "DIALTONE",
) -> RenderableType:
    """The front plate and what stands beneath it, at most 80 by 24; needs rich.

    ``lit`` is each lamp at this moment, ``patterns`` what it is doing; ``alarms`` are mappings with an
    ``AlarmState``'s names, the most important first; of ``reported`` the newest (last) are shown.
    """
    from rich.console import Group
    from rich.text import Text

    return Group(
        *_plate(lit, patterns, horn, title),
        Text(),
        *_sentence_rows(sentence),
        Text(),
        *_alarm_rows(alarms),
        Text(),
        *_reported_rows(reported),
        Text(" " + clean(hint, COLUMNS - 2), style=FAINT, no_wrap=True, overflow="ellipsis"),
    )


def panel_svg(
    lit: OfLamps[bool],
    patterns: OfLamps[str],
    horn: str,
    sentence: str,
    alarms: Sequence[Mapping[str, Any]],
    reported: Sequence[str],
    hint: str,
    title: str = "DIALTONE",
) -> str:
    """The same drawing as an SVG image that names no other host; equal arguments give equal text. Needs rich."""
    import io

    from rich.console import Console

    console = Console(
        record=True, width=COLUMNS, file=io.StringIO(), color_system="truecolor", force_terminal=True, _environ={}
    )
    console.print(panel_renderable(lit, patterns, horn, sentence, alarms, reported, hint, title))
    return console.export_svg(title="dialtone demo", code_format=SVG_FORMAT, unique_id="dialtone")


def _sentence_rows(sentence: str) -> list[Text]:
    """The verdict's sentence in a fixed number of rows, so that nothing below jumps; ``…`` where it is cut."""
    from rich.console import Console
    from rich.text import Text

    words = Text(clean(sentence, COLUMNS * SENTENCE_ROWS), style="bold")
    lines = [*words.wrap(Console(width=COLUMNS, _environ={}), COLUMNS - 5)]
    if len(lines) > SENTENCE_ROWS:
        last = lines[SENTENCE_ROWS - 1]
        last.rstrip()
        last.append("…")
    rows = [Text("  ") + line for line in lines[:SENTENCE_ROWS]]
    return rows + [Text()] * (SENTENCE_ROWS - len(rows))


def _plate(lit: OfLamps[bool], patterns: OfLamps[str], horn: str, title: str) -> list[Text]:
    """The metal: title and horn, eight lenses, their engraved names, and what each is doing."""
    from rich.text import Text

    margin = (COLUMNS - _CELL_WIDTH * len(LAMPS)) // 2
    rows = [Text(" " * margin, style=f"on {PLATE}") for _ in range(4)]
    for lamp in LAMPS:
        on, known = lit.get(lamp, False), lamp in patterns
        for half in (0, 1):
            # The glyph has its ground's colour: it is seen only where there are no colours.
            shade = LENSES[COLOURS[lamp]][half if on else 2 + half]
            rows[half].append(("█" if on else " ") * _LENS_WIDTH, style=f"{shade} on {shade}")
            rows[half].append(" ")
        rows[2].append(lamp.upper().center(_LENS_WIDTH) + " ", style=f"bold {ENGRAVED}")
        word = WORDS.get(patterns[lamp], clean(patterns[lamp], _LENS_WIDTH)) if known else "?"
        rows[3].append(word.center(_LENS_WIDTH) + " ", style=FAINT)
    blank = Text(" " * COLUMNS, style=f"on {PLATE}")
    for row in rows:
        row.append(" " * (COLUMNS - row.cell_len))
    return [blank, _plate_head(horn, title, margin), blank, *rows, blank]


def _plate_head(horn: str, title: str, margin: int) -> Text:
    from rich.text import Text

    sounding = horn != "none"
    voice = Text(("◖)))  " if sounding else "◖    ") + HORN_WORDS.get(horn, clean(horn, 20)))
    voice.stylize("bold #ffd23f" if sounding else FAINT)
    head = Text(" " * margin, style=f"on {PLATE}")
    head.append(clean(title, 36), style=f"bold {ENGRAVED}")
    horn_words = Text("HORN ", style=f"bold {ENGRAVED}") + voice
    head.append(" " * max(1, COLUMNS - margin - 1 - head.cell_len - horn_words.cell_len))
    head.append_text(horn_words)
    head.append(" " * max(0, COLUMNS - head.cell_len))
    head.truncate(COLUMNS)
    return head


def _heading(words: str, note: str = "") -> Text:
    from rich.text import Text

    line = Text(f" {words} ", style=f"bold {FAINT}")
    line.append(f"{note} " if note else "")
    line.append("─" * (COLUMNS - 1 - line.cell_len), style="#4a5058")
    return line


def _alarm_rows(alarms: Sequence[Mapping[str, Any]]) -> list[Text]:
    from rich.text import Text

    more = len(alarms) - ALARMS_SHOWN
    rows = [_heading("ALARMS", f"{len(alarms)}, {more} not shown" if more > 0 else str(len(alarms) or ""))]
    for alarm in alarms[:ALARMS_SHOWN]:
        severity = clean(alarm.get("severity", "?"), 8)
        state = STATE_WORDS.get(str(alarm.get("state", "")), clean(alarm.get("state", "?"), 22))
        if alarm.get("silenced") and state != "cleared":
            state = f"{state}, silenced"[:30]
        row = Text(" ", no_wrap=True)
        row.append(f" {severity:<8} ", style=SEVERITY_STYLES.get(severity, ""))
        words = Text(" " + clean(alarm.get("text") or alarm.get("id", "?"), COLUMNS))
        room = COLUMNS - 1 - row.cell_len - len(state)
        words.truncate(room - 2, overflow="ellipsis", pad=True)
        row.append_text(words)
        row.append(f"  {state}", style="#8fb8ff" if state == "acked" else "#ffd9a0")
        rows.append(row)
    if not alarms:
        rows.append(Text("  none", style=FAINT))
    rows += [Text()] * (1 + ALARMS_SHOWN - len(rows))
    return rows


def _reported_rows(reported: Sequence[str]) -> list[Text]:
    from rich.text import Text

    rows = [_heading("REPORTED UPSTREAM", str(len(reported) or ""))]
    for line in reported[-REPORTED_SHOWN:]:
        row = Text("  " + clean(line, COLUMNS), style="#9fd3b0", no_wrap=True)
        row.truncate(COLUMNS - 1, overflow="ellipsis")
        rows.append(row)
    if not reported:
        rows.append(Text("  nothing yet", style=FAINT))
    rows += [Text()] * (1 + REPORTED_SHOWN - len(rows))
    return rows


# rich's own format fetches a font; this one takes what the reader has.
SVG_FORMAT = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{
  font-family: "DejaVu Sans Mono", "SF Mono", Menlo, Consolas, "Liberation Mono", monospace;
  font-size: {char_height}px;
  line-height: {line_height}px;
  font-variant-east-asian: full-width;
}}
.{unique_id}-title {{
  font-size: 18px;
  font-weight: bold;
  font-family: Arial, "DejaVu Sans", sans-serif;
}}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix" xml:space="preserve">
{matrix}
</g>
</g>
</svg>
"""
