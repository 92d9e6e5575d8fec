"""Sending again what is not answered, pure (RFC 3261 sections 17.1.1.2 and 17.1.2.2, timers A and E)."""

from __future__ import annotations

from dataclasses import dataclass

NS = 1_000_000_000
T1_NS = NS // 2
T2_NS = 4 * NS
OUT_MAX = 64


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message to send. ``hop``: the address and port it goes to, None for the target's own."""

    data: bytes
    hop: tuple[str, int] | None = None


@dataclass(slots=True)
class _Repeat:
    outgoing: Outgoing
    everywhere: bool
    wait_ns: int
    next_ns: int
    cap_ns: int


class Repeats:
    """What waits to be sent, and what is to be sent again until it is answered. ``reliable``: TCP repeats by itself."""

    def __init__(self, reliable: bool) -> None:
        self._reliable = reliable
        self._waiting: dict[str, _Repeat] = {}
        self._out: list[Outgoing] = []
        self.repeated = 0
        self.dropped = 0

    def send(self, outgoing: Outgoing) -> None:
        """Once. What nobody fetches is dropped and counted."""
        if len(self._out) >= OUT_MAX:
            self.dropped += 1
            return
        self._out.append(outgoing)

    def begin(self, name: str, outgoing: Outgoing, now_ns: int, *, invite: bool = False) -> None:
        """Now, and again until ``stop``: from 0.5 s on twice as late each time, but for an INVITE 4 s at most.

        Where it goes past the target, a repetition goes to the target too: the way past it may lead nowhere.
        """
        self.send(outgoing)
        if not self._reliable:
            cap_ns = 1 << 62 if invite else T2_NS
            self._waiting[name] = _Repeat(outgoing, outgoing.hop is not None, T1_NS, now_ns + T1_NS, cap_ns)

    def stop(self, name: str) -> None:
        """It is answered, or given up."""
        self._waiting.pop(name, None)

    def clear(self) -> None:
        """Nothing is sent again."""
        self._waiting.clear()

    def tick(self, now_ns: int) -> None:
        """Send again what is due; late or not, once each."""
        for repeat in self._waiting.values():
            if now_ns < repeat.next_ns:
                continue
            repeat.wait_ns = min(2 * repeat.wait_ns, repeat.cap_ns)
            repeat.next_ns = now_ns + repeat.wait_ns
            self.repeated += 1
            self.send(repeat.outgoing)
            if repeat.everywhere:
                self.send(Outgoing(repeat.outgoing.data))

    def due_ns(self) -> int | None:
        """When ``tick`` next has something to do."""
        return min((repeat.next_ns for repeat in self._waiting.values()), default=None)

    def take(self) -> list[Outgoing]:
        """What is to be sent now, in order."""
        out, self._out = self._out, []
        return out
