"""A site file from afar, from its arrival to its end: verified, judged, tried, kept or taken back. A shell of its own.

Pure are ``desired.py`` (may it be tried), ``trial.py`` (what follows) and ``local_only.py``; here are the clock, the
disk and ssh-keygen. Whatever happens, ``config/reported`` tells which file runs.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from agent.clock import NS
from agent.payloads import Mistake, Reported
from agent.remote import ssh
from agent.remote.choice import Choice
from agent.remote.desired import Parse, Refused, Running, Wanted, judge, sha256
from agent.remote.envelope import CONFIG, NotSigned, opened
from agent.remote.trial import Event, step
from agent.remote.vault import Kept, Vault
from agent.site import schema
from agent.uplink.inlet import Inbound

log = logging.getLogger("dialtone.remote")


class Applying:
    """One run's part of it. ``restart``: begins the next run, with whatever file counts then."""

    def __init__(
        self,
        choice: Choice,
        parse: Parse,
        signers: Callable[[], bytes],
        record: Callable[[Mapping[str, Any]], None],
        complain: Callable[[str | None], None],
        restart: Callable[[str], None],
        now_ns: Callable[[], int],
        now_utc_s: Callable[[], float],
    ) -> None:
        self._choice, self._kept, self._parse, self._signers = choice, choice.kept, parse, signers
        self._record, self._complain, self._restart = record, complain, restart
        self._now_ns, self._now_utc_s = now_ns, now_utc_s
        self._vault = Vault(Path(choice.site.journal.directory))
        self._version = choice.kept.version
        self._rejected = ""  # the document that was last refused; a retained one comes again with each connection
        self._reached = self._heard_again = False
        self._held: Inbound | None = None
        self._restarting = False
        self._until_ns = now_ns() + choice.site.remote.trial_s * NS if choice.kept.state == "trial" else None

    @property
    def facts(self) -> dict[str, Any]:
        """For ``status`` and ``health``."""
        return {"state": self._kept.state, "running": self._choice.sha256, "version": self._version}

    def begin(self, version: int) -> None:
        """The run begins. ``version``: the highest that the journal knows of, should the vault be lost."""
        self._version = max(self._version, version)
        kept = self._kept
        self._tell(kept.state, offered=kept.version or None, signer=kept.signer, why=kept.why)
        problem = self._choice.problem
        if problem is None and kept.state == "rolled-back":
            problem = f"version {kept.version} was taken back: {kept.why or 'it reached nobody'}"
        self._complain(problem)

    # -- what comes in -----------------------------------------------------------------------------------------------

    async def granted(self, desired: bool) -> None:
        """A connection of this run is up. ``desired``: the server lets us hear what is wished for."""
        self._reached = self._reached or desired
        await self._perhaps_keep()

    async def heard(self, message: Inbound) -> None:
        """What is wished for, maybe for the hundredth time."""
        if not message.payload and not message.size:
            return  # nothing is wished for any longer
        try:
            if not message.payload:
                raise NotSigned(f"{message.size} bytes are too many")
            document, signature = opened(message.payload)
        except NotSigned as garbage:
            self._refuse(sha256(message.payload), [("message", str(garbage))])
            return
        digest = sha256(document)
        if digest == self._kept.digest:
            self._heard_again = True
            await self._perhaps_keep()
        elif digest == self._rejected or self._restarting:
            return
        elif self._until_ns is not None:
            self._held = message  # judged when this trial is over
        else:
            await self._judge(document, signature, digest)

    async def tick(self) -> None:
        """The trial's end by time."""
        if self._until_ns is None or self._now_ns() < self._until_ns:
            return
        heard = "" if not self._reached else ": a way out is up, but what is wished for was not heard over it"
        why = f"no new connection within {self._choice.site.remote.trial_s} s{heard}"
        await self._move("timed-out", why)
        self._until_ns = None
        self._go(f"version {self._kept.version} is taken back: {why}")

    # -- judging and trying ------------------------------------------------------------------------------------------

    async def _judge(self, document: bytes, signature: bytes, digest: str) -> None:
        running = Running(self._choice.site, self._choice.sha256, self._version)
        try:
            signer = await asyncio.to_thread(ssh.verify, document, signature, CONFIG, self._signers())
            wanted = await asyncio.to_thread(judge, document, running, self._parse, self._now_utc_s())
        except (NotSigned, ssh.NoProgram, OSError) as error:
            self._refuse(digest, [("signature", str(error)[:300])])
        except Refused as refused:
            self._refuse(digest, list(refused.errors), refused.version)
        else:
            if wanted.dry_run:
                self._rejected = digest
                self._tell("dry-run", offered=wanted.version, signer=signer, why=f"{wanted.sha256} could be tried")
            else:
                await self._try(wanted, signer, digest)

    async def _try(self, wanted: Wanted, signer: str, digest: str) -> None:
        before = self._kept
        state, _ = step(before.state, "offered")
        kept = Kept(
            state=state,
            version=wanted.version,
            digest=digest,
            local=self._choice.local_sha256,
            new=wanted.sha256,
            previous=before.new if before.state == "applied" else before.previous,
            uplinks=wanted.uplinks,
            signer=signer[:200],
        )
        try:
            await asyncio.to_thread(self._vault.put, wanted.text)
            await asyncio.to_thread(self._vault.save, kept)
        except OSError as error:
            self._refuse(digest, [("disk", f"it can't be kept here: {error.strerror or error}")], wanted.version)
            return
        self._kept, self._version = kept, wanted.version
        self._go(f"version {wanted.version}, signed by {signer[:100]}, is tried")

    async def _perhaps_keep(self) -> None:
        if self._until_ns is None or not self._reached or (self._kept.uplinks and not self._heard_again):
            return
        self._until_ns = None
        await self._move("reached", "")
        self._complain(None)
        held, self._held = self._held, None
        if held is not None:
            await self.heard(held)

    async def _move(self, event: Event, why: str) -> None:
        state, _ = step(self._kept.state, event)
        self._kept = msgspec.structs.replace(self._kept, state=state, why=why)
        try:
            await asyncio.to_thread(self._vault.save, self._kept)
        except OSError as error:
            # On disk it is still on trial: at the next starts it is tried again, and in the end taken back.
            self._complain(f"that version {self._kept.version} is {state} can't be kept: {error.strerror or error}")
        self._tell(state, offered=self._kept.version, signer=self._kept.signer, why=why)

    def _go(self, why: str) -> None:
        self._restarting = True
        log.info("%s", why)
        self._restart(why)

    def _refuse(self, digest: str, errors: list[tuple[str, str]], version: int | None = None) -> None:
        if digest == self._rejected:
            return
        self._rejected = digest
        log.warning("a site file from afar is refused: %s", "; ".join(f"{key}: {why}" for key, why in errors[:3]))
        self._tell("rejected", offered=version, errors=errors)
        self._complain(f"a site file from afar is refused: {errors[0][0]}: {errors[0][1]}"[:300])

    def _tell(self, state: str, *, errors: list[tuple[str, str]] | None = None, **more: Any) -> None:
        trial_s = self._choice.site.remote.trial_s if state == "trial" else None
        local = self._choice.sha256 == self._choice.local_sha256
        told = Reported(
            state=state,  # type: ignore[arg-type]  # the table's states, and two more
            running=self._choice.sha256,
            source="local" if local else "remote",
            version=self._version,
            errors=tuple(Mistake(key[:120], why[:300]) for key, why in errors or ()),
            tried_s=trial_s,
            **more,
        )
        self._record(msgspec.to_builtins(told))


def signers_of(site: schema.SiteFile, read: Callable[[str], bytes]) -> Callable[[], bytes]:
    """Reads who may sign, each time anew: a key that was taken out is worth nothing at once."""

    def signers() -> bytes:
        name = site.remote.allowed_signers
        if name is None:
            raise NotSigned("this site has no allowed_signers: nobody may sign")
        return read(name)

    return signers
