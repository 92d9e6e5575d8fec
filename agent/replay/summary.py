"""What a run comes to: the figures of ``replay --json``, and whether the verdict was right. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from agent.evidence import feeds
from agent.replay.run import Told, Trace
from agent.site import schema
from agent.verdict.apart import confusable

Answer = str
RIGHT, SET, WRONG, QUIET = "right", "set", "wrong", "quiet"


@dataclass(frozen=True, slots=True)
class Summary:
    """Times are seconds after the fault, None if never. ``answer``: ``right`` (the cause alone or first of its set by
    the table), ``set`` (it stands in a set that ``check`` states for this site), ``quiet`` (nothing was to be told, and
    nothing was), ``wrong``."""

    outage: str
    seed: int
    first_alarm: tuple[str, float] | None
    critical_s: float | None
    horn_s: float | None
    report_s: float | None
    cause: str | None
    causes: tuple[str, ...]
    verdict_s: float | None
    false_alarms: int
    answer: Answer
    sentence: str
    why: str

    def json(self) -> dict[str, Any]:
        """The object that ``replay --json`` ends with (DESIGN section 8), and what it was judged by."""
        first = None if self.first_alarm is None else {"point": self.first_alarm[0], "after_s": self.first_alarm[1]}
        verdict = None
        if self.cause is not None:
            verdict = {"cause": self.cause, "causes": list(self.causes), "after_s": self.verdict_s}
        return {
            "summary": True,
            "outage": self.outage,
            "seed": self.seed,
            "fault_s": 0.0,
            "first_alarm": first,
            "critical_after_s": self.critical_s,
            "horn_after_s": self.horn_s,
            "report_after_s": self.report_s,
            "verdict": verdict,
            "false_alarms": self.false_alarms,
            "answer": self.answer,
            "why": self.why,
            "sentence": self.sentence,
        }


def summary(trace: Trace, site: schema.SiteFile) -> Summary:
    """Judge one run by what its story expects."""
    case, told = trace.case, trace.told
    criticals = [one for one in told if one.who == "alarm" and _critical(one)]
    after = [one for one in criticals if one.at_s >= 0]
    early = len(criticals) - len(after)
    alarms = [one for one in told if one.who == "alarm" and one.detail["change"] == "raised" and one.at_s >= 0]
    first = (str(alarms[0].detail["id"]), alarms[0].at_s) if alarms else None
    critical_s = after[0].at_s if after else None
    horns = [one.at_s for one in told if one.who == "horn" and one.detail["voice"] == "alarm" and one.at_s >= 0]
    if critical_s is not None and _sounding(told, critical_s):
        horns.insert(0, critical_s)  # it sounded already, and its pattern begins anew
    ids = {str(one.detail["id"]) for one in after}
    reports = [one.at_s for one in told if one.who == "report" and one.at_s >= 0 and one.detail["id"] in ids]
    verdict = _verdict(trace)
    false = early + (0 if case.expect.critical is not False or case.story.horn_only else len(after))
    answer, why = _judged(trace, verdict, critical_s, horns, early, site)
    cause, causes, verdict_s, sentence = None, (), None, ""
    if verdict is not None:
        cause, causes = str(verdict.detail["cause"]), tuple(verdict.detail["causes"])
        verdict_s, sentence = _since(trace, verdict), str(verdict.detail["sentence"])
    return Summary(
        outage=case.name,
        seed=trace.seed,
        first_alarm=first,
        critical_s=critical_s,
        horn_s=horns[0] if horns else None,
        report_s=reports[0] if reports else None,
        cause=cause,
        causes=causes,
        verdict_s=verdict_s,
        false_alarms=false,
        answer=answer,
        sentence=sentence,
        why=why,
    )


def _sounding(told: list[Told], at_s: float) -> bool:
    voices = [one.detail["voice"] for one in told if one.who == "horn" and one.at_s <= at_s]
    return bool(voices) and voices[-1] == "alarm"


def _critical(one: Told) -> bool:
    """A critical alarm that is meant to be heard: not in shadow, not shelved, not while technicians work."""
    d = one.detail
    raised = d["change"] == "raised" and d["severity"] == "critical" and d["type"] != "nobody-knows"
    return bool(raised and not d["shadow"] and not d["shelved"] and d["mode"] != "service")


def _verdict(trace: Trace) -> Told | None:
    """The last verdict told while anything was wrong, other than ``none`` where there was one."""
    wrong = _while_unhealthy(trace)
    named = [one for one in wrong if tuple(one.detail["causes"]) not in (("none",), ("probe-blind",))]
    return named[-1] if named else (wrong[-1] if wrong else None)


def _while_unhealthy(trace: Trace) -> list[Told]:
    out = []
    for one in trace.told:
        if one.who == "verdict":
            states = [bad for at_s, bad in trace.unhealthy if at_s <= one.at_s]
            if states and states[-1]:
                out.append(one)
    return out


def _since(trace: Trace, verdict: Told) -> float:
    """When this cause was first named after the fault and stayed so."""
    since = verdict.at_s
    for one in reversed([t for t in trace.told if t.who == "verdict" and 0 <= t.at_s <= verdict.at_s]):
        if one.detail["cause"] != verdict.detail["cause"]:
            break
        since = one.at_s
    return since


_stated = lru_cache(maxsize=128)(confusable)
"""Asked for every seed of a case."""


def _judged(
    trace: Trace,
    verdict: Told | None,
    critical_s: float | None,
    horns: list[float],
    early: int,
    site: schema.SiteFile,
) -> tuple[Answer, str]:
    expect = trace.case.expect
    if early:
        return WRONG, "a critical alarm before the fault"
    if expect.critical is False and critical_s is not None and not trace.case.story.horn_only:
        return WRONG, f"a critical alarm after {critical_s:.0f} s, and nothing critical was to be told"
    if trace.case.story.horn_only and horns:
        return WRONG, f"the horn sounded after {horns[0]:.0f} s"
    if expect.critical is False and not expect.causes:
        return QUIET, ""
    if expect.critical is True and critical_s is None:
        return WRONG, "no critical alarm"
    if verdict is None:
        return (QUIET, "") if expect.too_little else (WRONG, "no verdict")
    causes = [str(cause) for cause in verdict.detail["causes"]]
    if causes[0] in expect.causes and len(causes) == 1:
        return RIGHT, ""
    stated = _stated(frozenset(feeds.columns(site)), feeds.covers(site), feeds.doubts(site))
    for cause in expect.causes:
        others = [one for one in causes if one != cause]
        if cause in causes and all(any(cause in one and other in one for one in stated) for other in others):
            return SET, ""
        if cause in causes:
            return WRONG, f"{' or '.join(causes)}: a set that check does not state"
    return WRONG, f"{' or '.join(causes)} where {' or '.join(expect.causes)} is right"
