"""What can't be told apart is found by asking the judge, before anything has happened."""

from __future__ import annotations

import pytest

from agent.evidence.feeds import TWO_AT_ONCE, Doubt
from agent.site.schema import Site
from agent.verdict.apart import OF_CALLS, apart, confusable, separators
from agent.verdict.causes import COLUMNS, OF_REFLECTORS, OUR_ROWS, ROWS
from agent.verdict.judge import judge

OURS = Doubt(dead=True, ours=True)
BARE = ("L", "il", "if", "ir", "ie", "O")


def test_a_bare_sites_sets() -> None:
    sets = confusable(BARE)
    assert ("firewall-blocking", "router-down") in sets
    assert ("lan-fault", "probe-blind") in sets
    assert not any("test-path-fault" in one for one in sets), "it has no reflector"
    assert any({"wan-down", "far-end-down"} <= set(one) for one in sets)


def test_a_reflector_alone_may_be_dead_itself_and_a_far_end_beside_it_tells() -> None:
    # F says nothing where there is no far end of the provider's.
    assert judge({"if": "u", "ir": "u", "ie": "d", "O": "d", "F": "-"}, Site(id="s"), doubt=OURS).calls_fail is None
    seen = {"if": "u", "ir": "u", "ie": "d", "O": "g", "To": "d", "Ti": "d"}
    dead = judge({**seen, "F": "u"}, Site(id="s"), doubt=OURS)
    assert dead.cause == "test-path-fault"
    away = judge({**seen, "O": "d", "F": "d"}, Site(id="s"), doubt=OURS)
    assert "test-path-fault" not in away.causes
    assert away.calls_fail is True


def test_more_senses_take_the_pair_apart() -> None:
    assert not apart("firewall-down", "lan-fault", [c for c in BARE if c != "il"])
    assert apart("firewall-down", "lan-fault", BARE)
    assert "the firewall's own report" in separators(("firewall-blocking", "router-down"), BARE)


@pytest.mark.parametrize("without_calls", [False, True])
@pytest.mark.parametrize("columns", [BARE, [*BARE, "S", "To", "Ti", "K", "Y", "F", "V", "A", "R", "H", "P"], COLUMNS])
def test_whatever_set_a_verdict_names_was_stated_before(columns: tuple[str, ...], without_calls: bool) -> None:
    """Each row taken for true: the judge's set lies within one that is stated."""
    stated = confusable(columns)
    for row in (*ROWS, *OUR_ROWS):
        if "F" not in columns and row.name in OF_REFLECTORS:
            continue
        seen = {c: row.looks[c] for c in columns if row.looks[c] != "-" and not (without_calls and c in OF_CALLS)}
        if set(seen.values()) <= {"u"}:
            continue
        said = judge(seen, Site(id="s"), doubt=OURS if "F" in columns else Doubt())
        named = set(said.causes) | {row.cause}
        assert len(named) == 1 or said.cause == "probe-blind" or any(named <= set(one) for one in stated), row.name


def test_a_test_call_speaks_only_for_what_it_passes_through() -> None:
    seen = {"if": "u", "ir": "u", "ie": "u", "O": "u", "To": "u", "Ti": "u", "V": "d", "A": "u", "R": "u", "X": "d"}
    assert judge(seen, Site(id="s"), frozenset({"firewall"})).cause == "core-media-blocked"
    assert judge(seen, Site(id="s")).cause != "core-media-blocked"


def test_diverted_on_purpose_is_no_loss_of_routing() -> None:
    seen = {"if": "u", "ir": "u", "ie": "u", "O": "u", "A": "d", "R": "d", "H": "u", "V": "d", "L": "u"}
    assert judge({**seen, "B": "d"}, Site(id="s")).causes == ("diverted",)
    assert judge({**seen, "B": "u"}, Site(id="s")).calls_fail is True


def test_voice_lost_at_two_reflectors_at_once_is_the_calls_affair() -> None:
    """By one alone, our own test may be what fails: trouble. By two the firewall, or the core, and callers are harmed."""
    seen = {"if": "u", "ir": "u", "ie": "u", "O": "u", "To": "d", "Ti": "d", "F": "u"}
    one = judge(seen, Site(id="s"), doubt=OURS)
    assert "test-path-fault" in one.causes
    assert one.calls_fail is None
    two = judge(seen, Site(id="s"), doubt=Doubt(dead=True, rare=TWO_AT_ONCE, ours=True))
    assert set(two.causes) == {"firewall-blocking", "core-media-blocked"}
    assert two.calls_fail is True
