"""What the judges of calls say, for the alarm book: changes only, in plain words, in shadow until proved. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from agent.calls.facts import CallCondition
from agent.calls.shadow import Proof
from agent.calls.voice import Voice
from agent.readings import Plain

DETECTORS = ("silence", "voice", "one-way")
DETECTOR_OF = {"silence": "silence", "data-without-voice": "voice", "one-way-audio": "one-way"}
COLUMN_OF = {"silence": "A", "data-without-voice": "V", "one-way-audio": "V", "no-voice-button": "V"}
TALK = "Call back every number from an admin line."


@dataclass(slots=True)
class Standing:
    """What stands. ``site``: the resource of what concerns the whole site; a trunk group is its own."""

    site: str
    noc: str
    proof: Proof
    changed: list[CallCondition] = field(default_factory=list)
    _stands: dict[tuple[str, str, str], tuple[bool, bool]] = field(default_factory=dict)

    def take(self) -> list[CallCondition]:
        """What changed since this was last asked."""
        changed, self.changed = self.changed, []
        return changed

    def say(self, type_name: str, qualifier: str, holds: bool, text: str, evidence: Mapping[str, Plain]) -> None:
        """Tell a condition where it changed; it is in shadow or not as it was when it began."""
        group = qualifier not in ("all", "no-voice") and not qualifier.startswith("class:")
        key = (qualifier if group else self.site, type_name, qualifier)
        if self._stands.get(key, (False, False))[0] == holds:
            return
        detector = DETECTOR_OF.get(type_name)
        shadow = holds and detector is not None and self.proof.shadow(detector)
        if holds and detector is not None:
            self.proof.alarmed(detector)
        self._stands[key] = (holds, shadow)
        self.changed.append(CallCondition(*key, holds, text if holds else "", dict(evidence), shadow))

    def stood(self, key: tuple[str, str, str], shadow: bool, *, judged: bool) -> None:
        """An alarm of an earlier run. Where nobody judges such a thing any more, it ends."""
        if judged:
            self._stands[key] = (True, shadow)
        else:
            self.changed.append(CallCondition(*key, False))

    def silence(self, stream: str, silent: bool, expected: float, rate_per_h: float) -> None:
        """No calls come on a stream."""
        where = {"all": ""}.get(stream, f" on {stream}")
        if stream.startswith("class:"):
            where = f" of class {stream[6:]}"
        text = f"Have a test call made; ring {self.noc}. No calls come{where}: {expected:.0f} were due."
        evidence = {"expected": round(expected, 1), "rate_per_h": round(rate_per_h, 2)}
        self.say("silence", stream, silent, text, evidence)

    def voice(self, name: str, voice: Voice) -> None:
        """Data without voice, and one-way audio, on a stream."""
        where = "" if name == "all" else f" on {name}"
        text = f"Callers may not hear you{where}. {TALK} Ring {self.noc}. {voice.run} callers in a row had no talk."
        evidence: dict[str, Plain] = {"callers": voice.run, "needed": voice.needed, "p": round(voice.p, 3)}
        self.say("data-without-voice", name, voice.alarm, text, {**evidence, "called_back": voice.called_back})
        text = f"You may not hear callers, or they you{where}. {TALK} Ring {self.noc}. Answered calls are soon over."
        self.say("one-way-audio", name, voice.collapsed, text, {"score": round(voice.one_way.score, 1)})

    def buttons(self, reported: bool, critical: bool, presses: int, stuck: list[str]) -> None:
        """The no-voice buttons."""
        text = "Listen to the next calls; call back who can't be heard. A dispatcher could not hear a caller."
        self.say("voice-reported", "all", reported and not critical, text, {})
        text = f"Dispatchers can't hear callers. {TALK} Ring {self.noc}."
        self.say("no-voice-button", "all", critical, text, {"presses": presses})
        text = f"Free the no-voice button: it is held down ({', '.join(stuck)[:200]})."
        self.say("button-stuck", "no-voice", bool(stuck), text, {})

    def silent(self) -> list[str]:
        """The streams of which silence is told."""
        return [key[2] for key, (holds, _) in self._stands.items() if key[1] == "silence" and holds]

    def shadowed(self) -> frozenset[str]:
        """The columns that look bad by nothing but detectors in shadow."""
        stands = [(key[1], shadow) for key, (holds, shadow) in self._stands.items() if holds]
        bad = [(COLUMN_OF[name], shadow) for name, shadow in stands if name in COLUMN_OF]
        sounding = {column for column, shadow in bad if not shadow}
        return frozenset(column for column, shadow in bad if shadow and column not in sounding)
