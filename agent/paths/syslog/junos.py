"""Juniper: SRX sessions denied and screened, structured and plain; firewall filters; stateful services. Pure.

Source: Juniper System Log Explorer (RT_FLOW_SESSION_DENY, RT_SCREEN_*, PFE_FW_SYSLOG_IP, ASP_SFW_*); real lines:
elastic/integrations juniper_srx tests.
"""

from __future__ import annotations

import re

from agent.paths.syslog.deny import Deny, deny, host_and_port
from agent.paths.syslog.message import Message

_PLAIN = re.compile(
    r"RT_FLOW_SESSION_DENY\w{0,8}: session denied (\S{1,64}?)/(\d+)->(\S{1,64}?)/(\d+)"
    r"(?: \S{1,64}){0,4}? (\d+)\(\d*\) (\S{1,128})(?: (\S{1,64}) (\S{1,64}))?"
)
_FILTER = re.compile(
    r"PFE_FW_SYSLOG_\w{1,20}: FW: (\S{1,32}) +([DR]) +(\S{1,16}) +(\S{2,64}) +(\S{2,64}) +(\d+) +(\d+)"
)
_SERVICE = re.compile(
    r"ASP_SFW_\w{0,40}?(?:DROP|DISCARD|REJECT)\w{0,40}: proto (\d+) \([^)]{1,16}\),?(?: application: [^,]{1,32},)? ?"
    r"(\S{2,80}) -> ([^\s,]{2,64})"
)
_SCREEN = re.compile(
    r"RT_SCREEN_(\w{1,24}): [^:]{1,80}! source: (\S{2,64}), destination: (\S{2,64}),[^!]{0,200}action: drop"
)


def read(message: Message) -> Deny | None:
    """The refusal that a message tells of."""
    whole, data = message.whole, message.data
    if "source-address" in data:
        return _structured(message)
    if "RT_FLOW" in whole:
        found = _PLAIN.search(whole)
        if found is None:
            return None
        source, sport, target, dport, proto, policy = found.groups()[:6]
        return deny(source, sport, target, dport, proto, policy, "denied by policy")
    if "PFE_FW" in whole:
        found = _FILTER.search(whole)
        if found is None:
            return None
        proto = found[3].partition("/")[0]
        return deny(found[4], found[6], found[5], found[7], proto, f"filter on {found[1]}", "firewall filter")
    found = _SERVICE.search(whole)
    if found is not None:
        source, sport = host_and_port(found[2].partition(":")[2], ":")
        target, dport = host_and_port(found[3], ":")
        return deny(source, sport, target, dport, found[1], None, "stateful firewall")
    found = _SCREEN.search(whole)
    if found is None:
        return None
    source, sport = host_and_port(found[2], ":")
    target, dport = host_and_port(found[3], ":")
    return deny(source, sport, target, dport, found[1], "screen", "screen")


def _structured(message: Message) -> Deny | None:
    data = message.data
    tag = message.id or message.whole
    if "SESSION_DENY" in tag:
        rule, reason = data.get("policy-name"), "denied by policy"
    elif "RT_SCREEN" in tag and data.get("action", "").lower() == "drop":
        rule, reason = data.get("attack-name"), "screen"
    else:
        return None
    return deny(
        data["source-address"],
        data.get("source-port"),
        data.get("destination-address", ""),
        data.get("destination-port"),
        data.get("protocol-id") or message.id.rpartition("_")[2],
        rule,
        reason,
    )
