"""How often each cause occurs, and how far each sense can be trusted. Literal numbers, each with its reason.

They are orders of magnitude set by judgement, not fitted: no public trace from inside a centre exists. What rests on
them is the order of causes and the sets that cannot be told apart; tests hold those for every row of the table and
for every combination of the senses of this version.
"""

from __future__ import annotations

from collections.abc import Mapping

from agent.verdict.causes import Cause, Look, Row

# A cause is named alone only above these odds against every other cause; below them the set is named. 3 : 1 is the
# least that people call "likely"; a firewall is somebody's, and naming it wrongly sends the wrong people out.
NAMED_ABOVE = 3.0
# What is seen must say it, not only what is usual: a cause that fits what is seen as well as the best one (within
# ``NAMED_ABOVE``) is named with it, though it be rarer, unless it is rarer than this.
RARER_BY = 10.0
# What is shown as odds stops here: beyond it the number means nothing but "certain as far as the table goes".
ODDS_CAP = 1e6
# A runner-up further behind than this is not worth a person's time.
RUNNER_UP_WITHIN = 100.0

# Chances in 10 000 that a look at a site finds this cause. They add up to 10 000.
PRIORS: Mapping[Cause, int] = {
    "none": 9741,  # a site is well nearly always; each fault has to win its place by evidence
    "firewall-blocking": 20,  # rule and firmware changes: the best recorded cause of outages with all devices up
    "firewall-down": 15,  # mostly a pair with failover, so rarer than a bad rule
    "router-down": 20,  # nothing on record says that it is rarer than a blocking firewall: their set stays a set
    "wan-down": 15,  # fibre cuts, half of them with a second way
    "far-end-down": 20,  # another's servers, and their works at night
    "lan-fault": 15,  # switches, cables, somebody's loop
    "trunk-group-down": 25,  # copper and its channel banks
    "trunk-partial": 25,  # the commonest trunk fault, and the least harmful
    "call-handling-fault": 5,
    "one-way-audio": 3,
    "upstream-routing": 3,  # large, in the news, and at one site rare
    "carrier-outage": 3,
    "ali-link-down": 4,
    "core-data-fault": 2,
    "transport-flapping": 3,
    "power": 8,  # batteries and generators take most of it
    "probe-blind": 12,  # our own cables are the newest and the least guarded in the room
    "core-media-blocked": 4,  # on 18 June 2024 it was all of a state: rarer than one site's rule, not by much
    "test-path-fault": 12,  # a machine of ours somewhere: no oftener watched, and no better, than a far end
    "path-simplex": 30,  # far ends come in pairs, and one of a pair is down for works now and then
    "diverted": 3,  # meant, and mostly announced by a contact
    "congestion": 2,
    "name-or-certificate": 10,  # expiry, a lost name, or a service dead on a host that lives
}

# A row's share of its cause's prior, where it is not the whole of it.
SHARES: Mapping[str, float] = {
    "firewall-blocking/media": 0.5,  # one kind of bad rule among several
    "firewall-blocking/new-in": 0.5,
    "test-path-fault/of-two": 0.25,
    "far-end-down/own": 0.5,
    **dict.fromkeys(("far-end-down/call-system", "far-end-down/own-system"), 0.5),  # in half, its host lives
    "upstream-routing/in-part": 0.8,
    "core-data-fault/records": 0.8,
    "core-data-fault/calls": 0.8,
    **dict.fromkeys(
        ("firewall-blocking/data", "firewall-down/data", "router-down/data", "wan-down/data", "far-end-down/data"), 0.5
    ),  # most sites have one network for both
    "lan-fault/data": 0.5,
    "one-way-audio/beyond": 0.5,  # a test that passes as calls do sees the other half
    **dict.fromkeys(("firewall-blocking/beside", "firewall-down/beside", "router-down/beside"), 0.3),
    **dict.fromkeys(("wan-down/beside", "far-end-down/beside"), 0.3),  # a network that carries no calls is watched less
    "transport-flapping/voice": 0.3,  # voice shows a loss that repeated datagrams hide
    "transport-flapping/lossy": 0.3,  # half of a site's checks failing looks so for a moment, whatever the cause
    "power/lost": 0.1,  # all of it gone, batteries too, while this box still runs
}

Chances = Mapping[Look, Mapping[Look, float]]


