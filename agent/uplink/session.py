"""One connection's life after CONNACK: the flow's messages go out, its answers come in. Knows no MQTT library."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from agent.clock import NS, Clock
from agent.journal.entry import Entry, Journal
from agent.readings import Plain, Reading
from agent.uplink import ranges as r
from agent.uplink.flow import Flow, Received, Send, SetAside
from agent.uplink.inlet import Inlet
from agent.uplink.messages import Message, Messages

log = logging.getLogger("dialtone.uplink")

TICK_S = 1.0
HEALTH_S = 60.0
STALLED_S = 30.0
TOO_LARGE = 0x95  # MQTT 5: packet too large; what is over the server's limit is never sent, only counted as refused
HEADROOM = 64  # fixed header, packet id and properties, beside topic and payload
FAREWELL_S = 2.0
UNSTORED_MAX = 256
RECEIPT_S = 2.0  # so long the backlog of a new connection waits for a receiver to say what it has
RECEIPTS = ".receipts"
"""Behind an uplink's name: what a receiver has stored is kept beside what its server has acknowledged."""


class Wire(Protocol):
    """A connection that was accepted."""

    ended: asyncio.Future[str]
    granted: asyncio.Future[tuple[str, ...]]

    def publish(self, token: int, message: Message) -> None:
        """Hand a message over; what can't be handed over ends the connection. Token 0: no answer is wanted."""


class Keeper(Protocol):
    """Whose connection it is."""

    def leave(self) -> str:
        """Why it is to be given up now; empty: it is not."""

    def each_minute(self) -> None:
        """A minute has passed."""


