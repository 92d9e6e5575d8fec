"""Runs the agent's shells side by side: one that fails starts again, one that stands still starves the watchdog."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

from agent.clock import Clock
from agent.notify import Notifier
from agent.progress import Progress

log = logging.getLogger("dialtone")
WELL_S = 30.0  # a shell that has run this long after a failure is well again
RETRY_S = (1.0, 60.0)
WITHIN_S: Mapping[str, float] = {
    "core": 15.0,
    "clock": 30.0,
    "line": 30.0,
    "prober": 30.0,
    "listener": 30.0,
    "host": 60.0,
}
"""By the first word of a shell's name: how often each comes round, with patience for a Pi under load."""
NOT_VITAL_S: Mapping[str, float] = {"uplink": 600.0}
"""Told when they stand still; the lamps of a box that can't report are worth more than a restart."""

Shell = Callable[[], Awaitable[None]]


class Supervisor:
    """``tell(sense, reason, subject)``: of the box itself. ``core``: has the core look, False where it failed."""

    def __init__(
        self,
        clock: Clock,
        tell: Callable[[str, str | None, str], None],
        core: Callable[[], bool],
        notifier: Notifier | None = None,
    ) -> None:
        self._clock, self._tell, self._core = clock, tell, core
        self.notifier = notifier or Notifier()
        self.progress = Progress()
        self._still: frozenset[str] = frozenset()

    def maker(self, name: str) -> Callable[[], None]:
        """What the shell of this name calls as it comes round."""
        return self.progress.maker(name, self._clock.now_ns)

    async def run(self, shells: Mapping[str, Shell], stop: asyncio.Event) -> None:
        """Run them all until ``stop``, then end them."""
        now_ns = self._clock.now_ns()
        for name in ("core", *shells):
            kind = name.split()[0]
            if kind in WITHIN_S:
                self.progress.begin(name, WITHIN_S[kind], now_ns)
            elif kind in NOT_VITAL_S:
                self.progress.begin(name, NOT_VITAL_S[kind], now_ns, vital=False)
        jobs = {name: self._supervised(name, shell) for name, shell in shells.items()}
        running = [asyncio.create_task(job, name=name) for name, job in {**jobs, "watchdog": self._watch()}.items()]
        try:
            self.notifier.ready()
            await stop.wait()
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _supervised(self, name: str, run: Shell) -> None:
        """Our own bug in one shell must not end the others: it is told, and that shell starts again."""
        wait_s = RETRY_S[0]
        while True:
            well = asyncio.get_running_loop().call_later(WELL_S, self._tell, "core", None, name)
            try:
                await run()
                reason = "ended by itself"
            except asyncio.CancelledError:
                raise
            except Exception as bug:
                log.exception("%s failed", name)
                reason = f"{type(bug).__name__}: {bug}"
            finally:
                well.cancel()
            self._tell("core", f"{name}: {reason}", name)
            self.progress.made(name, self._clock.now_ns(), wait_s)
            await asyncio.sleep(wait_s)
            wait_s = min(RETRY_S[1], 2 * wait_s)

    async def _watch(self) -> None:
        while True:
            try:
                self.look()
            except Exception:  # our bug: then the watchdog is not fed, which is its purpose
                log.exception("the look at progress failed")
            await asyncio.sleep(self.notifier.every_s)

    def look(self) -> None:
        """Ask the core, tell what stands still, and feed the watchdog where nothing vital does."""
        if self._core():
            self.progress.made("core", self._clock.now_ns())
        now_ns = self._clock.now_ns()
        still = self.progress.still(now_ns)
        for name in self._still - still.keys():
            log.warning("%s comes round again", name)
            self._tell("core", None, f"progress {name}")
        for name in still.keys() - self._still:
            log.error("%s stands still for %.0f s", name, still[name])
            self._tell("core", f"{name} stands still", f"progress {name}")
        self._still = frozenset(still)
        if self.progress.may_feed(now_ns):
            self.notifier.alive()
        else:
            self.notifier.starved(f"{', '.join(still)} stands still: the watchdog is not fed")
