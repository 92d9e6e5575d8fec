"""The site's own column map: checked at load, and compiled to a reader. Pure.

A layout is written as the switch prints it, a letter for each digit: ``YY MM DD HH MM SS`` (``MM`` after ``HH`` is
minutes), ``P`` for a or p, and any other sign for itself. A duration has ``H`` hours, ``M`` minutes, ``S`` seconds and
``T`` tenths of a minute: ``HH:MM:SS``, ``HMMT``, ``SSSSS``. A blank stands for a leading digit that is not printed.
"""

from __future__ import annotations

from agent.lines.parser import DialectRefused
from agent.lines.smdr.record import Call, Read, Refused, field
from agent.site.columns import ColumnMap
from agent.site.line import SmdrLine

TIME_LETTERS, TOOK_LETTERS = "YMDHSP", "HMST"
TIMED = ("start", "duration", "time_to_answer")
FIELDS = (*TIMED, "trunk", "station", "caller", "dialled", "code", "record", "direction", "answer")
SHARED = frozenset({"code", "direction", "answer"})
"""Fields that may read the same columns as another: one sign can say several things."""
UNIT_S = {"H": 3600.0, "M": 60.0, "S": 1.0, "T": 6.0}


def check(line: SmdrLine) -> None:
    """Raises ``DialectRefused`` with the key and the reason where the line's map can't work."""
    columns = line.map
    if columns is None:
        if line.switch == "map":
            raise DialectRefused(("map",), "is missing")
        return
    _check_columns(columns)
    _check_layout(columns.start, columns.start_layout, "start_layout", TIME_LETTERS)
    if not {"H", "M"} <= set(columns.start_layout):
        raise DialectRefused(("map", "start_layout"), "has no hour or no minute: a start needs HH and MM")
    for name in TIMED[1:]:
        where, layout = getattr(columns, name), getattr(columns, f"{name}_layout")
        if (where is None) != (layout is None):
            lacks = f"{name}_layout" if layout is None else name
            raise DialectRefused(("map", lacks), f"is missing beside {name if layout is None else f'{name}_layout'}")
        if where is not None:
            _check_layout(where, layout, f"{name}_layout", TOOK_LETTERS)
            if not set(TOOK_LETTERS) & set(layout):
                raise DialectRefused(("map", f"{name}_layout"), "has none of H, M, S and T: it would always be 0")
    _check_words(columns)


def _check_columns(columns: ColumnMap) -> None:
    taken: dict[int, str] = {}
    for name in FIELDS:
        where = getattr(columns, name)
        if where is None:
            continue
        first, last = where
        if first > last:
            raise DialectRefused(("map", name), f"ends in column {last} before it begins in column {first}")
        if name in SHARED:
            continue
        for column in range(first, last + 1):
            if column in taken:
                raise DialectRefused(("map", name), f"column {column} already belongs to {taken[column]}")
            taken[column] = name
    if columns.trunk is None and columns.station is None:
        raise DialectRefused(("map",), "needs trunk or station: without either nothing tells calls apart")


def _check_layout(where: tuple[int, ...], layout: str, key: str, letters: str) -> None:
    width = where[1] - where[0] + 1
    if len(layout) != width:
        raise DialectRefused(("map", key), f"has {len(layout)} signs for {width} columns")
    strange = sorted({sign for sign in layout if sign.isalnum() and sign not in letters})
    if strange:
        raise DialectRefused(("map", key), f"knows no {', '.join(strange)}; a digit is one of {' '.join(letters)}")


def _check_words(columns: ColumnMap) -> None:
    if columns.direction is None:
        if columns.incoming or columns.outgoing:
            key = "incoming" if columns.incoming else "outgoing"
            raise DialectRefused(("map", key), "does nothing without direction: say in which columns it stands")
        if columns.trunk is None:
            raise DialectRefused(("map", "direction"), "is missing: nothing tells which calls come in")
    elif not columns.incoming:
        raise DialectRefused(("map", "incoming"), "is missing: which words in direction mean an incoming call?")
    if (columns.answer is None) != (not columns.unanswered):
        key = "answer" if columns.answer is None else "unanswered"
        raise DialectRefused(("map", key), f"is missing beside {'unanswered' if key == 'answer' else 'answer'}")
    both = set(columns.incoming) & set(columns.outgoing)
    if both:
        raise DialectRefused(("map", "outgoing"), f"{min(both)!r} is an incoming word too")
    for key, where in (
        ("incoming", columns.direction),
        ("outgoing", columns.direction),
        ("unanswered", columns.answer),
    ):
        for number, word in enumerate(getattr(columns, key)):
            if where is not None and (len(word) > where[1] - where[0] + 1 or word != word.strip()):
                raise DialectRefused(("map", key, number), f"{word!r} can't stand in {where[1] - where[0] + 1} columns")


