"""A broker that is stopped publishes the wills of its clients, and may do so before it ends the watch's connection."""

from __future__ import annotations

from agent.fleet.state import Fleet
from agent.fleet.together import lost_together
from tests.fleet.made import Probe, give, ns


def begun(count: int = 5) -> tuple[Fleet, list[Probe]]:
    """A watch that hears so many sites, all of them well."""
    fleet, probes = Fleet(), [Probe(f"s{n}") for n in range(count)]
    fleet.hearing(True, ns(0.0))
    for probe in probes:
        give(fleet, probe.up(), 1.0)
        give(fleet, probe.health(), 1.0)
    return fleet, probes


def test_wills_just_before_our_own_connection_ends_are_the_brokers() -> None:
    fleet, probes = begun()
    for probe in probes:
        give(fleet, probe.lost(), 100.0)
    fleet.hearing(False, ns(100.5))
    assert not lost_together(fleet.look(ns(101.0)))
    fleet.hearing(True, ns(103.0))
    for probe in probes:  # what the broker kept of them
        give(fleet, probe.lost(), 103.5, retained=True)
    assert not lost_together(fleet.look(ns(104.0)))
    assert {site.state for site in fleet.look(ns(104.0))} == {"unknown"}
    assert {site.state for site in fleet.look(ns(103.0 + 600.0))} == {"lost"}


def test_a_will_that_came_while_we_were_away_is_doubted_for_as_long_as_a_heartbeat_holds() -> None:
    fleet, probes = begun()
    fleet.hearing(False, ns(100.0))
    fleet.hearing(True, ns(103.0))
    for probe in probes:
        give(fleet, probe.lost(), 103.5, retained=True)
    assert {site.state for site in fleet.look(ns(104.0))} == {"unknown"}
    assert {site.state for site in fleet.look(ns(103.0 + 600.0))} == {"lost"}


def test_wills_while_we_go_on_hearing_are_the_sites() -> None:
    fleet, probes = begun()
    for probe in probes:
        give(fleet, probe.lost(), 100.0)
    assert [event.count for event in lost_together(fleet.look(ns(101.0)))] == [5]
    fleet.hearing(False, ns(200.0))
    assert [event.count for event in lost_together(fleet.look(ns(201.0)))] == [5]
