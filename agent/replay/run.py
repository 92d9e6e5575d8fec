"""One case in virtual time: the simulated site drives the very core, and everything it tells is kept. From a seed.

No clock, no socket, no thread: time jumps from event to event. The lines go as bytes through the agent's own parsers,
the checks end as the agent's own outcomes, and what the core does is taken as the agent's shell would take it.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from agent.callers import Callers
from agent.core import Core
from agent.effects import Effect, Record, SetPanel, StartCheck
from agent.lines.dialects import parser_for
from agent.lines.parser import Parser
from agent.panel import PanelView
from agent.readings import Input, Plain, Reading, Request, State, Wake
from agent.replay import network
from agent.replay.calls import Calls, Printed, local_start, utc_s
from agent.replay.site import ALI, BANK, CONTACTS, GROUP, SITE_ID, SMDR, TRUNKS, site_of
from agent.sim import bank
from agent.sim.outages.story import Case, Setting, healthy
from agent.site import schema

NS = 1_000_000_000
HEARTBEAT_S = 60.0
CLOCK_S = 60.0
REPORT_S = 0.05
"""From a committed entry to the NOC and its receipt back, over a link that is up."""
LOG_S = 5.0
"""How often the firewall's log is judged: it logs something all the time."""
LOG_AGAIN_NS = 30 * NS
STEPS_A_SECOND = 30
NEXT_TO: Mapping[str, str] = {"ali.port": ALI, "smdr.port": SMDR, "bank.port": BANK}
PEERS: Mapping[str, State] = {"fine": "up", "lost": "down", "unknown": "unknown"}


@dataclass(frozen=True, slots=True)
class Told:
    """One thing that happened or was told. ``at_s``: seconds after the fault. ``who``: whose word it is."""

    at_s: float
    who: str
    what: str
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Trace:
    """All of it, in order."""

    case: Case
    seed: int
    told: list[Told] = field(default_factory=list)
    unhealthy: list[tuple[float, bool]] = field(default_factory=list)
    steps: int = 0

    def add(self, at_s: float, who: str, what: str, **detail: Any) -> None:
        self.told.append(Told(round(at_s, 3), who, what, detail))


@dataclass(frozen=True, slots=True)
class _Knock:
    """A knock that was asked for and is now due."""

    path: str
    check: str


