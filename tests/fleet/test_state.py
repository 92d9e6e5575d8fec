"""The fleet's state from messages."""

from __future__ import annotations

import itertools
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.clock import unix_s
from agent.fleet.screen import as_json, view
from agent.fleet.state import Fleet, Limits, ProbeLook, SiteLook
from agent.remote.commands import read as read_command
from agent.uplink.messages import Message
from tests.fleet.made import UTC_S, Probe, alarm, give, ns


def heard() -> Fleet:
    fleet = Fleet()
    fleet.hearing(True, ns(0))
    return fleet


def site(fleet: Fleet, after_s: float = 0.0, name: str = "a") -> SiteLook:
    return next(look for look in fleet.look(ns(after_s)) if look.site == name)


def probe(fleet: Fleet, after_s: float = 0.0) -> ProbeLook:
    return site(fleet, after_s).probes[0]


def well(fleet: Fleet, p: Probe, after_s: float = 0.0) -> None:
    give(fleet, p.up(after_s=after_s), after_s)
    give(fleet, p.health(after_s=after_s), after_s)


def test_well_needs_status_heartbeat_and_an_agreeing_digest() -> None:
    fleet, p = heard(), Probe()
    give(fleet, p.up(), retained=True)
    assert (site(fleet).state, site(fleet).why) == ("unknown", "only a memory of the broker's")
    give(fleet, p.up(after_s=1), 1)
    assert site(fleet, 1).why == "no heartbeat yet"
    give(fleet, p.health(), 2)
    assert site(fleet, 2).state == "well"
    assert probe(fleet, 2).config == "c0ffee"
    assert probe(fleet, 2).clock_synced


def test_a_stopped_heartbeat_is_not_well() -> None:
    fleet, p = heard(), Probe()
    well(fleet, p)
    give(fleet, p.up(after_s=170), 170)
    assert site(fleet, 181).why == "its heartbeat has stopped"
    assert site(fleet, 181).state == "unknown"


def test_an_alarm_stands_until_it_is_normal() -> None:
    fleet, p = heard(), Probe(provider="Carrier X")
    well(fleet, p)
    give(fleet, p.alarm(alarm()), 1)
    assert (site(fleet, 1).state, site(fleet, 1).severity) == ("alarm", "critical")
    assert site(fleet, 1).psap.provider == "Carrier X"
    give(fleet, p.health([alarm()]), 2)
    assert probe(fleet, 2).agrees
    give(fleet, p.alarm(alarm(state="normal")), 3)
    give(fleet, p.health(), 4)
    assert site(fleet, 4).state == "well"


@pytest.mark.parametrize("quiet", [{"shadow": True}, {"shelved": True}, {"mode": "service"}])
def test_what_people_there_work_on_is_no_alarm(quiet: dict[str, Any]) -> None:
    fleet, p = heard(), Probe()
    well(fleet, p)
    give(fleet, p.alarm(alarm(**quiet)), 1)
    assert site(fleet, 1).state == "well"
    assert probe(fleet, 1).alarms


def test_the_slower_uplink_tells_of_the_past() -> None:
    fleet, p = heard(), Probe()
    well(fleet, p)
    old, new = p.alarm(alarm()), p.alarm(alarm(state="normal"))
    give(fleet, new, 1)
    give(fleet, old, 2)
    assert not probe(fleet, 2).alarms
    assert fleet.refused["late"] == 1


def test_lost_only_when_all_uplinks_are() -> None:
    fleet, one, two = heard(), Probe(uplink="lte"), Probe(uplink="wan")
    for p in (one, two):
        give(fleet, p.up())
    give(fleet, one.health())
    give(fleet, one.lost(), 1)
    assert site(fleet, 1).state == "well"
    give(fleet, two.lost(why="power"), 2)
    assert site(fleet, 2).state == "lost"
    assert site(fleet, 2).lost_ns == ns(2)


