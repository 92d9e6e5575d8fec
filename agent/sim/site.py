"""The simulated site whole: broker, relays, channel bank, subscriber, a site file, and the very agent of ``run``.

Everything lives in one temporary directory and in this process or its own children. ``stop`` ends each child by
its process id and removes the directory; it is called on every way out.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agent import control
from agent.paths.ping import ping_access
from agent.sim import outages, relays
from agent.sim.bank import ChannelBank
from agent.sim.broker import Broker
from agent.sim.calls import CallCentre
from agent.sim.children import Child, end, last_words, spawn
from agent.sim.subscriber import Subscriber

SITE_ID = "demo"
TRUNKS = ("T1-1", "T1-2")
GROUP = "cama-north"
CALLERS_WAY = ("firewall.forwarding", "firewall.udp", "firewall.alive", "router.alive", "far-end.alive")
"""What calls come through here, as a hosted centre's do; the trunks are its way for calls from the neighbourhood."""
AGENT_START_S = 30.0
AGENT_STOP_S = 10.0
ASK_S = 3.0
AGENT_LOG = "agent.log"
SUN_PATH_MAX = 107
PATH_HOLD_S = 3.0

SITE_TOML = """\
# Written by `dialtone demo`. Short intervals, so that nobody has to wait; a real site leaves them out.
[site]
id = "{site_id}"
name = "Demonstration Emergency Communications"
psap_id = "0000"
population = 118000
provider = "Example Telephone"
noc_phone = "617-555-0142"
calls_per_hour = 20

[[line]]
id = "bank-a"
port = {bank}
dialect = "tl1"
trunks = {{ {trunks} }}

[[line]]
id = "ali-a"
port = {ali}
dialect = "ali"

[[line]]
id = "calls"
port = {smdr}
dialect = "smdr"
switch = "nortel-old"
abandoned_recorded = true

[calls]
shadow_days = 0

[[path]]
id = "switch"
role = "lan"
address = "{lan[0]}"
agreed_with = "{agreed}"
checks = [{lan_check}]

[[path]]
id = "firewall"
role = "firewall"
address = "{firewall[0]}"
behind = "switch"
agreed_with = "{agreed}"
checks = [{{ kind = "tcp", port = {firewall[1]}, {often} }}]

[[path]]
id = "router"
role = "router"
address = "{router[0]}"
behind = "firewall"
agreed_with = "{agreed}"
checks = [{{ kind = "tcp", port = {router[1]}, {often} }}]

[[path]]
id = "esrp"
role = "far-end"
address = "{far_end[0]}"
behind = "router"
agreed_with = "{agreed}"
checks = [{{ kind = "sip-options", port = {far_end[1]}, {often} }}]

[[uplink]]
id = "primary"
urls = ["mqtt://127.0.0.1:{broker_port}"]
keepalive_s = 5

[panel]
pins = "mock"
path_hold_s = {hold_s}

[journal]
directory = {journal}
max_mb = 16

[control]
socket = {socket}
"""


class SiteFailed(Exception):
    """The simulated site could not be started, or the agent ended by itself; the text says why."""


