"""When the fault that stands began, and what failed before it. Pure.

A reflector that died last week must not slow down what is said of a firewall that fails now: what has been down since
an earlier fault says nothing of a new one, where anything else speaks for the same.
"""

from __future__ import annotations

from collections.abc import Iterable

from agent.clock import NS
from agent.site import schema

SLACK_S = 30.0
"""From the fault to the first failure of what is asked often, and one more."""


def gap_ns(check: schema.ActiveCheck, role: schema.Role) -> int:
    """How long after a fault began this check may first fail of it; the seldom ones are asked soon after a fault."""
    every_s = schema.AGAIN_S if schema.patient(check, role) else schema.every_s(check, role)
    return int((every_s + schema.timeout_s(check, role) + SLACK_S) * NS)


def onset(down: Iterable[tuple[int, int]]) -> int | None:
    """When the newest fault began, None where nothing is down.

    ``down``: of each sense that looks down, when it first failed and its ``gap_ns``: later than that after a fault it
    has failed of another one.
    """
    start: int | None = None
    for bad_ns, gap in sorted(down):
        if start is None or bad_ns - gap > start:
            start = bad_ns
    return start
