"""The serial shell: opens a line's port, hands its bytes to the parser, and tells when the port or the line is lost.

It never writes to the port. A port that vanishes is closed at once and tried again, by its path, after 0.5 s to
10 s. While nothing can be heard, nothing is claimed: a silent line is told only of a port that is open.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from agent.clock import NS, Clock
from agent.lines.tl1 import Tl1
from agent.lines.wire import Lost, Wire, in_thread, open_wire
from agent.readings import Kind, Plain, Reading, State
from agent.site import schema

TICK_S = 1.0
BACKOFF_MIN_S, BACKOFF_MAX_S = 0.5, 10.0
STABLE_S = 10.0  # a port that stayed open so long is tried again soon when it is lost
QUIET_S = 1.0
ERRORS_EVERY_S = 5.0
HEARTBEATS_MISSED = 3


class Port:
    """One line of the site file. ``post`` is called in the loop's thread; ``progress`` at least every 2 s."""

    def __init__(
        self,
        line: schema.Line,
        post: Callable[[Reading], None],
        clock: Clock,
        progress: Callable[[], None] | None = None,
    ) -> None:
        self.line_id = line.id
        self._line, self._post, self._clock = line, post, clock
        self._progress = progress or (lambda: None)
        self._parser = Tl1(line.id)
        self._up = False
        self._told: Lost | None = None
        self._opens = self._failures = self._bytes = 0
        self._last_byte_ns: int | None = None
        self._heard_ns = 0  # the last byte, or the port's opening if that is later
        self._silent = False
        self._idled = True
        self._errors: dict[str, int] | None = None
        self._error_sums: dict[str, int] = {}
        self._errors_due_ns = 0

    async def run(self) -> None:
        """Watch the port until cancelled."""
        backoff_s = BACKOFF_MIN_S
        while True:
            lasted_s = await self._once()
            if lasted_s >= STABLE_S:
                backoff_s = BACKOFF_MIN_S
            await self._wait(backoff_s)
            backoff_s = min(2 * backoff_s, BACKOFF_MAX_S)

    def status(self) -> dict[str, Any]:
        """What only the shell knows of this line."""
        now_ns = self._clock.now_ns()
        last_ns = self._last_byte_ns
        return {
            "id": self._line.id,
            "port": self._line.port,
            "state": "up" if self._up else "down",
            "reason": self._told.reason if self._told else None,
            "opens": self._opens,
            "failures": self._failures,
            "bytes": self._bytes,
            "quiet_s": None if last_ns is None else round((now_ns - last_ns) / NS, 1),
            "line_quality": "unsupported" if self._errors is None else "counted",
            "line_errors": dict(self._error_sums),
            "parser": dict(self._parser.counters),
            "held_bytes": self._parser.held_bytes,
        }

    # -- one life of the port ------------------------------------------------------------------------------------

    async def _once(self) -> float:
        """Open, serve until it is lost; how many seconds it was open."""
        opening = asyncio.ensure_future(in_thread(lambda: open_wire(self._line), lambda wire: wire.close()))
        try:
            while not opening.done():
                await asyncio.wait({opening}, timeout=TICK_S)
                self._progress()
            wire = opening.result()
        except asyncio.CancelledError:
            opening.cancel()
            if opening.done() and not opening.cancelled() and opening.exception() is None:
                opening.result().close()
            raise
        except Exception as error:  # pyserial raises OSError, ValueError, termios.error, AttributeError …
            self._failures += 1
            self._down(Lost.of(error))
            return 0.0
        opened_ns = self._clock.now_ns()
        try:
            lost = await self._serve(wire, opened_ns)
        finally:
            wire.close()
            self._up = False
        self._post_all(self._parser.reset(self._clock.now_ns()))
        self._down(lost)
        return (self._clock.now_ns() - opened_ns) / NS

    async def _serve(self, wire: Wire, now_ns: int) -> Lost:
        lost: asyncio.Future[Lost] = asyncio.get_running_loop().create_future()

        def ended(reason: Lost) -> None:
            if not lost.done():
                lost.set_result(reason)

        self._errors, self._errors_due_ns = wire.errors(), now_ns + int(ERRORS_EVERY_S * NS)
        wire.start(self._received, ended)
        self._opens += 1
        self._up, self._told, self._heard_ns = True, None, now_ns
        self._tell("port-up", "port", "up", now_ns, {"port": self._line.port, "opens": self._opens})
        while not lost.done():
            await asyncio.wait({lost}, timeout=TICK_S)
            self._tick(wire)
        return lost.result()

    async def _wait(self, seconds: float) -> None:
        while seconds > 0:
            self._progress()
            await asyncio.sleep(min(seconds, TICK_S))
            seconds -= TICK_S

    # -- what happens meanwhile ----------------------------------------------------------------------------------

    def _received(self, data: bytes) -> None:
        now_ns = self._clock.now_ns()
        self._bytes += len(data)
        self._last_byte_ns = self._heard_ns = now_ns
        self._idled = False
        if self._silent:
            self._silent = False
            self._tell("heartbeat", "link", "up", now_ns, {"expected_s": self._line.heartbeat_s})
        self._post_all(self._parser.feed(data, now_ns))

    def _tick(self, wire: Wire) -> None:
        self._progress()
        now_ns = self._clock.now_ns()
        quiet_s = (now_ns - self._heard_ns) / NS
        if quiet_s >= QUIET_S and not self._idled:
            self._idled = True
            self._post_all(self._parser.idle(now_ns))
        expected_s = self._line.heartbeat_s
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
