"""What one run of the check asks, request by request: scalars by Get, tables by GetBulk (RFC 3416 section 4.2). Pure.

Bounded in requests, rows and variables. An agent that refuses one variable, answers ``tooBig`` or walks in circles
loses that variable or column and nothing else.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from agent.paths.snmp.ber import NOTHING, Oid, Value, VarBind
from agent.paths.snmp.message import GET, GET_BULK, Pdu

ROWS_MAX = 256
REQUESTS_MAX = 400
VALUES_MAX = 8192
GETS_AT_ONCE = 24
CELLS_AT_ONCE = 45  # so that the answer fits one packet: fragments are what firewalls drop first


@dataclass(slots=True)
class _Column:
    oid: Oid
    cursor: Oid
    rows: int = 0
    done: bool = False


@dataclass(slots=True)
class _Get:
    oids: tuple[Oid, ...]


@dataclass(slots=True)
class _Bulk:
    columns: list[_Column]
    cells: int = CELLS_AT_ONCE

    @property
    def open(self) -> list[_Column]:
        return [column for column in self.columns if not column.done]


@dataclass(slots=True)
class Poll:
    """One run. ``request`` says what to ask next, ``take`` gets the answer; ``values`` is what was read.

    ``absent``: how many variables the device does not have or does not show. ``cut``: tables longer than the limits.
    ``broken``: a table was begun and not read to its end, so that what is missing in it may well be there.
    """

    values: dict[Oid, Value] = field(default_factory=dict)
    absent: int = 0
    errors: int = 0
    cut: int = 0
    requests: int = 0
    broken: bool = False
    _jobs: deque[_Get | _Bulk] = field(default_factory=deque)

    @classmethod
    def of(cls, scalars: Sequence[Oid], tables: Sequence[Sequence[Oid]]) -> Poll:
        """A run over these scalars and tables; a table is its columns."""
        poll = cls()
        for at in range(0, len(scalars), GETS_AT_ONCE):
            poll._jobs.append(_Get(tuple(scalars[at : at + GETS_AT_ONCE])))
        for columns in tables:
            poll._jobs.append(_Bulk([_Column(oid, oid) for oid in columns]))
        return poll

    @property
    def whole(self) -> bool:
        """Whether every table that was begun was read to its end, or to the limit of its rows."""
        return not self.broken and not any(_begun(job) for job in self._jobs)

    @property
    def left(self) -> int:
        """Scalar batches and tables that have not been read to their end."""
        return len(self._jobs)

    def request(self, number: int) -> Pdu | None:
        """What to ask now, under this request id; None when all is read."""
        if not self._jobs:
            return None
        if self.requests >= REQUESTS_MAX or len(self.values) >= VALUES_MAX:
            self.cut += len(self._jobs)
            self.broken = not self.whole
            self._jobs.clear()
            return None
        job = self._jobs[0]
        if isinstance(job, _Get):
            return Pdu(GET, number, 0, 0, tuple(VarBind(oid, NOTHING) for oid in job.oids))
        asked = job.open
        rows = max(1, job.cells // len(asked))
        return Pdu(GET_BULK, number, 0, rows, tuple(VarBind(column.cursor, NOTHING) for column in asked))

    def take(self, answer: Pdu) -> None:
        """The answer to ``request``."""
        self.requests += 1
        job = self._jobs.popleft()
        if answer.status:
            self.errors += 1
            more: Sequence[_Get | _Bulk] = (
                self._refused_get(job, answer) if isinstance(job, _Get) else self._refused_bulk(job, answer)
            )
            self._jobs.extendleft(reversed(more))
        elif isinstance(job, _Get):
            self._got(job, answer)
        else:
            self._walked(job, answer)

    def give_up(self) -> None:
        """Nothing answers what is asked now: go on with the rest."""
        self.errors += 1
        self.broken = self.broken or _begun(self._jobs[0])
        self._jobs.popleft()

    def _got(self, job: _Get, answer: Pdu) -> None:
        asked = set(job.oids)
        for oid, value in answer.varbinds:
            if oid in asked and value.kind != "absent":
                asked.discard(oid)
                self.values[oid] = value
        self.absent += len(asked)

    def _refused_get(self, job: _Get, answer: Pdu) -> Sequence[_Get]:
        """Without the variable that it names; where it names none, in halves, to find it."""
        oids = job.oids
        if answer.error != "tooBig" and 1 <= answer.index <= len(oids):
            self.absent += 1
            rest = oids[: answer.index - 1] + oids[answer.index :]
            return [_Get(rest)] if rest else []
        if len(oids) > 1:
            return [_Get(oids[: len(oids) // 2]), _Get(oids[len(oids) // 2 :])]
        self.absent += 1
        return []

    def _refused_bulk(self, job: _Bulk, answer: Pdu) -> Sequence[_Bulk]:
        asked = job.open
        if answer.error == "tooBig" and job.cells > len(asked):
            job.cells = max(len(asked), job.cells // 4)
            return [job]
        if len(asked) > 1:
            return [_Bulk([column]) for column in asked]
        self.absent += 1
        return []

    def _walked(self, job: _Bulk, answer: Pdu) -> None:
        asked = job.open
        before = [column.rows for column in asked]
        for number, (oid, value) in enumerate(answer.varbinds):
            column = asked[number % len(asked)]
            if column.done:
                continue
            inside = oid[: len(column.oid)] == column.oid and len(oid) > len(column.oid)
            if value.kind == "absent" or not inside or oid <= column.cursor:
                column.done = True
                self.absent += 0 if column.rows else 1
                continue
            column.cursor, column.rows = oid, column.rows + 1
            self.values[oid] = value
            if column.rows >= ROWS_MAX:
                column.done = True
                self.cut += 1
        moved = any(column.rows > rows for column, rows in zip(asked, before, strict=True))
        if job.open and moved:
            self._jobs.appendleft(job)


def _begun(job: _Get | _Bulk) -> bool:
    return isinstance(job, _Bulk) and any(column.rows for column in job.columns)
