"""The prober: starts the checks that the core asks for, and posts the reading that each ends with. A thin shell."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from agent.clock import Clock
from agent.paths.kinds import runner_of
from agent.paths.outcome import Outcome
from agent.paths.ping import ping_access
from agent.paths.runner import PingAccess, Runner, Tools
from agent.paths.target import Resolver
from agent.readings import Reading
from agent.site import schema
from agent.site.secrets import SecretStore

if TYPE_CHECKING:
    from agent.paths.knocks import Knocks

MAX_TASKS = 256
# A check keeps its own deadline; this much later it is ended from outside, since one that hangs must be told too.
GRACE_S = 1.0
STUCK_S = 10.0  # a check that goes on for so long after that is our own bug, and the sense no longer comes round
LOOK_S = 1.0
_LEAST_S = 0.05


class Prober:
    """Every ``start`` ends in exactly one reading of a probe's kind, whatever happens. ``run``: until cancelled.

    ``ping``: the way to ping; by default the kernel is asked, and asked again as long as it allows none.
    """

    def __init__(
        self,
        paths: Sequence[schema.Path],
        post: Callable[[Reading], None],
        clock: Clock,
        secrets: SecretStore,
        ping: PingAccess | None = None,
        knocks: Knocks | None = None,
        progress: Callable[[], None] = lambda: None,
    ) -> None:
        self._progress = progress
        self._checks = {(path.id, name): (path, check) for path in paths for name, check in schema.active(path)}
        self._post, self._clock = post, clock
        self._given_access = ping
        self._access: PingAccess = ping or "none"
        self._tasks: dict[asyncio.Task[None], float] = {}  # until when each must have ended, by the loop's time
        self._resolver = Resolver()
        self._tools = Tools(clock, secrets, self._ping_access, knocks)
        self._runners: dict[tuple[str, str], Runner] = {}

    async def run(self) -> None:
        """Until cancelled; then ends every check in flight without a reading."""
        try:
            while True:
                now_s = asyncio.get_running_loop().time()
                if all(now_s <= end_s for end_s in self._tasks.values()):
                    self._progress()
                await asyncio.sleep(LOOK_S)
        finally:
            tasks = list(self._tasks)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def start(self, path_id: str, check_name: str) -> None:
        """Start one check, in the loop's thread."""
        if len(self._tasks) >= MAX_TASKS:
            full = Outcome("unknown", "too many checks at once")
            asyncio.get_running_loop().call_soon(self._tell, path_id, check_name, full)
            return
        task = asyncio.create_task(self._check(path_id, check_name), name=f"{path_id} {check_name}")
        known = self._checks.get((path_id, check_name))
        longest_s = schema.timeout_s(known[1], known[0].role) if known is not None else 0.0
        self._tasks[task] = asyncio.get_running_loop().time() + longest_s + GRACE_S + STUCK_S
        task.add_done_callback(lambda ended: self._tasks.pop(ended, None))

    def _tell(self, path_id: str, check_name: str, outcome: Outcome) -> None:
        for reading in outcome.readings(path_id, check_name, self._clock.now_ns()):
            self._post(reading)

    async def _check(self, path_id: str, check_name: str) -> None:
        try:
            path, check = self._checks[path_id, check_name]
            timeout_s = schema.timeout_s(check, path.role)
            async with asyncio.timeout(timeout_s + GRACE_S):
                outcome = await self._outcome((path_id, check_name), path, check, timeout_s)
        except TimeoutError:
            outcome = Outcome("unknown", "this box was too slow to finish the check")
        except Exception as bug:  # our bug: the sense is blind, and says so
            outcome = Outcome("unknown", f"this box failed: {type(bug).__name__}: {bug}")
        self._tell(path_id, check_name, outcome)

    async def _outcome(
        self, key: tuple[str, str], path: schema.Path, check: schema.ActiveCheck, timeout_s: float
    ) -> Outcome:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        target = await self._resolver.find(path.address, timeout_s)
        if isinstance(target, Outcome):
            return target
        left_s = deadline - loop.time()
        if left_s <= min(_LEAST_S, timeout_s / 2):
            return Outcome("down", f"the name {path.address} took too long to look up")
        runner = self._runners.get(key)
        if runner is None:
            runner = self._runners[key] = runner_of(path, check, self._tools)
        return await runner.run(replace(target, interface=path.interface), left_s)

    def _ping_access(self) -> PingAccess:
        if self._given_access is None and self._access == "none":
            self._access = ping_access()
        return self._access
