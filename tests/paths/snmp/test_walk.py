"""What is asked, of agents with and without manners."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agent.paths.snmp import message, walk
from agent.paths.snmp.ber import Oid, VarBind
from agent.paths.snmp.message import Pdu
from agent.paths.snmp.walk import Poll
from tests.paths.snmp.test_ber import PDUS
from tests.paths.snmp.tiny import TinyAgent, number

TABLE: Oid = (1, 3, 6, 1, 9)
COLUMNS = [(*TABLE, 1), (*TABLE, 2), (*TABLE, 3)]


def table(rows: int) -> dict[Oid, object]:
    return {(*column, row): number(row) for column in COLUMNS for row in range(1, rows + 1)}


def drive(poll: Poll, agent: TinyAgent) -> Poll:
    for turn in range(1, 1000):
        asked = poll.request(turn)
        if asked is None:
            return poll
        poll.take(agent.twist(asked, agent.of(asked)))
    raise AssertionError("it asks for ever")


def test_scalars_and_tables_are_read_and_what_is_not_there_is_counted() -> None:
    agent = TinyAgent({(1, 3, 1, 0): number(1), **table(100), (1, 3, 7): number(0)})  # type: ignore[dict-item]
    poll = drive(Poll.of([(1, 3, 1, 0), (1, 3, 2, 0)], [[*COLUMNS, (1, 3, 6, 2)], [(1, 3, 8)]]), agent)
    assert len(poll.values) == 301
    assert (poll.absent, poll.errors, poll.cut, poll.whole) == (3, 0, 0, True)


def test_a_long_table_is_cut_at_its_limit() -> None:
    poll = drive(Poll.of([], [COLUMNS[:1]]), TinyAgent(table(1000)))  # type: ignore[arg-type]
    assert len(poll.values) == walk.ROWS_MAX
    assert poll.cut == 1


def test_too_big_is_asked_in_smaller_pieces() -> None:
    scalars = [(1, 3, n, 0) for n in range(20)]
    agent = TinyAgent({oid: number(1) for oid in scalars} | table(9))  # type: ignore[operator]
    agent.most = 3
    assert len(drive(Poll.of(scalars, [COLUMNS]), agent).values) == 20 + 27


def test_a_refused_variable_costs_itself_alone() -> None:
    scalars = [(1, 3, n, 0) for n in range(5)]
    for error in (2, 5, 16):
        agent = TinyAgent({oid: number(1) for oid in scalars} | table(5))  # type: ignore[operator]
        agent.refuses = {scalars[2]: error, COLUMNS[1]: error}
        poll = drive(Poll.of(scalars, [COLUMNS]), agent)
        assert len(poll.values) == 4 + 10
        assert poll.absent == 2


def test_an_error_that_names_nothing_is_found_by_halves() -> None:
    scalars = [(1, 3, n, 0) for n in range(8)]
    agent = TinyAgent({oid: number(1) for oid in scalars})

    def twist(asked: Pdu, answer: Pdu) -> Pdu:
        bad = scalars[5] in [oid for oid, _ in asked.varbinds]
        return Pdu(message.RESPONSE, asked.id, 5, 0, ()) if bad else answer

    agent.twist = twist
    assert len(drive(Poll.of(scalars, []), agent).values) == 7


def test_an_agent_that_walks_in_circles_is_left() -> None:
    agent = TinyAgent(table(10))  # type: ignore[arg-type]
    agent.twist = lambda asked, _answer: Pdu(
        message.RESPONSE, asked.id, 0, 0, tuple(VarBind((*COLUMNS[0], 5), number(1)) for _ in range(20))
    )
    poll = drive(Poll.of([], [COLUMNS]), agent)
    assert len(poll.values) == 1
    assert poll.requests == 1


def test_a_table_that_broke_off_says_so() -> None:
    agent = TinyAgent(table(200))  # type: ignore[arg-type]
    poll = Poll.of([], [COLUMNS])
    poll.take(agent.of(poll.request(1)))  # type: ignore[arg-type]
    assert not poll.whole
    poll.give_up()
    assert poll.request(2) is None
    assert not poll.whole


@given(st.lists(PDUS, max_size=20))
def test_any_answers_end_and_stay_in_bounds(answers: list[Pdu]) -> None:
    poll = Poll.of([(1, 3, 1, 0), (1, 3, 2, 0)], [COLUMNS])
    for turn, answer in enumerate(answers):
        if poll.request(turn) is None:
            return
        poll.take(answer)
    assert len(poll.values) <= walk.VALUES_MAX


def test_an_endless_agent_is_left_after_so_many_requests() -> None:
    agent = TinyAgent({})
    agent.twist = lambda asked, _answer: Pdu(
        message.RESPONSE, asked.id, 0, 0, tuple(VarBind((*oid, 1), number(1)) for oid, _ in asked.varbinds[:1])
    )
    poll = drive(Poll.of([], [[(1, 3, n)] for n in range(50)]), agent)
    assert poll.requests <= walk.REQUESTS_MAX
    assert poll.cut
