"""A site file in plain words: what will be watched, and what this site cannot see. Pure."""

from __future__ import annotations

from agent.site import describe_lines, schema
from agent.site.describe_lines import seconds

ICMP, TCP, SIP = "icmp", "tcp", "sip-options"
_ASKS = {
    ICMP: "ping",
    TCP: "TCP connection",
    SIP: "SIP OPTIONS",
}
_ROLES = {
    "lan": "our own network",
    "firewall": "the firewall",
    "router": "the router",
    "far-end": "the far end, somebody else's",
    "reflector": "our reflector outside",
}
OUTSIDE = ("far-end", "reflector")


def to_alarm_s(check: schema.Check, role: schema.Role) -> float:
    """The longest time from the fault to the check's alarm: ``fail`` periods, and the last check's own time."""
    return check.fail * schema.every_s(check, role) + schema.timeout_s(check, role)


def watched(site: schema.SiteFile) -> tuple[str, ...]:
    """What the agent will watch and whom it will tell, one sentence each."""
    who = f" ({site.site.name})" if site.site.name else ""
    out = [f"site {site.site.id}{who}, probe {site.site.probe}, times in {site.site.timezone}"]
    out += describe_lines.watched(site)
    for path in site.path:
        out += _path(path)
    out += [_uplink(uplink, number) for number, uplink in enumerate(site.uplink)]
    out += [_panel(site.panel), _journal(site.journal)]
    return tuple(out)


def _path(path: schema.Path) -> list[str]:
    behind = f", behind {path.behind}" if path.behind else ""
    agreed = f", agreed with {path.agreed_with}" if path.agreed_with else ""
    out = [f"path {path.id}: {_ROLES[path.role]}, {path.address}{behind}{agreed}"]
    for check in path.checks:
        kind = schema.kind_of(check)
        port = "" if isinstance(check, schema.Icmp) else f" to port {check.port}"
        out.append(
            f"  {_ASKS[kind]}{port} every {seconds(schema.every_s(check, path.role))}, answer within "
            f"{seconds(schema.timeout_s(check, path.role))}: alarm when {check.fail} of the last {check.of} fail, "
            f"at most {seconds(to_alarm_s(check, path.role))} after the fault"
        )
    return out


def _uplink(uplink: schema.Uplink, number: int) -> str:
    order = "first choice" if number == 0 else f"choice {number + 1}"
    by = f" over {uplink.interface}" if uplink.interface else ""
    if uplink.certificate:
        known = "known there by a certificate"
    elif uplink.user:
        known = f"known there as {uplink.user}" + (" with a password" if uplink.password else ", without a password")
    else:
        known = "known there by nothing but the client id"
    trust = "; the broker's certificate must be signed by " + (
        f"secret {uplink.ca}" if uplink.ca else "a CA of this system"
    )
    tls = trust if any(is_tls(url) for url in uplink.urls) else ""
    return f"uplink {uplink.id} ({order}){by}: {', then '.join(uplink.urls)}; {known}{tls}"


def is_tls(url: str) -> bool:
    """Whether this broker is spoken to under TLS."""
    return url.lower().startswith("mqtts://")


def _panel(panel: schema.Panel) -> str:
    hold = (
        f"the network's evidence alone lights its lamp at once and sounds the horn after {seconds(panel.path_hold_s)}"
        if panel.path_hold_s
        else "the network's evidence sounds the horn at once"
    )
    return f"panel: board {panel.board}, pins by {panel.pins}, ISA-18.1 sequence {panel.sequence}; {hold}"


def _journal(journal: schema.Journal) -> str:
    return f"journal: {journal.directory}, at most {journal.max_mb} MB"


def unseen(site: schema.SiteFile) -> tuple[str, ...]:
    """What this site cannot see or say, each with what would change it. Never empty: no version sees all."""
    return (*describe_lines.unseen(site), *_unseen_paths(site), *_unsaid(site))


def _unseen_paths(site: schema.SiteFile) -> list[str]:
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
    if "reflector" not in roles:
        checks = [schema.every_s(check, path.role) for path in outside for check in path.checks]
        rate = f"only every {seconds(min(checks))}" if checks else "never"
        out.append(f"how calls are let in and out, second by second: without a reflector, forwarding is tested {rate}")
    out.append("whether anything gets in from outside: every check goes out and its answer comes back the same way")
    if not any(isinstance(check, schema.SipOptions) for path in outside for check in path.checks):
        out.append(
            "a firewall that drops SIP while pings or TCP pass: no path outside has a sip-options check, and pings say "
            "little of calls"
        )
    for path in site.path:
        if path.role in OUTSIDE and path.behind is None:
            out.append(f"which device on the way to {path.id} stopped: it has no behind")
    out.append("one-way audio: this version makes no test call, so voices lost in one direction go unseen")
    return out


def _unsaid(site: schema.SiteFile) -> list[str]:
    out = []
    if not site.uplink:
        out.append("the outside: there is no [[uplink]], nobody outside this room will know of an alarm")
    elif len(site.uplink) == 1:
        out.append("its own silence: with one uplink, what cuts it also cuts the report of it")
    for uplink in site.uplink:
        plain = [url for url in uplink.urls if not is_tls(url)]
        if plain:
            out.append(f"who reads along: uplink {uplink.id} reports without TLS to {', '.join(plain)}")
    if site.panel.pins == "mock":
        out.append('a lamp or a horn: pins = "mock" drives none; on a Raspberry Pi say pins = "lgpio"')
    return out
