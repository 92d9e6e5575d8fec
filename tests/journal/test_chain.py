"""The chain, pure: what is changed, reordered or taken out is found; a dropped payload still verifies."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.journal.chain import GENESIS, Sealed, Walk, header, seal
from agent.journal.entry import Entry

STORE = "0badcafe"


def chain(count: int, *, urgent: bool = False) -> list[Sealed]:
    out: list[Sealed] = []
    for seq in range(1, count + 1):
        wall = f"2024-06-18T17:15:{60 - seq:02d}.000Z"  # a label may step back
        entry = Entry(STORE, 1 + seq // 4, seq, "alarm", urgent, 1000 - seq, wall, True, f"a_{seq}", b'{"n":%d}' % seq)
        out.append(seal(out[-1].hash if out else GENESIS, entry))
    return out


def broken(entries: list[Sealed]) -> int | None:
    """Where the walk stops."""
    walk = Walk(STORE, 0, GENESIS)
    for sealed in entries:
        found = walk.step(sealed)
        if found is not None:
            assert found.why
            return found.seq
    return None


def test_a_whole_chain_verifies_whatever_the_clock_labels_say() -> None:
    assert broken(chain(9)) is None


def test_the_canonical_header_is_fixed() -> None:
    entry = Entry("0badcafe", 2, 7, "alarm", True, 5, "2024-06-18T17:15:00.000Z", False, "é", b"{}")
    assert header(entry) == b'["0badcafe",2,7,"alarm",true,5,"2024-06-18T17:15:00.000Z",false,"\\u00e9"]'
    assert (
        seal(GENESIS, entry).hash.hex() == "52a6b460aef0f654cc5b37a1aa25f098c0439be8e3d9aacc411b8530382708a5"
    )  # by sha256sum(1)


CHANGES = {
    "store": "00000000",
    "boot": 9,
    "kind": "event",
    "urgent": True,
    "mono_ns": 1,
    "wall": "2030-01-01T00:00:00.000Z",
    "synced": False,
    "key": "a_9",
    "payload": b'{"n":0}',
}


@pytest.mark.parametrize("field", CHANGES)
@pytest.mark.parametrize("index", range(6))
def test_any_change_is_found_where_it_is(field: str, index: int) -> None:
    entries = chain(6)
    changed = replace(entries[index].entry, **{field: CHANGES[field]})
    entries[index] = replace(entries[index], entry=changed)
    assert broken(entries) == index + 1


@given(st.data())
def test_any_changed_byte_of_payload_or_hash_is_found(data: st.DataObject) -> None:
    entries = chain(5)
    index = data.draw(st.integers(0, 4))
    what = data.draw(st.sampled_from(["payload", "digest", "hash"]))
    sealed = entries[index]
    old = sealed.entry.payload if what == "payload" else getattr(sealed, what)
    assert old is not None
    new = bytearray(old)
    new[data.draw(st.integers(0, len(old) - 1))] ^= data.draw(st.integers(1, 255))
    if what == "payload":
        entries[index] = replace(sealed, entry=replace(sealed.entry, payload=bytes(new)))
    else:
        entries[index] = replace(sealed, **{what: bytes(new)})
    assert broken(entries) == index + 1


@given(st.permutations(range(6)))
def test_any_other_order_is_found(order: list[int]) -> None:
    entries = chain(6)
    assert (broken([entries[i] for i in order]) is None) is (order == sorted(order))


@pytest.mark.parametrize("index", range(5))
def test_an_entry_taken_out_is_found_even_if_those_after_it_are_renumbered(index: int) -> None:
    entries = chain(6)
    del entries[index]
    assert broken(entries) == index + 1
    renumbered = [replace(s, entry=replace(s.entry, seq=n)) for n, s in enumerate(entries, 1)]
    assert broken(renumbered) == index + 1


def test_an_entry_put_in_again_with_its_hashes_is_found() -> None:
    entries = chain(4)
    twin = seal(entries[1].hash, replace(entries[2].entry, payload=b'{"n":99}'))
    assert broken([*entries[:2], twin, entries[3]]) == 4


def test_a_dropped_routine_payload_still_verifies_an_urgent_one_does_not() -> None:
    entries = chain(5)
    gone = [replace(s, entry=replace(s.entry, payload=None)) for s in entries]
    walk = Walk(STORE, 0, GENESIS)
    assert [walk.step(s) for s in gone] == [None] * 5
    assert walk.dropped == 5
    alarms = chain(5, urgent=True)
    alarms[2] = replace(alarms[2], entry=replace(alarms[2].entry, payload=None))
    assert broken(alarms) == 3


def test_a_chain_cut_at_the_front_goes_on_from_its_checkpoint() -> None:
    entries = chain(8)
    walk = Walk(STORE, 3, entries[2].hash)
    assert [walk.step(s) for s in entries[3:]] == [None] * 5
    assert Walk(STORE, 3, entries[1].hash).step(entries[3]) is not None


def test_a_boot_may_not_go_back() -> None:
    first = seal(GENESIS, Entry(STORE, 2, 1, "a", True, 0, "", True, "", b"{}"))
    second = seal(first.hash, Entry(STORE, 1, 2, "a", True, 0, "", True, "", b"{}"))
    assert broken([first, second]) == 2
