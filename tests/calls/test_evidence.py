"""Calls put together across links: one call, one arrival, one end, whatever tells of it and in which order."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from agent.calls.evidence import CALLS_MAX, CallBook
from agent.calls.facts import Arrival, CalledBack, Ended
from agent.lines.parser import CALL_FIELDS, DATA_FIELDS
from agent.readings import Reading
from agent.site import schema
from agent.site.line import AliLine, SmdrLine

NS = 1_000_000_000
TRUNKS = {"T010 016": "north", "T010 017": "south"}
SITE = schema.SiteFile(
    site=schema.Site(id="testville"),
    line=(
        AliLine(id="ali-a", port="/dev/a", link="ali"),
        AliLine(id="ali-b", port="/dev/b", link="ali", side="b"),
        SmdrLine(id="smdr", port="/dev/s", switch="nortel-old", trunks=TRUNKS),
    ),
)


def data(at_s: float, key: str | None = "k1", line: str = "ali-a", **more: Any) -> Reading:
    detail = dict.fromkeys(DATA_FIELDS) | {"what": "record", "link": "ali", "caller_key": key} | more
    return Reading(line, "ali", "data", "record", "up", int(at_s * NS), detail)


def record(at_s: float, key: str | None = "k1", **more: Any) -> Reading:
    given: dict[str, Any] = {"direction": "in", "trunk": "T010016", "phase": "whole", "duration_s": 60.0}
    detail = dict.fromkeys(CALL_FIELDS) | given | {"caller_key": key} | more
    return Reading("smdr", "smdr", "call", "in", None, int(at_s * NS), detail)


def told(book: CallBook, *readings: Reading) -> list[Arrival | Ended | CalledBack]:
    return [fact for one in readings for fact in (*book.tick(one.at_ns), *book.saw(one, one.at_ns))]


def shapes(facts: list[Arrival | Ended | CalledBack]) -> list[tuple[str, int]]:
    return [(type(fact).__name__, fact.call) for fact in facts]


def test_data_and_its_record_are_one_call() -> None:
    facts = told(CallBook(SITE), data(0), record(65))
    assert shapes(facts) == [("Arrival", 1), ("Ended", 1)]
    ended = facts[1]
    assert isinstance(ended, Ended)
    assert (ended.data, ended.talk_s, ended.streams) == (True, 60.0, ("all", "north"))


def test_the_other_side_and_a_bid_again_are_the_same_call() -> None:
    facts = told(CallBook(SITE), data(0), data(0.1, line="ali-b"), data(20), record(65))
    assert shapes(facts) == [("Arrival", 1), ("Ended", 1)]


def test_the_same_caller_an_hour_later_is_another_call() -> None:
    facts = told(CallBook(SITE), data(0), record(65), data(3700), record(3765))
    assert shapes(facts) == [("Arrival", 1), ("Ended", 1), ("Arrival", 2), ("Ended", 2)]


def test_without_a_number_time_joins_them() -> None:
    facts = told(CallBook(SITE), data(0, "k1"), record(66, None))
    assert shapes(facts) == [("Arrival", 1), ("Ended", 1)]
    far = told(CallBook(SITE), data(0, "k1"), record(300, None, duration_s=10.0))
    assert shapes(far) == [("Arrival", 1), ("Arrival", 2), ("Ended", 2)]


def test_start_transfer_and_end_are_one_call() -> None:
    book = CallBook(SITE)
    facts = told(
        book,
        record(0, None, phase="start", duration_s=0.0),
        record(30, None, phase="part", duration_s=10.0),
        record(60, None, phase="end", duration_s=30.0),
    )
    assert shapes(facts) == [("Arrival", 1), ("Ended", 1)]
    assert facts[0].streams == ("all", "north")
    ended = facts[1]
    assert isinstance(ended, Ended)
    assert ended.talk_s == 40.0


def test_only_calls_on_the_named_trunks_count() -> None:
    facts = told(CallBook(SITE), record(0, trunk="T099001"), record(1, direction="out"), record(2, phase="other"))
    assert facts == []


def test_an_abandoned_call_is_an_end_without_talk() -> None:
    facts = told(CallBook(SITE), record(10, abandoned=True, answered=False, duration_s=5.0))
    ended = facts[1]
    assert isinstance(ended, Ended)
    assert (ended.abandoned, ended.answered, ended.talk_s) == (True, False, None)


def test_a_call_without_a_record_is_told_with_what_is_known() -> None:
    book = CallBook(SITE)
    assert shapes(told(book, data(0))) == [("Arrival", 1)]
    due = book.deadline()
    assert due == 1800 * NS
    (ended,) = book.tick(due)
    assert isinstance(ended, Ended)
    assert (ended.talk_s, ended.answered) == (None, None)


READINGS = st.lists(
    st.builds(
        lambda kind, gap, key, phase, took: (kind, gap, key, phase, took),
        st.sampled_from(["data", "record"]),
        st.floats(0, 4000),
        st.sampled_from([None, "k1", "k2", "k3"]),
        st.sampled_from(["whole", "start", "end", "part", "other"]),
        st.one_of(st.none(), st.floats(0, 1e6)),
    ),
    max_size=40,
)


@given(READINGS)
def test_any_order_gives_each_call_one_arrival_and_one_end(given_: list[tuple[Any, ...]]) -> None:
    book, at_s, facts = CallBook(SITE), 0.0, []
    for kind, gap, key, phase, took in given_:
        at_s += gap
        one = data(at_s, key) if kind == "data" else record(at_s, key, phase=phase, duration_s=took)
        facts += told(book, one)
    facts += book.tick(int((at_s + 1e6) * NS))
    arrived = [fact.call for fact in facts if isinstance(fact, Arrival)]
    ended = [fact.call for fact in facts if isinstance(fact, Ended)]
    assert len(set(arrived)) == len(arrived)
    assert sorted(ended) == sorted(arrived)
    assert book.held == 0


def test_a_flood_is_bounded_and_counted() -> None:
    book = CallBook(SITE)
    for number in range(3 * CALLS_MAX):
        book.saw(data(number / 100, f"k{number}"), int(number / 100 * NS))
    assert book.held <= CALLS_MAX
    assert book.dropped == 2 * CALLS_MAX


def only_end(facts: list[Arrival | Ended | CalledBack]) -> Ended:
    (ended,) = (fact for fact in facts if isinstance(fact, Ended))
    return ended


def test_a_record_printed_twice_is_one() -> None:
    book = CallBook(SITE)
    one = {"record": "017", "start": "06/18 13:15"}
    facts = told(book, data(0), record(65, **one), record(66, **one), record(67, **one))
    assert shapes(facts) == [("Arrival", 1), ("Ended", 1)]
    assert book.copies == 2


def test_a_redial_after_dead_air_is_an_end_of_its_own() -> None:
    facts = told(
        CallBook(SITE), data(0), record(8, duration_s=6.0), data(20), record(120, duration_s=95.0, start="13:16")
    )
    assert [fact.talk_s for fact in facts if isinstance(fact, Ended)] == [6.0, 95.0]


def test_a_bid_again_every_half_minute_is_the_same_call() -> None:
    facts = told(CallBook(SITE), *(data(at) for at in range(0, 600, 30)), record(605, duration_s=600.0))
    assert shapes(facts) == [("Arrival", 1), ("Ended", 1)]


def test_copies_without_a_number_pair_off_in_order() -> None:
    seen = [data(0, None), data(1, None), data(1.5, None, "ali-b", side="b"), data(2, None, "ali-b", side="b")]
    facts = told(CallBook(SITE), *seen)
    assert [fact for fact in shapes(facts) if fact[0] == "Arrival"] == [("Arrival", 1), ("Arrival", 2)]


def test_a_position_that_bids_again_and_gets_the_number_is_one_call() -> None:
    facts = told(CallBook(SITE), data(0, None, what="no-record-found", position="12"), data(8, "k9", position="12"))
    assert shapes(facts) == [("Arrival", 1)]


def test_a_query_is_a_call_even_if_no_answer_comes() -> None:
    book = CallBook(SITE)
    assert shapes(told(book, data(0, what="query"))) == [("Arrival", 1)]
    assert shapes(told(book, data(0.5))) == []
    assert only_end(told(book, record(65))).data is True
    assert shapes(told(CallBook(SITE), data(0, what="test"), data(1, what="broadcast"))) == []


def test_a_start_on_the_same_trunk_ends_the_call_whose_end_was_lost() -> None:
    facts = told(
        CallBook(SITE), record(0, "k1", phase="start", duration_s=0.0), record(300, "k2", phase="start", duration_s=0.0)
    )
    assert shapes(facts) == [("Arrival", 1), ("Ended", 1), ("Arrival", 2)]


def test_a_first_leg_that_was_a_talk_is_one_whatever_the_last_leg_was() -> None:
    ended = only_end(
        told(
            CallBook(SITE),
            record(0, None, phase="start", duration_s=61.0, record="1"),
            record(9, None, phase="end", duration_s=4.0, record="2"),
        )
    )
    assert ended.talk_s == 61.0


def test_a_long_call_in_parts_is_told_at_its_first_talk() -> None:
    facts = told(
        CallBook(SITE),
        record(300, None, phase="part", duration_s=300.0, start="1"),
        record(600, None, phase="part", duration_s=300.0, start="2"),
        record(700, None, phase="whole", duration_s=100.0, start="3"),
    )
    assert shapes(facts) == [("Arrival", 1), ("Ended", 1)]


def test_a_call_back_tells_that_there_was_no_talk_before_any_record() -> None:
    facts = told(CallBook(SITE), data(0), record(120, None, direction="out", dialled_key="k1", duration_s=30.0))
    assert shapes(facts) == [("Arrival", 1), ("Ended", 1), ("CalledBack", 1)]
    assert only_end(facts).answered is False


def test_only_a_call_without_a_talk_is_called_back() -> None:
    talked = told(CallBook(SITE), data(0), record(65), record(150, None, direction="out", dialled_key="k1"))
    assert shapes(talked) == [("Arrival", 1), ("Ended", 1)]
    late = told(
        CallBook(SITE), data(0), record(9, duration_s=5.0), record(600, None, direction="out", dialled_key="k1")
    )
    assert shapes(late) == [("Arrival", 1), ("Ended", 1)]


def test_at_most_eight_classes_of_service() -> None:
    book = CallBook(SITE)
    facts = [fact for n in range(20) for fact in told(book, data(n, f"k{n}", class_of_service=f"CL{n:02}"))]
    classes = {stream for fact in facts for stream in fact.streams if stream.startswith("class:")}
    assert len(classes) == 8


DETAIL = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 5),
    st.floats(),
    st.sampled_from(["in", "out", "k1", "k2", "whole", "end"]),
)


@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 10**13), st.dictionaries(st.sampled_from(CALL_FIELDS), DETAIL))),
    st.dictionaries(st.sampled_from(DATA_FIELDS), DETAIL),
)
def test_any_detail_in_any_order_of_time_is_taken(many: list[tuple[bool, int, dict[str, Any]]], more: Any) -> None:
    book = CallBook(SITE)
    for is_data, now_ns, detail in many:
        one = data(0, **{**more, "what": "record"}) if is_data else record(0, **{"direction": "in", **detail})
        book.saw(one, now_ns)
        book.tick(now_ns)
        assert book.held <= CALLS_MAX
