"""From readings of checks to the columns of the cause table: which sense speaks for what, and when it says nothing."""

from __future__ import annotations

from typing import Any

from agent.alarms.trunks import LineJudge
from agent.evidence import feeds
from agent.evidence.senses import Senses
from agent.readings import Kind, Reading, State
from agent.site import schema
from agent.site.line import ModbusContact, ModbusLine, Tl1Line

NS = 1_000_000_000
REFLECTOR = (schema.SipOptions(), schema.TestCall(), schema.Knock())
SITE = schema.SiteFile(
    site=schema.Site(id="s", shares=("region",)),
    path=(
        schema.Path(
            id="fw", role="firewall", address="192.0.2.1", checks=(schema.Icmp(), schema.Snmp(), schema.Syslog())
        ),
        schema.Path(id="rt", role="router", address="192.0.2.2", checks=(schema.Icmp(),)),
        schema.Path(
            id="esrp", role="far-end", address="192.0.2.3", checks=(schema.SipOptions(), schema.Tls(port=5061))
        ),
        schema.Path(id="r1", role="reflector", address="192.0.2.4", checks=REFLECTOR),
        schema.Path(id="r1-cell", role="reflector", address="192.0.2.4", beside="r1", checks=(schema.SipOptions(),)),
    ),
)


class Given:
    def __init__(self, site: schema.SiteFile = SITE) -> None:
        self.senses, self.at_ns = Senses(site), 0

    def say(self, source: str, sense: str, state: State, as_judged: State | None = None, **detail: Any) -> Given:
        self.at_ns += NS
        kind: Kind = "probe-ok" if state == "up" else "probe-fail"
        self.senses.saw(Reading(source, sense, kind, "", state, self.at_ns, detail), as_judged or state)
        return self

    def look(self) -> dict[str, str]:
        self.senses.columns_if_changed(())
        return dict(self.senses.columns())


def test_every_column_of_the_site_is_there_and_unknown_at_first() -> None:
    given = Given()
    looks = given.look()
    assert set(looks) == set(feeds.columns(SITE)) == {"if", "ir", "ie", "O", "N", "S", "Y", "To", "Ti", "K", "X", "F"}
    assert set(looks.values()) == {"-"}


def test_each_check_feeds_its_own_column() -> None:
    given = Given()
    given.say("fw", "icmp", "up").say("fw", "snmp", "degraded").say("fw", "syslog", "down").say("rt", "icmp", "up")
    given.say("r1", "knock", "up").say("peers", "pool", "down").say("esrp", "sip-options", "up")
    looks = given.look()
    assert (looks["if"], looks["S"], looks["Y"], looks["ir"], looks["K"], looks["X"], looks["F"]) == tuple("ugduudu")


def test_a_test_call_shows_each_direction_of_voice() -> None:
    given = Given().say("r1", "test-call", "up", out="u", **{"in": "u"})
    assert (given.look()["To"], given.look()["Ti"]) == ("u", "u")
    given.say("r1", "test-call", "down", as_judged="degraded", out="d", **{"in": "u"})
    assert (given.look()["To"], given.look()["Ti"]) == ("g", "u"), "not yet three of five"
    given.say("r1", "test-call", "down", out="d", **{"in": "u"})
    assert (given.look()["To"], given.look()["Ti"]) == ("d", "u")
    given.say("r1", "test-call", "up", as_judged="down", out="u", **{"in": "u"})
    assert (given.look()["To"], given.look()["Ti"]) == ("d", "u"), "one good call ends no alarm"
    given.say("r1", "test-call", "up")
    assert (given.look()["To"], given.look()["Ti"]) == ("u", "u")


def test_a_test_call_that_can_not_be_made_says_nothing() -> None:
    given = Given().say("r1", "test-call", "up", out="u").say("r1", "test-call", "unknown")
    assert (given.look()["To"], given.look()["Ti"]) == ("-", "-")


def test_a_certificate_is_no_dead_far_end_and_a_silent_one_is_no_bad_certificate() -> None:
    given = Given().say("esrp", "tls", "down", fault="certificate")
    assert (given.look()["N"], given.look()["ie"]) == ("d", "-")
    given.say("esrp", "tls", "down", fault="silence")
    assert (given.look()["N"], given.look()["ie"]) == ("-", "d")


def test_a_reflector_that_is_dead_by_another_way_too_says_nothing_of_this_one() -> None:
    given = (
        Given()
        .say("esrp", "sip-options", "up")
        .say("r1", "sip-options", "down")
        .say("r1", "test-call", "down", out="d")
    )
    assert given.look()["O"] == "d", "the far end has not been asked since"
    given.say("esrp", "sip-options", "up")
    assert (given.look()["O"], given.look()["To"]) == ("g", "d")
    given.say("r1-cell", "sip-options", "down")
    assert (given.look()["O"], given.look()["To"]) == ("u", "-")
    given.say("r1-cell", "sip-options", "up")
    assert (given.look()["O"], given.look()["To"]) == ("g", "d"), "it lives: the way is at fault"


