"""The verdict: each row gives its own cause; this version's senses in all 4096 combinations; what may never be said."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from itertools import product

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from agent.evidence.feeds import Doubt
from agent.site.schema import Site
from agent.verdict.causes import CAUSES, COLUMNS, OF_REFLECTORS, OUR_ROWS, ROWS, Look, Row
from agent.verdict.judge import SENSES, Verdict, judge, scores
from agent.verdict.odds import CHANCES, ODDS_CAP

OURS = Doubt(dead=True, ours=True)
SITE = Site(id="testville", noc_phone="555-0100", provider="Example Telephone")
THIS_VERSION = ("L", "il", "if", "ir", "ie", "O")
SOME_CALLS = ("carrier-outage", "upstream-routing", "core-data-fault")
# Rows that their own columns leave in a set with another cause.
NOT_ALONE = {
    "carrier-outage": SOME_CALLS,  # some calls, and their data: whose core it is, none says
    "core-data-fault/calls": SOME_CALLS,
    "upstream-routing/in-part": SOME_CALLS,
    "core-data-fault/records": ("core-data-fault", "none"),  # some bare records, and other centres' trouble
}


def senses(text: str) -> dict[str, str]:
    """``"L:u if:d"`` as the judge takes it."""
    return dict(word.split(":") for word in text.split())


def verdict(text: str) -> Verdict:
    return judge(senses(text), SITE)


@pytest.mark.parametrize("row", [*ROWS, *OUR_ROWS], ids=lambda row: row.name)
def test_each_row_gives_its_own_cause(row: Row) -> None:
    said = judge(row.looks, SITE, doubt=OURS if row.name in OF_REFLECTORS else Doubt())
    assert said.causes == NOT_ALONE.get(row.name, (row.cause,))
    assert said.evidence_against == () or row.name in NOT_ALONE


CASES: tuple[tuple[str, str, bool | None], ...] = (
    # all well, some of it unknown
    ("L:u il:u if:u ir:u ie:u O:u", "none", False),
    ("L:- il:u if:u ir:u ie:u O:u", "none", False),
    ("L:u", "none", False),
    # the firewall answers for itself and forwards nothing; seen from inside, a dead router looks the same
    ("L:u il:u if:u ir:d ie:d O:d", "firewall-blocking router-down", True),
    ("L:- il:- if:u ir:d ie:d O:d", "firewall-blocking router-down", True),
    ("L:u il:u if:u ir:d O:d", "firewall-blocking router-down", True),
    ("L:d il:u if:u ir:d ie:d O:d", "firewall-blocking router-down", True),
    # within the first minute: the checks asked often are red, those asked seldom not yet
    ("L:u il:u if:u ir:d ie:g O:g", "firewall-blocking router-down", True),
    # pings pass, calls do not
    ("L:u il:u if:u ir:u ie:u O:d", "far-end-down firewall-blocking name-or-certificate", True),
    ("L:u il:u if:u ir:u O:d", "firewall-blocking far-end-down wan-down name-or-certificate", True),
    # a dead firewall, and what it can't be told from without an answer of our own network
    ("L:u il:u if:d ir:d ie:d O:d", "firewall-down", True),
    ("L:- il:- if:d ir:d ie:d O:d", "firewall-down lan-fault probe-blind", None),
    # beyond the router
    ("L:u il:u if:u ir:u ie:d O:d", "far-end-down wan-down", True),
    ("L:u il:u if:- ir:u ie:d O:d", "far-end-down wan-down", True),
    # our own network, or our own cable
    ("L:u il:d if:d ir:d ie:d O:d", "lan-fault probe-blind", None),
    ("L:d il:d if:d ir:d ie:d O:d", "power", True),
    # the trunks
    ("L:d il:u if:u ir:u ie:u O:u", "trunk-group-down", True),
    ("L:d", "trunk-group-down", True),
    ("L:g il:u if:u ir:u ie:u O:u", "trunk-partial", False),
    ("L:g il:u if:u ir:d ie:d O:u", "trunk-partial", False),
    # red pings beside a green answer of the far end's call system
    ("L:u il:u if:u ir:u ie:d O:u", "none", False),
    ("L:u il:u if:d ir:u ie:u O:u", "none", False),
    ("L:u il:u if:d ir:d ie:d O:u", "none", False),
    ("L:u il:d if:d ir:d ie:d O:u", "none", False),
    # one of several far ends
    ("L:u il:u if:u ir:u ie:u O:g", "path-simplex", False),
    ("L:u il:u if:u ir:u ie:g O:g", "path-simplex", False),
    # a ping alone is no proof
    ("if:u ir:u ie:d", "far-end-down wan-down none", None),
    # nothing is known, or not enough to call it well
    ("", "probe-blind", None),
    ("L:- il:- if:- O:-", "probe-blind", None),
    ("L:- il:u if:u ir:u O:-", "probe-blind", None),
    ("L:u il:- if:- ir:- O:-", "probe-blind", None),
    # calls themselves outvote every green device and test
    ("L:u il:u if:u ir:u ie:u S:u O:u To:u Ti:u V:d A:u R:u M:g X:u", "call-handling-fault", True),
    ("L:u il:u if:u ir:u ie:u S:u O:u To:d Ti:d V:d A:u R:u K:g Y:d M:g X:u", "firewall-blocking", True),
    # and a green call outvotes a red test
    ("L:u il:u if:u ir:u ie:u O:u To:d Ti:d K:d V:u A:u R:u M:u X:u", "test-path-fault", False),
)


@pytest.mark.parametrize(("seen", "causes", "calls_fail"), CASES, ids=[case[0] or "nothing" for case in CASES])
def test_cases(seen: str, causes: str, calls_fail: bool | None) -> None:
    said = verdict(seen)
    assert sorted(said.causes) == sorted(causes.split())
    assert said.calls_fail is calls_fail
    assert said.cause == said.causes[0]


def test_a_firewall_is_named_alone_only_above_the_odds() -> None:
    said = verdict("L:u il:u if:u ir:d ie:d O:d")
    assert said.odds < 3
    assert "Place unknown: the firewall or the router." in said.sentence
    assert "whether the router answers from outside" in said.separated_by
    assert "the firewall's own report" in said.separated_by
    assert said.side == "unknown"
    certain = judge({**senses("L:u il:u if:u ir:d ie:d O:d"), "S": "u", "Y": "d"}, SITE)
    assert certain.causes == ("firewall-blocking",)
    assert certain.odds >= 3
    assert certain.sentence.endswith("Likely: the firewall blocks calls.")


def test_the_runner_up_is_named_where_it_is_near_and_what_would_tell_it_apart() -> None:
    said = verdict("L:u il:u if:d ir:d ie:d O:d")
    assert (said.cause, said.runner_up) == ("firewall-down", "lan-fault")
    assert "the network switch's link lights" in said.separated_by
    assert verdict("L:u il:u if:u ir:u ie:u O:u").runner_up is None


def test_evidence_is_told_in_words() -> None:
    said = verdict("L:u il:u if:u ir:d ie:d O:u")
    assert "the router does not answer" in said.evidence_against
    assert "the far end's call system answers" in said.evidence_for
    assert "the router does not answer" in verdict("if:u ir:d O:d").evidence_for


def test_what_is_not_seen_is_told() -> None:
    assert "Not seen yet: the trunk lines" in verdict("L:- il:u if:u ir:u ie:u O:u").sentence
    assert "can't see yet" in verdict("L:- if:-").sentence
    assert verdict("L:- if:-").evidence_for == (
        "not seen yet: the trunk lines",
        "not seen yet: answers of the firewall",
    )


def test_path_only() -> None:
    assert verdict("L:u il:u if:u ir:d ie:d O:d").path_only
    assert not verdict("L:d il:u if:u ir:d ie:d O:d").path_only
    assert not verdict("L:d").path_only
    assert not verdict("L:u il:u if:u ir:u ie:u O:u").path_only
    assert not verdict("").path_only


def test_an_unknown_column_or_look_is_our_own_mistake() -> None:
    with pytest.raises(ValueError, match="'icmp'"):
        judge({"icmp": "u"}, SITE)
    with pytest.raises(ValueError, match="'up'"):
        judge({"O": "up"}, SITE)


# -- all combinations of this version's senses -------------------------------------------------------------------------


def combinations_of_this_version() -> Iterator[tuple[dict[str, str], Verdict]]:
    for looks in product("ugd-", repeat=len(THIS_VERSION)):
        given_ = dict(zip(THIS_VERSION, looks, strict=True))
        yield given_, judge(given_, SITE)


def test_what_may_never_be_said() -> None:
    for seen, said in combinations_of_this_version():
        known = {look for look in seen.values() if look != "-"}
        if known <= {"u"}:
            assert said.calls_fail is not True, seen
            assert said.cause in ("none", "probe-blind"), seen
        if not known:
            assert said.cause == "probe-blind"
        if said.cause == "none":
            assert "u" in (seen["L"], seen["ie"], seen["O"]), seen
        if seen["O"] == "d":
            assert "none" not in said.causes, seen
            assert said.calls_fail is not False, seen
        if seen["O"] == "u" and seen["L"] != "d":
            assert said.calls_fail is not True, f"pings outvote an answer: {seen}"
        if seen["L"] == "d":
            assert said.calls_fail is not False, seen
        if seen["O"] == "d" and seen["il"] == "u" and "g" not in known:
            assert said.calls_fail is True, seen
        if said.causes == ("firewall-blocking",):
            assert said.odds >= 3


def verdicts_are_whole(said: Verdict, seen: dict[str, str]) -> None:
    assert said.cause == said.causes[0]
    assert set(said.causes) <= set(CAUSES)
    assert len(set(said.causes)) == len(said.causes)
    assert said.runner_up not in said.causes
    assert 1 <= said.odds <= ODDS_CAP
    assert said.odds >= 3 or len(said.causes) > 1 or said.cause == "probe-blind"
    assert 0 < len(said.sentence) <= 200, said.sentence
    assert said.do_now in said.sentence
    assert set(said.evidence_for).isdisjoint(said.evidence_against)
    assert json.loads(json.dumps(msgspec.to_builtins(said)))["cause"] == said.cause
    assert SENSES.keys() >= seen.keys()


def test_all_of_this_versions_verdicts_are_whole() -> None:
    for seen, said in combinations_of_this_version():
        verdicts_are_whole(said, seen)


# -- any combination of any senses -------------------------------------------------------------------------------------

anything = st.dictionaries(st.sampled_from(COLUMNS), st.sampled_from("ugd-"))


@given(anything)
def test_anything_gives_a_whole_verdict_and_always_the_same(seen: dict[str, str]) -> None:
    said = judge(seen, SITE)
    verdicts_are_whole(said, seen)
    assert judge(dict(reversed(seen.items())), SITE) == said


@given(anything)
def test_nothing_down_or_degraded_never_fails_calls(seen: dict[str, str]) -> None:
    green = {column: look for column, look in seen.items() if look in "u-"}
    assert judge(green, SITE).calls_fail is not True


@given(anything, st.sets(st.sampled_from(COLUMNS)))
def test_unknown_senses_add_no_cause(seen: dict[str, str], also: set[str]) -> None:
    """A sense that says nothing changes no set; it can only forbid calling all well, or naming that first."""
    said = judge(seen, SITE)
    with_unknown = judge({**dict.fromkeys(also, "-"), **seen}, SITE)
    assert set(with_unknown.causes) == set(said.causes) or with_unknown.causes == ("probe-blind",)
    if said.cause != with_unknown.cause:
        assert said.cause == "none"


def known(seen: dict[str, str]) -> dict[str, Look]:
    return {column: look for column, look in seen.items() if look != "-"}  # type: ignore[misc]


# An answer of the far end changes how far pings are trusted, and talk alone lets the faces count that say that calls
# come by another way: these are not independent of the others.
APART = st.sampled_from([column for column in COLUMNS if column not in ("O", "To", "Ti", "V")])


@given(anything, APART, st.sampled_from("ugd"))
def test_one_observation_moves_odds_only_as_far_as_it_is_trusted(seen: dict[str, str], column: str, look: Look) -> None:
    """Between any two causes: by no more than the likeliest over the unlikeliest chance of what was seen."""
    without = {c: lk for c, lk in known(seen).items() if c != column}
    before = {scored.row.cause: scored.score for scored in scores(without)}
    after = {scored.row.cause: scored.score for scored in scores({**without, column: look})}
    table = [chances[look] for chances in CHANCES[column].values()]
    most = math.log(max(table) / min(table)) + 1e-9
    moves = [math.log(after[cause] / before[cause]) for cause in CAUSES]
    # Pings beside an answer are trusted less than the table says, so the bound holds for them as well.
    assert max(moves) - min(moves) <= most


@given(anything, APART, st.sampled_from("ugd"))
def test_losing_an_observation_that_fits_never_makes_the_verdict_surer(
    seen: dict[str, str], column: str, look: Look
) -> None:
    """If what was seen fits the best cause's only row as well as any, then without it the odds are no better."""
    full = {**known(seen), column: look}
    ranked = scores(full)
    best = ranked[0].row
    rows = [row for row in (*ROWS, *OUR_ROWS) if row.cause == best.cause]
    assume(len(rows) == 1)
    chances = CHANCES[column]
    assume(all(chances[best.looks[column]][look] >= chances[row.looks[column]][look] for row in ROWS))
    del full[column]
    fewer = {scored.row.cause: scored.score for scored in scores(full)}
    other = max(score for cause, score in fewer.items() if cause != best.cause)
    assert fewer[best.cause] / other <= ranked[0].score / ranked[1].score * (1 + 1e-9)


