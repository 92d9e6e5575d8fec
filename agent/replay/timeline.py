"""A run as people read it: what was set, what each part said, beside when the public learned of it."""

from __future__ import annotations

from collections.abc import Iterator

from agent.replay.run import Told, Trace
from agent.replay.summary import Summary

WIDTH = 118


def clock(at_s: float | None) -> str:
    """``+12:34`` minutes and seconds after the fault, hours before it where there are any; a dash for never."""
    if at_s is None:
        return "-"
    sign, left = ("-" if at_s < 0 else "+"), abs(at_s)
    hours, minutes, seconds = int(left // 3600), int(left // 60) % 60, left % 60
    return f"{sign}{hours}:{minutes:02d}:{int(seconds):02d}" if hours else f"{sign}{minutes:02d}:{seconds:04.1f}"


def lines(trace: Trace, summary: Summary) -> Iterator[str]:
    """The whole timeline, one line for each thing that happened."""
    case = trace.case
    story = case.story
    yield f"{case.name}: {case.title}"
    yield from _wrapped(story.story)
    yield f"The fault begins at {story.start.replace('T', ' ')} ({story.timezone}), which is time 0. Seed {trace.seed}."
    yield ""
    public_told = story.public_s is None
    said = ""
    for one in trace.told:
        if not public_told and story.public_s is not None and one.at_s > story.public_s:
            yield f"{clock(story.public_s):>9}  the public  {story.public or 'learned of it'}"
            public_told = True
        if one.who == "verdict":
            if one.what == said:
                continue
            said = one.what
        yield from _line(one)
    if not public_told:
        yield f"{clock(story.public_s):>9}  the public  {story.public or 'learned of it'} (after this replay's end)"
    yield ""
    yield from _end(summary)


def _line(one: Told) -> Iterator[str]:
    if one.who == "alarm":
        shown = "" if one.detail["change"] != "raised" else f": {one.detail['text']}"
        text = f"{one.detail['severity']} {one.what}{shown}"
    elif one.who == "verdict":
        text = f"{' or '.join(one.detail['causes'])}: {one.what}"
    else:
        text = one.what
    head = f"{clock(one.at_s):>9}  {one.who:<10}  "
    for number, part in enumerate(_wrapped(text, WIDTH - len(head))):
        yield (head if number == 0 else " " * len(head)) + part


def _wrapped(text: str, width: int = WIDTH) -> list[str]:
    import textwrap

    return textwrap.wrap(text, width) or [""]


def _end(summary: Summary) -> Iterator[str]:
    first = "-" if summary.first_alarm is None else f"{summary.first_alarm[0]} after {clock(summary.first_alarm[1])}"
    yield f"first alarm {first}; critical {clock(summary.critical_s)}; horn {clock(summary.horn_s)}; report " + (
        clock(summary.report_s)
    )
    if summary.cause is not None:
        yield f"verdict {' or '.join(summary.causes)} after {clock(summary.verdict_s)}: {summary.answer}"
    if summary.why:
        yield f"not as it should be: {summary.why}" if summary.answer == "wrong" else summary.why