class SimulatedSite:
    """One site. ``start_world``, then ``start_agent``; always ``stop``."""

    def __init__(self) -> None:
        self.directory = _directory()
        self.socket_path = self.directory / "c.sock"
        self.journal = self.directory / "journal"
        self.site_file = self.directory / "site.toml"
        self.pings = ping_access() != "none"
        self.set_now: dict[str, outages.Setting] = {what: known[0] for what, known in outages.VOCABULARY.items()}
        self._agent: Child | None = None
        self.broker: Broker | None = None
        self.network: relays.Network | None = None
        self.bank: ChannelBank | None = None
        self.calls: CallCentre | None = None
        self.subscriber: Subscriber | None = None

    async def start_world(self) -> None:
        """All but the agent. Raises ``NoBroker``, OSError."""
        from agent.paths.sip import respond

        self.broker = Broker(self.directory)
        await self.broker.start()
        self.network = relays.Network(respond)
        await self.network.open()
        self.bank = ChannelBank("DEMO-BANK-A", TRUNKS, self.directory / "bank-a")
        self.bank.plug()
        self.calls = CallCentre(self.directory)
        self.calls.plug()
        self.subscriber = Subscriber(self.broker.port, SITE_ID)
        self.subscriber.start()
        self.site_file.write_text(self._site_toml(), encoding="utf-8")

    async def start_agent(self) -> None:
        """``dialtone run`` on the site file; returns when its control socket answers. Raises ``SiteFailed``."""
        self._agent = spawn([sys.executable, "-m", "agent", "run", str(self.site_file)], self.directory, AGENT_LOG)
        loop = asyncio.get_running_loop()
        until_s = loop.time() + AGENT_START_S
        while True:
            try:
                await self.ask("status")
                break
            except control.Unanswered as unanswered:
                self.check_agent()
                if loop.time() > until_s:
                    raise SiteFailed(f"the agent does not answer: {unanswered}; {self.agent_words()}") from None
            await asyncio.sleep(0.05)
        if self.bank is not None:
            await self._ports_open()
            self.bank.greet()
        if self.calls is not None:
            self.calls.open()

    async def _ports_open(self) -> None:
        """Wait until the agent has the ttys open: what is sent before that may be flushed unread."""
        until_s = asyncio.get_running_loop().time() + ASK_S
        while asyncio.get_running_loop().time() < until_s:
            if all(port["state"] == "up" for port in (await self.ask("status"))["ports"]):
                return
            await asyncio.sleep(0.05)

    @property
    def agent_pid(self) -> int | None:
        """The agent's process id, None before it is started and after its end."""
        return self._agent.pid if self._agent is not None else None

    def check_agent(self) -> None:
        """Raises ``SiteFailed`` where the agent has ended by itself."""
        if self._agent is not None and self._agent.poll() is not None:
            raise SiteFailed(f"the agent ended with status {self._agent.returncode}: {self.agent_words()}")

    def agent_words(self) -> str:
        """The end of what the agent logged."""
        return last_words(self.directory, AGENT_LOG)

    async def ask(self, do: str, args: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """One request over the control socket. Raises ``control.Unanswered``."""
        return await asyncio.to_thread(control.ask, self.socket_path, do, dict(args or {}), ASK_S)

    async def apply(self, settings: Mapping[str, outages.Setting]) -> None:
        """Set the world as an outage's change says. Raises ``OutageInvalid``, ``NoBroker``, OSError."""
        outages.check(settings, "settings")
        for what, value in settings.items():
            self.set_now[what] = value
            if self.calls is not None:  # before the fault itself: no call may slip in after it
                self.calls.reached = all(self.set_now[way] == outages.VOCABULARY[way][0] for way in CALLERS_WAY)
            await self._apply_one(what, value)

    async def _apply_one(self, what: str, value: outages.Setting) -> None:
        assert self.bank is not None and self.network is not None and self.broker is not None  # noqa: PT018
        thing, _, quality = what.partition(".")
        if what == "bank.port":
            (self.bank.plug if value == "plugged" else self.bank.unplug)()
        elif thing == "calls" and self.calls is not None:
            setattr(self.calls, quality, bool(value))
        elif thing == "bank":
            self.bank.set(quality, str(value))
        elif thing == "broker":
            await (self.broker.start() if value else self.broker.stop())
        elif thing == "firewall":
            setattr(self.network.firewall, {"udp": "forwarding_udp"}.get(quality, quality), bool(value))
        elif thing == "router":
            self.network.router.alive = bool(value)
        else:
            self.network.far_end.alive = bool(value)

    def in_force(self, outage: outages.Outage) -> bool:
        """Whether this outage's last settings stand."""
        final = {what: value for change in outage.change for what, value in change.set.items()}
        return all(self.set_now[what] == value for what, value in final.items())

    async def stop_agent(self) -> int | None:
        """End the agent as systemd would; its exit status, None where none ran."""
        child, self._agent = self._agent, None
        if child is None:
            return None
        await end(child, AGENT_STOP_S)
        return child.returncode

    async def stop(self) -> None:
        """End everything and remove the directory. Each part is ended whatever the others do; twice is harmless."""
        try:
            await self.stop_agent()
        finally:
            try:
                if self.subscriber is not None:
                    self.subscriber.stop()
                if self.bank is not None:
                    self.bank.unplug()
                if self.calls is not None:
                    self.calls.close()
                if self.network is not None:
                    self.network.close()
            finally:
                try:
                    if self.broker is not None:
                        await self.broker.stop()
                finally:
                    shutil.rmtree(self.directory, ignore_errors=True)

    def _site_toml(self) -> str:
        assert self.network is not None and self.broker is not None  # noqa: PT018
        net = self.network
        ping = '{ kind = "icmp", every_s = 1.0 }'
        connect = f'{{ kind = "tcp", port = {net.lan[1]}, every_s = 1.0 }}'
        return SITE_TOML.format(
            site_id=SITE_ID,
            trunks=", ".join(f'"{trunk}" = "{GROUP}"' for trunk in TRUNKS),
            bank=json.dumps(str(self.directory / "bank-a")),
            ali=json.dumps(str(self.directory / "ali-a")),
            smdr=json.dumps(str(self.directory / "smdr")),
            journal=json.dumps(str(self.journal)),
            socket=json.dumps(str(self.socket_path)),
            lan=net.lan,
            lan_check=ping if self.pings else connect,
            firewall=net.firewall.address,
            router=net.firewall.router_inside,
            far_end=net.firewall.far_end_inside,
            agreed="the demo: all of this is ours",
            often="every_s = 0.5, timeout_s = 0.4, fail = 2, of = 3",
            broker_port=self.broker.port,
            hold_s=PATH_HOLD_S,
        )


def _directory() -> Path:
    """A temporary directory of this user's own, with a name short enough for a Unix socket (unix(7): 107 bytes)."""
    for parent in (None, "/tmp"):  # noqa: S108
        made = Path(tempfile.mkdtemp(prefix="dialtone-", dir=parent))
        if len(os.fsencode(made / "c.sock")) <= SUN_PATH_MAX:
            return made
        made.rmdir()
    raise SiteFailed("no temporary directory with a path short enough for a socket")
