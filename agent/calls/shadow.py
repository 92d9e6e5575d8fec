"""Shadow: a detector lights and reports, but does not sound, until it has proved itself at this site. Pure.

It has when it has judged for so many days without an alarm of its own; time in which it could not judge does not
count. What is once proved stays so: a later outage that it told rightly must not make it dumb for the next one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

NS = 1_000_000_000
DAY_S = 86_400.0
QUIET_MAX_S = 1e12


@dataclass(slots=True)
class Proof:
    """The proof of some detectors. ``days``: what is asked of them; 0: nothing. Time is monotonic nanoseconds."""

    days: float
    at_ns: int
    quiet_s: dict[str, float] = field(default_factory=dict)

    def passed(self, now_ns: int, judging: Mapping[str, bool]) -> None:
        """Time has passed in which these detectors judged, or could not."""
        since_s = max(0.0, (now_ns - self.at_ns) / NS)
        self.at_ns = max(self.at_ns, now_ns)
        for name, able in judging.items():
            if able:
                self.quiet_s[name] = min(self.quiet_s.get(name, 0.0) + since_s, QUIET_MAX_S)

    def shadow(self, name: str) -> bool:
        """Whether it is in shadow now."""
        return self.quiet_s.get(name, 0.0) < self.days * DAY_S

    def alarmed(self, name: str) -> None:
        """It gave an alarm: in shadow, its days begin again."""
        if self.shadow(name):
            self.quiet_s[name] = 0.0

    def left_s(self, name: str) -> float:
        """Seconds of judging without an alarm until it sounds."""
        return max(0.0, self.days * DAY_S - self.quiet_s.get(name, 0.0))

    def saved(self) -> dict[str, int]:
        """Whole seconds by detector."""
        return {name: round(value) for name, value in self.quiet_s.items()}

    def restore(self, saved: object, names: tuple[str, ...]) -> None:
        """Take over what ``saved`` gave; what does not fit starts anew."""
        known = saved if isinstance(saved, Mapping) else {}
        for name in names:
            value = known.get(name)
            if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= QUIET_MAX_S:
                self.quiet_s[name] = float(value)
