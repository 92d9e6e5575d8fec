"""What the screen says, from one answer of the agent or from its silence. Pure: no size, no colour, no clock.

Nothing here counts seconds, so that the picture of a site that is well never changes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any, Literal

from agent.panel import LAMPS
from agent.screen.letters import plain

Level = Literal["well", "trouble", "alarm", "mute"]
HEADS: dict[Level, str] = {"well": "ALL IS WELL", "trouble": "TROUBLE", "alarm": "ALARM", "mute": "NO ANSWER"}
LAMP_WORDS: dict[str, str] = {
    "off": "off",
    "steady": "ON",
    "wink": "ON",
    "flash": "FLASHING",
    "slow-flash": "SLOW FLASH",
    "pulse": "PULSING",
    "first-flash": "FIRST",
    "first-steady": "FIRST, ON",
}
STATES: dict[str, str] = {
    "unacknowledged": "not acknowledged",
    "returned-unacknowledged": "over, not acknowledged",
    "acknowledged": "acknowledged",
    "returned": "over, press reset",
}
HORNS: dict[str, str] = {"alarm": "HORN: ALARM", "ringback": "HORN: OVER, PRESS RESET", "trouble": "HORN: TROUBLE"}
MUTE_DO = "No answer. Trust the phones."
MUTE_REST = "Dialtone has stopped or hangs: nothing is known now, good or bad. Tell your technician."
ALARMS_MAX = 40
MOVED_S = 60.0


@dataclass(frozen=True, slots=True)
class Lamp:
    """One lamp: its name, what it does in a word, whether it is lit, and since when it has been so."""

    name: str
    word: str
    lit: bool
    since: str


@dataclass(frozen=True, slots=True)
class Face:
    """All that is shown. ``do``: the action, largest. ``why``: the rest of the sentence."""

    level: Level
    head: str
    do: str
    why: str
    lamps: tuple[Lamp, ...]
    alarms: tuple[str, ...]
    notes: tuple[str, ...]


def mute(why: str) -> Face:
    """The agent does not answer: nothing is known, and no lamp is shown as if it were."""
    lamps = tuple(Lamp(name, "?", False, "") for name in LAMPS)
    return Face("mute", HEADS["mute"], MUTE_DO, MUTE_REST, lamps, (), (plain(why, 200),))


class Steady:
    """Keeps each time as it was first told: a label is the wall clock's and trembles by a millisecond, and round a full
    minute the picture would. A label that moved by a minute or more (the clock was set) is taken."""

    def __init__(self) -> None:
        self._first: dict[int, str] = {}

    def hold(self, status: dict[str, Any]) -> dict[str, Any]:
        """``status`` with its labels held; what has gone is forgotten."""
        before, self._first = self._first, {}
        for holder, name in [(status, "ok_since"), (status, "until"), *((a, "raised") for a in status["alarms"])]:
            at_ns, label = holder.get(f"{name}_ns"), holder.get(name)
            if isinstance(at_ns, int) and isinstance(label, str):
                known = before.get(at_ns, label)
                moved = datetime.fromisoformat(known) - datetime.fromisoformat(label)
                self._first[at_ns] = holder[name] = label if abs(moved.total_seconds()) >= MOVED_S else known
        return status


def face(status: Mapping[str, Any], zone: tzinfo | None = None) -> Face:
    """What an answer to ``status`` says; one that can't be understood is no answer. ``zone``: for the times shown."""
    try:
        return _face(status, zone)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        return mute(f"its answer can't be understood: {type(error).__name__} {error}")


def _face(status: Mapping[str, Any], zone: tzinfo | None) -> Face:
    alarms: Sequence[Mapping[str, Any]] = status["alarms"]
    verdict = status["verdict"]
    level = _level(status["lamps"], alarms, verdict)
    do, why = _words(verdict, alarms, level)
    mode = str(status.get("mode", "normal"))
    until = _at(status.get("until"), zone)
    head = [HEADS[level], plain(status.get("name") or status["site"], 60)]
    head += [f"MODE {plain(mode, 20).upper()}" + (f" until {until}" if until else "")] if mode != "normal" else []
    head += [HORNS[status["horn"]]] if status["horn"] in HORNS else []
    notes = [f"shelved: {plain(name, 80)}" for name in status.get("shelved", {})]
    reminder = (status.get("commissioned") or {}).get("reminder")
    return Face(
        level,
        "   ".join(head),
        do,
        why,
        tuple(_lamp(name, status, zone) for name in LAMPS),
        tuple(_alarm(alarm, zone) for alarm in alarms[:ALARMS_MAX]),
        (*notes, *([plain(reminder)] if reminder else [])),
    )


def _level(lamps: Mapping[str, str], alarms: Sequence[Mapping[str, Any]], verdict: Mapping[str, Any] | None) -> Level:
    """Green only while the ``ok`` lamp is lit and nothing worse than minor stands."""
    grave = any(alarm["severity"] != "minor" and alarm["state"] != "normal" for alarm in alarms)
    if grave or (verdict is not None and verdict["calls_fail"] is True):
        return "alarm"
    if lamps["ok"] != "off" and not alarms and all(lamps[name] == "off" for name in LAMPS if name != "ok"):
        return "well"
    return "trouble"


def _words(verdict: Mapping[str, Any] | None, alarms: Sequence[Mapping[str, Any]], level: Level) -> tuple[str, str]:
    """The action, and the rest of the sentence without it."""
    if verdict is None:
        return "Wait: this box has just started.", ""
    do, sentence = plain(verdict["do_now"]), plain(verdict["sentence"])
    if verdict["cause"] == "none" and alarms and not verdict.get("runner_up"):
        # Calls get through, and yet something stands: the worst of it says what.
        worst = plain(alarms[0]["text"])
        if do != worst:
            return worst, sentence.replace(worst, "").strip() if level != "alarm" else ""
    why = " ".join(sentence.replace(do, " ", 1).split()) if do else sentence
    changing = " The picture is still changing." if verdict.get("under_change") else ""
    return (do, why + changing) if do else (sentence, changing.strip())


def _lamp(name: str, status: Mapping[str, Any], zone: tzinfo | None) -> Lamp:
    pattern = status["lamps"][name]
    lit = pattern != "off"
    begun = [alarm["raised"] for alarm in status["alarms"] if alarm["lamp"] == name and alarm.get("raised")]
    since = status.get("ok_since") if name == "ok" else min(begun, default=None)
    return Lamp(name, LAMP_WORDS.get(pattern, plain(pattern, 12)), lit, _at(since, zone) if lit else "")


def _alarm(alarm: Mapping[str, Any], zone: tzinfo | None) -> str:
    state = STATES.get(str(alarm["state"]), plain(alarm["state"], 30))
    by = alarm.get("acknowledged_by")
    state += f" by {plain(by, 40).split(' (')[0]}" if by and alarm["state"] == "acknowledged" else ""
    words = plain(alarm.get("text") or alarm["id"], 160)
    return f"{plain(alarm['severity'], 10).upper():8} since {_at(alarm.get('raised'), zone)}, {state}: {words}"


def _at(label: object, zone: tzinfo | None) -> str:
    """A wall-clock label as ``24 Nov 00:06``; the day is always there, so that midnight changes nothing."""
    if not isinstance(label, str):
        return ""
    at = datetime.fromisoformat(label.replace("Z", "+00:00")).astimezone(zone)
    return f"{at.day} {at:%b %H:%M}"
