"""The serial shell: opens a line's port, hands its bytes to the parser, and tells when the port or the line is lost.

A port that vanishes is closed at once and tried again, by its path, after 0.5 s to 10 s. While nothing can be heard,
nothing is claimed: a silent line is told only of a port that is open. A port may be lent to a technician
(``release``): it is let go of, left alone, and taken back by itself.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Iterable
from typing import Any

from agent.callers import Callers
from agent.clock import NS, Clock
from agent.lines.exchange import ByteExchange, Exchange
from agent.lines.wire import Lost, Wire, in_thread
from agent.readings import Kind, Plain, Reading, State
from agent.site.line import ContactsLine, Line

log = logging.getLogger("dialtone")
TICK_S = 1.0
BACKOFF_MIN_S, BACKOFF_MAX_S = 0.5, 10.0
STABLE_S = 10.0  # a port that stayed open so long is tried again soon when it is lost
ERRORS_EVERY_S = 5.0
HEARTBEATS_MISSED = 3
RING_BYTES = 65_536
RING_SLACK = 16_384  # cut back only so often: it copies
RELEASE_MAX_MIN = 480.0
LENT = Lost("lent to a technician", None)
Tap = Callable[[bytes, int], None]


class Port:
    """One line of the site file. ``post`` is called in the loop's thread; ``progress`` at least every 2 s.

    ``tap`` is given every chunk with its monotonic time; one that raises is taken off and ``status`` says so.
    ``password``: what a TL1 session's secret holds. Raises ``DialectRefused`` where the line's own settings can't work.
    """

    def __init__(
        self,
        line: Line,
        post: Callable[[Reading], None],
        clock: Clock,
        *,
        callers: Callers,
        password: str | None = None,
        tap: Tap | None = None,
        progress: Callable[[], None] | None = None,
    ) -> None:
        self.line_id = line.id
        self.tap = tap
        self._line, self._post, self._clock = line, post, clock
        self._progress = progress or (lambda: None)
        self._exchange = self._exchange_of(line, callers, password)
        self._up = False
        self._told: Lost | None = None
        self._opens = self._failures = self._bytes = 0
        self._last_byte_ns: int | None = None
        self._heard_ns = 0  # the last byte, or the port's opening if that is later
        self._silent = False
        self._errors: dict[str, int] | None = None
        self._error_sums: dict[str, int] = {}
        self._errors_due_ns = 0
        self._ring = bytearray()
        self._tap_fault: str | None = None
        self._lent_until_ns: int | None = None
        self._stir = asyncio.Event()
        self._opening: asyncio.Future[Wire] | None = None
        self._wire: Wire | None = None
        self._ended: asyncio.Future[Lost] | None = None

    def _exchange_of(self, line: Line, callers: Callers, password: str | None) -> Exchange:
        if isinstance(line, ContactsLine):
            from agent.lines.contacts import Contacts
            from agent.lines.pins import PinExchange

            return PinExchange(Contacts(line), line, self._post_all, self._clock)
        from agent.lines.dialects import parser_for

        return ByteExchange(parser_for(line, callers, password), line, self._post_all, self._clock)

    async def run(self) -> None:
        """Watch the port until cancelled."""
        backoff_s = BACKOFF_MIN_S
        while True:
            while (left_s := self._lent_s()) > 0:
                backoff_s = BACKOFF_MIN_S
                await self._pause(left_s)
            self._lent_until_ns = None
            lasted_s = await self._once()
            if lasted_s >= STABLE_S:
                backoff_s = BACKOFF_MIN_S
            await self._pause(backoff_s)
            backoff_s = min(2 * backoff_s, BACKOFF_MAX_S)

    def release(self, minutes: float) -> None:
        """Let go of the port at once and leave it alone for so long (0 < minutes <= 480; 0 takes it back).

        The device is free when this returns (over RFC 2217, and where it was just being opened, soon after). A session
        is not logged off by a command; DTR falls as the port closes. Raises ValueError.
        """
        if not (math.isfinite(minutes) and 0 <= minutes <= RELEASE_MAX_MIN):
            raise ValueError(f"minutes must be from 0 to {RELEASE_MAX_MIN:g}")
        if minutes == 0:
            self.take_back()
            return
        now_ns = self._clock.now_ns()
        self._lent_until_ns = now_ns + int(minutes * 60 * NS)
        if self._opening is not None:
            self._opening.cancel()
        self._shut(now_ns)
        self._told = LENT
        self._tell("port-down", "released", "unknown", now_ns, {"reason": LENT.reason, "minutes": minutes})
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(LENT)
        self._stir.set()

    def take_back(self) -> None:
        """End a loan now. Harmless where there is none."""
        if self._lent_until_ns is not None:
            self._lent_until_ns = None
            self._stir.set()

    def recent(self) -> bytes:
        """The last 64 KiB as they came. For a capture on this box alone, never to be told: they hold callers' numbers
        and places, and, where equipment echoes what it is sent, a session's password."""
        return bytes(self._ring[-RING_BYTES:])

    def status(self) -> dict[str, Any]:
        """What only the shell knows of this line."""
        now_ns = self._clock.now_ns()
        last_ns = self._last_byte_ns
        lent_s = self._lent_s()
        return {
            "id": self._line.id,
            "port": self._line.port,
            "dialect": self._line.dialect,
            "mode": self._exchange.mode,
            "state": "up" if self._up else "down",
            "reason": self._told.reason if self._told else None,
            "released_s": round(lent_s, 1) if lent_s > 0 else None,
            "opens": self._opens,
            "failures": self._failures,
            "bytes": self._bytes,
            "quiet_s": None if last_ns is None else round((now_ns - last_ns) / NS, 1),
            "line_quality": "unsupported" if self._errors is None else "counted",
            "line_errors": dict(self._error_sums),
            "parser": dict(self._exchange.counters),
            "held_bytes": self._exchange.held_bytes,
            "session": self._exchange.session,
            "tap": self._tap_fault or ("on" if self.tap is not None else "off"),
        }

    # -- one life of the port ------------------------------------------------------------------------------------

    async def _once(self) -> float:
        """Open, serve until it is lost; how many seconds it was open."""
        wire = await self._open()
        if wire is None:
            return 0.0
        opened_ns = self._clock.now_ns()
        try:
            lost = await self._serve(wire, opened_ns)
        finally:
            self._exchange.stop()
            wire.close()
            self._up, self._wire, self._ended = False, None, None
        now_ns = self._clock.now_ns()
        self._exchange.end(now_ns)
        if self._lent_until_ns is None:  # else it is told already, whatever else happened to it meanwhile
            self._down(lost)
        return (now_ns - opened_ns) / NS

    async def _open(self) -> Wire | None:
        """The open wire; None where it failed (told) or was lent away meanwhile."""
        opening = asyncio.ensure_future(in_thread(self._exchange.open, lambda wire: wire.close()))
        self._opening = opening
        try:
            while not opening.done():
                await asyncio.wait({opening}, timeout=TICK_S)
                self._progress()
        except asyncio.CancelledError:
            opening.cancel()
            if opening.done() and not opening.cancelled() and opening.exception() is None:
                opening.result().close()
            raise
        finally:
            self._opening = None
        if opening.cancelled():  # by release
            return None
        error = opening.exception()  # pyserial raises OSError, ValueError, AttributeError …
        if self._lent_until_ns is not None:
            if error is None:
                opening.result().close()
            return None
        if error is not None:
            self._failures += 1
            self._down(Lost.of(error))
            return None
        return opening.result()

    async def _serve(self, wire: Wire, now_ns: int) -> Lost:
        ended: asyncio.Future[Lost] = asyncio.get_running_loop().create_future()
        self._wire, self._ended = wire, ended

        def end(why: Lost | Exception) -> None:
            if ended.done():
                return
            if isinstance(why, Lost):
                ended.set_result(why)
            else:
                ended.set_exception(why)

        self._errors, self._errors_due_ns = wire.errors(), now_ns + int(ERRORS_EVERY_S * NS)
        wire.start(self._received, end)
        self._opens += 1
        self._up, self._told, self._heard_ns = True, None, now_ns
        self._tell("port-up", "port", "up", now_ns, {"port": self._line.port, "opens": self._opens})
        self._exchange.begin(wire, end)
        while not ended.done():
            await asyncio.wait({ended}, timeout=TICK_S)
            self._progress()
            if not ended.done():
                self._tick(wire)
        return ended.result()

    def _shut(self, now_ns: int) -> None:
        """Close the open wire, if there is one, and tell what was left half."""
        if self._wire is None:
            return
        self._exchange.stop()
        self._wire.close()
        self._up, self._wire = False, None
        self._exchange.end(now_ns)

    async def _pause(self, seconds: float) -> None:
        """Sleep so long, or until something stirs us: a release, a taking back."""
        while seconds > 0 and not self._stir.is_set():
            self._progress()
            step_s = min(seconds, TICK_S)
            try:
                await asyncio.wait_for(self._stir.wait(), step_s)
            except TimeoutError:
                seconds -= step_s
        self._stir.clear()

    def _lent_s(self) -> float:
        """How long the port is still lent, in seconds; not above 0 where it is not."""
        return 0.0 if self._lent_until_ns is None else (self._lent_until_ns - self._clock.now_ns()) / NS

    # -- what happens meanwhile ----------------------------------------------------------------------------------

    def _received(self, data: bytes) -> None:
        now_ns = self._clock.now_ns()
        self._bytes += len(data)
        self._last_byte_ns = self._heard_ns = now_ns
        if self._silent:
            self._silent = False
            self._tell("heartbeat", "link", "up", now_ns, {"expected_s": self._line.heartbeat_s})
        self._exchange.feed(data, now_ns)
        self._ring += data
        if len(self._ring) > RING_BYTES + RING_SLACK:
            del self._ring[:-RING_BYTES]
        if self.tap is not None:
            self._to_tap(self.tap, data, now_ns)

    def _to_tap(self, tap: Tap, data: bytes, now_ns: int) -> None:
        try:
            tap(data, now_ns)
        except Exception as fault:  # a full disk at the capture is no reason to stop watching the line
            self.tap = None
            self._tap_fault = f"failed: {type(fault).__name__}: {fault}"[:200]
            log.warning("the tap of line %s is off: %s", self._line.id, self._tap_fault)

    def _tick(self, wire: Wire) -> None:
        now_ns = self._clock.now_ns()
        quiet_s = (now_ns - self._heard_ns) / NS
        expected_s = None if isinstance(self._line, ContactsLine) else self._line.heartbeat_s
        if expected_s is not None and not self._silent and quiet_s > HEARTBEATS_MISSED * expected_s:
            self._silent = True
            detail: dict[str, Plain] = {"quiet_s": round(quiet_s, 1), "expected_s": expected_s}
            self._tell("heartbeat", "link", "down", now_ns, detail)
        if now_ns >= self._errors_due_ns:
            self._errors_due_ns = now_ns + int(ERRORS_EVERY_S * NS)
            self._count_errors(wire.errors(), now_ns)

    def _count_errors(self, errors: dict[str, int] | None, now_ns: int) -> None:
        """Tell what the driver has counted since the last look; its counts wrap at 32 bits."""
        before, self._errors = self._errors, errors
        if before is None or errors is None:
            return
        risen = {name: (count - before[name]) & 0xFFFF_FFFF for name, count in errors.items()}
        if any(risen.values()):
            for name, more in risen.items():
                self._error_sums[name] = self._error_sums.get(name, 0) + more
            self._tell("line-quality", "line", "degraded", now_ns, {**risen, "over_s": ERRORS_EVERY_S})

    def _down(self, lost: Lost) -> None:
        """Tell that the port is gone, and again only when the reason is another."""
        if lost != self._told:
            self._told = lost
            detail: dict[str, Plain] = {"reason": lost.reason, "errno": lost.code, "port": self._line.port}
            self._tell("port-down", "port", "down", self._clock.now_ns(), detail)

    def _tell(self, kind: Kind, subject: str, state: State, at_ns: int, detail: dict[str, Plain]) -> None:
        self._post(Reading(self._line.id, self._line.dialect, kind, subject, state, at_ns, detail))

    def _post_all(self, readings: Iterable[Reading]) -> None:
        for reading in readings:
            self._post(reading)
