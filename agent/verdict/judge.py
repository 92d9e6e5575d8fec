"""The verdict on what all senses show together. Pure: the same senses give the same verdict.

Each row of the cause table is scored by its prior times the chance of each thing seen, were the row true (``odds.py``);
an unknown sense contributes nothing. A cause's score is its best row's. The best cause is named alone above
``NAMED_ABOVE`` against every other; below that the set of causes within that factor is named.

Missing data never reads as healthy: ``none`` is said only where at least half of the senses the site has are known
and one of the way that callers take looks up. Otherwise ``none`` stands last in its set; alone, and where nothing is
known at all, the verdict is ``probe-blind`` ("this box can't see yet").
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import cast

from agent.evidence.feeds import Doubt
from agent.site import schema
from agent.verdict.causes import (
    CAUSES,
    COLUMNS,
    ELEMENT,
    END_TO_END,
    LOOKS,
    NETWORK,
    OF_REFLECTORS,
    OUR_ROWS,
    ROWS,
    WITHOUT_REFLECTORS,
    Cause,
    Look,
    Row,
)
from agent.verdict.odds import NAMED_ABOVE, ODDS_CAP, RARER_BY, RUNNER_UP_WITHIN, likelihood, prior
from agent.verdict.say import looks, say, say_blind
from agent.verdict.words import BESIDES, SENSES, Side, words_of

__all__ = ["SENSES", "Verdict", "inseparable", "judge", "unseen"]

MAX_SEPARATORS = 6
NO_REFLECTORS = Doubt()
ONE_OF_TWO = "test-path-fault/of-two"
"""The one face of it that is no coincidence."""
BESIDE = "beside"
"""Faces that say that calls are talked on: they count only where talk is seen. Numbers that arrive prove no voice."""
ALARMED: Mapping[str, str] = {"L": "d", "A": "dg", "V": "dg"}
"""Looks that are there only while a critical alarm stands: nothing then is "nothing"."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The best explanation of all senses together, and what to do now.

    ``cause``: the best. ``causes``: the set that can't be told apart, best first; the cause alone where it is certain
    enough. ``runner_up``: the next cause outside the set, where it is worth naming. ``separated_by``: what is not
    seen here and would tell the set (or cause and runner-up) apart. ``sentence``: for a dispatcher, at most 200
    characters. ``do_now``: its imperative part. ``call``: whom. ``side`` of the demarcation. ``calls_fail``: True only
    if all causes of the set say so, False only if none does, None between. ``odds``: the best cause against the next,
    at most 1e6. ``path_only``: something looks bad, and nothing but the network's own checks says so.
    ``under_change``: the evidence is still changing.
    """

    cause: Cause
    causes: tuple[Cause, ...]
    runner_up: Cause | None
    separated_by: tuple[str, ...]
    sentence: str
    do_now: str
    call: str
    side: Side
    calls_fail: bool | None
    odds: float
    evidence_for: tuple[str, ...]
    evidence_against: tuple[str, ...]
    path_only: bool
    under_change: bool = False


@dataclass(frozen=True, slots=True)
class Scored:
    """A cause by its best row, and that row's score."""

    row: Row
    score: float
    fits: float
    """The chance of what is seen, were it so."""