def test_a_site_is_lost_when_all_its_probes_are() -> None:
    fleet, one, two = heard(), Probe(probe="p1"), Probe(probe="p2")
    for p in (one, two):
        well(fleet, p)
    give(fleet, one.lost(), 1)
    assert (site(fleet, 1).state, site(fleet, 1).severity) == ("alarm", "major")
    assert site(fleet, 1).why == "1 of 2 probes lost"
    give(fleet, two.lost(), 2)
    assert site(fleet, 2).state == "lost"


def test_a_late_will_is_known_by_its_session() -> None:
    fleet, p = heard(), Probe()
    give(fleet, p.up(session=2))
    give(fleet, p.health(session=2))
    give(fleet, p.lost(session=1), 1)
    assert site(fleet, 1).state == "well"
    assert fleet.refused["late"] == 1
    give(fleet, p.lost(session=2), 2)
    assert site(fleet, 2).state == "lost"
    give(fleet, p.up(session=3, after_s=3), 3)
    assert site(fleet, 3).state != "lost"


def test_an_up_that_is_not_renewed_is_stale() -> None:
    fleet, p = heard(), Probe()
    well(fleet, p)
    assert site(fleet, 180).state == "well"
    assert site(fleet, 181).state == "lost"
    assert site(fleet, 181).lost_ns == ns(0)


def test_a_new_store_counts_where_it_is_heard_even_with_a_wrong_clock() -> None:
    fleet, p = heard(), Probe()
    give(fleet, p.lost(session=900))
    give(fleet, p.up(session=1, store="ffffffff", after_s=-86_400, synced=False), 1)
    assert probe(fleet, 1).uplinks[0][1] == "up"


def test_an_old_memory_of_the_broker_is_unknown_and_then_lost() -> None:
    fleet, p = heard(), Probe()
    give(fleet, p.up(after_s=-3600), retained=True)
    assert site(fleet, 1).state == "unknown"
    assert site(fleet, 179).state == "unknown"
    assert site(fleet, 181).state == "lost"


def test_our_own_deafness_loses_nobody() -> None:
    fleet, p = heard(), Probe()
    well(fleet, p)
    fleet.hearing(False, ns(10))
    assert site(fleet, 900).state == "unknown"
    fleet.hearing(True, ns(1000))
    assert site(fleet, 1100).state == "unknown"
    assert site(fleet, 1181).state == "lost"


def test_a_pause_of_our_own_loses_nobody() -> None:
    fleet, p = heard(), Probe()
    fleet.tick(ns(0), UTC_S)
    well(fleet, p)
    fleet.tick(ns(600), UTC_S + 600)
    assert site(fleet, 600).state == "unknown"
    assert fleet.refused["deaf"] == 1


def test_the_clock_is_compared_when_fresh() -> None:
    fleet, p = heard(), Probe()
    give(fleet, p.up(after_s=-500, synced=False), 0)
    assert probe(fleet).clock_offset_s == -500.0
    assert probe(fleet).clock_synced is False
    give(fleet, p.up(session=2, after_s=7), 9, retained=True)
    assert probe(fleet, 9).clock_offset_s == -500.0


def test_a_digest_that_differs_is_asked_about_and_the_answer_is_taken() -> None:
    fleet, p = heard(), Probe()
    well(fleet, p)
    give(fleet, p.health([alarm()]), 60)
    assert probe(fleet, 60).agrees is False
    assert site(fleet, 60).state == "unknown"
    assert not fleet.due_questions(ns(61))  # what differs may be on its way
    (asked,) = fleet.due_questions(ns(66))
    assert asked.topic == "dialtone/v1/a/p1/cmd/state"
    command = read_command(asked.payload, "state", by="", site=p.site, now_utc_s=UTC_S + 66)
    assert command.name == "state"
    assert not asked.retain
    assert not fleet.due_questions(ns(100))
    (again,) = fleet.due_questions(ns(127))
    assert json.loads(again.payload)["id"] != command.id
    reply = {"id": command.id, "ok": True, "result": {"alarms": [alarm()], "verdict": None}}
    fleet.message(f"{p.base}/cmd/state/reply", msgspec.json.encode(reply), False, ns(128), UTC_S + 128)
    assert (site(fleet, 128).state, site(fleet, 128).severity) == ("alarm", "critical")
    assert not fleet.due_questions(ns(200))
    assert unix_s(json.loads(asked.payload)["expires"]) > UTC_S + 66


