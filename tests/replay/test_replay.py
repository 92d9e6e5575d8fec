"""Replays: deterministic, judged, and what the command prints."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from typing import Any

import pytest

from agent.replay.learn import learned
from agent.replay.network import blocked, outcome, reaches, speaks_sip
from agent.replay.run import Replay, Trace
from agent.replay.site import site_of
from agent.replay.summary import RIGHT, WRONG, Summary, summary
from agent.replay.timeline import clock, lines
from agent.sim.outages import OutageInvalid
from agent.sim.outages.live import shown
from agent.sim.outages.story import CHOICES, NUMBERS, Situation, cases, healthy, parse, stories
from agent.site import schema
from agent.site.path_rules import check as path_problems

STORY = """
name = "made-up"
title = "a firewall stops voices"
story = "Made up for this test."
sources = ["this test"]
start = "2024-06-18T13:15"
before_s = 600
after_s = 900
public_s = 400
[site]
{site}
[expect]
causes = ["firewall-blocking"]
[[change]]
at_s = 0.0
set = {{ {set} }}
{more}
"""
MEDIA = '"firewall.media-out" = false, "firewall.media-in" = false, "calls.voice" = 0.0'


def story(set_: str = MEDIA, site: str = "", more: str = "") -> Any:
    return parse(STORY.format(set=set_, site=site, more=more), "made-up.toml")


def run(set_: str = MEDIA, site: str = "", seed: int = 1) -> tuple[Trace, Summary]:
    case = cases(story(set_, site))[0]
    replay = Replay(case, seed)
    trace = replay.run()
    return trace, summary(trace, replay.site)


def test_the_verdict_the_horn_and_the_report() -> None:
    trace, came = run()
    assert (came.answer, came.cause, came.false_alarms) == (RIGHT, "firewall-blocking", 0), came
    assert came.critical_s is not None and came.horn_s is not None and came.report_s is not None  # noqa: PT018
    assert came.critical_s < came.horn_s < 240
    assert came.horn_s - came.critical_s == pytest.approx(20, abs=0.1), "the hold of what only checks say"
    assert came.report_s == pytest.approx(came.critical_s + 0.05, abs=0.01)
    assert any(one.who == "world" for one in trace.told)


def test_the_same_seed_is_the_same_trace_and_another_is_not() -> None:
    def hash_of(seed: int) -> str:
        return hashlib.sha256(repr(run(seed=seed)[0].told).encode()).hexdigest()

    assert hash_of(3) == hash_of(3)
    assert hash_of(3) != hash_of(4)


def test_the_same_seed_is_the_same_trace_in_another_process() -> None:
    code = (
        "import hashlib; from tests.replay.test_replay import run; "
        "print(hashlib.sha256(repr(run(seed=5)[0].told).encode()).hexdigest())"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "77"}
    other = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, env=environment, timeout=120
    )
    assert other.stdout.strip() == hashlib.sha256(repr(run(seed=5)[0].told).encode()).hexdigest()


def test_a_wrong_expectation_is_told() -> None:
    case = cases(story('"router.alive" = false, "calls.arrive" = 0.0'))[0]
    replay = Replay(case, 1)
    came = summary(replay.run(), replay.site)
    assert came.answer == WRONG
    assert "where firewall-blocking is right" in came.why


def test_an_outage_that_is_no_outage_must_stay_quiet() -> None:
    text = STORY.format(set=MEDIA, site="", more="").replace(
        'sources = ["this test"]', 'sources = ["t"]\ncontrol = true'
    )
    case = cases(parse(text, "x"))[0]
    replay = Replay(case, 1)
    came = summary(replay.run(), replay.site)
    assert came.answer == WRONG
    assert came.false_alarms > 0


def test_loss_of_5_percent_raises_nothing() -> None:
    _, came = run('"network.loss" = 0.05')
    assert (came.critical_s, came.horn_s, came.false_alarms) == (None, None, 0)


def test_a_failover_of_8_seconds_sounds_nothing() -> None:
    more = '[[change]]\nat_s = 8.0\nset = { "firewall.forwarding" = true }'
    case = cases(story('"firewall.forwarding" = false', "", more))[0]
    replay = Replay(case, 2)
    assert summary(replay.run(), replay.site).horn_s is None


def test_the_second_press_of_the_button() -> None:
    site = "calls_per_hour = 60\nbutton = true\ntest_call = false\nreflectors = 0\nknock = false\nsyslog = false"
    trace, came = run(site=site)
    presses = [one.at_s for one in trace.told if one.who == "dispatcher" and one.at_s >= 0]
    assert came.critical_s == pytest.approx(presses[1], abs=0.5)
    assert came.horn_s == came.critical_s, "a person has said so: no hold"


def test_what_is_learned_makes_the_box_ready() -> None:
    case = cases(story(site="calls_per_hour = 20"))[0]
    known = learned(case)
    assert known is not None

    def delay_s(what: Any) -> float:
        replay = Replay(case, 1, what)
        replay.run()
        status = replay.core.status()["calls"]
        one = next(one for one in status if one["detector"] == "silence" and one["stream"] == "all")
        return float(one["delay_s"] or 1e9)

    assert delay_s(known) < delay_s(None)


def test_the_summary_is_the_contract() -> None:
    keys = "summary outage seed fault_s first_alarm critical_after_s horn_after_s report_after_s verdict false_alarms"
    _, came = run()
    told = json.loads(json.dumps(came.json()))
    assert set(keys.split()) <= set(told)
    assert told["summary"] is True
    assert set(told["first_alarm"]) == {"point", "after_s"}
    assert {"cause", "after_s"} <= set(told["verdict"])


def test_the_timeline_is_for_reading() -> None:
    trace, came = run()
    text = list(lines(trace, came))
    assert any("the public" in line for line in text)
    assert any("firewall blocks calls" in line for line in text)
    assert all(len(line) <= 120 for line in text)
    assert (clock(75.5), clock(-3), clock(4000), clock(None)) == ("+01:15.5", "-00:03.0", "+1:06:40", "-")


# -- the simulated network -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "what", [name for name in CHOICES if name.split(".")[0] in ("firewall", "router", "wan", "lan")]
)
def test_each_switch_of_the_network_changes_what_some_check_finds(what: str) -> None:
    import random

    site = site_of(Situation(tls=True, covers_core=True), "UTC")
    broken = {**healthy(), what: CHOICES[what][1]}

    def found(world: dict[str, Any]) -> list[str]:
        rng = random.Random(1)
        return [outcome(world, path, check, rng)[1].state for path in site.path for _, check in schema.active(path)] + [
            str(blocked(world) and world["firewall.logs"])
        ]

    if what == "firewall.logs":
        broken["firewall.sip"] = False
        assert found(broken) != found({**healthy(), "firewall.sip": False})
    else:
        assert found(broken) != found(healthy())
    assert set(found(healthy())[:-1]) == {"up"}


def test_the_order_of_the_way_out() -> None:
    site = site_of(Situation(beside=True), "UTC")
    paths = {path.id: path for path in site.path}
    world = {**healthy(), "firewall.forwarding": False}
    assert [reaches(world, paths[p]) for p in ("switch", "firewall", "router", "esrp-1", "reflector-1")] == [
        True, True, False, False, False,
    ]  # fmt: skip
    assert reaches(world, paths["reflector-1-cell"])
    assert not speaks_sip({**healthy(), "firewall.sip": False}, paths["esrp-1"])


@pytest.mark.parametrize("situation", [Situation(), Situation(button=True, beside=True, tls=True, peers=True)])
def test_every_situation_is_a_right_site_file(situation: Situation) -> None:
    site = site_of(situation, "UTC")
    assert [problem.message for problem in path_problems(site)] == []


# -- the files ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("set_", "site", "more", "told"),
    [
        ('"calls.voice" = 2.0', "", "", "from 0 to 1"),
        ('"calls.voice" = true', "", "", "must be a number"),
        ('"bank.T1-1" = "fire"', "", "", "can't be 'fire'"),
        ('"no.such" = true', "", "", "nothing called"),
        (MEDIA, "no_such = 1", "", "no_such"),
        (MEDIA, "calls_per_hour = 0", "", "calls_per_hour"),
        (MEDIA, "", '[[change]]\nat_s = -5.0\nset = { "lan.alive" = false }', "order"),
        (MEDIA, "", '[[variant]]\nname = "base"\ntitle = "t"', "one name"),
        (MEDIA, "", '[[variant]]\nname = "v"\ntitle = "t"\n[variant.expect]\ncauses = ["bad-luck"]', "causes"),
    ],
)
def test_mistakes_in_a_story_are_told(set_: str, site: str, more: str, told: str) -> None:
    with pytest.raises(OutageInvalid, match=r"made-up\.toml") as refused:
        story(set_, site, more)
    assert told in str(refused.value)


def test_numbers_and_choices_are_apart() -> None:
    assert not set(CHOICES) & set(NUMBERS)
    assert set(healthy()) == set(CHOICES) | set(NUMBERS)


@pytest.mark.parametrize("one", stories(), ids=lambda one: one.name)
def test_the_demo_shows_what_it_can_of_each_story(one: Any) -> None:
    told = shown(one)
    assert told.fault is not None or told.left_out
