"""The store: order, boots, cursors, the newest of each key, one owner, and its bound."""

from __future__ import annotations

import os
import sqlite3
import stat
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.journal.entry import Entry, Pending
from agent.journal.room import LATEST_MAX
from agent.journal.store import Store, StoreBusy
from agent.journal.verify import verify
from tests.journal.made import number, routine, urgent

MIB = 1 << 20
OWN = {"dropped", "checkpoint", "store"}  # kinds of the journal's own


def opened(directory: Path, max_bytes: int = 16 * MIB, store_id: str = "0badcafe") -> Store:
    return Store.open(directory, max_bytes, store_id)


def all_entries(store: Store) -> list[Entry]:
    return store.read(0, store.head, 1 << 30)


def test_entries_come_back_as_they_were(tmp_path: Path) -> None:
    store = opened(tmp_path)
    made = [urgent(1, key="a_los_t1"), routine(2), Pending("é", b'{"x":"\xc3\xa9"}', False, -5, "", False, "ü")]
    written = store.append(made)
    assert [(e.store, e.boot, e.seq) for e in written] == [("0badcafe", 1, n) for n in (1, 2, 3)]
    assert [(e.kind, e.payload, e.urgent, e.mono_ns, e.wall, e.synced, e.key) for e in all_entries(store)] == [
        (p.kind, p.payload, p.urgent, p.mono_ns, p.wall, p.synced, p.key) for p in made
    ]
    assert store.read(1, 2, 10) == written[1:2]
    assert store.read(0, 3, 2) == written[:2]
    assert written[0].id == "0badcafe.1.1"
    store.close()


def test_boot_rises_and_seq_goes_on(tmp_path: Path) -> None:
    for boot in range(1, 4):
        store = opened(tmp_path, store_id=f"{boot:08x}")
        assert (store.store_id, store.boot, store.head) == ("00000001", boot, boot - 1)
        store.append([urgent(boot)])
        store.close()
    report = verify(tmp_path)
    assert (report.broken, report.entries, report.boots) == (None, 3, 3)


def test_boot_rises_even_if_nothing_was_written(tmp_path: Path) -> None:
    opened(tmp_path).close()
    store = opened(tmp_path)
    assert store.boot == 2
    store.close()


def test_nobody_else_may_read_the_files(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        store = opened(tmp_path / "new")
        store.append([urgent(1)])
    finally:
        os.umask(old)
    modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in (tmp_path / "new").iterdir()}
    assert modes == dict.fromkeys(("journal.db", "journal.db-wal", "journal.db-shm", "journal.lock"), 0o600)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700
    store.close()


