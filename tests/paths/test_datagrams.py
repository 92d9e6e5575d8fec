"""Waiting for the one datagram that answers: a flood's limits, and whose fault an error is."""

from __future__ import annotations

import asyncio
import errno
import itertools
import os

import pytest

from agent.paths.datagrams import BATCH_MAX, PACKETS_MAX, Exchange


class Endless:
    """A socket that always has one packet more."""

    read = 0

    def recvfrom(self, size: int) -> tuple[bytes, tuple[str, int]]:
        self.read += 1
        assert self.read <= 2 * PACKETS_MAX, "no limit"
        return b"x", ("127.0.0.1", 1)


def test_a_flood_neither_starves_the_loop_nor_lasts() -> None:
    read_at_each_turn = [0]

    async def run() -> Exchange[int]:
        sock = Endless()

        async def others() -> None:
            while True:
                read_at_each_turn.append(sock.read)
                await asyncio.sleep(0)

        task = asyncio.create_task(others())
        exchange: Exchange[int] = Exchange(sock, lambda _data, _source: None)  # type: ignore[arg-type]
        assert await exchange.hear(asyncio.get_running_loop().time() + 1.0) is None
        task.cancel()
        return exchange

    exchange = asyncio.run(run())
    assert max(b - a for a, b in itertools.pairwise(read_at_each_turn)) <= BATCH_MAX
    assert exchange.ignored == PACKETS_MAX
    assert exchange.failure(1.0).detail["deaf_after"] == PACKETS_MAX


class Mute:
    """A socket that sends as told (an error number, or 0 for well) and hears nothing."""

    def __init__(self, *sends: int) -> None:
        self._sends = list(sends)

    def send(self, data: bytes) -> None:
        number = self._sends.pop(0)
        if number:
            raise OSError(number, os.strerror(number))


@pytest.mark.parametrize(
    ("sends", "state"),
    [
        ((errno.ENOBUFS, 0, 0), "down"),  # two went out and got no answer
        ((errno.EPERM,) * 4, "unknown"),  # nothing went out
        ((errno.ENETUNREACH,) * 4, "down"),  # there is no way out
        ((0, 0), "down"),
    ],
)
def test_trouble_of_our_own_hides_no_silence(sends: tuple[int, ...], state: str) -> None:
    exchange: Exchange[int] = Exchange(Mute(*sends), lambda _data, _source: None)  # type: ignore[arg-type]
    exchange.send(b"")
    exchange.send(b"")
    assert exchange.failure(1.0).state == state
