"""The core: readings, requests and time in, effects out."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core import Core
from agent.effects import Effect, Record, Reply, SetPanel, StartCheck
from agent.panel import levels
from agent.payloads import AlarmState
from agent.readings import Kind, Reading, Request, State, Wake
from agent.site import schema
from agent.site.line import Tl1Line

NS = 1_000_000_000
SITE = schema.SiteFile(
    site=schema.Site(id="testville", noc_phone="555-0100"),
    line=(Tl1Line(id="bank-a", port="/dev/null", trunks={"T1-1": "cama", "T1-2": "cama"}),),
    path=(
        schema.Path(id="fw", role="firewall", address="192.0.2.1", checks=(schema.Icmp(),)),
        schema.Path(id="rt", role="router", address="192.0.2.2", behind="fw", checks=(schema.Icmp(),)),
        schema.Path(id="refl", role="reflector", address="192.0.2.3", behind="fw", checks=(schema.SipOptions(),)),
    ),
    uplink=(schema.Uplink(id="noc", urls=("mqtt://127.0.0.1",)),),
)
CALL_PATH = "testville_call-path_verdict"
CHECKS = (("fw", "icmp"), ("rt", "icmp"), ("refl", "sip-options"))


class World:
    """Drives a core through time, answering its checks from ``up``."""

    def __init__(self, site: schema.SiteFile = SITE, restored: list[AlarmState] | None = None) -> None:
        self.core = Core(site, 0, restored or [])
        self.now_ns = 0
        self.up: dict[tuple[str, str], bool | None] = dict.fromkeys(CHECKS, True)
        self.effects: list[Effect] = []
        self.pending: list[tuple[int, Reading]] = []
        self.give(Wake())

    def give(self, item: Reading | Request | Wake) -> list[Effect]:
        effects = self.core.handle(item, self.now_ns)
        self.effects += effects
        for effect in effects:
            if isinstance(effect, StartCheck):
                ok = self.up[effect.path, effect.check]
                if ok is not None:
                    at_ns = self.now_ns + (NS // 100 if ok else 2 * NS)
                    kind: Kind = "probe-ok" if ok else "probe-fail"
                    state: State = "up" if ok else "down"
                    self.pending.append((at_ns, Reading(effect.path, effect.check, kind, "", state, at_ns)))
        return effects

    def run(self, seconds: float) -> None:
        end_ns = self.now_ns + int(seconds * NS)
        while True:
            self.pending.sort(key=lambda entry: entry[0])
            deadline = self.core.deadline()
            next_ns = min(
                [t for t, _ in self.pending[:1]] + ([deadline] if deadline is not None else []), default=end_ns
            )
            if next_ns >= end_ns:
                self.now_ns = end_ns
                return
            self.now_ns = max(self.now_ns, next_ns)
            if self.pending and self.pending[0][0] <= next_ns:
                self.give(self.pending.pop(0)[1])
            else:
                self.give(Wake())

    def line(self, kind: Kind, aid: str = "T1-1", condition: str = "LOS", **detail: Any) -> list[Effect]:
        state: State = "up" if kind in ("clear", "port-up") else "down"
        detail = {"aid": aid, "condtype": condition, "ntfcncde": "MJ", "srveff": "SA", **detail}
        return self.give(Reading("bank-a", "tl1", kind, aid, state, self.now_ns, detail))

    def ask(self, do: str, **args: Any) -> Reply:
        effects = self.give(Request("1", do, args, "eve"))
        return next(effect for effect in effects if isinstance(effect, Reply))

    def status(self) -> dict[str, Any]:
        return self.core.status()

    def alarm(self, alarm_id: str) -> dict[str, Any] | None:
        return next((a for a in self.status()["alarms"] if a["id"] == alarm_id), None)


def healthy() -> World:
    world = World()
    world.line("port-up", "port")
    world.give(Reading("noc", "uplink", "probe-ok", "", "up", 0))
    world.run(5)
    assert world.status()["lamps"]["ok"] == "wink"
    return world


def test_nothing_is_green_before_every_sense_is_heard() -> None:
    world = World()
    assert world.status()["lamps"]["ok"] == "off"
    world.run(5)
    assert world.status()["lamps"]["ok"] == "off"  # the port is not open yet
    world.line("port-up", "port")
    assert world.status()["lamps"]["ok"] == "wink"


def test_the_panel_comes_first_then_the_journal() -> None:
    world = healthy()
    effects = world.line("alarm")
    assert isinstance(effects[0], SetPanel)
    assert levels(effects[0].view, world.now_ns).lit["trunks"]
    kinds = [e.kind for e in effects if isinstance(e, Record)]
    assert kinds[0] == "alarm"
    assert all(e.urgent for e in effects if isinstance(e, Record) and e.kind in ("alarm", "verdict"))


def test_the_clear_is_known_by_its_condition_whatever_point_it_had() -> None:
    world = healthy()
    world.line("alarm", "T1-1", "WEIRD")
    assert world.alarm("bank-a_trunk-down_t1-1")
    world.line("clear", "T1-1", "WEIRD", ntfcncde="CL", srveff="NSA")
    alarm = world.alarm("bank-a_trunk-down_t1-1")
    assert alarm is not None
    assert not alarm["active"]


def test_two_conditions_of_one_point_clear_only_together() -> None:
    world = healthy()
    world.line("alarm", "T1-1", "LOF")
    world.line("alarm", "T1-1", "OOF")
    world.line("clear", "T1-1", "LOF")
    assert world.alarm("bank-a_lof_t1-1")["active"]  # type: ignore[index]
    world.line("clear", "T1-1", "OOF")
    assert not world.alarm("bank-a_lof_t1-1")["active"]  # type: ignore[index]


def test_a_group_is_partial_then_down() -> None:
    world = healthy()
    world.line("alarm", "T1-1")
    assert world.alarm("cama_trunk-partial_all")["active"]  # type: ignore[index]
    world.line("alarm", "T1-2", "AIS")
    assert world.alarm("cama_trunk-group-down_all")["severity"] == "critical"  # type: ignore[index]
    assert not world.alarm("cama_trunk-partial_all")["active"]  # type: ignore[index]


def test_a_check_alarms_by_m_of_n_lamp_at_once_horn_after_the_hold() -> None:
    world = healthy()
    world.up["rt", "icmp"] = False
    world.run(9)
    assert world.status()["lamps"]["router"] == "flash"
    assert world.status()["horn"] == "none"
    world.run(22)
    assert world.status()["horn"] == "alarm"
    world.up["rt", "icmp"] = True
    world.run(10)
    assert world.alarm("rt_router-fault_icmp")["state"] == "returned-unacknowledged"  # type: ignore[index]


def test_a_failover_of_8_seconds_sounds_nothing() -> None:
    world = healthy()
    for key in CHECKS:
        world.up[key] = False
    world.run(8)
    for key in CHECKS:
        world.up[key] = True
    world.run(120)
    voices = [e.view.horn.voice for e in world.effects if isinstance(e, SetPanel)]
    assert set(voices) == {"none"}


def test_massachusetts_the_firewall_answers_and_nothing_gets_through() -> None:
    world = healthy()
    world.up["rt", "icmp"] = world.up["refl", "sip-options"] = False
    world.run(10)
    status = world.status()
    assert "firewall-blocking" in status["verdict"]["causes"]
    assert status["lamps"]["calls"] == "flash"
    assert status["lamps"]["firewall"] == "off"
    assert "555-0100" in status["verdict"]["sentence"]
    world.run(21)
    assert world.status()["horn"] == "alarm"


def test_a_check_without_any_result_is_never_green() -> None:
    world = healthy()
    world.up["fw", "icmp"] = None
    world.run(30)
    status = world.status()
    assert status["lamps"]["ok"] == "off"
    assert world.alarm("fw_sense-failed_icmp")
    world.up["fw", "icmp"] = True
    world.run(60)
    assert world.status()["lamps"]["ok"] == "wink"


def test_uplink_lost_lights_at_60_s_and_sounds_trouble_at_600() -> None:
    world = healthy()
    world.give(Reading("noc", "uplink", "probe-fail", "", "down", world.now_ns))
    world.run(59)
    assert world.status()["lamps"]["uplink"] == "off"
    world.run(2)
    assert world.status()["lamps"]["uplink"] == "steady"
    world.run(500)
    assert world.status()["horn"] == "none"
    world.run(60)
    assert world.status()["horn"] == "trouble"


def test_nobody_knows_after_60_s_unless_somebody_received_it() -> None:
    for received in (False, True):
        world = healthy()
        world.line("alarm", "T1-1")
        world.line("alarm", "T1-2")
        if received:
            for alarm in ("cama_trunk-group-down_all", "testville_call-path_verdict"):
                detail = {"received": 7, "times_raised": 1}
                world.give(Reading("noc", "uplink", "event", alarm, "up", world.now_ns, detail))
        world.run(59)
        assert world.alarm("uplink_nobody-knows_all") is None
        world.run(5)
        assert (world.alarm("uplink_nobody-knows_all") is None) is received


def test_a_late_receipt_of_an_earlier_raise_does_not_count() -> None:
    world = healthy()
    for _ in range(2):
        world.line("alarm", "T1-1")
        world.line("alarm", "T1-2")
        world.line("clear", "T1-2")
    world.line("alarm", "T1-2")
    detail = {"received": 7, "times_raised": 1}
    world.give(Reading("noc", "uplink", "event", "cama_trunk-group-down_all", "up", world.now_ns, detail))
    told = {"received": 8, "times_raised": world.alarm(CALL_PATH)["times_raised"]}  # type: ignore[index]
    world.give(Reading("noc", "uplink", "event", CALL_PATH, "up", world.now_ns, told))  # so that only the group waits
    world.run(61)
    assert world.alarm("uplink_nobody-knows_all")


def test_from_afar_no_critical_horn_falls_silent() -> None:
    """Those who hear it may know what nobody else knows; a major far away may be somebody's every day."""
    for do, told in (("ack", {"acknowledged": 3, "noted": 2}), ("silence", {"silenced": 3})):
        world = healthy()
        world.line("alarm", "T1-1")
        world.line("alarm", "T1-2")
        critical = ("cama_trunk-group-down_all", CALL_PATH)
        effects = world.give(Request("1", do, {}, "the NOC", "mqtt"))
        assert next(e.result for e in effects if isinstance(e, Reply)) == told
        for alarm in world.status()["alarms"]:
            quiet = alarm["silenced"] or alarm["state"] in ("acknowledged", "returned")
            assert quiet is (alarm["id"] not in critical), alarm["id"]
        assert world.status()["horn"] == "alarm"
        effects = world.give(Request("2", do, {}, "eve", "control"))
        assert next(e.result for e in effects if isinstance(e, Reply)) == {next(iter(told)): 2}
        assert world.status()["horn"] == "none"


