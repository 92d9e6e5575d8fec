"""Hosts, ports and addresses as a site file writes them. Pure."""

from __future__ import annotations

import ipaddress
import re

_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?\Z")


def host_and_port(text: str, *, port_needed: bool = True) -> bool:
    """Whether ``text`` is host:port; IPv6 in brackets."""
    if text.startswith("["):
        address, bracket, rest = text[1:].partition("]")
        if not bracket or ":" not in address or not is_ip(address):
            return False
        colon, port = rest[:1], rest[1:]
    else:
        host, colon, port = text.partition(":")
        if not _HOST.match(host) or (not host.strip("0123456789.") and not is_ip(host)):
            return False
    if not colon:
        return not port_needed and not port
    return colon == ":" and port.isascii() and port.isdigit() and len(port) <= 5 and 1 <= int(port) <= 65535


def is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
