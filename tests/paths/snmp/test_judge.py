"""What a device reports, sample after sample, in virtual time."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.paths.outcome import FINDINGS_MAX, Finding, Outcome
from agent.paths.snmp import profile
from agent.paths.snmp.ber import Oid, Value
from agent.paths.snmp.counters import Uptimes, delta
from agent.paths.snmp.course import Course
from agent.paths.snmp.judge import Judge
from tests.paths.snmp.test_ber import OIDS, VALUES
from tests.paths.snmp.tiny import counter, counter64, gauge, number, text, ticks, values

NS = 1_000_000_000
DAY_S = 86_400
UP = {"1.3.6.1.2.1.1.3.0": ticks(100 * DAY_S * 10)}
FORTI = "1.3.6.1.4.1.12356.101"
IF = "1.3.6.1.2.1.2.2.1"
IFX = "1.3.6.1.2.1.31.1.1.1"


def judge_of(*names: str, interfaces: tuple[str, ...] = ()) -> Judge:
    return Judge([profile.load(name) for name in names], interfaces)


def standing(outcome: Outcome) -> dict[tuple[str, str], bool]:
    return {(f.point, f.subject): f.holds for f in outcome.findings if not f.event}


def events(outcome: Outcome) -> list[Finding]:
    return [f for f in outcome.findings if f.event]


def test_a_device_that_has_nothing_of_the_profile_is_up_and_says_what_is_absent() -> None:
    outcome = judge_of("fortinet").judge(values(UP), NS)
    assert outcome.state == "up"
    assert "sessions" in str(outcome.detail["absent"])


# Sessions.


def sessions(judge: Judge, at_s: float, count: float) -> Outcome:
    up = {"1.3.6.1.2.1.1.3.0": ticks(int(100 * (10 * DAY_S + at_s)))}
    return judge.judge(values({**up, f"{FORTI}.4.1.8.0": gauge(int(count))}), int(at_s * NS))


def test_sessions_that_collapse_in_the_middle_of_a_day_are_degraded_until_they_come_back() -> None:
    judge = judge_of("fortinet")
    seen = [sessions(judge, 10.0 * n, 4000 + 300 * math.sin(n)).state for n in range(100)]
    assert set(seen) == {"up"}
    after = [sessions(judge, 1000 + 10.0 * n, 40).state for n in range(5)]
    assert after[1:] == ["degraded"] * 4
    assert "fell from" in sessions(judge, 1060, 40).reason
    assert sessions(judge, 1070, 3900).state == "up"


def test_a_year_of_days_and_nights_is_never_a_collapse() -> None:
    judge, rng = judge_of("fortinet"), random.Random(1)
    for minute in range(14 * 24 * 60):
        hour = minute / 60 % 24
        level = 4000 * (0.02 + 0.98 * max(0.0, math.sin((hour - 6) / 24 * 2 * math.pi)) ** 2)
        assert sessions(judge, 60.0 * minute, level * rng.uniform(0.6, 1.4)).state == "up", (minute, level)


def test_few_sessions_are_never_judged() -> None:
    judge = judge_of("fortinet")
    for n in range(100):
        sessions(judge, 10.0 * n, 30)
    assert [sessions(judge, 1000 + 10.0 * n, 0).state for n in range(5)] == ["up"] * 5


def test_a_restart_explains_the_sessions() -> None:
    judge = judge_of("fortinet")
    for n in range(100):
        sessions(judge, 10.0 * n, 4000)
    for n in range(5):
        found = {"1.3.6.1.2.1.1.3.0": ticks(3000 + 1000 * n), f"{FORTI}.4.1.8.0": gauge(5)}
        outcome = judge.judge(values(found), (1000 + 10 * n) * NS)
        assert outcome.state == "up"
        assert standing(outcome)["device-restarted", ""]


def test_a_course_that_stays_low_is_the_course_after_hours() -> None:
    course = Course(50)
    for n in range(60):
        course.feed(1000, n * 10 * NS)
    looks = [course.feed(10, (600 + n * 60) * NS) for n in range(400)]
    assert looks[1] == "collapsed"
    assert looks[-1] == "normal"


def test_the_end_of_a_long_transfer_is_no_collapse() -> None:
    course = Course(5000, 4)
    now, looks = 0, set()
    for level, minutes in ((20_000, 180), (12_000_000, 40), (20_000, 180), (30_000_000, 90), (15_000, 100)):
        for _ in range(minutes * 6):
            now += 10
            looks.add(course.feed(level, now * NS))
    assert looks == {"learning", "normal"}


def test_a_full_session_table_and_a_full_cpu_are_degraded() -> None:
    judge = judge_of("palo-alto")
    pan = "1.3.6.1.4.1.25461.2.1.2.3"
    given = values({**UP, f"{pan}.2.0": gauge(1000), f"{pan}.3.0": gauge(970)})
    assert "97 % full" in judge.judge(given, NS).reason
    busy = values({**UP, "1.3.6.1.4.1.9.9.109.1.1.1.1.7.1": gauge(99)})
    judge = judge_of("cisco-ios")
    assert [judge.judge(busy, n * NS).state for n in range(1, 5)] == ["up", "up", "degraded", "degraded"]


# Uptimes.


def test_an_uptime_that_wraps_after_497_days_is_no_restart() -> None:
    uptimes = Uptimes()
    wrap = 1 << 32
    oid = (1, 3, 6, 1, 2, 1, 1, 3, 0)
    for n in range(5):
        age = uptimes.hear({oid: ticks(wrap - 2500 + 1000 * n)}, n * 10 * NS)
        assert not age.restarted
        assert age.up_s is not None
        assert age.up_s > 400 * DAY_S
    assert uptimes.hear({oid: ticks(100)}, 60 * NS).restarted


def test_a_restart_is_one_at_any_age() -> None:
    oid = (1, 3, 6, 1, 2, 1, 1, 3, 0)
    for before in (5000, 1 << 31, (1 << 32) - 100_000):
        uptimes = Uptimes()
        uptimes.hear({oid: ticks(before)}, 0)
        assert uptimes.hear({oid: ticks(900)}, 10 * NS).restarted, before


def test_a_restarted_agent_is_no_restarted_device() -> None:
    judge = judge_of("system")
    host = "1.3.6.1.2.1.25.1.1.0"
    judge.judge(values({**UP, host: ticks(10**9)}), NS)
    outcome = judge.judge(values({"1.3.6.1.2.1.1.3.0": ticks(10), host: ticks(10**9 + 1000)}), 11 * NS)
    assert events(outcome)[0].text == "its SNMP agent was restarted"
    assert not standing(outcome)
    outcome = judge.judge(values({"1.3.6.1.2.1.1.3.0": ticks(1010), host: ticks(10**9 + 2000)}), 21 * NS)
    assert standing(outcome) == {("device-restarted", ""): False}


def test_a_restart_stands_for_ten_minutes() -> None:
    judge = judge_of("system")
    judge.judge(values(UP), NS)
    looks = []
    for at_s in range(10, 700, 10):
        outcome = judge.judge(values({"1.3.6.1.2.1.1.3.0": ticks(at_s * 100)}), at_s * NS)
        looks.append(standing(outcome)["device-restarted", ""])
    assert looks.index(False) == 59
    assert not any(looks[59:])


# Counters.


@pytest.mark.parametrize(
    ("old", "new", "moved"),
    [
        (counter(100), counter(300), 200),
        (counter(-100), counter(200), 300),  # it wrapped
        (counter(3_000_000_000), counter(5), 1_294_967_301),
        (counter(1_000_000), counter(5), None),  # it was reset
        (counter64(-100), counter64(200), 300),
        (counter64(1 << 40), counter64(5), None),
        (counter(5), counter64(500), None),
        (counter(5), number(500), None),
        (counter(5), counter(5), 0),
    ],
)
def test_counters_wrap_and_begin_anew(old: Value, new: Value, moved: int | None) -> None:
    assert delta(old, new, 10.0) == moved


def test_a_wrap_faster_than_the_wire_is_a_reset() -> None:
    assert delta(counter(3_000_000_000), counter(5), 10.0, 12_500_000 * 2.0) is None
    assert delta(counter(-1000), counter(5), 10.0, 12_500_000 * 2.0) == 1005
    assert delta(counter(5), counter(10), 400.0, 12_500_000 * 2.0) is None  # it may have gone round


def traffic(
    judge: Judge, at_s: int, octets: int, *, size: int = 64, other: int | None = None, broken: int = 0
) -> Outcome:
    make = counter64 if size == 64 else counter
    column = f"{IFX}.6" if size == 64 else f"{IF}.10"
    given = {
        "1.3.6.1.2.1.1.3.0": ticks(100 * (DAY_S + at_s)),
        f"{IFX}.1.1": text("wan1"), f"{IF}.3.1": number(6), f"{IF}.7.1": number(1), f"{IF}.8.1": number(1),
        f"{column}.1": make(octets), f"{IFX}.19.1": ticks(broken),
        f"{IFX}.1.2": text("mgmt"), f"{IF}.3.2": number(6), f"{column}.2": make(at_s * 300 if other is None else other),
    }  # fmt: skip
    return judge.judge(values(given), at_s * NS)


@pytest.mark.parametrize("size", [64, 32])
def test_forwarding_that_stops_is_seen_in_the_octets(size: int) -> None:
    judge = judge_of("interfaces", interfaces=("wan1",))
    octets = (1 << size) - 10_000_000
    for n in range(3 * 360):
        octets += 5_000_000
        assert traffic(judge, 10 * n, octets, size=size).state == "up", n
    looks = [traffic(judge, 10_800 + 10 * n, octets, size=size).state for n in range(8)]
    assert looks[-1] == "degraded"
    assert looks[0] == "up"


def test_counters_that_all_stand_still_are_dead_and_show_nothing() -> None:
    judge = judge_of("interfaces", interfaces=("wan1",))
    for n in range(3 * 360):
        traffic(judge, 10 * n, n * 5_000_000)
    looks = [traffic(judge, 10_800 + 10 * n, 5_000_000 * 1079, other=0 if n else 3_237_000) for n in range(30)]
    assert {outcome.state for outcome in looks[2:]} == {"up"}
    assert looks[-1].detail["counters"] == "stand still"


def test_a_discontinuity_costs_one_delta() -> None:
    judge = judge_of("interfaces", interfaces=("wan1",))
    for n in range(10):
        traffic(judge, 10 * n, n * 5_000_000)
    rate = traffic(judge, 100, 900_000_000_000_000, broken=9900).detail["octets_per_s"]
    assert rate in (0, 500_000) or int(str(rate)) < 1_000_000


# Interfaces.


def links(judge: Judge, at_s: int, rows: dict[int, tuple[str, int, int]]) -> Outcome:
    given = dict(UP)
    for index, (name, admin, oper) in rows.items():
        given |= {f"{IFX}.1.{index}": text(name), f"{IF}.7.{index}": number(admin), f"{IF}.8.{index}": number(oper)}
    return judge.judge(values(given), at_s * NS)


def test_only_named_interfaces_are_findings() -> None:
    judge = judge_of("interfaces", interfaces=("WAN1", "wan2", "wan3", "nowhere", "dorm"))
    outcome = links(
        judge, 1, {1: ("wan1", 1, 2), 2: ("wan2", 2, 2), 3: ("wan3", 1, 1), 4: ("desk", 1, 2), 5: ("dorm", 1, 5)}
    )
    found = {subject: holds for (point, subject), holds in standing(outcome).items() if point == "interface-down"}
    assert found == {"WAN1": True, "wan2": False, "wan3": False}
    assert outcome.detail["interfaces_down"] == "wan1, desk, dorm"
    assert outcome.detail["no_such_interface"] == "nowhere"
    assert outcome.state == "up"


def test_a_named_interface_that_vanishes_is_down_and_one_in_a_cut_table_is_not() -> None:
    judge = judge_of("interfaces", interfaces=("wan1",))
    links(judge, 1, {1: ("wan1", 1, 1), 2: ("x", 1, 1)})
    outcome = judge.judge(values({**UP, f"{IF}.8.2": number(1)}), 2 * NS, whole=False)
    assert ("interface-down", "wan1") not in standing(outcome)
    assert standing(links(judge, 3, {2: ("x", 1, 1)}))["interface-down", "wan1"]
    assert not standing(links(judge, 4, {9: ("wan1", 1, 1)}))["interface-down", "wan1"]


# DS1.


@pytest.mark.parametrize(
    ("status", "points"),
    [
        (1, set()),
        (2, {"rai"}),
        (4, set()),
        (8, {"ais"}),
        (32, {"lof"}),
        (64, {"los"}),
        (64 | 4 | 8192, {"los", "line-errors"}),
        (128, {"loopback"}),
        (2048, {"loopback"}),
        (512, {"rai"}),
        (4096, {"line-errors"}),
        (32768, {"ais"}),
    ],
)
def test_ds1_line_status(status: int, points: set[str]) -> None:
    ds1 = "1.3.6.1.2.1.10.18.6.1"
    given = {**UP, f"{IFX}.1.7": text("T1-1"), f"{ds1}.10.7": number(status), f"{ds1}.8.7": text("44.HCGS.1")}
    outcome = judge_of("ds1").judge(values(given), NS)
    found = {point for (point, subject), holds in standing(outcome).items() if holds and subject == "T1-1"}
    assert found == points
    assert {point for point, subject in standing(outcome) if subject == "T1-1"} >= {
        "los",
        "lof",
        "ais",
        "rai",
        "loopback",
    }
    assert any(f.detail.get("circuit") == "44.HCGS.1" for f in outcome.findings)
    del given[f"{IFX}.1.7"]
    nameless = judge_of("ds1").judge(values(given), NS)
    assert {f.subject for f in nameless.findings} == {"", "44.HCGS.1"}


@pytest.mark.parametrize("status", [0, -1, 1 << 20])
def test_a_line_status_that_means_nothing_clears_nothing(status: int) -> None:
    outcome = judge_of("ds1").judge(values({**UP, "1.3.6.1.2.1.10.18.6.1.10.7": number(status)}), NS)
    assert {point for point, _ in standing(outcome)} == {"device-restarted"}


def test_errored_seconds_over_their_threshold() -> None:
    ds1 = "1.3.6.1.2.1.10.18"
    given = {**UP, f"{ds1}.6.1.10.7": number(1), f"{ds1}.7.1.2.7": gauge(65), f"{ds1}.7.1.3.7": gauge(2)}
    outcome = judge_of("ds1").judge(values(given), NS)
    finding = next(f for f in outcome.findings if f.point == "line-errors")
    assert finding.holds
    assert finding.text == "ds1-7: errored-seconds 65 in this quarter of an hour"


def test_28_circuits_fit_and_what_holds_comes_first() -> None:
    ds1 = "1.3.6.1.2.1.10.18.6.1.10"
    judge = judge_of("ds1")
    told = set()
    for turn in range(1, 5):
        given = UP | {f"{ds1}.{n}": number(64 if n > 20 else 1) for n in range(1, 29)}
        outcome = judge.judge(values(given), turn * NS)
        assert len(outcome.findings) <= FINDINGS_MAX
        assert sum(f.holds for f in outcome.findings) == 8
        told |= {(f.point, f.subject) for f in outcome.findings}
    assert len(told) == 28 * 6 + 1


# Vendors.


def test_fortinet_cluster() -> None:
    judge = judge_of("fortinet")
    ha = f"{FORTI}.13.2.1.1"
    both = UP | {
        f"{FORTI}.13.1.1.0": number(3), f"{ha}.2.1": text("FG1"), f"{ha}.2.2": text("FG2"), f"{ha}.11.1": text("fw-a"),
        f"{ha}.11.2": text("fw-b"), f"{ha}.12.1": number(1), f"{ha}.12.2": number(0),
    }  # fmt: skip
    look = standing(judge.judge(values(both), NS))
    assert look["ha-degraded", "cluster"] is False
    assert look["ha-degraded", "fw-b"] is True
    assert look["ha-degraded", "fw-a"] is False
    one = {oid: value for oid, value in both.items() if not oid.endswith(".2") or not oid.startswith(ha)}
    outcome = judge.judge(values(one), 2 * NS)
    assert standing(outcome)["ha-degraded", "cluster"] is True
    assert "1 of 2 members" in next(f.text for f in outcome.findings if f.subject == "cluster")
    alone = judge.judge(values(UP | {f"{FORTI}.13.1.1.0": number(1)}), 3 * NS)
    assert standing(alone)["ha-degraded", "cluster"] is False


def test_palo_alto_states_are_words() -> None:
    pan, judge = "1.3.6.1.4.1.25461.2.1.2.1", judge_of("palo-alto")

    def pair(ours: str, peer: str, mode: str = "active-passive") -> dict[str, Value]:
        return UP | {f"{pan}.11.0": text(ours), f"{pan}.12.0": text(peer), f"{pan}.13.0": text(mode)}

    look = judge.judge(values(pair("active", "passive")), NS)
    assert not any(standing(look).values())
    assert {("ha-degraded", "this unit"), ("ha-degraded", "peer")} <= set(standing(look))
    look = judge.judge(values(pair("Active", "unknown")), 2 * NS)
    assert standing(look)["ha-degraded", "peer"]
    look = judge.judge(values(pair("passive", "active")), 3 * NS)
    assert {e.text for e in events(look)} == {
        "this unit: ha state was active, is passive",
        "peer: ha peer state was not heard, is active",
    }
    look = judge.judge(values(pair("disabled", "unknown", "disabled")), 4 * NS)
    assert not standing(look)["ha-degraded", "peer"]


def test_asa_failover() -> None:
    row, judge = "1.3.6.1.4.1.9.9.147.1.2.1.1.1", judge_of("cisco-asa")
    pair = UP | {f"{row}.3.6": number(9), f"{row}.3.7": number(10), f"{row}.4.6": text(""), f"{row}.4.7": text("")}
    assert not any(standing(judge.judge(values(pair), NS)).values())
    failed = standing(judge.judge(values(pair | {f"{row}.3.7": number(4)}), 2 * NS))
    assert failed["ha-degraded", "secondary unit"]
    off = UP | {f"{row}.3.6": number(3), f"{row}.4.6": text("Failover Off")}
    assert not any(standing(judge.judge(values(off), 3 * NS)).values())


def test_bgp_and_hsrp_on_ios() -> None:
    bgp, hsrp, judge = "1.3.6.1.2.1.15.3.1", "1.3.6.1.4.1.9.9.106.1.2.1.1", judge_of("cisco-ios")
    given = UP | {
        f"{bgp}.2.192.0.2.1": number(6), f"{bgp}.2.192.0.2.5": number(3), f"{bgp}.2.192.0.2.9": number(1),
        f"{bgp}.3.192.0.2.1": number(2), f"{bgp}.3.192.0.2.5": number(2), f"{bgp}.3.192.0.2.9": number(1),
        "1.3.6.1.4.1.9.9.187.1.2.5.1.3.2.16.32.1.13.184.0.0.0.0.0.0.0.0.0.0.0.1": number(1),
        f"{hsrp}.15.3.10": number(6), f"{hsrp}.14.3.10": Value("ip", b"\0\0\0\0", 0x40),
    }  # fmt: skip
    look = standing(judge.judge(values(given), NS))
    assert look["path-simplex", "peer 192.0.2.1"] is False
    assert look["path-simplex", "peer 192.0.2.5"] is True
    assert look["path-simplex", "peer 192.0.2.9"] is False  # stopped by hand
    assert look["path-simplex", "peer 2001:0db8:0000:0000:0000:0000:0000:0001"] is True
    assert look["path-simplex", "hsrp-3.10"] is False
    assert look["path-simplex", "hsrp-standby-3.10"] is True
    back = given | {f"{hsrp}.14.3.10": Value("ip", b"\xc0\0\2\3", 0x40)}
    assert standing(judge.judge(values(back), 2 * NS))["path-simplex", "hsrp-standby-3.10"] is False


def test_a_ups_on_battery() -> None:
    judge = judge_of("ups")
    assert standing(judge.judge(values(UP | {"1.3.6.1.2.1.33.1.4.1.0": number(5)}), NS))["power-on-battery", "ups"]
    assert not standing(judge.judge(values(UP | {"1.3.6.1.2.1.33.1.4.1.0": number(3)}), NS * 2))[
        "power-on-battery", "ups"
    ]
    low = judge.judge(values(UP | {"1.3.6.1.2.1.33.1.2.1.0": number(3)}), 3 * NS)
    assert low.state == "degraded"


def test_a_packet_filter_that_is_off_is_degraded() -> None:
    judge = judge_of("pf")
    assert judge.judge(values(UP | {"1.3.6.1.4.1.12325.1.200.1.1.1.0": number(1)}), NS).state == "up"
    assert judge.judge(values(UP | {"1.3.6.1.4.1.12325.1.200.1.1.1.0": number(2)}), 2 * NS).state == "degraded"


def test_srx_sessions_are_summed() -> None:
    spu, judge = "1.3.6.1.4.1.2636.3.39.1.12.1.1.1", judge_of("juniper-srx")
    given = UP | {
        f"{spu}.6.0": gauge(100),
        f"{spu}.6.1": gauge(150),
        f"{spu}.7.0": gauge(1000),
        f"{spu}.7.1": gauge(1000),
    }
    detail = judge.judge(values(given), NS).detail
    assert (detail["sessions"], detail["sessions_percent"]) == (250, 12.5)


def test_what_is_no_longer_listed_is_cleared_in_the_end() -> None:
    bgp, judge = "1.3.6.1.2.1.15.3.1.2", judge_of("cisco-ios")
    judge.judge(values(UP | {f"{bgp}.192.0.2.5": number(3), f"{bgp}.192.0.2.1": number(6)}), NS)
    looks = [
        standing(judge.judge(values(UP | {f"{bgp}.192.0.2.1": number(6)}), n * NS)).get(
            ("path-simplex", "peer 192.0.2.5")
        )
        for n in range(2, 40)
    ]
    assert looks.count(False) == 1
    assert looks.count(None) == 37


NUMBERS = st.one_of(VALUES, st.integers(-5, 5).map(number), st.integers(0, 200).map(gauge))
KNOWN = [
    entry.key for name in profile.names() for part in (profile.load(name),)
    for entry in [*part.scalar, *(e for t in part.table for e in t.column)]
]  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.dictionaries(
            st.one_of(OIDS, st.tuples(st.sampled_from(KNOWN), OIDS).map(lambda p: (*p[0], *p[1][2:5]))),
            NUMBERS,
            max_size=30,
        ),
        max_size=4,
    ),
    st.integers(-5, 10**12),
)
def test_any_values_are_judged(samples: list[dict[Oid, Value]], start_ns: int) -> None:
    judge = judge_of(*profile.names(), interfaces=("x",))
    for number_of, found in enumerate(samples):
        outcome = judge.judge(found, start_ns + number_of * 7 * NS)
        assert outcome.state in ("up", "degraded")
        assert len(outcome.findings) <= FINDINGS_MAX
        outcome.readings("fw", "snmp", 0)