def test_what_only_the_network_says_of_calls_sounds_after_the_hold() -> None:
    world = healthy()
    world.up["rt", "icmp"] = world.up["refl", "sip-options"] = False
    world.run(12)
    assert world.alarm(CALL_PATH)["active"]  # type: ignore[index]
    assert world.status()["horn"] == "none"
    world.up["rt", "icmp"] = world.up["refl", "sip-options"] = True
    world.run(120)
    voices = [e.view.horn.voice for e in world.effects if isinstance(e, SetPanel)]
    assert set(voices) == {"none"}


def test_requests() -> None:
    world = healthy()
    world.line("alarm")
    assert world.ask("silence").result == {"silenced": 2}
    assert world.status()["horn"] == "none"
    assert world.ask("ack", alarm="bank-a_los_t1-1").result == {"acknowledged": 1}
    assert world.alarm("bank-a_los_t1-1")["acknowledged_by"] == "eve"  # type: ignore[index]
    assert world.ask("ack").result == {"acknowledged": 1}
    assert world.ask("reset").result == {"reset": 0}
    assert "no alarm" in str(world.ask("ack", alarm="nonsense").error)
    assert "no such request" in str(world.ask("format-disk").error)
    assert world.ask("reset", alarm="bank-a_los_t1-1", force=True).result == {"reset": 1}
    world.line("clear")
    world.ask("ack")
    world.ask("reset")
    assert world.status()["alarms"] == []
    recorded = [e.payload["do"] for e in world.effects if isinstance(e, Record) and e.kind == "request"]
    assert recorded == ["silence", "ack", "ack", "reset", "reset", "ack", "reset"]


