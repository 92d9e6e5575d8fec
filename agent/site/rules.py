"""What several keys of a site file must agree on. Pure: secrets and the clock are somebody else's business.

The rules also run over a file with mistakes: what ``walk`` refused is ``BAD``, and a rule that needs it is silent.
"""

from __future__ import annotations

import ipaddress
import math
import zoneinfo
from collections.abc import Iterator
from importlib import resources
from urllib.parse import urlsplit

from agent.site import line_rules, schema
from agent.site.hosts import host_and_port, is_ip
from agent.site.walk import Key, Problem, did_you_mean, either, good, path_text, quoted

RESERVED_IDS = frozenset({"host", "uplink"})
OVERLAP_MAX = 8
OURS_EVERY_S = 60.0
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
        yield from _behind(site.path)
        for number, path in enumerate(site.path):
            if good(path):
                yield from _address(path, ("path", number, "address"))
                yield from _checks(path, ("path", number))
    if good(site.uplink):
        for number, uplink in enumerate(site.uplink):
            if good(uplink):
                yield from _uplink(uplink, ("uplink", number))
    if good(site.panel):
        yield from _board(site.panel)
    if good(site.control):
        yield from _socket(site.control)


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


def _behind(paths: tuple[schema.Path, ...]) -> Problems:
    # A path whose id was refused could be the one that is meant: then nothing is said of an unknown name.
    every_id_known = all(good(path) and good(path.id) for path in paths)
    behind = {path.id: path.behind for path in paths if good(path) and good(path.id, path.behind)}
    ids = [path.id for path in paths if good(path) and good(path.id)]
    for number, path in enumerate(paths):
        if not good(path) or not good(path.id, path.behind) or path.behind is None:
            continue
        at: Key = ("path", number, "behind")
        if path.behind == path.id:
            yield Problem(at, "a path cannot be behind itself")
        elif path.behind not in ids:
            if every_id_known:
                yield Problem(at, f"there is no path {quoted(path.behind)}{did_you_mean(path.behind, ids)}")
        else:
            round_trip = _cycle(path.id, behind)
            if round_trip and min(round_trip) == path.id:  # each ring is told once
                yield Problem(at, f"goes round in a ring: {' behind '.join([*round_trip, path.id])}")


def _cycle(start: str, behind: dict[str, str | None]) -> list[str]:
    """The ids from ``start`` back to it, or nothing."""
    trail = [start]
    for _ in behind:
        nearer = behind.get(trail[-1])
        if nearer is None:
            return []
        if nearer == start:
            return trail if len(trail) > 1 else []
        trail.append(nearer)
    return []


def _address(path: schema.Path, at: Key) -> Problems:
    if not good(path.address):
        return
    address = path.address
    if ":" in address:
        if not is_ip(address):
            yield Problem(at, f"{quoted(address)} is no IPv6 address; a port number belongs in the check (port = …)")
    elif not address.strip("0123456789.") and not is_ip(address):
        yield Problem(at, f"{quoted(address)} is no IPv4 address")


def _checks(path: schema.Path, at: Key) -> Problems:
    if not good(path.checks):
        return
    for number, one in enumerate(path.checks):
        if good(one):
            yield from _check(path, one, (*at, "checks", number))


def _check(path: schema.Path, one: schema.Check, at: Key) -> Problems:
    if isinstance(one, schema.Tcp) and good(one.port) and one.port == 0:
        yield Problem((*at, "port"), "is missing; a tcp check needs the port to connect to, from 1 to 65535")
    if good(one.fail, one.of) and one.fail > one.of:
        yield Problem((*at, "fail"), f"{one.fail} of the last {one.of} checks can never fail: fail must be at most of")
    if not good(one.every_s, path.role):
        return
    every_s = schema.every_s(one, path.role)
    if good(one.timeout_s):
        overlapping = math.ceil(schema.timeout_s(one, path.role) / every_s)
        if overlapping > OVERLAP_MAX:
            yield Problem(
                (*at, "timeout_s"),
                f"{overlapping} of these checks would run at once, {OVERLAP_MAX} at most: "
                f"must be at most {OVERLAP_MAX * every_s:g} with every_s = {every_s:g}",
            )
    if path.role == "far-end" and every_s < OURS_EVERY_S and good(path.agreed_with) and path.agreed_with is None:
        yield Problem(
            (*at, "every_s"),
            f"a far end is somebody else's: more often than every {OURS_EVERY_S:g} s needs agreed_with = "
            '"who agreed" in this path',
        )


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
