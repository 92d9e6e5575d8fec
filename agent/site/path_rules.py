"""What the keys of ``[[path]]`` and ``[listen]`` must agree on. Pure. Like ``rules``, silent where a key is ``BAD``."""

from __future__ import annotations

import ipaddress
import math
from collections.abc import Iterator

from agent.site import schema
from agent.site.hosts import is_ip
from agent.site.uris import refused_uri
from agent.site.walk import Key, Problem, did_you_mean, good, quoted

OVERLAP_MAX = 8
OURS_EVERY_S = 60.0
CALL_EVERY_S = 5.0

Problems = Iterator[Problem]


def check(site: schema.SiteFile) -> Problems:
    """Every mistake of the paths and their checks."""
    yield from _behind(site.path)
    yield from _beside(site.path)
    for number, path in enumerate(site.path):
        if good(path):
            yield from _address(path, ("path", number, "address"))
            yield from _checks(site, path, ("path", number))


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


def _beside(paths: tuple[schema.Path, ...]) -> Problems:
    """The same machine by another way: another path of the same role, that is not beside one itself."""
    known = {path.id: path for path in paths if good(path) and good(path.id)}
    for number, path in enumerate(paths):
        if not good(path) or not good(path.id, path.beside) or path.beside is None:
            continue
        at: Key = ("path", number, "beside")
        other = known.get(path.beside)
        if path.beside == path.id:
            yield Problem(at, "a path cannot be beside itself")
        elif other is None:
            if len(known) == len(paths):
                yield Problem(at, f"there is no path {quoted(path.beside)}{did_you_mean(path.beside, known)}")
        elif good(other.beside) and other.beside is not None:
            yield Problem(at, f"{path.beside} is itself beside {other.beside}: name that one")
        elif good(path.role, other.role) and other.role != path.role:
            yield Problem(at, f"{path.beside} is a {other.role}, this one a {path.role}: both ways reach one machine")


def _checks(site: schema.SiteFile, path: schema.Path, at: Key) -> Problems:
    if not good(path.checks):
        return
    for number, one in enumerate(path.checks):
        if good(one):
            here: Key = (*at, "checks", number)
            if isinstance(one, schema.Syslog | schema.Traps):
                yield from _passive(site, one, here)
            else:
                yield from _check(path, one, here)
            yield from _kind(site, path, one, here)


def _check(path: schema.Path, one: schema.ActiveCheck, at: Key) -> Problems:
    if isinstance(one, schema.Tcp | schema.Tls) and good(one.port) and one.port == 0:
        kind = schema.kind_of(one)
        yield Problem((*at, "port"), f"is missing; a {kind} check needs the port to connect to, from 1 to 65535")
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
    if isinstance(one, schema.TestCall) and every_s < CALL_EVERY_S:
        yield Problem((*at, "every_s"), f"a test call is a whole call: every {CALL_EVERY_S:g} s at most")
    if path.role == "far-end" and every_s < OURS_EVERY_S and good(path.agreed_with) and path.agreed_with is None:
        yield Problem(
            (*at, "every_s"),
            f"a far end is somebody else's: more often than every {OURS_EVERY_S:g} s needs agreed_with = "
            '"who agreed" in this path',
        )


def _kind(site: schema.SiteFile, path: schema.Path, one: schema.Check, at: Key) -> Problems:
    """What only this kind of check needs."""
    if isinstance(one, schema.Dns) and good(one.name) and not one.name:
        yield Problem((*at, "name"), "is missing; a dns check needs the name to ask for")
    if isinstance(one, schema.Snmp | schema.Traps):
        yield from _snmp(one, at)
    if isinstance(one, schema.SipOptions):
        yield from _sip_options(one, at)
    if isinstance(one, schema.TestCall):
        yield from _test_call(path, one, at)
    if isinstance(one, schema.Knock):
        yield from _knock(site, path, at)


