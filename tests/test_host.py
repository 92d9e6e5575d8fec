"""The box's own state: limits with hysteresis, told only when it lasts, unknown without an alarm; and this machine."""

from __future__ import annotations

import dataclasses

from agent.clock import RealClock
from agent.host import HostSense
from agent.host_judge import NS, HostJudge, Link, Sample
from agent.readings import Reading
from agent.site import schema

WELL = Sample(50.0, False, 1000.0, 500.0, 3.0, True, {"eth0": Link(True, 1, 1000, 500)})
WATCH = schema.HostWatch(interfaces=("eth0",))


def run(samples: list[Sample], watch: schema.HostWatch = WATCH) -> list[Reading]:
    judge = HostJudge(watch)
    return [r for number, sample in enumerate(samples) for r in judge.look(sample, number * 10 * NS)]


def told(samples: list[Sample], sense: str) -> list[str | None]:
    return [r.state for r in run(samples) if r.sense == sense]


def test_heat_is_told_when_it_lasts_and_over_when_it_is_cooler_by_five() -> None:
    def at(*degrees: float) -> list[Sample]:
        return [dataclasses.replace(WELL, temperature_c=one) for one in degrees]

    assert told(at(50, 81, 81, 50), "temperature") == ["up"], "two looks are not yet three"
    assert told(at(50, 81, 82, 81, 79, 78, 77, 76), "temperature") == ["up", "down"], "79 is too near the limit"
    assert told(at(81, 81, 81, 70, 70, 70), "temperature") == ["down", "up"]


def test_a_full_disk_and_little_memory() -> None:
    low = dataclasses.replace(WELL, disk_free_mb=150.0, memory_free_mb=20.0)
    found = {r.sense: r for r in run([low] * 3) if r.state == "down"}
    assert "150 MB left" in str(found["disk"].detail["reason"])
    assert "20 MB of memory" in str(found["memory"].detail["reason"])


def test_a_link_that_is_named_and_gone_or_without_address() -> None:
    gone = dataclasses.replace(WELL, links={})
    bare = dataclasses.replace(WELL, links={"eth0": Link(True, 0, 0, 0)})
    assert "is not there" in str(next(r for r in run([gone] * 3) if r.sense == "link").detail["reason"])
    assert "no address" in str(next(r for r in run([bare] * 3) if r.sense == "link").detail["reason"])
    assert not [r for r in HostJudge(schema.HostWatch()).look(gone, 0) if r.sense == "link"]


def test_what_this_machine_can_not_say_is_unknown_once() -> None:
    blind = Sample(None, None, None, None, None, None)
    readings = [r for r in run([blind] * 9) if r.sense != "link"]
    assert {r.state for r in readings} == {"unknown"}
    assert len(readings) == 5


def test_throughput_once_a_minute_and_not_across_a_restart_of_its_counter() -> None:
    later = [dataclasses.replace(WELL, links={"eth0": Link(True, 1, 1000 + 600 * n, 500)}) for n in range(14)]
    found = [r.detail["in_bytes_s"] for r in run(later) if r.sense == "throughput"]
    assert found == [60, 60]
    begun_anew = [WELL] * 6 + [dataclasses.replace(WELL, links={"eth0": Link(True, 1, 1, 1)})]
    assert not [r for r in run(begun_anew) if r.sense == "throughput"]


def test_this_machine() -> None:
    site = schema.SiteFile(site=schema.Site(id="s"), journal=schema.Journal(directory="/"))
    sample = HostSense(site, lambda _reading: None, RealClock()).sample()
    assert sample.disk_free_mb is not None and sample.disk_free_mb > 0  # noqa: PT018
    assert sample.memory_free_mb is not None and sample.memory_free_mb > 0  # noqa: PT018
    assert "lo" in sample.links
