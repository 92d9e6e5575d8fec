"""Compares plain data with msgspec types and collects every mistake, in plain words, with its key path.

``msgspec.convert`` stops at the first mistake; a person with a new site file wants all of them. What is wrong
becomes ``BAD`` in the value that comes back, so that rules over several keys can still look at the rest.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any

import msgspec
from msgspec import inspect

Key = tuple[str | int, ...]
"""Where in the file: names of keys, and positions in lists from 0."""

ECHO_MAX = 60
_LOGIN = re.compile(r"//[^/@]*@")  # a user and password in a url
_BARE = re.compile(r"[A-Za-z0-9_-]+\Z")


class _Bad:
    def __repr__(self) -> str:
        return "BAD"


BAD: Any = _Bad()
"""Stands for a value that was refused. Compare by ``good``."""


def good(*values: object) -> bool:
    """Whether none of the values was refused."""
    return not any(value is BAD for value in values)


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake: at which key, and what is wrong there."""

    at: Key
    message: str


class Problems:
    """The mistakes found, at most ``limit``; the rest are only counted."""

    def __init__(self, limit: int) -> None:
        self.found: list[Problem] = []
        self.dropped = 0
        self._limit = limit

    @property
    def full(self) -> bool:
        """Whether more would only be counted."""
        return len(self.found) >= self._limit

    def add(self, at: Key, message: str) -> None:
        """Keep one mistake, or count it."""
        if self.full:
            self.dropped += 1
        else:
            self.found.append(Problem(at, message))


def path_text(at: Key) -> str:
    """A key path as people write it: ``line[1].trunks."T1 1"``; the empty one is ``file``."""
    out = ""
    for part in at:
        if isinstance(part, int):
            out += f"[{part}]"
        else:
            out += ("." if out else "") + (part if _BARE.match(part) and len(part) <= ECHO_MAX else quoted(part))
    return out or "file"


def quoted(text: str) -> str:
    """``text`` in quotes, cut at 60 characters, and safe to print on a terminal."""
    cut = text if len(text) <= ECHO_MAX else text[:ECHO_MAX] + "…"
    shown = json.dumps(cut, ensure_ascii=False)
    return "".join(ch if ch.isprintable() else json.dumps(ch)[1:-1] for ch in shown)


def shown(value: object) -> str:
    """A value from the file as a refusal names it."""
    if isinstance(value, str):
        return quoted(_LOGIN.sub("//…@", value))
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value) if abs(value) < 10**20 else "a number of more than 20 digits"
    if isinstance(value, float):
        return f"{value!r}"
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, datetime | date | time):
        return "a date or time"
    return "something else"


def either(choices: Iterable[object]) -> str:
    """``"a", "b" or "c"``."""
    words = [shown(choice) for choice in choices]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """``; did you mean "x"?`` for the nearest known word, else nothing."""
    import difflib  # only a file with mistakes needs it

    near = difflib.get_close_matches(word[:ECHO_MAX], list(known), n=1, cutoff=0.6)
    return f"; did you mean {quoted(near[0])}?" if near else ""


def walk(data: object, cls: type[msgspec.Struct], problems: Problems) -> Any:
    """``data`` as a ``cls`` whose refused values are ``BAD`` (``BAD`` itself where nothing could be made of it)."""
    kind = inspect.type_info(cls)
    return _Walker(kind, problems).value(kind, data, ())


def _plain(kind: inspect.Type) -> tuple[inspect.Type, str]:
    """The type without its wrapping, and the words that describe it."""
    words = ""
    if isinstance(kind, inspect.Metadata):
        words = str((kind.extra_json_schema or {}).get("description", ""))
        kind = kind.type
    if isinstance(kind, inspect.UnionType) and any(isinstance(t, inspect.NoneType) for t in kind.types):
        rest = tuple(t for t in kind.types if not isinstance(t, inspect.NoneType))
        if len(rest) == 1:  # TOML has no null: an optional key is there or it is not
            inner, deeper = _plain(rest[0])
            return inner, deeper or words
    return kind, words


def _is_private(kind: inspect.Type) -> bool:
    """Whether a refused value must not be shown."""
    if isinstance(kind, inspect.UnionType):
        return any(_is_private(one) for one in kind.types)
    return isinstance(kind, inspect.Metadata) and bool((kind.extra or {}).get("private"))


def _range(kind: inspect.IntType | inspect.FloatType) -> str:
    low, high = kind.ge, kind.le
    if low is not None and high is not None:
        return f" from {_number(low)} to {_number(high)}"
    over = f" greater than {kind.gt:g}" if kind.gt is not None else ""
    return over + (f"{' and' if over else ''} at most {_number(high)}" if high is not None else "")


