"""How long entries are kept: counted in days of running, whatever the wall clock's labels say."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.clock import NS
from agent.journal.entry import Entry, Pending
from agent.journal.store import Store
from agent.journal.verify import verify
from tests.journal.made import number, routine, urgent

MIB = 1 << 20
DAY_NS = 86_400 * NS
LABELS = (
    "2024-06-18T17:15:00.000Z",
    "2034-06-18T17:15:00.000Z",
    "2014-06-18T17:15:00.000Z",
    "1970-01-01T00:00:00.000Z",
)


def opened(directory: Path, max_days: int = 30, max_bytes: int = 16 * MIB) -> Store:
    return Store.open(directory, max_bytes, "0badcafe", max_days)


def at(pending: Pending, days: float, *, wall: str = LABELS[0], synced: bool = True) -> Pending:
    return replace(pending, mono_ns=int(days * DAY_NS), wall=wall, synced=synced)


def kept(store: Store) -> list[Entry]:
    return [e for e in store.read(0, store.head, 1 << 20) if e.kind in ("alarm", "event")]


def days_of(entries: Sequence[Entry]) -> list[int]:
    return [number(e.payload) for e in entries]


def test_what_is_older_than_max_days_goes_and_that_is_told(tmp_path: Path) -> None:
    store = opened(tmp_path)
    told: list[Entry] = []
    for day in range(100):
        told += [e for e in store.append([at(urgent(day), day), at(routine(day), day)]) if e.kind in OWN]
        assert set(range(max(0, day - 30), day + 1)) <= set(days_of(kept(store))), "younger than 30 days"
        assert min(days_of(kept(store))) >= day - 32
    payloads = [json.loads(e.payload or b"") for e in told]
    assert {one["why"] for one in payloads} == {"age"}
    cut = sum(one["count"] for e, one in zip(told, payloads, strict=True) if e.kind == "checkpoint")
    dropped = sum(one["count"] for e, one in zip(told, payloads, strict=True) if e.kind == "dropped")
    assert cut == store.cut_entries == store.head - store.entries()
    assert dropped == store.dropped_payloads > 60
    assert [e.kind for e in told][:2] == ["dropped", "checkpoint"], "routine payloads go first"
    store.close()
    assert verify(tmp_path).broken is None


OWN = {"dropped", "checkpoint"}


def test_the_newest_of_each_key_stays(tmp_path: Path) -> None:
    store = opened(tmp_path, 5)
    store.append([at(urgent(7, key="stands"), 0), at(routine(8, key="mode"), 0)])
    for day in range(1, 40):
        store.append([at(urgent(day, key="other"), day)])
    assert [number(e.payload) for e in store.latest("alarm")] == [7, 39]
    assert [number(e.payload) for e in store.latest("event")] == [8]
    store.close()
    store = opened(tmp_path, 5)
    assert [number(e.payload) for e in store.latest("alarm")] == [7, 39]
    store.close()
    assert verify(tmp_path).broken is None


@pytest.mark.parametrize("step", LABELS[1:])
@pytest.mark.parametrize("synced", [True, False])
def test_a_clock_that_steps_by_years_makes_nothing_old(tmp_path: Path, step: str, synced: bool) -> None:
    store = opened(tmp_path, 1)
    for n in range(20):
        store.append([at(urgent(n), n / 100)])
    for n in range(20, 40):
        store.append([at(urgent(n), n / 100, wall=step, synced=synced)])
    store.close()
    store = opened(tmp_path, 1)  # the machine was off, and its clock is somewhere else again
    store.append([at(urgent(40), 0.1, wall=LABELS[0])])
    assert days_of(kept(store)) == list(range(41))
    store.close()


def test_labels_of_the_future_keep_nothing_alive(tmp_path: Path) -> None:
    store = opened(tmp_path, 10)
    for day in range(60):
        store.append([at(urgent(day), day, wall=LABELS[day % 4], synced=day % 3 == 0)])
    assert min(days_of(kept(store))) >= 60 - 13
    store.close()


def test_days_count_over_restarts_and_not_while_the_box_is_off(tmp_path: Path) -> None:
    n = 0
    for start in range(80):  # each run: half a day, its monotonic time begins anywhere
        store = opened(tmp_path, 10)
        for quarter in range(3):
            store.append([at(urgent(n), 1000 * (start % 7) + quarter / 4)])
            n += 1
        store.close()
    store = opened(tmp_path, 10)
    numbers = days_of(kept(store))
    assert 3 * 20 <= len(numbers) <= 3 * 27, "half a day a run, 10 days: 20 runs, and a little more"
    assert numbers == list(range(n - len(numbers), n))
    store.close()


def test_a_long_pause_is_one_day_so_nothing_goes_too_early(tmp_path: Path) -> None:
    store = opened(tmp_path, 5)
    store.append([at(urgent(1), 0)])
    store.append([at(urgent(2), 3000)])
    assert days_of(kept(store)) == [1, 2]
    store.close()


def test_a_bound_that_was_lowered_is_reached_a_part_at_a_time(tmp_path: Path) -> None:
    store = opened(tmp_path, 3650)
    for day in range(40):
        store.append([at(urgent(day, size=50), day) for _ in range(500)])
    store.close()
    store = opened(tmp_path, 5)
    store.append([at(urgent(40), 0)])
    assert 0 < store.cut_entries <= 4096
    for n in range(10):
        store.append([at(urgent(40), 1 + n / 1000)])
    assert 33 <= min(days_of(kept(store))) <= 36
    store.close()
    assert verify(tmp_path).broken is None


def test_a_commit_that_fails_loses_no_day(tmp_path: Path) -> None:
    store = opened(tmp_path, 5)
    for day in range(40):
        with pytest.raises(UnicodeEncodeError):
            store.append([at(urgent(day, kind="\ud800"), day)])
        store.append([at(urgent(day), day)])
    assert min(days_of(kept(store))) >= 40 - 8
    store.close()
    assert verify(tmp_path).broken is None


def test_a_store_of_before_is_taken_and_ages_from_now(tmp_path: Path) -> None:
    store = opened(tmp_path, 5)
    store.append([at(urgent(n), 0) for n in range(10)])
    store.close()
    with sqlite3.connect(tmp_path / "journal.db") as db:
        db.execute("DROP TABLE day")
    db.close()
    store = opened(tmp_path, 5)
    assert store.set_aside is None
    store.append([at(urgent(10), 500)])
    assert len(kept(store)) == 11
    for day in range(1, 9):
        store.append([at(urgent(10 + day), 500 + day)])
    assert min(days_of(kept(store))) >= 10
    store.close()


def test_a_damaged_mark_moves_an_age_by_a_day(tmp_path: Path) -> None:
    store = opened(tmp_path, 10)
    for day in range(9):
        store.append([at(urgent(day), day)])
    store.close()
    for value in (0, 5, 1 << 40, -3):
        with sqlite3.connect(tmp_path / "journal.db") as db:
            db.execute("UPDATE OR REPLACE day SET seq = ? WHERE seq = (SELECT seq FROM day LIMIT 1 OFFSET 4)", (value,))
        db.close()
    store = opened(tmp_path, 10)
    store.append([at(urgent(9), 0)])
    assert days_of(kept(store)) == list(range(10))
    store.close()


STEP = st.tuples(
    st.sampled_from(["append", "append", "append", "append", "reopen"]),
    st.floats(0, 3),
    st.sampled_from(LABELS),
    st.booleans(),
    st.sampled_from(["", "a", "b"]),
    st.booleans(),
)


@settings(max_examples=60)
@given(st.lists(STEP, max_size=60), st.integers(1, 8), st.floats(0, 1000))
def test_whatever_the_clock_says_nothing_goes_too_early_and_nothing_stays_for_ever(
    tmp_path_factory: pytest.TempPathFactory,
    steps: list[tuple[str, float, str, bool, str, bool]],
    most: int,
    mono: float,
) -> None:
    """The model: days of running since each entry, counted by the test itself."""
    directory = tmp_path_factory.mktemp("age")
    store, n, ran, previous = opened(directory, most), 0, 0.0, None
    born: dict[int, float] = {}
    for what, days, wall, synced, key, is_urgent in steps:
        if what == "reopen":
            store.close()
            store, previous, mono = opened(directory, most), None, days * 100
            continue
        mono += days
        ran += 0.0 if previous is None else mono - previous
        previous = mono
        store.append([at((urgent if is_urgent else routine)(n, key=key), mono, wall=wall, synced=synced)])
        born[n] = ran
        n += 1
        there = {number(e.payload) for e in kept(store) if e.payload}
        early = [i for i, was in born.items() if ran - was < most and i not in there]
        assert not early, f"{early} went too early"
    assert verify(directory).broken is None
    for _ in range(most + 3):
        mono += 1.0
        store.append([at(urgent(n), mono)])
        n += 1
    assert all(number(e.payload) >= n - most - 3 for e in kept(store) if e.payload), "something stays for ever"
    store.close()
    assert verify(directory).broken is None
