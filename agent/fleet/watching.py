"""The watcher itself: takes what comes, asks where it must, publishes the pools, and prints."""

from __future__ import annotations

import json
import queue
import secrets
import shutil
import signal
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from agent.clock import NS, rfc3339
from agent.fleet.listener import Heard, Link, Listener
from agent.fleet.pool import POOL_VALID_S, Judged, Pools
from agent.fleet.screen import View, as_json, lines, signature, view
from agent.fleet.state import Fleet
from agent.payloads import Pool
from agent.remote import ssh
from agent.remote.envelope import POOL, NotSigned, sealed
from agent.uplink.messages import Message
from agent.uplink.topics import pool as pool_topic

LOOK_S = 1.0
EACH_S = 60.0
TAKE_S = 0.2
COST_PART = 4
"""A look at a large fleet takes its time: at most one part in so many goes into looking."""
CONNECT_MOST_S = 30.0
SIGNING_MAX = 64
ALL_LINES = 1_000_000


@dataclass(frozen=True, slots=True)
class Settings:
    """What the command line asks for. ``once_s``: listen so long, print once and end."""

    json: bool = False
    once_s: float | None = None
    sites: Sequence[str] | None = None
    pool: Sequence[str] | None = None
    key: Path | None = None
    name: str = ""
    share: str | None = None


class Signer:
    """Signs words on pools in a thread of its own: a key may want a touch or a passphrase. Lost words are counted."""

    def __init__(self, key: Path) -> None:
        self._key = key
        self._to_sign: queue.Queue[Pool] = queue.Queue(SIGNING_MAX)
        self._signed: queue.Queue[Message] = queue.Queue(SIGNING_MAX)
        self.dropped = 0
        self.why = ""
        self._thread = threading.Thread(target=self._run, name="sign", daemon=True)
        self._thread.start()

    def give(self, word: Pool) -> None:
        """To be signed; what does not fit is counted."""
        try:
            self._to_sign.put_nowait(word)
        except queue.Full:
            self.dropped += 1

    def signed(self) -> list[Message]:
        """What is ready to be published."""
        out: list[Message] = []
        while not self._signed.empty():
            out.append(self._signed.get_nowait())
        return out

    def _run(self) -> None:
        while True:
            word = self._to_sign.get()
            document = msgspec.json.encode(word)
            try:
                payload = sealed(document, ssh.sign(document, self._key, POOL))
            except (NotSigned, ssh.NoProgram, OSError) as error:
                self.why = f"pools are not published: {error}"[:200]
                self.dropped += 1
                continue
            self.why = ""
            try:
                self._signed.put_nowait(
                    Message(pool_topic(word.share), payload, 1, True, expiry_s=POOL_VALID_S),
                )
            except queue.Full:
                self.dropped += 1


class Rounds:
    """When a pool's word is due: each minute, and at once where it has changed. Pure."""

    def __init__(self, by: str) -> None:
        self._by = by
        self._told: dict[str, tuple[str, int]] = {}

    def due(self, judged: Sequence[Judged], now_ns: int, now_utc_s: float) -> list[Pool]:
        """The words to be published now."""
        out = []
        for one in judged:
            told = self._told.get(one.share)
            if told is None or told[0] != one.calls or now_ns - told[1] >= EACH_S * NS:
                self._told[one.share] = (one.calls, now_ns)
                out.append(one.payload(rfc3339(now_utc_s), self._by))
        return out


