"""What a dispatcher is told under each cause: plain words, what to do now, whom to ring, whose side it is on.

``{noc}`` is the site's NOC number or "your NOC". No abbreviation of the trade stands here. Side: on which side of the
demarcation the cause lies (one of the tests of FCC reportability); ``unknown`` where the site file can't tell.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from agent.verdict.causes import Row

Side = Literal["psap", "provider", "unknown"]
Call = Literal["noc", "provider", "technician", "nobody"]


@dataclass(frozen=True, slots=True)
class Words:
    """One cause for a dispatcher.

    ``symptom``: what callers and dispatchers meet. ``do``: what to do now. ``name``: the cause, to stand after
    "Likely:". ``place``: the same in two or three words, for a list of several. ``calls_fail``: True all do, False
    none, None some, or this box can't know.
    """

    symptom: str
    do: str
    name: str
    place: str
    call: Call
    side: Side
    calls_fail: bool | None


REROUTE = "Call back every number from an admin line. Ring {noc}; ask to reroute."
REPORT = "Report it: ring {noc}."
MAY_NOT_REACH = "Callers may not reach you."
MAY_NOT_HEAR = "Callers may not hear you."

STILL_TALKED = "Calls come and are talked on."
OFF_THE_WAY: tuple[tuple[str, str, str, Side], ...] = (
    ("firewall-blocking", "the firewall blocks the network", "the firewall", "unknown"),
    ("firewall-down", "the firewall is down", "the firewall", "unknown"),
    ("router-down", "the router is down", "the router", "provider"),
    ("wan-down", "the line out of the building is down", "the line out", "provider"),
    ("far-end-down", "the provider's far end is down", "the far end", "provider"),
)
"""Faults of a network that calls don't pass."""

