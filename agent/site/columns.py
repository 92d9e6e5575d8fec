"""A declarative column map: how to read the call records of a switch that nobody listed. Types only.

Columns count from 1, both ends included, as switch manuals print them. ``agent/lines/smdr`` compiles and refuses it.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

Columns = Annotated[
    tuple[Annotated[int, Meta(ge=1, le=512)], ...],
    Meta(min_length=2, max_length=2),
]
Word = Annotated[str, Meta(min_length=1, max_length=40)]
TimeLayout = Annotated[str, Meta(min_length=2, max_length=40)]


class ColumnMap(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[line.map]``: at least ``start`` and one of ``trunk`` and ``station``."""

    start: Columns
    start_layout: TimeLayout
    duration: Columns | None = None
    duration_layout: TimeLayout | None = None
    time_to_answer: Columns | None = None
    time_to_answer_layout: TimeLayout | None = None
    trunk: Columns | None = None
    station: Columns | None = None
    caller: Columns | None = None
    dialled: Columns | None = None
    code: Columns | None = None
    record: Columns | None = None
    direction: Columns | None = None
    incoming: Annotated[tuple[Word, ...], Meta(max_length=16)] = ()
    outgoing: Annotated[tuple[Word, ...], Meta(max_length=16)] = ()
    answer: Columns | None = None
    unanswered: Annotated[tuple[Word, ...], Meta(max_length=16)] = ()
    ignore: Annotated[tuple[Word, ...], Meta(max_length=16)] = ()
