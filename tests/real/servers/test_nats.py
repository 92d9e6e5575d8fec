"""The uplink against three NATS servers in a JetStream cluster, which speak MQTT 3.1.1."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.real.servers.delivery import Collector, all_came, collector, in_order, no_storm, part_of_the_backlog, probe
from tests.real.servers.nats import PASSWORD, USER, Cluster, cluster

pytestmark = pytest.mark.timeout(400)


def test_the_node_of_the_probe_is_killed_and_another_takes_over(tmp_path: Path) -> None:
    """What comes is asked of a collector with QoS 1, in which order it was sent of one with QoS 0.

    For QoS 1 a server hands on what JetStream has stored. When the leader of the collector's consumer was the node
    that is killed, what that one had sent and nobody acknowledged comes again only after 30 s, behind newer ones:
    that order is NATS's. To QoS 0 messages go as they come in.
    """

    async def main(servers: Cluster, heard: Collector, watcher: Collector) -> None:
        secret = tmp_path / "password"
        secret.write_text(PASSWORD)
        async with (
            probe(tmp_path / "journal", servers.urls, files={"pw": secret}, user=USER, password="pw") as one,
            one.reporting(),
        ):
            async with one.writing():
                await one.connected(1, "3.1.1")
                assert one.status["attempts"] == 2, "asked in 5, told that there is no 5, asked in 3.1.1"
                await part_of_the_backlog(one, watcher)
                first = servers.node(one.status["url"])
                first.kill()
                await one.lost()
                await one.connected(2, "3.1.1")
                assert one.urls[1] != first.url
                await asyncio.sleep(1)  # a while with two nodes
                first.start()
                await asyncio.to_thread(servers.back, first)
            repeats = await all_came(one, heard)
            in_order(one, watcher)
            # While its streams elect new leaders a server ends, after 4 to 5 s, every connection whose message it
            # can't store; a new url costs two attempts, the first one in MQTT 5.
            no_storm(one, connects_most=4, attempts_most=14)
            print(
                f"{one.put} events, {repeats} repeats, {one.status['attempts']} attempts, {len(one.urls)} connections"
            )

    keys = {"user": USER, "password": PASSWORD}
    with cluster() as servers:
        port = servers.nodes[-1].port  # the probe begins with the first
        with collector(port, **keys) as heard, collector(port, qos=0, **keys) as watcher:
            asyncio.run(main(servers, heard, watcher))
