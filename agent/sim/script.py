"""The scripted demo: a fault and its repair, one line for each thing that happens, proved one by one.

A step is a name and a coroutine that does something, waits for what must follow, and returns the words to print.
What does not follow in time is told, and the rest goes on; the exit status is 0 only if every step happened.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from agent import control
from agent.sim.bank import CLEAR
from agent.sim.outages import Outage
from agent.sim.site import PATH_HOLD_S, SimulatedSite, SiteFailed
from agent.sim.subscriber import Report

WITHIN_S = 20.0
LOOK_S = 0.1
Status = dict[str, Any]


class NotHappened(Exception):
    """What a step waited for did not come; the text says what was seen instead."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that must happen; without a ``vital`` one the rest is not tried."""

    name: str
    do: Callable[[], Awaitable[str]]
    vital: bool = False


class Script:
    """Runs steps on a simulated site. ``speed`` divides its pauses only; what it waits for takes what it takes."""

    def __init__(self, site: SimulatedSite, speed: float, tell: Callable[[str], None]) -> None:
        self.site, self._speed, self._tell_line = site, speed, tell
        self._start_s = time.monotonic()
        self._journal_before = 0
        self._mark_s = 0.0

    # -- running -------------------------------------------------------------------------------------------------

    def tell(self, text: str) -> None:
        """One line, with the seconds since the start."""
        self._tell_line(f"{time.monotonic() - self._start_s:6.2f} s  {text}")

    async def run(self, steps: Sequence[Step], within_s: float) -> int:
        """Run all steps; 0 if every one happened, else 1. Never takes longer than ``within_s``."""
        missing = [step.name for step in steps]
        try:
            async with asyncio.timeout(within_s):
                for step in steps:
                    if await self._one(step):
                        missing.remove(step.name)
                    elif step.vital:
                        break
        except TimeoutError:
            self.tell(f"stopped: {within_s:g} s are over")
        self._tell_line(f"{len(steps) - len(missing)} of {len(steps)} things happened")
        for name in missing:
            self._tell_line(f"  did not happen: {name}")
        return 1 if missing else 0

    async def _one(self, step: Step) -> bool:
        try:
            self.tell(await step.do())
        except (NotHappened, SiteFailed, control.Unanswered, OSError) as error:
            self.tell(f"DID NOT HAPPEN: {step.name}: {error}")
            return False
        return True

    async def pause(self, seconds: float) -> None:
        """Let a person read; this alone is scaled by ``speed``."""
        await asyncio.sleep(seconds / self._speed)

    async def until(self, wanted: Callable[[Status], bool], within_s: float = WITHIN_S) -> Status:
        """The first status that fits. Raises ``NotHappened`` with the lamps as they are."""
        until_s = time.monotonic() + within_s
        while True:
            status = await self.site.ask("status")
            if wanted(status):
                return status
            if time.monotonic() > until_s:
                raise NotHappened(f"within {within_s:g} s; {look(status)}")
            self.site.check_agent()
            await asyncio.sleep(LOOK_S)

    async def received(self, wanted: Callable[[Report], bool], within_s: float = WITHIN_S) -> Report:
        """The newest report that fits. Raises ``NotHappened``."""
        assert self.site.subscriber is not None
        until_s = time.monotonic() + within_s
        while (report := self.site.subscriber.find(wanted)) is None:
            if time.monotonic() > until_s:
                raise NotHappened(f"nothing of it received within {within_s:g} s")
            await asyncio.sleep(0.02)
        return report

    # -- what both scripts begin and end with --------------------------------------------------------------------

    async def broker_started(self) -> str:
        await self.site.start_world()
        assert self.site.broker is not None
        return f"broker: {self.site.broker.name} on 127.0.0.1:{self.site.broker.port}"

    async def agent_started(self) -> str:
        await self.site.start_agent()
        return f"agent: `dialtone run` as process {self.site.agent_pid}"

    async def healthy(self) -> str:
        status = await self.until(lambda s: s["lamps"]["ok"] == "wink" and lit(s) == ["ok"])
        await self.received(lambda report: report.body.get("state") == "up" and report.topic.startswith("status/"))
        self._journal_before = journal_head(status)
        return f"healthy: ok winks, every other lamp is dark, {len(status['senses'])} senses are heard"

    async def agent_stopped(self) -> str:
        code = await self.site.stop_agent()
        if code != 0:
            raise NotHappened(f"its exit status is {code}: {self.site.agent_words()}")
        await self.received(lambda report: report.topic.startswith("status/") and report.body.get("state") == "lost")
        return "agent: stopped by SIGTERM, status 0; its farewell was received"

    async def journal_whole(self) -> str:
        from agent.journal.verify import verify

        assert self.site.subscriber is not None
        report = await asyncio.to_thread(verify, self.site.journal)
        if report.broken is not None:
            raise NotHappened(f"the chain breaks at entry {report.broken.seq}: {report.broken.why}")
        events = [event.event_id for event in self.site.subscriber.events]
        strange = [i for i in events if i.split(".")[0] != report.store or int(i.split(".")[2]) > report.head]
        if strange:
            raise NotHappened(f"received, but not in the journal: {', '.join(strange)}")
        return f"journal: the chain is whole, {report.head} entries; all {len(events)} events received stand in it"

    # -- the T1 --------------------------------------------------------------------------------------------------

    async def los_sent(self) -> str:
        await self.pause(1.0)
        self._mark_s = asyncio.get_running_loop().time()
        await self.site.apply({"bank.T1-1": "los"})
        return "channel bank: REPT ALM T1, T1-1 has lost its signal (LOS)"

    async def los_raised(self) -> str:
        alarm = alarm_of(await self.until(lambda s: alarm_of(s, "los") is not None), "los") or {}
        return f"alarm raised: {alarm['id']} ({alarm['severity']}): {alarm['text']}"

    async def trunks_flash(self) -> str:
        await self.until(lambda s: s["lamps"]["trunks"] == "flash")
        return "lamp: trunks flashes"

    async def horn_sounds(self) -> str:
        await self.until(lambda s: s["horn"] == "alarm")
        return "horn: the alarm voice, 3 s in 30"

    async def journalled(self) -> str:
        status = await self.until(lambda s: journal_head(s) > self._journal_before)
        return f"journal: {journal_head(status) - self._journal_before} new entries, synced to disk"

    async def los_received(self) -> str:
        report = await self.received(lambda r: is_change(r, "los", "raised"))
        after_ms = (report.at_s - self._mark_s) * 1000
        return f"received by a subscriber: event {report.event_id}, {after_ms:.0f} ms after the bank spoke"

    async def acknowledged(self) -> str:
        await self.pause(2.0)
        await self.site.ask("ack")
        await self.until(lambda s: s["lamps"]["trunks"] == "steady")
        return "acknowledged: trunks is steady"

    async def horn_silent(self) -> str:
        await self.until(lambda s: s["horn"] == "none")
        return "horn: silent"

    async def los_cleared(self) -> str:
        await self.pause(1.0)
        await self.site.apply({"bank.T1-1": CLEAR})
        await self.until(lambda s: not any(a["active"] for a in s["alarms"] if a["lamp"] == "trunks"))
        report = await self.received(lambda r: is_change(r, "los", "returned", "cleared"))
        return f"channel bank: T1-1 clear (CL); returned, still lit by sequence M; event {report.event_id} received"

    async def trunks_dark(self) -> str:
        await self.pause(1.0)
        await self.site.ask("reset")
        await self.until(lambda s: s["lamps"]["trunks"] == "off")
        return "reset: trunks is dark"

    # -- the firewall --------------------------------------------------------------------------------------------

    async def forwarding_stopped(self) -> str:
        await self.pause(1.0)
        self._mark_s = asyncio.get_running_loop().time()
        await self.site.apply({"firewall.forwarding": False})
        return "firewall: forwards nothing from now on, and still answers for itself"

    async def beyond_it_flashes(self) -> str:
        status = await self.until(lambda s: s["lamps"]["router"] == "flash" and s["lamps"]["far-end"] == "flash")
        after_s = asyncio.get_running_loop().time() - self._mark_s
        return f"lamps: {', '.join(lit(status))}, {after_s:.1f} s after it stopped"

    async def verdict_given(self) -> str:
        def named(status: Status) -> bool:
            verdict = status.get("verdict") or {}
            return "firewall-blocking" in (verdict.get("cause"), *verdict.get("causes", ()))

        verdict = (await self.until(named))["verdict"]
        return f"verdict: {' or '.join(verdict.get('causes') or [verdict['cause']])}: {verdict['sentence']}"

    async def path_received(self) -> str:
        report = await self.received(lambda r: is_change(r, "far-end-fault", "raised"))
        after_s = report.at_s - self._mark_s
        return f"received by a subscriber: event {report.event_id}, {after_s:.1f} s after the firewall stopped"

    async def path_horn(self) -> str:
        await self.until(lambda s: s["horn"] == "alarm")
        return f"horn: the alarm voice, after the hold of {PATH_HOLD_S:g} s for what only checks say"

    async def path_acknowledged(self) -> str:
        await self.pause(1.0)
        await self.site.ask("ack")
        await self.until(lambda s: s["lamps"]["router"] == "steady" and s["horn"] == "none")
        return "acknowledged: router and far-end are steady, the horn is silent"

    async def path_cleared(self) -> str:
        await self.pause(1.0)
        await self.site.apply({"firewall.forwarding": True})
        await self.until(lambda s: not any(a["active"] for a in s["alarms"] if a["lamp"] in ("router", "far-end")))
        await self.received(lambda r: is_change(r, "far-end-fault", "returned", "cleared"))
        return "repaired: router and far end answer three times in a row; received"

    async def path_dark(self) -> str:
        await self.site.ask("reset")
        status = await self.until(lambda s: s["lamps"]["router"] == "off" and s["lamps"]["far-end"] == "off")
        rest = [name for name in lit(status) if name != "ok"]
        standing = f" ({', '.join(rest)} stays lit for its clear time of 60 s)" if rest else ""
        return f"reset: router and far-end are dark{standing}"

    def standard(self) -> list[Step]:
        """A T1 lost and found, then a firewall that forwards nothing and is repaired."""
        return [
            Step("broker started", self.broker_started, vital=True),
            Step("agent started", self.agent_started, vital=True),
            Step("healthy", self.healthy),
            Step("T1 LOS sent", self.los_sent),
            Step("alarm raised", self.los_raised),
            Step("trunks lamp flashes", self.trunks_flash),
            Step("horn sounds", self.horn_sounds),
            Step("journal entry", self.journalled),
            Step("received by a subscriber", self.los_received),
            Step("acknowledged, lamp steady", self.acknowledged),
            Step("horn silent", self.horn_silent),
            Step("T1 cleared", self.los_cleared),
            Step("reset, lamp dark", self.trunks_dark),
            Step("firewall stops forwarding", self.forwarding_stopped),
            Step("router and far-end lamps flash", self.beyond_it_flashes),
            Step("verdict names the firewall", self.verdict_given),
            Step("path alarm received by a subscriber", self.path_received),
            Step("horn sounds after its hold", self.path_horn),
            Step("path alarms acknowledged", self.path_acknowledged),
            Step("firewall repaired, path alarms clear", self.path_cleared),
            Step("reset, path lamps dark", self.path_dark),
            Step("agent stopped in order", self.agent_stopped),
            Step("journal verified", self.journal_whole),
        ]

    # -- one outage ----------------------------------------------------------------------------------------------

    def one(self, outage: Outage) -> list[Step]:
        """One outage of the folder, and its repair."""

        async def happens() -> str:
            await self.pause(1.0)
            begun_s = time.monotonic()
            for change in outage.change:
                await asyncio.sleep(max(0.0, change.at_s / self._speed - (time.monotonic() - begun_s)))
                await self.site.apply(change.set)
            return f"{outage.title}. {outage.story}"

        async def lights() -> str:
            def shown(status: Status) -> bool:
                return all(status["lamps"][lamp] in ("flash", "steady") for lamp in outage.lights)

            status = await self.until(shown, outage.lights_within_s)
            for alarm in status["alarms"]:
                self.tell(f"  {alarm['severity']}: {alarm['text']}")
            return f"lamps: {', '.join(lit(status))}; horn: {status['horn']}"

        async def repaired() -> str:
            await self.pause(2.0)
            await self.site.ask("ack")
            await self.site.apply(outage.repair())

            def gone(status: Status) -> bool:
                return not any(alarm["active"] for alarm in status["alarms"] if alarm["lamp"] in outage.lights)

            await self.until(gone, 75.0)  # a critical one clears after 60 s
            await self.site.ask("ack")  # a repair in steps raises anew: half a trunk group is an alarm of its own
            await self.site.ask("reset")
            status = await self.until(lambda s: all(s["lamps"][lamp] == "off" for lamp in outage.lights))
            return f"repaired, acknowledged, reset; lit now: {', '.join(lit(status)) or 'nothing'}"

        async def reported() -> str:
            await self.received(lambda report: report.data.get("change") == "raised")
            assert self.site.subscriber is not None
            return f"a subscriber has received {len(self.site.subscriber.events)} events, each once"

        return [
            Step("broker started", self.broker_started, vital=True),
            Step("agent started", self.agent_started, vital=True),
            Step("healthy", self.healthy),
            Step(outage.name, happens),
            Step(f"lamps light: {', '.join(outage.lights)}", lights),
            Step("repaired", repaired),
            Step("received by a subscriber", reported),
            Step("agent stopped in order", self.agent_stopped),
            Step("journal verified", self.journal_whole),
        ]


def lit(status: Status) -> list[str]:
    """The lamps that are not off."""
    return [lamp for lamp, pattern in status["lamps"].items() if pattern != "off"]


def look(status: Status) -> str:
    """A status in a few words, for what did not happen."""
    lamps = ", ".join(f"{lamp} {status['lamps'][lamp]}" for lamp in lit(status)) or "all dark"
    senses = ", ".join(f"{s['source']} {s['state']}" for s in status["senses"])
    return f"lamps: {lamps}; horn: {status['horn']}; senses: {senses}"


def alarm_of(status: Status, type_name: str) -> dict[str, Any] | None:
    """The first standing alarm of a type."""
    return next((alarm for alarm in status["alarms"] if alarm["type"] == type_name), None)


def is_change(report: Report, type_name: str, *changes: str) -> bool:
    """Whether this event tells one of these changes of an alarm of this type."""
    return bool(report.event_id) and report.data.get("type") == type_name and report.data.get("change") in changes


def journal_head(status: Status) -> int:
    """The journal's newest committed sequence number."""
    return int(status["journal"]["head"])