def judge(
    senses: Mapping[str, str],
    site: schema.Site,
    covers: frozenset[str] | None = None,
    doubt: Doubt = NO_REFLECTORS,
    pauses: Collection[str] = (),
) -> Verdict:
    """The verdict on ``senses``: a column of the cause table to "u", "d", "g", or "-" where it is unknown.

    A column that the site has should be given even while it is unknown; one that it does not have may be left out.
    ``doubt``: whether some of what is asked outside is a reflector of ours, and may be dead itself. ``covers``: the
    elements that its test calls pass through; None where nothing is said of that: then they speak for the whole way.
    ``pauses``: columns that were seen before and are unknown only since no call came: nothing to tell a dispatcher of.
    Raises ValueError for a column or a look that the table does not know.
    """
    for column, look in senses.items():
        if column not in COLUMNS or look not in LOOKS:
            raise ValueError(f"no such sense: {column!r} looking {look!r}")
    seen = {column: cast(Look, senses[column]) for column in COLUMNS if senses.get(column, "-") != "-"}
    ranked = scores(seen, doubt, covers=covers, explain=True)
    best = ranked[0].score
    members = [scored.row for scored in named(ranked)]
    ranked.sort(key=lambda scored: scored.row not in members)
    if members[0].cause == "none" and not _sees_enough(senses, seen):
        if len(members) == 1:
            return _blind(senses, seen, site)
        members = [*members[1:], members[0]]
    outside = ranked[len(members)] if len(members) < len(ranked) else None
    runner_up = outside.row if outside is not None and outside.score * RUNNER_UP_WITHIN > best else None
    rivals = members if len(members) > 1 or runner_up is None else [members[0], runner_up]
    said = say(members, [c for c in COLUMNS if c in senses and c not in seen and c not in pauses], seen, site)
    return Verdict(
        cause=members[0].cause,
        causes=tuple(row.cause for row in members),
        runner_up=None if runner_up is None else runner_up.cause,
        separated_by=_separated_by(rivals, seen),
        sentence=said.sentence,
        do_now=said.do_now,
        call=said.call,
        side=said.side,
        calls_fail=said.calls_fail,
        odds=round(min(ODDS_CAP, best / ranked[1].score if len(ranked) > 1 else ODDS_CAP), 2),
        evidence_for=_evidence(members[0], seen, fits=True),
        evidence_against=_evidence(members[0], seen, fits=False),
        path_only=_path_only(seen),
    )


def scores(
    seen: Mapping[str, Look],
    doubt: Doubt = NO_REFLECTORS,
    *,
    covers: frozenset[str] | None = None,
    explain: bool = False,
) -> list[Scored]:
    """Every cause by its best row, best first; equals stand in the table's order. ``seen``: known senses only.

    ``explain``: what expects nothing bad of any sense that looks bad explains nothing, and is left out; ``none`` where
    a look says that a critical alarm stands (``ALARMED``).
    """
    bad = [column for column, look in seen.items() if explain and look != "u"]
    alarmed = any(seen[column] in ALARMED.get(column, "") for column in bad)
    best: dict[Cause, Scored] = {}
    for row in (*ROWS, *OUR_ROWS):
        if not counts(row, seen, doubt) or (alarmed and row.cause == "none"):
            continue
        if bad and row.cause != "none" and not any(row.looks[column] in ("g", "d") for column in bad):
            continue
        fits = likelihood(covered(row, covers), seen)
        score = prior(row) * fits
        if row.cause == "test-path-fault" and row.name != ONE_OF_TWO:
            score *= doubt.rare
        if row.cause not in best or score > best[row.cause].score:
            best[row.cause] = Scored(row, score, fits)
    return sorted((best[cause] for cause in CAUSES if cause in best), key=lambda scored: -scored.score)


def counts(row: Row, seen: Mapping[str, Look], doubt: Doubt) -> bool:
    """Whether a row can be true at this site at all."""
    if row.variant == BESIDE:
        return seen.get("V") == "u"
    if row.name in WITHOUT_REFLECTORS:
        return not doubt.ours
    return row.name not in OF_REFLECTORS or (doubt.dead if row.cause == "test-path-fault" else doubt.ours)


def named(ranked: Sequence[Scored]) -> list[Scored]:
    """The causes to name, of all in their order: those nearly as likely, and what fits as well and is not much rarer.

    The latter only where it leaves open no more of what it means for callers: the place alone.
    """
    best = ranked[0]
    likely = [one for one in ranked if one is best or one.score * NAMED_ABOVE > best.score]
    harm = {words_of(one.row).calls_fail for one in likely}
    if any(one.row.cause == "none" for one in likely):
        return likely
    alike = [one for one in ranked if _fits_as_well(one, best) and words_of(one.row).calls_fail in harm]
    return [one for one in ranked if one in likely or one in alike]


