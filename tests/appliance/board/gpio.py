"""The GPIO registers of a BCM2835, read from outside, as samples with the host's time; and what a pin did.

A pin is *driven high* where its function is output and its level is 1: after the agent's end QEMU's level register
keeps the last value although the pin is an input again (it models no pulls), so the level alone would lie.
"""

from __future__ import annotations

import statistics
import threading
import time
from dataclasses import dataclass

from tests.appliance.board.qemu import Qmp

GPIO, OUTPUT = 0x3F200000, 0b001  # BCM2835 ARM Peripherals, 6.1: GPFSEL0 at +0, GPLEV0 at +0x34
SET, CLEAR = 0x1C, 0x28
LEVELS = 0x34 // 4


@dataclass(frozen=True, slots=True)
class Sample:
    """One look: which of GPIO 0 to 27 are outputs, and which are driven high."""

    at_s: float
    outputs: frozenset[int]
    high: frozenset[int]


def look(qmp: Qmp) -> Sample:
    """The registers of this moment."""
    words = qmp.words(GPIO, LEVELS + 1)
    at_s = time.monotonic()
    outputs = frozenset(pin for pin in range(28) if words[pin // 10] >> pin % 10 * 3 & 7 == OUTPUT)
    return Sample(at_s, outputs, frozenset(pin for pin in outputs if words[LEVELS] >> pin & 1))


class Watch:
    """Looks every 20 ms, in a thread of its own, until closed; QEMU's end ends it too."""

    def __init__(self, qmp: Qmp, every_s: float = 0.02) -> None:
        self.samples: list[Sample] = []
        self._qmp, self._every_s = qmp, every_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._stop.is_set():
            try:
                self.samples.append(look(self._qmp))
            except (OSError, ValueError):
                return
            self._stop.wait(self._every_s)

    def close(self) -> None:
        """End it."""
        self._stop.set()
        self._thread.join()

    def since(self, at_s: float) -> list[Sample]:
        """The samples from then on."""
        return [s for s in list(self.samples) if s.at_s >= at_s]

    def first_high(self, pins: frozenset[int], since_s: float) -> float | None:
        """When one of these pins was first driven high."""
        return next((s.at_s for s in self.since(since_s) if s.high & pins), None)

    def first_driven(self, pins: frozenset[int], since_s: float) -> float | None:
        """When all of these pins were first outputs."""
        return next((s.at_s for s in self.since(since_s) if s.outputs >= pins), None)

    def spans(self, pin: int, since_s: float) -> list[tuple[bool, float]]:
        """How long a pin was high and low, in turn; the first and the last, cut short by us, are left out."""
        spans: list[tuple[bool, float]] = []
        began: tuple[bool, float] | None = None
        for sample in self.since(since_s):
            level = pin in sample.high
            if began is None:
                began = (level, sample.at_s)
            elif level is not began[0]:
                spans.append((began[0], sample.at_s - began[1]))
                began = (level, sample.at_s)
        return spans[1:]


def median_s(spans: list[tuple[bool, float]], level: bool) -> float:
    """The middle of the highs or of the lows; 0 where there was none."""
    lengths = [length for high, length in spans if high is level]
    return statistics.median(lengths) if lengths else 0.0
