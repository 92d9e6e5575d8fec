"""INTERFACES, held by tests: names, kinds, points, the order of effects, what a status and a decode print."""

from __future__ import annotations

import dataclasses
import re
from typing import get_args

import pytest

from agent import effects, readings
from agent.alarms.points import FAULT_OF_ROLE, POINTS
from agent.panel import LAMPS, Pattern, Voice
from agent.site import schema

KINDS = (
    "alarm clear event call data heartbeat contact line-quality gap garbage port-up port-down probe-ok probe-fail "
    "probe-degraded counter host"
)

# The table of INTERFACES: type(s) | severity | lamp(s) | set / clear | horn.
TABLE = """
call-path | critical | calls | 0 / 60 | alarm
data-without-voice, no-voice-button, one-way-audio, silence | critical | calls | 0 / 60 | alarm
trunk-group-down | critical | trunks | 2 / 10 | alarm
trunk-down, trunk-partial, ais, rai, loopback | major | trunks | 2 / 10 | alarm
link-quiet, data-quality | major | calls | by interval x 3 / 1 good | alarm
firewall-fault, router-fault, far-end-fault, lan-fault | major | firewall, router, far-end, router | by check / 3 good | alarm
path-simplex, certificate-expiry, ha-degraded, line-errors | minor | far-end, firewall, firewall, trunks | 60 / 300 | none
power-on-battery, cpe-alarm | major | probe, calls | 2 / 10 | alarm
uplink-lost | minor | uplink | 60 / 10 | trouble
nobody-knows | critical | uplink | 60 / 0 | alarm
sense-failed, port-lost, journal-fault, clock-unsynced, host, panel-fault, button-stuck, config-rejected | minor | probe | 10 / 30 | trouble
"""


def rows() -> list[tuple[str, str, str, str, str]]:
    out = []
    for line in TABLE.strip().splitlines():
        names, severity, lamps, times, horn = (cell.strip() for cell in line.split("|"))
        lamp_list = [lamp.strip() for lamp in lamps.split(",")]
        for number, name in enumerate(n.strip() for n in names.split(",")):
            out.append((name, severity, lamp_list[number if len(lamp_list) > 1 else 0], times, horn))
    return out


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0])
def test_points_are_the_table(row: tuple[str, str, str, str, str]) -> None:
    name, severity, lamp, times, horn = row
    point = POINTS[name]
    assert (point.severity, point.lamp, point.horn) == (severity, lamp, horn)
    if times.startswith("by interval"):
        assert (point.set_by, point.clear_good) == ("interval", 1)
    elif times.startswith("by check"):
        assert (point.set_by, point.clear_good) == ("check", 3)
    else:
        assert f"{point.set_s:g} / {point.clear_s:g}" == times


ADDED = {
    "los", "lof", "voice-reported", "diverted", "cpe-warning", "generator-running", "port-lent", "reflector-fault",
    "test-path-fault", "calls-refused", "interface-down", "device-restarted", "link-down",
    "uplink-certificate",
}  # fmt: skip
TROUBLE = {"reflector-fault", "test-path-fault", "link-down"}
"""Ours, not the callers': they chirp and never alarm."""


def test_what_is_added_to_the_table_is_known() -> None:
    assert set(POINTS) - {row[0] for row in rows()} == ADDED
    quiet = [POINTS[name] for name in ADDED - {"los", "lof"} - TROUBLE]
    assert all((POINTS[name].severity, POINTS[name].horn) == ("minor", "trouble") for name in TROUBLE)
    assert all((point.severity, point.horn) == ("minor", "none") for point in quiet)
    assert dataclasses.replace(POINTS["los"], name="trunk-down") == POINTS["trunk-down"]
    assert POINTS["uplink-lost"].set_s + POINTS["uplink-lost"].horn_after_s == 600


def test_the_eight_lamps() -> None:
    assert LAMPS == ("ok", "calls", "trunks", "firewall", "router", "far-end", "uplink", "probe")
    assert set(FAULT_OF_ROLE) == set(get_args(schema.Role))


def test_readings_and_their_kinds() -> None:
    assert " ".join(get_args(readings.Kind)) == KINDS
    names = [f.name for f in dataclasses.fields(readings.Reading)]
    assert names == ["source", "sense", "kind", "subject", "state", "at_ns", "detail", "raw_ref"]
    reading = readings.Reading("a", "tl1", "alarm", "T1-1", "down", 0)
    assert not hasattr(reading, "__dict__")
    with pytest.raises(dataclasses.FrozenInstanceError):
        reading.source = "b"  # type: ignore[misc]


def test_nothing_but_four_effects_leaves_the_core() -> None:
    assert {t.__name__ for t in get_args(effects.Effect)} == {"SetPanel", "Record", "StartCheck", "Reply"}
    fields = {t.__name__: [f.name for f in dataclasses.fields(t)] for t in get_args(effects.Effect)}
    assert fields["StartCheck"] == ["path", "check"]
    assert fields["Record"] == ["kind", "payload", "urgent"]


@pytest.mark.parametrize(
    ("good", "text"),
    [
        (True, "a"),
        (True, "9-x"),
        (True, "a" * 32),
        (False, "a" * 33),
        (False, "A"),
        (False, "-a"),
        (False, ""),
        (False, "a\n"),
    ],
)
def test_ids(good: bool, text: str) -> None:
    pattern = next(m.pattern for m in schema.Id.__metadata__)
    assert bool(re.search(pattern, text)) is good


def test_patterns_and_voices() -> None:
    assert set(get_args(Voice)) == {"none", "alarm", "ringback", "trouble"}
    assert {"off", "steady", "flash"} <= set(get_args(Pattern))