# By cause, or by cause/variant where one face of a cause needs words of its own.
WORDS: Mapping[str, Words] = {
    "none": Words("", "Nothing to do.", "only a check fails", "only a check", "nobody", "unknown", False),
    "firewall-blocking": Words(
        MAY_NOT_HEAR, REROUTE, "the firewall blocks calls", "the firewall", "provider", "unknown", True
    ),
    "firewall-down": Words(MAY_NOT_REACH, REROUTE, "the firewall is down", "the firewall", "provider", "unknown", True),
    **{
        f"{cause}/beside": Words(STILL_TALKED, REPORT, name, place, "provider", side, False)
        for cause, name, place, side in OFF_THE_WAY
    },
    "router-down": Words(MAY_NOT_REACH, REROUTE, "the router is down", "the router", "provider", "provider", True),
    "wan-down": Words(
        MAY_NOT_REACH, REROUTE, "the line out of the building is down", "the line out", "provider", "provider", True
    ),
    "far-end-down": Words(
        MAY_NOT_REACH, REROUTE, "the provider's far end is down", "the far end", "provider", "provider", True
    ),
    "lan-fault": Words(
        MAY_NOT_REACH, REROUTE, "your own network is down", "your own network", "technician", "psap", True
    ),
    "trunk-group-down": Words(
        MAY_NOT_REACH, REROUTE, "a whole group of trunks is down", "the trunks", "provider", "provider", True
    ),
    "trunk-partial": Words(
        "Calls still come, over fewer trunks.",
        REPORT,
        "some trunks are down",
        "some trunks",
        "provider",
        "provider",
        False,
    ),
    "call-handling-fault": Words(
        "You may see calls and be unable to talk.",
        REROUTE,
        "the call-taking system here fails",
        "the call-taking system",
        "technician",
        "psap",
        True,
    ),
    "one-way-audio": Words(
        "Voices may pass one way only.",
        REROUTE,
        "voices pass one way only",
        "voices one way",
        "provider",
        "unknown",
        True,
    ),
    "one-way-audio/dispatcher": Words(
        "Callers may hear you, but not you them.",
        "Tell callers you will call back; do so from an admin line. Ring {noc}; ask to reroute.",
        "voices are lost on the way in",
        "voices one way",
        "provider",
        "unknown",
        True,
    ),
    "upstream-routing": Words(
        MAY_NOT_REACH,
        "Staff the admin lines. Ring {noc}; ask where your calls go, and to reroute them.",
        "calls are lost before they reach you",
        "the routing of calls",
        "provider",
        "provider",
        True,
    ),
    "carrier-outage": Words(
        "Callers of one phone company may not reach you.",
        "Ring {noc}; ask which company it is, and what the public should be told.",
        "one phone company fails",
        "one phone company",
        "provider",
        "provider",
        None,
    ),
    "ali-link-down": Words(
        "Calls come without number or place.",
        "Ask each caller for both. Ring {noc}.",
        "the caller data link is down",
        "the caller data link",
        "provider",
        "provider",
        False,
    ),
    "core-data-fault": Words(
        "Some calls may drop, or come without number or place.",
        "Ask each caller for both. Ring {noc}.",
        "the provider's systems fail in part",
        "the provider's systems",
        "provider",
        "provider",
        None,
    ),
    "transport-flapping": Words(
        "Some calls may drop.",
        "Call back dropped callers from an admin line. Ring {noc}; ask to use another route.",
        "the lines fail and come back",
        "lines that come and go",
        "provider",
        "provider",
        None,
    ),
    "power": Words(
        "The phones may be dead.",
        "Ring {noc} from a mobile; ask to reroute. See to the generator.",
        "power is lost",
        "power",
        "technician",
        "psap",
        True,
    ),
    "power/on-battery": Words(
        "Calls get through until the battery is empty.",
        "See to the generator. Ring {noc}; ask to be ready to reroute.",
        "mains power is lost",
        "mains power",
        "technician",
        "psap",
        False,
    ),
    "probe-blind": Words(
        "This box may be blind; it can't speak for 911.",
        "Trust the phones, not this panel. Have its cables checked.",
        "this box is cut off",
        "this box itself",
        "technician",
        "psap",
        None,
    ),
    "core-media-blocked": Words(
        MAY_NOT_HEAR,
        REROUTE,
        "voices are lost in the provider's network",
        "the provider's network",
        "provider",
        "provider",
        True,
    ),
    "test-path-fault": Words(
        "Calls get through.", REPORT, "only our own test fails", "only our own test", "noc", "unknown", False
    ),
    "path-simplex": Words(
        "Calls get through, with nothing in reserve.",
        REPORT,
        "one of several ways out is lost",
        "one of several ways out",
        "provider",
        "provider",
        False,
    ),
    "diverted": Words(
        "Calls go elsewhere, as ordered.",
        "Make sure that the other centre gets them. To end it, ring {noc}.",
        "calls are diverted",
        "a diversion",
        "noc",
        "psap",
        False,
    ),
    "congestion": Words(
        "Some calls may fail.",
        "Call back dropped callers from an admin line. Ring {noc}; ask for help from another centre.",
        "there are more calls than lines",
        "too many calls",
        "provider",
        "unknown",
        None,
    ),
    "name-or-certificate": Words(
        MAY_NOT_REACH,
        REROUTE,
        "a name or a certificate has failed",
        "a name or certificate",
        "provider",
        "unknown",
        True,
    ),
}

# What is said where no sense has spoken, or too few.
BLIND = Words(
    "This box can't see yet; it can't speak for 911.",
    "Trust the phones, not this panel.",
    "this box does not see enough",
    "this box itself",
    "nobody",
    "unknown",
    None,
)
# What is said of several causes where some stop calls and some do not.
PERHAPS = "Calls may be failing."
PERHAPS_DO = "Call back callers whom you can't hear, from an admin line. Ring {noc}."


def words_of(row: Row) -> Words:
    """The words of a row: its variant's own, else its cause's."""
    return WORDS.get(row.name) or WORDS[row.cause]


