"""The outage files: all load, all can be set and repaired, and mistakes in one are told."""

from __future__ import annotations

import pytest

from agent.sim import outages

GOOD = """
name = "x"
title = "t"
story = "s"
lights = ["trunks"]
[[change]]
at_s = 1.0
set = { "bank.T1-1" = "los" }
"""


def test_the_six_keys_and_more() -> None:
    every = outages.load_all()
    assert [outage.key for outage in every][:6] == [1, 2, 3, 4, 5, 6]
    assert [outage.name for outage in every][:6] == [
        "t1-los",
        "trunk-group",
        "firewall-blocking",
        "router-down",
        "broker-gone",
        "port-unplugged",
    ]


@pytest.mark.parametrize("outage", outages.load_all(), ids=lambda outage: outage.name)
def test_each_changes_something_and_its_repair_is_health(outage: outages.Outage) -> None:
    healthy = {what: known[0] for what, known in outages.VOCABULARY.items()}
    world = dict(healthy)
    for change in outage.change:
        outages.check(change.set, outage.name)
        world |= change.set
    assert world != healthy
    outages.check(outage.repair(), outage.name)
    assert world | outage.repair() == healthy


def test_a_good_file_loads() -> None:
    assert outages.parse(GOOD, "x.toml").change[0].at_s == 1.0


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('name = "x"', 'name = "X x"', "name"),
        ('"bank.T1-1" = "los"', '"bank.T1-9" = "los"', "bank.T1-9"),
        ('"bank.T1-1" = "los"', '"bank.T1-1" = "fire"', "can't be 'fire'"),
        ('"bank.T1-1" = "los"', '"router.alive" = "no"', "router.alive"),
        ('"bank.T1-1" = "los"', '"bank.T1-1" = true', "can't be True"),
        ('"bank.T1-1" = "los"', "", "length"),
        ("at_s = 1.0", "at_s = -1.0", "at_s"),
        ("at_s = 1.0", "", "at_s"),
        ('lights = ["trunks"]', 'lights = ["lamp"]', "no such lamp"),
        ('story = "s"', 'story = "s"\nsurprise = 1', "surprise"),
        ('story = "s"', "story = ", "x.toml"),
    ],
)
def test_mistakes_are_told(old: str, new: str, told: str) -> None:
    with pytest.raises(outages.OutageInvalid, match=r"x\.toml") as refused:
        outages.parse(GOOD.replace(old, new), "x.toml")
    assert told in str(refused.value)


def test_changes_stand_in_order() -> None:
    later = GOOD + '[[change]]\nat_s = 0.5\nset = { "bank.T1-1" = "clear" }\n'
    with pytest.raises(outages.OutageInvalid, match="order"):
        outages.parse(later, "x.toml")
