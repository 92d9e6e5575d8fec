"""The site file as every command reads it: also what only a dialect, or a vendor's profile, knows of a mistake."""

from __future__ import annotations

from pathlib import Path

from agent.site import schema
from agent.site.load import load
from agent.site.load import parse as parse_text
from agent.site.load import text as read_text
from agent.site.secrets import SecretStore
from agent.site.walk import Key


def read(path: Path) -> schema.SiteFile:
    """The site file at ``path``. Raises ``SiteFileInvalid`` with all its mistakes."""
    from agent.lines.dialects import refusal

    return load(path, refusal, unusable)


def text(path: Path) -> str:
    """The site file's own words. Raises ``SiteFileInvalid`` where it can't be read."""
    return read_text(path)


def parse(words: str) -> schema.SiteFile:
    """The same of a text that stands in no file, with this machine's secrets. Raises ``SiteFileInvalid``."""
    from agent.lines.dialects import refusal

    return parse_text(words, secrets=SecretStore.of, refusal=refusal, unusable=unusable)


def unusable(check: schema.Check) -> tuple[Key, str] | None:
    """Why a check's own settings cannot work, and at which of its keys; None where they can."""
    if not isinstance(check, schema.Snmp | schema.Traps):
        return None
    from agent.paths.snmp.profile import ProfileInvalid
    from agent.paths.snmp.profile import load as load_profile

    for number, name in enumerate(check.profiles):
        try:
            load_profile(name)
        except ProfileInvalid as error:
            return ("profiles", number), str(error)
    return None
