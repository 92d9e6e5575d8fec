"""How often a routine entry of one kind may go into the journal; what is held back is counted and told."""

from __future__ import annotations

NS = 1_000_000_000
PER_MINUTE = 60
MAX_KEYS = 256


class Limiter:
    """At most ``PER_MINUTE`` entries a key and minute. A storm of garbage must not push alarms off the disk."""

    def __init__(self) -> None:
        self._windows: dict[str, tuple[int, int, int]] = {}

    def admit(self, key: str, now_ns: int) -> int | None:
        """None: hold it back. Otherwise how many of this key were held back since the last one admitted."""
        start_ns, admitted, held = self._windows.get(key, (now_ns, 0, 0))
        if now_ns - start_ns >= 60 * NS:
            start_ns, admitted = now_ns, 0
        if admitted >= PER_MINUTE or (key not in self._windows and len(self._windows) >= MAX_KEYS):
            self._windows[key] = (start_ns, admitted, held + 1)
            return None
        self._windows[key] = (start_ns, admitted + 1, 0)
        return held
