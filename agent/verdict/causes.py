"""The cause table: what each sense would show under each cause. Data only.

Drawn up by people who run such centres, for the topology box, LAN, firewall, router, far end. A cause may have
several rows (``cause/variant``). ``u`` looks up, ``d`` down, ``g`` degraded, ``-`` says nothing. The columns:

L  state of the trunk lines                 S     the firewall's own report (SNMP)
A  arrivals of calls                        O     SIP OPTIONS answered by the far end
R  call records                             To Ti test call: audio out, audio in
H  heartbeat of the data link               K     the reflector's call in from outside
V  answered talk (d: none over 20 s;        Y     the firewall's log (d: denies on call ports)
   g: talk time has collapsed)              M     load on the admin lines (g: raised)
il if ir ie  LAN, firewall, router and      P     power
   far end answer (ping or TCP)             X     peers, by their calls (d: peers lose calls too; u: only us)

Three columns of ours stand beside the table's, since a site may see more than it knew: ``F``, the provider's own far
ends by themselves, where a reflector of ours is asked too (a dead reflector must not look like a dead far end); ``N``,
names and certificates; ``B``, the contact or the command that makes the lines busy (d: calls are diverted on purpose).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, cast, get_args

Look = Literal["u", "d", "g", "-"]
LOOKS: frozenset[str] = frozenset(get_args(Look))

Cause = Literal[
    "none",
    "firewall-blocking",
    "firewall-down",
    "router-down",
    "wan-down",
    "far-end-down",
    "lan-fault",
    "trunk-group-down",
    "trunk-partial",
    "call-handling-fault",
    "one-way-audio",
    "upstream-routing",
    "carrier-outage",
    "ali-link-down",
    "core-data-fault",
    "transport-flapping",
    "power",
    "probe-blind",
    "core-media-blocked",
    "test-path-fault",
    "path-simplex",
    "diverted",
    "congestion",
    "name-or-certificate",
]
CAUSES: tuple[Cause, ...] = get_args(Cause)

TABLE = """
cause/variant            L A R H V il if ir ie S O To Ti K Y M P X
none                     u u u u u u  u  u  u  u u u  u  u u u u -
firewall-blocking/all    - d d - d u  u  d  d  u d d  d  d d g u u
firewall-blocking/sip    - d d u d u  u  u  u  u d d  d  d d g u u
firewall-blocking/media  u u u u d u  u  u  u  u u d  d  g d g u u
firewall-blocking/new-in - d d u d u  u  u  u  u u u  u  d d g u u
firewall-down            - d d - d u  d  d  d  d d d  d  d - g u u
router-down              - d d - d u  u  d  d  g d d  d  d - g u u
wan-down                 - d d - d u  u  u  d  u d d  d  d u g u -
far-end-down             - d d u d u  u  u  d  u d d  d  u u g u d
lan-fault                u - d - d d  d  d  d  d d d  d  d - g u u
trunk-group-down         d d d u d u  u  u  u  u u u  u  u u g u -
trunk-partial            g g u u u u  u  u  u  u u u  u  u u u u -
call-handling-fault      u u u u d g  u  u  u  u u u  u  u u g u u
one-way-audio/caller     u u u u g u  u  u  u  u u d  u  g - g u -
one-way-audio/dispatcher u u u u g u  u  u  u  u u u  d  g - g u -
upstream-routing         u d d u d u  u  u  u  u u u  u  u u g u d
carrier-outage           u g g u u u  u  u  u  u u u  u  u u - u d
ali-link-down            u u d d u u  u  u  u  u u u  u  u u u u -
core-data-fault          u g g u g u  u  u  u  u g u  u  u u g u d
transport-flapping       g g g g g u  u  u  g  u g g  g  g - g u -
power/on-battery         u u u u u u  u  u  u  u u u  u  u u u d -
power/lost               d d d d d d  d  d  d  d d d  d  d - - d -
probe-blind/serial       - d d d - u  u  u  u  u u u  u  u u u u u
probe-blind/network      u u u u u d  d  d  d  d d d  d  d - u u -
core-media-blocked       u u u u d u  u  u  u  u u d  d  g u g u d
test-path-fault          u u u u u u  u  u  u  u u d  d  d u u u u
path-simplex             u u u u u u  u  u  g  g u u  u  u u u u -
diverted                 u d d u d u  u  u  u  u u u  u  u u u u -
congestion               u g u u g u  u  u  u  g u u  u  u u g u -
name-or-certificate      - d d u d u  u  u  u  u d d  d  d u g u d
"""

# Rows of ours, judged like the others: the table knows one far end, a site has several. One of them lost, or its call
# system alone, is no longer "the far end answers" and not yet "it does not". A reflector of ours that is dead, alone or
# as one of two, fails the tests and stops no call; and it answers where the provider's own far end is dead. These rows
# count only where a site has one (column F is given). Loss of packets, all senses answering now and then, is no outage.
# ``data``: calls and their data come by lines of their own, and voice over the network that fails (on 18 June 2024
# numbers went on arriving). ``beside``: calls are talked on as ever, so they don't come over the network that fails.
# ``call-system``: a far end whose machine answers and whose call system is dead.
# ``beyond``: what calls pass and our test does not.
OURS = """
cause/variant            L A R H V il if ir ie S O To Ti K Y M P X
path-simplex/far-end     u u u u u u  u  u  g  - g -  -  - u u u -
path-simplex/call-system u u u u u u  u  u  u  - g -  -  - u u u -
test-path-fault/dead     u u u u u u  u  u  d  u d d  d  d u u u u
test-path-fault/far-ends u u u u u u  u  u  g  u g d  d  d u u u u
test-path-fault/of-two   u u u u u u  u  u  g  u g g  g  g u u u u
far-end-down/own         - d d u d u  u  u  g  u g -  -  - u g u d
transport-flapping/lossy u u u u - u  -  g  g  - g g  g  g - - u -
transport-flapping/voice u u u u - u  u  u  u  u u g  g  u u - u -
core-data-fault/records  u u g u u u  u  u  u  u u u  u  u u u u d
ali-link-down/records    u u d u u u  u  u  u  u u u  u  u u u u -
core-data-fault/calls    u g g u u u  u  u  u  u u u  u  u u - u d
firewall-blocking/data   - u u u d u  u  d  d  u d d  d  d d g u u
firewall-blocking/beside u u u u u u  u  d  d  u d d  d  d d u u -
firewall-down/data       - u u u d u  d  d  d  d d d  d  d - g u u
firewall-down/beside     u u u u u u  d  d  d  d d d  d  d - u u -
router-down/data         - u u u d u  u  d  d  g d d  d  d - g u u
router-down/beside       u u u u u u  u  d  d  g d d  d  d - u u -
wan-down/data            - u u u d u  u  u  d  u d d  d  d u g u -
wan-down/beside          u u u u u u  u  u  d  u d d  d  d u u u -
far-end-down/data        - u u u d u  u  u  d  u d d  d  u u g u d
far-end-down/beside      u u u u u u  u  u  d  u d d  d  u u u u -
upstream-routing/in-part u g g u u u  u  u  u  u u u  u  u u - u d
far-end-down/call-system - d d u d u  u  u  u  u d -  -  u u g u d
far-end-down/own-system  - d d u d u  u  u  u  u g -  -  - u g u d
name-or-certificate/own  - d d u d u  u  u  u  u g -  -  - u g u d
one-way-audio/beyond     u u u u g u  u  u  u  u u u  u  u u g u -
lan-fault/data           u u u u d d  d  d  d  d d d  d  d - g u u
"""
OF_REFLECTORS = frozenset(
    {
        "test-path-fault/dead",
        "test-path-fault/far-ends",
        "test-path-fault/of-two",
        "far-end-down/own",
        "far-end-down/own-system",
        "name-or-certificate/own",
    }
)
WITHOUT_REFLECTORS = frozenset({"far-end-down/call-system"})
"""Where a reflector of ours is asked too, it does not answer because somebody else's machine is dead."""
OUR_COLUMNS = ("F", "N", "B")
# What a row, or a cause's rows, expect of them, where it does not follow from the table.
_OF_OURS: Mapping[str, Mapping[str, Look]] = {
    "test-path-fault": {"F": "u"},
    "name-or-certificate": {"N": "d"},
    "diverted": {"B": "d"},
    "none": {"B": "u"},
    "far-end-down/own": {"F": "d"},
    "far-end-down/own-system": {"F": "d"},
    "name-or-certificate/own": {"F": "d", "N": "d"},
}
_WORST: tuple[Look, ...] = ("d", "g", "-", "u")


