"""The firewall fails in eleven ways, and our reflector in one: real packets, the real agent, the NOC's real broker.

Several networks run side by side, since an alarm of the calls needs a minute to clear. Nothing here asserts how fast
it went: ``python -m tests.bench --only namespaces`` measures that.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from tests.real.network.firewall import FAIL_OVER_S
from tests.real.network.scenario import BUILT, KINDS, STOP, Record, Scenario, play
from tests.real.network.site import DEFAULTS, QUICK

AT_ONCE = int(os.environ.get("DIALTONE_NETWORKS", "4"))
HOLD_S = 3.0
DEFAULT_HOLD_S = 20.0
ONE_S = 900.0
AUDIO, KNOCK = frozenset({"test-call"}), frozenset({"knock"})


def sounding(record: Record) -> bool:
    """A critical alarm stands, the horn sounds, the NOC knows, and no sense looks up and down in between."""
    last = record.last()
    return last is not None and bool(last.critical) and last.horn == "alarm" and record.report_s is not None


def named(cause: str) -> Callable[[Record], bool]:
    """Sounding, and the verdict has come to one cause."""

    def done(record: Record) -> bool:
        last = record.last()
        return sounding(record) and last is not None and last.causes == (cause,)

    return done


SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario("forwards nothing", lambda bed: bed.firewall.forward_nothing(), named("firewall-blocking")),
        Scenario("drops UDP 5060", lambda bed: bed.firewall.drop_udp_5060(), named("firewall-blocking")),
        Scenario("drops audio out", lambda bed: bed.firewall.drop_media_out(), named("one-way-audio"), needs=AUDIO),
        Scenario("drops audio in", lambda bed: bed.firewall.drop_media_in(), named("one-way-audio"), needs=AUDIO),
        Scenario(
            "drops new inbound", lambda bed: bed.firewall.drop_new_inbound(), named("firewall-blocking"), needs=KNOCK
        ),
        Scenario("resets TCP", lambda bed: bed.firewall.reset_tcp(), None, 30.0),
        Scenario("loses 5 %", lambda bed: bed.firewall.loss(5), None, 60.0),
        Scenario("loses 30 %", lambda bed: bed.firewall.loss(30), None, 60.0),
        Scenario(
            "fails over",
            lambda bed: bed.firewall.fail_over(),
            None,
            FAIL_OVER_S + DEFAULT_HOLD_S + 12.0,
            DEFAULTS,
            KINDS - {"knock"},
        ),
        Scenario("loses its WAN", lambda bed: bed.firewall.lose_wan(), sounding),
        Scenario("dies", lambda bed: bed.firewall.die(), named("firewall-down")),
        Scenario("answers nothing itself", lambda bed: bed.firewall.stop_answering(), None, 30.0),
        Scenario("reflector dies", lambda bed: bed.kill_reflector(), None, 40.0, needs=AUDIO),
    )
}


@pytest.fixture(scope="module")
def played(request: pytest.FixtureRequest) -> Iterator[Callable[[str], Record]]:
    """The record of a scenario; those that this run needs are played side by side."""
    wanted = [name for name in SCENARIOS if any(name in item.name for item in request.session.items)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        playing: dict[str, Future[Record]] = {name: pool.submit(play, SCENARIOS[name]) for name in wanted}

        def record(name: str) -> Record:
            done = playing[name].result(ONE_S)
            print(done.told())
            return done

        try:
            yield record
        finally:
            for future in playing.values():
                future.cancel()
            STOP.set()
    STOP.clear()


def names(*names: str) -> pytest.MarkDecorator:
    """The scenarios of a test."""
    return pytest.mark.parametrize("name", names)


@names("forwards nothing", "drops UDP 5060", "drops new inbound")
def test_a_firewall_that_blocks_is_named(name: str, played: Callable[[str], Record]) -> None:
    record = played(name)
    calls_fail(record)
    last = record.last()
    assert last is not None
    assert last.cause == "firewall-blocking"
    assert within_what_check_says(record)


@names("drops audio out", "drops audio in")
def test_audio_lost_one_way_is_named(name: str, played: Callable[[str], Record]) -> None:
    record = played(name)
    calls_fail(record)
    last = record.last()
    assert last is not None
    assert last.cause == "one-way-audio"
    assert within_what_check_says(record)
    lost, kept = ("To", "Ti") if name == "drops audio out" else ("Ti", "To")
    assert (last.columns[lost], last.columns[kept]) == ("d", "u")


@names("loses its WAN")
def test_a_lost_line_out_is_named_or_stands_in_the_set_that_check_states(
    name: str, played: Callable[[str], Record]
) -> None:
    record = played(name)
    calls_fail(record)
    last = record.last()
    assert last is not None
    assert "wan-down" in last.causes
    assert within_what_check_says(record)


@names("dies")
def test_a_dead_firewall_is_named(name: str, played: Callable[[str], Record]) -> None:
    record = played(name)
    calls_fail(record)
    last = record.last()
    assert last is not None
    assert last.cause == "firewall-down"
    assert within_what_check_says(record)


@names("resets TCP")
def test_reset_tcp_lights_a_lamp_while_calls_by_udp_pass(name: str, played: Callable[[str], Record]) -> None:
    record = played(name)
    assert record.lamp_s is not None
    assert record.report_s is not None
    assert record.critical_s is None
    assert record.cleared


@names("loses 5 %")
def test_five_percent_loss_raises_nothing(name: str, played: Callable[[str], Record]) -> None:
    record = played(name)
    assert record.critical_s is None
    assert record.horn_s is None
    assert not any(s.active for s in record.during())
    assert record.cleared


@names("loses 30 %")
def test_thirty_percent_loss_is_critical_only_where_the_test_calls_voice_fails(
    name: str, played: Callable[[str], Record]
) -> None:
    record = played(name)
    for seen in record.during():
        if seen.critical:
            assert {"d", "g"} & {seen.columns.get("To"), seen.columns.get("Ti")}, seen.told(record.fault_s)
        assert seen.cause not in ("firewall-down", "router-down", "wan-down", "far-end-down", "lan-fault")
    assert record.cleared


@names("fails over")
def test_a_failover_of_eight_seconds_sounds_nothing_by_defaults(name: str, played: Callable[[str], Record]) -> None:
    record = played(name)
    assert record.horn_s is None
    assert record.cleared


@names("answers nothing itself")
def test_a_firewall_that_only_refuses_to_answer_is_no_outage(name: str, played: Callable[[str], Record]) -> None:
    record = played(name)
    assert record.critical_s is None
    assert record.first(lambda s: s.lamps["firewall"] != "off") is not None
    assert record.cleared


@names("reflector dies")
def test_a_dead_reflector_is_trouble_and_no_outage(name: str, played: Callable[[str], Record]) -> None:
    record = played(name)
    assert record.critical_s is None
    last = record.last()
    assert last is not None
    assert last.cause in ("test-path-fault", "none")
    assert record.cleared


def calls_fail(record: Record) -> None:
    """Lamp, critical alarm, report, then the horn, no sooner than its hold; and all of it clears."""
    assert record.lamp_s is not None
    assert record.critical_s is not None
    assert record.report_s is not None
    assert record.horn_s is not None
    assert record.horn_s >= HOLD_S
    assert record.lamp_s < record.horn_s
    assert record.cleared


def within_what_check_says(record: Record) -> bool:
    """The last verdict names one cause, or causes that ``check`` said can't be told apart here."""
    last = record.last()
    assert last is not None
    return len(last.causes) == 1 or any(set(last.causes) <= together for together in record.inseparable)


def test_every_kind_of_check_takes_part() -> None:
    if BUILT != KINDS:
        pytest.skip(f"needs the checks {', '.join(sorted(KINDS - BUILT))}, which this version has not")


def test_every_scenario_is_tested(request: pytest.FixtureRequest) -> None:
    assert QUICK.panel == f"path_hold_s = {HOLD_S:.0f}"
    here = [item.name for item in request.session.items if "test_outages" in item.nodeid]
    if len(here) > len(SCENARIOS):  # not where a part of the tests was asked for
        assert all(any(f"[{name}]" in item for item in here) for name in SCENARIOS)
