"""Drives the panel: levels of each moment out to the pins, and what becomes of a panel that fails. A shell."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Protocol

from agent.button_shell import ButtonShell, Inputs
from agent.clock import NS, Clock
from agent.panel import DARK, Levels, PanelView, levels, next_change_ns
from agent.readings import Input
from agent.site import schema

log = logging.getLogger("dialtone")
RETRY_S = 30.0


class PanelOutput(Protocol):
    """What is asked of a panel; ``hw.panel.PinPanel`` is the real one."""

    def apply(self, levels: Levels, /) -> None: ...
    def close(self) -> None: ...


class PanelShell:
    """One panel: lamps, horn and buttons. ``tell``: a sense of the box itself, what is wrong with it (None where
    nothing is), and its subject; ``post``: into the core.

    A panel that fails is an alarm, never a crash: it is opened again every ``RETRY_S``.
    """

    def __init__(
        self,
        config: schema.Panel,
        clock: Clock,
        given: PanelOutput | None,
        tell: Callable[[str, str | None, str], None],
        post: Callable[[Input], None],
    ) -> None:
        self._config, self._clock, self._given = config, clock, given
        self._buttons = ButtonShell(clock, post, tell)

        def tell_panel(sense: str, reason: str | None) -> None:
            tell(sense, reason, sense)

        self._tell = tell_panel
        self._output: PanelOutput | None = given
        self._partial = self._closed = False
        self._view: PanelView = DARK
        self._timer: asyncio.TimerHandle | None = None

    @property
    def driven(self) -> bool:
        """Whether there is a panel that takes its levels."""
        return self._output is not None

    def open(self) -> None:
        """Take the pins."""
        if self._given is not None:
            self._listen(self._given)
            return
        from hw.board import BoardInvalid, load_board
        from hw.panel import PanelFault, PinPanel

        try:
            self._output = PinPanel(load_board(self._config.board), self._config.pins)
        except (PanelFault, BoardInvalid) as fault:
            self._output = None
            self._failed(str(fault))
        else:
            self._tell("panel", None)  # what an earlier run may have said of it is over
            self._listen(self._output)

    def _listen(self, output: PanelOutput) -> None:
        if isinstance(output, Inputs):
            self._buttons.begin(output)

    def close(self) -> None:
        """Let go of the pins."""
        self._closed = True
        self._buttons.end()
        if self._timer is not None:
            self._timer.cancel()
        if self._output is not None:
            self._output.close()

    def show(self, view: PanelView | None = None) -> None:
        """Show this from now on; None: what was shown before."""
        self._view = view if view is not None else self._view
        self._tick()

    def _failed(self, reason: str) -> None:
        log.error("the panel failed: %s", reason)
        self._buttons.end()
        if self._output is not None:
            with contextlib.suppress(Exception):
                self._output.close()
            self._output = None
        loop = asyncio.get_running_loop()
        loop.call_soon(self._tell, "panel", reason)
        loop.call_later(RETRY_S, self._retry)

    def _retry(self) -> None:
        if self._closed:
            return
        self.open()
        if self._output is not None:
            self._tick()

    def _read_back(self, output: PanelOutput, shown: Levels) -> None:
        """In a panel test each output must read as it was set: a shorted or unpowered pin does not."""
        read = getattr(output, "pin_values", None)
        values: dict[str, bool] = read() if read is not None else {}
        wanted: dict[str, bool] = {"horn": shown.sound, "head-lamp": shown.head, "head-horn": shown.sound}
        wanted |= dict(shown.lit.items())
        wrong = [name for name, value in values.items() if value != wanted.get(name, value)]
        if wrong:
            self._partial = True
            reason = f"{', '.join(wrong)}: reads other than it was set"
            asyncio.get_running_loop().call_soon(self._tell, "panel", reason)

    def _tick(self) -> None:
        """Set the levels of this moment, and come back when they next change."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        now_ns, loop = self._clock.now_ns(), asyncio.get_running_loop()
        if self._output is not None:
            try:
                shown = levels(self._view, now_ns)
                self._output.apply(shown)
                if self._view.tested:
                    self._read_back(self._output, shown)
                if self._partial:
                    self._partial = False
                    loop.call_soon(self._tell, "panel", None)
            except Exception as fault:
                if not getattr(fault, "partial", False):
                    self._failed(f"{type(fault).__name__}: {fault}")
                elif not self._partial:  # one pin is dead: the other lamps go on
                    self._partial = True
                    loop.call_soon(self._tell, "panel", str(fault))
        next_ns = next_change_ns(self._view, now_ns)
        if next_ns is not None:
            self._timer = loop.call_later((next_ns - now_ns) / NS, self._tick)