def _number(value: float) -> str:
    return f"{value:,}".replace(",", " ") if value >= 1_000_000 else str(value)


def wanted(kind: inspect.Type, words: str = "") -> str:
    """What a value of this type must be, in plain words."""
    kind, own = _plain(kind)
    words = own or words
    if isinstance(kind, inspect.LiteralType):
        # msgspec sorts them; people look for the numbers by size.
        if len(kind.values) == 1:
            return f"{shown(kind.values[0])} (this version knows no other)"
        return either(sorted(kind.values, key=lambda value: (str(type(value)), value)))
    if isinstance(kind, inspect.IntType):
        return f"a whole number{_range(kind)}"
    if isinstance(kind, inspect.FloatType):
        return f"a number{_range(kind)}"
    if isinstance(kind, inspect.BoolType):
        return "true or false"
    if isinstance(kind, inspect.StrType):
        return words or ("text" + (f" of at most {kind.max_length} characters" if kind.max_length else ""))
    if isinstance(kind, inspect.VarTupleType):
        return "a list"
    if isinstance(kind, inspect.UnionType):
        return f"a table whose {_tag_field(kind)} is {either(_tags(kind))}"
    return "a table"


def _members(kind: inspect.UnionType) -> dict[str, inspect.StructType]:
    return {str(t.tag): t for t in kind.types if isinstance(t, inspect.StructType)}


def _tags(kind: inspect.UnionType) -> list[str]:
    return list(_members(kind))


def _tag_field(kind: inspect.UnionType) -> str:
    return str(next(iter(_members(kind).values())).tag_field)


class _Walker:
    def __init__(self, root: inspect.Type, problems: Problems) -> None:
        self._problems = problems
        self._homes: dict[str, list[str]] = {}
        self._learn_homes(root, "")

    def _learn_homes(self, kind: inspect.Type, label: str) -> None:
        """Which tables have which keys, so that a key in the wrong one can be sent home."""
        kind, _ = _plain(kind)
        if isinstance(kind, inspect.VarTupleType):
            self._learn_homes(kind.item_type, f"[{label}]")
        elif isinstance(kind, inspect.UnionType):
            for tag, member in _members(kind).items():
                self._learn_homes(member, f"{label} of {_tag_field(kind)} {quoted(tag)}")
        elif isinstance(kind, inspect.StructType):
            for one in kind.fields:
                homes = self._homes.setdefault(one.encode_name, [])
                if label not in homes:
                    homes.append(label)
                inside = one.encode_name if not label else f"{label.strip('[]')}.{one.encode_name}"
                self._learn_homes(one.type, f"[{inside}]")

    def value(self, kind: inspect.Type, value: object, at: Key) -> Any:
        """The value as this type wants it, or ``BAD`` with a problem told."""
        private = _is_private(kind)
        kind, words = _plain(kind)
        if isinstance(kind, inspect.StructType):
            return self._struct(kind, value, at)
        if isinstance(kind, inspect.UnionType):
            return self._union(kind, value, at)
        if isinstance(kind, inspect.VarTupleType):
            return self._list(kind, value, at)
        if isinstance(kind, inspect.DictType):
            return self._table(kind, value, at)
        if _fits(kind, value):
            return value
        hint = did_you_mean(value, map(str, kind.values)) if _is_choice(kind, value) else ""  # type: ignore[arg-type, attr-defined]
        found = "" if private else f", is {shown(value)}{hint}"
        self._problems.add(at, f"must be {wanted(kind, words)}{found}")
        return BAD

    def _struct(self, kind: inspect.StructType, value: object, at: Key) -> Any:
        if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
            self._problems.add(at, f"must be one table: write [{path_text(at)}] once, with single brackets")
            return BAD
        if not isinstance(value, dict):
            self._problems.add(at, f"must be a table, is {shown(value)}")
            return BAD
        self._unknown_keys(value, [kind], at)
        made: dict[str, Any] = {}
        for one in kind.fields:
            if one.encode_name in value:
                made[one.name] = self.value(one.type, value[one.encode_name], (*at, one.encode_name))
            elif one.required:
                self._problems.add((*at, one.encode_name), f"is missing; must be {wanted(one.type)}")
                made[one.name] = BAD
        return kind.cls(**made)

    def _unknown_keys(self, value: Mapping[str, object], kinds: list[inspect.StructType], at: Key) -> None:
        known = {one.encode_name for kind in kinds for one in kind.fields}
        known |= {kind.tag_field for kind in kinds if kind.tag_field}
        for name in value:
            if name in known:
                continue
            hint = "" if self._problems.full else did_you_mean(name, sorted(known)) or self._home(name)
            self._problems.add((*at, name), f"unknown key{hint}")

    def _home(self, name: str) -> str:
        homes = self._homes.get(name, [])
        if not homes:
            return ""
        places = [home or "the top of the file" for home in homes[:3]]
        return f"; it belongs in {' or '.join(places)}"

    def _union(self, kind: inspect.UnionType, value: object, at: Key) -> Any:
        if not isinstance(value, dict):
            self._problems.add(at, f"must be {wanted(kind)}, is {shown(value)}")
            return BAD
        field, members = _tag_field(kind), _members(kind)
        tag = value.get(field)
        if isinstance(tag, str) and tag in members:
            return self._struct(members[tag], value, at)
        if tag is None:
            self._problems.add((*at, field), f"is missing; must be {either(members)}")
        else:
            hint = did_you_mean(tag, members) if isinstance(tag, str) else ""
            self._problems.add((*at, field), f"must be {either(members)}, is {shown(tag)}{hint}")
        self._unknown_keys(value, list(members.values()), at)
        fields = {one.encode_name: one for member in members.values() for one in member.fields}
        made = {name: self.value(fields[name].type, value[name], (*at, name)) for name in value.keys() & fields.keys()}
        if field != "dialect":
            return BAD
        # A line whose dialect nobody knows still has an id, a port and trunks that another one may clash with.
        first = next(iter(members.values()))
        return first.cls(**{one.name: made.get(one.encode_name, BAD) for one in first.fields if _known(one, made)})

    def _list(self, kind: inspect.VarTupleType, value: object, at: Key) -> Any:
        item, _ = _plain(kind.item_type)
        if not isinstance(value, list):
            if isinstance(item, inspect.StructType | inspect.UnionType) and isinstance(value, dict):
                name = path_text(at)
                self._problems.add(at, f"must be a list of tables: write [[{name}]] with double brackets")
                self.value(item, value, at)
            else:
                self._problems.add(at, f"must be a list in [ ], is {shown(value)}")
            return BAD
        low, high = kind.min_length or 0, kind.max_length
        if len(value) < low:
            self._problems.add(at, f"must have at least {low} {'entry' if low == 1 else 'entries'}, is empty")
            return BAD
        if high is not None and len(value) > high:
            self._problems.add(at, f"must have at most {high} entries, has {len(value)}")
            return BAD
        return tuple(self.value(kind.item_type, one, (*at, number)) for number, one in enumerate(value))

    def _table(self, kind: inspect.DictType, value: object, at: Key) -> Any:
        if not isinstance(value, dict):
            self._problems.add(at, f'must be a table such as {{ "name" = "value" }}, is {shown(value)}')
            return BAD
        if kind.max_length is not None and len(value) > kind.max_length:
            self._problems.add(at, f"must have at most {kind.max_length} keys, has {len(value)}")
            return BAD
        key_kind, words = _plain(kind.key_type)
        made: dict[str, Any] = {}
        for name, one in value.items():
            if not _fits(key_kind, name):
                self._problems.add((*at, name), f"the key must be {wanted(key_kind, words)}")
            made[name] = self.value(kind.value_type, one, (*at, name))
        return made


