"""What another way out has brought, beside what this way's server took and what a receiver says it has stored."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agent.journal.entry import Ranges
from agent.uplink import ranges as r
from agent.uplink.flow import Flow
from tests.uplink.fakes import entry

HEAD = 70
JOURNAL = [entry(n) for n in range(1, HEAD + 1)]
RANGES = st.lists(st.tuples(st.integers(1, 60), st.integers(0, 9)), max_size=6).map(
    lambda pairs: r.merged(tuple((first, first + more) for first, more in pairs))
)


def sent(flow: Flow, head: int = HEAD) -> list[int]:
    """All that goes on a connection of its own, each acknowledged by the server at once."""
    flow.connected(head, 20)
    seqs: list[int] = []
    while True:
        read = flow.want_read()
        if read is not None:
            flow.page(read, [e for e in JOURNAL if read.after < e.seq <= read.upto][: read.limit])
        send = flow.next_send(0)
        if send is None and read is None:
            return seqs
        if send is not None:
            assert send.entry is not None
            seqs.append(send.entry.seq)
            flow.answered(send.token, 0, 0)


def test_what_another_way_has_brought_is_not_brought_again() -> None:
    flow = Flow(ranges=((1, 2),))
    flow.elsewhere(((4, 9),))
    assert sent(flow, 10) == [3, 10]


def test_where_receipts_decide_another_ways_server_does_not() -> None:
    flow = Flow(receipts=((1, 5),), by_receipts=True)
    flow.elsewhere(((1, 10),))
    assert sent(flow, 10) == [6, 7, 8, 9, 10]


def test_a_receipt_of_very_many_pieces_is_bounded() -> None:
    flow = Flow()
    flow.connected(200_000, 20)
    flow.receipted(tuple((n, n) for n in range(2, 100_000, 2)), 200_000, mine=True)
    assert len(flow.receipts) == r.RANGES_MAX
    assert (flow.receipts[0], flow.receipts[-1]) == ((2, 2), (99_998, 99_998))


@given(RANGES, RANGES, RANGES, st.booleans())
def test_all_that_is_held_nowhere_is_sent_and_nothing_that_is(
    acknowledged: Ranges, elsewhere: Ranges, receipts: Ranges, by_receipts: bool
) -> None:
    flow = Flow(ranges=r.bounded(r.upto(acknowledged, HEAD)), by_receipts=by_receipts)
    flow.receipted(receipts, HEAD, mine=by_receipts)
    flow.elsewhere(elsewhere)
    decides = r.merged(flow.receipts if by_receipts else (*flow.ranges, *elsewhere))
    again = set(sent(flow))
    for seq in range(1, HEAD + 1):
        assert seq in again or r.holds(decides, seq), f"{seq} is neither sent nor held"
    if len(decides) <= r.RANGES_MAX:  # beyond, ranges are forgotten: repeats, no loss
        assert not [seq for seq in again if r.holds(decides, seq)]
    assert flow.ranges == ((1, HEAD),)