class Session:
    """``run`` it until the connection ends; ``committed`` and ``answered`` are called in the loop's thread.

    ``spread``: this site's place among all, 0 to 1; the second heartbeat comes after 60 s less half of that.
    """

    def __init__(
        self,
        number: int,
        flow: Flow,
        wire: Wire,
        messages: Messages,
        journal: Journal,
        uplink: str,
        post: Callable[[Reading], None],
        clock: Clock,
        health: Callable[[], Mapping[str, Any]],
        largest_bytes: int | None,
        calls: Callable[[], Mapping[str, Any] | None] = lambda: None,
        inlet: Inlet | None = None,
        keeper: Keeper | None = None,
        spread: float = 0.0,
    ) -> None:
        self.number = number
        self._keeper = keeper
        self._calls, self._inlet = calls, inlet
        self._flow, self._wire, self._messages, self._journal = flow, wire, messages, journal
        self._uplink, self._post, self._clock, self._health = uplink, post, clock, health
        self._largest_bytes = largest_bytes
        self._feeding: asyncio.Task[None] | None = None
        self._snapshot_read = False
        self._refusing = False
        self._said = ("up", "")
        self._health_ns = 0
        # Sites that connected in one second, after their broker's restart, must not all speak in one second ever after.
        self._next_s = HEALTH_S * (1.0 - spread / 2)
        self._granted_told = False
        self._unstored: deque[Received] = deque(maxlen=UNSTORED_MAX)  # alarms that no receiver has told of yet

    # -- its life ----------------------------------------------------------------------------------------------------

    async def run(self, receive_maximum: int) -> str:
        """Birth, then everything that waits; returns why the connection ended."""
        self._flow.connected(self._journal.head, receive_maximum)
        if self._inlet is not None:
            self._flow.backlog_from_ns = self._clock.now_ns() + int(RECEIPT_S * NS)
        try:
            while True:
                now_ns = self._clock.now_ns()
                if now_ns >= self._health_ns:
                    self._health_ns, self._next_s = now_ns + int(self._next_s * NS), HEALTH_S
                    self._flow.status()
                    self._pump()
                    self._send_health()
                    self._send_calls()
                    if self._keeper is not None:
                        self._keeper.each_minute()
                self._pump()
                self._tell_granted()
                self.save()
                oldest_ns = self._flow.oldest_ns
                if oldest_ns is not None and now_ns - oldest_ns > STALLED_S * NS:
                    return f"the server has not answered for {STALLED_S:g} s"
                await self._rest()
                if self._wire.ended.done():
                    return self._wire.ended.result()
                if self._keeper is not None and (why := self._keeper.leave()):
                    return why
        finally:
            if self._feeding is not None:
                self._feeding.cancel()

    async def _rest(self) -> None:
        """A tick, or until the connection ends or the server says what it lets us hear."""
        awaited: set[asyncio.Future[Any]] = {self._wire.ended}
        if self._inlet is not None and not self._granted_told:
            awaited.add(self._wire.granted)
        await asyncio.wait(awaited, timeout=TICK_S, return_when=asyncio.FIRST_COMPLETED)

    async def farewell(self, why: str) -> bool:
        """Say that we go, and wait for the answer, 2 s at most; False where none came."""
        self._said = ("lost", why)
        self._flow.farewell()
        self._pump()
        until_ns = self._clock.now_ns() + int(FAREWELL_S * NS)
        while self._flow.farewell_taken is None and self._clock.now_ns() < until_ns and not self._wire.ended.done():
            await asyncio.wait({self._wire.ended}, timeout=0.02)
        return self._flow.farewell_taken is True

    def close(self) -> None:
        """The connection is over."""
        self._flow.disconnected()
        self.save()

    # -- what comes in -----------------------------------------------------------------------------------------------

    def committed(self, entries: Sequence[Entry]) -> None:
        """The journal has these on disk."""
        self._flow.committed(entries)
        self._pump()

    def answered(self, answers: Sequence[tuple[int, int]]) -> None:
        """The server's answers: token and reason code."""
        now_ns = self._clock.now_ns()
        for token, code in answers:
            for outcome in self._flow.answered(token, code, now_ns):
                if isinstance(outcome, Received):
                    self._received(outcome, now_ns)
                else:
                    self._set_aside(outcome, now_ns)
        if self._flow.refusing != self._refusing:
            self._refusing = not self._refusing
            reason = {"reason": "the server refuses our events"} if self._refusing else {}
            kind, state = ("probe-degraded", "degraded") if self._refusing else ("probe-ok", "up")
            self._post(Reading(self._uplink, "uplink", kind, "", state, now_ns, reason))  # type: ignore[arg-type]
        self._pump()

    def _received(self, outcome: Received, now_ns: int) -> None:
        entry = outcome.entry
        if entry.kind != "alarm":
            return
        if self._flow.by_receipts and not r.holds(self._flow.receipts, entry.seq):
            self._unstored.append(outcome)  # beyond the bound the oldest are forgotten: they count as unreceived
        else:
            self._tell_received(outcome, now_ns)

    def receipted(self) -> None:
        """A receiver has said what it has stored."""
        stored = [one for one in self._unstored if r.holds(self._flow.receipts, one.entry.seq)]
        for outcome in stored:
            self._unstored.remove(outcome)
            self._tell_received(outcome, self._clock.now_ns())
        self._pump()

    def _tell_received(self, outcome: Received, now_ns: int) -> None:
        entry = outcome.entry
        detail: dict[str, Plain] = {"received": entry.seq, "heard": outcome.heard}
        times = self._messages.times_raised(entry)
        if times is not None:
            detail["times_raised"] = times
        self._post(Reading(self._uplink, "uplink", "event", entry.key, "up", now_ns, detail))

    def _set_aside(self, outcome: SetAside, now_ns: int) -> None:
        about = outcome.entry.id if outcome.entry is not None else ""
        log.warning(
            "%s: the server will not take %s %s: reason 0x%02x", self._uplink, outcome.what, about, outcome.code
        )
        detail: dict[str, Plain] = {"set_aside": about, "what": outcome.what, "code": outcome.code}
        subject = outcome.entry.key if outcome.entry is not None else ""
        self._post(Reading(self._uplink, "uplink", "event", subject, None, now_ns, detail))

    # -- what goes out -----------------------------------------------------------------------------------------------

    def save(self) -> None:
        """Keep what is acknowledged, where it has changed."""
        if self._flow.dirty:
            self._flow.dirty = False
            self._journal.save_ranges(self._uplink, self._flow.ranges)
            if self._flow.receipts:
                self._journal.save_ranges(self._uplink + RECEIPTS, self._flow.receipts)

    def _pump(self) -> None:
        """Hand over all that may go now, and see that the next page is being read."""
        while not self._wire.ended.done():
            now_ns = self._clock.now_ns()
            send = self._flow.next_send(now_ns)
            if send is None:
                break
            message = self._message(send)
            if self._largest_bytes is not None and self._size(message) > self._largest_bytes:
                asyncio.get_running_loop().call_soon(self.answered, ((send.token, TOO_LARGE),))
            else:
                self._wire.publish(send.token, message)
        if self._feeding is None and not self._wire.ended.done() and (not self._snapshot_read or self._flow.hungry):
            self._feeding = asyncio.create_task(self._feed(), name=f"uplink {self._uplink} reads")

    def _message(self, send: Send) -> Message:
        if send.entry is None:
            state, why = self._said
            wall = self._clock.wall()
            return self._messages.status(
                "up" if state == "up" else "lost", self.number, self._journal.store_id, wall, why
            )
        return self._messages.state(send.entry) if send.what == "state" else self._messages.event(send.entry)

    @staticmethod
    def _size(message: Message) -> int:
        return len(message.topic) + len(message.payload) + HEADROOM

    def _send_health(self) -> None:
        """Never queued: on a connection that has not answered for long it is left out."""
        oldest_ns, now_ns = self._flow.oldest_ns, self._clock.now_ns()
        if self._wire.ended.done() or (oldest_ns is not None and now_ns - oldest_ns > STALLED_S / 2 * NS):
            return
        journal = self._journal
        try:
            box = self._health()
        except Exception:  # our bug elsewhere: the alarms must still go out
            log.exception("health can't be told")
            box = {"error": "health can't be told"}
        waiting = self._flow.waiting(journal.head)
        message = self._messages.health(
            box, self.number, journal.store_id, journal.boot, journal.head, waiting, self._clock.wall()
        )
        if self._largest_bytes is None or self._size(message) <= self._largest_bytes:
            self._wire.publish(0, message)

    def _send_calls(self) -> None:
        """Never queued either."""
        said = self._calls()
        if said is not None:
            self.say(self._messages.calls(said, self._journal.store_id, self._clock.wall()))

    def say(self, message: Message) -> bool:
        """Send a message that is no entry's: an answer. Whether it was handed over; nobody waits for its PUBACK."""
        if self._wire.ended.done() or (self._largest_bytes is not None and self._size(message) > self._largest_bytes):
            return False
        self._wire.publish(0, message)
        return True

    def report_now(self) -> None:
        """Say again how the box is and what stands."""
        self._flow.status()
        self._snapshot_read = False
        self._health_ns = 0
        self._pump()

    def _tell_granted(self) -> None:
        if self._inlet is not None and self._wire.granted.done() and not self._granted_told:
            self._granted_told = True
            self._inlet.granted(self._uplink, self.number, self._wire.granted.result())

    async def _feed(self) -> None:
        """Read what the flow wants from the journal, one page after the other; a failure is tried again next tick."""
        try:
            if not self._snapshot_read:
                for kind in ("config", "verdict", "alarm"):
                    self._flow.snapshot(await self._journal.latest(kind))
                self._snapshot_read = True
                self._later()
            while (read := self._flow.want_read()) is not None:
                try:
                    self._flow.page(read, await self._journal.read(read.after, read.upto, read.limit))
                except BaseException:
                    self._flow.failed(read)
                    raise
                self._later()
        except Exception as error:
            log.error("%s: the journal can't be read: %s: %s", self._uplink, type(error).__name__, error)
        finally:
            self._feeding = None

    def _later(self) -> None:
        with contextlib.suppress(RuntimeError):
            asyncio.get_running_loop().call_soon(self._pump)
