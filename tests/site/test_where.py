"""Lines of keys: every form TOML has, and nothing that breaks the scanner."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.site.where import DEPTH_MAX, scan

TEXT = '''# a comment with [brackets] and "quotes
top = 1
[site] # id = "no"
id = "a # not a comment"
"quoted key" = 'lit # eral'
"esc\\u0061ped" = "a\\"b"
multi = """
id = "inside"
[not.a.table]
\\""" still """""
literal = \'\'\'
[neither]
\'\'\'
after = 2024-06-18 13:15:00 # dates have spaces
a . b."c.d" = 1

[[line]]
id = "one"
trunks = { "T1-1" = "g", T1-2 = "g" }
[[line]]
id = "two"
list = [
  1, # one
  [2,
   3], { x = 1, y = [
{ z = 2 } ] },
 """x"""", "y", { last = 1 },
]
[line.trunks]
"T1 1" = "g"
[[path]]
[[path.checks]]
kind = "a"
[[path.checks]]
kind = "b"
[[path]]
[[path.checks]]
kind = "c"
[x.y]
z = 1
'''

EXPECTED: dict[tuple[str | int, ...], int] = {
    ("top",): 2,
    ("site",): 3,
    ("site", "id"): 4,
    ("site", "quoted key"): 5,
    ("site", "escaped"): 6,
    ("site", "multi"): 7,
    ("site", "literal"): 11,
    ("site", "after"): 14,
    ("site", "a"): 15,
    ("site", "a", "b", "c.d"): 15,
    ("line",): 17,
    ("line", 0): 17,
    ("line", 0, "id"): 18,
    ("line", 0, "trunks", "T1-1"): 19,
    ("line", 0, "trunks", "T1-2"): 19,
    ("line", 1): 20,
    ("line", 1, "id"): 21,
    ("line", 1, "list"): 22,
    ("line", 1, "list", 0): 23,
    ("line", 1, "list", 1): 24,
    ("line", 1, "list", 1, 1): 25,
    ("line", 1, "list", 2, "y"): 25,
    ("line", 1, "list", 2, "y", 0, "z"): 26,
    ("line", 1, "list", 5, "last"): 27,
    ("line", 1, "trunks"): 29,
    ("line", 1, "trunks", "T1 1"): 30,
    ("path", 0, "checks", 1, "kind"): 35,
    ("path", 1, "checks", 0): 37,
    ("path", 1, "checks", 0, "kind"): 38,
    ("x",): 39,
    ("x", "y", "z"): 40,
}


def paths(value: Any, at: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    out = [at] if at else []
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        out += paths(one, (*at, key))
    return out


@pytest.mark.parametrize("key", EXPECTED, ids=str)
def test_the_line_of_each_key(key: tuple[str | int, ...]) -> None:
    assert scan(TEXT).lines[key] == EXPECTED[key]


def test_exactly_the_keys_that_tomllib_finds() -> None:
    assert set(scan(TEXT).lines) == set(paths(tomllib.loads(TEXT)))


def test_windows_line_ends() -> None:
    assert scan(TEXT.replace("\n", "\r\n")).lines == scan(TEXT).lines


def test_the_nearest_key_round_it_or_nothing() -> None:
    positions = scan(TEXT)
    assert positions.line_of(("line", 0, "dialect")) == 17
    assert positions.line_of(("site", "id", "deeper")) == 4
    assert positions.line_of(("panel", "board")) is None
    assert positions.line_of(()) is None


@pytest.mark.parametrize("text", ["\n\na = " + "[" * 40, "\n\n" + "a." * 40 + "a = 1", "\n\n[" + "a." * 40 + "a]"])
def test_too_deep_is_told_with_its_line(text: str) -> None:
    assert scan(text).too_deep == 3
    assert all(len(key) <= DEPTH_MAX for key in scan(text).lines)


SIGNS = st.text("ab.=[]{}\"'#,\n\r\\ 1u0é")


@given(SIGNS)
def test_never_raises_and_ends(text: str) -> None:
    last = text.count("\n") + 1
    assert all(1 <= line <= last for line in scan(text).lines.values())


@given(SIGNS)
def test_whatever_is_toml_has_every_key_found(text: str) -> None:
    try:
        data = tomllib.loads(text)
    except ValueError:
        return
    assert set(scan(text).lines) == set(paths(data))


JSONISH = st.recursive(
    st.integers() | st.booleans() | st.text('ab"\\\n#[]{}=', max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text('ab."= #', max_size=4), inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(st.text("abc", min_size=1, max_size=3), JSONISH, max_size=5))
def test_every_key_of_written_toml_is_found(data: dict[str, Any]) -> None:
    text = "".join(f"{key} = {written(value)}\n" for key, value in data.items())
    assert tomllib.loads(text) == data
    positions = scan(text)
    if positions.too_deep is None:
        assert set(positions.lines) == set(paths(data))


def written(value: Any) -> str:
    import json

    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(key)} = {written(one)}" for key, one in value.items()) + " }"
    if isinstance(value, list):
        return "[\n" + ",\n".join(written(one) for one in value) + "\n]"
    return json.dumps(value)