def _snmp(one: schema.Snmp | schema.Traps, at: Key) -> Problems:
    if not good(one.version, one.community, one.user, one.authentication, one.privacy):
        return
    if one.version == "2c":
        if one.community is None:
            yield Problem((*at, "community"), "is missing; version 2c needs community = the name of a secret")
        for key in ("user", "authentication", "privacy"):
            if getattr(one, key) is not None:
                yield Problem((*at, key), f'does nothing in version 2c: {key} needs version = "3"')
        return
    if one.user is None:
        yield Problem((*at, "user"), "is missing; version 3 needs user")
    if one.community is not None:
        yield Problem((*at, "community"), "does nothing in version 3")
    for key in ("authentication", "privacy"):
        password = getattr(one, f"{key}_password")
        if good(password) and (password is None) != (getattr(one, key) is None):
            has, lacks = (key, f"{key}_password") if password is None else (f"{key}_password", key)
            yield Problem((*at, has), f"{has} needs {lacks} beside it")
    if one.privacy is not None and one.authentication is None:
        yield Problem((*at, "privacy"), "privacy needs authentication beside it (RFC 3414 section 1.4.3)")


def _sip_options(one: schema.SipOptions, at: Key) -> Problems:
    if not good(one.transport):
        return
    if one.transport != "tls":
        for key in ("ca", "certificate", "key", "server_name"):
            if good(getattr(one, key)) and getattr(one, key) is not None:
                yield Problem((*at, key), f'does nothing without transport = "tls": {key} is for TLS')
    if good(one.certificate, one.key) and (one.certificate is None) != (one.key is None):
        has, lacks = ("key", "certificate") if one.certificate is None else ("certificate", "key")
        yield Problem((*at, has), f"{has} needs {lacks} beside it")


def _test_call(path: schema.Path, one: schema.TestCall, at: Key) -> Problems:
    if good(one.to) and one.to is not None:
        why = refused_uri(one.to)
        if why is not None:
            yield Problem((*at, "to"), f"{quoted(one.to)} is refused: {why}")
    if good(path.role, path.agreed_with) and path.role == "far-end" and path.agreed_with is None:
        yield Problem(at, 'a test call to somebody else\'s far end needs agreed_with = "who agreed" in this path')
    if good(one.answers, path.role, path.secret):
        ours = one.answers == "reflector" or (one.answers is None and path.role == "reflector")
        if ours and path.secret is None and one.password is None:
            yield Problem(at, "our reflector takes calls from those alone it knows: secret = its secret in this path")
    if good(one.password, one.user) and one.password is not None and one.user is None:
        yield Problem((*at, "password"), "password needs user beside it")


def _knock(site: schema.SiteFile, path: schema.Path, at: Key) -> Problems:
    if good(path.role) and path.role != "reflector":
        yield Problem((*at, "kind"), f'a knock needs role = "reflector"; {path.role} calls nobody back')
    if good(path.secret) and path.secret is None:
        yield Problem(at, "a knock needs secret = the reflector's secret in this path")
    if good(site.listen) and good(site.listen.knock) and site.listen.knock is None:
        yield Problem(at, 'nothing hears it: a knock needs knock = "address:port" in [listen]')


def _passive(site: schema.SiteFile, one: schema.Syslog | schema.Traps, at: Key) -> Problems:
    if not good(site.listen):
        return
    listen = site.listen
    if isinstance(one, schema.Syslog):
        if good(listen.syslog_udp, listen.syslog_tcp) and listen.syslog_udp is None and listen.syslog_tcp is None:
            yield Problem(at, "nothing hears it: syslog needs syslog_udp or syslog_tcp in [listen]")
    elif good(listen.traps) and listen.traps is None:
        yield Problem(at, 'nothing hears them: traps need traps = "address:port" in [listen]')


def listening(listen: schema.Listen) -> Problems:
    """Every mistake of ``[listen]``."""
    for key in ("syslog_udp", "syslog_tcp", "traps", "knock"):
        value = getattr(listen, key)
        if good(value) and value is not None and not _endpoint(value):
            yield Problem(("listen", key), f"{quoted(value)} is no address and port from 1 to 65535")
    if good(listen.calls_at):
        for number, network in enumerate(listen.calls_at):
            if good(network) and not _network(network):
                yield Problem(("listen", "calls_at", number), f"{quoted(network)} is no address and no network")
    if good(listen.call_ports):
        for number, ports in enumerate(listen.call_ports):
            if good(ports) and not _ports(ports):
                yield Problem(("listen", "call_ports", number), f"{quoted(ports)}: ports go from 1 to 65535, low-high")


def _endpoint(text: str) -> bool:
    host, _, port = text.rpartition(":")
    return is_ip(host.strip("[]")) and 1 <= int(port) <= 65_535


def _network(text: str) -> bool:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def _ports(text: str) -> bool:
    low, _, high = text.partition("-")
    return 1 <= int(low) <= int(high or low) <= 65_535
