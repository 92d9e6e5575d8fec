"""The cause table is whole, its numbers are chances, and its pairs are those its authors counted."""

from __future__ import annotations

from itertools import combinations

import pytest

from agent.verdict.causes import CAUSES, COLUMNS, END_TO_END, NETWORK, OUR_ROWS, ROWS
from agent.verdict.judge import inseparable, unseen
from agent.verdict.odds import CHANCES, PRIORS, SHARES

IDS = (
    "none firewall-blocking firewall-down router-down wan-down far-end-down lan-fault trunk-group-down trunk-partial "
    "call-handling-fault one-way-audio upstream-routing carrier-outage ali-link-down core-data-fault "
    "transport-flapping power probe-blind core-media-blocked test-path-fault path-simplex diverted congestion "
    "name-or-certificate"
)
THIS_VERSION = ("L", "il", "if", "ir", "ie", "O")


def test_the_ids_are_the_interface() -> None:
    assert " ".join(CAUSES) == IDS
    assert set(PRIORS) == set(CAUSES)
    assert {row.cause for row in ROWS} == set(CAUSES)


def test_the_columns() -> None:
    assert " ".join(COLUMNS) == "L A R H V il if ir ie S O To Ti K Y M P X F N B"
    assert set(CHANCES) == set(COLUMNS)
    assert set(COLUMNS) >= NETWORK | END_TO_END
    assert all(tuple(row.looks) == COLUMNS for row in (*ROWS, *OUR_ROWS))


def test_rows_have_names_of_their_own() -> None:
    names = [row.name for row in (*ROWS, *OUR_ROWS)]
    assert len(set(names)) == len(names) == 57
    assert set(SHARES) <= set(names)


def test_thirty_two_pairs_contradict_each_other_in_two_columns_or_fewer() -> None:
    """The count that came with the table: one cell copied wrongly changes it, or the pairs named here."""
    close = {}
    for one, other in combinations(ROWS, 2):
        if one.cause != other.cause:
            differ = [c for c in COLUMNS[:-3] if {one.looks[c], other.looks[c]} in ({"u", "d"}, {"u", "g"}, {"d", "g"})]
            if len(differ) <= 2:
                close[one.name, other.name] = differ
    assert len(close) == 32
    assert close["firewall-blocking/all", "router-down"] == ["S"]
    assert close["wan-down", "far-end-down"] == ["K"]
    assert close["firewall-blocking/media", "core-media-blocked"] == ["Y", "X"]
    assert close["ali-link-down", "probe-blind/serial"] == ["A"]
    assert close["probe-blind/serial", "diverted"] == ["H"]
    assert close["firewall-down", "lan-fault"] == ["il"]
    assert close["wan-down", "name-or-certificate"] == ["ie"]


def test_nothing_healthy_looks_down() -> None:
    assert set(ROWS[0].looks.values()) == {"u", "-"}


@pytest.mark.parametrize("column", COLUMNS)
def test_chances_add_up_and_favour_what_is_expected(column: str) -> None:
    for expected, chances in CHANCES[column].items():
        assert sum(chances.values()) == pytest.approx(1)
        assert all(chance > 0 for chance in chances.values())
        if expected != "-":
            assert max(chances, key=lambda look: chances[look]) == expected


def test_priors_add_up() -> None:
    assert sum(PRIORS.values()) == 10_000
    assert PRIORS["none"] > 9_000
    assert all(0 < share <= 1 for share in SHARES.values())


def test_pairs_that_a_site_cannot_separate() -> None:
    pairs = inseparable(THIS_VERSION)
    assert ("firewall-blocking", "router-down") in pairs
    assert ("wan-down", "far-end-down") in pairs
    assert ("lan-fault", "probe-blind") in pairs
    assert ("firewall-down", "lan-fault") not in pairs
    assert ("firewall-down", "lan-fault") in inseparable(["L", "if", "ir", "ie", "O"])
    assert ("firewall-blocking", "router-down") not in inseparable([*THIS_VERSION, "S"])
    assert len(inseparable([])) == len(CAUSES) * (len(CAUSES) - 1) // 2
    assert inseparable(THIS_VERSION[::-1]) == pairs


def test_more_senses_never_make_more_pairs() -> None:
    for column in COLUMNS:
        assert set(inseparable([*THIS_VERSION, column])) <= set(inseparable(THIS_VERSION))


def test_what_a_site_cannot_see_at_all() -> None:
    blind_to = unseen(THIS_VERSION)
    assert "one-way-audio" in blind_to
    assert "firewall-blocking" not in blind_to, "one of its faces is seen"
    assert unseen(COLUMNS) == []
    assert set(unseen([])) == set(CAUSES) - {"none"}
    assert all(("none", cause) in inseparable(THIS_VERSION) for cause in blind_to)
