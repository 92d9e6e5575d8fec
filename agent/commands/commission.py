"""``dialtone commission``: each cable pulled once, lamp, horn and the NOC's receipt seen, sealed in the journal."""

from __future__ import annotations

import argparse
import getpass
import sys
from pathlib import Path
from typing import Any

from agent.commands import requests

DESCRIPTION = """\
Walk a technician through every cable of the site that runs: pull it, see its lamp, hear the horn, see that the NOC has
received it, plug it in again. Each step and the whole is an entry in the journal's hash chain, reported like any other.
Each year dialtone status asks for it again."""
EPILOG = "Exit status: 0 everything is proved, 1 something is not, or no agent answers, 2 wrong usage or file."


def add(verbs: argparse._SubParsersAction[Any]) -> None:
    """Add ``commission`` to the command line."""
    verb = verbs.add_parser(
        "commission",
        help="pull each cable once and see lamp, horn and receipt; sealed in the journal",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verb.add_argument(
        "site", nargs="?", type=Path, metavar="SITE", help="the site file; only the socket's place is read"
    )
    verb.add_argument("--socket", type=Path, metavar="PATH", help="the agent's control socket, if not the usual one")
    verb.add_argument("--as", dest="technician", metavar="NAME", help="who does it (default: the user's name)")
    verb.add_argument("--wait", type=float, default=300.0, metavar="SECONDS", help="for each alarm (default 300)")
    verb.add_argument("--dry-run", action="store_true", help="list the steps and end")
    verb.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """0 everything proved, 1 not, 2 wrong usage or file."""
    from agent.client import Unanswered, ask
    from agent.commission.steps import ask_for, steps
    from agent.commission.walk import GivenUp, Terminal, Walk
    from agent.site.load import SiteFileInvalid

    if not 1 <= args.wait <= 86_400:
        print("dialtone commission: --wait is from 1 to 86400 seconds", file=sys.stderr)
        return 2
    try:
        socket = requests.socket_of(args)
        if args.dry_run:
            for number, step in enumerate(steps(ask(socket, "status")), 1):
                print(f"{number}. {ask_for(step)}")
            return 0
        terminal = Terminal(sys.stdin.fileno(), lambda text: print(text, flush=True))
        technician = args.technician or getpass.getuser()
        return Walk(lambda do, given: ask(socket, do, given), terminal, technician, args.wait).run()
    except SiteFileInvalid as invalid:
        print(f"dialtone: {args.site} is not a valid site file ({len(invalid.errors)} errors)", file=sys.stderr)
        return 2
    except Unanswered as error:
        print(f"dialtone: {error}", file=sys.stderr)
    except (GivenUp, KeyboardInterrupt):
        print("dialtone: given up; the steps done so far are in the journal, nothing is sealed", file=sys.stderr)
    return 1
