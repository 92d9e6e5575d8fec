"""What a line's alarm is worth as a hint of an outage: less, the more often this site's lines alarm. Pure.

Corroboration at odds of 100 to 1 takes 4.6 off the silence threshold for a quarter of an hour (outages.md section 7).
Where such windows cover a share f of the time, chance alone puts one before f of all quiet spells, so the odds can't be
better than 1 / f: a line that flaps all day is no news.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

NS = 1_000_000_000
WINDOW_S = 900.0
MEMORY_S = 30 * 86_400.0
ODDS_MAX = 100.0


@dataclass(slots=True)
class Flaps:
    """Windows of suspicion in about the last 30 days."""

    windows: float = 0.0
    _at_ns: int | None = None

    def alarm(self, now_ns: int) -> float | None:
        """A line's alarm. The odds of the window that it opens; None where one is open, or it would say nothing."""
        if self._at_ns is not None:
            since_s = max(0.0, (now_ns - self._at_ns) / NS)
            if since_s < WINDOW_S:
                return None
            self.windows *= math.exp(-since_s / MEMORY_S)
        self._at_ns = now_ns
        self.windows += 1.0
        odds = min(ODDS_MAX, MEMORY_S / (self.windows * WINDOW_S))
        return odds if odds > 1.0 else None
