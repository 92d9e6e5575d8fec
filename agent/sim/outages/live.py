"""A recorded outage as a fault of the demo: what of it this computer's simulated site can show, at once.

The demo has no hours to wait and fewer senses than a centre: a story's worst moment is set at once, and what the demo's
site can't show is left out and named.
"""

from __future__ import annotations

from dataclasses import dataclass

from agent.sim.outages import Change, Outage, Setting
from agent.sim.outages.story import Story, healthy

# What of the story's words the demo's site knows, by which of its own, and which lamps must light.
SAME: dict[str, tuple[str, tuple[str, ...]]] = {
    "bank.T1-1": ("bank.T1-1", ("trunks",)),
    "bank.T1-2": ("bank.T1-2", ("trunks",)),
    "bank.port": ("bank.port", ("probe",)),
    "firewall.forwarding": ("firewall.forwarding", ("router", "far-end")),
    "firewall.sip": ("firewall.udp", ("far-end",)),
    "firewall.alive": ("firewall.alive", ("firewall",)),
    "lan.alive": ("firewall.alive", ("firewall",)),
    "router.alive": ("router.alive", ("router",)),
    "wan.alive": ("far-end.alive", ("far-end",)),
    "far-end.alive": ("far-end.alive", ("far-end",)),
    "far-end.sip": ("far-end.alive", ("far-end",)),
    "far-end.certificate": ("far-end.alive", ("far-end",)),
    "calls.voice": ("calls.voice", ("calls",)),
    "calls.data": ("calls.data", ()),
    "broker.alive": ("broker.alive", ("uplink",)),
}
HALF = 0.5
WITHIN_S = 90.0


@dataclass(frozen=True, slots=True)
class Shown:
    """The fault, None where the demo can show nothing of the story; and what of it is left out."""

    fault: Outage | None
    left_out: tuple[str, ...]


def shown(story: Story) -> Shown:
    """A story's first variant at its worst."""
    normal, worst = healthy(), dict[str, Setting | float]()
    for change in story.change:
        for what, value in change.set.items():
            if value != normal[what]:
                worst[what] = value
    settings: dict[str, Setting] = {}
    lights: dict[str, None] = {}
    left_out = []
    for what, value in worst.items():
        known = SAME.get(what)
        if known is None:
            left_out.append(what)
            continue
        ours, lamps = known
        as_told = isinstance(value, str) and ours == what
        settings[ours] = str(value) if as_told else value >= HALF if isinstance(value, float) else bool(value)
        lights |= dict.fromkeys(lamps if settings[ours] is not True else ())
    if not lights:
        return Shown(None, tuple(left_out))
    fault = Outage(
        name=story.name,
        title=story.title[:60],
        story=story.story[:300],
        lights=tuple(lights),
        change=(Change(at_s=0.0, set=settings),),
        lights_within_s=WITHIN_S,
    )
    return Shown(fault, tuple(left_out))
