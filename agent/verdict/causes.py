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
# system alone, is no longer "the far end answers" and not yet "it does not".
OURS = """
cause/variant            L A R H V il if ir ie S O To Ti K Y M P X
path-simplex/far-end     u u u u u u  u  u  g  - g -  -  - u u u -
path-simplex/call-system u u u u u u  u  u  u  - g -  -  - u u u -
"""


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
        rows.append(Row(cause, variant, looks))
    return tuple(rows)


ROWS: tuple[Row, ...] = _rows(TABLE)
OUR_ROWS: tuple[Row, ...] = _rows(OURS)
COLUMNS: tuple[str, ...] = tuple(ROWS[0].looks)
# Columns that the network's own checks feed: evidence of these alone sounds the horn only after the hold.
NETWORK: frozenset[str] = frozenset({"il", "if", "ir", "ie", "S", "O", "To", "Ti", "K", "Y"})
# Columns of the way that callers take, end to end. One of them must look well before anything is said to be well.
END_TO_END: frozenset[str] = frozenset({"L", "A", "R", "V", "ie", "O", "To", "Ti", "K"})
