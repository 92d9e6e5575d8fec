"""The flow under random answers, disconnections, refusals and new entries: nothing is lost, live goes first."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.journal.entry import Entry
from agent.uplink import ranges as r
from agent.uplink.flow import HELD_MAX, NS, REFUSALS_MAX, UNHEARD_S, WINDOW_MAX, Flow, Received, Send, SetAside
from agent.uplink.stream import LIVE_MAX, PAGE
from tests.uplink.fakes import entry


class Server:
    """A server and a journal round a flow, driven by one random source; it keeps what it was sent, in order."""

    def __init__(self, rng: random.Random, backlog: int, receive_maximum: int) -> None:
        self.rng, self.receive_maximum = rng, receive_maximum
        self.flow = Flow()
        self.journal: list[Entry] = []
        self.poison: set[int] = set()
        self.refuse_share = self.deaf_share = 0.0
        self.now_ns = 0
        self.flight: list[Send] = []
        self.accepted: set[int] = set()
        self.set_aside: set[int] = set()
        self.received: list[int] = []
        self.sent: list[int] = []  # events of this connection, first tries
        self.refused: set[int] = set()
        self.head = 0
        for _ in range(backlog):
            self.journal.append(self.make())

    def make(self) -> Entry:
        seq = len(self.journal) + 1
        kind = self.rng.choice(("alarm", "reading", "verdict"))
        key = {"alarm": f"a{self.rng.randrange(3)}", "verdict": "verdict", "reading": ""}[kind]
        made = entry(seq, kind, key)
        if kind == "reading" and self.rng.random() < 0.2:  # dropped for room
            return Entry(*[getattr(made, f) for f in Entry.__slots__[:-1]], None)
        return made

    def connect(self) -> None:
        self.flight.clear()
        self.sent.clear()
        self.refused.clear()
        self.head = len(self.journal)
        self.flow.connected(self.head, self.receive_maximum)
        self.flow.status()
        newest = {(e.kind, e.key): e for e in self.journal if e.key}
        self.flow.snapshot([e for e in newest.values() if e.kind == "verdict"])
        self.flow.snapshot([e for e in newest.values() if e.kind == "alarm"])

    def commit(self, count: int) -> None:
        made = []
        for _ in range(count):
            self.journal.append(self.make())
            made.append(self.journal[-1])
        self.flow.committed(made)

    def read(self) -> None:
        read = self.flow.want_read()
        if read is None:
            return
        if self.rng.random() < 0.1:
            self.flow.failed(read)
            return
        self.flow.page(read, [e for e in self.journal if read.after < e.seq <= read.upto][: read.limit])

    def pump(self) -> None:
        while (send := self.flow.next_send(self.now_ns)) is not None:
            assert len(self.flight) < min(WINDOW_MAX, self.receive_maximum)
            self.flight.append(send)
            if send.what == "event" and send.entry is not None and send.entry.seq not in self.refused:
                self.sent.append(send.entry.seq)
        assert self.flow.inflight == len(self.flight)
        assert len(self.flow.ranges) <= r.RANGES_MAX

    def answer(self) -> None:
        if not self.flight:
            return
        send = self.flight.pop(self.rng.randrange(len(self.flight)))
        seq = send.entry.seq if send.entry is not None else 0
        refused = seq in self.poison or self.rng.random() < self.refuse_share
        unheard = not refused and send.what == "event" and self.rng.random() < self.deaf_share
        if refused or unheard:
            self.refused.add(seq)
        elif send.what == "event":
            self.accepted.add(seq)
        for outcome in self.flow.answered(send.token, 0x87 if refused else 0x10 * unheard, self.now_ns):
            if isinstance(outcome, Received):
                self.accepted.add(outcome.entry.seq)
                self.received.append(outcome.entry.seq)
            elif isinstance(outcome, SetAside) and outcome.what == "event" and outcome.entry is not None:
                self.set_aside.add(outcome.entry.seq)

    def settle(self) -> None:
        """All faults healed but poison: everything that can be done is done in the end."""
        self.refuse_share = self.deaf_share = 0.0
        for _ in range(5_000):
            self.read()
            self.pump()
            if self.flight:
                self.answer()
            elif self.flow.held:
                self.now_ns += 61 * NS
            elif not self.flow.hungry:
                break


def in_order(seqs: Sequence[int]) -> bool:
    return list(seqs) == sorted(seqs)


@given(
    seed=st.integers(0, 1 << 32),
    backlog=st.integers(0, 3 * PAGE),
    window=st.sampled_from((1, 2, 5, 20, 65_535)),
    steps=st.lists(st.sampled_from(("commit", "answer", "drop", "read", "pump", "refuse", "late")), max_size=60),
)
def test_every_entry_is_acknowledged_in_the_end(seed: int, backlog: int, window: int, steps: list[str]) -> None:
    server = Server(random.Random(seed), backlog, window)
    server.poison = {s for s in range(1, backlog) if server.rng.random() < 0.005}
    server.connect()
    for step in steps:
        server.now_ns += NS // 2
        if step == "commit":
            server.commit(server.rng.randrange(1, 30))
        elif step == "drop":
            server.flow.disconnected()
            if server.rng.random() < 0.5:
                server.flow.committed([])
                server.journal.extend([server.make()])
            server.connect()
        elif step == "refuse":
            server.refuse_share = server.rng.choice((0.0, 0.0, 0.3, 1.0))
            server.deaf_share = server.rng.choice((0.0, 0.0, 0.3, 1.0))
        elif step == "late":
            assert server.flow.answered(1 << 40, 0, server.now_ns) == ()
        else:
            getattr(server, step)()
            server.pump()
            for _ in range(server.rng.randrange(20)):
                server.answer()
        live = [s for s in server.sent if s > server.head]
        assert in_order(live)
        assert in_order([s for s in server.sent if s <= server.head])
    server.settle()
    if server.poison:  # a poisoned event is given up only once another one is accepted after it
        server.commit(3)
        server.settle()
        server.commit(3)
        server.settle()
    last = len(server.journal)
    assert server.flow.ranges == (((1, last),) if last else ())
    wanted = {e.seq for e in server.journal if e.payload is not None}
    assert wanted <= server.accepted | server.set_aside
    assert server.set_aside <= server.poison
    assert server.flow.waiting(last) == 0


def drained(flow: Flow, journal: list[Entry], now_ns: int = 0) -> list[Send]:
    """All that goes out when every message is accepted at once."""
    out = []
    while True:
        if (read := flow.want_read()) is not None:
            flow.page(read, [e for e in journal if read.after < e.seq <= read.upto][: read.limit])
        send = flow.next_send(now_ns)
        if send is None:
            return out
        out.append(send)
        flow.answered(send.token, 0, now_ns)


def names(sends: Sequence[Send]) -> list[str]:
    return [f"{s.what}{s.entry.seq if s.entry else ''}" for s in sends]


def test_status_live_snapshot_backlog() -> None:
    journal = [entry(n) for n in range(1, 4)] + [entry(4, "alarm", "x")]
    flow = Flow()
    flow.connected(4, 20)
    flow.status()
    flow.snapshot([journal[3]])
    journal.append(entry(5, "alarm", "y"))
    flow.committed([journal[4]])
    got = names(drained(flow, journal))
    assert got == ["status", "state5", "event5", "state4", "event1", "event2", "event3", "event4"]
    assert flow.ranges == ((1, 5),)


def test_that_an_alarm_is_over_is_a_state_too() -> None:
    """What is retained says "cleared"; a NOC's board would else show it for ever."""
    flow = Flow()
    flow.connected(0, 20)
    flow.committed([entry(1, "alarm", "x", state="unacknowledged"), entry(2, "alarm", "x", state="normal")])
    assert names(drained(flow, [])) == ["state1", "event1", "state2", "event2"]
    flow.connected(2, 20)
    flow.snapshot([entry(2, "alarm", "x", state="normal")])
    assert names(drained(flow, [])) == ["state2"]


