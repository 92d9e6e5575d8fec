"""The uplink against RabbitMQ, which speaks MQTT 3.1.1 here and answers a 5 by CONNACK 1."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from tests.real.servers.delivery import Collector, all_came, collector, in_order, no_storm, part_of_the_backlog, probe
from tests.real.servers.rabbit import PASSWORD, USER, Rabbit, rabbit

pytestmark = pytest.mark.timeout(400)


def test_a_rabbitmq_killed_in_the_midst_loses_nothing(tmp_path: Path) -> None:
    async def main(server: Rabbit, heard: Collector) -> None:
        secret = tmp_path / "password"
        secret.write_text(PASSWORD)
        async with (
            probe(tmp_path / "journal", [server.url], files={"pw": secret}, user=USER, password="pw") as one,
            one.reporting(),
        ):
            async with one.writing():
                await one.connected(1, "3.1.1")
                assert one.status["attempts"] == 2, "asked in 5, told that there is no 5, asked in 3.1.1"
                await part_of_the_backlog(one, heard)
                began = time.monotonic()
                server.kill()
                await one.lost()
                await asyncio.to_thread(server.start)
                away_s = time.monotonic() - began
                await one.connected(2, "3.1.1")
                assert await asyncio.to_thread(heard.present.wait, 60), "the collector never came back"
            repeats = await all_came(one, heard)
            in_order(one, heard)
            # Its waits double from a second; without them it would be refused some hundred times a second.
            no_storm(one, connects_most=2, attempts_most=int(6 + away_s))
            print(f"{one.put} events, {repeats} repeats, {one.status['attempts']} attempts, away for {away_s:.1f} s")

    with rabbit() as server, collector(server.port, user=USER, password=PASSWORD) as heard:
        asyncio.run(main(server, heard))
