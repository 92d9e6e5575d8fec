"""The table of goals (DESIGN section 9), each row with what was measured; printed for people and as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Row:
    """One figure beside its goal. ``measured`` is None where this version can't measure it yet."""

    what: str
    goal: str
    measured: str | None
    met: bool | None
    how: str = ""
    figures: dict[str, Any] | None = None


def percentile(values: list[float], share: float) -> float:
    """The smallest value that at least ``share`` of them do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, int(share * len(ordered) + 0.999999) - 1))]


def spread(values_s: list[float]) -> dict[str, float]:
    """Median, p99 and maximum in milliseconds."""
    return {
        "n": len(values_s),
        "median_ms": round(1000 * percentile(values_s, 0.5), 2),
        "p99_ms": round(1000 * percentile(values_s, 0.99), 2),
        "max_ms": round(1000 * max(values_s), 2),
    }
