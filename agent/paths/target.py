"""From the site file's address to one that the kernel takes: numbers at once, names by the system's resolver.

``getaddrinfo`` can't be cancelled and may hang for a minute where the name server is dead. So each look-up has a daemon
thread of its own (an executor's thread would hold up the end of the process), there are few of them, and checks of the
same name share one.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from dataclasses import dataclass
from typing import Any

from agent.paths.outcome import OURS, Outcome

LOOKUPS_MAX = 4
_NOT_THERE = frozenset({socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)})
_OURS = frozenset({socket.EAI_MEMORY, socket.EAI_SYSTEM})


@dataclass(frozen=True, slots=True)
class Target:
    """A numeric address without its zone; ``scope`` is the interface's index of a link-local IPv6 one, else 0.

    ``interface``: the one that sockets to it must leave by, where the site file names one.
    """

    host: str
    v6: bool
    scope: int = 0
    interface: str | None = None

    @property
    def family(self) -> socket.AddressFamily:
        return socket.AF_INET6 if self.v6 else socket.AF_INET

    def socket(self, kind: socket.SocketKind, protocol: int = 0) -> socket.socket:
        """A non-blocking socket to it, bound to its interface (SO_BINDTODEVICE: unprivileged since Linux 5.7).

        Raises OSError.
        """
        sock = socket.socket(self.family, kind, protocol)
        try:
            sock.setblocking(False)
            if self.interface is not None:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, self.interface.encode() + b"\0")
        except BaseException:
            sock.close()
            raise
        return sock

    def sockaddr(self, port: int) -> tuple[Any, ...]:
        """What ``connect`` takes. A plain pair would lose the scope."""
        return (self.host, port, 0, self.scope) if self.v6 else (self.host, port)


Answer = Target | Exception


def numeric(address: str) -> Target | None:
    """An address written in numbers (``192.0.2.1``, ``2001:db8::1``, ``fe80::1%eth0``); None for a name."""
    answer = _look_up(address, socket.AI_NUMERICHOST)
    return answer if isinstance(answer, Target) else None


def _look_up(name: str, flags: int = 0) -> Answer:
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_DGRAM, flags=flags)
    except (OSError, UnicodeError) as error:  # UnicodeError: a label over 63 characters, or an empty one
        return error
    for family, _, _, _, where in found:
        if family in (socket.AF_INET, socket.AF_INET6):
            v6 = family == socket.AF_INET6
            return Target(str(where[0]).partition("%")[0], v6, int(where[3]) if v6 else 0)  # type: ignore[misc]
    return OSError("no IPv4 or IPv6 address")


class Resolver:
    """Looks names up for one event loop."""

    def __init__(self) -> None:
        self._flying: dict[str, asyncio.Future[Answer]] = {}

    async def find(self, address: str, timeout_s: float) -> Target | Outcome:
        """The address to check, or how the check ends without one. Never raises OSError."""
        target = numeric(address)
        if target is not None:
            return target
        asked = False
        try:
            async with asyncio.timeout(timeout_s):
                while address not in self._flying and len(self._flying) >= LOOKUPS_MAX:
                    await asyncio.wait(self._flying.values(), return_when=asyncio.FIRST_COMPLETED)
                asked = True
                answer = await asyncio.shield(self._flying.get(address) or self._ask(address))
        except TimeoutError:
            if asked:
                return Outcome("down", f"the name {address} could not be looked up in {timeout_s:.3g} s")
            return Outcome("unknown", "this box can't test: too many names wait to be looked up")
        except RuntimeError as error:  # no thread to be had
            return Outcome("unknown", f"this box can't test: {error}")
        return answer if isinstance(answer, Target) else _of_failure(address, answer)

    def _ask(self, name: str) -> asyncio.Future[Answer]:
        loop = asyncio.get_running_loop()
        threading.Thread(target=self._in_thread, args=(loop, name), name="resolve", daemon=True).start()
        self._flying[name] = loop.create_future()
        return self._flying[name]

    def _in_thread(self, loop: asyncio.AbstractEventLoop, name: str) -> None:
        answer = _look_up(name)
        try:
            loop.call_soon_threadsafe(self._answered, name, answer)
        except RuntimeError:  # the loop has ended
            return

    def _answered(self, name: str, answer: Answer) -> None:
        future = self._flying.pop(name)
        if not future.done():
            future.set_result(answer)


def _of_failure(name: str, error: Exception) -> Outcome:
    if isinstance(error, UnicodeError):
        return Outcome("unknown", f"this box can't test: {name} is no host name")
    text = (error.strerror if isinstance(error, OSError) else None) or str(error)
    if isinstance(error, socket.gaierror) and error.errno in _NOT_THERE:
        return Outcome("down", f"name not found: {name} ({text})")
    if isinstance(error, OSError) and not isinstance(error, socket.gaierror) and error.errno in OURS:
        return Outcome("unknown", f"this box can't test: {text}")  # out of descriptors: the resolver never asked
    state_ours = isinstance(error, socket.gaierror) and error.errno in _OURS
    return Outcome("unknown" if state_ours else "down", f"the name {name} can't be looked up ({text})")