def _known(one: inspect.Field, made: Mapping[str, object]) -> bool:
    return one.required or one.encode_name in made


def _is_choice(kind: inspect.Type, value: object) -> bool:
    return isinstance(kind, inspect.LiteralType) and isinstance(value, str)


def _fits(kind: inspect.Type, value: object) -> bool:
    """Whether a plain value fits a plain type. TOML's booleans are no numbers here, whole numbers are floats."""
    if isinstance(kind, inspect.LiteralType):
        return any(type(value) is type(known) and value == known for known in kind.values)
    if isinstance(kind, inspect.StrType):
        return isinstance(value, str) and _text_fits(kind, value)
    if isinstance(kind, inspect.BoolType):
        return isinstance(value, bool)
    if isinstance(value, bool):
        return False
    if isinstance(kind, inspect.IntType):
        return isinstance(value, int) and _number_fits(kind, value)
    if isinstance(kind, inspect.FloatType):
        return isinstance(value, int | float) and math.isfinite(value) and _number_fits(kind, value)
    raise TypeError(f"the site file's types use {type(kind).__name__}, which this walker does not know")


def _text_fits(kind: inspect.StrType, value: str) -> bool:
    if len(value) < (kind.min_length or 0) or (kind.max_length is not None and len(value) > kind.max_length):
        return False
    return kind.pattern is None or re.search(kind.pattern, value) is not None


def _number_fits(kind: inspect.IntType | inspect.FloatType, value: float) -> bool:
    return (
        (kind.ge is None or value >= kind.ge)
        and (kind.gt is None or value > kind.gt)
        and (kind.le is None or value <= kind.le)
        and (kind.lt is None or value < kind.lt)
    )
