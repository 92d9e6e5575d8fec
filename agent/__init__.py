"""Dialtone: says within seconds when a 911 call centre (PSAP) can no longer be reached, and why."""

__version__ = "0.1.0"
