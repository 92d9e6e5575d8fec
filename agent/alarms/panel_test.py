"""The whole panel, shown once: every lamp, every pattern that asks for something, every voice. Pure.

What a person sees and hears is theirs to judge; what can be known here is whether every output took its levels. It is
broken off as soon as a real alarm is due to sound.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from agent.panel import DARK, LAMPS, Horn, Lamp, Light, PanelView, Pattern, Voice

NS = 1_000_000_000
Lights = Mapping[Lamp, Pattern]


def _all(pattern: Pattern) -> Lights:
    return dict.fromkeys(LAMPS, pattern)


STEPS: tuple[tuple[float, Lights, Voice], ...] = (
    (2.0, _all("steady"), "none"),
    (0.7, {"ok": "steady"}, "none"),
    (0.7, {"calls": "steady"}, "none"),
    (0.7, {"trunks": "steady"}, "none"),
    (0.7, {"firewall": "steady"}, "none"),
    (0.7, {"router": "steady"}, "none"),
    (0.7, {"far-end": "steady"}, "none"),
    (0.7, {"uplink": "steady"}, "none"),
    (0.7, {"probe": "steady"}, "none"),
    (3.0, _all("flash"), "none"),
    (3.0, {}, "alarm"),
    (1.0, {}, "none"),
    (3.0, {}, "ringback"),
    (1.0, {}, "none"),
    (3.0, {}, "trouble"),
)
"""How long, which lamps with which pattern, and which voice. The remote head follows."""
WHOLE_S = sum(seconds for seconds, _, _ in STEPS)

Result = Literal["passed", "failed", "broken-off"]


@dataclass(slots=True)
class PanelTest:
    """One run of ``STEPS``. ``fault``: what failed meanwhile; ``loud``: the alarm that broke it off."""

    who: str
    begun_ns: int
    fault: str | None = None
    loud: str | None = None

    def step(self, now_ns: int) -> int:
        """Which step it is; ``len(STEPS)`` when it is over."""
        at_ns = self.begun_ns
        for number, (seconds, _, _) in enumerate(STEPS):
            at_ns += int(seconds * NS)
            if now_ns < at_ns:
                return number
        return len(STEPS)

    def over(self, now_ns: int) -> bool:
        return self.loud is not None or self.step(now_ns) >= len(STEPS)

    def deadline(self, now_ns: int) -> int:
        """When the next step begins, or the test ends."""
        return self._begins_ns(min(self.step(now_ns) + 1, len(STEPS)))

    def _begins_ns(self, number: int) -> int:
        return self.begun_ns + sum(int(seconds * NS) for seconds, _, _ in STEPS[:number])

    def view(self, now_ns: int) -> PanelView:
        """What is shown now."""
        number = min(self.step(now_ns), len(STEPS) - 1)
        began_ns = self._begins_ns(number)
        _, lights, voice = STEPS[number]
        lamps = {lamp: Light(lights.get(lamp, "off"), began_ns) for lamp in LAMPS}
        head = Light(max((lights.get(lamp, "off") for lamp in LAMPS[1:]), key=lambda p: p != "off"), began_ns)
        return PanelView({**DARK.lamps, **lamps}, Horn(voice, began_ns, began_ns), head, tested=True)

    def result(self, now_ns: int, pins: str) -> dict[str, Any]:
        """For the journal, and so for the NOC."""
        result: Result = "broken-off" if self.loud else "failed" if self.fault else "passed"
        return {
            "result": result,
            "who": self.who,
            "pins": pins,
            "seconds": round((now_ns - self.begun_ns) / NS, 1),
            "lamps": len(LAMPS),
            "voices": 3,
            "why": self.loud or self.fault or "",
        }
