"""What dispatchers read: every cause has words, short ones, in plain language, with a number to ring."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import combinations

import pytest

from agent.site.schema import Site
from agent.verdict.causes import CAUSES, COLUMNS, OUR_ROWS, ROWS, Row
from agent.verdict.judge import SENSES, Verdict, judge
from agent.verdict.say import Said, say
from agent.verdict.words import BESIDES, EVIDENCE, WORDS, words_of

BARE = Site(id="testville")
LONG = Site(id="testville", noc_phone="9" * 40, provider="P" * 200)
JARGON = re.compile(
    r"\b(ICMP|SNMP|SIP|RTP|ALI|ANI|CDR|SMDR|TL1|T1|CAMA|ESRP|ESInet|SBC|WAN|LAN|DNS|TLS|UDP|TCP|IP|OPTIONS|PSAP|MQTT|"
    r"i3|INVITE|conntrack|syslog|demarcation|packets?|ping(?:s|ed)?|latency|probe|endpoint|uplink|transport|m of n)\b"
)
FAILING = "Call back every number from an admin line."


def said_of(rows: tuple[Row, ...], site: Site) -> Said:
    return say(rows, (), {}, site)


def all_said(site: Site) -> Iterator[Said]:
    """What is said of each row alone, and of every two and many threes of different causes."""
    rows = (*ROWS, *OUR_ROWS)
    for row in rows:
        yield said_of((row,), site)
    for pair in combinations(rows, 2):
        if pair[0].cause != pair[1].cause:
            yield said_of(pair, site)
    for number in range(len(rows) - 6):
        yield said_of(rows[number : number + 7 : 2], site)


def test_every_cause_has_words() -> None:
    assert set(CAUSES) <= set(WORDS)
    names = {row.name for row in (*ROWS, *OUR_ROWS)} | set(CAUSES)
    assert set(WORDS) <= names


def test_every_sense_has_words() -> None:
    assert set(SENSES) == set(EVIDENCE) == set(COLUMNS)
    assert all(len(set(texts)) == 3 for texts in EVIDENCE.values())
    assert all(pair <= set(CAUSES) and len(pair) == 2 for pair in BESIDES)


@pytest.mark.parametrize("site", [BARE, LONG], ids=["bare", "long"])
def test_sentences_are_short_and_plain(site: Site) -> None:
    for said in all_said(site):
        assert 0 < len(said.sentence) <= 200, said.sentence
        assert said.sentence.endswith("."), said.sentence
        assert "{" not in said.sentence, said.sentence
        assert said.do_now in said.sentence
        for text in (said.sentence, said.call):
            assert not JARGON.search(text), text


def test_the_rest_is_plain_too() -> None:
    for text in (*SENSES.values(), *(t for texts in EVIDENCE.values() for t in texts), *BESIDES.values()):
        assert not JARGON.search(text), text


def test_the_jargon_list_can_fail() -> None:
    assert JARGON.search("no SIP OPTIONS answer")
    assert not JARGON.search("the trip is planned")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_callers_are_called_back_and_somebody_is_rung_where_calls_fail(row: Row) -> None:
    words = words_of(row)
    said = said_of((row,), Site(id="testville", noc_phone="555-0100", provider="Example Telephone"))
    if words.calls_fail:
        assert "Ring 555-0100" in said.do_now
        assert "reroute" in said.do_now
        assert "555-0100" in said.call
        assert said.sentence.index(said.do_now) <= 60, "what to do comes within a breath"
    assert words.side in ("psap", "provider", "unknown")
    if words.call == "provider":
        assert said.call == "Example Telephone, through the NOC, 555-0100"


def test_calls_fail_follows_the_table() -> None:
    """Where talk is expected as usual not all calls fail; where it is gone, only what is meant is spared."""
    for row in ROWS:
        expected = words_of(row).calls_fail
        if row.looks["V"] == "u":
            assert expected is not True, row.name
        if row.looks["V"] == "d" and row.cause != "diverted":
            assert expected is True, row.name


def test_without_a_number_it_is_your_noc() -> None:
    said = judge({"if": "u", "ir": "d", "O": "d"}, BARE)
    assert "Ring your NOC; ask to reroute." in said.sentence
    assert said.call == "your 911 provider, through your NOC"


def test_a_number_too_long_for_a_sentence_is_told_beside_it() -> None:
    said = judge({"if": "u", "ir": "d", "O": "d"}, Site(id="testville", noc_phone="5" * 200))
    assert len(said.sentence) <= 200
    assert "Ring your NOC" in said.sentence
    assert "5" * 200 in said.call


def test_a_brace_in_the_number_is_only_text() -> None:
    said = judge({"if": "u", "ir": "d", "O": "d"}, Site(id="testville", noc_phone="{0} {noc}"))
    assert "Ring {0} {noc}; ask to reroute." in said.sentence


def test_a_check_that_disagrees_is_told() -> None:
    said: Verdict = judge({"if": "d", "ir": "u", "O": "u"}, BARE)
    assert said.causes == ("none",)
    assert said.sentence == "Calls seem to get through, though the firewall does not answer. Report it: ring your NOC."


def test_a_set_says_what_is_right_for_all_of_it() -> None:
    by_name = {row.name: row for row in ROWS}
    failing = said_of((by_name["firewall-blocking/all"], by_name["call-handling-fault"]), BARE)
    assert failing.sentence.startswith("Callers may not reach or hear you. " + FAILING)
    assert failing.calls_fail is True
    mixed = said_of((by_name["lan-fault"], by_name["probe-blind/network"]), BARE)
    assert mixed.calls_fail is None
    assert mixed.side == "psap"
    spared = said_of((by_name["none"], by_name["path-simplex"]), BARE)
    assert spared.calls_fail is False
    assert spared.side == "provider"