def test_lamp_test_lights_all_and_ends_by_itself() -> None:
    world = healthy()
    assert world.ask("test", seconds=3).error is None
    assert set(world.status()["lamps"].values()) == {"steady"}
    world.run(4)
    assert world.status()["lamps"]["trunks"] == "off"
    for wrong in (0, -1, 1e9, "x", True, None):
        assert world.ask("test", seconds=wrong).error


def restored_from(world: World) -> World:
    """A new run after the old one's end: its last alarm records are what the journal gives back."""
    latest = {e.payload["id"]: e.payload for e in world.effects if isinstance(e, Record) and e.kind == "alarm"}
    return World(restored=[msgspec.convert(p, AlarmState) for p in latest.values()])


def test_standing_alarms_are_restored_and_clear_by_the_line() -> None:
    world = healthy()
    world.line("alarm", "T1-1")
    world.line("alarm", "T1-2")
    again = restored_from(world)
    assert again.alarm("cama_trunk-group-down_all")
    assert again.status()["lamps"]["ok"] == "off"
    again.line("clear", "T1-1")
    assert not again.alarm("bank-a_los_t1-1")["active"]  # type: ignore[index]
    assert not again.alarm("cama_trunk-group-down_all")["active"]  # type: ignore[index]
    assert again.alarm("cama_trunk-partial_all")["active"]  # type: ignore[index]


