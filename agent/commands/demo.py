"""``dialtone demo``: a whole simulated site on this computer, watched by the very agent of ``dialtone run``."""

from __future__ import annotations

import argparse
from typing import Any

SPEED = (0.1, 20.0)
SECONDS = (1.0, 86_400.0)
DESCRIPTION = """\
Start a simulated site on this computer and watch it with the very agent of `dialtone run`: a channel bank on a
pty, firewall, router and far end as relays on loopback addresses, a real broker (mosquitto, else amqtt).
On a terminal it shows the panel; keys cause faults and press the buttons. Elsewhere it runs a script of about
20 s and prints a line for each thing that happens."""
EPILOG = "Exit status: 0 everything happened, 1 something did not, 2 wrong usage or no broker."


def add(verbs: argparse._SubParsersAction[Any]) -> None:
    """Add ``demo`` to the command line."""
    verb = verbs.add_parser(
        "demo",
        help="a whole simulated site on this computer",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verb.add_argument("--script", action="store_true", help="run the script on a terminal too")
    verb.add_argument("--outage", metavar="NAME", help="cause this one outage; a wrong name lists them all")
    verb.add_argument(
        "--speed",
        type=_between(*SPEED),
        default=1.0,
        metavar="N",
        help="divide the script's pauses by N, 0.1 to 20 (default 1); the agent's own times stay as they are",
    )
    verb.add_argument(
        "--seconds",
        type=_between(*SECONDS),
        metavar="N",
        help="end after N seconds (default: the script 90, longer for a slow outage; the terminal never)",
    )
    verb.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run it; the exit status."""
    from agent.sim.demo import Wish, demo

    return demo(Wish(script=args.script, outage=args.outage, speed=args.speed, seconds=args.seconds))


def _between(low: float, high: float) -> Any:
    def number(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"not a number: {text!r}") from None
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"must be from {low:g} to {high:g}")
        return value

    return number