class Replay:
    """One run. ``learned``: what the box has learned of this site before."""

    def __init__(self, case: Case, seed: int, learned: Mapping[str, Any] | None = None) -> None:
        self.case, self.trace = case, Trace(case, seed)
        story = case.story
        self._rng = random.Random(f"{case.name} {seed}")
        self._start = local_start(story.start, story.timezone)
        self._world: dict[str, Setting] = healthy()
        self._step_s = 0.0
        self._offset_ns = int(story.before_s * NS)
        self.site = site_of(case.site, story.timezone)
        self._paths = {path.id: path for path in self.site.path}
        self._checks = {(path.id, name): check for path in self.site.path for name, check in schema.active(path)}
        self.core = Core(self.site, 0, learned=learned)
        self._calls = Calls(case.site, self._start, self._world, self._rng)
        callers = Callers(b"the same in every replay; nobody.")
        self._parsers: dict[str, Parser] = {
            line.id: parser_for(line, callers) for line in self.site.line if line.dialect != "modbus"
        }
        self._trunks: dict[str, str] = dict.fromkeys(TRUNKS, bank.CLEAR)
        self._atag = 0
        self._queue: list[tuple[int, int, Input | _Knock]] = []
        self._number = 0
        self._view: PanelView | None = None
        self._asked = 0
        self._log_down, self._logged_ns = False, 0
        self._heard_ns, self._quiet = 0, False

    # -- time ----------------------------------------------------------------------------------------------------

    def _ns(self, at_s: float) -> int:
        return self._offset_ns + int(at_s * NS)

    def _s(self, at_ns: int) -> float:
        return (at_ns - self._offset_ns) / NS

    def run(self) -> Trace:
        """All of it. Raises RuntimeError where it takes more steps than any site could (our own bug)."""
        case = self.case
        end_ns = self._ns(case.after_s)
        steps_max = STEPS_A_SECOND * max(60, end_ns // NS)
        changes = [(self._ns(one.at_s), one.set) for one in case.change]
        ticks = self._ticks()
        self._begin()
        now_ns = 0
        while True:
            deadline = self.core.deadline()
            call_ns = self._ns(self._calls.next_s()) if self._calls.next_s() < 1e12 else end_ns + 1
            times = [call_ns, ticks[0][0], end_ns]
            if self._queue:
                times.append(self._queue[0][0])
            if deadline is not None:
                times.append(deadline)
            if changes:
                times.append(changes[0][0])
            now_ns = max(now_ns, min(times))
            if now_ns >= end_ns:
                return self.trace
            self.trace.steps += 1
            if self.trace.steps > steps_max:
                raise RuntimeError(f"{case.name}: more than {steps_max} steps")
            if changes and changes[0][0] <= now_ns:
                self._apply(changes.pop(0)[1], now_ns)
            elif self._queue and self._queue[0][0] <= now_ns:
                item = heapq.heappop(self._queue)[2]
                self._knocked(item, now_ns) if isinstance(item, _Knock) else self._hand(item, now_ns)
            elif ticks[0][0] <= now_ns:
                at_ns, what, every_s = heapq.heappop(ticks)
                heapq.heappush(ticks, (at_ns + int(every_s * NS), what, every_s))
                self._tick(what, now_ns)
            elif call_ns <= now_ns:
                for printed in list(self._calls.take(self._s(now_ns) + 1e-6)):
                    self._printed(printed, now_ns)
            else:
                self._hand(Wake(), now_ns)

    def _ticks(self) -> list[tuple[int, str, float]]:
        ticks = [(0, "clock", CLOCK_S)]
        if self.case.site.ali and self.case.site.heartbeat:
            ticks.append((NS, "heartbeat", HEARTBEAT_S))
        if self.case.site.syslog:
            ticks.append((2 * NS, "log", LOG_S))
        if self.case.site.peers:
            ticks.append((3 * NS, "peers", 30.0))
        heapq.heapify(ticks)
        return ticks

    def _begin(self) -> None:
        for line in self.site.line:
            self._hand(Reading(line.id, line.dialect, "port-up", "port", "up", 0), 0)
        if BANK in self._parsers:
            self._feed(BANK, bank.hello("BANK-A", self._wall(0), self._next_atag()), 0)
        if self.case.site.contacts:
            self._contact("contact.make-busy", value=False, now_ns=0)
            self._contact("power.mains", value=True, now_ns=0)
        if self.site.uplink:
            self._hand(Reading("primary", "mqtt", "probe-ok", "", "up", 0), 0)
        self._calls.begin(self._s(0))

    # -- the world -----------------------------------------------------------------------------------------------

    def _wall(self, now_ns: int) -> datetime:
        return datetime.fromtimestamp(utc_s(self._start) + self._s(now_ns) + self._step_s, self._start.tzinfo)

    def _apply(self, settings: Mapping[str, Setting], now_ns: int) -> None:
        at_s = self._s(now_ns)
        self.trace.add(at_s, "world", ", ".join(f"{what} {_word(value)}" for what, value in settings.items()))
        for what, value in settings.items():
            before, self._world[what] = self._world[what], value
            if value != before or what == "clock.step":
                self._one(what, value, now_ns)
        normal = healthy()
        well = all(value == normal[what] for what, value in self._world.items())
        self.trace.unhealthy.append((at_s, not well))

    def _one(self, what: str, value: Setting, now_ns: int) -> None:
        thing, _, quality = what.partition(".")
        if what in NEXT_TO:
            self._port(NEXT_TO[what], value == "plugged", now_ns)
        elif thing == "bank":
            self._trunk(quality, str(value), now_ns)
        elif what in ("contact.make-busy", "power.mains"):
            if self.case.site.contacts:
                self._contact(what, value=bool(value), now_ns=now_ns)
        elif what == "clock.step":
            self._step_s += float(value)
            self._world[what] = 0.0
            self._tick("clock", now_ns)
        elif what == "broker.alive" and self.site.uplink:
            kind, state = ("probe-ok", "up") if value else ("probe-fail", "down")
            self._hand(Reading("primary", "mqtt", kind, "", state, now_ns), now_ns)  # type: ignore[arg-type]
        elif what == "mode":
            self._ask("mode", {"mode": str(value), "minutes": 480}, now_ns)
        elif what == "shelve":
            network_ = [path.id for path in self.site.path] + [SITE_ID]
            names = {"network": network_, "trunks": [BANK, GROUP, SITE_ID], "nothing": []}[str(value)]
            for name in names:
                self._ask("shelve", {"what": name, "minutes": 480}, now_ns)
        elif what == "peers.calls":
            self._tick("peers", now_ns)

    def _ask(self, do: str, args: Mapping[str, Plain], now_ns: int) -> None:
        self._asked += 1
        self._hand(Request(f"replay-{self._asked}", do, args, "technician"), now_ns)

    def _port(self, line_id: str, plugged: bool, now_ns: int) -> None:
        line = next((one for one in self.site.line if one.id == line_id), None)
        if line is None:
            return
        kind: Any = "port-up" if plugged else "port-down"
        detail: dict[str, Plain] = {} if plugged else {"reason": "unplugged"}
        state: State = "up" if plugged else "down"
        self._hand(Reading(line_id, line.dialect, kind, "port", state, now_ns, detail), now_ns)

    def _trunk(self, aid: str, what: str, now_ns: int) -> None:
        standing, self._trunks[aid] = self._trunks[aid], what
        if BANK not in self._parsers:
            return
        at = self._wall(now_ns)
        for name, cleared in ((standing, True), (what, False)):
            if name != bank.CLEAR:
                told = bank.message("BANK-A", at, self._next_atag(), aid, bank.CONDITIONS[name], cleared)
                self._feed(BANK, told, now_ns)

    def _next_atag(self) -> int:
        self._atag += 1
        return self._atag

    def _contact(self, what: str, *, value: bool, now_ns: int) -> None:
        name, meaning, active = (
            ("divert", "make-busy", value) if what == "contact.make-busy" else ("battery", "on-battery", not value)
        )
        state: State = "down" if active else "up"
        detail: dict[str, Plain] = {"meaning": meaning, "active": active, "edges": 1, "trunk": None, "position": None}
        self._hand(Reading(CONTACTS, "modbus", "contact", name, state, now_ns, detail), now_ns)

    # -- the senses ----------------------------------------------------------------------------------------------

    def _tick(self, what: str, now_ns: int) -> None:
        if what == "clock":
            detail: dict[str, Plain] = {"utc_s": self._wall(now_ns).timestamp(), "synced": True}
            self._hand(Reading("host", "clock", "host", "clock", "up", now_ns, detail), now_ns)
        elif what == "heartbeat":
            if self._world["ali.heartbeat"] and self._world["ali.port"] == "plugged":
                self._feed(ALI, b"\x02H\x03", now_ns)
            elif not self._quiet and now_ns - self._heard_ns > int(3 * HEARTBEAT_S * NS):
                self._quiet = True
                self._hand(
                    Reading(ALI, "ali", "heartbeat", "link", "down", now_ns, {"expected_s": HEARTBEAT_S}), now_ns
                )
        elif what == "log":
            self._log(now_ns)
        else:
            look = PEERS[str(self._world["peers.calls"])]
            kind: Any = {"up": "probe-ok", "down": "probe-fail", "unknown": "probe-degraded"}[look]
            self._hand(Reading("peers", "pool", kind, "", look, now_ns), now_ns)

    def _log(self, now_ns: int) -> None:
        """The firewall's log as its judge would tell of it: denies of calls, or none for 30 s."""
        world = self._world
        if not (world["lan.alive"] and world["firewall.alive"]):
            return
        denies = network.blocked(world) and bool(world["firewall.logs"])
        again = not denies and now_ns >= self._logged_ns + LOG_AGAIN_NS
        if denies == self._log_down and now_ns > 10 * NS and not again:
            return
        self._log_down, self._logged_ns = denies, now_ns
        name = next(n for n in schema.check_names(self._paths["firewall"]) if n.startswith("syslog"))
        reason = {"reason": "the firewall refuses calls", "denies": 5} if denies else {}
        kind, state = ("probe-fail", "down") if denies else ("probe-ok", "up")
        self._later(now_ns, Reading("firewall", name, kind, "", state, now_ns, reason))  # type: ignore[arg-type]

    def _printed(self, printed: Printed, now_ns: int) -> None:
        if printed.line == CONTACTS:
            for active, after_s in ((True, 0.0), (False, 1.0)):
                position = f"seat-{printed.button}"
                detail: dict[str, Plain] = {
                    "meaning": "no-voice", "active": active, "edges": 1, "trunk": None, "position": position,
                }  # fmt: skip
                at_ns = now_ns + int(after_s * NS)
                state: State = "down" if active else "up"
                self._later(
                    at_ns, Reading(CONTACTS, "modbus", "contact", f"no-voice-{printed.button}", state, at_ns, detail)
                )
            self.trace.add(self._s(now_ns), "dispatcher", f"no voice: button at seat {printed.button}")
            return
        port = "ali.port" if printed.line == "ali-a" else "smdr.port"
        if printed.line in self._parsers and self._world[port] == "plugged":
            self._feed(printed.line, printed.data, now_ns)

    def _feed(self, line: str, data: bytes, now_ns: int) -> None:
        if line == ALI:
            self._heard_ns = now_ns
            if self._quiet:  # as the port tells it: bytes after a silence
                self._quiet = False
                self._hand(Reading(ALI, "ali", "heartbeat", "link", "up", now_ns, {"expected_s": HEARTBEAT_S}), now_ns)
        for reading in self._parsers[line].feed(data, now_ns):
            self._hand(reading, now_ns)

    def _later(self, at_ns: int, item: Input | _Knock) -> None:
        self._number += 1
        heapq.heappush(self._queue, (at_ns, self._number, item))

    # -- the core ------------------------------------------------------------------------------------------------

    def _hand(self, item: Input, now_ns: int) -> None:
        self._carry_out(self.core.handle(item, now_ns), now_ns)

    def _carry_out(self, effects: Iterable[Effect], now_ns: int) -> None:
        for effect in effects:
            if isinstance(effect, StartCheck):
                self._start_check(effect, now_ns)
            elif isinstance(effect, SetPanel):
                self._panel(effect.view, now_ns)
            elif isinstance(effect, Record):
                self._record(effect, now_ns)

    def _start_check(self, start: StartCheck, now_ns: int) -> None:
        path = self._paths[start.path]
        check = self._checks[start.path, start.check]
        after_s, outcome = network.outcome(self._world, path, check, self._rng)
        at_ns = now_ns + int(after_s * NS)
        if isinstance(check, schema.Knock) and outcome.state == "up":
            self._later(at_ns, _Knock(start.path, start.check))
            return
        for reading in outcome.readings(start.path, start.check, at_ns):
            self._later(at_ns, reading)

    def _knocked(self, knock: _Knock, now_ns: int) -> None:
        """The idle time is over: only now does the reflector call, if it lives and may."""
        check = self._checks[knock.path, knock.check]
        assert isinstance(check, schema.Knock)
        after_s, outcome = network.knocked(self._world, self._paths[knock.path], check, self._rng)
        at_ns = now_ns + int(after_s * NS)
        for reading in outcome.readings(knock.path, knock.check, at_ns):
            self._later(at_ns, reading)

    def _panel(self, view: PanelView, now_ns: int) -> None:
        before, self._view = self._view, view
        at_s = self._s(now_ns)
        for lamp, light in view.lamps.items():
            was = before.lamps[lamp].pattern if before is not None else "off"
            if light.pattern != was:
                self.trace.add(at_s, "lamp", f"{lamp} {light.pattern}", lamp=lamp, pattern=light.pattern)
        voice = before.horn.voice if before is not None else "none"
        if view.horn.voice != voice:
            self.trace.add(at_s, "horn", view.horn.voice, voice=view.horn.voice)

    def _record(self, record: Record, now_ns: int) -> None:
        at_s, payload = self._s(now_ns), record.payload
        if record.kind == "alarm":
            self.trace.add(at_s, "alarm", f"{payload['id']} {payload['change']}", **payload)
            raised = payload["change"] == "raised"
            if raised and self.site.uplink and self._world["broker.alive"]:
                at_ns = now_ns + int(REPORT_S * NS)
                self.trace.add(at_s + REPORT_S, "report", payload["id"], id=payload["id"])
                detail: dict[str, Plain] = {"received": 1, "times_raised": payload["times_raised"]}
                self._later(at_ns, Reading("primary", "mqtt", "event", payload["id"], None, at_ns, detail))
        elif record.kind == "verdict":
            self.trace.add(at_s, "verdict", payload["sentence"], **payload)
        elif record.kind == "request":
            self.trace.add(at_s, "request", f"{payload['do']} {payload['args']}")


def _word(value: Setting) -> str:
    if isinstance(value, bool):
        return "well" if value else "lost"
    return f"{value:g}" if isinstance(value, int | float) else value
