"""``dialtone panel-test``: walks a technician through each lamp, each voice of the horn and each button."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agent.panel import Levels, Voice
    from hw.panel import PinPanel

SHOW_S = 3.0
PRESS_S = 20.0
LOOK_S = 0.02


def add(verbs: argparse._SubParsersAction[Any]) -> None:
    """Add ``panel-test`` to the command line."""
    verb = verbs.add_parser(
        "panel-test",
        help="walk through each lamp, horn voice and button of the panel",
        description="Walk through each lamp, horn voice and button. The agent must not run: the pins are its own. "
        "After each question answer y or n; without a terminal the answers are read as lines. --unattended asks "
        "nothing and judges only what the pins read back.",
        epilog="Exit status: 0 all well, 1 something is not or could not be tried, 2 wrong usage or board.",
    )
    verb.add_argument("site", nargs="?", type=Path, metavar="SITE", help="take board and pins from this site file")
    verb.add_argument("--board", help="the board's name, without a site file")
    verb.add_argument("--pins", choices=("lgpio", "mock"), help="default: the site file's, or lgpio")
    verb.add_argument("--unattended", action="store_true", help="ask nothing, wait for no button")
    verb.add_argument("--press", type=float, default=PRESS_S, metavar="S", help="how long to wait for each button")
    verb.add_argument("--json", action="store_true", help="print one JSON object a step")
    verb.set_defaults(run=run)


class Walk:
    """One walk over one panel. ``ask``: a question to a person, the answer; None where nobody is there to answer."""

    def __init__(self, panel: PinPanel, ask: Callable[[str], bool] | None, press_s: float, show_s: float) -> None:
        self._panel, self._ask, self._press_s, self._show_s = panel, ask, press_s, show_s

    def steps(self) -> Iterator[tuple[str, bool, str]]:
        """Each step as it is done: its name, whether it is well, and what was wrong."""
        from agent.panel import LAMPS

        buttons = self._panel.listen()
        for lamp in LAMPS:
            yield f"lamp {lamp}", *self._lit(lamp)
        if "head-lamp" in self._panel.pin_values():
            yield "lamp on the remote head", *self._lit(None)
        voices: tuple[Voice, ...] = ("alarm", "ringback", "trouble")
        for voice in voices:
            yield f"horn {voice}", *self._sounds(voice)
        yield "all dark and silent", *self._shown(self._levels(), "Is every lamp dark and the horn silent?")
        faults = self._panel.input_faults()
        for name in buttons:
            fault = next((one for one in faults if one.startswith(f"{name}:")), None)
            yield f"button {name}", *((False, fault) if fault else self._pressed(name))

    def _levels(
        self, lamp: str | None = None, voice: Voice = "none", sound: bool = False, head: bool = False
    ) -> Levels:
        from agent.panel import LAMPS, Levels

        return Levels({one: one == lamp for one in LAMPS}, voice, sound, head)

    def _lit(self, lamp: str | None) -> tuple[bool, str]:
        which = f"Is {lamp} lit, and no other lamp?" if lamp else "Is the remote head's lamp lit?"
        return self._shown(self._levels(lamp, head=lamp is None), which)

    def _shown(self, levels: Levels, question: str) -> tuple[bool, str]:
        from hw.panel import PanelFault

        try:
            self._panel.apply(levels)
        except PanelFault as fault:
            return False, str(fault)
        wanted: dict[str, bool] = {"horn": levels.sound, "head-horn": levels.sound, "head-lamp": levels.head}
        wanted |= dict(levels.lit.items())
        wrong = [n for n, value in self._panel.pin_values().items() if n in wanted and value != wanted[n]]
        if wrong:
            return False, f"{', '.join(wrong)}: reads other than it was set"
        return self._answer(question)

    def _sounds(self, voice: Voice) -> tuple[bool, str]:
        from agent.panel import DARK, MS, Horn, PanelView, levels
        from hw.panel import PanelFault

        view, began = PanelView(DARK.lamps, Horn(voice, 0)), time.monotonic()
        try:
            while (into_s := time.monotonic() - began) < self._show_s:
                self._panel.apply(levels(view, int(into_s * 1000) * MS))
                time.sleep(LOOK_S)
            self._panel.apply(levels(DARK, 0))
        except PanelFault as fault:
            return False, str(fault)
        return self._answer(f"Did the horn sound {voice}?")

    def _answer(self, question: str) -> tuple[bool, str]:
        if self._ask is None or self._ask(question):
            return True, ""
        return False, "not seen or heard, says who was asked"

    def _pressed(self, name: str) -> tuple[bool, str]:
        """Pressed and let go again; the head's loop is only looked at."""
        from agent.buttons import LOOP

        if name == LOOP:
            whole = self._panel.closed().get(name, False)
            return whole, "" if whole else "open: the head's cable is cut or unplugged"
        if self._ask is None:
            open_ = not self._panel.closed().get(name, True)
            return open_, "" if open_ else "closed, and nobody was asked to press it"
        print(f"Press {name}, and let it go.", file=sys.stderr, flush=True)
        for closed, wrong in ((True, "was not pressed"), (False, "was not let go: it is stuck")):
            end = time.monotonic() + self._press_s
            while self._panel.closed().get(name) is not closed:
                if time.monotonic() > end:
                    return False, f"{wrong} within {self._press_s:g} s"
                time.sleep(LOOK_S)
        return True, ""


def asked(question: str) -> bool:
    """A person's answer; nobody there is a no."""
    print(f"{question} [y/n] ", end="", file=sys.stderr, flush=True)
    line = sys.stdin.readline()
    if not sys.stdin.isatty():
        print(line.strip(), file=sys.stderr)
    return line.strip().lower() in ("y", "yes")


def run(args: argparse.Namespace) -> int:
    """0 all well, 1 something is not, 2 wrong usage or board."""
    from agent.site.load import SiteFileInvalid, load
    from hw.board import BoardInvalid, load_board
    from hw.panel import PanelFault, PinPanel

    if (args.site is None) == (args.board is None):
        print("dialtone panel-test: name a site file, or a --board", file=sys.stderr)
        return 2
    try:
        config = load(args.site).panel if args.site is not None else None
        board = load_board(config.board if config is not None else args.board)
    except SiteFileInvalid as invalid:
        print(f"dialtone: {args.site} is not a valid site file ({len(invalid.errors)} errors)", file=sys.stderr)
        return 2
    except BoardInvalid as invalid:
        print(f"dialtone: {invalid}", file=sys.stderr)
        return 2
    try:
        panel = PinPanel(board, args.pins or (config.pins if config is not None else "lgpio"))
    except PanelFault as fault:
        print(f"dialtone: {fault}. Does the agent run? systemctl stop dialtone", file=sys.stderr)
        return 1
    try:
        return told(Walk(panel, None if args.unattended else asked, args.press, SHOW_S), as_json=args.json)
    finally:
        panel.close()


def told(walk: Walk, *, as_json: bool) -> int:
    """Print each step as it is done; the exit status."""
    well = 0
    count = 0
    for name, good, wrong in walk.steps():
        count, well = count + 1, well + good
        if as_json:
            print(json.dumps({"step": name, "ok": good, "wrong": wrong}), flush=True)
        else:
            print(f"{'ok    ' if good else 'WRONG '} {name}{f': {wrong}' if wrong else ''}", flush=True)
    if not as_json:
        print(f"{well} of {count} are well")
    return 0 if well == count else 1
