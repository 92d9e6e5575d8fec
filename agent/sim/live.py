"""The live terminal: the panel as the agent's status gives it, and keys that press buttons and cause faults.

The lamps' phase is computed here from their patterns, as the real panel's is, by ``agent.panel.levels``. What
stands under "reported upstream" is what a subscriber at the broker has received, and nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import termios
import time
import tty
from collections.abc import Iterator, Mapping
from typing import Any, cast

from agent import control
from agent.panel import CYCLES, DARK, LAMPS, VOICES, Horn, Light, PanelView, Pattern, Voice, levels
from agent.sim.broker import NoBroker
from agent.sim.outages import Outage
from agent.sim.script import NotHappened, Script
from agent.sim.site import SimulatedSite
from agent.sim.subscriber import Report

TICK_S = 0.12
LAMP_TEST_S = 4
OUTAGE_AFTER_S = 2.0
HINT = "a acknowledge  s silence  r reset  t lamp test  1-7 cause a fault  q quit"
REQUESTS: dict[str, tuple[str, dict[str, Any]]] = {
    "a": ("ack", {}),
    "s": ("silence", {}),
    "r": ("reset", {}),
    "t": ("test", {"seconds": LAMP_TEST_S}),
}
MAX_TASKS = 32


class Phases:
    """Turns the patterns of ``status`` into a view: each pattern begins when it is first seen."""

    def __init__(self) -> None:
        self.view: PanelView = DARK

    def see(self, lamps: Mapping[str, str], horn: str, now_ns: int) -> PanelView:
        """The view for these patterns; what has not changed keeps its phase. Unknown words read as off."""
        shown = {}
        for lamp in LAMPS:
            pattern = cast(Pattern, lamps.get(lamp, "off") if lamps.get(lamp) in CYCLES else "off")
            was = self.view.lamps[lamp]
            shown[lamp] = was if was.pattern == pattern else Light(pattern, now_ns)
        voice: Voice = horn if horn in VOICES else "none"
        sounding = self.view.horn if self.view.horn.voice == voice else Horn(voice, now_ns)
        self.view = PanelView(shown, sounding)
        return self.view


class Terminal:
    """One person's terminal on one simulated site."""

    def __init__(self, site: SimulatedSite, outages: Mapping[str, Outage]) -> None:
        self._site, self._outages = site, outages
        self._phases = Phases()
        self._quit = asyncio.Event()
        self._world = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._said = ""

    async def run(self, script: Script, first: Outage | None, seconds: float | None) -> int:
        """Start the site, show it until ``q`` or ``seconds`` are over. 0, or raises what ended the site."""
        for start in (script.broker_started, script.agent_started):
            script.tell(await start())
        with contextlib.suppress(NotHappened):
            script.tell(await script.healthy())
        try:
            async with asyncio.timeout(seconds):
                with _keys(self._key):
                    if first is not None:
                        self._start(self._cause_later(first))
                    await self._show()
        except TimeoutError:
            pass
        finally:
            for task in self._tasks:
                task.cancel()
        return 0

    async def _show(self) -> None:
        from rich.console import Console
        from rich.live import Live

        console = Console()
        with Live(console=console, screen=True, auto_refresh=False) as live:
            while not self._quit.is_set():
                self._site.check_agent()
                try:
                    status: dict[str, Any] | None = await self._site.ask("status")
                except control.Unanswered as unanswered:
                    status, self._said = None, str(unanswered)
                live.update(self._drawing(status), refresh=True)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(TICK_S):
                        await self._quit.wait()

    def _drawing(self, status: dict[str, Any] | None) -> Any:
        from rich.console import Group
        from rich.text import Text

        from agent.draw import panel_renderable

        if status is None:  # nothing known is drawn as nothing known
            return Group(panel_renderable({}, {}, "none", "The agent does not answer.", (), (), HINT), Text(self._said))
        now_ns = time.monotonic_ns()
        shown = levels(self._phases.see(status["lamps"], status["horn"], now_ns), now_ns)
        assert self._site.subscriber is not None
        # What was read off the wire is reported too; shown is what followed from it.
        reported = [report_line(event) for event in self._site.subscriber.events if event_kind(event) != "reading"]
        panel = panel_renderable(
            cast(Mapping[str, bool], shown.lit),
            status["lamps"],
            status["horn"],
            (status["verdict"] or {}).get("sentence", ""),
            status["alarms"],
            reported,
            HINT,
            "DIALTONE  a simulated site",
        )
        return Group(panel, Text(f" {self._in_force()}"[:79], style="bold", no_wrap=True, overflow="crop"))

    def _in_force(self) -> str:
        if self._said:
            return self._said
        standing = [outage for outage in self._outages.values() if self._site.in_force(outage)]
        if not standing:
            return "No fault is caused."
        if len(standing) > 1:
            return f"faults {', '.join(str(outage.key or outage.name) for outage in standing)} (the same keys repair)"
        return f"{standing[0].key or standing[0].name}: {standing[0].title} (the same key repairs)"

    # -- keys ----------------------------------------------------------------------------------------------------

    def _key(self, key: str) -> None:
        self._said = ""
        if key == "q":
            self._quit.set()
        elif key in REQUESTS:
            self._start(self._request(*REQUESTS[key]))
        else:
            outage = next((o for o in self._outages.values() if o.key is not None and str(o.key) == key), None)
            if outage is not None:
                self._start(self._toggle(outage))

    def _start(self, work: Any) -> None:
        if len(self._tasks) >= MAX_TASKS:
            work.close()
            self._said = "too many keys at once; that one was dropped"
            return
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _request(self, do: str, args: dict[str, Any]) -> None:
        try:
            await self._site.ask(do, args)
        except control.Unanswered as unanswered:
            self._said = str(unanswered)

    async def _toggle(self, outage: Outage) -> None:
        """Cause it, or repair it where it stands. One at a time, in the order of the keys."""
        async with self._world:
            try:
                if self._site.in_force(outage):
                    await self._site.apply(outage.repair())
                    return
                begun_s = time.monotonic()
                for change in outage.change:
                    await asyncio.sleep(max(0.0, change.at_s - (time.monotonic() - begun_s)))
                    await self._site.apply(change.set)
            except (NoBroker, OSError) as error:
                self._said = f"{outage.name}: {error}"

    async def _cause_later(self, outage: Outage) -> None:
        await asyncio.sleep(OUTAGE_AFTER_S)
        await self._toggle(outage)


