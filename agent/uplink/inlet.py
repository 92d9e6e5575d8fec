"""What comes down an uplink: messages for this probe, handed on as bytes. Pure; ``agent/remote`` judges them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

MESSAGES_MAX = 64
BYTES_MAX = 2 * 1024 * 1024
MESSAGE_MAX = 768 * 1024
"""What is larger is told of and not kept."""
SERVER_MAX = 12 * 1024 * 1024
"""What a server may send at all (MQTT 5, 3.1.2.11.4); beyond it nobody is told. 3.1.1 has no such word."""


@dataclass(frozen=True, slots=True)
class Inbound:
    """One message. ``reply_to`` and ``correlation`` are MQTT 5's (4.10 Request/Response); 3.1.1 has none.

    ``size``: of its payload, which is empty here where it was too large to be kept.
    """

    uplink: str
    topic: str
    payload: bytes
    retained: bool
    size: int
    reply_to: str = ""
    correlation: bytes = b""


@dataclass(frozen=True, slots=True)
class Inlet:
    """What an uplink subscribes to, and whom it tells. ``granted``: uplink, session, topics that the server refused."""

    topics: tuple[str, ...]
    heard: Callable[[Inbound], None]
    granted: Callable[[str, int, tuple[str, ...]], None]


@dataclass(slots=True)
class Waiting:
    """Messages between the connection's thread and the loop; what does not fit is counted, never silently lost."""

    dropped: int = 0
    _queue: deque[Inbound] = field(default_factory=deque)
    _bytes: int = 0

    def put(self, message: Inbound) -> None:
        """From the connection's thread."""
        if len(self._queue) >= MESSAGES_MAX or self._bytes + len(message.payload) > BYTES_MAX:
            self.dropped += 1
            return
        self._bytes += len(message.payload)
        self._queue.append(message)

    def take(self) -> Inbound | None:
        """The next one, in order."""
        try:
            message = self._queue.popleft()
        except IndexError:
            return None
        self._bytes -= len(message.payload)
        return message
