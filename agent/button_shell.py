"""Hears the panel's buttons and the head's wire, by looking at them twenty times a second. A shell."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol, runtime_checkable

from agent.buttons import ASKS, LOOP, NO_VOICE, STUCK_NS, Buttons, Event, Loop
from agent.clock import NS, Clock
from agent.readings import Input, Plain, Reading, Request, State

LOOK_NS = NS // 20
"""A finger's tap lasts a tenth of a second at least."""


@runtime_checkable
class Inputs(Protocol):
    """What is asked of a panel that has buttons; ``hw.panel.PinPanel`` is the real one."""

    def listen(self) -> list[str]: ...
    def closed(self) -> dict[str, bool]: ...
    def input_faults(self) -> list[str]: ...


class ButtonShell:
    """The buttons of one panel. ``tell``: a sense of the box, what is wrong (None: nothing), and its subject."""

    def __init__(
        self, clock: Clock, post: Callable[[Input], None], tell: Callable[[str, str | None, str], None]
    ) -> None:
        self._clock, self._post, self._tell = clock, post, tell
        self._inputs: Inputs | None = None
        self._buttons = Buttons(())
        self._wire: Loop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._asked = 0
        self._faults: list[str] = []

    def begin(self, inputs: Inputs) -> None:
        """Take the buttons of this panel."""
        names = inputs.listen()
        self._inputs = inputs
        self._buttons = Buttons(name for name in names if name != LOOP)
        self._wire = Loop() if LOOP in names else None
        self._faults = []
        for name in (n for n in names if n != LOOP and n not in NO_VOICE):
            self._tell("button", None, name)  # what an earlier run said of it is over, or will be said again
        self._tell("panel", None, "head")
        if names:
            self._look()

    def end(self) -> None:
        """Hear no more; whoever opened the panel closes it."""
        self._inputs = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        if self._inputs is None:
            return
        now_ns = self._clock.now_ns()
        events: list[Event] = []
        levels = self._inputs.closed()
        for name, closed in levels.items():
            if name != LOOP:
                events += self._buttons.see(name, closed, now_ns)
        events += self._buttons.tick(now_ns)
        self._see_wire(levels.get(LOOP), now_ns)
        self._tell_faults()
        for event in events:
            self._act(event)
        self._come_back(now_ns)

    def _see_wire(self, closed: bool | None, now_ns: int) -> None:
        if self._wire is None or closed is None:
            return
        cut = self._wire.see(closed, now_ns)
        if cut is not None:
            self._tell("panel", "the remote head's cable is cut or unplugged" if cut else None, "head")

    def _tell_faults(self) -> None:
        faults = self._inputs.input_faults() if self._inputs is not None else []
        if faults != self._faults:
            self._faults = faults
            self._tell("panel", "; ".join(faults), "buttons")

    def _act(self, event: Event) -> None:
        where = "head" if event.button.startswith("head-") else "panel"
        asks = ASKS.get((event.button, event.what))
        if asks is not None:
            self._asked += 1
            do, args = asks
            self._post(Request(f"button-{self._asked}", do, args, f"button on the {where}", "button"))
        elif event.button in NO_VOICE:
            active = {"pressed": True, "tapped": False, "released": False}.get(event.what)
            if active is not None:
                detail: dict[str, Plain] = {"meaning": "no-voice", "active": active, "position": NO_VOICE[event.button]}
                state: State = "down" if active else "up"
                self._post(Reading("panel", "button", "contact", event.button, state, event.at_ns, detail))
        elif event.what in ("stuck", "freed"):
            held = f"{event.button} has been held down for {STUCK_NS / NS:g} s, or its contact is never steady"
            self._tell("button", held if event.what == "stuck" else None, event.button)

    def _come_back(self, now_ns: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
        due = [now_ns + LOOK_NS, self._buttons.due_ns(), self._wire.due_ns() if self._wire is not None else None]
        next_ns = min(at_ns for at_ns in due if at_ns is not None)
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(max(0.0, (next_ns - now_ns) / NS), self._look)