def test_the_alarm_that_was_on_its_way_settles_it() -> None:
    fleet, p = heard(), Probe()
    well(fleet, p)
    give(fleet, p.health([alarm()]), 60)
    give(fleet, p.alarm(alarm()), 61)
    assert probe(fleet, 61).agrees
    assert not fleet.due_questions(ns(70))


def test_what_the_broker_no_longer_holds_goes_when_the_digest_says_so() -> None:
    fleet, p = heard(), Probe()
    well(fleet, p)
    give(fleet, p.alarm(alarm("t1-1")), 1)
    give(fleet, p.alarm(alarm("t1-2")), 1)
    fleet.hearing(False, ns(2))
    fleet.hearing(True, ns(10))
    give(fleet, p.alarm(alarm("t1-2"), seq=2), 11, retained=True)
    assert len(probe(fleet, 11).alarms) == 2
    give(fleet, p.health([alarm("t1-2")]), 20)
    assert [a.id for a in probe(fleet, 20).alarms] == ["bank-a_los_t1-2"]
    assert probe(fleet, 20).agrees


def test_a_refused_question_is_told() -> None:
    fleet, p = heard(), Probe()
    fleet.message(f"{p.base}/cmd/state/reply", b'{"ok":false,"error":"not enabled"}', False, ns(0), UTC_S)
    assert fleet.refused["no-state"] == 1
    assert "not enabled" in fleet.news[-1]


def test_limits_hold_and_are_counted() -> None:
    fleet = Fleet(Limits(sites=2, probes=1, uplinks=1, alarms=2, streams=1, alarms_all=3))
    for name in "abcd":
        give(fleet, Probe(name).up())
    give(fleet, Probe("a", "p2").up())
    give(fleet, Probe("a", uplink="wan").up())
    one, two = Probe("a"), Probe("b")
    for n in range(5):
        give(fleet, one.alarm(alarm(f"t-{n}")))
        give(fleet, two.alarm(alarm(f"t-{n}")))
    held = [len(p.alarms) for look in fleet.look(ns(0)) for p in look.probes]
    assert sum(held) == 3
    assert len(fleet.sites) == 2
    assert {k: fleet.refused[k] for k in ("sites", "probes", "uplinks", "alarms")} == {
        "sites": 2, "probes": 1, "uplinks": 1, "alarms": 7
    }  # fmt: skip


def test_what_is_remembered_of_gone_alarms_is_bounded() -> None:
    fleet, p = heard(), Probe()
    for n in range(600):
        give(fleet, p.alarm(alarm(f"t-{n}")))
        give(fleet, p.alarm(alarm(f"t-{n}", state="normal")))
    held = fleet.sites["a"].probes["p1"]
    assert not held.alarms
    assert not held.again
    assert len(held.entries) <= 256


@pytest.mark.parametrize("topic", ["dialtone/v1/a/p1/status/\ud800", "dialtone/v1/pool/\ud800", "\ud800", "/" * 70_000])
def test_topics_that_are_no_text(topic: str) -> None:
    fleet = heard()
    for payload in (real.up().payload, b""):
        fleet.message(topic, payload, True, ns(0), UTC_S)
    assert sum(fleet.refused.values()) >= 1  # an empty word on a share takes it back
    assert not fleet.sites


def test_only_chosen_sites_are_looked_at() -> None:
    fleet = Fleet(only=["b"])
    for name in "abc":
        give(fleet, Probe(name).up())
    assert list(fleet.sites) == ["b"]


