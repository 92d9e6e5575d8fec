"""When to try again, where, and in which version of MQTT. Pure: time and chance are arguments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

NS = 1_000_000_000
FIRST_S = 1.0
MOST_S = 60.0
STABLE_S = 60.0
LEAST_S = 0.05  # full jitter may draw 0; this keeps a refused connection from becoming a busy loop

Version = Literal["5", "3.1.1"]
Outcome = Literal["accepted", "version", "closed", "silent", "failed"]
"""How an attempt ended: CONNACK 0; its version refused (CONNACK 1, 0x84); closed before CONNACK; no CONNACK in time;
any other way."""

Belief = Literal["new", "five", "told", "guess", "mute"]
# What a server is believed to speak. "new": not known; "five": it has accepted a 5. "told": it said that it has no 5.
# "guess": it closed on a 5 without a word, as some 3.1.1 servers do, and as any server does that is being restarted; so
# a guess lasts for one connection, and the next one asks for 5 again. "mute": it took a 5 and never answered (amqtt
# 0.12 does); if it then answers a 3.1.1 at once, that is as good as told.
BELIEFS: dict[tuple[Belief, Outcome], Belief] = {
    ("new", "accepted"): "five",
    ("new", "version"): "told",
    ("new", "closed"): "guess",
    ("new", "silent"): "mute",
    ("new", "failed"): "new",
    ("five", "accepted"): "five",
    ("five", "version"): "told",
    ("five", "closed"): "guess",
    ("five", "silent"): "five",
    ("five", "failed"): "five",
    ("told", "accepted"): "told",
    ("told", "version"): "new",
    ("told", "closed"): "new",
    ("told", "silent"): "new",
    ("told", "failed"): "told",
    ("guess", "accepted"): "new",
    ("guess", "version"): "new",
    ("guess", "closed"): "new",
    ("guess", "silent"): "new",
    ("guess", "failed"): "new",
    ("mute", "accepted"): "told",
    ("mute", "version"): "new",
    ("mute", "closed"): "new",
    ("mute", "silent"): "new",
    ("mute", "failed"): "new",
}
VERSIONS: dict[Belief, Version] = {"new": "5", "five": "5", "told": "3.1.1", "guess": "3.1.1", "mute": "3.1.1"}
CONNACK_S: dict[Belief, float] = {"new": 5.0, "five": 10.0, "told": 10.0, "guess": 10.0, "mute": 10.0}


class Backoff:
    """1 s doubling to 60 s with full jitter; begins again only after a connection that lasted 60 s.

    Rejected: beginning again at each CONNACK. A server that accepts and then kicks would be asked without end.
    ``draw`` gives a number in [0, 1).
    """

    def __init__(self, draw: Callable[[], float]) -> None:
        self._draw = draw
        self._failures = 0

    def after_failure_s(self) -> float:
        """How long to wait now."""
        most_s = min(MOST_S, FIRST_S * 2.0 ** min(self._failures, 16))
        self._failures += 1
        return max(LEAST_S, most_s * self._draw())

    def lasted(self, duration_ns: int) -> bool:
        """A connection has ended after ``duration_ns``; whether it had been a stable one."""
        stable = duration_ns >= STABLE_S * NS
        if stable:
            self._failures = 0
        return stable


class Ways:
    """Which url to try next, in their order and round again, and what each is believed to speak."""

    def __init__(self, urls: Sequence[str]) -> None:
        self._urls = tuple(urls)
        self._beliefs: dict[str, Belief] = dict.fromkeys(self._urls, "new")
        self._index = 0

    @property
    def url(self) -> str:
        """The one to try."""
        return self._urls[self._index]

    @property
    def version(self) -> Version:
        """The version to try it in."""
        return VERSIONS[self._beliefs[self.url]]

    @property
    def connack_s(self) -> float:
        """How long to wait for CONNACK; shorter where the server may be one that never answers a 5."""
        return CONNACK_S[self._beliefs[self.url]]

    def ended(self, outcome: Outcome) -> bool:
        """An attempt at ``url`` ended. True: try it again at once, in the other version; never twice in a row."""
        before = self._beliefs[self.url]
        self._beliefs[self.url] = BELIEFS[before, outcome]
        return VERSIONS[before] == "5" and self.version != "5"

    def next(self) -> bool:
        """Go to the next url; True where all have been tried and the first one's turn comes again."""
        self._index = (self._index + 1) % len(self._urls)
        return self._index == 0

    def first(self) -> None:
        """Begin with the first again: after a stable connection the order of preference holds."""
        self._index = 0
