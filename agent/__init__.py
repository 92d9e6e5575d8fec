"""Dialtone: says within seconds when a 911 call centre (PSAP) can no longer be reached, and why."""

__version__ = "0.1.0"
RELEASED = "2026-11-23T00:00:00.000Z"
"""No clock that says less than this is right."""
