"""The paths of a site file in plain words: what is asked of whom, and what stays unseen of the network. Pure."""

from __future__ import annotations

from agent.site import schema
from agent.site.describe_lines import seconds

_ASKS = {
    "icmp": "ping",
    "tcp": "TCP connection",
    "tls": "TLS handshake",
    "dns": "name look-up",
    "snmp": "SNMP",
    "sip-options": "SIP OPTIONS",
    "test-call": "two-way test call",
    "knock": "a call back in",
}
_ROLES = {
    "lan": "our own network",
    "firewall": "the firewall",
    "router": "the router",
    "far-end": "the far end, somebody else's",
    "reflector": "our reflector outside",
}
OUTSIDE = ("far-end", "reflector")


def to_alarm_s(check: schema.ActiveCheck, role: schema.Role) -> float:
    """The longest time from the fault to the check's alarm: until it is asked, its own time, and its repetitions."""
    every_s, timeout_s = schema.every_s(check, role), schema.timeout_s(check, role)
    again_s = schema.AGAIN_S + timeout_s if schema.patient(check, role) else every_s
    return every_s + timeout_s + (check.fail - 1) * min(again_s, every_s)


def watched(site: schema.SiteFile) -> list[str]:
    """Each path and what is asked of it."""
    out = [text for path in site.path for text in _path(path)]
    listen = site.listen
    for name, at in (
        ("the firewall's log", listen.syslog_udp),
        ("the firewall's log (TCP)", listen.syslog_tcp),
        ("SNMP traps", listen.traps),
        ("the reflector's calls in", listen.knock),
    ):
        if at is not None:
            out.append(f"listens for {name} at {at}")
    return out


def _path(path: schema.Path) -> list[str]:
    behind = f", behind {path.behind}" if path.behind else ""
    beside = f", the same machine as {path.beside} by another way" if path.beside else ""
    by = f", over {path.interface}" if path.interface else ""
    agreed = f", agreed with {path.agreed_with}" if path.agreed_with else ""
    out = [f"path {path.id}: {_ROLES[path.role]}, {path.address}{by}{behind}{beside}{agreed}"]
    for name, check in schema.active(path):
        del name
        out.append(
            f"  {_what(check)} every {seconds(schema.every_s(check, path.role))}, answer within "
            f"{seconds(schema.timeout_s(check, path.role))}: alarm when {check.fail} of the last {check.of} fail, "
            f"at most {seconds(to_alarm_s(check, path.role))} after the fault"
        )
    for passive in path.checks:
        if isinstance(passive, schema.Syslog):
            out.append(
                f"  its log: {passive.denies} refusals of calls within {seconds(passive.within_s)} count; "
                f"silent for {seconds(passive.quiet_s)}, it says nothing"
            )
        elif isinstance(passive, schema.Traps):
            out.append(f"  its SNMP traps, version {passive.version}, profiles {', '.join(passive.profiles)}")
    return out


def _what(check: schema.ActiveCheck) -> str:
    asks = _ASKS[schema.kind_of(check)]
    if isinstance(check, schema.Icmp):
        return asks
    if isinstance(check, schema.SipOptions):
        strict = ", 200 alone is well" if check.keepalive else ""
        return f"{asks} over {check.transport.upper()} to port {schema.port_of(check)}{strict}"
    if isinstance(check, schema.TestCall):
        to = check.to or f"port {schema.port_of(check)}"
        covers = f", speaks for {', '.join(check.covers)}" if check.covers else ""
        return f"{asks} to {to} with {seconds(check.talk_s)} of audio{covers}"
    if isinstance(check, schema.Knock):
        return f"{asks} {seconds(check.idle_s)} after it was asked for"
    if isinstance(check, schema.Dns):
        return f"{asks} of {check.name} ({check.record}) over {check.transport.upper()} at port {check.port}"
    if isinstance(check, schema.Snmp):
        return f"{asks} version {check.version} ({', '.join(check.profiles)}) to port {check.port}"
    return f"{asks} to port {check.port}"


def unseen(site: schema.SiteFile) -> list[str]:
    """What the paths of this site can't see, each with what would change it."""
    if not site.path:
        return ["the network: no [[path]] watches the firewall, the router or anything beyond them"]
    roles = {path.role for path in site.path}
    out = [
        f"a dead {role} by itself: no path has role {role}, so only what lies beyond it can tell"
        for role in ("firewall", "router")
        if role not in roles
    ]
    outside = [path for path in site.path if path.role in OUTSIDE]
    if "far-end" not in roles:
        out.append("whether the 911 network itself answers: no path has role far-end")
    out += _reflectors(site, outside)
    kinds = {schema.kind_of(check) for path in site.path for check in path.checks}
    if "knock" not in kinds:
        out.append("whether anything gets in from outside: no knock, every check goes out and is answered the same way")
    if not any(isinstance(check, schema.SipOptions) for path in outside for check in path.checks):
        out.append(
            "a firewall that drops SIP while pings or TCP pass: no path outside has a sip-options check, and pings say "
            "little of calls"
        )
    for path in outside:
        if path.behind is None and path.beside is None:
            out.append(f"which device on the way to {path.id} stopped: it has no behind")
    if "test-call" not in kinds:
        out.append("voices lost in one direction: no test-call, so nothing here sends or hears audio")
    if "syslog" not in kinds:
        out.append("what the firewall refuses: no path has a syslog check")
    if not any(isinstance(c, schema.Snmp) for path in site.path if path.role == "firewall" for c in path.checks):
        out.append("what the firewall says of itself: it has no snmp check")
    return out


def _reflectors(site: schema.SiteFile, outside: list[schema.Path]) -> list[str]:
    reflectors = [path for path in outside if path.role == "reflector" and path.beside is None]
    if not reflectors:
        rates = [schema.every_s(check, path.role) for path in outside for _, check in schema.active(path)]
        rate = f"only every {seconds(min(rates))}" if rates else "never"
        return [f"how calls are let in and out, second by second: without a reflector, forwarding is tested {rate}"]
    out = []
    if len(reflectors) == 1:
        out.append(f"whether {reflectors[0].id} is dead or the way to it: there is no second reflector")
    besides = {path.beside for path in site.path if path.beside is not None}
    out += [
        f"whether {path.id} itself is dead: no path beside it reaches it by another way"
        for path in reflectors
        if path.id not in besides
    ]
    return out
