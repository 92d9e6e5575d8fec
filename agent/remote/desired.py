"""A site file that the NOC wishes for: ``config/desired``, judged against what runs here. Pure.

The document is JSON, signed as a whole. It is bound to this probe, to the file that runs now (``base``), to a version
that must rise and to a time; so neither an old one, nor one for another site, nor one that somebody wrote without
knowing of a change made here, can be brought back.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from agent.clock import unix_s
from agent.remote.local_only import mistakes
from agent.site import schema
from agent.site.load import SiteFileInvalid

ERRORS_MAX = 50
VERSION_MAX = (1 << 53) - 1
SHA256 = r"^[0-9a-f]{64}\Z"


class Document(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``v`` is 1. ``base``: SHA-256 of the file that runs now, in hex. ``not_after``: RFC 3339. ``file``: the whole new
    site file, TOML. ``dry_run``: judge it, tell, and change nothing."""

    v: Annotated[int, Meta(ge=1, le=1)]
    site: str
    probe: str
    version: Annotated[int, Meta(ge=1, le=VERSION_MAX)]
    base: Annotated[str, Meta(pattern=SHA256)]
    not_after: Annotated[str, Meta(max_length=40)]
    file: Annotated[str, Meta(min_length=1, max_length=200_000)]
    dry_run: bool = False


class Refused(Exception):
    """Not to be tried: ``errors`` are all the reasons, each a key and a sentence. Their mistake, never ours."""

    def __init__(self, errors: list[tuple[str, str]], version: int | None = None) -> None:
        super().__init__("; ".join(f"{key}: {why}" for key, why in errors[:3]))
        self.errors = tuple(errors[:ERRORS_MAX])
        self.version = version


@dataclass(frozen=True, slots=True)
class Running:
    """What runs now. ``sha256`` of its file's bytes; ``version`` the highest that was ever tried here."""

    file: schema.SiteFile
    sha256: str
    version: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file that may be tried. ``uplinks``: the ways out are others than now, so its trial is the longest."""

    version: int
    text: str
    sha256: str
    site: schema.SiteFile
    dry_run: bool
    uplinks: bool


Parse = Callable[[str], schema.SiteFile]


def sha256(data: bytes) -> str:
    """In hex, as ``base`` has it."""
    return hashlib.sha256(data).hexdigest()


def judge(document: bytes, running: Running, parse: Parse, now_utc_s: float) -> Wanted:
    """Whether what was signed may be tried here. Raises ``Refused`` with every reason.

    ``parse``: reads a site file with this machine's secrets and dialects, raising ``SiteFileInvalid``.
    """
    try:
        said = msgspec.json.decode(document, type=Document)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Refused([("document", str(error)[:200])]) from None
    errors = list(_bound(said, running, now_utc_s))
    site = None
    try:
        site = parse(said.file)
    except SiteFileInvalid as invalid:
        errors += [(f"{one.key} (line {one.line or 1})", one.message) for one in invalid.errors[:ERRORS_MAX]]
    if site is not None:
        errors += mistakes(running.file, site)
    if errors or site is None:
        raise Refused(errors, said.version)
    data = said.file.encode()
    return Wanted(said.version, said.file, sha256(data), site, said.dry_run, site.uplink != running.file.uplink)


def _bound(said: Document, running: Running, now_utc_s: float) -> list[tuple[str, str]]:
    site = running.file.site
    errors = []
    if (said.site, said.probe) != (site.id, site.probe):
        errors.append(("site", f"it is for {said.site[:32]}/{said.probe[:32]}; this is {site.id}/{site.probe}"))
    if said.version <= running.version:
        errors.append(("version", f"{said.version} does not rise over {running.version}"))
    if said.base != running.sha256:
        errors.append(("base", f"it was written for {said.base[:12]}…; what runs here is {running.sha256}"))
    try:
        late_s = now_utc_s - unix_s(said.not_after)
    except (ValueError, OverflowError):
        errors.append(("not_after", "must be a time as in RFC 3339"))
    else:
        if late_s >= 0:
            errors.append(("not_after", f"it ended {late_s:.0f} s ago by this box's clock"))
    return errors
