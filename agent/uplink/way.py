"""The way to a broker: host and port of a url, the interface's own address, and the TLS that is asked of it."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from agent.paths.certificate import validity
from agent.site import schema

NO_CHECK_TIME = 0x200000
"""X509_V_FLAG_NO_CHECK_TIME of OpenSSL's x509_vfy.h; the ssl module passes on what it does not name."""
PORTS = {"mqtt": 1883, "mqtts": 8883}


class Secrets(Protocol):
    """What is asked of a secret store: ``agent.site.secrets.SecretStore`` is the real one. Both may raise OSError."""

    def path(self, name: str) -> Path:
        """Where the secret is."""

    def read(self, name: str, *, private: bool = True) -> bytes:
        """The secret; refused where its file is open to others."""


class WayBlocked(OSError):
    """There is no way to try; the text says why, in plain words."""


@dataclass(frozen=True, slots=True)
class Way:
    """A url taken apart."""

    host: str
    port: int
    tls: bool

    @classmethod
    def of(cls, url: str) -> Way:
        """Of a url of the site file, which has been checked. Raises WayBlocked for one that was not."""
        try:
            parts = urlsplit(url)
            if not parts.hostname or parts.scheme not in PORTS:
                raise ValueError
            return cls(parts.hostname, parts.port or PORTS[parts.scheme], parts.scheme == "mqtts")
        except ValueError:
            raise WayBlocked("the url is not mqtts://host:port or mqtt://host:port") from None


def source_address(interface: str, host: str) -> str:
    """An address of ``interface`` to connect from, of the host's family where it is an IP address. Raises WayBlocked.

    Binding to the address leaves the route to policy routing (DESIGN section 10), and needs no privilege.
    """
    import psutil

    held = psutil.net_if_addrs().get(interface)
    if held is None:
        raise WayBlocked(f"there is no network interface {interface}")
    families = [socket.AF_INET, socket.AF_INET6]
    with contextlib.suppress(ValueError):  # a name: which family it has is not known yet, IPv4 is preferred
        families = [socket.AF_INET6 if ipaddress.ip_address(host).version == 6 else socket.AF_INET]
    for family in families:
        for address in held:
            if address.family == family and not address.address.lower().startswith("fe80:"):
                return str(address.address)
    raise WayBlocked(f"the network interface {interface} has no address to connect from")


def tls_context(config: schema.Uplink, secrets: Secrets, *, dated: bool = True) -> ssl.SSLContext:
    """TLS 1.2 or later, the server's certificate and name always verified. Raises OSError with a plain reason.

    ``dated``: False where this box's clock is known to be wrong: certificates are verified but for their dates, which
    ``not_over`` then judges as well as can be. Trusted is the named CA alone or, without one, those of this system.
    Called for each attempt: files are renewed.
    """
    try:
        authority = secrets.read(config.ca, private=False).decode("ascii") if config.ca else None
        context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cadata=authority)
    except (ssl.SSLError, UnicodeDecodeError) as error:
        raise WayBlocked(f"the secret {config.ca} is no certificate in PEM: {error}") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if not dated:
        context.verify_flags |= NO_CHECK_TIME
    if config.certificate and config.key:
        secrets.read(config.certificate, private=False)
        secrets.read(config.key)  # refused where others can read it
        try:
            context.load_cert_chain(secrets.path(config.certificate), secrets.path(config.key), password=_no_one_to_ask)
        except (ssl.SSLError, ValueError) as error:
            raise WayBlocked(f"the certificate {config.certificate} and key {config.key} won't do: {error}") from error
    return context


def not_over(der: bytes, floor_s: float) -> None:
    """Raises WayBlocked for a certificate that had ended at ``floor_s`` (UTC), when it is surely later than that."""
    dates = validity(der)
    if dates is None or dates.not_after_s < floor_s:
        raise WayBlocked("the server's certificate has expired, or says no dates")


def _no_one_to_ask() -> str:
    # Without this OpenSSL would ask at the terminal and wait.
    raise ValueError("the key is encrypted, and nobody is here to type its password")
