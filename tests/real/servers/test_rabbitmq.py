"""The uplink against RabbitMQ, which speaks MQTT 3.1.1 here and answers a 5 by CONNACK 1."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.real.brokers import ROOT
from tests.real.servers.delivery import Collector, all_came, collector, in_order, no_storm, part_of_the_backlog, probe
from tests.real.servers.rabbit import PASSWORD, USER, Rabbit, rabbit
from tests.real.sites import site, tl1, until

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


def test_a_watch_that_comes_later_asks_for_what_rabbitmq_keeps_from_it(tmp_path: Path) -> None:
    """It gives a wildcard subscriber no retained messages: what stands is known by asking the box (``cmd/state``)."""
    with rabbit() as server:
        secret = tmp_path / "pw"
        secret.write_text(PASSWORD)
        secret.chmod(0o600)
        extra = (
            f'[[uplink]]\nid = "noc"\nurls = ["{server.url}"]\nuser = "{USER}"\npassword = "pw"\n'
            f'[secrets]\ndirectory = "{tmp_path}"\n'
        )
        with site(extra=extra) as s, s.agent():
            until(lambda: s.status()["uplinks"][0]["connected"], "never connected", 60)
            s.send(tl1("T1-1", "MJ", "LOS", 1))
            until(lambda: s.alarm("bank-a_los_t1-1"), "no alarm")
            until(lambda: s.status()["uplinks"][0]["backlog"] == 0, "not reported")
            own = ["--user", USER, "--password-file", str(secret)]
            command = [sys.executable, "-m", "agent", "watch", server.url, "--json", *own]
            watching = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
            try:
                assert watching.stdout is not None
                end = time.monotonic() + 150  # the next heartbeat, with the digest that differs, comes within a minute
                for line in watching.stdout:
                    told = json.loads(line)
                    if "bank-a_los_t1-1" in line:
                        break
                    assert time.monotonic() < end, told
                assert [one["site"] for one in told["sites"]] == ["testville"]
            finally:
                watching.terminate()
                watching.wait(20)
