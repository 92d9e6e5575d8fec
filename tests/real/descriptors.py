"""How many descriptors this process holds, so that a test can say that nothing is left open."""

from __future__ import annotations

import gc
import os


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208


def descriptors_at_start() -> int:
    """The count to compare with: what earlier tests dropped is closed first, not halfway through this one."""
    gc.collect()
    return descriptors()
