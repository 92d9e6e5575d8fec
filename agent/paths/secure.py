"""TLS for the checks: contexts from the site file's secrets, and what a handshake that failed says. A thin shell."""

from __future__ import annotations

import os
import ssl
import tempfile
from pathlib import Path
from typing import Any

from agent.clock import Clock, unix_s
from agent.paths.certificate import Validity, finding, validity
from agent.paths.outcome import Finding, Outcome
from agent.site.secrets import SecretRefused, SecretStore

# X509_V_ERR_* of OpenSSL's x509_vfy.h: a certificate that is not valid yet, or no longer.
NOT_YET, EXPIRED, MISMATCH, BY_ADDRESS = 9, 10, 62, 64


class NoContext(Exception):
    """A secret can't be used; the text says why."""


def context(
    secrets: SecretStore, ca: str | None, certificate: str | None, key: str | None, *, verify: bool
) -> ssl.SSLContext:
    """TLS 1.2 or later, verified by ``ca`` or this system's. Raises ``NoContext``."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        if not verify:
            made.check_hostname = False
            made.verify_mode = ssl.CERT_NONE
        elif ca is not None:
            made.load_verify_locations(cadata=secrets.read(ca, private=False).decode("ascii"))
        else:
            made.load_default_certs()
        if certificate is not None and key is not None:
            _load_own(made, secrets.read(certificate, private=False), secrets.read(key))
    except (SecretRefused, OSError, ValueError) as error:
        raise NoContext(f"this box can't test: {error}") from None
    return made


def _load_own(made: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    """OpenSSL reads a chain from a file only: one that nobody else can open, and gone at once."""
    with tempfile.TemporaryDirectory(prefix="dialtone-") as directory:
        path = Path(directory) / "chain"
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.write(certificate.rstrip() + b"\n" + key.rstrip() + b"\n")
        made.load_cert_chain(path)


def dates_of(transport: Any) -> Validity | None:
    """The dates of the peer's certificate, verified or not."""
    tls = transport.get_extra_info("ssl_object")
    der = tls.getpeercert(binary_form=True) if tls is not None else None
    return validity(der) if der else None


def expiry(dates: Validity | None, clock: Clock, subject: str) -> tuple[Finding, ...]:
    """What the dates mean now; nothing where this box's own clock can't be trusted."""
    wall = clock.wall()
    if dates is None or not wall.synced:
        return ()
    return (finding(dates, unix_s(wall.utc), subject),)


def failed(error: ssl.SSLError, clock: Clock) -> Outcome:
    """A handshake that went wrong: by the certificate, its dates, the name, or something else."""
    if isinstance(error, ssl.SSLCertVerificationError):
        if error.verify_code in (NOT_YET, EXPIRED) and not clock.wall().synced:
            return Outcome("unknown", "its certificate's dates can't be judged: this box's clock is not set")
        fault = "name" if error.verify_code in (MISMATCH, BY_ADDRESS) else "certificate"
        return Outcome("down", f"the certificate is refused: {error.verify_message}", {"fault": fault})
    reason = (error.reason or str(error) or "no reason given").lower().replace("_", " ")
    return Outcome("down", f"the TLS handshake failed: {reason}", {"fault": "handshake"})
