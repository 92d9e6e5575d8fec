"""Traps and informs as datagrams: what they raise, what is refused; neither garbage nor a flood grows anything."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.paths.snmp import ber, message, usm
from agent.paths.snmp.ber import Value, VarBind
from agent.paths.snmp.dialogue import NOT_IN_TIME_WINDOW, UNKNOWN_ENGINE
from agent.paths.snmp.message import Community, Pdu, Secured
from agent.paths.snmp.traps import TrapReader
from agent.readings import Reading
from agent.site import schema
from agent.site.secrets import SecretStore
from tests.paths.snmp.test_ber import PDUS
from tests.paths.snmp.tiny import number, text, ticks

NS = 1_000_000_000
ALL = ("interfaces", "system", "ds1", "fortinet", "ups", "cisco-ios")
LINK_DOWN, LINK_UP = "1.3.6.1.6.3.1.1.5.3", "1.3.6.1.6.3.1.1.5.4"
USER = usm.Credentials(b"trapper", "sha", b"authpass12", "aes", b"privpass12")
SENDER = bytes.fromhex("8000000001020304")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> SecretStore:
    return secrets_in(tmp_path_factory.mktemp("secrets"))


def secrets_in(directory: Path) -> SecretStore:
    for name, held in {"traps": "trapcom", "auth": "authpass12", "priv": "privpass12"}.items():
        (directory / name).write_text(held)
        (directory / name).chmod(0o600)
    return SecretStore(directory, None)


V2C = schema.Traps(community="traps", profiles=ALL)
V3 = schema.Traps(
    version="3", user="trapper", authentication="sha", authentication_password="auth", privacy="aes",
    privacy_password="priv", profiles=ALL,
)  # fmt: skip


def reader(check: schema.Traps, store: SecretStore, *more: schema.Check) -> TrapReader:
    return TrapReader(schema.Path("fw", "firewall", "192.0.2.1", (check, *more)), "traps", check, store)


def trap(oid: str, *varbinds: tuple[str, Value], tag: int = message.TRAP, number_of: int = 5) -> Pdu:
    first = (
        VarBind(message.SYS_UP_TIME, ticks(99)),
        VarBind(message.SNMP_TRAP_OID, Value("oid", ber.parse_oid(oid), ber.OBJECT)),
    )
    return Pdu(tag, number_of, 0, 0, (*first, *(VarBind(ber.parse_oid(name), value) for name, value in varbinds)))


def said(readings: list[Reading]) -> set[tuple[str, str, str]]:
    return {(r.kind, str(r.detail.get("point", "")), r.subject) for r in readings}


def heard(reader: TrapReader, pdu: Pdu, community: bytes = b"trapcom", now_ns: int = NS) -> set[tuple[str, str, str]]:
    return said(reader.datagram(message.wrap_community(1, community, pdu), now_ns)[0])


def test_links_down_and_up(store: SecretStore) -> None:
    one = reader(V2C, store)
    row = [("1.3.6.1.2.1.2.2.1.1.3", number(3)), ("1.3.6.1.2.1.2.2.1.2.3", text("wan1"))]
    up = ("1.3.6.1.2.1.2.2.1.7.3", number(1))
    shut = ("1.3.6.1.2.1.2.2.1.7.3", number(2))
    assert heard(one, trap(LINK_DOWN, *row, up)) == {("alarm", "interface-down", "wan1")}
    assert heard(one, trap(LINK_UP, *row, up)) == {("clear", "interface-down", "wan1")}
    assert heard(one, trap(LINK_DOWN, *row, shut)) == {("event", "interface-down", "wan1")}
    assert heard(one, trap(LINK_DOWN, row[0])) == {("alarm", "interface-down", "if-3")}
    assert one.counters == {"traps": 4}


def test_where_interfaces_are_named_the_others_are_only_told(store: SecretStore) -> None:
    one = reader(V2C, store, schema.Snmp(community="traps", interfaces=("WAN1",)))
    down = [trap(LINK_DOWN, ("1.3.6.1.2.1.31.1.1.1.1.3", text(name))) for name in ("wan1", "desk")]
    assert heard(one, down[0]) == {("alarm", "interface-down", "wan1")}
    assert heard(one, down[1]) == {("event", "interface-down", "desk")}


def test_ds1_status_change(store: SecretStore) -> None:
    one = reader(V2C, store)
    status = "1.3.6.1.2.1.10.18.6.1.10.7"
    found = heard(one, trap("1.3.6.1.2.1.10.18.15.0.1", (status, number(64))))
    assert ("alarm", "los", "ds1-7") in found
    assert ("clear", "rai", "ds1-7") in found
    assert {kind for kind, _, _ in heard(one, trap("1.3.6.1.2.1.10.18.15.0.1", (status, number(1))))} == {"clear"}
    assert heard(one, trap("1.3.6.1.2.1.10.18.15.0.1", (status, number(0)))) == {("event", "", "ds1-7")}


def test_where_the_lines_are_asked_their_traps_are_only_told(store: SecretStore) -> None:
    one = reader(V2C, store, schema.Snmp(community="traps", profiles=("ds1",)))
    status = ("1.3.6.1.2.1.10.18.6.1.10.7", number(64))
    assert heard(one, trap("1.3.6.1.2.1.10.18.15.0.1", status)) == {("event", "", "ds1-7")}


def test_vendors(store: SecretStore) -> None:
    one = reader(V2C, store)
    serial = ("1.3.6.1.4.1.12356.101.13.3.1.0", text("FG100"))
    assert heard(one, trap("1.3.6.1.4.1.12356.101.2.0.404", serial)) == {("alarm", "ha-degraded", "FG100")}
    assert heard(one, trap("1.3.6.1.4.1.12356.101.2.0.405", serial)) == {("clear", "ha-degraded", "FG100")}
    assert heard(one, trap("1.3.6.1.4.1.12356.101.2.0.401")) == {("event", "ha-degraded", "cluster")}
    peer = ("1.3.6.1.2.1.15.3.1.2.192.0.2.5", number(1))
    assert heard(one, trap("1.3.6.1.2.1.15.0.2", peer)) == {("alarm", "path-simplex", "peer 192.0.2.5")}
    assert heard(one, trap("1.3.6.1.2.1.15.7.1", peer)) == {("clear", "path-simplex", "peer 192.0.2.5")}
    assert heard(one, trap("1.3.6.1.2.1.33.2.1")) == {("alarm", "power-on-battery", "ups")}
    hsrp = "1.3.6.1.4.1.9.9.106.1.2.1.1.15.3.10"
    assert heard(one, trap("1.3.6.1.4.1.9.9.106.2.0.1", (hsrp, number(1)))) == {("alarm", "path-simplex", "hsrp-3.10")}
    assert heard(one, trap("1.3.6.1.4.1.9.9.106.2.0.1", (hsrp, number(4)))) == {("event", "path-simplex", "hsrp-3.10")}
    assert heard(one, trap("1.3.6.1.6.3.1.1.5.1")) == {("event", "device-restarted", "device")}


def test_a_trap_nobody_knows_is_told_with_its_name(store: SecretStore) -> None:
    one = reader(V2C, store)
    readings, _ = one.datagram(message.wrap_community(1, b"trapcom", trap("1.3.6.1.4.1.99999.0.7")), NS)
    assert [r.kind for r in readings] == ["event"]
    assert "1.3.6.1.4.1.99999.0.7" in str(readings[0].detail["reason"])
    assert one.counters == {"traps": 1, "unknown-traps": 1}


def test_a_wrong_community_is_counted_and_told_once(store: SecretStore) -> None:
    one = reader(V2C, store)
    assert heard(one, trap(LINK_DOWN), b"public") == {("garbage", "", "")}
    assert heard(one, trap(LINK_DOWN), b"private") == set()
    assert one.counters == {"wrong-community": 2}


def test_an_inform_is_answered_each_time_and_told_once(store: SecretStore) -> None:
    one = reader(V2C, store)
    inform = trap(LINK_DOWN, ("1.3.6.1.2.1.2.2.1.1.3", number(3)), tag=message.INFORM)
    data = message.wrap_community(1, b"trapcom", inform)
    for turn in range(2):
        readings, answer = one.datagram(data, NS)
        assert len(readings) == 1 - turn
        assert answer is not None
        assert message.parse(answer) == Community(1, b"trapcom", Pdu(message.RESPONSE, 5, 0, 0, inform.varbinds))
    assert one.counters == {"informs": 2, "repeated": 1}
    assert one.datagram(message.wrap_community(1, b"wrong", inform), NS)[1] is None


def test_requests_and_answers_are_no_traps(store: SecretStore) -> None:
    one = reader(V2C, store)
    for tag in (message.GET, message.RESPONSE, message.SET, message.REPORT):
        assert one.datagram(message.wrap_community(1, b"trapcom", trap(LINK_DOWN, tag=tag)), NS)[1] is None
    assert one.counters == {"no-trap": 4}


# Version 3.


def secured(pdu: Pdu, engine: bytes = SENDER, boots: int = 4, time_s: int = 100, user: usm.Credentials = USER) -> bytes:
    flags = user.flags | (4 if pdu.tag == message.INFORM else 0)
    plain = message.wrap_scoped(engine, b"", pdu)
    return usm.Keys(user).close(Secured(9, 1472, flags, engine, boots, time_s, user.user, b"", b"", plain))


def test_a_trap_of_version_3_and_its_replay(store: SecretStore) -> None:
    one = reader(V3, store)
    data = secured(trap(LINK_DOWN, ("1.3.6.1.2.1.2.2.1.1.3", number(3))))
    assert said(one.datagram(data, NS)[0]) == {("alarm", "interface-down", "if-3")}
    later = secured(trap(LINK_UP, ("1.3.6.1.2.1.2.2.1.1.3", number(3))), time_s=500)
    assert said(one.datagram(later, 400 * NS)[0]) == {("clear", "interface-down", "if-3")}
    assert said(one.datagram(data, 401 * NS)[0]) == {("garbage", "", "")}
    older = secured(trap(LINK_DOWN), boots=3, time_s=9999)
    assert one.datagram(older, 402 * NS)[0] == []
    assert one.counters == {"traps": 2, "not-in-time": 2}


@pytest.mark.parametrize(
    ("user", "why"),
    [
        (usm.Credentials(b"trapper", "sha", b"otherpass1", "aes", b"privpass12"), "wrong-digest"),
        (usm.Credentials(b"trapper", "sha", b"authpass12", "aes", b"otherpass1"), "not-deciphered"),
        (usm.Credentials(b"trapper", "sha", b"authpass12"), "less-secure"),
        (usm.Credentials(b"trapper"), "less-secure"),
        (usm.Credentials(b"stranger", "sha", b"authpass12", "aes", b"privpass12"), "unknown-user"),
    ],
)
def test_what_the_wrong_user_sends_is_named_and_told_once(store: SecretStore, user: usm.Credentials, why: str) -> None:
    one = reader(V3, store)
    for turn in range(2):
        readings, answer = one.datagram(secured(trap(LINK_DOWN), user=user), NS)
        assert answer is None
        assert [r.detail["why"] for r in readings] == [why][turn:]
    assert one.counters == {why: 2}


def test_an_inform_of_version_3_asks_first_and_is_answered(store: SecretStore) -> None:
    one, now = reader(V3, store), 7000 * NS
    asking = Secured(1, 1472, 4, b"", 0, 0, b"", b"", b"", message.wrap_scoped(b"", b"", Pdu(message.GET, 1, 0, 0, ())))
    _, answer = one.datagram(message.wrap_secured(asking), now)
    assert answer is not None
    who = message.parse(answer)
    assert isinstance(who, Secured)
    assert message.scoped(who.scoped).pdu.varbinds[0].oid == UNKNOWN_ENGINE
    inform = trap(LINK_DOWN, tag=message.INFORM)
    readings, answer = one.datagram(secured(inform, who.engine, 0, 0), now)
    assert answer is not None
    window = message.parse(answer)
    assert isinstance(window, Secured)
    assert message.scoped(usm.Keys(USER).open(window)).pdu.varbinds[0].oid == NOT_IN_TIME_WINDOW
    assert (window.boots, window.time_s) == (1, 7000)
    readings, answer = one.datagram(secured(inform, who.engine, window.boots, window.time_s), now)
    assert said(readings) == {("alarm", "interface-down", "")}
    assert answer is not None
    response = message.parse(answer)
    assert isinstance(response, Secured)
    assert message.scoped(usm.Keys(USER).open(response)).pdu.tag == message.RESPONSE


def test_engines_of_strangers_are_not_kept(store: SecretStore) -> None:
    one = reader(V3, store)
    keys = usm.Keys(USER)
    for n in range(50):
        engine = n.to_bytes(8, "big")
        plain = message.wrap_scoped(engine, b"", trap(LINK_DOWN))
        one.datagram(keys.close(Secured(9, 1472, 3, engine, 1, 1, USER.user, b"", b"", plain)), NS)
    assert len(one._clocks) <= usm.ENGINES_MAX
    assert one.counters == {"traps": 50}


# Secrets, garbage and floods.


def test_without_its_secret_it_is_unknown_once_and_reads_again_when_it_is_there(tmp_path: Path) -> None:
    one = reader(V2C, SecretStore(tmp_path, None))
    data = message.wrap_community(1, b"trapcom", trap(LINK_DOWN))
    readings = one.datagram(data, NS)[0]
    assert [(r.kind, r.state) for r in readings] == [("probe-fail", "unknown")]
    assert str(readings[0].detail["reason"]).startswith("this box can't test: ")
    assert one.datagram(data, 2 * NS) == ([], None)
    secrets_in(tmp_path)
    assert said(one.datagram(data, 3 * NS)[0]) == {("alarm", "interface-down", "")}


def test_a_flood_of_events_is_held_back_and_alarms_are_not(store: SecretStore) -> None:
    one = reader(V2C, store)
    told = sum(
        len(one.datagram(message.wrap_community(1, b"trapcom", trap("1.3.6.9.0.1")), NS)[0]) for _ in range(1000)
    )
    assert told == 121
    assert one.counters["held-back"] == 880
    assert heard(one, trap(LINK_DOWN)) == {("alarm", "interface-down", "")}


@pytest.mark.parametrize("check", [V2C, V3], ids=["2c", "3"])
@settings(deadline=None)
@given(st.lists(st.binary(max_size=200), max_size=10))
def test_any_datagrams_are_counted(store: SecretStore, check: schema.Traps, datagrams: list[bytes]) -> None:
    one = reader(check, store)
    for data in datagrams:
        one.datagram(data, NS)
    assert sum(one.counters.values()) >= len(datagrams)
    assert len(one.counters) <= 16


@settings(deadline=None)
@given(PDUS, st.integers(0, 1))
def test_any_pdu_is_judged(store: SecretStore, pdu: Pdu, version: int) -> None:
    one = reader(V2C, store)
    readings, answer = one.datagram(message.wrap_community(version, b"trapcom", pdu), NS)
    assert answer is None or pdu.tag == message.INFORM
    assert len(readings) <= 7
    assert sum(one.counters.values()) >= 1


def test_no_text_of_a_trap_is_told_but_its_subject(store: SecretStore) -> None:
    one = reader(V2C, store)
    name = ("1.3.6.1.2.1.1.6.0", text("Ask for J. Doe, 555-0142"))
    readings, _ = one.datagram(message.wrap_community(1, b"trapcom", trap("1.3.6.1.4.1.9.9.41.2.0.1", name)), NS)
    assert "Doe" not in str(readings)
