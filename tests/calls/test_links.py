"""The judgement of ALI links: queries without answers, sides that part, heartbeats that stay out, records gone bad."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.calls.facts import CallCondition
from agent.calls.link_quality import CLEAR_GOOD, LEARNED_RECORDS, SHARE_MAX
from agent.calls.link_rules import ANSWER_S, PAIR_S
from agent.calls.links import RECORD_FRESH_S, LinkJudge
from agent.lines.parser import DATA_FIELDS
from agent.readings import Reading
from agent.site.line import AliLine, CsuLine, Line

NS = 1_000_000_000


def ali(name: str = "ali-a", **keys: Any) -> AliLine:
    return AliLine(id=name, port=f"/dev/{name}", **keys)


def data(line: str, what: str = "record", caller: str | None = "k1", **detail: Any) -> Reading:
    full: dict[str, Any] = dict.fromkeys(DATA_FIELDS)
    full.update({"what": what, "has_number": caller is not None, "has_place": what == "record", "caller_key": caller})
    return Reading(line, "ali", "data", what, None, 0, {**full, **detail})


def beat(line: str, state: Any = "up", **detail: Any) -> Reading:
    return Reading(line, "ali", "heartbeat", "link", state, 0, detail)


def port(line: str, kind: Any) -> Reading:
    return Reading(line, "ali", kind, "port", "up", 0, {})


class Site:
    """A judge, a clock, and what stands."""

    def __init__(self, *lines: Line, learned: Any = None) -> None:
        self.judge = LinkJudge(lines, learned)
        self.now_s = 1.0
        self.stands: dict[tuple[str, str, str], CallCondition] = {}
        for line in lines:
            self.saw(port(line.id, "port-up"))

    def _take(self, conditions: list[CallCondition]) -> None:
        for c in conditions:
            key = (c.resource, c.type, c.qualifier)
            assert c.holds or key in self.stands, "a clear of what never stood"
            if c.holds:
                self.stands[key] = c
            else:
                del self.stands[key]

    def saw(self, *readings: Reading) -> Site:
        for reading in readings:
            self._take(self.judge.saw(reading, int(self.now_s * NS)))
        return self

    def wait(self, seconds: float) -> Site:
        """As the core does it: wake at each deadline."""
        end_ns = int((self.now_s + seconds) * NS)
        for _ in range(10_000):
            due = self.judge.deadline()
            if due is None or due > end_ns:
                break
            self._take(self.judge.tick(due))
            after = self.judge.deadline()
            assert after is None or after > due, "a deadline that does not move"
        else:
            raise AssertionError("busy")
        self.now_s += seconds
        return self

    def quals(self) -> set[str]:
        return {key[2] for key in self.stands}


BOTH_WIRES = (ali("ask", link="main", carries="queries"), ali("tell", link="main"))
TWO_SIDES = (ali("one", link="main", side="a"), ali("two", link="main", side="b"))


# -- queries without an answer -----------------------------------------------------------------------------------


def test_three_queries_of_two_callers_without_an_answer() -> None:
    site = Site(*BOTH_WIRES)
    for caller in ("k1", "k1", "k2"):
        assert not site.stands
        site.saw(data("ask", "query", caller)).wait(ANSWER_S + 1)
    condition = site.stands["main", "link-quiet", "no-answer"]
    assert "ALI link main" in condition.text
    assert "tap" in condition.text  # none was answered since the start
    assert site.judge.columns(int(site.now_s * NS))["R"] == "d"
    site.saw(data("tell", "no-record-found"))  # any answer will do
    assert not site.stands


def test_it_is_told_when_the_third_has_waited_long_enough_and_not_before() -> None:
    site = Site(*BOTH_WIRES)
    site.saw(data("ask", "query", "k1"), data("ask", "query", "k2"), data("ask", "query", "k3"))
    site.wait(ANSWER_S - 0.1)
    assert not site.stands
    site.wait(0.2)
    assert site.quals() == {"no-answer"}


def test_one_caller_asked_over_and_over_needs_five() -> None:
    site = Site(*BOTH_WIRES)
    for _ in range(4):
        site.saw(data("ask", "query", "k1")).wait(ANSWER_S + 1)
    assert not site.stands
    site.saw(data("ask", "query", "k1")).wait(ANSWER_S + 1)
    assert site.quals() == {"no-answer"}


def test_the_same_query_again_within_ten_seconds_is_one_query() -> None:
    site = Site(*BOTH_WIRES)
    for _ in range(6):
        site.saw(data("ask", "query", "k1")).wait(1)
    assert not site.wait(60).stands


@pytest.mark.parametrize("delay_s", [0.0, 0.5, 9.5])
def test_answered_queries_say_nothing(delay_s: float) -> None:
    site = Site(*BOTH_WIRES)
    for number in range(50):
        site.saw(data("ask", "query", f"k{number}")).wait(delay_s)
        site.saw(data("tell", caller=f"k{number}")).wait(30)
    assert not site.stands


def test_a_damaged_answer_is_no_loss_and_a_deaf_port_is_no_evidence() -> None:
    site = Site(*BOTH_WIRES)
    for number in range(10):
        site.saw(data("ask", "query", f"k{number}"))
        site.saw(Reading("tell", "ali", "garbage", "", None, 0, {"bytes": 9, "reason": "not text"})).wait(20)
    assert not site.stands
    site.saw(port("tell", "port-down"))
    for number in range(10):
        site.saw(data("ask", "query", f"k{number}")).wait(20)
    assert not site.stands
    assert site.judge.columns(int(site.now_s * NS))["R"] == "-"


def test_queries_without_a_wire_for_answers_are_not_judged() -> None:
    site = Site(ali("ask", carries="queries"))
    for number in range(10):
        site.saw(data("ask", "query", f"k{number}")).wait(20)
    assert not site.stands


def test_an_acknowledgement_is_no_answer() -> None:
    site = Site(ali("ali-a", carries="both"))
    for number in range(3):
        site.saw(data("ali-a", "query", f"k{number}"), data("ali-a", "ack", None)).wait(20)
    assert site.quals() == {"no-answer"}


# -- two sides ---------------------------------------------------------------------------------------------------


def test_both_sides_carry_all_and_one_stops() -> None:
    site = Site(*TWO_SIDES)
    for number in range(60):
        site.saw(data("one", caller=f"k{number}")).wait(0.2)
        site.saw(data("two", caller=f"k{number}")).wait(300)
    assert not site.stands
    for number in range(6):
        site.saw(data("one", caller=f"m{number}")).wait(300)
    condition = site.stands["main", "link-quiet", "side-b"]
    assert "side B is quiet" in condition.text
    assert site.judge.columns(int(site.now_s * NS))["R"] == "g"
    site.saw(data("two", caller="n"))
    assert not site.stands


def test_sides_that_carry_half_each_take_longer() -> None:
    random_ = random.Random(7)
    site = Site(*TWO_SIDES)
    for number in range(200):
        site.saw(data(random_.choice(["one", "two"]), caller=f"k{number}")).wait(300)
    assert not site.stands
    missed = 0
    while not site.stands:
        missed += 1
        assert missed < 40
        site.saw(data("one", caller=f"m{missed}")).wait(300)
    assert missed > 8
    assert site.quals() == {"side-b"}


def test_a_standby_side_is_not_judged() -> None:
    site = Site(*TWO_SIDES)
    for number in range(400):
        site.saw(data("one", caller=f"k{number}")).wait(300)
    assert not site.stands


def test_a_side_whose_port_is_gone_is_not_called_quiet() -> None:
    site = Site(*TWO_SIDES)
    for number in range(60):
        site.saw(data("one", caller=f"k{number}"), data("two", caller=f"k{number}")).wait(300)
    for number in range(3):
        site.saw(data("one", caller=f"m{number}")).wait(300)
    site.saw(port("two", "port-down"), port("two", "port-up"))
    site.saw(data("one", caller="x")).wait(300)
    assert not site.stands


def test_heartbeats_of_one_side_stop() -> None:
    site = Site(*TWO_SIDES)
    for _ in range(30):
        site.saw(beat("one")).wait(20)
        site.saw(beat("one")).wait(20)
        site.saw(beat("two")).wait(20)
    assert not site.stands
    for _ in range(8):
        site.saw(beat("one")).wait(30)
    assert site.quals() == {"side-b"}
    assert not site.saw(beat("two")).stands


# -- heartbeat ---------------------------------------------------------------------------------------------------

BEATING = ali(heartbeat_s=60, heartbeat_text="H")


def test_other_bytes_are_no_heartbeat() -> None:
    site = Site(BEATING)
    for _ in range(5):
        site.saw(beat("ali-a")).wait(60)
    assert site.judge.columns(int(site.now_s * NS))["H"] == "u"
    for _ in range(14):
        site.saw(data("ali-a", "ack", None), Reading("ali-a", "ali", "garbage", "", None, 0, {"bytes": 1})).wait(10)
    condition = site.stands["ali-a", "link-quiet", "ali-a"]
    assert "no heartbeat" in condition.text
    assert site.judge.columns(int(site.now_s * NS))["H"] == "d"
    assert not site.saw(beat("ali-a")).stands


def test_a_record_is_a_sign_of_life_and_one_that_never_beats_is_told() -> None:
    site = Site(BEATING)
    site.wait(170)
    assert not site.stands
    site.saw(data("ali-a")).wait(170)
    assert not site.stands
    assert site.wait(20).quals() == {"ali-a"}


def test_a_wholly_silent_port_is_left_to_the_shell() -> None:
    site = Site(BEATING)
    site.saw(beat("ali-a")).wait(180.5)
    site.saw(beat("ali-a", "down", quiet_s=180.5, expected_s=60.0)).wait(600)
    assert not site.stands
    assert site.judge.columns(int(site.now_s * NS))["H"] == "d"


def test_without_a_heartbeat_text_nothing_is_told_here() -> None:
    assert not Site(ali(heartbeat_s=60)).wait(3600).stands


# -- the quality of records --------------------------------------------------------------------------------------


def learned_site(*lines: Line) -> Site:
    site = Site(*(lines or (ali(),)))
    for number in range(LEARNED_RECORDS + 20):
        site.saw(data("ali-a", caller=f"g{number}")).wait(180)
    return site


@pytest.mark.parametrize(
    ("qualifier", "bad"),
    [
        ("no-record", {"what": "no-record-found", "has_place": False}),
        ("no-number", {"what": "ani-failure", "caller": None}),
        ("no-number", {"what": "record", "caller": None}),
        ("no-place", {"what": "record", "has_place": False}),
    ],
)
def test_bad_records_are_told_and_good_ones_clear(qualifier: str, bad: dict[str, Any]) -> None:
    site = learned_site()
    for number in range(8):
        site.saw(data("ali-a", **{"caller": f"b{number}", **bad})).wait(180)
    assert set(site.stands) == {("ali-a", "data-quality", qualifier)}
    assert not site.stands["ali-a", "data-quality", qualifier].shadow
    assert site.judge.columns(int(site.now_s * NS))["R"] == "g"
    for number in range(CLEAR_GOOD):
        assert site.stands
        site.saw(data("ali-a", caller=f"c{number}")).wait(180)
    assert not site.stands


def test_before_it_has_learned_it_does_not_sound_and_then_it_does() -> None:
    site = Site(ali())
    for number in range(10):
        site.saw(data("ali-a", "no-record-found", f"b{number}")).wait(180)
    assert site.stands["ali-a", "data-quality", "no-record"].shadow


def test_a_rebid_is_one_caller_and_a_copy_on_the_other_side_too() -> None:
    site = learned_site()
    for _ in range(20):
        site.saw(data("ali-a", "no-record-found", "same")).wait(20)
    assert not site.stands
    twice = Site(*TWO_SIDES)
    for number in range(30):
        twice.saw(data("one", caller=f"k{number}")).wait(1).saw(data("two", caller=f"k{number}")).wait(60)
    assert twice.judge.status(int(twice.now_s * NS))[0]["no_record_usual"] == round(1 / 80, 4)


def test_a_damaged_record_is_not_judged() -> None:
    site = learned_site()
    for number in range(20):
        site.saw(data("ali-a", caller=f"b{number}", has_place=False, check_ok=False)).wait(60)
    assert not site.stands


def test_a_link_that_always_is_so_is_not_judged() -> None:
    site = Site(ali())
    for number in range(3 * LEARNED_RECORDS):
        site.saw(data("ali-a", caller=f"k{number}", has_place=False)).wait(180)
    assert not site.stands
    assert site.judge.status(int(site.now_s * NS))[0]["no_place_judged"] is False


# -- all of it ---------------------------------------------------------------------------------------------------


def test_nothing_heard_is_no_look_and_old_goods_do_not_count() -> None:
    site = Site(*BOTH_WIRES, CsuLine(id="csu", port="/dev/c"))
    assert site.judge.columns(int(site.now_s * NS)) == {"R": "-", "H": "-"}
    site.saw(data("tell"), beat("tell"))
    assert site.judge.columns(int(site.now_s * NS)) == {"R": "u", "H": "u"}
    site.wait(RECORD_FRESH_S + 1)
    assert site.judge.columns(int(site.now_s * NS)) == {"R": "-", "H": "-"}
    assert site.judge.deadline() is None


def test_what_was_learned_outlives_a_restart_and_nonsense_does_not() -> None:
    site = learned_site()
    known = site.judge.learned()
    again = Site(ali(), learned=known)
    assert again.judge.learned() == known
    for number in range(8):
        again.saw(data("ali-a", "no-record-found", f"b{number}")).wait(180)
    assert not again.stands["ali-a", "data-quality", "no-record"].shadow
    for nonsense in (
        {"ali-a": 7},
        {"ali-a": {"no-place.bad": -1, "no-place.weight": "x"}},
        {"ali-a": {"no-place.bad": 1e9}},
    ):
        assert LinkJudge([ali()], nonsense).learned() == LinkJudge([ali()]).learned()


def test_no_text_names_anything_of_a_caller() -> None:
    site = Site(*BOTH_WIRES)
    for number in range(6):
        site.saw(data("ask", "query", f"secret{number}")).wait(20)
    assert "secret" not in repr(site.stands) + repr(site.judge.status(int(site.now_s * NS)))


KINDS = st.sampled_from(["record", "no-record-found", "ani-failure", "query", "ack", "other", "test"])
STEP = st.one_of(
    st.builds(data, st.sampled_from(["one", "two", "ask"]), KINDS, st.sampled_from(["k1", "k2", "k3", None])),
    st.builds(beat, st.sampled_from(["one", "two", "ask"]), st.sampled_from(["up", "down"])),
    st.builds(port, st.sampled_from(["one", "two", "ask"]), st.sampled_from(["port-up", "port-down"])),
    st.floats(min_value=0.0, max_value=400.0),
)


@settings(max_examples=150, deadline=None)
@given(steps=st.lists(STEP, max_size=60))
def test_any_course_never_raises_never_spins_and_keeps_little(steps: list[Reading | float]) -> None:
    lines = (
        ali("one", link="main", side="a", heartbeat_s=60, heartbeat_text="H"),
        ali("two", link="main", side="b"),
        ali("ask", link="main", carries="queries"),
    )
    site, twin = Site(*lines), Site(*lines)
    for step in steps:
        for each in (site, twin):
            if isinstance(step, float):
                each.wait(step)
            else:
                each.saw(step)
    assert site.stands == twin.stands
    looks = site.judge.columns(int(site.now_s * NS))
    assert set(looks) == {"R", "H"}
    assert set(looks.values()) <= {"u", "d", "g", "-"}
    assert len(repr(site.judge.status(int(site.now_s * NS)))) < 4000
    assert SHARE_MAX < 0.5
    assert PAIR_S < ANSWER_S
