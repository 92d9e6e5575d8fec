"""The user of a check from the site file and the secrets it names."""

from __future__ import annotations

from agent.paths.snmp.usm import Credentials
from agent.site import schema
from agent.site.secrets import SecretStore

PASSWORD_LEAST = 8  # RFC 3414 section 11.2; agents refuse a shorter one


def credentials(check: schema.Snmp | schema.Traps, secrets: SecretStore) -> Credentials:
    """The user and its passwords. Raises SecretRefused."""
    return Credentials(
        (check.user or "").encode()[:32],
        check.authentication,
        _password(check.authentication_password, secrets),
        check.privacy,
        _password(check.privacy_password, secrets),
    )


def community(check: schema.Snmp | schema.Traps, secrets: SecretStore) -> bytes:
    """The community. Raises SecretRefused."""
    return _password(check.community, secrets)


def _password(name: str | None, secrets: SecretStore) -> bytes:
    return secrets.read(name) if name is not None else b""