def test_a_restored_path_alarm_clears_by_good_checks() -> None:
    world = healthy()
    world.up["fw", "icmp"] = False
    world.run(10)
    again = restored_from(world)
    assert again.alarm("fw_firewall-fault_icmp")["active"]  # type: ignore[index]
    again.run(10)
    assert not again.alarm("fw_firewall-fault_icmp")["active"]  # type: ignore[index]


def test_garbage_in_a_storm_is_recorded_within_limits_and_the_rest_counted() -> None:
    world = healthy()
    for _ in range(1000):
        world.give(Reading("bank-a", "tl1", "garbage", "", None, world.now_ns, {"bytes": 1}))
    records = [e for e in world.effects if isinstance(e, Record) and e.payload.get("kind") == "garbage"]
    assert 1 <= len(records) <= 60
    world.run(61)
    effects = world.give(Reading("bank-a", "tl1", "garbage", "", None, world.now_ns, {"bytes": 1}))
    told = [e.payload["suppressed_before"] for e in effects if isinstance(e, Record) and e.kind == "reading"]
    assert told == [1000 - len(records)]


READINGS = st.builds(
    Reading,
    source=st.sampled_from(["bank-a", "fw", "rt", "refl", "noc", "host", "stranger"]),
    sense=st.sampled_from(["tl1", "icmp", "sip-options", "uplink", "journal", "panel", "core", "x"]),
    kind=st.sampled_from(
        [
            "alarm",
            "clear",
            "event",
            "garbage",
            "gap",
            "port-up",
            "port-down",
            "probe-ok",
            "probe-fail",
            "heartbeat",
            "host",
        ]
    ),
    subject=st.sampled_from(["T1-1", "T1-2", "", "é/+#", "T9" * 40]),
    state=st.sampled_from(["up", "down", "degraded", "unknown", None]),
    at_ns=st.just(0),
    detail=st.dictionaries(
        st.sampled_from(["condtype", "ntfcncde", "srveff", "condeff", "locn", "reason", "received", "times_raised"]),
        st.one_of(
            st.none(), st.sampled_from(["LOS", "AIS", "X", "CL", "SC", "SA", "NEND"]), st.integers(), st.booleans()
        ),
    ),
)
REQUESTS = st.builds(
    Request,
    id=st.just("1"),
    do=st.sampled_from(["status", "ack", "silence", "reset", "test", "x"]),
    args=st.dictionaries(
        st.sampled_from(["alarm", "force", "seconds"]),
        st.one_of(st.sampled_from(["bank-a_los_t1-1", "uplink_nobody-knows_all", "x"]), st.integers(), st.booleans()),
    ),
    who=st.just("eve"),
)


@given(st.lists(st.tuples(st.one_of(READINGS, REQUESTS, st.just(Wake())), st.integers(0, 100)), max_size=50))
def test_any_input_in_any_order(steps: list[tuple[Reading | Request | Wake, int]]) -> None:
    cores = [Core(SITE, 0), Core(SITE, 0)]
    now_ns = 0
    for item, wait_s in steps:
        now_ns += wait_s * NS
        first, second = (core.handle(item, now_ns) for core in cores)
        assert first == second  # deterministic
        status = cores[0].status()
        if any(a["active"] and a["severity"] != "minor" for a in status["alarms"]):
            tested = set(status["lamps"].values()) == {"steady"}  # a lamp test lights them all, the red ones too
            assert tested or status["lamps"]["ok"] == "off"
        deadline = cores[0].deadline()
        assert deadline is None or deadline > now_ns, "a deadline in the past would spin the loop"
        if isinstance(item, Request):
            assert sum(isinstance(effect, Reply) for effect in first) == 1


def test_ids_of_unknown_lengths_stay_safe() -> None:
    world = healthy()
    world.line("alarm", "é/+#" * 20)
    assert all("/" not in a["id"] for a in world.status()["alarms"])


