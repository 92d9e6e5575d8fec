"""``dialtone release PORT --minutes N``: lend a craft port to a technician; it comes back by itself."""

from __future__ import annotations

import argparse
from typing import Any

from agent.commands import requests


def add(verbs: argparse._SubParsersAction[Any]) -> None:
    """Add ``release`` to the command line."""
    verb = verbs.add_parser(
        "release",
        help="let go of a serial port for a while",
        description="Let go of a serial port so that a technician can use it. The panel and the NOC are told; the "
        "agent takes it back by itself, or at once with --back.",
        epilog="Exit status: 0 done, 1 no agent answers or it refuses, 2 wrong usage.",
    )
    verb.add_argument("port", metavar="PORT", help="the line's id in the site file, or its port")
    verb.add_argument("--minutes", type=float, default=30.0, metavar="N", help="for how long, at most 480 (default 30)")
    verb.add_argument("--back", action="store_true", help="take it back now")
    requests.add_socket(verb)
    verb.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """0 done, 1 no agent answers or it refuses, 2 wrong usage."""
    import json

    minutes = 0.0 if args.back else args.minutes
    result = requests.asked(args, "release", {"line": args.port, "minutes": minutes})
    if isinstance(result, int):
        return result
    if args.json:
        print(json.dumps(result))
    elif minutes:
        print(f"{result['line']} is released for {minutes:g} minutes; dialtone release {result['line']} --back ends it")
    else:
        print(f"{result['line']} is taken back")
    return 0
