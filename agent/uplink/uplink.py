"""One ``[[uplink]]``: it tries its urls, keeps a connection, and reports the journal over it. Knows no MQTT library."""

from __future__ import annotations

import asyncio
import logging
import random
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from agent import RELEASED, labels
from agent.clock import Clock, unix_s
from agent.journal.entry import Entry, Journal
from agent.payloads import Receipt
from agent.readings import Plain, Reading
from agent.site import schema
from agent.uplink import ranges as r
from agent.uplink.backoff import Backoff, Outcome, Version, Ways
from agent.uplink.certificates import Certificates
from agent.uplink.flow import Counts, Flow
from agent.uplink.inlet import Inlet
from agent.uplink.messages import Message, Messages
from agent.uplink.session import RECEIPTS, Session
from agent.uplink.standby import Standby
from agent.uplink.way import Secrets

log = logging.getLogger("dialtone.uplink")

REACH_S = 25.0  # name look-up, TCP and TLS together
CLOSE_S = 1.0
TICK_S = 1.0
NOT_NEEDED = "a preferred way is up again"
SESSIONS_A_BOOT = 1 << 20


@dataclass(frozen=True, slots=True)
class Accepted:
    """What CONNACK says: Receive Maximum and, where the server has one, Maximum Packet Size (MQTT 5, 3.2.2.3)."""

    receive_maximum: int
    largest_bytes: int | None


class Refused(Exception):
    """No connection: how the attempt ended, and why in plain words."""

    def __init__(self, outcome: Outcome, why: str) -> None:
        super().__init__(why)
        self.outcome: Outcome = outcome


class Connecting(Protocol):
    """What an uplink asks of a connection; ``mqtt.Connection`` is the real one."""

    sent: asyncio.Future[None]
    opened: asyncio.Future[Accepted]
    ended: asyncio.Future[str]
    granted: asyncio.Future[tuple[str, ...]]
    over: asyncio.Future[None]
    certificates: dict[str, bytes]

    def start(self) -> None: ...
    def publish(self, token: int, message: Message) -> None: ...
    def disconnect(self) -> None: ...
    def cut(self, why: str) -> None: ...


Connector = Callable[
    [
        schema.Uplink,
        Secrets,
        str,
        Version,
        str,
        Message,
        Callable[[Sequence[tuple[int, int]]], None],
        Inlet | None,
        float | None,
    ],
    Connecting,
]


