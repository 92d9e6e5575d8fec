"""What a receiver says it has stored decides what is sent: not again what it names, again what it does not."""

from __future__ import annotations

import pytest

from agent.journal.entry import Entry
from agent.payloads import Receipt
from agent.site import schema
from agent.uplink.flow import NS, Flow
from tests.uplink.fakes import STORE, Box, FakeJournal, entry

JOURNAL = [entry(seq) for seq in range(1, 41)]


def connected(flow: Flow, head: int) -> Flow:
    """A connection, with its backlog read."""
    flow.connected(head, 20)
    feed(flow)
    return flow


def feed(flow: Flow) -> None:
    while (read := flow.want_read()) is not None:
        flow.page(read, [e for e in JOURNAL if read.after < e.seq <= read.upto])


def sent(flow: Flow, now_ns: int = 0, *, answer: bool = True, most: int = 100) -> list[int]:
    """The events handed over now, each acknowledged by the server at once, or not."""
    seqs: list[int] = []
    feed(flow)
    while len(seqs) < most and (send := flow.next_send(now_ns)) is not None:
        assert send.entry is not None
        seqs.append(send.entry.seq)
        if answer:
            flow.answered(send.token, 0, now_ns)
        feed(flow)
    return seqs


def test_what_a_receipt_names_is_not_sent_though_it_was_read_already() -> None:
    flow = connected(Flow(), 40)
    assert sent(flow, most=5) == [1, 2, 3, 4, 5]
    flow.receipted(((1, 30),), 40, mine=True)
    assert sent(flow) == list(range(31, 41))
    assert flow.ranges == ((1, 40),)
    assert flow.waiting(40) == 0


def test_the_backlog_waits_for_a_receipt_and_live_entries_do_not() -> None:
    flow = connected(Flow(), 10)
    flow.backlog_from_ns = 2 * NS
    flow.committed(JOURNAL[10:12])
    assert sent(flow, NS) == [11, 12]
    flow.receipted(((1, 8),), 12, mine=True)
    assert sent(flow, NS) == [9, 10]


def test_a_receipt_that_never_comes_holds_the_backlog_up_no_longer() -> None:
    flow = connected(Flow(), 10)
    flow.backlog_from_ns = 2 * NS
    assert sent(flow, 2 * NS - 1) == []
    assert sent(flow, 2 * NS) == list(range(1, 11))
    flow.disconnected()
    assert sent(connected(flow, 10)) == [], "the server's word counts where there is no other"


@pytest.mark.parametrize("began", [False, True])
def test_the_first_receipt_of_a_connection_decides_over_what_a_server_has_acknowledged(began: bool) -> None:
    """A server took 1 to 10 and lost them; the receiver has 1 to 6 and was silent for a whole connection."""
    flow = connected(Flow(), 10)
    flow.receipted(((1, 4),), 10, mine=True)
    assert sent(flow) == list(range(5, 11))
    flow.disconnected()
    assert sent(connected(flow, 10)) == list(range(5, 11)), "the receiver has not named them"
    flow.disconnected()
    connected(flow, 12)
    assert not flow.by_receipts, "it was silent: the server's word counts"
    flow.committed(JOURNAL[12:14])
    early = sent(flow) if began else []
    assert early == ([13, 14, 11, 12] if began else [])
    flow.receipted(((1, 6),), 14, mine=True)
    assert sent(flow) == [*(() if began else (13, 14)), 7, 8, 9, 10, 11, 12]
    assert flow.waiting(14) == 0


def test_the_first_receipt_comes_while_messages_are_under_way() -> None:
    flow = connected(Flow(ranges=((1, 5),)), 10)
    under_way = []
    while (send := flow.next_send(0)) is not None:
        under_way.append(send)
    flow.receipted(((1, 3),), 10, mine=True)
    for send in under_way:
        flow.answered(send.token, 0, 0)
    assert sent(flow) == [4, 5, 6, 7, 8, 9, 10], "repeats are possible, loss is not"
    assert flow.ranges == ((1, 10),)


def test_a_receipt_over_another_way_spares_this_one_the_sending() -> None:
    flow = connected(Flow(), 10)
    flow.receipted(((3, 9),), 10, mine=False)
    assert sent(flow) == [1, 2, 10]
    assert not flow.by_receipts


def test_an_entry_of_a_later_head_is_not_taken_for_stored() -> None:
    flow = connected(Flow(), 10)
    flow.receipted(((1, 99),), 10, mine=True)
    later: list[Entry] = JOURNAL[10:11]
    flow.committed(later)
    assert sent(flow) == [11]


def test_a_receipt_of_another_store_says_nothing_of_this_one() -> None:
    """A new card begins a new store at entry 1: what was stored of the old one must not count for it."""
    journal = FakeJournal(JOURNAL)
    uplink = Box(schema.Uplink(id="noc", urls=("mqtt://127.0.0.1",)), journal).uplink
    uplink._flow = flow = connected(Flow(), 40)
    uplink.receipted(Receipt(store="ffffffff", receiver="state", ranges=((1, 40),)), mine=True)
    assert not flow.receipts
    assert sent(flow, answer=False, most=1) == [1]
    uplink.receipted(Receipt(store=STORE, receiver="state", ranges=((1, 30),)), mine=True)
    assert flow.receipts == ((1, 30),)
    assert sent(flow, answer=False, most=1) == [31]
