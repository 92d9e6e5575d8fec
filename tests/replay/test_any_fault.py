"""Any one fault of the network at any site: its cause is named, or a set that ``check`` states; and nothing when nothing is.

Without calls, so that a quarter of an hour decides. The same cases each time; others each time with
``HYPOTHESIS_PROFILE=long``. Hypothesis prints what fails: it can be run again from that.
"""

from __future__ import annotations

import os
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.replay.run import Replay
from agent.replay.summary import QUIET, WRONG, summary
from agent.sim.outages.story import Case, Change, Expect, Setting, Story, cases

AFTER_S = 900.0
SAME = os.environ.get("HYPOTHESIS_PROFILE") != "long"
WAY: dict[str, tuple[str, ...]] = {
    "firewall.alive": ("firewall-down",),
    "firewall.forwarding": ("firewall-blocking",),
    "router.alive": ("router-down",),
    "wan.alive": ("wan-down",),
    "far-end.alive": ("far-end-down",),
    "far-end.sip": ("far-end-down",),
    "firewall.sip": ("firewall-blocking",),
}
VOICE: dict[str, tuple[str, ...]] = {
    "firewall.media-out": ("one-way-audio", "firewall-blocking"),
    "firewall.media-in": ("one-way-audio", "firewall-blocking"),
    "core.media-out": ("core-media-blocked", "one-way-audio"),
}
FLAGS = ("snmp", "syslog", "tls", "knock", "contacts", "uplink")


@st.composite
def sites(draw: st.DrawFn, **fixed: Any) -> dict[str, Any]:
    site: dict[str, Any] = {flag: draw(st.booleans()) for flag in (*FLAGS, "trunks", "test_call", "beside")}
    site |= {"far_ends": draw(st.integers(0, 2)), "reflectors": draw(st.integers(0, 2)), "ali": False, "smdr": False}
    return {**site, **fixed}


def case(site: dict[str, Any], lost: dict[str, Setting], causes: tuple[str, ...], *, critical: bool) -> Case:
    story = Story(
        name="any", title="any", story="any", sources=("chance",), start="2024-06-18T13:15", before_s=60.0,
        after_s=AFTER_S, site=site, expect=Expect(causes=causes, critical=critical),
        change=(Change(at_s=0.0, set=lost or {"network.loss": 0.0}),),
    )  # fmt: skip
    return cases(story)[0]


def answer(case: Case, seed: int) -> tuple[str, str]:
    replay = Replay(case, seed)
    came = summary(replay.run(), replay.site)
    return came.answer, f"{came.why} (seed {seed}, {case.site})"


@settings(max_examples=40 if SAME else 800, derandomize=SAME)
@given(sites(), st.sampled_from(sorted(WAY)), st.integers(0, 1 << 20))
def test_a_fault_of_the_way_is_named(site: dict[str, Any], fault: str, seed: int) -> None:
    if fault.startswith("far-end") or not site["reflectors"]:
        site["far_ends"] = max(1, site["far_ends"])
    # A reflector alone may be dead itself: then what fails is trouble, not yet an alarm.
    sure = bool(site["far_ends"]) or (fault in ("firewall.alive", "router.alive"))
    told, why = answer(case(site, {fault: False}, WAY[fault], critical=sure), seed)
    assert told != WRONG or (not sure and "nothing critical was to be told" in why), why


@settings(max_examples=20 if SAME else 400, derandomize=SAME)
@given(sites(test_call=True, reflectors=2), st.sampled_from(sorted(VOICE)), st.integers(0, 1 << 20))
def test_voice_lost_on_the_way_is_named_by_two_reflectors(site: dict[str, Any], fault: str, seed: int) -> None:
    site["covers_core"] = fault.startswith("core")
    told, why = answer(case(site, {fault: False}, VOICE[fault], critical=True), seed)
    assert told != WRONG, why


@settings(max_examples=20 if SAME else 400, derandomize=SAME)
@given(sites(), st.sampled_from((0.0, 0.01, 0.05)), st.integers(0, 1 << 20))
def test_a_site_without_a_fault_tells_nothing(site: dict[str, Any], loss: float, seed: int) -> None:
    site["far_ends"] = max(1, site["far_ends"])
    assert answer(case(site, {"network.loss": loss}, (), critical=False), seed)[0] == QUIET


@pytest.mark.parametrize("test_call", [False, True])
def test_a_reflector_that_is_long_dead_delays_nothing(test_call: bool) -> None:
    """The firewall stops forwarding ten minutes after one of two reflectors died: told as soon as ever."""
    site = {"far_ends": 1, "reflectors": 2, "ali": False, "smdr": False, "test_call": test_call}
    story = case(site, {"firewall.forwarding": False}, WAY["firewall.forwarding"], critical=True).story
    changes = (Change(at_s=-600.0, set={"reflector-1.alive": False}), *story.change)
    (late,) = cases(msgspec.structs.replace(story, change=changes, before_s=700.0))
    replay = Replay(late, 1)
    came = summary(replay.run(), replay.site)
    assert (came.answer, came.causes) == ("right", ("firewall-blocking",)), came.why
    assert came.critical_s is not None
    assert came.critical_s <= 10.0


def test_the_test_can_fail() -> None:
    """A wrong expectation is told: the right cause is not named for another's fault."""
    site = {"far_ends": 1, "reflectors": 2, "ali": False, "smdr": False}
    told, _ = answer(case(site, {"firewall.forwarding": False}, ("router-down",), critical=True), 1)
    assert told == WRONG
    with pytest.raises(ValueError, match="nothing called"):
        case(site, {"firewall.mood": False}, (), critical=False)