def test_only_what_has_grown_is_to_be_kept() -> None:
    flow = Flow()
    flow.connected(0, 20)
    assert not flow.dirty
    flow.committed([entry(1)])
    send = flow.next_send(0)
    assert send is not None
    assert not flow.dirty, "it is not acknowledged yet"
    flow.answered(send.token, 0, 0)
    assert flow.dirty
    flow.dirty = False
    assert flow.next_send(0) is None
    assert not flow.dirty


def test_a_snapshot_never_overwrites_a_newer_live_state() -> None:
    journal = [entry(1, "alarm", "x")]
    flow = Flow()
    flow.connected(1, 20)
    journal.append(entry(2, "alarm", "x"))
    flow.committed([journal[1]])
    assert names([s for s in (flow.next_send(0), flow.next_send(0)) if s]) == ["state2", "event2"]
    flow.snapshot([journal[0]])
    assert flow.next_send(0) is None
    # And the other way: a snapshot read late is newer than a live entry that still waits.
    flow = Flow()
    flow.connected(1, 1)
    flow.status()
    assert names([s for s in (flow.next_send(0),) if s]) == ["status"]
    flow.committed([journal[1], entry(3, "alarm", "x")])
    flow.answered(1, 0, 0)
    assert names(drained(flow, [])) == ["state2", "event2", "state3", "event3"]


