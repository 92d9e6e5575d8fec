"""Which site file runs: the local one, or one from afar that was tried and proved. Asked at each start of the agent."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec

from agent.remote.desired import Parse, sha256
from agent.remote.trial import TRIES_MAX, Event, step
from agent.remote.vault import Kept, Vault, VaultDamaged
from agent.site import schema
from agent.site.load import SiteFileInvalid


@dataclass(frozen=True, slots=True)
class Choice:
    """The file that runs. ``local_sha256``: of the file on this machine, whichever runs. ``problem``: what went wrong
    with what was kept, None where nothing did."""

    site: schema.SiteFile
    sha256: str
    local_sha256: str
    kept: Kept
    problem: str | None = None


def choose(local: str, parse: Parse, directory: Path | None = None) -> Choice:
    """What is to run now. ``local``: the local file's text. ``directory``: the journal's; None: as the file says.

    Raises ``SiteFileInvalid`` where the local file is wrong: a person has just written it, and must be told.
    """
    local_site, local_sha256 = parse(local), sha256(local.encode())
    plain = Choice(local_site, local_sha256, local_sha256, Kept(local=local_sha256))
    if not local_site.remote.config:
        return plain
    vault = Vault(directory or Path(local_site.journal.directory))
    try:
        kept = vault.load()
    except VaultDamaged as damage:
        return Choice(local_site, local_sha256, local_sha256, plain.kept, f"what was kept from afar is lost: {damage}")
    if kept.local not in ("", local_sha256):
        state, _ = step(kept.state, "edited")
        why = "" if kept.state == "local" else "the local file was changed"
        kept = msgspec.structs.replace(
            kept, state=state, local=local_sha256, new=None, previous=None, tries=0, why=why, digest=""
        )
        return Choice(local_site, local_sha256, local_sha256, kept, _saved(vault, kept))
    return _kept(vault, msgspec.structs.replace(kept, local=local_sha256), parse, plain)


def _kept(vault: Vault, before: Kept, parse: Parse, plain: Choice) -> Choice:
    event: Event = "started"
    kept, problem = before, None
    if kept.state == "trial":
        kept = msgspec.structs.replace(kept, tries=kept.tries + 1)
        event = "started-too-often" if kept.tries > TRIES_MAX else "started"
    for _ in range(3):  # the new one, the one before, the local one
        state, runs = step(kept.state, event)
        if event == "started-too-often":
            kept = msgspec.structs.replace(kept, why=f"the agent started {TRIES_MAX} times and reached nobody")
        kept = msgspec.structs.replace(kept, state=state)
        name = {"new": kept.new, "previous": kept.previous, "local": None}[runs]
        try:
            site = plain.site if name is None else parse(vault.get(name))
        except (VaultDamaged, SiteFileInvalid) as unusable:
            problem, event = f"a kept site file can't be used: {unusable}", "unusable"
            kept = msgspec.structs.replace(kept, why=problem[:200])
            continue
        not_saved = _saved(vault, kept) if kept != before else None
        return Choice(site, name or plain.sha256, plain.local_sha256, kept, problem or not_saved)
    return Choice(plain.site, plain.sha256, plain.local_sha256, kept, problem)


def _saved(vault: Vault, kept: Kept) -> str | None:
    try:
        vault.save(kept)
    except OSError as error:
        return f"which site file runs can't be kept: {error.strerror or error}"
    return None
