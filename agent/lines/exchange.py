"""An open port and its parser: bytes in, quiet told in time, and what a Talker says written. No port is opened here.

The parser's ``idle_s`` may be short (an idle-gap framing): a timer of its own watches for it, and the loop reads
what has come before it lets a timer fire, so a late loop never cuts a record in two. It may join two.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, Protocol

from agent.clock import NS, Clock
from agent.lines.opening import open_port
from agent.lines.parser import Parser, Talker, Timed
from agent.lines.wire import Lost, TwoWayWire, Wire
from agent.readings import Reading
from agent.site.line import Wired

Mode = Literal["receive-only", "two-way"]
Ended = Callable[[Lost | Exception], None]
"""Why a life of the port ends: the wire is lost, or we have a bug."""
LOW_7 = bytes(byte & 0x7F for byte in range(256))
SOONEST_S = 0.002  # a Talker whose time never comes may not spin the loop


class Exchange(Protocol):
    """What the port asks of the part that understands its wire. ``begin`` and ``end`` are called once a life."""

    mode: Mode

    @property
    def counters(self) -> Mapping[str, int]: ...
    @property
    def held_bytes(self) -> int: ...
    @property
    def session(self) -> str | None:
        """The state of a session, by name; None where there is none."""

    def open(self) -> Wire:
        """Open the wire. Blocks; runs in a thread; raises what ``open_port`` does."""

    def begin(self, wire: Wire, ended: Ended) -> None:
        """The wire has started, in the running loop. From here on nothing raises: ``ended`` is told."""

    def feed(self, data: bytes, now_ns: int) -> None:
        """Bytes came."""

    def stop(self) -> None:
        """No timer fires after it; nothing is posted by it."""

    def end(self, now_ns: int) -> None:
        """The wire is closed: tell what was left half."""


class ByteExchange:
    """The exchange of every dialect that reads bytes."""

    def __init__(
        self, parser: Parser, line: Wired, post_all: Callable[[Sequence[Reading]], None], clock: Clock
    ) -> None:
        self._parser, self._line, self._post_all, self._clock = parser, line, post_all, clock
        self._talker = parser if isinstance(parser, Talker) else None
        self._timed = parser if isinstance(parser, Timed) and self._talker is None else None
        # At 7 bits a tty hands on none more, but a device server's socket (and a pty) may leave the parity bit on.
        self._seven = line.format.startswith("7")
        self.mode: Mode = "two-way" if self._talker is not None else "receive-only"
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wire: TwoWayWire | None = None
        self._ended: Ended = lambda _why: None
        self._heard_ns = 0
        self._idle: asyncio.TimerHandle | None = None
        self._due: asyncio.TimerHandle | None = None
        self._begun = False

    @property
    def counters(self) -> Mapping[str, int]:
        return self._parser.counters

    @property
    def held_bytes(self) -> int:
        return self._parser.held_bytes

    @property
    def session(self) -> str | None:
        return getattr(self._parser, "session_state", None)

    def open(self) -> Wire:
        return open_port(self._line, sends=self._talker is not None)

    def begin(self, wire: Wire, ended: Ended) -> None:
        now_ns = self._clock.now_ns()
        if self._begun:  # a life that our own bug ended
            self.end(now_ns)
        self._begun, self._ended, self._loop = True, ended, asyncio.get_running_loop()
        if self._talker is not None:
            if not isinstance(wire, TwoWayWire):
                raise TypeError("a Talker needs a wire that can write")
            self._wire = wire
            try:
                self._talker.opened(now_ns)
                self._speak()
            except Exception as bug:
                ended(bug)

    def feed(self, data: bytes, now_ns: int) -> None:
        self._heard_ns = now_ns
        if self._idle is None and self._loop is not None:
            self._idle = self._loop.call_later(self._parser.idle_s, self._quiet)
        if self._seven:
            data = data.translate(LOW_7)
        try:
            self._post_all(self._parser.feed(data, now_ns))
            self._speak()
        except Exception as bug:
            self._ended(bug)

    def stop(self) -> None:
        for timer in (self._idle, self._due):
            if timer is not None:
                timer.cancel()
        self._idle = self._due = self._loop = self._wire = None

    def end(self, now_ns: int) -> None:
        self.stop()
        if self._begun:
            self._begun = False
            self._post_all(self._parser.reset(now_ns))

    def _quiet(self) -> None:
        """One timer at a time, set anew for what is left where bytes came meanwhile: no timer is made a chunk."""
        self._idle = None
        now_ns = self._clock.now_ns()
        left_s = self._parser.idle_s - (now_ns - self._heard_ns) / NS
        if self._loop is None:
            return
        if left_s > 0:
            self._idle = self._loop.call_later(left_s, self._quiet)
            return
        try:
            self._post_all(self._parser.idle(now_ns))
            self._speak()
        except Exception as bug:
            self._ended(bug)

    def _speak(self) -> None:
        if self._loop is None:
            return
        now_ns = self._clock.now_ns()
        if self._talker is not None and self._wire is not None:
            words, readings = self._talker.speak(now_ns)
            if words:
                self._wire.write(words)
            self._post_all(readings)
            due_ns = self._talker.due_ns()
        elif self._timed is not None:
            self._post_all(self._timed.tick(now_ns))
            due_ns = self._timed.due_ns()
        else:
            return
        if self._due is not None:
            self._due.cancel()
            self._due = None
        if due_ns is not None and self._loop is not None:
            self._due = self._loop.call_later(max((due_ns - now_ns) / NS, SOONEST_S), self._due_now)

    def _due_now(self) -> None:
        self._due = None
        try:
            self._speak()
        except Exception as bug:
            self._ended(bug)
