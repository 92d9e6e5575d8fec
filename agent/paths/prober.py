"""The prober: starts the checks that the core asks for, and posts one reading for each. A thin shell."""

from __future__ import annotations

import asyncio
import ipaddress
import random
import socket
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from agent.clock import Clock
from agent.paths.outcome import Outcome, no_answer, of_error
from agent.paths.ping import PingAccess, ping, ping_access
from agent.readings import Reading
from agent.site import schema

MAX_TASKS = 256
RESOLVERS = 4


class Prober:
    """Every ``start`` ends in exactly one reading, whatever happens; ``run`` cleans up when it is cancelled."""

    def __init__(
        self,
        paths: Sequence[schema.Path],
        post: Callable[[Reading], None],
        clock: Clock,
        rng: random.Random,  # noqa: ARG002  (checks draw their randomness from the kernel: it must not be guessed)
        access: PingAccess | None = None,
    ) -> None:
        self._checks = {
            (path.id, name): (path, check)
            for path in paths
            for name, check in zip(schema.check_names(path), path.checks, strict=True)
        }
        self._post, self._clock = post, clock
        self._access = access
        self._tasks: set[asyncio.Task[None]] = set()
        # A name server that does not answer holds its thread for long: these are few, and nobody else's.
        self._resolvers = ThreadPoolExecutor(RESOLVERS, thread_name_prefix="resolve")
        self._resolving = 0

    async def run(self) -> None:
        """Until cancelled; then ends every check in flight without a reading."""
        try:
            await asyncio.Event().wait()
        finally:
            tasks = list(self._tasks)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._resolvers.shutdown(wait=False, cancel_futures=True)

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
        path, check = self._checks[path_id, check_name]
        timeout_s = schema.timeout_s(check, path.role)
        try:
            outcome = await self._outcome(path, check, timeout_s)
        except asyncio.CancelledError:
            raise
        except Exception as bug:  # our bug: the sense is blind, and says so
            outcome = Outcome("unknown", f"this box failed: {type(bug).__name__}: {bug}")
        self._tell(path_id, check_name, outcome)

    async def _outcome(self, path: schema.Path, check: schema.Check, timeout_s: float) -> Outcome:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        found = await self._resolve(path.address, timeout_s)
        if isinstance(found, Outcome):
            return found
        address, v6 = found
        left_s = deadline - loop.time()
        if left_s <= 0.05:
            return Outcome("down", f"the name {path.address} took too long to look up")
        if isinstance(check, schema.Icmp):
            self._access = self._access or ping_access()
            return await ping(address, v6, left_s, self._access, self._clock)
        if isinstance(check, schema.Tcp):
            from agent.paths.tcp import connect

            return await connect(address, v6, check.port, left_s, self._clock)
        from agent.paths.options import options

        return await options(path.address, address, v6, check.port, left_s, self._clock)

    async def _resolve(self, name: str, timeout_s: float) -> tuple[str, bool] | Outcome:
        """A numeric address and whether it is IPv6; names are looked up within the check's own time."""
        try:
            return name, ipaddress.ip_address(name).version == 6
        except ValueError:
            pass
        if self._resolving >= RESOLVERS:
            return Outcome("down", "names can't be looked up: the name server does not answer")
        self._resolving += 1
        future = self._resolvers.submit(socket.getaddrinfo, name, None, 0, socket.SOCK_DGRAM)
        loop = asyncio.get_running_loop()
        future.add_done_callback(lambda _: _threadsafe(loop, self._resolved))
        try:
            async with asyncio.timeout(timeout_s):
                found = await asyncio.shield(asyncio.wrap_future(future))
        except TimeoutError:
            return no_answer(timeout_s)
        except socket.gaierror as error:
            return Outcome("down", f"the name {name} is not found ({error.strerror})")
        except OSError as error:
            return of_error(error)
        family, _, _, _, where = found[0]
        return str(where[0]), family == socket.AF_INET6

    def _resolved(self) -> None:
        self._resolving -= 1


def _threadsafe(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
    try:
        loop.call_soon_threadsafe(call)
    except RuntimeError:  # the loop has ended
        return