@dataclass(frozen=True, slots=True)
class Row:
    """One row: a cause, which of its faces this is ("" where it has one only), and a look for every column."""

    cause: Cause
    variant: str
    looks: Mapping[str, Look]

    @property
    def name(self) -> str:
        """``cause/variant`` as the table writes it."""
        return f"{self.cause}/{self.variant}" if self.variant else self.cause


def _ours(cause: str, looks: Mapping[str, Look]) -> dict[str, Look]:
    """Our columns for a row: the far ends look as badly as ``ie`` and ``O``; no name is asked over a dead way.

    A centre may divert its calls because of any fault: only ``none`` expects that it does not.
    """
    far = min((looks["ie"], looks["O"]), key=_WORST.index)
    ours: dict[str, Look] = {"F": far, "N": "u" if looks["ie"] == "u" else "-", "B": "-"}
    return {**ours, **_OF_OURS.get(cause, {})}


def _rows(table: str) -> tuple[Row, ...]:
    head, *body = table.strip().splitlines()
    columns = head.split()[1:]
    rows = []
    for line in body:
        name, *cells = line.split()
        cause, _, variant = name.partition("/")
        assert cause in CAUSES, name
        assert LOOKS.issuperset(cells), name
        looks = cast("dict[str, Look]", dict(zip(columns, cells, strict=True)))
        rows.append(Row(cause, variant, {**looks, **_ours(cause, looks), **_OF_OURS.get(name, {})}))
    return tuple(rows)


ROWS: tuple[Row, ...] = _rows(TABLE)
OUR_ROWS: tuple[Row, ...] = _rows(OURS)
COLUMNS: tuple[str, ...] = tuple(ROWS[0].looks)
# Columns that the network's own checks feed: evidence of these alone sounds the horn only after the hold.
NETWORK: frozenset[str] = frozenset({"il", "if", "ir", "ie", "S", "O", "To", "Ti", "K", "Y", "F", "N"})
# Columns of the way that callers take, end to end. One of them must look well before anything is said to be well.
END_TO_END: frozenset[str] = frozenset({"L", "A", "R", "V", "ie", "O", "To", "Ti", "K"})
# Which element of the way a cause breaks, as ``covers`` of a test call names them: what it does not name, it does not
# test.
ELEMENT: Mapping[str, str] = {
    "firewall-blocking": "firewall",
    "firewall-down": "firewall",
    "router-down": "router",
    "wan-down": "wan",
    "far-end-down": "far-end",
    "core-media-blocked": "core",
    "core-data-fault": "core",
}
