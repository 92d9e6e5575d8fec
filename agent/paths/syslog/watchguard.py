"""WatchGuard Firebox (Fireware): traffic messages. Pure.

Source: Fireware Log Catalog; real lines: elastic/integrations watchguard_firebox test-traffic.log. Behind the verdict
stand the interfaces, a length (packets), the protocol, header length and TTL (packets), addresses and ports.
"""

from __future__ import annotations

import re

from agent.paths.syslog.deny import Deny, deny
from agent.paths.syslog.message import Message

_TRAFFIC = re.compile(
    r'(?:msg_id="[0-9A-F-]{1,16}" |firewall(?:\[\d+\])?: |\A)(?:Deny|Drop|Block)(?:ed|ped)? (\S{1,64}) (\S{1,64}) '
    r"(?:\d{1,6} )?([A-Za-z0-9-]{2,12}) (?:\d{1,4} \d{1,4} )?([0-9A-Fa-f:.]{2,45}) ([0-9A-Fa-f:.]{2,45})"
    r"(?: (\d{1,5}) (\d{1,5})(?= |\Z))?"
)
_POLICY = re.compile(r"\(([^()]{1,128})\)\s*\Z")


def read(message: Message) -> Deny | None:
    """The refusal that a message tells of."""
    found = _TRAFFIC.search(message.whole)
    if found is None:
        return None
    _inside, _outside, proto, source, target, sport, dport = found.groups()
    policy = _POLICY.search(message.whole, max(0, len(message.whole) - 160))
    return deny(source, sport, target, dport, proto, policy[1] if policy else None, "denied by policy")
