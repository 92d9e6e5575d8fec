"""What an earlier run saved, read with distrust. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agent.calls.evidence import CLASSES_MAX

CLASS_CALLS = 50
"""So many calls of one class of service make it a stream of its own."""


def mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def classes(saved: object) -> dict[str, int]:
    """Calls by class of service, as far as they fit."""
    good = {
        name: min(calls, CLASS_CALLS)
        for name, calls in mapping(saved).items()
        if isinstance(name, str) and 0 < len(name) <= 8 and isinstance(calls, int) and calls > 0
    }
    return dict(list(good.items())[:CLASSES_MAX])