def test_an_answer_from_before_a_fault_says_nothing_of_it() -> None:
    given = Given().say("esrp", "sip-options", "up").say("rt", "icmp", "up")
    given.say("rt", "icmp", "down")
    assert given.look()["F"] == "-"
    given.say("esrp", "sip-options", "up")
    assert given.look()["F"] == "u"


def test_a_log_and_peers_date_no_fault() -> None:
    given = Given().say("esrp", "sip-options", "up").say("fw", "syslog", "down").say("peers", "pool", "down")
    assert given.look()["F"] == "u"


def test_what_a_test_call_covers() -> None:
    assert feeds.covers(SITE) == {"lan", "firewall", "router", "wan"}
    far = schema.Path(id="e", role="far-end", address="192.0.2.9", checks=(schema.TestCall(),))
    assert feeds.covers(schema.SiteFile(site=SITE.site, path=(far,))) == feeds.PROVIDERS
    own = schema.Path(id="e", role="far-end", address="192.0.2.9", checks=(schema.TestCall(covers=("sbc",)),))
    assert feeds.covers(schema.SiteFile(site=SITE.site, path=(own,))) == {"core"}
    assert feeds.covers(schema.SiteFile(site=SITE.site)) is None


def test_a_log_speaks_of_a_fault_when_a_whole_window_since_has_no_refusal() -> None:
    given = Given().say("fw", "syslog", "up").say("rt", "icmp", "up").say("r1", "test-call", "down")
    assert given.look()["Y"] == "-"
    given.at_ns += 20 * NS
    assert given.say("fw", "syslog", "up").look()["Y"] == "-"
    given.at_ns += 20 * NS
    assert given.say("fw", "syslog", "up").look()["Y"] == "u"


def test_two_reflectors_that_fail_at_once_are_rarer_and_so_is_one_that_answers_beside() -> None:
    assert feeds.coincidence(SITE.path) == 1.0
    other = schema.Path(id="r2", role="reflector", address="192.0.2.5", checks=REFLECTOR)
    two = schema.SiteFile(site=SITE.site, path=(*SITE.path, other))
    assert feeds.coincidence(two.path) == feeds.TWO_AT_ONCE
    quiet = schema.Path(id="r2", role="reflector", address="192.0.2.5", checks=(schema.SipOptions(),))
    assert feeds.coincidence((*SITE.path, quiet)) == 1.0
    given = Given()
    assert given.senses.doubt() == feeds.Doubt(dead=True, rare=1.0, ours=True)
    given.say("r1-cell", "sip-options", "up")
    assert given.senses.doubt() == feeds.Doubt(dead=False, rare=feeds.HEARD_BESIDE, ours=True)
    beside = {feeds.Doubt(False, feeds.HEARD_BESIDE, True), feeds.Doubt(False, 1.0, False)}
    assert set(feeds.doubts(SITE)) == {feeds.Doubt(True, 1.0, True), *beside}


def test_a_tap_that_has_said_nothing_is_no_evidence_that_the_trunks_are_well() -> None:
    line = Tl1Line(id="bank-a", port="/dev/null", trunks={"T1-1": "cama"})
    senses, judge = Senses(schema.SiteFile(site=SITE.site, line=(line,))), LineJudge("bank-a", line.trunks)

    def look() -> str:
        senses.columns_if_changed([judge])
        return senses.columns()["L"]

    assert look() == "-"
    senses.saw(Reading("bank-a", "tl1", "port-up", "port", "up", NS, {}), "up")
    assert look() == "-", "its port is open, and that is all"
    senses.saw(Reading("bank-a", "tl1", "event", "T1-1", "up", 2 * NS, {}), "up")
    assert look() == "u"
    senses.saw(Reading("bank-a", "tl1", "port-down", "port", "down", 3 * NS, {}), "down")
    assert look() == "-"


def test_a_power_contact_that_can_not_be_read_is_neither_power_nor_none() -> None:
    contact = ModbusContact(name="ups", meaning="on-battery", input=0)
    senses = Senses(schema.SiteFile(site=SITE.site, line=(ModbusLine(id="r", port="/dev/null", contacts=(contact,)),)))
    looks = []
    for state, active in (("up", False), ("unknown", None), ("down", True)):
        detail = {"meaning": "on-battery", "active": active}
        senses.saw(Reading("r", "modbus", "contact", "ups", state, NS, detail), state)  # type: ignore[arg-type]
        senses.columns_if_changed(())
        looks.append(senses.columns()["P"])
    assert looks == ["u", "-", "d"]