def test_a_directory_that_will_not_do(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        opened(tmp_path / "not" / "there")
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        opened(tmp_path / "file")
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    with pytest.raises(PermissionError, match="everybody"):
        opened(tmp_path / "open")
    with pytest.raises(ValueError, match="at least"):
        opened(tmp_path / "small", MIB - 1)


def test_one_owner_at_a_time(tmp_path: Path) -> None:
    store = opened(tmp_path)
    with pytest.raises(StoreBusy, match=str(tmp_path)):
        opened(tmp_path)
    store.append([urgent(1)])
    store.close()
    opened(tmp_path).close()


def test_synchronous_is_full_and_the_log_a_wal(tmp_path: Path) -> None:
    store = opened(tmp_path)
    assert store._db.execute("PRAGMA synchronous").fetchone() == (2,)
    assert store._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    store.close()


def test_latest_is_the_newest_of_each_key(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.append([urgent(1, key="a"), urgent(2, key="b"), urgent(3), urgent(4, key="a"), routine(5, key="a")])
    store.close()
    store = opened(tmp_path)
    assert [number(e.payload) for e in store.latest("alarm")] == [2, 4]
    assert [number(e.payload) for e in store.latest("event")] == [5]
    assert store.latest("verdict") == []
    store.close()


def test_cursors_are_kept(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.append([urgent(1)], {"primary": ((1, 5), (9, 9))})
    store.append([], {"cellular": ()})
    store.close()
    store = opened(tmp_path)
    assert store.ranges("primary") == ((1, 5), (9, 9))
    assert store.ranges("cellular") == store.ranges("other") == ()
    store.close()


def test_what_fails_leaves_nothing(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.append([urgent(1, key="a")])
    with pytest.raises(UnicodeEncodeError):
        store.append([urgent(2, key="a"), urgent(3, kind="\ud800")], {"primary": ((1, 1),)})
    assert store.head == 1
    assert store.ranges("primary") == ()
    assert [number(e.payload) for e in store.latest("alarm")] == [1]
    assert store.append([urgent(4)])[0].seq == 2
    store.close()
    assert verify(tmp_path).broken is None


def total_size(directory: Path) -> int:
    return sum(p.stat().st_size for p in directory.iterdir() if p.name in ("journal.db", "journal.db-wal"))


def test_the_bound_holds_and_every_drop_is_counted(tmp_path: Path) -> None:
    bound = 2 * MIB
    store = opened(tmp_path, bound)
    store.append([urgent(0, key="old", size=400)])
    put, told = 1, []
    for n in range(1, 3001):
        batch = [urgent(n, key=f"k{n % 7}", size=900), routine(n, size=900)]
        put += len(batch)
        told += [e for e in store.append(batch) if e.kind in OWN]
        assert total_size(tmp_path) <= bound
    entries = all_entries(store)
    payloads = {e.kind: [x.payload is not None for x in entries if x.kind == e.kind] for e in entries}
    assert store.cut_entries > 500
    assert store.dropped_payloads > 500
    assert all(payloads["alarm"])
    assert payloads["event"] == sorted(payloads["event"]), "a newer routine payload went before an older one"
    # Every entry ever written is in the chain or was counted as cut, each payload likewise.
    assert put + len(told) == store.entries() + store.cut_entries == store.head
    assert sum(number_of(e, "count") for e in told if e.kind == "checkpoint") == store.cut_entries
    assert sum(number_of(e, "count") for e in told if e.kind == "dropped") == store.dropped_payloads
    assert len(told) < put / 20
    assert number(store.latest("alarm")[0].payload) == 0, "the newest of a key was lost with the cut"
    report = verify(tmp_path)
    assert (report.broken, report.entries, report.cut) == (None, store.entries(), store.cut_entries)
    store.close()
    store = opened(tmp_path, bound)
    assert store.set_aside is None
    assert len(store.latest("alarm")) == 8
    store.close()
    assert verify(tmp_path).broken is None


def number_of(entry: Entry, name: str) -> int:
    import json

    return int(json.loads(entry.payload or b"{}")[name])


def test_routine_goes_before_urgent(tmp_path: Path) -> None:
    store = opened(tmp_path, 2 * MIB)
    store.append([urgent(n, size=500) for n in range(100)])
    n = 0
    while store.dropped_payloads == 0:
        store.append([routine(n, size=900) for n in range(20)])
        n += 20
    assert store.cut_entries == 0
    assert [number(e.payload) for e in store.read(0, 100, 100)] == list(range(100))
    store.close()


def test_a_bound_that_was_lowered_is_reached_again(tmp_path: Path) -> None:
    store = opened(tmp_path, 16 * MIB)
    for n in range(80):
        store.append([urgent(n, size=4000) for n in range(20)])
    store.close()
    assert total_size(tmp_path) > 6 * MIB
    for _ in range(2):
        store = opened(tmp_path, 2 * MIB)
        for n in range(20):
            store.append([urgent(n)])
        store.close()
    assert total_size(tmp_path) <= 2 * MIB
    assert verify(tmp_path).broken is None


def test_keys_are_bounded_those_back_to_normal_go_first(tmp_path: Path) -> None:
    store = opened(tmp_path)
    for n in range(LATEST_MAX):
        store.append([urgent(n, key=f"k{n}", state="normal" if n >= 400 else "unacknowledged")])
    assert len(store.latest("alarm")) == LATEST_MAX
    told = store.append([urgent(9999, key="one-more", state="unacknowledged")])
    kept = {e.key for e in store.latest("alarm")}
    assert len(kept) < LATEST_MAX
    assert {f"k{n}" for n in range(400)} | {"one-more"} <= kept
    assert number_of(told[-1], "count") == LATEST_MAX + 1 - len(kept)
    store.close()
    assert verify(tmp_path).broken is None


def test_a_store_full_of_newest_states_still_takes_entries(tmp_path: Path) -> None:
    store = opened(tmp_path, MIB)
    for n in range(600):
        store.append([urgent(n, key=f"k{n % 300}", size=8000)])
        assert total_size(tmp_path) <= MIB
    assert number(all_entries(store)[-1].payload) == 599
    store.close()
    assert verify(tmp_path).broken is None


@settings(max_examples=25)
@given(
    st.lists(
        st.one_of(
            st.lists(
                st.tuples(st.booleans(), st.sampled_from(["", "a", "b", "c"]), st.integers(0, 30_000)),
                min_size=1,
                max_size=12,
            ),
            st.just("reopen"),
        ),
        max_size=30,
    ),
    st.sampled_from([MIB, 4 * MIB]),
)
def test_whatever_is_put_the_invariants_hold(
    tmp_path_factory: pytest.TempPathFactory, steps: list[list[tuple[bool, str, int]] | str], bound: int
) -> None:
    directory = tmp_path_factory.mktemp("j")
    store, n, boot = opened(directory, bound), 0, 1
    newest: dict[tuple[str, str], int] = {}
    for step in steps:
        if isinstance(step, str):
            store.close()
            store, boot = opened(directory, bound), boot + 1
            assert (store.boot, store.set_aside) == (boot, None)
            continue
        batch = [
            (urgent if is_urgent else routine)(n + i, key=key, size=size)
            for i, (is_urgent, key, size) in enumerate(step)
        ]
        n += len(batch)
        head = store.head
        written = store.append(batch)
        assert [e.seq for e in written] == list(range(head + 1, store.head + 1))
        assert [number(e.payload) for e in written if e.kind not in OWN] == list(range(n - len(batch), n))
        newest |= {(p.kind, p.key): number(p.payload) for p in batch if p.key}
        assert total_size(directory) <= bound
    for kind in ("alarm", "event"):
        got = {e.key: number(e.payload) for e in store.latest(kind)}
        assert got == {key: value for (k, key), value in newest.items() if k == kind}
    assert verify(directory).broken is None
    store.close()
    assert verify(directory).broken is None
    assert sqlite3.connect(directory / "journal.db").execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_the_newest_of_a_key_keeps_its_routine_payload(tmp_path: Path) -> None:
    store = opened(tmp_path, MIB)
    store.append([routine(0, key="mode")])
    while store.dropped_payloads < 100:
        store.append([routine(1, size=900) for _ in range(10)])
    assert [number(e.payload) for e in store.latest("event")] == [0]
    store.close()


def test_verify_goes_on_behind_a_cut_made_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from agent.journal import verify as module

    store = opened(tmp_path, MIB)
    store.append([urgent(n) for n in range(50)])
    real, steps = module._step, 0

    def step(db: sqlite3.Connection, after: int | None) -> object:
        nonlocal steps
        steps += 1
        while steps == 3 and store.cut_entries < 100:
            store.append([urgent(1, size=2000) for _ in range(10)])
        return real(db, after)

    monkeypatch.setattr(module, "STEP", 10)
    monkeypatch.setattr(module, "_step", step)
    report = verify(tmp_path)
    assert (report.broken, report.head, report.first) == (None, store.head, 1)
    store.close()
