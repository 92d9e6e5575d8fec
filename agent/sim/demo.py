"""``dialtone demo``: chooses between the live terminal and the script, and ends everything on every way out."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import signal
import sys
from dataclasses import dataclass

from agent.control import Unanswered
from agent.sim.broker import NoBroker
from agent.sim.outages import Outage, OutageInvalid, load_all
from agent.sim.script import NotHappened, Script
from agent.sim.site import SimulatedSite, SiteFailed

SCRIPT_S = 90.0
OUTAGE_EXTRA_S = 60.0
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class Wish:
    """What the command line asked for. ``seconds`` None: 90 s scripted, without end on a terminal."""

    script: bool
    outage: str | None
    speed: float
    seconds: float | None


def demo(wish: Wish) -> int:
    """Run the demo. 0 all happened (or quit), 1 something did not, 2 wrong usage or no broker, 128+n by a signal."""
    try:
        outages = {outage.name: outage for outage in load_all()}
    except OutageInvalid as invalid:
        return _refused(str(invalid))
    if wish.outage is not None and wish.outage not in outages:
        why = _recorded(wish.outage, outages)
        if why is not None:
            return _refused(why)
    live = not wish.script and sys.stdout.isatty() and sys.stdin.isatty()
    if live and importlib.util.find_spec("rich") is None:
        print("The live panel needs rich (pip install 'dialtone[demo]'): here is the scripted demo instead.")
        live = False
    return asyncio.run(_until_signalled(wish, outages, live))


def _recorded(name: str, outages: dict[str, Outage]) -> str | None:
    """Add the recorded outage of that name as a fault of the demo; why that can't be, where it can't."""
    from agent.sim.outages.live import shown
    from agent.sim.outages.story import stories

    recorded = {story.name: story for story in stories()}
    if name not in recorded:
        return f"no outage called {name!r}; there are {', '.join((*outages, *recorded))}"
    told = shown(recorded[name])
    if told.fault is None:
        return f"{name} shows nothing that this demo has a lamp for; `dialtone replay {name}` tells it"
    if told.left_out:
        print(f"Of {name} the demo leaves out {', '.join(told.left_out)}; `dialtone replay {name}` has it all.")
    outages[name] = told.fault
    return None


async def _until_signalled(wish: Wish, outages: dict[str, Outage], live: bool) -> int:
    """The demo as a task of its own, which the first signal cancels; what is cleaned up is not interrupted again."""
    loop = asyncio.get_running_loop()
    work = loop.create_task(_run(wish, outages, live))
    caught: list[int] = []

    def on_signal(number: int) -> None:
        caught.append(number)
        if len(caught) == 1:
            work.cancel()

    for number in SIGNALS:
        loop.add_signal_handler(number, on_signal, number)
    try:
        return await work
    except asyncio.CancelledError:
        if not caught:
            raise
        return 128 + caught[0]


async def _run(wish: Wish, outages: dict[str, Outage], live: bool) -> int:
    chosen = outages[wish.outage] if wish.outage is not None else None
    site = SimulatedSite()
    script = Script(site, wish.speed, lambda line: print(line, flush=True))
    try:
        if live:
            from agent.sim.live import Terminal

            return await Terminal(site, outages).run(script, chosen, wish.seconds)
        for line in notes(site):
            print(line, flush=True)
        within_s = SCRIPT_S if chosen is None else max(SCRIPT_S, chosen.lights_within_s + OUTAGE_EXTRA_S)
        steps = script.standard() if chosen is None else script.one(chosen)
        return await script.run(steps, wish.seconds if wish.seconds is not None else within_s)
    except NoBroker as missing:
        return _refused(str(missing))
    except (SiteFailed, NotHappened, Unanswered) as failed:
        print(f"dialtone: {failed}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # the reader of our lines has gone: not every one of them was told
        with contextlib.suppress(OSError):
            sys.stderr.close()
        return 1
    finally:
        await site.stop()


def notes(site: SimulatedSite) -> list[str]:
    """What is real here and what is not, said before anything happens."""
    pinged = (
        "Only the switch on the LAN is pinged: 127.x.y.z always answers, so pings prove nothing of forwarding here."
        if site.pings
        else "This user may not send pings, so the switch on the LAN is watched by TCP as well."
    )
    return [
        "A simulated site on this computer. Real: the agent, the serial line (a pty), the sockets, the broker,",
        "the journal. Simulated: the channel bank, and firewall, router and far end as relays on 127.77.x.y.",
        "Firewall and router are watched by TCP, the far end by SIP OPTIONS through both.",
        pinged,
        "",
    ]


def _refused(why: str) -> int:
    print(f"dialtone: {why}", file=sys.stderr)
    return 2
