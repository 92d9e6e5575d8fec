"""The no-voice button: a dispatcher says that a caller can't be heard. Pure.

One press is reported and stands for ``WINDOW_S``; each further press renews that. A second *caller's* press in that
time is critical: a press at another position; or at the same one after another call has come; or, where no sense tells
of calls, a press ``APART_S`` or more after the button was let go. A button held is one press, however long; after
``STUCK_S`` it is told as stuck. A contact that can't be read is neither pressed nor let go.
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
    """All buttons of a site. ``sees_calls``: whether some sense tells of calls, counted in ``arrivals``.

    ``refused``: presses of more positions at once than ``POSITIONS_MAX``; they count as presses all the same.
    """

    sees_calls: bool
    critical: bool = False
    presses: int = 0
    arrivals: int = 0
    refused: int = 0
    _held: dict[str, int] = field(default_factory=dict)
    _let_go: dict[str, int] = field(default_factory=dict)
    _last_ns: int | None = None
    _position: str | None = None
    _arrivals: int = 0

    @property
    def reported(self) -> bool:
        """Whether a press stands."""
        return self._last_ns is not None

    def pressed(self, reading: Reading, now_ns: int) -> None:
        """A contact reading of meaning ``no-voice``."""
        position = str(reading.detail.get("position") or reading.subject)
        active = reading.detail.get("active")
        if active is False:
            if self._held.pop(position, None) is not None:
                self._let_go.pop(position, None)
                self._let_go[position] = now_ns
                if len(self._let_go) > POSITIONS_MAX:
                    del self._let_go[next(iter(self._let_go))]
        elif active is True and position not in self._held:
            if len(self._held) < POSITIONS_MAX:
                self._held[position] = now_ns
            else:
                self.refused += 1
            self._press(position, now_ns)

    def _press(self, position: str, now_ns: int) -> None:
        self.tick(now_ns)
        self.presses += 1
        if self._last_ns is None or self._another_caller(position, now_ns):
            self.critical = self._last_ns is not None
            self._position, self._arrivals = position, self.arrivals
        self._last_ns = now_ns

    def _another_caller(self, position: str, now_ns: int) -> bool:
        if self._position is not None and position != self._position:
            return True
        if self.sees_calls:
            return self.arrivals > self._arrivals
        return now_ns - self._let_go.get(position, now_ns) >= int(APART_S * NS)

    def stuck(self, now_ns: int) -> list[str]:
        """Positions whose button has been held for ``STUCK_S`` or more."""
        return sorted(position for position, since in self._held.items() if now_ns - since >= int(STUCK_S * NS))

    def stand(self, now_ns: int, *, critical: bool = True) -> None:
        """A press of an earlier run stands on, for ``WINDOW_S`` from now."""
        self.critical = self.critical or critical
        self._last_ns, self._position, self._arrivals = now_ns, None, self.arrivals

    def tick(self, now_ns: int) -> None:
        """Presses are forgotten ``WINDOW_S`` after the last one."""
        if self._last_ns is not None and now_ns - self._last_ns >= int(WINDOW_S * NS):
            self._last_ns, self._position, self.critical = None, None, False

    def deadline(self, now_ns: int) -> int | None:
        """When ``tick`` or ``stuck`` next changes."""
        times = [since + int(STUCK_S * NS) for since in self._held.values()]
        if self._last_ns is not None:
            times.append(self._last_ns + int(WINDOW_S * NS))
        return min((t for t in times if t > now_ns), default=None)
