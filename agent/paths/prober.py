"""The prober: starts the checks that the core asks for, and posts one reading for each. A thin shell."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence

from agent.clock import Clock
from agent.paths.outcome import Outcome
from agent.paths.ping import PingAccess, ping, ping_access
from agent.paths.target import Resolver
from agent.readings import Reading
from agent.site import schema

MAX_TASKS = 256
# A check keeps its own deadline; this much later it is ended from outside, since one that hangs must be told too.
GRACE_S = 1.0
_LEAST_S = 0.05


class Prober:
    """Every ``start`` ends in exactly one reading, whatever happens; ``run`` cleans up when it is cancelled.

    ``ping``: the way to ping; by default the kernel is asked, and asked again as long as it allows none.
    """

    def __init__(
        self,
        paths: Sequence[schema.Path],
        post: Callable[[Reading], None],
        clock: Clock,
        rng: random.Random,  # noqa: ARG002  (checks draw their randomness from the kernel: it must not be guessed)
        ping: PingAccess | None = None,
    ) -> None:
        self._checks = {
            (path.id, name): (path, check)
            for path in paths
            for name, check in zip(schema.check_names(path), path.checks, strict=True)
        }
        self._post, self._clock = post, clock
        self._given_access = ping
        self._access: PingAccess = ping or "none"
        self._tasks: set[asyncio.Task[None]] = set()
        self._resolver = Resolver()

    async def run(self) -> None:
        """Until cancelled; then ends every check in flight without a reading."""
        try:
            await asyncio.Event().wait()
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
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _tell(self, path_id: str, check_name: str, outcome: Outcome) -> None:
        self._post(outcome.reading(path_id, check_name, self._clock.now_ns()))

    async def _check(self, path_id: str, check_name: str) -> None:
        try:
            path, check = self._checks[path_id, check_name]
            timeout_s = schema.timeout_s(check, path.role)
            async with asyncio.timeout(timeout_s + GRACE_S):
                outcome = await self._outcome(path, check, timeout_s)
        except TimeoutError:
            outcome = Outcome("unknown", "this box was too slow to finish the check")
        except Exception as bug:  # our bug: the sense is blind, and says so
            outcome = Outcome("unknown", f"this box failed: {type(bug).__name__}: {bug}")
        self._tell(path_id, check_name, outcome)

    async def _outcome(self, path: schema.Path, check: schema.Check, timeout_s: float) -> Outcome:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        target = await self._resolver.find(path.address, timeout_s)
        if isinstance(target, Outcome):
            return target
        left_s = deadline - loop.time()
        if left_s <= min(_LEAST_S, timeout_s / 2):
            return Outcome("down", f"the name {path.address} took too long to look up")
        if isinstance(check, schema.Icmp):
            return await ping(target, left_s, self._ping_access(), self._clock)
        if isinstance(check, schema.Tcp):
            from agent.paths.tcp import connect

            return await connect(target, check.port, left_s, self._clock)
        from agent.paths.options import options

        return await options(path.address, target, check.port, left_s, self._clock)

    def _ping_access(self) -> PingAccess:
        if self._given_access is None and self._access == "none":
            self._access = ping_access()
        return self._access
