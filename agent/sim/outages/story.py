"""Recorded outages as stories: what changed at a simulated site, minute by minute, with its sources and its variants.

A story's file stands in this folder beside the demo's faults and has ``sources``. Times are seconds after the fault.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct, field

from agent.sim.outages import OutageInvalid
from agent.verdict.causes import CAUSES

Setting = bool | float | str

_YES: tuple[Setting, ...] = (True, False)
_TRUNK: tuple[Setting, ...] = ("clear", "los", "lof", "ais", "rai")
# What may be set: the healthy value, then what else; for a number, its least and its most.
CHOICES: dict[str, tuple[Setting, ...]] = {
    "bank.T1-1": _TRUNK,
    "bank.T1-2": _TRUNK,
    "bank.port": ("plugged", "unplugged"),
    "ali.port": ("plugged", "unplugged"),
    "ali.heartbeat": _YES,
    "smdr.port": ("plugged", "unplugged"),
    "lan.alive": _YES,
    "firewall.alive": _YES,
    "firewall.forwarding": _YES,
    "firewall.sip": _YES,
    "firewall.media-out": _YES,
    "firewall.media-in": _YES,
    "firewall.new-in": _YES,
    "firewall.logs": _YES,
    "router.alive": _YES,
    "wan.alive": _YES,
    "far-end.alive": _YES,
    "far-end.sip": _YES,
    "far-end.certificate": _YES,
    "core.media-out": _YES,
    "core.media-in": _YES,
    "reflector-1.alive": _YES,
    "reflector-2.alive": _YES,
    "power.mains": _YES,
    "peers.calls": ("fine", "lost", "unknown"),
    "contact.make-busy": (False, True),
    "broker.alive": _YES,
    "admin.busy": (False, True),
    "mode": ("normal", "diverted", "service"),
    "shelve": ("nothing", "network", "trunks"),
}
NUMBERS: dict[str, tuple[float, float, float]] = {
    #                 healthy, least, most
    "calls.arrive":     (1.0, 0.0, 20.0),  # the rate against its usual course, all classes
    "calls.wireless":   (1.0, 0.0, 20.0),  # the share of one class against its usual one
    "calls.landline":   (1.0, 0.0, 20.0),
    "calls.voip":       (1.0, 0.0, 20.0),
    "calls.data":       (1.0, 0.0, 1.0),  # calls that bring a record on the data link
    "calls.number":     (1.0, 0.0, 1.0),  # records that have the caller's number
    "calls.place":      (1.0, 0.0, 1.0),  # records that have a place
    "calls.records":    (1.0, 0.0, 1.0),  # calls that the switch prints
    "calls.voice":      (1.0, 0.0, 1.0),  # calls that are talked on
    "calls.talk":       (1.0, 0.05, 3.0),  # how long talks are against their usual length
    "calls.answered":   (1.0, 0.0, 1.0),  # calls that can be answered at all
    "calls.redial":     (0.0, 0.0, 5.0),  # further attempts by callers who heard nothing
    "network.loss":     (0.0, 0.0, 0.9),  # of packets, each way
    "wan.loss":         (0.0, 0.0, 0.9),  # the same, beyond the router alone
    "clock.step":       (0.0, -1e9, 1e9),  # seconds the wall clock jumps by, once
}  # fmt: skip


class Situation(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The site that an outage meets: how busy it is, and what its box can see.

    ``abandons``: the switch marks abandoned calls. ``short``: the share of ordinary answered calls that last less than
    20 s; with 0 only abandoned calls go without a talk (p = 0.08, outages.md section 4).
    """

    calls_per_hour: Annotated[float, Meta(gt=0, le=500)] = 8.0
    trunks: bool = True
    ali: bool = True
    heartbeat: bool = True
    smdr: bool = True
    abandons: bool = False
    short: Annotated[float, Meta(ge=0, le=0.9)] = 0.30
    far_ends: Annotated[int, Meta(ge=0, le=2)] = 1
    reflectors: Annotated[int, Meta(ge=0, le=2)] = 2
    beside: bool = False
    test_call: bool = True
    covers_core: bool = False
    knock: bool = True
    snmp: bool = True
    syslog: bool = True
    tls: bool = False
    contacts: bool = True
    button: bool = False
    peers: bool = False
    uplink: bool = True
    hold_s: Annotated[float, Meta(ge=0, le=300)] = 20.0


Cause = Annotated[str, Meta(pattern="^(" + "|".join(CAUSES) + r")\Z")]


class Expect(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a right verdict says. ``causes``: any is right.

    ``critical``: callers are harmed, and it must be told; False where it must not. ``either`` where it hangs on chance
    whether a call comes in time to show that calls still do. ``too_little``: so little may happen in it that no verdict
    can be due; then it is right to tell none.
    """

    causes: tuple[Cause, ...] = ()
    critical: bool | Literal["either"] = True
    too_little: bool = False


class Change(Struct, frozen=True, forbid_unknown_fields=True):
    """What is set ``at_s`` seconds after the fault; before it where negative."""

    at_s: Annotated[float, Meta(ge=-86_400, le=200_000)]
    set: Annotated[dict[str, Setting], Meta(min_length=1, max_length=24)]


class Variant(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The same outage told otherwise: other senses, another onset, another place of the fault."""

    name: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,31}\Z")]
    title: Annotated[str, Meta(min_length=1, max_length=120)]
    site: dict[str, Any] = field(default_factory=dict)
    change: tuple[Change, ...] | None = None
    expect: Expect | None = None
    after_s: Annotated[float, Meta(ge=60, le=200_000)] | None = None


