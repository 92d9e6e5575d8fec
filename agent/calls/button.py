"""The no-voice button: a dispatcher says that a caller can't be heard. Pure.

One press is reported. A second *caller's* press within ``WINDOW_S`` is critical: at another position, or at the same
one after another call has come, or, where no sense tells of calls, ``APART_S`` after the button was let go.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from agent.readings import Reading

NS = 1_000_000_000
WINDOW_S = 900.0
APART_S = 30.0
STUCK_S = 30.0
POSITIONS_MAX = 64


@dataclass(slots=True)
class Buttons:
    """All buttons of a site. ``sees_calls``: whether some sense tells of calls."""

    sees_calls: bool
    critical: bool = False
    presses: int = 0
    arrivals: int = 0
    _held: dict[str, int] = field(default_factory=dict)
    _let_go: dict[str, int] = field(default_factory=dict)
    _last_ns: int | None = None
    _last_position: str = ""
    _last_arrivals: int = 0

    @property
    def reported(self) -> bool:
        """Whether a press stands."""
        return self._last_ns is not None

    def pressed(self, reading: Reading, now_ns: int) -> None:
        """A contact reading of meaning ``no-voice``."""
        position = str(reading.detail.get("position") or reading.subject)
        if reading.detail.get("active") is not True:
            if self._held.pop(position, None) is not None:
                self._let_go[position] = now_ns
            return
        if position in self._held or (len(self._held) >= POSITIONS_MAX):
            return
        self._held[position] = now_ns
        self.presses += 1
        self.tick(now_ns)
        if self._last_ns is None:
            self._first(position, now_ns)
        elif self._another_caller(position, now_ns):
            self.critical = True
            self._first(position, now_ns)

    def _first(self, position: str, now_ns: int) -> None:
        self._last_ns, self._last_position, self._last_arrivals = now_ns, position, self.arrivals

    def _another_caller(self, position: str, now_ns: int) -> bool:
        if position != self._last_position:
            return True
        if self.sees_calls:
            return self.arrivals > self._last_arrivals
        let_go = self._let_go.get(position, self._last_ns or now_ns)
        return now_ns - let_go >= int(APART_S * NS)

    def stuck(self, now_ns: int) -> list[str]:
        """Positions whose button has been held for ``STUCK_S`` or more."""
        return [position for position, since in self._held.items() if now_ns - since >= int(STUCK_S * NS)]

    def stand(self, now_ns: int) -> None:
        """A critical press of an earlier run stands on."""
        self.critical = True
        self._first("", now_ns)

    def tick(self, now_ns: int) -> None:
        """A press is forgotten after ``WINDOW_S``."""
        if self._last_ns is not None and now_ns - self._last_ns >= int(WINDOW_S * NS):
            self._last_ns, self.critical = None, False

    def deadline(self, now_ns: int) -> int | None:
        """When ``tick`` or ``stuck`` next changes."""
        times = [since + int(STUCK_S * NS) for since in self._held.values()]
        if self._last_ns is not None:
            times.append(self._last_ns + int(WINDOW_S * NS))
        return min((t for t in times if t > now_ns), default=None)
