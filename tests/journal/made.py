"""Entries for the journal's tests."""

from __future__ import annotations

import json

from agent.journal.entry import Pending

WALL = "2024-06-18T17:15:00.000Z"


def urgent(n: int, *, key: str = "", size: int = 0, kind: str = "alarm", **more: object) -> Pending:
    """An alarm, numbered."""
    return _made(kind, n, True, key, size, **more)


def routine(n: int, *, key: str = "", size: int = 0, kind: str = "event", **more: object) -> Pending:
    """An event that may wait, numbered."""
    return _made(kind, n, False, key, size, **more)


def number(payload: bytes | None) -> int:
    """What ``n`` an entry was made with."""
    assert payload is not None
    return int(json.loads(payload)["n"])


def _made(kind: str, n: int, is_urgent: bool, key: str, size: int, **more: object) -> Pending:
    payload = json.dumps({"n": n, **more, "fill": "x" * size}).encode()
    return Pending(kind, payload, is_urgent, n, WALL, True, key)
