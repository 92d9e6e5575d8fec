"""Sites that connected in one second do not speak in one second ever after."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pytest

from agent.clock import NS, Wall
from agent.site import schema
from agent.uplink.flow import Flow
from agent.uplink.messages import Message, Messages
from agent.uplink.session import HEALTH_S, Session
from tests.uplink.fakes import FakeJournal


class HandClock:
    """A clock that runs as the test says."""

    def __init__(self) -> None:
        self.now = 0

    def now_ns(self) -> int:
        return self.now

    def wall(self) -> Wall:
        return Wall("2024-06-18T17:15:00.000Z", True)


class Wire:
    """Takes everything, answers nothing, and has one more second pass at each look."""

    def __init__(self, clock: HandClock, seconds: int) -> None:
        loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[str] = loop.create_future()
        self.granted: asyncio.Future[tuple[str, ...]] = loop.create_future()
        self.clock, self.seconds, self.health_s = clock, seconds, list[float]()

    def publish(self, token: int, message: Message) -> None:
        if message.topic.endswith("/health"):
            self.health_s.append(self.clock.now / NS)


@pytest.mark.parametrize(("spread", "second_s"), [(0.0, 60.0), (0.5, 45.0), (1.0, 30.0)])
def test_the_second_heartbeat_comes_by_the_sites_place(
    spread: float, second_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> list[float]:
        clock = HandClock()
        wire = Wire(clock, 200)

        async def rest(_self: Any) -> None:
            clock.now += NS
            if clock.now > wire.seconds * NS:
                wire.ended.set_result("enough")

        monkeypatch.setattr(Session, "_rest", rest)
        monkeypatch.setattr("agent.uplink.session.STALLED_S", 1e6)
        session = Session(
            1, Flow(), wire, Messages(schema.Site(id="a"), "noc"), FakeJournal(), "noc",  # type: ignore[arg-type]
            lambda _reading: None, clock, dict, None, spread=spread,
        )  # fmt: skip
        assert await session.run(20) == "enough"
        return wire.health_s

    heard = asyncio.run(main())
    assert heard[:2] == [0.0, second_s]
    assert {after - before for before, after in itertools.pairwise(heard[1:])} == {HEALTH_S}