def test_a_refused_state_is_not_tried_again_over_a_newer_one() -> None:
    flow = Flow()
    flow.connected(0, 20)
    first, second = entry(1, "alarm", "x"), entry(2, "alarm", "x")
    flow.committed([first, second])
    sends = {f"{s.what}{s.entry.seq}": s for s in [flow.next_send(0) for _ in range(4)] if s and s.entry}
    flow.answered(sends["state1"].token, 0x97, 0)
    for name in ("event1", "state2", "event2"):
        flow.answered(sends[name].token, 0, 0)
    assert flow.ranges == ()
    assert flow.next_send(100 * NS) is None
    assert flow.ranges == ((1, 2),)
    assert flow.counts.superseded == 1


def test_an_entry_counts_only_when_state_and_event_are_answered() -> None:
    flow = Flow()
    flow.connected(0, 20)
    flow.committed([entry(1, "alarm", "x")])
    state, event = flow.next_send(0), flow.next_send(0)
    assert state is not None
    assert event is not None
    assert flow.answered(event.token, 0, 0) == ()
    assert flow.ranges == ()
    (outcome,) = flow.answered(state.token, 0, 0)
    assert isinstance(outcome, Received)
    assert outcome.heard
    assert flow.ranges == ((1, 1),)
    assert flow.answered(state.token, 0, 0) == ()
    assert flow.counts.strays == 1


def test_nobody_subscribed_is_said() -> None:
    flow = Flow()
    flow.connected(0, 20)
    flow.committed([entry(1)])
    send = flow.next_send(0)
    assert send is not None
    for second in range(UNHEARD_S):
        assert flow.answered(send.token, 0x10, second * NS) == ()
        assert flow.next_send(second * NS) is None
        send = flow.next_send((second + 1) * NS)
        assert send is not None
    (outcome,) = flow.answered(send.token, 0x10, UNHEARD_S * NS)
    assert outcome == Received(entry(1), heard=False)
    assert flow.counts.unheard == 1


def test_the_backlog_waits_for_somebody_to_hear_it() -> None:
    journal = [entry(n) for n in range(1, 100)]
    flow = Flow()
    flow.connected(99, 20)
    flow.page(flow.want_read(), journal)  # type: ignore[arg-type]
    sends = [flow.next_send(0) for _ in range(20)]
    for send in sends:
        assert send is not None
        flow.answered(send.token, 0x10, 0)
    assert flow.next_send(0) is None
    alarm = entry(100, "alarm", "x")
    flow.committed([alarm])  # a new alarm does not wait
    state, event = flow.next_send(0), flow.next_send(0)
    assert state is not None
    assert event is not None
    assert (state.what, event.what, event.entry) == ("state", "event", alarm)
    flow.answered(state.token, 0x10, 0)
    flow.answered(event.token, 0, 0)
    assert len(drained(flow, journal)) == 99
    assert flow.ranges == ((1, 100),)
    assert flow.counts.unheard == 0


def test_a_message_refused_five_times_is_set_aside_once_others_pass() -> None:
    flow = Flow()
    flow.connected(0, 20)
    flow.committed([entry(1), entry(2)])
    bad, good = flow.next_send(0), flow.next_send(0)
    assert bad is not None
    assert good is not None
    now_ns = 0
    flow.answered(bad.token, 0x99, now_ns)
    flow.answered(good.token, 0, now_ns)
    waits_s = []
    outcomes: Sequence[object] = ()
    for _ in range(REFUSALS_MAX - 1):
        waited_s = 0
        while (again := flow.next_send(now_ns)) is None:
            now_ns += NS
            waited_s += 1
        waits_s.append(waited_s)
        outcomes = flow.answered(again.token, 0x99, now_ns)
    assert waits_s == [1, 2, 4, 8]
    assert outcomes == (SetAside("event", entry(1), 0x99),)
    assert flow.ranges == ((1, 2),)
    assert flow.counts.set_aside == 1


def test_nothing_is_given_up_while_the_server_refuses_everything() -> None:
    flow = Flow()
    flow.connected(0, 20)
    flow.committed([entry(n) for n in range(1, 500)])
    now_ns = 0
    for _ in range(2_000):
        now_ns += 10 * NS
        while (send := flow.next_send(now_ns)) is not None:
            assert flow.answered(send.token, 0x87, now_ns) == ()
    assert flow.refusing
    assert HELD_MAX <= flow.held <= HELD_MAX + WINDOW_MAX
    assert flow.ranges == ()
    assert flow.counts.set_aside == 0
    now_ns += 100 * NS
    assert len(drained(flow, [], now_ns)) == 499
    assert flow.ranges == ((1, 499),)
    assert not flow.refusing