def _chances(u: str, g: str, d: str, nothing: str = "0.5 0.2 0.3") -> Chances:
    """Rows: what the cause leads one to expect. Numbers: chances of seeing u, g, d then. "-" is nearly even."""

    def looks(numbers: str) -> dict[Look, float]:
        seen_u, seen_g, seen_d = (float(n) for n in numbers.split())
        return {"u": seen_u, "g": seen_g, "d": seen_d}

    return {"u": looks(u), "g": looks(g), "d": looks(d), "-": looks(nothing)}


# P(seen | expected), one table for each kind of sense, best first. A state that is expected degraded may look like
# anything; an unknown sense has no factor at all.
#
# Equipment declares its own line state and power after integrating for seconds: it hardly ever cries wolf.
DECLARED = _chances(u="0.9999 0.00005 0.00005", g="0.02 0.88 0.1", d="0.02 0.08 0.9")
# A question answered end to end, judged m of n, several datagrams each: red for nothing is very rare, and an answer
# cannot come over a dead way. Degraded stands for one of several far ends lost: a fault's first minute looks so too,
# since they are asked at different intervals.
ANSWERED = _chances(u="0.99949 0.0005 0.00001", g="0.25 0.73 0.02", d="0.002 0.098 0.9")
# Calls themselves, by counting: thin at night, so degraded comes easily. Down comes of a detector set to one
# false alarm a year, which the next call, or the next talk, ends within about half an hour.
COUNTED = _chances(u="0.97994 0.02 0.00006", g="0.2 0.6 0.2", d="0.03 0.12 0.85")
# Pings: judged m of n as well, but a device answers for itself while it forwards nothing, or passes calls and no pings.
PINGED = _chances(u="0.987 0.01 0.003", g="0.35 0.5 0.15", d="0.03 0.17 0.8")
# Pings beside an answer of the far end's call system: it came through all of them, so what does not answer is silent by
# policy, and a policy silences several at once. Without this, three red pings would outvote a green test of the way.
PINGED_BESIDE_ANSWER = _chances(u="0.87 0.01 0.12", g="0.35 0.5 0.15", d="0.15 0.05 0.8")
# A switch that a person throws. Few centres divert because of a fault before they are told of it.
THROWN = _chances(u="0.9999 0.00005 0.00005", g="0.2 0.6 0.2", d="0.02 0.08 0.9", nothing="0.9 0.02 0.08")
# Records without number or place, judged by a test of its own at a few chances in a year.
RECORDED = _chances(u="0.9998 0.0001 0.0001", g="0.2 0.6 0.2", d="0.03 0.12 0.85")
# What others say of themselves or what follows only by the way: a green report never outvotes a failing test.
TOLD = _chances(u="0.95 0.03 0.02", g="0.25 0.6 0.15", d="0.1 0.1 0.8")

# A firewall's log. One that stops calls by a fault of its own, or by a rule that does not log, says nothing of it.
LOGGED = _chances(u="0.95 0.03 0.02", g="0.25 0.6 0.15", d="0.4 0.1 0.5")

CHANCES: Mapping[str, Chances] = {
    "L": DECLARED,
    "A": COUNTED,
    "R": RECORDED,
    "H": DECLARED,
    "V": COUNTED,
    "il": PINGED,
    "if": PINGED,
    "ir": PINGED,
    "ie": PINGED,
    "S": TOLD,
    "O": ANSWERED,
    "To": ANSWERED,
    "Ti": ANSWERED,
    "K": ANSWERED,
    "Y": LOGGED,
    "M": TOLD,
    "P": DECLARED,
    "X": TOLD,
    "F": ANSWERED,
    "N": ANSWERED,
    "B": THROWN,
}


def prior(row: Row) -> float:
    """The chance of this row's cause and face before anything is seen."""
    return PRIORS[row.cause] / 10_000 * SHARES.get(row.name, 1.0)


def likelihood(row: Row, seen: Mapping[str, Look]) -> float:
    """The chance of what is seen, were this row true. ``seen`` holds known senses only."""
    answer = any(seen.get(column) == "u" for column in ("O", "To", "Ti"))
    product = 1.0
    for column, look in seen.items():
        chances = CHANCES[column]
        if answer and chances is PINGED:
            chances = PINGED_BESIDE_ANSWER
        product *= chances[row.looks[column]][look]
    return product