def compile_map(columns: ColumnMap) -> Read:
    """The reader of a map that ``check`` has let pass. Without ``direction`` every call with a trunk comes in."""

    def read(text: str) -> Call | Refused:
        if any(word in text for word in columns.ignore):
            return Refused("a line that the map ignores", skip=True)
        printed = text[columns.start[0] - 1 : columns.start[1]]
        if not _fits(printed, columns.start_layout):
            return Refused(f"start, {_span(columns.start)}: {_shape(printed)} where {columns.start_layout} should be")
        call = Call(start=printed.strip())
        for name in TIMED[1:]:
            where, layout = getattr(columns, name), getattr(columns, f"{name}_layout")
            if where is None:
                continue
            printed = text[where[0] - 1 : where[1]]
            if not printed.strip():
                continue
            seconds = _seconds(printed, layout)
            if seconds is None and not (name == "time_to_answer" and printed.strip() in columns.unanswered):
                return Refused(f"{name}, {_span(where)}: {_shape(printed)} where {layout} should be")
            setattr(call, "duration_s" if name == "duration" else "time_to_answer_s", seconds)
        for name in ("trunk", "station", "caller", "dialled", "code", "record"):
            where = getattr(columns, name)
            if where is not None:
                setattr(call, name, field(text, *where) or None)
        return _judged(call, text, columns)

    return read


def _judged(call: Call, text: str, columns: ColumnMap) -> Call | Refused:
    if columns.direction is not None:
        word = field(text, *columns.direction)
        call.direction = "in" if word in columns.incoming else "out" if word in columns.outgoing else None
        if call.direction is None and columns.outgoing:
            return Refused(f"direction, {_span(columns.direction)}: {_shape(word)} is none of its words")
    elif call.trunk is not None:
        call.direction = "in"
    if call.trunk is None and call.station is None:
        return Refused("neither trunk nor station in its columns")
    if columns.answer is not None:
        call.answered = field(text, *columns.answer) not in columns.unanswered
        call.abandoned = True if not call.answered and call.direction == "in" else None
    return call


def _fits(printed: str, layout: str) -> bool:
    if len(printed) < len(layout.rstrip("P")):
        return False
    for sign, wanted in zip(printed.ljust(len(layout)), layout, strict=False):
        if wanted == "P":
            if sign not in "aApP ":
                return False
        elif wanted in TIME_LETTERS:
            if not (sign.isdigit() or sign == " "):
                return False
        elif sign != wanted:
            return False
    return any(sign.isdigit() for sign in printed)


def _seconds(printed: str, layout: str) -> float | None:
    sums = dict.fromkeys(TOOK_LETTERS, "")
    for sign, wanted in zip(printed.ljust(len(layout)), layout, strict=False):
        if wanted not in sums:
            if sign not in (wanted, " "):
                return None
        elif sign.isdigit():
            sums[wanted] += sign
        elif sign != " " or sums[wanted]:
            return None
    if not any(sums.values()) or int(sums["S"] or 0) > 59 < int("9" * layout.count("S") or 0) <= 99:
        return None
    return sum(int(value) * UNIT_S[letter] for letter, value in sums.items() if value)


def _span(where: tuple[int, ...]) -> str:
    return f"columns {where[0]} to {where[1]}"


def _shape(text: str) -> str:
    """What stood there without saying it: 9 for a digit, A for a letter."""
    shape = "".join("9" if ch.isdigit() else "A" if ch.isalpha() else ch for ch in text[:24])
    return f"'{shape}'" if shape.strip() else "nothing"