def report_line(report: Report) -> str:
    """One received event in a line: the time it tells, its id, what it is about."""
    at = str(report.body.get("time", ""))[11:23]
    data = report.data
    kind = event_kind(report)
    about = f"{data['id']} {data['change']}" if kind == "alarm" else f"{kind} {data.get('cause', data.get('do', ''))}"
    return f"{at}  {report.event_id}  {about.strip()}"


def event_kind(report: Report) -> str:
    """The journal's kind of this entry: ``alarm`` of the type ``dialtone.alarm.v1``."""
    return str(report.body.get("type", "")).removeprefix("dialtone.").removesuffix(".v1") or "event"


@contextlib.contextmanager
def _keys(on_key: Any) -> Iterator[None]:
    """Read single keys without echo; the terminal is put back as it was on every way out."""
    fd = sys.stdin.fileno()
    before = termios.tcgetattr(fd)
    loop = asyncio.get_running_loop()

    def readable() -> None:
        try:
            typed = os.read(fd, 64)
        except OSError:
            typed = b""
        if not typed:  # the terminal has gone
            loop.remove_reader(fd)
            on_key("q")
        for key in typed.decode("ascii", errors="ignore"):
            on_key(key)

    tty.setcbreak(fd)
    try:
        loop.add_reader(fd, readable)
        yield
    finally:
        loop.remove_reader(fd)
        termios.tcsetattr(fd, termios.TCSADRAIN, before)
