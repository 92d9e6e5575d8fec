"""Commands from the NOC, carried out once: on disk before they are done, answered when they are. A shell.

At most once: an id is in the journal before anything is done. A box that dies in between has not carried it out, and
says so to whoever sends the id again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from agent.clock import NS
from agent.effects import Reply
from agent.journal.entry import Entry
from agent.payloads import CommandReply
from agent.readings import Request
from agent.remote import ssh
from agent.remote.commands import COMMAND_MAX, Command, Once, Refused, known, read
from agent.remote.envelope import COMMAND, NotSigned, opened
from agent.site import schema
from agent.uplink.inlet import Inbound
from agent.uplink.topics import TOPIC_BYTES_MAX, Topics

COMMIT_S = 20.0
PER_MINUTE = 30
REPLY_VALID_S = 600


class Orders:
    """``say``: sends one message over an uplink. ``restart``, ``report``: what the shells do themselves."""

    def __init__(
        self,
        site: schema.SiteFile,
        taken: Sequence[str],
        ask: Callable[[Request], Reply],
        record: Callable[[str, Mapping[str, Any]], None],
        say: Callable[[str, str, bytes, bytes], None],
        signers: Callable[[], bytes],
        restart: Callable[[str], None],
        report: Callable[[], None],
        now_ns: Callable[[], int],
        now_utc_s: Callable[[], float],
        wall: Callable[[], tuple[str, bool]],
    ) -> None:
        self._site, self._ask, self._record, self._say = site, ask, record, say
        self._signers, self._restart, self._report = signers, restart, report
        self._now_ns, self._now_utc_s, self._wall = now_ns, now_utc_s, wall
        self._once = Once(taken)
        self._topics = Topics(site.site.id, site.site.probe)
        self._commits: dict[str, asyncio.Future[None]] = {}
        self._minute_ns, self._this_minute = 0, 0
        self.ignored = 0

    def committed(self, entries: Sequence[Entry]) -> None:
        """The journal has these on disk."""
        for entry in entries:
            waiting = self._commits.pop(entry.key, None) if entry.kind == "command" else None
            if waiting is not None and not waiting.done():
                waiting.set_result(None)

    async def heard(self, message: Inbound) -> None:
        """One message on ``cmd/NAME``."""
        name = message.topic.rsplit("/", 1)[-1]
        try:
            if message.retained:
                raise Refused("a command is never retained: it would come again with each connection")
            self._within_limit()
            command = await self._read(known(name, self._site.remote), message)
            if not self._once.take(command.id):
                self._answer(
                    message, name, command.id, error="this id came before; it is not carried out again", again=True
                )
                return
            await self._keep(command, message)
            result = self._do(command, message)
        except Refused as refused:
            self.ignored += 1
            self._record("command-refused", {"command": name[:32], "why": str(refused)[:300], "uplink": message.uplink})
            self._answer(message, name, refused.id, error=str(refused)[:300])
        else:
            self._answer(message, name, command.id, result=result)
            if command.name == "restart":
                self._restart(f"asked to by {command.by}")

    def _within_limit(self) -> None:
        now_ns = self._now_ns()
        if now_ns - self._minute_ns >= 60 * NS:
            self._minute_ns, self._this_minute = now_ns, 0
        self._this_minute += 1
        if self._this_minute > PER_MINUTE:
            raise Refused(f"more than {PER_MINUTE} commands within a minute")

    async def _read(self, name: str, message: Inbound) -> Command:
        signed = name in schema.SIGNED_COMMANDS
        if message.size > COMMAND_MAX * (2 if signed else 1):
            raise Refused(f"{message.size} bytes are too many")
        document, by = message.payload, ""
        if signed:
            try:
                document, signature = opened(message.payload)
                by = await asyncio.to_thread(ssh.verify, document, signature, COMMAND, self._signers())
            except (NotSigned, ssh.NoProgram, OSError) as error:
                raise Refused(f"{name} needs a signature: {error}") from None
        return read(document, name, by=by, site=self._site.site, now_utc_s=self._now_utc_s())

    async def _keep(self, command: Command, message: Inbound) -> None:
        """On disk before it is done."""
        kept: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._commits[command.id] = kept
        told = {"id": command.id, "command": command.name, "args": command.args, "by": command.by}
        self._record("command", {**told, "uplink": message.uplink})
        try:
            await asyncio.wait_for(kept, COMMIT_S)
        except TimeoutError:
            raise Refused("the journal can't keep it now, so it is not carried out", command.id) from None
        finally:
            self._commits.pop(command.id, None)

    def _do(self, command: Command, message: Inbound) -> dict[str, Any]:
        """Carry it out. Raises ``Refused`` where the core would not."""
        if command.name == "restart":
            return {"restarting": True}
        if command.name == "report":
            self._report()
            return {"reporting": True}
        do = "status" if command.name == "state" else command.do
        who = f"{command.by or 'the NOC'} over {message.uplink}"
        reply = self._ask(Request(f"mqtt-{command.id}", do, command.args, who, "mqtt"))
        if reply.error is not None or reply.result is None:
            raise Refused(reply.error or "the agent failed on it", command.id)
        if command.name == "state":
            return {name: reply.result[name] for name in ("alarms", "verdict", "duty", "mode") if name in reply.result}
        return dict(reply.result)

    def _answer(
        self,
        message: Inbound,
        name: str,
        id_: str | None,
        *,
        result: dict[str, Any] | None = None,
        error: str | None = None,
        again: bool = False,
    ) -> None:
        at, synced = self._wall()
        told = CommandReply(
            command=name[:32],
            id=id_,
            ok=error is None,
            at=at,
            synced=synced,
            result=result,
            error=error,
            repeated=again,
        )
        payload = msgspec.json.encode(told)
        self._say(message.uplink, self._topics.reply(name), payload, message.correlation)
        if self._may_answer(message.reply_to):
            self._say(message.uplink, message.reply_to, payload, message.correlation)

    def _may_answer(self, topic: str) -> bool:
        """A response topic is the sender's choice; it can't be used to speak in our own name."""
        if not topic or len(topic.encode()) > TOPIC_BYTES_MAX or topic.startswith("$"):
            return False
        return not any(sign in topic for sign in "+#\0") and not topic.startswith(self._topics.base)
