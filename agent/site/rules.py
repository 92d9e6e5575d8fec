"""What several keys of a site file must agree on. Pure: secrets and the clock are somebody else's business.

The rules also run over a file with mistakes: what ``walk`` refused is ``BAD``, and a rule that needs it is silent.
"""

from __future__ import annotations

import ipaddress
import zoneinfo
from collections.abc import Iterator
from importlib import resources
from urllib.parse import urlsplit

from agent.site import line_rules, path_rules, schema
from agent.site.hosts import host_and_port, is_ip
from agent.site.walk import Key, Problem, did_you_mean, either, good, path_text, quoted

RESERVED_IDS = frozenset({"host", "uplink"})
SOCKET_BYTES_MAX = 107  # sun_path of unix(7) is 108 bytes, the last one zero

Problems = Iterator[Problem]


def check(site: schema.SiteFile, given: frozenset[str]) -> Problems:
    """Every mistake between keys. ``given``: the top-level keys that the file has, right or wrong."""
    yield from _something_to_watch(given)
    yield from _ids(site)
    if good(site.site):
        yield from _timezone(site.site)
    if good(site.line):
        yield from line_rules.check(site.line)
    if good(site.path):
        yield from path_rules.check(site)
    if good(site.listen):
        yield from path_rules.listening(site.listen)
    if good(site.uplink):
        for number, uplink in enumerate(site.uplink):
            if good(uplink):
                yield from _uplink(uplink, ("uplink", number))
    if good(site.panel):
        yield from _board(site.panel)
    if good(site.control):
        yield from _socket(site.control)
    if good(site.remote):
        yield from _remote(site.remote)


def _remote(remote: schema.Remote) -> Problems:
    """What needs a signature needs somebody who may sign."""
    if not good(remote.allowed_signers) or remote.allowed_signers is not None:
        return
    if good(remote.config) and remote.config:
        yield Problem(("remote", "config"), "signed site files need allowed_signers: who may sign them")
    for number, name in enumerate(remote.commands if good(remote.commands) else ()):
        if name in schema.SIGNED_COMMANDS:
            yield Problem(("remote", "commands", number), f"{quoted(name)} needs a signature, and that allowed_signers")


def _something_to_watch(given: frozenset[str]) -> Problems:
    if not given & {"line", "path"}:
        yield Problem((), "nothing to watch: the file has neither a [[line]] nor a [[path]]")


def _ids(site: schema.SiteFile) -> Problems:
    """One name means one thing: readings, alarms and reports tell their source by it."""
    seen: dict[str, Key] = {}
    tables: tuple[tuple[str, tuple[schema.Line | schema.Path | schema.Uplink, ...]], ...] = (
        ("line", site.line),
        ("path", site.path),
        ("uplink", site.uplink),
    )
    for table, items in tables:
        if not good(items):
            continue
        for number, item in enumerate(items):
            if not good(item) or not good(item.id):
                continue
            at: Key = (table, number)
            if item.id in RESERVED_IDS:
                yield Problem((*at, "id"), f"{quoted(item.id)} is reserved for the agent itself; choose another id")
            elif item.id in seen:
                yield Problem((*at, "id"), f"{quoted(item.id)} is already the id of {path_text(seen[item.id])}")
            seen.setdefault(item.id, at)


def _timezone(site: schema.Site) -> Problems:
    if not good(site.timezone):
        return
    try:
        zoneinfo.ZoneInfo(site.timezone)
    except (KeyError, ValueError, OSError):  # a folder such as "America" is an OSError
        hint = did_you_mean(site.timezone, zoneinfo.available_timezones())
        yield Problem(("site", "timezone"), f"there is no time zone {quoted(site.timezone)}{hint}")


def _uplink(uplink: schema.Uplink, at: Key) -> Problems:
    if good(uplink.urls):
        for number, url in enumerate(uplink.urls):
            if good(url):
                for message in _url(url, uplink):
                    yield Problem((*at, "urls", number), message)
        known = [url for url in uplink.urls if good(url)]
        for name in ("ca", "certificate", "key"):
            value = getattr(uplink, name)
            if good(value) and value is not None and len(known) == len(uplink.urls) and _none_tls(known):
                yield Problem((*at, name), "does nothing: TLS is used with mqtts:// only, and no url here has it")
    if good(uplink.certificate, uplink.key) and (uplink.certificate is None) != (uplink.key is None):
        has, lacks = ("key", "certificate") if uplink.certificate is None else ("certificate", "key")
        yield Problem((*at, has), f"{has} needs {lacks} beside it")
    if good(uplink.password, uplink.user) and uplink.password is not None and uplink.user is None:
        yield Problem((*at, "password"), "password needs user beside it")
    yield from _from_where(uplink, at)


def _from_where(uplink: schema.Uplink, at: Key) -> Problems:
    if good(uplink.source) and uplink.source is not None:
        try:
            ipaddress.ip_address(uplink.source)
        except ValueError:
            yield Problem((*at, "source"), f"must be an IP address of this box, is {quoted(uplink.source)}")
        if good(uplink.interface) and uplink.interface is not None:
            yield Problem((*at, "source"), "interface says from where already: one of the two")
    if good(uplink.standby_s) and uplink.standby_s is not None and at[-1] == 0:
        yield Problem(
            (*at, "standby_s"), "the first way out stands by for none: put it behind the one it stands by for"
        )


def _none_tls(urls: list[str]) -> bool:
    return not any(url.lower().startswith("mqtts://") for url in urls)


def _url(url: str, uplink: schema.Uplink) -> Iterator[str]:
    """What is wrong with a broker's url. A password in it is never shown again."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        yield "is no url: must be mqtts://host:port or mqtt://host:port"
        return
    if parts.username is not None or parts.password is not None or "@" in url:
        yield "must not hold a user or password: use user and password (the name of a secret)"
        return
    if parts.scheme not in ("mqtt", "mqtts"):
        near = did_you_mean(parts.scheme, ("mqtt", "mqtts"))
        yield f"must start with mqtts:// or mqtt://, is {quoted(url)}{near}"
    elif parts.path or parts.query or parts.fragment or "?" in url or "#" in url:
        yield f"must end after the host and port, is {quoted(url)}"
    elif not host or not host_and_port(parts.netloc, port_needed=False):
        yield f"must name a host, and a port from 1 to 65535 where one stands, is {quoted(url)}"
    elif parts.scheme == "mqtt" and good(uplink.password) and uplink.password is not None and not _is_loopback(host):
        yield "would send the password in clear text over the network: use mqtts://"


def _is_loopback(host: str) -> bool:
    if is_ip(host):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost" or host.endswith(".localhost")


def boards() -> list[str]:
    """The names of the boards this version has."""
    entries = (resources.files("hw") / "boards").iterdir()
    return sorted(entry.name.removesuffix(".toml") for entry in entries if entry.name.endswith(".toml"))


def _board(panel: schema.Panel) -> Problems:
    known = boards()
    if good(panel.board) and panel.board not in known:
        yield Problem(
            ("panel", "board"),
            f"there is no board {quoted(panel.board)}{did_you_mean(panel.board, known)}; there is {either(known)}",
        )


def _socket(control: schema.Control) -> Problems:
    if not good(control.socket) or control.socket is None:
        return
    length = len(control.socket.encode(errors="surrogatepass"))
    if length > SOCKET_BYTES_MAX:
        yield Problem(
            ("control", "socket"), f"a socket's path is at most {SOCKET_BYTES_MAX} bytes (unix(7)), this one {length}"
        )
    elif control.socket.endswith("/"):
        yield Problem(("control", "socket"), "must name the socket itself, not its directory")
