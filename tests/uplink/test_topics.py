"""Topics are safe and short; payloads are CloudEvents and always say how long they hold."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.clock import Wall
from agent.journal.entry import Entry
from agent.uplink.messages import VALID_S, Messages
from agent.uplink.topics import TOPIC_BYTES_MAX, Topics, level
from tests.uplink.fakes import SITE, entry

SAFE = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-/")
MESSAGES = Messages(SITE, "primary")


def test_the_topics() -> None:
    topics = Topics("ma-cambridge", "a")
    assert topics.status("primary") == "dialtone/v1/ma-cambridge/a/status/primary"
    assert topics.health == "dialtone/v1/ma-cambridge/a/health"
    assert topics.alarm("bank-a_los_t1-1") == "dialtone/v1/ma-cambridge/a/alarm/bank-a_los_t1-1"
    assert topics.verdict == "dialtone/v1/ma-cambridge/a/verdict"
    assert topics.event == "dialtone/v1/ma-cambridge/a/event"


@given(st.text(max_size=300))
def test_any_alarm_id_gives_a_safe_topic(text: str) -> None:
    topic = Topics("s" * 32, "p" * 32).alarm(text)
    assert set(topic) <= SAFE
    assert len(topic.encode()) <= TOPIC_BYTES_MAX
    assert topic.count("/") == 5
    assert not topic.endswith("/")


def test_different_ids_never_meet() -> None:
    assert len({level(t) for t in ("a b", "a.b", "a+b", "a-b", "x" * 101, "x" * 102, "", "-")}) == 8


def test_an_event_is_a_cloudevent() -> None:
    message = MESSAGES.event(entry(7, "alarm", "bank-a_los_t1-1", severity="major"))
    body = json.loads(message.payload)
    assert (message.qos, message.retain, message.content_type) == (1, False, "application/cloudevents+json")
    data = body.pop("data")
    assert body == {
        "specversion": "1.0",
        "id": "0123abcd.3.7",
        "source": "/dialtone/testville/a",
        "type": "dialtone.alarm.v1",
        "time": "2024-06-18T17:15:00.000Z",
        "datacontenttype": "application/json",
        "subject": "bank-a_los_t1-1",
    }
    assert data["severity"] == "major"
    assert (data["synced"], data["valid_s"], data["seq"], data["boot"]) == (True, VALID_S, 7, 3)
    assert data["psap"]["psap_id"] == "1234"
    assert "subject" not in json.loads(MESSAGES.event(entry(8)).payload)


@pytest.mark.parametrize("payload", [b"", b"[]", b"7", b"{", b"\xff", None])
def test_an_unreadable_payload_is_told_as_such(payload: bytes | None) -> None:
    bad = Entry("0123abcd", 3, 9, "alarm", True, 0, "", False, "x", payload)
    assert json.loads(MESSAGES.event(bad).payload)["data"]["unreadable"] is True
    assert json.loads(MESSAGES.state(bad).payload)["unreadable"] is True
    assert MESSAGES.times_raised(bad) is None


def test_all_payloads_say_how_long_they_hold() -> None:
    wall = Wall("2024-06-18T17:15:00.000Z", False)
    up, lost = (MESSAGES.status(state, 9, "0123abcd", wall) for state in ("up", "lost"))  # type: ignore[arg-type]
    health = MESSAGES.health({"horn": "none"}, 9, "0123abcd", 3, 100, 7, wall)
    for message in (up, lost, health, MESSAGES.state(entry(1, "verdict", "verdict"))):
        assert json.loads(message.payload)["valid_s"] == VALID_S
    assert (up.expiry_s, lost.expiry_s, health.expiry_s) == (VALID_S, None, VALID_S)
    assert (health.qos, health.retain, up.retain, lost.retain) == (0, False, True, True)
    assert json.loads(health.payload)["box"] == {"horn": "none"}


def test_an_alarm_names_its_circuit_its_age_and_the_ticket_the_verdict_all_circuits() -> None:
    site = msgspec.structs.replace(SITE, ticket="account 4711")
    messages = Messages(site, "primary", {"bank-a": "60.HCFS.000123", "esrp": "60.HCFS.000124"})
    raised = entry(7, "alarm", "bank-a_los_t1-1", resource="bank-a", raised_ns=-93_000_000_000)
    body = msgspec.json.decode(messages.state(raised).payload)
    assert (body["psap"]["circuit_id"], body["psap"]["ticket"]) == ("60.HCFS.000123", "account 4711")
    assert body["age_s"] == 93.0
    other = msgspec.json.decode(messages.state(entry(8, "alarm", "fw_firewall-fault_x", resource="fw")).payload)
    assert "circuit_id" not in other["psap"]
    verdict = msgspec.json.decode(messages.event(entry(9, "verdict", "verdict")).payload)
    assert verdict["data"]["psap"]["circuit_ids"] == {"bank-a": "60.HCFS.000123", "esrp": "60.HCFS.000124"}


def test_states_are_retained_and_events_are_not() -> None:
    alarm = entry(7, "alarm", "bank-a_los_t1-1")
    states = [MESSAGES.state(one) for one in (alarm, entry(8, "verdict", "verdict"), entry(9, "config", "config"))]
    assert [(message.qos, message.retain) for message in states] == [(1, True)] * 3
    assert [(MESSAGES.event(alarm).qos, MESSAGES.event(alarm).retain)] == [(1, False)]