@pytest.mark.parametrize("sequence", ["A", "M", "R"])
def test_every_sequence_runs(sequence: Any) -> None:
    site = msgspec.structs.replace(SITE, panel=schema.Panel(sequence=sequence), uplink=())
    world = World(site)
    world.line("port-up", "port")
    world.run(3)
    world.line("alarm")
    world.ask("ack")
    world.line("clear")
    trunks = {"A": "off", "M": "steady", "R": "slow-flash"}[sequence]
    assert world.status()["lamps"]["trunks"] == trunks
    assert world.status()["horn"] == ("ringback" if sequence == "R" else "none")
    world.ask("reset")
    assert world.status()["lamps"]["ok"] == "wink"


def test_an_up_from_before_the_fault_does_not_speak_for_after_it() -> None:
    far_end = schema.Path(id="esrp", role="far-end", address="192.0.2.9", behind="rt", checks=(schema.SipOptions(),))
    site = msgspec.structs.replace(SITE, path=(*SITE.path[:2], far_end))
    world = World(site)
    world.up["esrp", "sip-options"] = True
    world.line("port-up", "port")
    world.give(Reading("noc", "uplink", "probe-ok", "", "up", 0))
    world.run(62)
    world.up["rt", "icmp"] = world.up["esrp", "sip-options"] = False
    world.run(12)  # the far end is asked once a minute and was well a moment before the router went
    assert world.status()["verdict"]["cause"] != "none"


def test_the_sentence_does_not_say_all_is_well_before_the_critical_alarm_has_cleared() -> None:
    world = healthy()
    world.up["rt", "icmp"] = world.up["refl", "sip-options"] = False
    world.run(12)
    assert world.alarm("testville_call-path_verdict")
    world.up["rt", "icmp"] = world.up["refl", "sip-options"] = True
    for _ in range(90):
        world.run(1)
        alarm = world.alarm("testville_call-path_verdict")
        assert alarm is None or not alarm["active"] or world.status()["verdict"]["cause"] != "none"
    assert world.status()["verdict"]["cause"] == "none"


def test_a_lost_datagram_now_and_then_moves_nothing() -> None:
    world = healthy()
    before = len(world.effects)
    for _ in range(20):
        world.up["refl", "sip-options"] = False
        world.run(2)
        world.up["refl", "sip-options"] = True
        world.run(20)
    later = world.effects[before:]
    assert not [e for e in later if isinstance(e, SetPanel) or (isinstance(e, Record) and e.kind != "reading")]


def test_a_flood_of_unknown_names_does_not_crowd_out_the_sites_own_trunks() -> None:
    world = healthy()
    for number in range(2000):
        world.line("alarm", f"junk-{number}", "LOS")
    world.run(15)
    assert world.alarm("bank-a_sense-failed_full"), "what is not shown is told"
    world.line("alarm", "T1-1")
    world.line("alarm", "T1-2", "AIS")
    assert world.alarm("bank-a_los_t1-1")
    assert world.alarm("cama_trunk-group-down_all")
    world.up["rt", "icmp"] = False
    world.run(10)
    assert world.alarm("rt_router-fault_icmp")


def test_a_way_outs_certificate_that_ends_soon_lights_the_uplink_lamp_and_goes_with_it() -> None:
    world = healthy()
    ends = {"certificate": "its certificate expires on 2026-11-26, within 7 days", "days_left": 3}
    world.give(Reading("noc", "uplink", "event", "server", "degraded", world.now_ns, ends))
    world.run(70)
    alarm = world.alarm("uplink_uplink-certificate_noc-server")
    assert alarm is not None
    assert "server certificate: its certificate expires on 2026-11-26" in alarm["text"]
    assert (world.status()["lamps"]["uplink"], world.status()["horn"]) == ("steady", "none")
    assert world.status()["lamps"]["ok"] == "wink", "minor: calls are as well as before"
    world.give(Reading("noc", "uplink", "event", "server", "up", world.now_ns, {"certificate": "", "days_left": 300}))
    world.run(400)
    assert world.alarm("uplink_uplink-certificate_noc-server") is None


def test_each_alarm_and_verdict_says_what_the_box_could_hear() -> None:
    world = healthy()
    world.up["refl", "sip-options"] = None
    world.run(60)
    world.line("alarm")
    world.run(3)
    alarms = [e.payload["senses"] for e in world.effects if isinstance(e, Record) and e.kind == "alarm"]
    verdicts = [e.payload["senses"] for e in world.effects if isinstance(e, Record) and e.kind == "verdict"]
    assert alarms[-1] == {"heard": 3, "of": 4, "unknown": ("refl/sip-options",)}
    assert verdicts
    assert {told["of"] for told in verdicts} == {4}
