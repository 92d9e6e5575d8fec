"""What a check is given to run with, and what the prober expects of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from agent.clock import Clock
from agent.paths.outcome import Outcome
from agent.paths.target import Target
from agent.site.secrets import SecretStore

if TYPE_CHECKING:
    from agent.paths.knocks import Knocks


PingAccess = Literal["unprivileged", "raw", "none"]
"""Which way of pinging the kernel allows this process (icmp(7), capabilities(7))."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What a check may use besides its target. ``ping``: how to ping now; ``knocks``: where calls from outside end."""

    clock: Clock
    secrets: SecretStore
    ping: Callable[[], PingAccess]
    knocks: Knocks | None = None


class Runner(Protocol):
    """One check of one path, run again and again; it may keep what it saw for the next time.

    A check may start again before its last run has ended (``every_s`` below ``timeout_s``). ``run`` ends within
    ``timeout_s``. It raises no OSError: what goes wrong out there, or here, is its outcome. Each run uses fresh
    sockets, source ports and Call-IDs. When cancelled it leaves nothing open.
    """

    async def run(self, target: Target, timeout_s: float) -> Outcome: ...
