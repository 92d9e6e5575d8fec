"""Any bytes, any split: the same readings, nothing raised, and the next good record is read."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.callers import Callers
from agent.lines.smdr import FAMILIES, smdr
from agent.lines.smdr.reader import LINE_MAX, Smdr
from agent.readings import Reading
from agent.site.columns import ColumnMap
from agent.site.line import SmdrLine
from tests.lines.smdr.test_golden import CASES

MAP = ColumnMap(start=(1, 5), start_layout="HH:MM", trunk=(7, 10), duration=(12, 16), duration_layout="SSSSS")
GOOD = [line for _, line, _ in CASES]
PIECES = st.lists(
    st.one_of(st.binary(max_size=60), st.sampled_from(GOOD), st.just(b"\r\n"), st.just(b"12:30 T001     9"))
)


def parser(switch: Any) -> Smdr:
    columns = MAP if switch == "map" else None
    return smdr(SmdrLine(id="s", port="/dev/null", switch=switch, map=columns), Callers(b"k" * 32))


def whole(switch: str, chunks: list[bytes]) -> list[Reading]:
    made = parser(switch)
    out = [reading for chunk in chunks for reading in made.feed(chunk, 7)]
    assert made.held_bytes <= 3 * LINE_MAX
    return out + made.idle(7) + made.reset(7)


@pytest.mark.parametrize("switch", [*FAMILIES, "map"])
@given(PIECES, st.data())
def test_any_split_gives_the_same(switch: str, pieces: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(pieces)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    chunks = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert whole(switch, chunks) == whole(switch, [stream])
    assert whole(switch, [stream[i : i + 1] for i in range(len(stream))]) == whole(switch, [stream])


@pytest.mark.parametrize(("switch", "line"), [(switch, line) for switch, line, _ in CASES])
@given(st.binary(max_size=2000))
def test_it_finds_its_feet_again(switch: str, line: bytes, noise: bytes) -> None:
    made = parser(switch)
    made.feed(noise + b"\r\n", 1)
    made.idle(2)
    assert [one.kind for one in made.feed(line, 3) + made.idle(4)][-1:] == ["call"]


def test_a_line_without_end_is_bounded_and_told() -> None:
    made = parser("nortel-old")
    for _ in range(1000):
        made.feed(b"N 027 00 T010 " * 100, 1)
        assert made.held_bytes <= 2 * LINE_MAX
    (told,) = made.reset(2)
    assert told.kind == "garbage"
    assert told.detail["bytes"] == 1_400_000
