"""The TCP check: can a connection be opened? Several attempts with new source ports, the first that opens passes.

Nothing is sent over it. The kernel repeats a lost SYN only after 1 s, so one attempt alone would fail too often.
"""

from __future__ import annotations

import asyncio
import socket

from agent.clock import NS, Clock
from agent.paths.outcome import Outcome, no_answer, of_error

STARTS = (0.0, 0.25, 0.5)
"""When the attempts start, as shares of the time allowed."""


async def connect(address: str, v6: bool, port: int, timeout_s: float, clock: Clock) -> Outcome:
    """One check of a numeric address. Never raises OSError."""
    began_ns = clock.now_ns()
    attempts = [asyncio.create_task(_attempt(address, v6, port, share * timeout_s)) for share in STARTS]
    problem: OSError | None = None
    try:
        async with asyncio.timeout(timeout_s):
            for finished in asyncio.as_completed(attempts):
                problem = await finished
                if problem is None:
                    return Outcome("up", "", {"connect_ms": round((clock.now_ns() - began_ns) / (NS / 1000), 2)})
                if isinstance(problem, ConnectionRefusedError):
                    break  # an answer, and the same one each time
    except TimeoutError:
        problem = None
    finally:
        for attempt in attempts:
            attempt.cancel()
        await asyncio.gather(*attempts, return_exceptions=True)
    return no_answer(timeout_s) if problem is None else of_error(problem)


async def _attempt(address: str, v6: bool, port: int, wait_s: float) -> OSError | None:
    await asyncio.sleep(wait_s)
    try:
        with socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_STREAM) as sock:
            sock.setblocking(False)
            await asyncio.get_running_loop().sock_connect(sock, (address, port))
    except OSError as error:
        return error
    return None
