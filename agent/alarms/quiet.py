"""What is quiet on purpose: a mode of the whole centre, and alarms that a person has shelved. Each ends by itself.

``service``: technicians work on the lines; ``diverted``: calls go to another centre. Shelving is RFC 8632's: an alarm,
or all of one line or path, lights and is reported but does not sound. Nothing is hidden: what is quiet says so.
"""

from __future__ import annotations

from typing import Literal, get_args

NS = 1_000_000_000
Mode = Literal["normal", "diverted", "service"]
MODES: tuple[Mode, ...] = get_args(Mode)
MODE_MAX_MIN: dict[str, float] = {"diverted": 24 * 60.0, "service": 8 * 60.0}
SHELVE_MAX_MIN = 24 * 60.0
SHELVES_MAX = 64


class Quiet:
    """The mode, and what is shelved until when (monotonic nanoseconds)."""

    def __init__(self) -> None:
        self.mode: Mode = "normal"
        self._mode_until_ns = 0
        self._shelves: dict[str, int] = {}
        self.version = 0

    def set_mode(self, mode: Mode, minutes: float, now_ns: int) -> None:
        """``normal`` at once; the others for ``minutes``. Raises ValueError beyond ``MODE_MAX_MIN``."""
        if mode != "normal" and not 0 < minutes <= MODE_MAX_MIN[mode]:
            raise ValueError(f"minutes must be over 0 and at most {MODE_MAX_MIN[mode]:g} for mode {mode}")
        self.mode = mode
        self.version += 1
        self._mode_until_ns = now_ns + int(minutes * 60 * NS)

    def shelve(self, name: str, minutes: float, now_ns: int) -> None:
        """Shelve an alarm's id, or a line's or path's; 0 minutes takes it back. Raises ValueError beyond the bounds."""
        if not 0 <= minutes <= SHELVE_MAX_MIN:
            raise ValueError(f"minutes must be from 0 (take it back) to {SHELVE_MAX_MIN:g}")
        self.version += 1
        if minutes == 0:
            self._shelves.pop(name, None)
        elif name not in self._shelves and len(self._shelves) >= SHELVES_MAX:
            raise ValueError(f"{SHELVES_MAX} things are shelved already")
        else:
            self._shelves[name] = now_ns + int(minutes * 60 * NS)

    def shelved(self, alarm_id: str, resource: str) -> bool:
        return alarm_id in self._shelves or resource in self._shelves

    def covers(self, alarm_id: str, resource: str) -> bool:
        """Whether this alarm does not sound now. A diverted centre's other alarms sound as ever."""
        return self.mode == "service" or self.shelved(alarm_id, resource)

    def tick(self, now_ns: int) -> list[str]:
        """What has ended by time alone: ``mode`` and the names of shelves."""
        ended = [name for name, until_ns in self._shelves.items() if until_ns <= now_ns]
        for name in ended:
            del self._shelves[name]
        if self.mode != "normal" and now_ns >= self._mode_until_ns:
            ended.append(f"mode {self.mode}")
            self.mode = "normal"
        self.version += len(ended)
        return ended

    def deadline(self) -> int | None:
        """When something ends by itself."""
        times = list(self._shelves.values()) + ([self._mode_until_ns] if self.mode != "normal" else [])
        return min(times, default=None)

    def status(self) -> dict[str, object]:
        """For ``status --json``: the mode and what is shelved, with their ends."""
        until = self._mode_until_ns if self.mode != "normal" else None
        return {"mode": self.mode, "until_ns": until, "shelved": dict(self._shelves)}