words = "dialtone v1 a b p1 pool status alarm health calls event verdict cmd state reply lte + # esinet-east".split()
levels = st.sampled_from([*words, "", "\u202e"])
real = Probe()
good = st.sampled_from(
    [real.up(), real.lost(), real.health(), real.alarm(alarm()), real.verdict(), real.calls(0.0)]
).map(lambda message: message.payload)
json_value = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**25), 10**25) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)


@st.composite
def spoilt(draw: st.DrawFn) -> bytes:
    """A good payload with one member replaced."""
    body = json.loads(draw(good))
    body[draw(st.sampled_from(sorted(body)))] = draw(json_value)
    return json.dumps(body).encode("utf-8", "surrogatepass")


topics = st.one_of(
    st.text(max_size=60),
    st.lists(levels, max_size=8).map("/".join),
    st.lists(levels, max_size=4).map(lambda rest: "/".join(["dialtone", "v1", "a", "p1", *rest])),
)
mine = st.sampled_from(
    ["status/lte", "alarm/bank-a_los_t1-1", "health", "calls", "verdict", "event", "cmd/state/reply"]
)


@given(st.lists(st.tuples(topics, st.binary(max_size=80) | good | spoilt(), st.booleans()), max_size=12))
def test_nothing_that_comes_raises(messages: list[tuple[str, bytes, bool]]) -> None:
    fleet = heard()
    for index, (topic, payload, retained) in enumerate(messages):
        fleet.message(topic, payload, retained, ns(index), UTC_S + index)
        fleet.due_questions(ns(index))
    json.dumps(as_json(view(fleet, None, ns(30), UTC_S + 30)))


@given(st.lists(st.tuples(mine, spoilt() | good, st.booleans()), max_size=12))
def test_nothing_that_nearly_makes_sense_raises(messages: list[tuple[str, bytes, bool]]) -> None:
    fleet = heard()
    for index, (topic, payload, retained) in enumerate(messages):
        fleet.message(f"{real.base}/{topic}", payload, retained, ns(index), UTC_S + index)
        fleet.due_questions(ns(10 * index))
    json.dumps(as_json(view(fleet, None, ns(300), UTC_S + 30)))
    assert len(fleet.news) <= 16
    assert sum(fleet.counts.values()) - fleet.counts["asked"] + sum(fleet.refused.values()) >= len(messages)


@pytest.mark.parametrize("payload", [b"[" * 100_000, b'{"a":' * 50_000, b"\xff" * 1000, b" " * 800_000, b""])
def test_deep_and_large_garbage(payload: bytes) -> None:
    fleet = heard()
    for topic in ("status/lte", "health", "calls", "event", "verdict", "cmd/state/reply"):
        fleet.message(f"dialtone/v1/a/p1/{topic}", payload, False, ns(0), UTC_S)
    fleet.message("dialtone/v1/pool/x", payload, True, ns(0), UTC_S)
    assert not fleet.sites
    assert sum(fleet.refused.values()) >= 6


@st.composite
def statuses(draw: st.DrawFn) -> tuple[Message, bool]:
    after_s, session = draw(st.integers(-300, 100)), draw(st.integers(1, 3))
    store = draw(st.sampled_from(["aaaaaaaa", "bbbbbbbb"]))
    p = Probe(uplink=draw(st.sampled_from(["lte", "wan"])))
    message = p.up(session, after_s, store=store) if draw(st.booleans()) else p.lost(session, after_s, store=store)
    return message, draw(st.booleans())


@given(st.lists(statuses(), min_size=1, max_size=5), st.randoms(use_true_random=False))
def test_any_order_of_a_probes_statuses_gives_the_same(messages: list[tuple[Message, bool]], random: Any) -> None:
    orders = list(itertools.permutations(messages))
    found = set()
    for order in [orders[0], *random.sample(orders, min(6, len(orders)))]:
        fleet = heard()
        for message, retained in order:
            give(fleet, message, retained=retained)
        found.add(tuple((*probe(fleet, at).uplinks, probe(fleet, at).state) for at in (0, 100, 200, 400)))
    assert len(found) == 1
