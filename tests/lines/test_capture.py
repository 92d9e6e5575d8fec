"""Captures: what is written is read back; a torn or strange line costs itself only and is told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.lines.capture import CaptureInvalid, Chunk, chunks, head, is_capture, line
from agent.lines.decode import decode, default_line

HEAD = head("/dev/ttyS0", 9600, "8N1", "2024-06-18T17:15:00.000Z")
CHUNKS = st.lists(
    st.builds(Chunk, st.integers(0, 10**15), st.binary(max_size=300))
    | st.builds(Chunk, st.integers(0, 10**15), st.just(b""), st.text(min_size=1, max_size=50))
)


@given(CHUNKS)
def test_what_is_written_is_read_back(given_: list[Chunk]) -> None:
    ordered = sorted(given_, key=lambda chunk: chunk.t_ns)
    assert is_capture(HEAD.encode())
    assert list(chunks(iter([HEAD, *map(line, ordered)]))) == ordered


@given(st.lists(st.text(max_size=200)))
def test_strange_lines_never_raise(lines: list[str]) -> None:
    good = Chunk(5, b"x")
    told = list(chunks(iter([HEAD, *lines, line(good)])))
    assert told[-1].data == b"x"
    assert all(chunk.lost or chunk.data or chunk.t_ns >= 0 for chunk in told)


def test_a_torn_last_line_is_told() -> None:
    whole = HEAD + line(Chunk(1, b"abc")) + line(Chunk(2, b"def"))[:20]
    told = list(chunks(iter(whole.splitlines(keepends=True))))
    assert [chunk.data for chunk in told] == [b"abc", b""]
    assert told[1].lost == "a line of the capture is torn"


@pytest.mark.parametrize("first", ["", "{}", "x", '{"dialtone": "capture", "v": 9}', "[" * 5000])
def test_what_is_no_capture_is_refused(first: str) -> None:
    with pytest.raises(CaptureInvalid):
        list(chunks(iter([first])))


def test_times_of_a_capture_end_records_by_quiet() -> None:
    ali = default_line("ali", framing="idle-gap", idle_gap_s=0.5)
    record = b"(212) 555-0123 11:41\r\n4600 MAIN ST\r\nSPRINGFIELD MA\r\nRESD ESN 319\r\n"
    pause = 10**9
    told = list(decode(ali, [Chunk(0, record), Chunk(pause, record), Chunk(2 * pause, record)], timed=True))
    assert [one["kind"] for one in told] == ["data", "data", "data"]
    assert [one["at"] for one in told] == sorted(one["at"] for one in told)
    assert "555" not in str(told)
