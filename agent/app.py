"""Builds the real things round the core and runs them: one asyncio loop, everything else is a shell.

The order of every reaction is the order of its effects: the panel is set before anything is written, and the
journal is written before anything is sent (uplinks hear of an entry only after its commit).
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import logging
import os
import random
import signal
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from agent import __version__, labels
from agent.clock import NS, Clock, RealClock
from agent.commissioned import Commissioned
from agent.control import ControlServer, default_socket
from agent.core import Core
from agent.effects import Effect, Record, Reply, SetPanel, StartCheck
from agent.journal import learned
from agent.journal.entry import Entry, Pending
from agent.journal.writer import JournalWriter
from agent.panel_shell import PanelOutput, PanelShell
from agent.payloads import Receipt
from agent.readings import Input, Reading, Request, State, Wake
from agent.site import schema
from agent.site.secrets import SecretStore
from agent.standing import standing
from agent.supervisor import Supervisor

if TYPE_CHECKING:
    from agent.remote.choice import Choice
    from agent.remote.desired import Parse

log = logging.getLogger("dialtone")
CLOCK_EVERY_NS, CLOCK_LOOK_S, CLOCK_STEP_S = 60 * NS, 5.0, 2.0
KEYED = frozenset({"alarm", "command", "commission"})
KEYS = {"verdict": "verdict", "config": "config"}
STATED = frozenset({"alarm", "verdict"})
AT_ONCE = frozenset({"config", "command"})
"""Of what the desk records: on disk before anything is done of it."""
RESTART_S = 0.5  # in which the answer to whoever asked for it goes out
REPLY_VALID_S = 600


class App:
    """The agent of one site. ``run`` ends on SIGTERM, SIGINT or ``stop``."""

    def __init__(
        self,
        site: schema.SiteFile,
        *,
        clock: Clock | None = None,
        panel: PanelOutput | None = None,
        choice: Choice | None = None,
        parse: Parse | None = None,
    ) -> None:
        self._site = site
        self._choice, self._parse = choice, parse
        self._desk: Any = None
        self._again = False
        self._clock: Clock = clock or RealClock()
        self._panel = PanelShell(site.panel, self._clock, panel, self._tell_host, self.post)
        self._core_timer: asyncio.TimerHandle | None = None
        self._stop = asyncio.Event()
        self._rng = random.Random(os.urandom(16))
        self._replies: dict[str, Reply] = {}
        self._started_ns = self._clock.now_ns()
        self._commissioned = Commissioned()
        self._uplinks: list[Any] = []
        self._ports: list[Any] = []
        self._prober: Any = None
        self._listener: Any = None
        self._host: Any = None
        self._core_faults = 0
        self._saving: asyncio.Task[None] | None = None
        self._begun = False
        self._supervisor = Supervisor(self._clock, self._tell_host, self._core_looks)
        self._early: deque[Input] = deque(maxlen=64)

    # -- start and stop ------------------------------------------------------------------------------------------

    def stop(self) -> None:
        """End ``run`` in order: senses, then the journal's last commit, then the uplinks' farewell."""
        self._stop.set()

    async def run(self) -> bool:
        """Run until stopped; True where another run is to follow. Raises ``StoreBusy`` where another agent owns the
        journal."""
        self._loop = asyncio.get_running_loop()
        for sig in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(sig, self.stop)
        self._panel.open()
        self._journal = await JournalWriter.open(
            Path(self._site.journal.directory),
            self._site.journal.max_mb * 1024 * 1024,
            max_days=self._site.journal.max_days,
            clock=self._clock,
            on_committed=self._committed,
            on_fault=self._journal_fault,
        )
        try:
            self._core = await self._restored_core()
            self._begun = True
            self._record(Record("start", {"version": __version__, "site": self._site.site.id}, urgent=True))
            self.post(Wake())
            self._panel.show()
            for early in self._early:
                self.post(early)
            await self._serve()
            if not self._again:
                self._supervisor.notifier.stopping()
            self._record(Record("stop", {"why": "asked to"}, urgent=True))
            await self._save_at_end()
        finally:
            if self._core_timer is not None:
                self._core_timer.cancel()
            self._panel.close()
            await self._journal.close()
        return self._again

    def restart(self, why: str) -> None:
        """End this run so that the next one begins, with whatever site file counts then."""
        log.info("starting again: %s", why)
        self._record(Record("restart", {"why": why[:300]}, urgent=True))
        self._again = True
        self._loop.call_later(RESTART_S, self.stop)

    async def _serve(self) -> None:
        self._build_senses()
        give_back()
        tasks = {
            "control": self._run_control,
            "clock": self._tell_clock,
            **{f"line {p.line_id}": p.run for p in self._ports},
            **({"prober": self._prober.run} if self._prober else {}),
            **({"listener": self._listener.run} if self._listener else {}),
            **({"host": self._host.run} if self._host else {}),
            **{f"uplink {u.id}": u.run for u in self._uplinks},
            **({"remote": self._desk.run} if self._desk else {}),
        }
        await self._supervisor.run(tasks, self._stop)

    def _build_senses(self) -> None:
        site, post, comes_round = self._site, self.post, self._supervisor.maker
        if site.line:
            from agent.lines.ports import ports_of

            self._ports = ports_of(
                site,
                post,
                self._clock,
                lambda line, why: self._tell_host("core", why, line),
                lambda line: comes_round(f"line {line}"),
            )
        if site.host is not None:
            from agent.host import HostSense

            self._host = HostSense(site, post, self._clock, comes_round("host"))
        knocks = self._build_listener()
        if site.path:
            from agent.paths.prober import Prober

            self._prober = Prober(
                site.path, post, self._clock, SecretStore.of(site), knocks=knocks, progress=comes_round("prober")
            )
        if site.uplink:
            from agent.uplink.mqtt import Uplink

            secrets = SecretStore.of(site)
            self._build_desk(secrets)
            inlet = self._desk.inlet
            more = (self._core.calls, inlet, {x.id: x.circuit_id for x in (*site.line, *site.path) if x.circuit_id})
            self._uplinks = [
                Uplink(u, site.site, self._journal, secrets, post, self._clock, self._health, self._rng, *more)
                for u in site.uplink
            ]
            for uplink in self._uplinks:
                uplink.beside(self._uplinks)
                uplink.progress = comes_round(f"uplink {uplink.id}")

    def _build_desk(self, secrets: SecretStore) -> None:
        """Where what the NOC sends arrives."""
        from agent.remote.choice import Choice
        from agent.remote.desk import Desk
        from agent.remote.vault import Kept

        def parse(text: str) -> schema.SiteFile:
            from agent.site.load import parse as plain

            return plain(text, secrets=secrets)

        self._desk = Desk(
            self._choice or Choice(self._site, "", "", Kept()),
            self._parse or parse,
            self._journal,
            self._clock,
            read_secret=lambda name: secrets.read(name, private=False),
            ask=self.ask,
            post=self.post,
            record=lambda kind, payload: self._record(Record(kind, dict(payload), urgent=kind in AT_ONCE)),
            complain=lambda why: self._tell_host("config", why),
            say=self._say,
            receipt=self._receipted,
            report=self._report_now,
            restart=self.restart,
        )

    def _say(self, uplink_id: str, topic: str, payload: bytes, correlation: bytes) -> None:
        from agent.uplink.messages import Message

        message = Message(topic, payload, 1, False, expiry_s=REPLY_VALID_S, correlation=correlation)
        for uplink in self._uplinks:
            if uplink.id == uplink_id:
                uplink.say(message)

    def _report_now(self) -> None:
        for uplink in self._uplinks:
            uplink.report_now()

    def _receipted(self, uplink_id: str, receipt: Receipt) -> None:
        for uplink in self._uplinks:
            uplink.receipted(receipt, mine=uplink.id == uplink_id)

    def _build_listener(self) -> Any:
        """What may speak to this box, only where the site file opens a port for it; where knocks end, if any do."""
        site, listen = self._site, self._site.listen
        knocks = None
        if listen.knock is not None:
            from agent.paths.knocks import Knocks

            knocks = Knocks([path.address for path in site.path if path.role == "reflector"])
        if any((listen.syslog_udp, listen.syslog_tcp, listen.traps, listen.knock)):
            from agent.paths.listen import Listener

            comes_round = self._supervisor.maker("listener")
            self._listener = Listener(site, self.post, self._clock, SecretStore.of(site), knocks, comes_round)
        return knocks

    async def _run_control(self) -> None:
        path = Path(self._site.control.socket) if self._site.control.socket else default_socket()
        await ControlServer(path, self._site.control.group, self.ask).run()

    async def _restored_core(self) -> Core:
        self._commissioned.restore(await self._journal.latest("commission"))
        states, unreceived = await standing(self._journal, [uplink.id for uplink in self._site.uplink], self._clock)
        directory = Path(self._site.journal.directory)
        what, why = await asyncio.to_thread(learned.load, directory)
        if why is not None:
            log.error("what was learned of this site's calls can't be read: %s; learning anew", why)
            self._early.append(self._host_reading("learned", f"{learned.FILE}: {why}; learning anew"))
        return Core(self._site, self._clock.now_ns(), states, unreceived, what)

    # -- into the core, and its effects out ----------------------------------------------------------------------

    def post(self, item: Input) -> None:
        """Hand one input to the core, in the loop's thread, and carry out what follows."""
        if not self._begun:  # what goes wrong before the core is there: a few words at most
            self._early.append(item)
            return
        now_ns = self._clock.now_ns()
        try:
            effects: Sequence[Effect] = self._core.handle(item, now_ns)
        except Exception as bug:  # our bug: tell it, lose one input, keep watching
            log.exception("the core failed on %s", type(item).__name__)
            self._core_faults += 1
            effects = []
            if self._core_faults < 100 and not (isinstance(item, Reading) and item.sense == "core"):
                self._tell_host("core", f"{type(bug).__name__}: {bug}")
        for effect in effects:
            self._carry_out(effect)
        self._schedule_core(now_ns)

    def _carry_out(self, effect: Effect) -> None:
        if isinstance(effect, SetPanel):
            self._panel.show(effect.view)
        elif isinstance(effect, Record):
            self._record(effect)
        elif isinstance(effect, StartCheck):
            if self._prober is not None:
                self._prober.start(effect.path, effect.check)
        else:
            self._replies[effect.request_id] = effect

    def ask(self, request: Request) -> Reply:
        """A request's answer; ``status`` gains what only the shells know."""
        self._replies.clear()
        self.post(request)
        reply = self._replies.pop(request.id, None) or Reply(request.id, error="the agent failed on this request")
        if request.do == "release" and reply.result is not None:
            self._release(str(reply.result["line"]), float(reply.result["minutes"]))
        if request.do == "status" and reply.result is not None:
            reply = Reply(request.id, {**labels.labelled(reply.result, self._clock), **self._shell_status()})
        return reply

    def _release(self, line_id: str, minutes: float) -> None:
        for port in self._ports:
            if port.line_id == line_id:
                port.release(minutes)

    def _schedule_core(self, now_ns: int) -> None:
        if self._core_timer is not None:
            self._core_timer.cancel()
            self._core_timer = None
        deadline_ns = self._core.deadline()
        if deadline_ns is not None:
            delay_s = max(0.0, (deadline_ns - now_ns) / NS)
            self._core_timer = self._loop.call_later(delay_s, self.post, Wake())

    def _record(self, record: Record) -> None:
        if record.kind == "learned":
            self._save_learned(record.payload)
            return
        wall = self._clock.wall()
        self._commissioned.saw(record.kind, record.payload, wall)
        payload = labels.labelled(record.payload, self._clock)
        if record.kind in STATED and self._choice is not None:
            payload["config"] = self._choice.sha256
        key = str(payload.get("id", "")) if record.kind in KEYED else KEYS.get(record.kind, "")
        self._journal.put(
            Pending(
                kind=record.kind,
                payload=msgspec.json.encode(payload),
                urgent=record.urgent,
                mono_ns=self._clock.now_ns(),
                wall=wall.utc,
                synced=wall.synced,
                key=key,
            )
        )

    def _save_learned(self, what: Mapping[str, Any]) -> None:
        """In a thread: a slow disk must not hold up the lamps. One at a time; a newer one simply comes later."""
        if self._saving is not None and not self._saving.done():
            return

        async def save() -> None:
            try:
                await asyncio.to_thread(learned.save, Path(self._site.journal.directory), what)
            except (OSError, ValueError, TypeError) as error:
                self._tell_host("learned", f"{learned.FILE}: {error}")
            else:
                self._tell_host("learned", None)

        self._saving = self._loop.create_task(save())

    async def _save_at_end(self) -> None:
        if self._saving is not None:
            await asyncio.gather(self._saving, return_exceptions=True)
        what = self._core.learned()
        if what is not None:
            try:
                await asyncio.to_thread(learned.save, Path(self._site.journal.directory), what)
            except OSError as error:
                log.error("what was learned of this site's calls can't be saved: %s", error)

    def _core_looks(self) -> bool:
        """Have the core look at the time; False where it failed."""
        before = self._core_faults
        self.post(Wake())
        return self._core_faults == before

    async def _tell_clock(self) -> None:
        """Which UTC the monotonic time is now: each minute, and at once after a step."""
        comes_round = self._supervisor.maker("clock")
        offset_s, told_ns = 0.0, -CLOCK_EVERY_NS
        while True:
            now_ns, wall = self._clock.now_ns(), self._clock.wall()
            utc_s = labels.unix_s(wall.utc)
            if now_ns - told_ns >= CLOCK_EVERY_NS or abs(utc_s - now_ns / NS - offset_s) > CLOCK_STEP_S:
                offset_s, told_ns = utc_s - now_ns / NS, now_ns
                detail = {"utc_s": utc_s, "synced": wall.synced}
                state: State = "up" if wall.synced else "unknown"
                self.post(Reading("host", "clock", "host", "clock", state, now_ns, detail))
            comes_round()
            await asyncio.sleep(CLOCK_LOOK_S)

    def _committed(self, entries: Sequence[Entry]) -> None:
        for uplink in self._uplinks:
            uplink.committed(entries)
        if self._desk is not None:
            self._desk.committed(entries)

    def _journal_fault(self, reason: str | None) -> None:
        self._tell_host("journal", reason)

    def _tell_host(self, sense: str, reason: str | None, subject: str = "") -> None:
        self.post(self._host_reading(sense, reason, subject))

    def _host_reading(self, sense: str, reason: str | None, subject: str = "") -> Reading:
        state: State = "down" if reason else "up"
        detail = {"reason": reason[:300]} if reason else {}
        return Reading("host", sense, "host", subject or sense, state, self._clock.now_ns(), detail)

    # -- what the shells know ------------------------------------------------------------------------------------

    def _shell_status(self) -> dict[str, Any]:
        return {
            "version": __version__,
            "uptime_s": round((self._clock.now_ns() - self._started_ns) / NS, 1),
            "uplinks": [uplink.status() for uplink in self._uplinks],
            "journal": self._journal.status(),
            **({"config": self._desk.status()} if self._desk is not None else {}),
            "ports": [port.status() for port in self._ports],
            "commissioned": self._commissioned.status(self._clock.wall()),
            "core_faults": self._core_faults,
            "panel": "driven" if self._panel.driven else "failed",
        }

    def _health(self) -> Mapping[str, Any]:
        """The core of ``health``: what stands, in short, and how the box itself fares."""
        status = self._core.status()
        return {
            "uptime_s": round((self._clock.now_ns() - self._started_ns) / NS, 1),
            "version": __version__,
            "lamps": status["lamps"],
            "horn": status["horn"],
            "alarms": labels.digest(status["alarms"]),
            "mode": status["mode"],
            "journal": self._journal.status(),
            **({"config": self._desk.status()} if self._desk is not None else {}),
        }


def give_back() -> None:
    """Hand what reading the site file took back to the kernel, where the C library can (glibc's malloc_trim(3))."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
