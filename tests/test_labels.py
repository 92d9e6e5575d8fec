"""The latest moment that surely has been, for a box whose own clock is not set."""

from __future__ import annotations

import asyncio
import dataclasses

import pytest

from agent import labels
from agent.clock import unix_s
from agent.journal.entry import Entry
from tests.uplink.fakes import FakeJournal, entry


def at(seq: int, wall: str, synced: bool) -> Entry:
    return dataclasses.replace(entry(seq), wall=wall, synced=synced)


SET = at(1, "2026-05-01T00:00:00.000Z", True)
UNSET = at(2, "2016-01-01T00:00:00.000Z", False)
AHEAD = at(3, "2036-01-01T00:00:00.000Z", False)


@pytest.mark.parametrize(
    ("entries", "wanted"),
    [
        ([], None),
        ([UNSET], None),
        ([SET, UNSET, AHEAD], SET.wall),  # what was written before the clock was set says nothing
        ([at(1, "2036-01-01T00:00:00.000Z", True), at(2, SET.wall, True)], SET.wall),  # put right since
        ([at(1, "no time", True)], None),
    ],
)
def test_the_newest_entry_of_a_set_clock_counts(entries: list[Entry], wanted: str | None) -> None:
    found = asyncio.run(labels.newest_s(FakeJournal(entries)))
    assert found == (0.0 if wanted is None else unix_s(wanted))


def test_only_so_many_entries_are_read() -> None:
    later = [at(n, UNSET.wall, False) for n in range(2, labels.RECENT + 2)]
    assert asyncio.run(labels.newest_s(FakeJournal([SET, *later]))) == 0.0
    assert asyncio.run(labels.newest_s(FakeJournal([SET, *later[:-1]]))) == unix_s(SET.wall)
