"""What systemd is told of this process (sd_notify(3)); outside of systemd, nothing. A shell."""

from __future__ import annotations

import os

from sdnotify import SystemdNotifier

EVERY_S = 5.0


class Notifier:
    """``ready`` once the panel is driven, ``alive`` on progress alone, ``stopping`` at an end that was asked for."""

    def __init__(self) -> None:
        self._systemd = SystemdNotifier()

    @property
    def every_s(self) -> float:
        """How often to feed the watchdog: thrice in WATCHDOG_USEC (sd_watchdog_enabled(3)), 5 s at most."""
        try:
            watchdog_s = int(os.environ["WATCHDOG_USEC"]) / 1e6
        except (KeyError, ValueError):
            return EVERY_S
        return min(EVERY_S, max(0.1, watchdog_s / 3))

    def ready(self) -> None:
        self._systemd.notify("READY=1\nSTATUS=watching")

    def alive(self) -> None:
        self._systemd.notify("WATCHDOG=1")

    def starved(self, why: str) -> None:
        """The watchdog is not fed, for this reason; ``systemctl status`` shows it."""
        self._systemd.notify(f"STATUS={' '.join(why.split())[:200]}")

    def stopping(self) -> None:
        self._systemd.notify("STOPPING=1")
