"""The box's own firewall, from the site file: inside and outside kept apart, nothing forwarded, all else denied. Pure.

``inside`` is the 911 LAN, ``outside`` the way to the NOC that is not of it (a cellular modem, say). nftables(8): a base
chain that drops by policy; what is answered is what the box asked for. The sender of a packet must own the interface it
leaves by (``fib``), so that an inside address never appears outside, whatever the routing table says.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Sequence

from agent.site import schema

INTERFACE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,14}\Z")
INTERFACES_MAX = 8
SSH_PORT = 22


class AdmissionInvalid(ValueError):
    """The interfaces can't be kept apart as named; the text says why."""


def ruleset(
    site: schema.SiteFile | None, inside: Sequence[str], outside: Sequence[str], ssh: Sequence[str] = ()
) -> str:
    """The rules as nft reads them, replacing what an earlier run wrote; without a site nothing may knock.

    ``ssh``: the interfaces by which a technician may log in; none by default. Raises ``AdmissionInvalid``.
    """
    _checked(inside, outside, ssh)
    lines = [
        "# Written by `dialtone admission`; changed with the site file by `systemctl reload dialtone-admission`.",
        "table inet dialtone",
        "delete table inet dialtone",
        "table inet dialtone {",
        "  chain input {",
        "    type filter hook input priority filter; policy drop;",
        '    iifname "lo" accept',
        "    ip saddr 127.0.0.0/8 counter drop",
        "    ct state established,related accept",
        "    ct state invalid counter drop",
        "    # Addresses of our own, asked for by this box.",
        "    udp sport 67 udp dport 68 accept",
        "    udp sport 547 udp dport 546 accept",
        "    ip6 hoplimit 255 icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-advert } accept",
    ]
    if inside:
        lines += [
            "    # The LAN may ask whether the box is there.",
            f"    iifname {_set(inside)} icmp type echo-request limit rate 10/second accept",
            f"    iifname {_set(inside)} icmpv6 type echo-request limit rate 10/second accept",
        ]
    if ssh:
        lines.append(f"    iifname {_set(ssh)} tcp dport {SSH_PORT} ct state new limit rate 6/minute accept")
    if site is not None:
        lines += [f"    {rule}" for rule in _listeners(site, inside)]
    lines += [
        "    counter drop",
        "  }",
        "  chain forward {",
        "    type filter hook forward priority filter; policy drop;",
        "    counter drop",
        "  }",
        "  chain output {",
        "    type filter hook output priority filter; policy accept;",
    ]
    if inside or outside:
        lines.append(f"    oifname {_set([*inside, *outside])} fib saddr . oif type != local counter drop")
    return "\n".join([*lines, "  }", "}", ""])


def _checked(inside: Sequence[str], outside: Sequence[str], ssh: Sequence[str]) -> None:
    for name in (*inside, *outside, *ssh):
        if not INTERFACE.match(name):
            raise AdmissionInvalid(f"{name!r} is no name of an interface")
    if both := sorted(set(inside) & set(outside)):
        raise AdmissionInvalid(f"{', '.join(both)} can't be inside and outside at once")
    if len(inside) > INTERFACES_MAX or len(outside) > INTERFACES_MAX:
        raise AdmissionInvalid(f"more than {INTERFACES_MAX} interfaces of one side")


def _listeners(site: schema.SiteFile, inside: Sequence[str]) -> Iterator[str]:
    """What the site file opens, each to the paths that use it; a path that has a name is not known by address."""
    listen = site.listen
    logs = [path for path in site.path if any(isinstance(check, schema.Syslog) for check in path.checks)]
    trapped = [path for path in site.path if any(isinstance(check, schema.Traps) for check in path.checks)]
    knocked = [path for path in site.path if path.role == "reflector"]
    for at, protocol, paths in (
        (listen.syslog_udp, "udp", logs),
        (listen.syslog_tcp, "tcp", logs),
        (listen.traps, "udp", trapped),
        (listen.knock, "udp", knocked),
    ):
        if at is None or not paths:
            continue
        port = int(at.rpartition(":")[2])
        for family, addresses in _by_family(paths).items():
            where = f"iifname {_set(inside)} " if inside and paths is not knocked else ""
            source = f"{family} saddr {{ {', '.join(addresses)} }} " if addresses else f"meta nfproto {_NF[family]} "
            yield f"{where}{source}{protocol} dport {port} accept"


_NF = {"ip": "ipv4", "ip6": "ipv6"}


def _by_family(paths: Sequence[schema.Path]) -> dict[str, list[str]]:
    """Addresses by nft's word for their family; one path with a name opens both to all, since names change."""
    found: dict[str, list[str]] = {}
    for path in paths:
        try:
            address = ipaddress.ip_address(path.address.partition("%")[0])
        except ValueError:
            return {"ip": [], "ip6": []}
        found.setdefault("ip" if address.version == 4 else "ip6", []).append(str(address))
    return {family: sorted(set(addresses)) for family, addresses in found.items()}


def _set(names: Sequence[str]) -> str:
    quoted = ", ".join(f'"{name}"' for name in dict.fromkeys(names))
    return f"{{ {quoted} }}"
