"""Sites lost together."""

from __future__ import annotations

from agent.fleet.said import Alarm, Psap
from agent.fleet.state import Fleet, SiteLook
from agent.fleet.together import NAMES_MAX, critical_together, least, lost_together
from tests.fleet.made import Probe, alarm, give, ns


def lost(index: int, at_s: float | None, shares: tuple[str, ...] = (), provider: str = "") -> SiteLook:
    return SiteLook(
        f"s{index:04d}", "lost", None, "", Psap(provider=provider), shares, (), None if at_s is None else ns(at_s)
    )


def well(index: int, shares: tuple[str, ...] = ()) -> SiteLook:
    return SiteLook(f"s{index:04d}", "well", None, "", Psap(), shares, (), None)


def test_how_many_are_more_than_chance() -> None:
    assert least(3) == 3
    assert least(600) == 3
    assert 4 <= least(5700) <= 8
    assert least(5700) <= least(10_000)


def test_three_within_two_minutes_are_one_event() -> None:
    sites = [lost(0, 0), lost(1, 60), lost(2, 119), lost(3, 500), *(well(n) for n in range(10, 60))]
    (event,) = lost_together(sites)
    assert (event.count, event.begin_ns, event.sites) == (3, ns(0), ("s0000", "s0001", "s0002"))


def test_two_or_three_far_apart_are_none() -> None:
    assert not lost_together([lost(0, 0), lost(1, 1)])
    assert not lost_together([lost(0, 0), lost(1, 130), lost(2, 260)])
    assert not lost_together([lost(n, None) for n in range(9)])


def test_in_a_large_fleet_three_are_chance_unless_they_share_something() -> None:
    crowd = [well(n, ("big",)) for n in range(100, 5700)]
    assert not lost_together([lost(n, n, ("big",)) for n in range(3)] + crowd)
    (event,) = lost_together([lost(n, n, ("big", "small")) for n in range(3)] + crowd)
    assert event.shared[0].name == "small"
    assert (event.shared[0].here, event.shared[0].known) == (3, 3)
    (event,) = lost_together([lost(n, n, provider="Carrier X") for n in range(3)] + crowd)
    assert event.shared[0].kind == "provider"


def test_names_are_bounded_and_counted() -> None:
    (event,) = lost_together([lost(n, n / 10) for n in range(204)])
    assert event.count == 204
    assert len(event.sites) == NAMES_MAX


def test_two_waves_are_two_events() -> None:
    sites = [lost(n, n) for n in range(5)] + [lost(10 + n, 1000 + n) for n in range(4)]
    assert [event.count for event in lost_together(sites)] == [5, 4]


def test_critical_at_several_sites() -> None:
    fleet = Fleet()
    fleet.hearing(True, ns(0))
    for name in "abcd":
        p = Probe(name, provider="Carrier X")
        give(fleet, p.up())
        give(fleet, p.alarm(alarm(shelved=name == "d")))
    (event,) = critical_together(fleet.look(ns(1)))
    assert (event.what, event.count, event.sites) == ("trunk-down", 3, ("a", "b", "c"))
    assert event.shared[0].name == "Carrier X"
    assert Alarm(id="x", type="y", severity="minor", state="returned", active=False).counts is False