class Watching:
    """One run of ``dialtone watch``."""

    def __init__(self, settings: Settings, listener: Listener) -> None:
        self._settings, self._listener = settings, listener
        shared = settings.share is not None
        self._pools = None if shared else Pools(settings.pool, settings.sites)
        self._fleet = Fleet(
            tag=f"watch-{secrets.token_hex(4)}",
            only=settings.sites,
            heard_calls=None if self._pools is None else self._pools.heard,
            shared=shared,
        )
        self._signer = Signer(settings.key) if settings.key is not None else None
        self._rounds = Rounds(settings.name)
        self._connected = False
        self._connected_ns: int | None = None
        self._why = "connecting"
        self._remarks: tuple[str, ...] = ()
        self._unsent = 0
        self._signature: int | None = None
        self._printed_ns: int | None = None
        self._tty = sys.stdout.isatty() and not settings.json and settings.once_s is None

    def run(self) -> int:
        """Until interrupted, or as long as ``once_s`` says; the exit status."""
        self._listener.start()
        if self._tty:
            signal.signal(signal.SIGTERM, _ended)  # so that the terminal is put right again
            sys.stdout.write("\x1b[?25l\x1b[?7l\x1b[2J")  # no cursor, no wrapping, an empty screen
        try:
            return self._once() if self._settings.once_s is not None else self._for_ever()
        finally:
            if self._tty:
                sys.stdout.write("\x1b[?7h\x1b[?25h\n")
                sys.stdout.flush()
            self._listener.stop()

    def _for_ever(self) -> int:
        look_ns = 0
        while True:
            self._take()
            now_ns = time.monotonic_ns()
            if now_ns < look_ns:
                continue
            shown = self._look(now_ns)
            self._tell_pools(shown)
            self._print(shown)
            spent_ns = time.monotonic_ns() - now_ns
            look_ns = now_ns + max(int(LOOK_S * NS), COST_PART * spent_ns)

    def _once(self) -> int:
        began_ns = time.monotonic_ns()
        once_ns = int((self._settings.once_s or 0.0) * NS)
        while True:
            self._take()
            now_ns = time.monotonic_ns()
            if self._connected_ns is not None and now_ns - self._connected_ns >= once_ns:
                break
            if self._connected_ns is None and now_ns - began_ns > CONNECT_MOST_S * NS:
                print(f"dialtone: no connection to the broker: {self._why}", file=sys.stderr)
                return 1
        shown = self._look(time.monotonic_ns())
        if self._settings.json:
            print(json.dumps(as_json(shown)))
        else:
            print("\n".join(lines(shown, shutil.get_terminal_size((120, 24)).columns, ALL_LINES)))
        return 1 if shown.fault or not self._connected else 0

    def _take(self) -> None:
        """What has come, and what is to be said."""
        items, dropped = self._listener.inbox.take(TAKE_S)
        now_ns, now_utc_s = time.monotonic_ns(), time.time()
        self._fleet.tick(now_ns, now_utc_s)
        self._fleet.dropped(dropped)
        for item in items:
            if isinstance(item, Heard):
                self._fleet.message(item.topic, item.payload, item.retained, now_ns, now_utc_s)
            else:
                self._linked(item, now_ns)
        if self._connected:
            messages = self._fleet.due_questions(now_ns)
            messages += self._signer.signed() if self._signer is not None else []
            self._unsent += sum(not self._listener.publish(message) for message in messages)

    def _linked(self, link: Link, now_ns: int) -> None:
        self._connected, self._why, self._remarks = link.connected, link.why, link.remarks
        self._fleet.hearing(link.connected, now_ns)
        if link.connected and self._connected_ns is None:
            self._connected_ns = now_ns

    def _look(self, now_ns: int) -> View:
        remarks = [] if self._connected else [f"NOT CONNECTED, what follows is a memory: {self._why}"]
        remarks += self._remarks
        if self._settings.share is not None:
            remarks.append(
                "heartbeats, calls and events are shared with other watchers: only what is retained is whole"
            )
        if self._signer is not None and self._signer.why:
            remarks.append(self._signer.why)
        unsent = self._unsent + (self._signer.dropped if self._signer is not None else 0)
        if unsent:
            remarks.append(f"{unsent} messages of ours could not be sent")
        return view(self._fleet, self._pools, now_ns, time.time(), remarks)

    def _tell_pools(self, shown: View) -> None:
        if self._signer is not None and self._connected:
            for word in self._rounds.due(shown.pools, shown.now_ns, shown.now_utc_s):
                self._signer.give(word)

    def _print(self, shown: View) -> None:
        """A terminal is drawn anew at each look; a pipe gets a word on change and each minute."""
        if self._tty:
            size = shutil.get_terminal_size((80, 24))
            rows = lines(shown, size.columns, max(1, size.lines - 1))
            sys.stdout.write("\x1b[H" + "".join(f"{row}\x1b[K\n" for row in rows) + "\x1b[J")
            sys.stdout.flush()
            return
        now = signature(shown)
        due = self._printed_ns is None or shown.now_ns - self._printed_ns >= EACH_S * NS
        if now == self._signature and not due:
            return
        self._signature, self._printed_ns = now, shown.now_ns
        if self._settings.json:
            print(json.dumps(as_json(shown)), flush=True)
        else:
            print("\n".join([*lines(shown, 200, ALL_LINES), ""]), flush=True)


def _ended(number: int, _frame: object) -> None:
    sys.exit(128 + number)
