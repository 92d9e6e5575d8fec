"""The regulatory clock: facts by the rules' own numbers (47 CFR 4.5(e), 4.9(h))."""

from __future__ import annotations

from agent.site.schema import Site
from agent.verdict.duty import NS, duty
from agent.verdict.judge import judge

FAILING = judge({"if": "u", "ir": "u", "ie": "d", "O": "d", "il": "u"}, Site(id="s"))


def test_thirty_minutes_and_user_minutes() -> None:
    told = duty(FAILING, 100 * NS, 100 * NS + 600 * NS, Site(id="s", population=118_000))
    assert told["notify_by_ns"] == (100 + 1800) * NS
    assert (told["minutes"], told["user_minutes"]) == (10.0, 1_180_000)
    # 900,000 user-minutes are reached after 7.6 minutes; the other mark is 30 minutes.
    assert told["reached_ns"] == (100 + 1800) * NS
    assert told["side"] == FAILING.side == "provider"


def test_a_small_place_reaches_the_users_mark_later() -> None:
    told = duty(FAILING, 0, 0, Site(id="s", population=9_000))
    assert told["reached_ns"] == 100 * 60 * NS
    assert told["user_minutes"] == 0


def test_without_a_population_nothing_is_guessed() -> None:
    told = duty(FAILING, 0, 3600 * NS, Site(id="s"))
    assert (told["user_minutes"], told["reached_ns"], told["population"]) == (None, None, None)
