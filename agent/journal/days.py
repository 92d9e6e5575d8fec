"""How old an entry is: in days that the box has run since, counted in the store, never by the wall clock.

Each time the agent has run for one more day, by the monotonic clock and over all its starts, ``day`` gets the newest
entry's number. An entry is too old when more than ``max_days`` such marks stand at or after it. So no label counts: a
clock that steps ten years forward makes nothing old, one that steps back or labels that lie in the future keep nothing
alive. Time that the box was off does not count, and a mark counts one day however long nothing was written; both keep
an entry longer. A damaged mark moves an age by a day. What has run since the last mark is read from the chain itself.
"""

from __future__ import annotations

import sqlite3

from agent.clock import NS

DAY_NS = 86_400 * NS
DAYS_MAX = 3_650


class Days:
    """Counts the days of an open store. ``over`` is called inside the caller's transaction."""

    def __init__(self, db: sqlite3.Connection, boot: int, max_days: int) -> None:
        self._db, self._boot, self._max_days = db, boot, max_days
        self._began_ns: int | None = None  # when the present day began, as if this boot had run all of it
        self._old_upto = 0

    def forget(self) -> None:
        """The transaction was rolled back: what was counted in it is counted again."""
        self._began_ns = None

    def old_upto(self, head: int, now_ns: int) -> int:
        """The newest entry that is too old (0: none), after a mark at ``head`` where a day has ended by ``now_ns``."""
        began_ns = self._began_ns if self._began_ns is not None else self._counted(now_ns)
        if began_ns is None or now_ns - began_ns >= DAY_NS:
            self._db.execute("INSERT OR IGNORE INTO day VALUES (?)", (head,))
            began_ns = now_ns
        began_ns = min(began_ns, now_ns)  # what was salvaged of another store carries another boot's time
        if self._began_ns != began_ns:
            self._began_ns, self._old_upto = began_ns, self._judged()
        return self._old_upto

    def _judged(self) -> int:
        sql = "SELECT seq FROM day ORDER BY seq DESC LIMIT 1 OFFSET ?"
        row = self._db.execute(sql, (self._max_days,)).fetchone()
        if row is None:
            return 0
        self._db.execute("DELETE FROM day WHERE seq < ?", row)
        return int(row[0])

    def _counted(self, now_ns: int) -> int | None:
        """When the day of the newest mark began; None where no day was ever marked."""
        (mark,) = self._db.execute("SELECT max(seq) FROM day").fetchone()
        if mark is None:
            return None
        sql = "SELECT boot, min(mono_ns), max(mono_ns) FROM chain WHERE seq > ? GROUP BY boot"
        ran_ns, first_ns = 0, now_ns
        for boot, least_ns, most_ns in self._db.execute(sql, (mark,)):
            if boot == self._boot:
                first_ns = least_ns
            else:
                ran_ns += most_ns - least_ns
        return int(first_ns - ran_ns)
