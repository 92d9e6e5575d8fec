"""From the alarm book to the panel: which pattern each lamp has and which voice the horn. Pure.

Several alarms share a lamp: the most urgent pattern wins. The horn takes the worst voice that is due. A new
alarm restarts the horn's 3 s in 30 s, but never sooner than ``RESTART_NS`` after its last start, so that a
flood of alarms does not become a continuous horn beside open microphones. More than ten in ten minutes join the
turns that there are, at most 30 s away, so that a horn that starts anew means something again: a critical alarm.
"""

from __future__ import annotations

from collections.abc import Iterable

from agent.alarms import sequence as isa
from agent.alarms.book import NS, Alarm, AlarmBook
from agent.panel import HORN_CYCLE, LAMPS, MS, Horn, Lamp, Light, PanelView, Pattern, Voice

RESTART_NS = 10 * NS
SOUNDS_NS = HORN_CYCLE.lit_ms * MS
PERIOD_NS = (HORN_CYCLE.lit_ms + HORN_CYCLE.dark_ms) * MS
URGENCY: dict[Pattern, int] = {
    "off": 0, "pulse": 1, "wink": 1, "steady": 2, "first-steady": 3, "slow-flash": 4, "flash": 5, "first-flash": 6,
}  # fmt: skip
WORST_FIRST: tuple[Voice, ...] = ("alarm", "ringback", "trouble")


def healthy(alarms: Iterable[Alarm], all_senses_heard: bool) -> bool:
    """Whether ``ok`` may wink: every sense is heard, and nothing shows but a minor that leaves us seeing.

    A standing critical or major, one not yet acknowledged or reset, and any trouble of the probe itself
    (lamp ``probe``) forbid it: missing data never reads as healthy.
    """
    if not all_senses_heard:
        return False
    return all(a.state == "normal" or (a.point.severity == "minor" and a.point.lamp != "probe") for a in alarms)


def due_voice(book: AlarmBook, alarm: Alarm, now_ns: int) -> Voice:
    """What this one alarm asks of the horn now."""
    voice = book.voice_class(alarm)
    if voice == "none" or alarm.silenced:
        return "none"
    if voice == "ringback":
        return "ringback"
    if voice == "own" or alarm.horn_from_ns is None or now_ns < alarm.horn_from_ns:
        return "none"
    return voice


def compose(book: AlarmBook, ok: bool, test_until_ns: int | None, previous: PanelView, now_ns: int) -> PanelView:
    """The panel for the book as it stands. ``previous`` keeps the phase of what has not changed."""
    patterns: dict[Lamp, Pattern] = dict.fromkeys(LAMPS, "off")
    latest_ns: dict[Voice, int] = {}
    for alarm in book:
        pattern = (isa.FIRST if alarm.first else isa.LAMP)[book.sequence_of(alarm)][alarm.state]
        if alarm.point.name == "diverted" and pattern == "steady":
            pattern = "pulse"
        if URGENCY[pattern] > URGENCY[patterns[alarm.point.lamp]]:
            patterns[alarm.point.lamp] = pattern
        voice = due_voice(book, alarm, now_ns)
        if voice != "none":
            began_ns = alarm.horn_from_ns if voice != "ringback" else alarm.cleared_ns
            began_ns = 0 if alarm.joins else now_ns if began_ns is None else began_ns
            latest_ns[voice] = max(latest_ns.get(voice, began_ns), began_ns)
    worst = max((patterns[lamp] for lamp in LAMPS), key=URGENCY.__getitem__)
    if book.quiet.mode != "normal" and patterns["calls"] == "off":
        patterns["calls"] = "pulse"
    if ok:
        patterns["ok"] = "wink"
    if test_until_ns is not None and now_ns < test_until_ns:
        patterns, worst = dict.fromkeys(LAMPS, "steady"), "steady"
    lamps = {
        lamp: previous.lamps[lamp] if previous.lamps[lamp].pattern == pattern else Light(pattern, now_ns)
        for lamp, pattern in patterns.items()
    }
    head = previous.head if previous.head.pattern == worst else Light(worst, now_ns)
    return PanelView(lamps, _horn(latest_ns, previous.horn, now_ns), head)


def _horn(latest_ns: dict[Voice, int], previous: Horn, now_ns: int) -> Horn:
    """``latest_ns``: when the newest alarm of each voice became due."""
    voice: Voice = next((v for v in WORST_FIRST if v in latest_ns), "none")
    if voice == "none":
        return previous if previous.voice == "none" else Horn("none", now_ns)
    newest_ns = latest_ns[voice]
    if voice != previous.voice:
        return Horn(voice, now_ns, newest_ns)
    if newest_ns <= previous.newest_ns:
        return previous
    began_ns = previous.since_ns
    if now_ns > began_ns:
        began_ns = now_ns - (now_ns - began_ns) % PERIOD_NS
    if now_ns < began_ns + SOUNDS_NS:  # it sounds now, or is about to: the new alarm is heard with it
        return Horn(voice, previous.since_ns, newest_ns)
    return Horn(voice, max(now_ns, began_ns + RESTART_NS), newest_ns)
