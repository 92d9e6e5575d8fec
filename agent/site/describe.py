"""A site file in plain words: what will be watched, and what this site cannot see. Pure."""

from __future__ import annotations

from agent.site import describe_lines, describe_paths, schema
from agent.site.describe_lines import seconds


def watched(site: schema.SiteFile) -> tuple[str, ...]:
    """What the agent will watch and whom it will tell, one sentence each."""
    who = f" ({site.site.name})" if site.site.name else ""
    out = [f"site {site.site.id}{who}, probe {site.site.probe}, times in {site.site.timezone}"]
    out += describe_lines.watched(site)
    out += describe_paths.watched(site)
    out += [_uplink(uplink, number) for number, uplink in enumerate(site.uplink)]
    if site.host is not None:
        named = ", ".join(site.host.interfaces) or "no interface by name"
        out.append(
            f"this box: {named}, over {site.host.temperature_max_c:g} °C, under {site.host.disk_free_mb} MB of disk, "
            f"under {site.host.memory_free_mb} MB of memory, its voltage and its clock"
        )
    out += [_panel(site.panel), _journal(site.journal)]
    if site.uplink:
        out.append(_remote(site.remote))
    return tuple(out)


def _uplink(uplink: schema.Uplink, number: int) -> str:
    order = "first choice" if number == 0 else f"choice {number + 1}"
    by = f" over {uplink.interface}" if uplink.interface else f" from {uplink.source}" if uplink.source else ""
    if uplink.standby_s is not None:
        by += f", only when those before it have been lost for {uplink.standby_s:g} s"
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


def _remote(remote: schema.Remote) -> str:
    files = "no site file"
    if remote.config:
        files = f"a site file signed as secret {remote.allowed_signers} allows, on trial for {remote.trial_s} s"
    signed = [name for name in remote.commands if name in schema.SIGNED_COMMANDS]
    plain = [name for name in remote.commands if name not in signed]
    told = [", ".join(plain)] if plain else []
    told += [f"with a signature {', '.join(signed)}"] if signed else []
    return f"the NOC may send {files}; it may ask for {'; '.join(told) if told else 'nothing'}"


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
    return f"journal: {journal.directory}, at most {journal.max_mb} MB and {journal.max_days} days"


def unseen(site: schema.SiteFile) -> tuple[str, ...]:
    """What this site cannot see or say, each with what would change it. Never empty: no version sees all."""
    return (*describe_lines.unseen(site), *describe_paths.unseen(site), *_unsaid(site))


def _unsaid(site: schema.SiteFile) -> list[str]:
    out = []
    if site.host is None:
        out.append("heat, a full disk or a clock adrift in this box: there is no [host]")
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