class Uplink:
    """Reports the journal to a broker of its list. All methods are the loop thread's."""

    connection: Connector

    def __init__(
        self,
        config: schema.Uplink,
        site: schema.Site,
        journal: Journal,
        secrets: Secrets,
        post: Callable[[Reading], None],
        clock: Clock,
        health: Callable[[], Mapping[str, Any]],
        rng: random.Random,
        calls: Callable[[], Mapping[str, Any] | None] = lambda: None,
        inlet: Inlet | None = None,
        circuits: Mapping[str, str] | None = None,
    ) -> None:
        self.id = config.id
        self._floor_s = unix_s(RELEASED)  # UTC; it is later than this, whatever a box without a clock begins with
        self._config, self._journal, self._secrets = config, journal, secrets
        self._post, self._clock, self._health = post, clock, health
        self._client_id = f"dialtone-{site.id}-{site.probe}-{config.id}"
        self._messages = Messages(site, config.id, circuits)
        self._rng = rng
        self._calls, self._inlet = calls, inlet
        self._backoff = Backoff(rng.random)
        self._ways = Ways(config.urls)
        self._flow: Flow | None = None
        self._counts = Counts()
        self._session: Session | None = None
        self._number = 0
        self._last: Connecting | None = None
        self._attempts = 0
        self._attempt = 0  # since the last connection
        self._connects = 0
        self._version: Version | None = None
        self._last_error: str | None = None
        self._stable = False  # whether the connection that has just ended was
        self._standby = Standby(config.standby_s)
        self.progress: Callable[[], None] = lambda: None
        self._certificates = Certificates(config.id)
        self._others: Sequence[Uplink] = ()
        self._preferred: Sequence[Uplink] = ()

    # -- what others call --------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Report until cancelled; then says goodbye, 2 s at most."""
        ranges = r.upto(await self._journal.ranges(self.id), self._journal.head)
        receipts = r.upto(await self._journal.ranges(self.id + RECEIPTS), self._journal.head)
        self._floor_s = max(self._floor_s, await self._newest_s())
        self._flow = Flow(ranges, self._counts, receipts=receipts, by_receipts=bool(receipts))
        while True:
            while not self._wanted():
                self.progress()
                await asyncio.sleep(TICK_S)
            self.progress()
            again_at_once = await self._try()
            if not again_at_once:
                await asyncio.sleep(self._wait_s())

    async def _newest_s(self) -> float:
        try:
            return await labels.newest_s(self._journal)
        except Exception as error:
            log.error("%s: the journal can't be read: %s: %s", self.id, type(error).__name__, error)
            return 0.0

    def beside(self, uplinks: Sequence[Uplink]) -> None:
        """All ways out of this box in order of preference, this one among them; before ``run``."""
        self._others = [uplink for uplink in uplinks if uplink is not self]
        self._preferred = uplinks[: list(uplinks).index(self)]

    @property
    def connected(self) -> bool:
        """Whether it reports now."""
        return self._session is not None

    def committed(self, entries: Sequence[Entry]) -> None:
        """The journal has these on disk. Where there is no connection the journal keeps them for the next one."""
        if self._session is not None:
            self._session.committed(entries)

    def say(self, message: Message) -> bool:
        """Send a message that is no entry's, where there is a connection; whether it was handed over."""
        return self._session is not None and self._session.say(message)

    def receipted(self, receipt: Receipt, *, mine: bool) -> None:
        """A receiver says what it has stored; ``mine``: it said so over this uplink."""
        if self._flow is not None and receipt.store == self._journal.store_id:
            self._flow.receipted(receipt.ranges, self._journal.head, mine=mine)
            if self._session is not None:
                self._session.receipted()

    def report_now(self) -> None:
        """Say again how the box is and what stands."""
        if self._session is not None:
            self._session.report_now()

    def status(self) -> dict[str, Any]:
        """How it stands, for ``status --json``."""
        flow = self._flow
        return {
            "id": self.id,
            "url": self._ways.url,
            "connected": self.connected,
            "standby": not self._wanted(),
            "protocol": self._version if self._session is not None else None,
            "session": self._number,
            "inflight": flow.inflight if flow is not None else 0,
            "held": flow.held if flow is not None else 0,
            "backlog": flow.waiting(self._journal.head) if flow is not None else self._journal.head,
            "acknowledged": [list(pair) for pair in flow.ranges] if flow is not None else [],
            "stored": [list(pair) for pair in flow.receipts] if flow is not None else [],
            "connects": self._connects,
            "attempts": self._attempts,
            "last_error": self._last_error,
            **asdict(self._counts),
        }

    # -- one attempt -------------------------------------------------------------------------------------------------

    async def _try(self) -> bool:
        """One attempt and the connection it gives; True: try again at once, in the other version of MQTT."""
        self._attempts += 1
        self._attempt += 1
        if self._last is not None and not self._last.over.done():
            await asyncio.wait({self._last.over}, timeout=CLOSE_S)
            if not self._last.over.done():  # its thread; one uplink must not gather them
                self._failed("the last attempt still hangs, probably in the name look-up")
                return False
        self._last = None
        number = self._next_number()
        wall = self._clock.wall()
        will = self._messages.status("lost", number, self._journal.store_id, wall, "connection lost")
        connection = self.connection(
            self._config,
            self._secrets,
            self._ways.url,
            self._ways.version,
            self._client_id,
            will,
            self._answered,
            self._inlet,
            None if wall.synced or unix_s(wall.utc) >= self._floor_s else self._floor_s,
        )
        connection.start()
        try:
            accepted = await self._opened(connection)
        except Refused as refused:
            self._certificates.seen(connection.certificates)
            self.each_minute()
            connection.cut(str(refused))
            self._last = connection
            again = self._ways.ended(refused.outcome)
            self._failed(str(refused), told=not again)
            return again
        except asyncio.CancelledError:
            connection.cut("stopped")
            raise
        self._certificates.seen(connection.certificates)
        self._version = self._ways.version
        self._ways.ended("accepted")
        self._number = number
        await self._report(connection, accepted)
        return False

    def _next_number(self) -> int:
        """Rises with each attempt, since a will may outlive a CONNACK that never came."""
        return max(self._number + 1, self._journal.boot * SESSIONS_A_BOOT + min(self._attempts, SESSIONS_A_BOOT - 1))

    async def _opened(self, connection: Connecting) -> Accepted:
        """The server's CONNACK. Raises Refused, for a missed deadline too."""
        await asyncio.wait({connection.sent}, timeout=REACH_S)
        if not connection.sent.done():
            raise Refused("failed", f"could not be reached within {REACH_S:g} s")
        connack_s = self._ways.connack_s
        await asyncio.wait({connection.opened}, timeout=connack_s)
        if not connection.opened.done():
            raise Refused("silent", f"no CONNACK within {connack_s:g} s")
        return connection.opened.result()

    async def _report(self, connection: Connecting, accepted: Accepted) -> None:
        """Report over a connection until it ends."""
        assert self._flow is not None
        began_ns = self._clock.now_ns()
        self._connects += 1
        self._attempt = 0
        session = Session(
            self._number,
            self._flow,
            connection,
            self._messages,
            self._journal,
            self.id,
            self._post,
            self._clock,
            self._health,
            accepted.largest_bytes,
            self._calls,
            self._inlet,
            self,
            zlib.crc32(self._client_id.encode()) / 2**32,
        )
        for other in self._others:  # any one way's acknowledgement counts; a receiver knows repeats by their ids
            if other._flow is not None:
                self._flow.elsewhere(other._flow.ranges)
        self._session = session
        detail: dict[str, Plain] = {"url": self._ways.url, "protocol": self._version, "session": self._number}
        self._post(Reading(self.id, "uplink", "probe-ok", "", "up", began_ns, detail))
        log.info("%s: connected to %s, MQTT %s", self.id, self._ways.url, self._version)
        why = "the agent failed"
        try:
            why = await session.run(accepted.receive_maximum)
            if why == NOT_NEEDED:
                await self._goodbye(session, connection, why)
        except asyncio.CancelledError:
            why = "stopped"
            await self._goodbye(session, connection, why)
            raise
        finally:
            self._session = None
            connection.cut(why)
            session.close()
            self._last = connection
        self._stable = self._backoff.lasted(self._clock.now_ns() - began_ns)
        self._failed(why)

    async def _goodbye(self, session: Session, connection: Connecting, why: str) -> None:
        """In order: the status first, so that the server keeps the will to itself."""
        if await session.farewell(why):
            connection.disconnect()
            await asyncio.wait({connection.ended}, timeout=CLOSE_S)

    # -- what the session asks each tick and each minute --------------------------------------------------------------

    def leave(self) -> str:
        """Why the connection is to be given up now; empty: it is not."""
        self.progress()
        return "" if self._wanted() else NOT_NEEDED

    def each_minute(self) -> None:
        """Tell what has changed of the certificates."""
        for reading in self._certificates.judge(self._clock.wall(), self._clock.now_ns()):
            self._post(reading)

    def _wanted(self) -> bool:
        return self._standby.wanted(any(one.connected for one in self._preferred), self._clock.now_ns())

    def _answered(self, answers: Sequence[tuple[int, int]]) -> None:
        if self._session is not None:
            self._session.answered(answers)

    def _failed(self, why: str, *, told: bool = True) -> None:
        self._last_error = why
        log.info("%s: %s: %s", self.id, self._ways.url, why)
        if told:
            detail: dict[str, Plain] = {"reason": why[:300], "attempt": self._attempt, "url": self._ways.url}
            self._post(Reading(self.id, "uplink", "probe-fail", "", "down", self._clock.now_ns(), detail))

    def _wait_s(self) -> float:
        """The next url's turn comes after a second at most; when all have failed the backoff grows."""
        if self._stable:
            self._stable = False
            self._ways.first()
            return self._backoff.after_failure_s()
        if self._ways.next():
            return self._backoff.after_failure_s()
        return max(0.05, self._rng.random())
