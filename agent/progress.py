"""Whether each shell of the agent still comes round. Pure: time is an argument.

systemd's watchdog is fed by this and by nothing else: a sense that waits, fails and tries again comes round, one that
hangs does not. What is not vital (a way out, say) is told when it stands still and does not cost the panel a restart.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from agent.clock import NS


@dataclass(slots=True)
class _Shell:
    within_ns: int
    vital: bool
    last_ns: int


class Progress:
    """Who came round when. Names that were never begun are ignored: a shell may be used without anyone watching it."""

    def __init__(self) -> None:
        self._shells: dict[str, _Shell] = {}

    def begin(self, name: str, within_s: float, now_ns: int, *, vital: bool = True) -> None:
        """Expect ``name`` to come round every ``within_s`` from now on."""
        self._shells[name] = _Shell(int(within_s * NS), vital, now_ns)

    def made(self, name: str, now_ns: int, pause_s: float = 0.0) -> None:
        """``name`` came round; it says that it will pause for so long before it next can."""
        shell = self._shells.get(name)
        if shell is not None:
            shell.last_ns = now_ns + int(pause_s * NS)

    def still(self, now_ns: int) -> dict[str, float]:
        """What stands still, and for how many seconds."""
        return {
            name: (now_ns - shell.last_ns) / NS
            for name, shell in self._shells.items()
            if now_ns - shell.last_ns > shell.within_ns
        }

    def may_feed(self, now_ns: int) -> bool:
        """Whether everything vital comes round."""
        return not any(self._shells[name].vital for name in self.still(now_ns))

    def maker(self, name: str, now_ns: Callable[[], int]) -> Callable[[], None]:
        """What a shell calls as it comes round."""
        return lambda: self.made(name, now_ns())
