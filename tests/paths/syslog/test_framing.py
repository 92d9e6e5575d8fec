"""Syslog over TCP (RFC 6587): counted frames and lines, mixed, at any split, bounded."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agent.paths.syslog.framing import Stream
from agent.paths.syslog.message import BYTES_MAX

MESSAGES = [
    b"<34>first",
    b"<1>second line",
    b"no pri at all",
    b"12 monkeys",
    b"5",
    b"<9>" + b"x" * 200,
    b"<9>two\nlines",
]
HOW = ["count", "lf", "nul", "crlf"]
ENDS = {"lf": b"\n", "nul": b"\0", "crlf": b"\r\n"}


def wire(message: bytes, how: str) -> bytes:
    counted = b"\n" in message or (how == "count" and message.startswith(b"<"))
    return f"{len(message)} ".encode() + message if counted else message + ENDS.get(how, b"\n")


@given(st.lists(st.tuples(st.sampled_from(MESSAGES), st.sampled_from(HOW)), max_size=12), st.data())
def test_any_split_gives_the_same_messages(sent: list[tuple[bytes, str]], draw: st.DataObject) -> None:
    whole = b"".join(wire(message, how) for message, how in sent)
    cuts = sorted(draw.draw(st.lists(st.integers(0, len(whole)), max_size=8)))
    stream, got = Stream(), []
    for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True):
        got += stream.feed(whole[start:end])
    assert got == [message for message, _ in sent]
    assert (stream.cut, stream.held_bytes, stream.end()) == (0, 0, [])


@given(st.lists(st.binary(max_size=5000), max_size=10))
def test_any_bytes_are_bounded_and_splits_agree(chunks: list[bytes]) -> None:
    stream, one, got = Stream(), Stream(), []
    for chunk in chunks:
        got += stream.feed(chunk)
        assert stream.held_bytes <= BYTES_MAX + 16
    assert got == one.feed(b"".join(chunks))
    assert all(len(message) <= BYTES_MAX for message in got)
    assert stream.end() == one.end()


def test_byte_by_byte() -> None:
    data = b"9 <34>first<1>second\n\n9 <1>a\nb\ncd\0plain\r\n"
    stream = Stream()
    got = [message for byte in data for message in stream.feed(bytes([byte]))]
    assert got == [b"<34>first", b"<1>second", b"<1>a\nb\ncd", b"plain"]


def test_what_is_too_long_is_cut_and_counted() -> None:
    stream = Stream()
    first, *rest = stream.feed(b"<1>" + b"a" * 20_000 + b"\n<2>next\n")
    assert (len(first), rest, stream.cut) == (BYTES_MAX, [b"<2>next"], 1)
    first, *rest = stream.feed(b"20000 <1>" + b"b" * 19_997 + b"7 <2>next")
    assert (len(first), rest, stream.cut) == (BYTES_MAX, [b"<2>next"], 2)
    exact = b"<1>" + b"c" * (BYTES_MAX - 3)
    assert stream.feed(exact + b"\n") == [exact]
    assert stream.cut == 2


def test_counts_that_are_none() -> None:
    assert Stream().feed(b"0 <1>a\n") == [b"0 <1>a"]
    assert Stream().feed(b"99999999 <1>a\n") == [b"99999999 <1>a"]
    assert Stream().feed(b"3 mice\n") == [b"3 mice"]


def test_the_last_message_may_lack_its_end() -> None:
    stream = Stream()
    assert stream.feed(b"<1>a\n<1>b") == [b"<1>a"]
    assert stream.end() == [b"<1>b"]
    assert stream.end() == []
    stream.feed(b"100 <1>half")
    assert stream.end() == [b"<1>half"]
