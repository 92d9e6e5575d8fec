"""Knocks that are awaited: which datagram is one, and that nothing else gets a word."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.clock import RealClock
from agent.paths import sip
from agent.paths.call import messages
from agent.paths.knock import KnockRunner
from agent.paths.knocks import HEADER, LONGEST, TOKENS_MAX, Knocks, acknowledgement, answered, invite, proof
from agent.paths.outcome import Outcome
from agent.paths.runner import Tools
from agent.paths.target import Target
from agent.site import schema
from agent.site.secrets import SecretStore

SECRET, TOKEN = b"a secret of some length", "0123456789abcdef" * 2
REFLECTOR = "198.51.100.1"
DOOR = ("192.0.2.10", 5066)


def knock(token: str = TOKEN, secret: bytes = SECRET) -> bytes:
    return invite("c1@198.51.100.1", "z9hG4bK12345678", REFLECTOR, 40_123, DOOR, token, secret)


def within(what: Callable[[Knocks], None]) -> None:
    """A loop is there for the futures, and for nothing else."""

    async def run() -> None:
        what(Knocks([REFLECTOR]))

    asyncio.run(run())


def test_a_knock_is_taken_and_answered() -> None:
    def check(knocks: Knocks) -> None:
        future = knocks.expect(TOKEN, SECRET)
        sent = knock()
        answer = knocks.datagram(sent, REFLECTOR, 77)
        assert answer is not None
        assert len(answer) <= len(sent)
        assert future.result() == 77
        message = answered(sent, answer, TOKEN, SECRET)
        assert message is not None
        assert messages.status_of(message) == 486
        assert messages.tag_of(message.first("to"))
        ack = acknowledgement(sent, message)
        parsed = sip.parse(ack)
        assert parsed is not None
        assert (parsed.first("cseq"), messages.branch_of(parsed)) == ("1 ACK", "z9hG4bK12345678")
        assert parsed.first("to") == message.first("to")
        assert knocks.datagram(ack, REFLECTOR, 78) is None
        assert knocks.datagram(sent, REFLECTOR, 79) == answer  # sent again: its answer was lost
        assert (future.result(), knocks.seen(TOKEN)) == (77, 2)
        assert dict(knocks.counts) == {"knocks": 2}

    within(check)


@pytest.mark.parametrize(
    ("data", "source", "count"),
    [
        (knock(), "203.0.113.5", "strangers"),
        (knock(token="f" * 32), REFLECTOR, "unknown"),
        (knock(secret=b"wrong"), REFLECTOR, "unproved"),
        (knock().replace(b";proof=", b";prof="), REFLECTOR, "unproved"),
        (knock().replace(HEADER.encode(), b"X-Other"), REFLECTOR, "unproved"),
        (knock().replace(b"INVITE", b"OPTIONS"), REFLECTOR, "others"),
        (knock().replace(b"Call-ID", b"Call-XX"), REFLECTOR, "garbage"),
        (knock() + b"x" * LONGEST, REFLECTOR, "garbage"),
        (b"", REFLECTOR, "garbage"),
        (b"\x00\xff" * 40, REFLECTOR, "garbage"),
    ],
)
def test_what_is_none_gets_no_answer_and_is_counted(data: bytes, source: str, count: str) -> None:
    def check(knocks: Knocks) -> None:
        future = knocks.expect(TOKEN, SECRET)
        assert knocks.datagram(data, source, 1) is None
        assert dict(knocks.counts) == {count: 1}
        assert not future.done()

    within(check)


def test_another_probes_proof_is_none() -> None:
    """The proof of one token and of one direction is none of another."""
    assert len({proof(SECRET, TOKEN, "knock"), proof(SECRET, TOKEN, "heard"), proof(b"x", TOKEN, "knock")}) == 3

    def check(knocks: Knocks) -> None:
        knocks.expect(TOKEN, SECRET)
        other = knock(token="f" * 32).replace(b"f" * 32, TOKEN.encode())
        assert knocks.datagram(other, REFLECTOR, 1) is None

    within(check)


def test_an_answer_that_proves_nothing_is_none() -> None:
    sent = knock()
    parsed = sip.parse(sent)
    assert parsed is not None
    for code in (100, 180, 200, 486, 503):
        plain = messages.respond(parsed, code, "x", "t")
        assert plain is not None
        assert answered(sent, plain, TOKEN, SECRET) is None
    ours = plain.replace(b"Content-Length", f"{HEADER}: proof={proof(SECRET, TOKEN, 'heard')}\r\nl".encode())
    assert answered(sent, ours, TOKEN, SECRET) is not None
    assert answered(sent, ours.replace(b"12345678", b"87654321"), TOKEN, SECRET) is None
    echoed = plain.replace(b"Content-Length", f"{HEADER}: proof={proof(SECRET, TOKEN, 'knock')}\r\nl".encode())
    assert answered(sent, echoed, TOKEN, SECRET) is None


def test_what_is_awaited_is_bounded() -> None:
    def check(knocks: Knocks) -> None:
        futures = [knocks.expect(f"{number:032x}", SECRET) for number in range(3 * TOKENS_MAX)]
        assert sum(not future.done() for future in futures) == TOKENS_MAX
        assert knocks.counts["dropped"] == 2 * TOKENS_MAX
        assert futures[0].cancelled()
        knocks.forget(f"{3 * TOKENS_MAX - 1:032x}")
        assert futures[-1].cancelled()
        knocks.forget("never awaited")
        for token, secret in (("short", SECRET), (TOKEN, b"")):
            with pytest.raises(ValueError, match="32 hexadecimal"):
                knocks.expect(token, secret)

    within(check)


def test_an_answer_that_would_be_longer_is_not_sent() -> None:
    """Bytes that are no UTF-8 are written longer than they came."""

    def check(knocks: Knocks) -> None:
        future = knocks.expect(TOKEN, SECRET)
        assert knocks.datagram(knock().replace(b"tag=", b"tag=" + b"\xff" * 300), REFLECTOR, 5) is None
        assert (future.result(), knocks.counts["unanswered"]) == (5, 1)

    within(check)


@given(st.binary(max_size=600), st.integers(0, 800), st.integers(0, 60))
def test_any_bytes_and_any_damage(data: bytes, at: int, length: int) -> None:
    def check(knocks: Knocks) -> None:
        future = knocks.expect(TOKEN, SECRET)
        whole = knock()
        for one in (data, whole[:at] + data[:length] + whole[at + length :], data + whole):
            before = knocks.counts.total()
            answer = knocks.datagram(one, REFLECTOR, 5)
            assert answer is None or len(answer) <= len(one)
            assert answer is None or future.done()
            message = sip.parse(one)
            acked = message is not None and messages.method_of(message) == "ACK"
            assert knocks.counts.total() == before + (not acked)
            answered(whole, one, TOKEN, SECRET)

    within(check)


# ---- the runner, where it needs no network


def runner(check: schema.Knock, knocks: Knocks | None, secrets: Path) -> KnockRunner:
    path = schema.Path("r", "reflector", "192.0.2.1", (check,), secret="reflector")
    return KnockRunner(path, check, Tools(RealClock(), SecretStore(secrets, None), lambda: "none", knocks))


@pytest.mark.parametrize(("knocks", "words"), [(None, r"\[listen\] knock"), (Knocks([]), "the reflector's secret")])
def test_without_a_port_or_a_secret_it_can_not_test(knocks: Knocks | None, words: str, tmp_path: Path) -> None:
    one = runner(schema.Knock(), knocks, tmp_path)
    outcome = asyncio.run(one.run(Target("192.0.2.1", False), 205.0))
    assert outcome.state == "unknown"
    assert outcome.reason.startswith("this box can't test: ")
    assert words.replace("\\", "") in outcome.reason


def test_a_knock_before_its_time_proves_nothing(tmp_path: Path) -> None:
    """It came through the hole that our own request had made."""
    one = runner(schema.Knock(idle_s=100.0), Knocks([]), tmp_path)
    early, later, missed = one._came(20 * 10**9, 1), one._missed(), one._came(101 * 10**9, 2)
    assert (early.state, later.state, missed.state) == ("unknown", "unknown", "up")
    assert one._missed().state == "down"
    assert missed.detail == {"waited_s": 101.0, "late_s": 1.0, "attempts": 2}
    assert isinstance(early, Outcome)