# Each column in a few plain words.
SENSES: Mapping[str, str] = {
    "L": "the trunk lines",
    "A": "arriving calls",
    "R": "call records",
    "H": "the caller data link's sign of life",
    "V": "talk on answered calls",
    "il": "answers of our own network",
    "if": "answers of the firewall",
    "ir": "answers of the router",
    "ie": "answers of the far end",
    "S": "the firewall's own report",
    "O": "call-system answers of the far end",
    "To": "the test call's voice going out",
    "Ti": "the test call's voice coming in",
    "K": "test calls from outside",
    "Y": "the firewall's log of refused calls",
    "M": "load on the admin lines",
    "P": "power",
    "X": "other centres' calls",
    "F": "answers of the provider's own far ends",
    "N": "names and certificates",
    "B": "the divert switch",
}

# Each column when it looks up, degraded, down: for evidence.
EVIDENCE: Mapping[str, tuple[str, str, str]] = {
    "L": ("the trunk lines are up", "some trunk lines are down", "all trunk lines are down"),
    "A": ("calls arrive", "fewer calls arrive than usual", "no calls arrive"),
    "R": ("call records come", "call records come with gaps", "no call records come"),
    "H": ("the caller data link lives", "the caller data link comes and goes", "the caller data link is dead"),
    "V": ("answered calls are talked on", "talk on answered calls is short", "no talk on answered calls"),
    "il": ("our own network answers", "our own network answers in part", "our own network does not answer"),
    "if": ("the firewall answers", "the firewall answers in part", "the firewall does not answer"),
    "ir": ("the router answers", "the router answers in part", "the router does not answer"),
    "ie": ("the far end answers", "the far end answers in part", "the far end does not answer"),
    "S": (
        "the firewall reports itself well",
        "the firewall reports a change in its traffic",
        "the firewall reports nothing",
    ),
    "O": (
        "the far end's call system answers",
        "only part of the far end's call systems answers",
        "the far end's call system does not answer",
    ),
    "To": (
        "the test call's voice gets out",
        "the test call's voice gets out in part",
        "the test call's voice does not get out",
    ),
    "Ti": (
        "the test call's voice comes in",
        "the test call's voice comes in in part",
        "the test call's voice does not come in",
    ),
    "K": ("test calls from outside come in", "some test calls from outside fail", "test calls from outside fail"),
    "Y": ("the firewall refuses no calls", "the firewall refuses some calls", "the firewall refuses calls"),
    "M": ("the admin lines are as busy as usual", "the admin lines are busier than usual", "the admin lines are quiet"),
    "P": ("power is on", "power is unsteady", "mains power is off"),
    "X": ("other centres have their calls", "other centres lose some calls", "other centres lose calls too"),
    "F": (
        "the provider's own far ends answer",
        "only part of the provider's own far ends answers",
        "the provider's own far ends do not answer",
    ),
    "N": (
        "names and certificates are good",
        "a certificate or a name is doubtful",
        "a name or a certificate has failed",
    ),
    "B": ("calls are not diverted", "calls are diverted in part", "calls are diverted on purpose"),
}

# What would tell two causes apart besides the table's columns (from the people who drew it up).
BESIDES: Mapping[frozenset[str], str] = {
    frozenset({"firewall-blocking", "router-down"}): "whether the router answers from outside",
    frozenset({"wan-down", "far-end-down"}): "a second far end",
    frozenset({"firewall-blocking", "core-media-blocked"}): "voices counted outside the firewall",
    frozenset({"ali-link-down", "probe-blind"}): "the data line's idle voltage",
    frozenset({"probe-blind", "diverted"}): "a contact on the divert switch",
    frozenset({"diverted", "upstream-routing"}): "a contact on the divert switch",
    frozenset({"firewall-down", "lan-fault"}): "the network switch's link lights",
    frozenset({"wan-down", "name-or-certificate"}): "checks of names and certificates",
    frozenset({"test-path-fault", "core-media-blocked"}): "a second reflector, or the no-voice button",
}
