"""Which causes a site's senses leave together: found by asking the judge itself, before anything has happened. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import combinations, product
from typing import cast

from agent.evidence.feeds import Doubt
from agent.verdict.causes import CAUSES, COLUMNS, OUR_ROWS, ROWS, Cause, Look
from agent.verdict.judge import counts, covered, named, scores
from agent.verdict.words import BESIDES, SENSES

OF_CALLS = frozenset({"A", "R", "V", "M"})
"""Columns that say nothing while no call comes, each after its own time: a verdict has to do without any of them."""
OF_LINKS = frozenset({"H"})
"""A link without a heartbeat says nothing of itself while no record comes."""
COUNTED = frozenset({"A", "R", "V"})
"""Counts of calls, which may look worse for a while than they are."""
SEPARATORS_MAX = 4


def confusable(
    columns: Collection[str],
    covers: frozenset[str] | None = None,
    doubts: Sequence[Doubt] = (),
    *,
    usually: bool = False,
) -> list[tuple[Cause, ...]]:
    """The sets of causes that the verdict can't tell apart by these columns, whatever calls and links just say.

    Each row of the table is taken for true and its looks are judged. Sets that lie within another one are left out, and
    so is the set of all that can't be seen at all (``unseen`` names those). ``doubts``: what may be thought of our own
    reflectors here; without it, that they may be dead where there are any. ``usually``: only what stands together when
    every sense shows what it should, with calls and without any.
    """
    doubts = doubts or (Doubt(dead="F" in columns, ours="F" in columns),)
    found: set[frozenset[Cause]] = set()
    judged: dict[tuple[Doubt, frozenset[tuple[str, Look]]], frozenset[Cause]] = {}
    may_be_unknown = (OF_CALLS | OF_LINKS) & frozenset(columns)
    for unknown in (frozenset(), may_be_unknown) if usually else _subsets(may_be_unknown):
        seen = frozenset(columns) - unknown
        for row in (*ROWS, *OUR_ROWS):
            for looks in _faces(covered(row, covers).looks, seen, usually):
                if all(look == "u" for look in looks.values()):
                    continue
                for doubt in doubts:
                    if not counts(row, looks, doubt):
                        continue
                    key = (doubt, frozenset(looks.items()))
                    if key not in judged:
                        judged[key] = _together(looks, doubt, covers)
                    found.add(judged[key] | {row.cause})
    sets = [one for one in found if len(one) > 1 and not any(one < other for other in found)]
    ordered = [tuple(cause for cause in CAUSES if cause in one) for one in sets]
    return sorted(ordered, key=lambda one: [CAUSES.index(cause) for cause in one])


def _subsets(of: frozenset[str]) -> Iterator[frozenset[str]]:
    for number in range(len(of) + 1):
        yield from map(frozenset, combinations(sorted(of), number))


def _faces(expected: Mapping[str, Look], seen: Collection[str], usually: bool) -> Iterator[dict[str, Look]]:
    """What a site may really see of a row: what is expected degraded may look well, and what says nothing may too.

    Who can't reach the reflector can't ask it to call: with ``O`` down a knock is unknown. Other centres may lose calls
    beside whatever happens here.
    """
    columns = [c for c in COLUMNS if c in seen and not (c == "K" and expected["O"] == "d")]
    here = {expected[column] for column in columns}
    degraded_ = ("g", "u", "d") if "g" in here and not usually else ("g",)
    peers_ = ("-", "d") if "X" in columns and expected["X"] == "-" and not usually else ("-",)
    for degraded, nothing, peers in product(degraded_, ("-", "u") if "-" in here else ("-",), peers_):
        looks: dict[str, Look] = {}
        for column in columns:
            look = expected[column]
            silent = peers if column == "X" and peers == "d" else nothing
            worse = "g" if degraded == "d" and column not in COUNTED else degraded
            shown = worse if look == "g" else silent if look == "-" else look
            if shown != "-":
                looks[column] = cast(Look, shown)
        yield looks
    for only in () if usually else columns:  # of what may look degraded, one alone does
        if expected[only] == "g":
            known = [column for column in columns if expected[column] != "-"]
            yield {column: "d" if expected[column] == "d" else "g" if column == only else "u" for column in known}


def apart(one: str, other: str, columns: Collection[str], covers: frozenset[str] | None = None) -> bool:
    """Whether no set of ``confusable`` holds both."""
    return not any(one in causes and other in causes for causes in confusable(columns, covers))


def separators(causes: Sequence[str], columns: Collection[str]) -> tuple[str, ...]:
    """What this site has not, and would tell these causes apart."""
    found: dict[str, None] = {}
    for number, one in enumerate(causes):
        for other in causes[number + 1 :]:
            hint = BESIDES.get(frozenset({one, other}))
            if hint is not None:
                found[hint] = None
            for column in COLUMNS:
                if column not in columns and _differ(one, other, column):
                    found[SENSES[column]] = None
    return tuple(found)[:SEPARATORS_MAX]


def _together(looks: Mapping[str, Look], doubt: Doubt, covers: frozenset[str] | None) -> frozenset[Cause]:
    return frozenset(scored.row.cause for scored in named(scores(looks, doubt, covers=covers, explain=True)))


def _differ(one: str, other: str, column: str) -> bool:
    """Whether every row of one looks otherwise than every row of the other there."""
    ours = {row.looks[column] for row in ROWS if row.cause == one}
    theirs = {row.looks[column] for row in ROWS if row.cause == other}
    return not ours & theirs and "-" not in ours | theirs
