"""The desk at which everything from the NOC arrives: sorted by topic, taken one after the other, each to its own hand.

The way in is bounded: 32 messages wait at most, what does not fit is counted and told. Signatures are verified in a
thread, one at a time; nothing from afar holds up the loop that drives the lamps.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from agent import labels
from agent.clock import Clock, unix_s
from agent.effects import Reply
from agent.journal.entry import Entry, Journal
from agent.payloads import Receipt
from agent.readings import Reading, Request
from agent.remote import ssh
from agent.remote.applying import Applying, signers_of
from agent.remote.choice import Choice
from agent.remote.desired import Parse
from agent.remote.envelope import POOL, NotSigned, opened
from agent.remote.orders import Orders
from agent.remote.peers import NoWord, Peers
from agent.uplink.inlet import Inbound, Inlet
from agent.uplink.topics import Topics, pool

log = logging.getLogger("dialtone.remote")

WAITING_MAX = 32
TICK_S = 1.0


class Desk:
    """One run's desk. All methods are the loop thread's. ``record``: kind and payload into the journal."""

    def __init__(
        self,
        choice: Choice,
        parse: Parse,
        journal: Journal,
        clock: Clock,
        *,
        read_secret: Callable[[str], bytes],
        ask: Callable[[Request], Reply],
        post: Callable[[Reading], None],
        record: Callable[[str, Mapping[str, Any]], None],
        complain: Callable[[str | None], None],
        say: Callable[[str, str, bytes, bytes], None],
        receipt: Callable[[str, Receipt], None],
        report: Callable[[], None],
        restart: Callable[[str], None],
    ) -> None:
        site = self._site = choice.site
        self._journal, self._clock, self._post, self._record = journal, clock, post, record
        self._complain, self._receipt = complain, receipt
        self._signers = signers_of(site, read_secret)
        self._topics = Topics(site.site.id, site.site.probe)
        self._pools = {pool(share): share for share in site.site.shares}
        self._queue: asyncio.Queue[Inbound | tuple[str, int, tuple[str, ...]]] = asyncio.Queue(WAITING_MAX)
        self._floor_s = 0.0
        self._dropped = self._garbage = 0
        self.applying = Applying(
            choice,
            parse,
            self._signers,
            lambda told: record("config", told),
            complain,
            restart,
            clock.now_ns,
            self._now_utc_s,
        )
        self._made = (ask, say, report, restart)
        self._orders: Orders | None = None
        self._peers = Peers(site.site.shares) if site.site.shares else None
        self._begun = False

    @property
    def inlet(self) -> Inlet:
        """What the uplinks subscribe to."""
        remote = self._site.remote
        topics = [self._topics.receipt, *self._pools]
        topics += [self._topics.desired] if remote.config else []
        topics += [self._topics.commands] if remote.commands else []
        return Inlet(tuple(topics), self._put, lambda *granted: self._put(granted))

    def status(self) -> dict[str, Any]:
        """For ``status``: which site file runs, and what could not be taken."""
        return {**self.applying.facts, "dropped": self._dropped, "garbage": self._garbage}

    def committed(self, entries: Sequence[Entry]) -> None:
        """The journal has these on disk."""
        if self._orders is not None:
            self._orders.committed(entries)

    # -- its life ----------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Until cancelled."""
        if not self._begun:
            await self._begin()
        while True:
            with contextlib.suppress(TimeoutError):
                await self._take(await asyncio.wait_for(self._queue.get(), TICK_S))
            await self.applying.tick()
            if self._peers is not None and (reading := self._peers.tick(self._clock.now_ns())) is not None:
                self._post(reading)

    async def _begin(self) -> None:
        """What the journal remembers: the commands that were taken, the highest version, the time."""
        journal = self._journal
        taken = [entry.key for entry in await journal.latest("command")]
        version = 0
        for entry in await journal.latest("config"):
            with contextlib.suppress(msgspec.MsgspecError, ValueError, TypeError, AttributeError):
                version = max(version, int(msgspec.json.decode(entry.payload or b"").get("version", 0)))
        self._floor_s = await labels.newest_s(journal)
        ask, say, report, restart = self._made
        clock = self._clock
        self._orders = Orders(
            self._site,
            taken,
            ask,
            self._record,
            say,
            self._signers,
            restart,
            report,
            clock.now_ns,
            self._now_utc_s,
            lambda: (clock.wall().utc, clock.wall().synced),
        )
        self._begun = True
        self.applying.begin(version)

    def _now_utc_s(self) -> float:
        """The wall clock; where nobody keeps it, no earlier than what the journal last wrote by one that was kept."""
        wall = self._clock.wall()
        return unix_s(wall.utc) if wall.synced else max(unix_s(wall.utc), self._floor_s)

    def _put(self, item: Inbound | tuple[str, int, tuple[str, ...]]) -> None:
        try:
            self._queue.put_nowait(item)
        except asyncio.QueueFull:
            self._dropped += 1
            if self._dropped & (self._dropped - 1) == 0:  # told at 1, 2, 4, 8 …: a flood must not fill the journal
                self._record("remote-dropped", {"dropped": self._dropped})

    # -- one thing at a time -----------------------------------------------------------------------------------------

    async def _take(self, item: Inbound | tuple[str, int, tuple[str, ...]]) -> None:
        if isinstance(item, tuple):
            uplink, _, refused = item
            if refused:
                log.warning("%s: the server does not let us hear %s", uplink, ", ".join(refused))
            await self.applying.granted(self._topics.desired not in refused)
        elif item.topic == self._topics.desired:
            await self.applying.heard(item)
        elif item.topic == self._topics.receipt:
            self._receipted(item)
        elif item.topic in self._pools:
            await self._pooled(item)
        elif self._orders is not None:
            await self._orders.heard(item)

    def _receipted(self, item: Inbound) -> None:
        try:
            self._receipt(item.uplink, msgspec.json.decode(item.payload, type=Receipt))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            self._strange(item, str(error))

    async def _pooled(self, item: Inbound) -> None:
        if self._peers is None or not item.size:
            return
        try:
            document, signature = opened(item.payload)
            await asyncio.to_thread(ssh.verify, document, signature, POOL, self._signers())
            share = self._pools[item.topic]
            reading = self._peers.heard(document, share, self._clock.now_ns(), self._now_utc_s())
        except (NotSigned, NoWord, ssh.NoProgram, OSError) as error:
            self._strange(item, str(error))
        else:
            if reading is not None:
                self._post(reading)

    def _strange(self, item: Inbound, why: str) -> None:
        """Their garbage: counted, and told now and then."""
        self._garbage += 1
        if self._garbage & (self._garbage - 1) == 0:
            told = {"topic": item.topic[:200], "why": why[:200], "count": self._garbage, "uplink": item.uplink}
            self._record("garbage", told)