def test_what_was_in_flight_is_sent_again_with_the_same_id() -> None:
    journal = [entry(n) for n in range(1, 31)]
    flow = Flow()
    flow.connected(30, 20)
    flow.page(flow.want_read(), journal)  # type: ignore[arg-type]
    sends = [flow.next_send(0) for _ in range(20)]
    for send in sends[:5]:
        assert send is not None
        flow.answered(send.token, 0, 0)
    flow.disconnected()
    assert flow.ranges == ((1, 5),)
    for send in sends[5:]:
        assert send is not None
        assert flow.answered(send.token, 0, 0) == ()  # an answer too late for its connection is nothing
    flow.connected(30, 20)
    again = drained(flow, journal)
    assert [s.entry.id for s in again if s.entry] == [e.id for e in journal[5:]]


def test_entries_cut_from_the_journal_are_counted_and_passed_over() -> None:
    journal = [entry(n) for n in (5, 6, 9)]
    flow = Flow()
    flow.connected(10, 20)
    assert names(drained(flow, journal)) == ["event5", "event6", "event9"]
    assert flow.ranges == ((1, 10),)
    assert flow.counts.gone == 7


def test_a_long_live_stream_is_read_from_the_journal() -> None:
    journal: list[Entry] = []
    flow = Flow()
    flow.connected(0, 1)
    for n in range(1, 2 * LIVE_MAX + 1):
        journal.append(entry(n))
        flow.committed([journal[-1]])
    assert len(flow._live.buffer) == LIVE_MAX
    assert [s.entry.seq for s in drained(flow, journal) if s.entry] == list(range(1, 2 * LIVE_MAX + 1))
    assert flow.ranges == ((1, 2 * LIVE_MAX),)


def test_a_ninth_range_costs_repeats_never_an_entry() -> None:
    journal: list[Entry] = [entry(n) for n in range(1, 101)]
    flow = Flow()
    sent: list[int] = []
    for _ in range(12):  # each connection takes two live entries and then breaks
        flow.connected(len(journal), 20)
        for _ in range(2):
            journal.append(entry(len(journal) + 1))
            flow.committed([journal[-1]])
            send = flow.next_send(0)
            assert send is not None
            assert send.entry is journal[-1]
            flow.answered(send.token, 0, 0)
            sent.append(send.entry.seq)
        flow.disconnected()
        journal.extend([entry(len(journal) + n) for n in range(1, 4)])
        assert len(flow.ranges) <= r.RANGES_MAX
    flow.connected(len(journal), 20)
    sent += [s.entry.seq for s in drained(flow, journal) if s.entry]
    assert flow.ranges == ((1, len(journal)),)
    assert set(sent) == {e.seq for e in journal}
    assert len(sent) > len(journal)


pairs = st.lists(st.tuples(st.integers(1, 60), st.integers(0, 10)).map(lambda p: (p[0], p[0] + p[1])), max_size=30)


@given(pairs)
@settings(max_examples=300)
def test_ranges(made: list[tuple[int, int]]) -> None:
    numbers = {n for first, last in made for n in range(first, last + 1)}
    merged = r.merged(made)
    assert {n for first, last in merged for n in range(first, last + 1)} == numbers
    assert all(a[1] + 1 < b[0] for a, b in itertools.pairwise(merged))
    kept = r.bounded(merged)
    assert len(kept) <= r.RANGES_MAX
    assert set(kept) <= set(merged)
    if merged:
        assert (kept[0], kept[-1]) == (merged[0], merged[-1])
    assert r.missing(merged, 70) == 70 - len(numbers)
    holes, after = [], 0
    while (hole := r.next_hole(merged, after, 70)) is not None:
        holes += range(hole[0], hole[1] + 1)
        after = hole[1]
    assert holes == [n for n in range(1, 71) if n not in numbers]
    assert r.missing(r.upto(merged, 30), 30) >= 30 - len([n for n in numbers if n <= 30])


@pytest.mark.parametrize("ranges", [(), ((1, 9),), ((-5, 0),), ((5, 2),), ((3, 100),), ((50, 60),)])
def test_ranges_of_another_store_are_cut_at_the_head(ranges: tuple[tuple[int, int], ...]) -> None:
    assert all(1 <= first <= last <= 10 for first, last in r.upto(ranges, 10))


def test_numbers_beyond_the_head_were_never_ours() -> None:
    """A store that lost its tail starts again below what was acknowledged: its new entries must not count as sent."""
    flow = Flow(((1, 500),))
    flow.connected(10, 20)
    assert flow.ranges == ((1, 10),)
    flow.committed([entry(11, boot=4)])
    assert names(drained(flow, [])) == ["event11"]
    assert flow.ranges == ((1, 11),)
