"""What is acknowledged upstream, as at most 8 inclusive, ascending, disjoint ranges of sequence numbers. Pure.

Where a ninth would be needed the smallest range in the middle is forgotten: its entries are sent once more, which
receivers take for repeats by their ids. Never forgotten are the first range, which the backlog is growing, and the
last, which the live stream is growing. Rejected: to hold new alarms back until the backlog has merged two ranges.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable

from agent.journal.entry import Ranges

RANGES_MAX = 8


def merged(ranges: Iterable[tuple[int, int]]) -> Ranges:
    """The same numbers as ascending, disjoint ranges that do not touch; of any number."""
    out: list[tuple[int, int]] = []
    for first, last in sorted(r for r in ranges if r[0] <= r[1]):
        if out and first <= out[-1][1] + 1:
            out[-1] = (out[-1][0], max(out[-1][1], last))
        else:
            out.append((first, last))
    return tuple(out)


def bounded(ranges: Ranges) -> Ranges:
    """At most 8 of them: the smallest ones in the middle are forgotten."""
    if len(ranges) <= RANGES_MAX:
        return ranges
    # One pass: a receipt from outside may name many thousand.
    largest = heapq.nlargest(RANGES_MAX - 2, ranges[1:-1], key=lambda r: (r[1] - r[0], r[0]))
    return (ranges[0], *sorted(largest), ranges[-1])


def added(ranges: Ranges, first: int, last: int) -> Ranges:
    """``ranges`` with ``first`` to ``last``, merged and bounded."""
    return bounded(merged((*ranges, (first, last))))


def upto(ranges: Ranges, head: int) -> Ranges:
    """What is left of ``ranges`` from 1 to ``head``; numbers beyond it belong to another store or are nonsense."""
    return bounded(merged((max(1, first), min(last, head)) for first, last in ranges))


def next_hole(ranges: Ranges, after: int, head: int) -> tuple[int, int] | None:
    """The first run of numbers over ``after`` and up to ``head`` that is not acknowledged."""
    start = after + 1
    for first, last in ranges:
        if first > start:
            return (start, min(first - 1, head)) if start <= head else None
        start = max(start, last + 1)
    return (start, head) if start <= head else None


def holds(ranges: Ranges, seq: int) -> bool:
    """Whether ``seq`` is among them."""
    return any(first <= seq <= last for first, last in ranges)


def missing(ranges: Ranges, head: int) -> int:
    """How many numbers from 1 to ``head`` are not acknowledged."""
    return head - sum(min(last, head) - first + 1 for first, last in ranges if first <= head)
