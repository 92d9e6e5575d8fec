"""The panel as a pure function: alarms in, eight lamps and a horn out; their phase is a function of time.

``PanelView`` names a pattern for each lamp and a voice for the horn. ``levels`` says what is lit and what
sounds at one moment, ``next_change_ns`` when to look again. The core makes views when alarms change; lamp
phase never wakes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

MS = 1_000_000
Lamp = Literal["ok", "calls", "trunks", "firewall", "router", "far-end", "uplink", "probe"]
LAMPS: tuple[Lamp, ...] = get_args(Lamp)
Pattern = Literal["off", "steady", "flash", "slow-flash", "pulse", "wink", "first-flash", "first-steady"]
Voice = Literal["none", "alarm", "ringback", "trouble"]


@dataclass(frozen=True, slots=True)
class Cycle:
    """Lit for ``lit_ms``, then dark for ``dark_ms``, from the moment the pattern began."""

    lit_ms: int
    dark_ms: int


# ISA-18.1 leaves the rates to the maker within limits; 1 Hz and 0.5 Hz are the common pair. The wink of
# `ok` shows life: a steady light would look the same on a hung box.
CYCLES: dict[Pattern, Cycle] = {
    "off": Cycle(0, 1),
    "steady": Cycle(1, 0),
    "flash": Cycle(500, 500),
    "slow-flash": Cycle(1000, 1000),
    "pulse": Cycle(3000, 1000),
    "wink": Cycle(1900, 100),
    # The first of a group to fail (ISA-18.1 F3): twice as fast, yet below the 3 Hz that may harm.
    "first-flash": Cycle(250, 250),
    "first-steady": Cycle(750, 250),
}
# 911 positions have open microphones: 3 s of horn in each 30 s, never continuous.
HORN_CYCLE = Cycle(3000, 27_000)
# Within those 3 s the voices are told apart by rhythm, so that a buzzer of one pitch has all three.
VOICES: dict[Voice, Cycle] = {
    "none": Cycle(0, 1),
    "alarm": Cycle(750, 250),
    "ringback": Cycle(250, 750),
    "trouble": Cycle(100, 1400),
}


@dataclass(frozen=True, slots=True)
class Light:
    """A lamp's pattern and when it began."""

    pattern: Pattern
    since_ns: int


@dataclass(frozen=True, slots=True)
class Horn:
    """The voice that is due, ``since_ns`` its first sound; the 3 s in 30 s are counted from there.

    ``newest_ns``: when the newest alarm that this pattern speaks for became due.
    """

    voice: Voice
    since_ns: int
    newest_ns: int = 0


@dataclass(frozen=True, slots=True)
class PanelView:
    """What the panel shows until the next view. ``head``: the remote head's one lamp; ``tested``: by a panel test."""

    lamps: Mapping[Lamp, Light]
    horn: Horn
    head: Light = Light("off", 0)
    tested: bool = False


@dataclass(frozen=True, slots=True)
class Levels:
    """What is lit and what sounds at one moment: the voice whose turn it is, and the buzzer's own level."""

    lit: Mapping[Lamp, bool]
    voice: Voice
    sound: bool
    head: bool = False


DARK = PanelView({lamp: Light("off", 0) for lamp in LAMPS}, Horn("none", 0))


def _on(cycle: Cycle, since_ns: int, now_ns: int) -> bool:
    period_ms = cycle.lit_ms + cycle.dark_ms
    return now_ns >= since_ns and (now_ns - since_ns) // MS % period_ms < cycle.lit_ms


def _next_ns(cycle: Cycle, since_ns: int, now_ns: int) -> int | None:
    """When this cycle next changes; None when it never does."""
    if not cycle.lit_ms:
        return None
    if now_ns < since_ns:
        return since_ns
    if not cycle.dark_ms:
        return None
    period_ns = (cycle.lit_ms + cycle.dark_ms) * MS
    start_ns = now_ns - (now_ns - since_ns) % period_ns
    edge_ns = start_ns + cycle.lit_ms * MS
    return edge_ns if edge_ns > now_ns else start_ns + period_ns


def _into_pattern_ns(horn: Horn, now_ns: int) -> int:
    """How far the present 3 s pattern has come."""
    return max(0, now_ns - horn.since_ns) % ((HORN_CYCLE.lit_ms + HORN_CYCLE.dark_ms) * MS)


def levels(view: PanelView, now_ns: int) -> Levels:
    """The lamps' and the horn's levels at ``now_ns``."""
    lit = {lamp: _on(CYCLES[light.pattern], light.since_ns, now_ns) for lamp, light in view.lamps.items()}
    sounding = view.horn.voice != "none" and _on(HORN_CYCLE, view.horn.since_ns, now_ns)
    voice: Voice = view.horn.voice if sounding else "none"
    head = _on(CYCLES[view.head.pattern], view.head.since_ns, now_ns)
    return Levels(lit, voice, _on(VOICES[voice], 0, _into_pattern_ns(view.horn, now_ns)), head)


def next_change_ns(view: PanelView, now_ns: int) -> int | None:
    """The first moment after ``now_ns`` at which ``levels`` can differ; None when nothing blinks."""
    lights = (*view.lamps.values(), view.head)
    edges = [_next_ns(CYCLES[light.pattern], light.since_ns, now_ns) for light in lights]
    if view.horn.voice != "none":
        edges.append(_next_ns(HORN_CYCLE, view.horn.since_ns, now_ns))
        if _on(HORN_CYCLE, view.horn.since_ns, now_ns):
            into_ns = _into_pattern_ns(view.horn, now_ns)
            edge_ns = _next_ns(VOICES[view.horn.voice], 0, into_ns)
            edges.append(None if edge_ns is None else now_ns + edge_ns - into_ns)
    return min((edge for edge in edges if edge is not None), default=None)
