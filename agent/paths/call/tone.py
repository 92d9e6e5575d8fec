"""Tones, pure: making one, and finding it in what comes back (Goertzel's algorithm).

Each call draws its own, so that an old or looped stream, silence and comfort noise can't pass for an echo.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

RATE_HZ = 8000
BLOCK = 160
"""Samples in 20 ms: a block's bins are 50 Hz apart, and tones at multiples of that don't disturb each other."""
PROBE_HZ = (700, 900, 1100, 1300, 1500, 1700)
REFLECTOR_HZ = (800, 1000, 1200, 1400, 1600, 1800)
FULL = 32_124
"""The loudest sample of PCMU."""
# A reflector sends the echo and its own tone: half of the power each. White noise has 1 % in a bin, and 20 % in one
# block of fifty million.
FOUND_SHARE = 0.2
QUIET = 16.0
"""Root mean square below which a block is silence: two steps of PCMU's finest."""
BLOCKS_MIN = 10
HEARD_SHARE = 0.6
PART_SHARE = 0.25
RUN_MIN = 25
"""So many blocks in a row (0.5 s) are the tone too, where an announcement came before the echo."""


def samples(hz: int, start: int, count: int, level: float = 0.25) -> list[int]:
    """``count`` samples of a tone, from its sample ``start``; ``level`` is the amplitude as a share of ``FULL``."""
    step, loud = 2 * math.pi / RATE_HZ, level * FULL
    # Reduced in whole numbers first: no drift however long it sounds.
    return [round(loud * math.sin(step * (hz * at % RATE_HZ))) for at in range(start, start + count)]


def share(block: Sequence[int], hz: int) -> float:
    """How much of the block's power is at ``hz``, 0 to 1; 0 for silence."""
    power = sum(sample * sample for sample in block)
    if not block or power < QUIET * QUIET * len(block):
        return 0.0
    coefficient = 2 * math.cos(2 * math.pi * hz / RATE_HZ)
    before = last = 0.0
    for sample in block:
        before, last = last, sample + coefficient * last - before
    at_hz = last * last + before * before - coefficient * last * before
    return min(1.0, max(0.0, 2 * at_hz / (len(block) * power)))


class ToneEar:
    """Listens for one tone, block by block. ``found``: the blocks it was in, ``run``: the longest row of them."""

    def __init__(self, hz: int) -> None:
        self.hz = hz
        self.blocks = 0
        self.found = 0
        self.run = 0
        self._now = 0
        self._rest: list[int] = []

    def block(self, samples: Sequence[int]) -> None:
        """What one packet brought, of any length; a rest below 20 ms waits for the next."""
        self._rest += samples
        while len(self._rest) >= BLOCK:
            self._hear(self._rest[:BLOCK])
            del self._rest[:BLOCK]

    def gap(self) -> None:
        """Something is missing before what comes next: a block must not be made of two ends."""
        self._rest.clear()

    def _hear(self, block: list[int]) -> None:
        self.blocks += 1
        there = share(block, self.hz) >= FOUND_SHARE
        self.found += there
        self._now = self._now + 1 if there else 0
        self.run = max(self.run, self._now)

    def heard(self) -> bool:
        """Whether it was the tone: most of the blocks, or many in a row."""
        if self.found < BLOCKS_MIN:
            return False
        return self.found >= HEARD_SHARE * self.blocks or self.run >= RUN_MIN

    def in_part(self) -> bool:
        """Whether the tone was there, though for too little of the time to be well."""
        return self.found >= max(BLOCKS_MIN, PART_SHARE * self.blocks)
