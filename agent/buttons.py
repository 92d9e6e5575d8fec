"""The panel's buttons: levels with their times in, what a person meant out. Pure.

A press counts once, when the contact has been closed for ``DEBOUNCE_NS``; how long it is held then changes nothing, so
that a taped button can't silence what comes later. Held for ``STUCK_NS``, or never steady for so long, it is stuck,
and that is told. What is closed at the first look is no press: nobody was seen to press it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from agent.readings import Plain

MS = 1_000_000
DEBOUNCE_NS = 30 * MS
HOLD_NS = 3000 * MS
STUCK_NS = 30_000 * MS
CUT_NS = 2000 * MS

What = Literal["pressed", "tapped", "held", "released", "stuck", "freed"]
Origin = Literal["panel", "head"]

# What a button asks of the core. `test`: tapped it lights the lamps, held for 3 s it runs the whole sequence.
ASKS: dict[tuple[str, What], tuple[str, dict[str, Plain]]] = {
    ("silence", "pressed"): ("silence", {}),
    ("ack", "pressed"): ("ack", {}),
    ("reset", "pressed"): ("reset", {}),
    ("test", "tapped"): ("test", {"seconds": 5}),
    ("test", "held"): ("test", {"whole": True}),
    ("head-ack", "pressed"): ("ack", {}),
}
# A press for a caller who can't be heard, and where its button is. One held down too long is judged with the calls.
NO_VOICE: dict[str, Origin] = {"no-voice": "panel", "head-no-voice": "head"}
LOOP = "head-loop"


@dataclass(frozen=True, slots=True)
class Event:
    """``tapped``: let go before ``HOLD_NS``; ``released``: later. ``freed``: no longer stuck."""

    button: str
    what: What
    at_ns: int


@dataclass(slots=True)
class _Button:
    """``seen``: the last level, since ``since_ns``; ``closed``: the settled one; ``counts``: its press was seen."""

    name: str
    seen: bool | None = None
    since_ns: int = 0
    closed: bool = False
    moving_ns: int | None = None
    pressed_ns: int = 0
    counts: bool = False
    held: bool = False
    stuck: bool = False

    def see(self, closed: bool, at_ns: int) -> list[Event]:
        if self.seen is None:
            self.seen = self.closed = closed
            self.since_ns = self.pressed_ns = at_ns
            return []
        out = self.tick(at_ns)
        if closed != self.seen:
            self.seen, self.since_ns = closed, at_ns
            self.moving_ns = at_ns if self.moving_ns is None else self.moving_ns
        return out

    def tick(self, now_ns: int) -> list[Event]:
        out: list[Event] = []
        settles = self.moving_ns is not None and now_ns - self.since_ns >= DEBOUNCE_NS
        if settles and self.seen != self.closed:
            if self.closed:
                out += self._holds(self.since_ns)
            out += self._let_go() if self.closed else self._press()
        if settles:
            self.moving_ns = None
            if self.stuck and not self.closed:  # it was never steady, and now it is, and open
                self.stuck = False
                out.append(Event(self.name, "freed", self.since_ns))
        if self.closed:
            out += self._holds(now_ns if self.seen else self.since_ns)
        if self.moving_ns is not None and not self.stuck and now_ns - self.moving_ns >= STUCK_NS:
            self.stuck = True
            out.append(Event(self.name, "stuck", self.moving_ns + STUCK_NS))
        return out

    def _press(self) -> list[Event]:
        self.closed = self.counts = True
        self.pressed_ns = self.since_ns
        return [Event(self.name, "pressed", self.since_ns)]

    def _let_go(self) -> list[Event]:
        what: What = "released" if self.held else "tapped"
        out = [Event(self.name, what, self.since_ns)] if self.counts else []
        if self.stuck:
            out.append(Event(self.name, "freed", self.since_ns))
        self.closed = self.counts = self.held = self.stuck = False
        return out

    def _holds(self, until_ns: int) -> list[Event]:
        out = []
        if self.counts and not self.held and until_ns - self.pressed_ns >= HOLD_NS:
            self.held = True
            out.append(Event(self.name, "held", self.pressed_ns + HOLD_NS))
        if not self.stuck and until_ns - self.pressed_ns >= STUCK_NS:
            self.stuck = True
            out.append(Event(self.name, "stuck", self.pressed_ns + STUCK_NS))
        return out

    def due_ns(self) -> int | None:
        times = []
        if self.moving_ns is not None:
            times.append(self.since_ns + DEBOUNCE_NS)
        if self.closed and self.counts and not self.held:
            times.append(self.pressed_ns + HOLD_NS)
        if self.closed and not self.stuck:
            times.append(self.pressed_ns + STUCK_NS)
        return min(times, default=None)


class Buttons:
    """All buttons of a panel, by the board's names for them."""

    def __init__(self, names: Iterable[str]) -> None:
        self._buttons = {name: _Button(name) for name in names}

    def see(self, name: str, closed: bool, at_ns: int) -> list[Event]:
        """A level of this button at ``at_ns``, from an edge or from a look; what had happened until then."""
        return self._buttons[name].see(closed, at_ns)

    def tick(self, now_ns: int) -> list[Event]:
        """What time alone brings; call it at ``due_ns`` after a look at the levels."""
        return [event for button in self._buttons.values() for event in button.tick(now_ns)]

    def due_ns(self) -> int | None:
        """When ``tick`` next has something to say, if no level changes; None for never."""
        return min((due for button in self._buttons.values() if (due := button.due_ns()) is not None), default=None)


@dataclass(slots=True)
class Loop:
    """The wire that goes through the remote head and back: open for ``CUT_NS`` is cut, or the head is unplugged."""

    cut: bool = False
    _closed: bool | None = None
    _since_ns: int = 0

    def see(self, closed: bool, now_ns: int) -> bool | None:
        """The loop's level now. True: it has just been found cut; False: whole again; None: nothing new."""
        if closed != self._closed:
            self._closed, self._since_ns = closed, now_ns
        if closed == self.cut and now_ns - self._since_ns >= CUT_NS:
            self.cut = not closed
            return self.cut
        return None

    def due_ns(self) -> int | None:
        """When to look again; None where nothing is on its way."""
        return self._since_ns + CUT_NS if self._closed is not None and self._closed == self.cut else None