def test_equal_scores_stand_in_the_tables_order() -> None:
    ranked = [scored.row.cause for scored in scores({"if": "u", "ir": "d", "O": "d"})]
    assert ranked[:2] == ["firewall-blocking", "router-down"]


LOST = "if:u ir:d ie:d O:d A:u R:u H:u"


def test_numbers_that_arrive_prove_no_voice_and_talk_does() -> None:
    """On 18 June 2024 callers' numbers went on arriving: only talk shows that calls come by another way."""
    unknown, dead, talked = verdict(f"{LOST} V:-"), verdict(f"{LOST} V:d"), verdict(f"{LOST} V:u")
    assert set(unknown.causes) == set(dead.causes) == set(talked.causes) == {"firewall-blocking", "router-down"}
    assert (unknown.calls_fail, dead.calls_fail, talked.calls_fail) == (True, True, False)
    assert "Call back" in unknown.do_now
    assert talked.sentence.startswith("Calls get through")


def test_a_dead_firewall_beside_calls_that_go_on_is_no_blind_box() -> None:
    said = verdict("il:u if:d ir:d ie:d O:d A:u R:u H:u V:u")
    assert (said.causes, said.calls_fail) == (("firewall-down",), False)
    assert said.sentence.startswith("Calls come and are talked on.")


def test_what_fits_as_well_and_is_rarer_is_named_too_where_it_means_the_same() -> None:
    assert set(verdict("A:d R:d V:d il:u if:u ir:u ie:u O:u").causes) >= {"trunk-group-down", "upstream-routing"}


def test_what_explains_nothing_that_looks_bad_is_not_named() -> None:
    assert "path-simplex" not in verdict("il:u if:u ir:u ie:u O:u To:u Ti:u K:u H:u P:u B:d").causes
