"""All deliberate bugs, room by room."""

from __future__ import annotations

from tests.mutants import alarms, box, calls, core, journal, lines, paths, remote, uplink
from tests.mutants.mutant import Mutant

MUTANTS: tuple[Mutant, ...] = (
    *journal.MUTANTS,
    *uplink.MUTANTS,
    *alarms.MUTANTS,
    *core.MUTANTS,
    *calls.MUTANTS,
    *lines.MUTANTS,
    *paths.MUTANTS,
    *remote.MUTANTS,
    *box.MUTANTS,
)
