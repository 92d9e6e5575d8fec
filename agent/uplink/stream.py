"""One stream of journal entries in order: what has been read, taken, and done. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from agent.journal.entry import Entry, Ranges
from agent.uplink.ranges import next_hole

PAGE = 200
LIVE_MAX = 1_000

Name = Literal["live", "backlog"]


@dataclass(frozen=True, slots=True)
class Read:
    """A page wanted from the journal: ``after < seq <= upto``. ``session`` tells a late answer from its own."""

    session: int
    stream: Name
    after: int
    upto: int
    limit: int = PAGE


@dataclass(slots=True)
class Item:
    """An entry under way: how many of its messages are not yet done, and what became of those that are."""

    entry: Entry
    left: int
    heard: bool = True
    refused: bool = False


@dataclass(slots=True)
class Stream:
    """Entries ``start < seq <= upto``. ``fetched``: all up to there are in ``buffer``, taken, or not to be sent."""

    name: Name
    start: int
    upto: int
    taken: int = field(init=False)
    fetched: int = field(init=False)
    buffer: deque[Entry] = field(default_factory=deque)
    open: dict[int, Item] = field(default_factory=dict)  # ascending, since entries are taken in order
    gone: int = 0
    _reading: Read | None = None

    def __post_init__(self) -> None:
        self.taken = self.fetched = self.start

    @property
    def floor(self) -> int:
        """All entries up to here are done: acknowledged, set aside, or no longer in the journal."""
        return next(iter(self.open)) - 1 if self.open else self.taken

    @property
    def hungry(self) -> bool:
        """Whether there may be a page to read: little at hand, more to come, and none being read."""
        return self._reading is None and len(self.buffer) < PAGE // 2 and self.fetched < self.upto

    def want(self, session: int, acknowledged: Ranges) -> Read | None:
        """The page to read next; None when there is enough at hand, or one is being read. It must be answered."""
        if not self.hungry:
            return None
        hole = next_hole(acknowledged, self.fetched, self.upto) if self.name == "backlog" else None
        if self.name == "backlog" and hole is None:
            self._reached(self.upto)
            return None
        after, upto = (hole[0] - 1, hole[1]) if hole is not None else (self.fetched, self.upto)
        self._reading = Read(session, self.name, after, upto)
        return self._reading

    def page(self, read: Read, entries: Sequence[Entry]) -> None:
        """The answer to ``read``. Numbers that are missing from it are cut from the journal: counted as gone."""
        if read is not self._reading:
            return
        self._reading = None
        last = read.after
        for entry in entries:
            if last < entry.seq <= read.upto:
                self.gone += entry.seq - last - 1
                self.buffer.append(entry)
                last = entry.seq
        reached = last if len(entries) >= read.limit and last > read.after else read.upto
        self.gone += reached - last
        self._reached(reached)

    def failed(self, read: Read) -> None:
        """``read`` could not be answered; it is wanted again."""
        if read is self._reading:
            self._reading = None

    def extend(self, entry: Entry) -> None:
        """A new entry at the live end; kept at hand while that is short, else read from the journal in its turn."""
        if entry.seq <= self.upto:
            return
        at_hand = self.fetched == self.upto == entry.seq - 1 and len(self.buffer) < LIVE_MAX
        self.upto = entry.seq
        if at_hand:
            self.buffer.append(entry)
            self.fetched = entry.seq

    def take(self) -> Entry | None:
        """The next entry that still has its payload; those dropped for room are counted and passed over."""
        while self.buffer:
            entry = self.buffer.popleft()
            self.taken = entry.seq if self.buffer else self.fetched
            if entry.payload is not None:
                return entry
            self.gone += 1
        return None

    def _reached(self, seq: int) -> None:
        self.fetched = seq
        if not self.buffer:
            self.taken = seq
