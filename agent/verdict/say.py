"""From the causes that remain to one sentence for a dispatcher: what callers meet, what to do, where it lies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agent.site import schema
from agent.verdict.causes import Look, Row
from agent.verdict.words import (
    BLIND,
    EVIDENCE,
    PERHAPS,
    PERHAPS_DO,
    REPORT,
    REROUTE,
    SENSES,
    Call,
    Side,
    Words,
    words_of,
)

SENTENCE_MAX = 200
PHONE_MAX = 40


@dataclass(frozen=True, slots=True)
class Said:
    """What the verdict says to people; ``sentence`` has at most 200 characters."""

    sentence: str
    do_now: str
    call: str
    side: Side
    calls_fail: bool | None


def looks(column: str, look: Look) -> str:
    """A known sense in plain words."""
    return EVIDENCE[column]["ugd".index(look)]


def say(members: Sequence[Row], missing: Sequence[str], seen: Mapping[str, Look], site: schema.Site) -> Said:
    """The words for these rows, best first, one a cause: for one alone its own, for several what is right for all.

    ``missing``: the columns that are not seen yet.
    """
    each = [words_of(row) for row in members]
    if len(each) == 1:
        words = each[0]
        if members[0].cause == "none":
            return _said_none(words, missing, seen, site)
        return _said(words.symptom, words.do, f"Likely: {words.name}.", words.call, words.side, words.calls_fail, site)
    fails = {words.calls_fail for words in each}
    calls_fail = fails.pop() if len(fails) == 1 else None
    real = [words for row, words in zip(members, each, strict=True) if row.cause != "none"]
    sides = {words.side for words in real}
    side = sides.pop() if len(sides) == 1 else "unknown"
    symptom, do, place = _together(each, calls_fail)
    head = f"{symptom} {do} {place}: ".format(noc=_noc(site))
    tail = f"{place}: {_either(list(dict.fromkeys(words.place for words in each)), SENTENCE_MAX - len(head))}"
    return _said(symptom, do, tail, real[0].call, side, calls_fail, site)


def say_blind(site: schema.Site) -> Said:
    """What is said where no sense has spoken, or too few of them."""
    return _said(BLIND.symptom, BLIND.do, "", BLIND.call, BLIND.side, BLIND.calls_fail, site)


def _together(each: Sequence[Words], calls_fail: bool | None) -> tuple[str, str, str]:
    """The symptom, what to do, and how the list of causes begins, for several causes together."""
    if calls_fail is True:
        symptoms = {words.symptom for words in each}
        todo = {words.do for words in each}
        return (
            symptoms.pop() if len(symptoms) == 1 else "Callers may not reach or hear you.",
            todo.pop() if len(todo) == 1 else REROUTE,
            "Place unknown",
        )
    if calls_fail is False:
        return "Calls get through, as far as seen.", REPORT, "Cause unclear"
    return PERHAPS, PERHAPS_DO, "Cause unclear"


def _said(symptom: str, do: str, tail: str, call: Call, side: Side, calls_fail: bool | None, site: schema.Site) -> Said:
    do_now = do.format(noc=_noc(site))
    sentence = " ".join(part for part in (symptom, do_now, tail) if part)
    return Said(sentence, do_now, _call(call, site), side, calls_fail)


def _noc(site: schema.Site) -> str:
    """The NOC's number; one too long to stand in a sentence is told by ``call`` only."""
    phone = site.noc_phone
    return phone if phone and len(phone) <= PHONE_MAX else "your NOC"


def _call(call: Call, site: schema.Site) -> str:
    noc = f"the NOC, {site.noc_phone}" if site.noc_phone else "your NOC"
    whom: dict[Call, str] = {
        "noc": noc,
        "provider": f"{site.provider or 'your 911 provider'}, through {noc}",
        "technician": f"your own technicians, and {noc}",
        "nobody": "nobody",
    }
    return whom[call]


def _said_none(words: Words, missing: Sequence[str], seen: Mapping[str, Look], site: schema.Site) -> Said:
    """Nothing is wrong with calls; but what disagrees, and what is not seen, is told."""
    against = [looks(column, look) for column, look in seen.items() if look != "u"]
    if against:
        symptom = f"Calls seem to get through, though {against[0]}."
        return _said(symptom, REPORT, "", "noc", words.side, words.calls_fail, site)
    unseen = f" Not seen yet: {SENSES[missing[0]]}{' and more' if len(missing) > 1 else ''}." if missing else ""
    tail = f"Nothing wrong is seen.{unseen}"
    return _said(words.symptom, words.do, tail, words.call, words.side, words.calls_fail, site)


def _either(names: Sequence[str], room: int) -> str:
    """``a, b or c.`` in at most ``room`` characters; those that don't fit become "something else"."""
    for count in range(len(names), 0, -1):
        shown = list(names[:count]) + (["something else"] if count < len(names) else [])
        text = " or ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown) + "."
        if len(text) <= room:
            return text
    return "several causes."