class Story(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One recorded outage, or a quiet control that must raise nothing critical.

    ``horn_only``: of a control, the horn alone must stay silent: what looks like a fault for a while is shown at once.

    ``start``: the site's local time of the fault, as far as known. ``public_s``: when the public, or the centre itself,
    learned of it. ``after_s``: how long the replay goes on after the fault. ``site`` and ``change`` are the first
    variant's, called ``base``.
    """

    name: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9-]{0,31}\Z")]
    title: Annotated[str, Meta(min_length=1, max_length=120)]
    story: Annotated[str, Meta(min_length=1, max_length=1200)]
    sources: Annotated[tuple[str, ...], Meta(min_length=1, max_length=12)]
    start: Annotated[str, Meta(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d\Z")]
    timezone: str = "America/New_York"
    control: bool = False
    horn_only: bool = False
    public_s: float | None = None
    public: str = ""
    before_s: Annotated[float, Meta(ge=60, le=86_400)] = 1200.0
    after_s: Annotated[float, Meta(ge=60, le=200_000)] = 7200.0
    site: dict[str, Any] = field(default_factory=dict)
    expect: Expect = field(default_factory=Expect)
    change: Annotated[tuple[Change, ...], Meta(min_length=1, max_length=200)]
    variant: Annotated[tuple[Variant, ...], Meta(max_length=24)] = ()


class Case(Struct, frozen=True, kw_only=True):
    """One variant of a story, ready to run."""

    story: Story
    variant: str
    title: str
    site: Situation
    expect: Expect
    change: tuple[Change, ...]
    after_s: float

    @property
    def name(self) -> str:
        """``massachusetts-2024/core``; the first variant has the story's name alone."""
        return self.story.name if self.variant == "base" else f"{self.story.name}/{self.variant}"


def parse(text: str, name: str) -> Story:
    """One story's file. Raises ``OutageInvalid``."""
    try:
        story = msgspec.toml.decode(text, type=Story)
        cases(story)
    except (msgspec.MsgspecError, ValueError) as error:
        raise OutageInvalid(f"{name}: {error}") from None
    return story


def cases(story: Story, settings: Mapping[str, Any] | None = None) -> list[Case]:
    """Every variant, the first one called ``base``. ``settings``: keys of ``Situation`` that a person set otherwise.

    Raises ValueError (msgspec's too) for what the vocabulary does not know.
    """
    out = []
    for variant in (Variant(name="base", title=story.title), *story.variant):
        site = msgspec.convert({**story.site, **variant.site, **(settings or {})}, Situation)
        change = story.change if variant.change is None else variant.change
        for one in change:
            for what, value in one.set.items():
                check(what, value)
        if [one.at_s for one in change] != sorted(one.at_s for one in change):
            raise ValueError(f"{variant.name}: its changes must stand in the order of at_s")
        expect = story.expect if variant.expect is None else variant.expect
        if story.control and expect.critical is not False:
            expect = Expect(causes=expect.causes, critical=False)
        after_s = story.after_s if variant.after_s is None else variant.after_s
        out.append(
            Case(
                story=story, variant=variant.name, title=variant.title, site=site, expect=expect, change=change,
                after_s=after_s,
            )
        )  # fmt: skip
    if len({case.variant for case in out}) != len(out):
        raise ValueError("two variants have one name")
    return out


def check(what: str, value: Setting) -> None:
    """Refuse what the simulated site does not know. Raises ValueError."""
    if what in CHOICES:
        if not any(value is known or (isinstance(value, str) and value == known) for known in CHOICES[what]):
            raise ValueError(f"{what} can't be {value!r}; it can be {', '.join(map(str, CHOICES[what]))}")
        return
    if what not in NUMBERS:
        raise ValueError(f"nothing called {what!r}; it can be {', '.join((*CHOICES, *NUMBERS))}")
    _, least, most = NUMBERS[what]
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise ValueError(f"{what} must be a number from {least:g} to {most:g}")


def healthy() -> dict[str, Setting]:
    """The world with nothing wrong."""
    return {**{what: known[0] for what, known in CHOICES.items()}, **{what: n[0] for what, n in NUMBERS.items()}}


def stories() -> Sequence[Story]:
    """Every story of this folder, outages first, each by its date. Raises ``OutageInvalid``."""
    texts = {
        file.name: file.read_text(encoding="utf-8")
        for file in resources.files("agent.sim.outages").iterdir()
        if file.name.endswith(".toml")
    }
    found = [parse(text, name) for name, text in sorted(texts.items()) if is_story(text)]
    return sorted(found, key=lambda story: (story.control, story.start))


def is_story(text: str) -> bool:
    """Whether a file of this folder is a story; the others are the demo's faults."""
    return any(line.startswith("sources") for line in text.splitlines())