def _fits_as_well(one: Scored, best: Scored) -> bool:
    return one.row.cause != "none" and one.fits * NAMED_ABOVE > best.fits and one.score * RARER_BY > best.score


def covered(row: Row, covers: frozenset[str] | None) -> Row:
    """The row for test calls that pass through ``covers`` alone: of a fault elsewhere they say nothing."""
    element = ELEMENT.get(row.cause)
    if covers is None or element is None or element in covers:
        return row
    silent: dict[str, Look] = {column: "-" for column in ("To", "Ti", "K") if row.looks[column] != "u"}
    return Row(row.cause, row.variant, {**row.looks, **silent})


def inseparable(columns: Collection[str]) -> list[tuple[str, str]]:
    """The pairs of causes that a site with only these columns can't tell apart, in the table's order.

    Two causes are a pair where a row of one and a row of the other disagree in none of the columns in which both say
    something. A pair with ``none`` is a cause, or a face of one, that the site can't see at all (``unseen``).
    """
    pairs = {
        (one.cause, other.cause)
        for one, other in combinations(ROWS, 2)
        if one.cause != other.cause and not _disagree(one, other, columns)
    }
    return [pair for pair in combinations(CAUSES, 2) if pair in pairs]


def unseen(columns: Collection[str]) -> list[str]:
    """The causes of which these columns show nothing under any of their faces, in the table's order."""
    healthy = ROWS[0]
    seen = {row.cause for row in ROWS if _disagree(healthy, row, columns)}
    return [cause for cause in CAUSES if cause != "none" and cause not in seen]


def _disagree(one: Row, other: Row, columns: Collection[str]) -> bool:
    return any("-" not in (pair := {one.looks[column], other.looks[column]}) and len(pair) == 2 for column in columns)


def _sees_enough(senses: Mapping[str, str], seen: Mapping[str, Look]) -> bool:
    return 2 * len(seen) >= len(senses) and any(seen.get(column) == "u" for column in END_TO_END)


def _path_only(seen: Mapping[str, Look]) -> bool:
    bad = {column for column, look in seen.items() if look != "u"}
    return bool(bad) and bad <= NETWORK


def _blind(senses: Mapping[str, str], seen: Mapping[str, Look], site: schema.Site) -> Verdict:
    """Nothing is known, or too little to say that all is well."""
    missing = [SENSES[column] for column in COLUMNS if column in senses and column not in seen]
    said = say_blind(site)
    return Verdict(
        cause="probe-blind",
        causes=("probe-blind",),
        runner_up=None,
        separated_by=tuple(missing[:MAX_SEPARATORS]),
        sentence=said.sentence,
        do_now=said.do_now,
        call=said.call,
        side=said.side,
        calls_fail=said.calls_fail,
        odds=1.0,
        evidence_for=tuple(f"not seen yet: {name}" for name in missing),
        evidence_against=tuple(looks(column, look) for column, look in seen.items()),
        path_only=_path_only(seen),
    )


def _evidence(row: Row, seen: Mapping[str, Look], *, fits: bool) -> tuple[str, ...]:
    """What is seen and is (or is not) what the row leads one to expect; where it expects nothing, neither."""
    return tuple(
        looks(column, look)
        for column, look in seen.items()
        if row.looks[column] != "-" and (row.looks[column] == look) is fits
    )


def _separated_by(rivals: Sequence[Row], seen: Mapping[str, Look]) -> tuple[str, ...]:
    """What would tell the rivals apart: other means first, then columns not seen here in which they differ.

    A column in which one rival says nothing stands only where no better one does.
    """
    besides: dict[str, None] = {}
    firm: dict[str, None] = {}
    loose: dict[str, None] = {}
    for one, other in combinations(rivals, 2):
        hint = BESIDES.get(frozenset({one.cause, other.cause}))
        if hint is not None:
            besides[hint] = None
        for column in COLUMNS:
            pair = {one.looks[column], other.looks[column]}
            if column not in seen and len(pair) == 2:
                (loose if "-" in pair else firm)[SENSES[column]] = None
    return tuple({**besides, **(firm or loose)})[:MAX_SEPARATORS]
