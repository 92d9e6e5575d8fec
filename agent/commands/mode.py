"""``dialtone mode`` and ``dialtone shelve``: what is quiet on purpose, for a while."""

from __future__ import annotations

import argparse
from typing import Any

from agent.commands import requests

MODES = ("normal", "diverted", "service")


def add(verbs: argparse._SubParsersAction[Any]) -> None:
    """Add ``mode`` and ``shelve`` to the command line."""
    status = "Exit status: 0 done, 1 no agent answers or it refuses, 2 wrong usage."
    mode = verbs.add_parser(
        "mode",
        help="say that calls are diverted, or that technicians work",
        description="Tell the agent what is meant: calls go elsewhere (diverted), or technicians work on the lines "
        "(service: lamps and reports as ever, no horn). It ends by itself.",
        epilog=status,
    )
    mode.add_argument("mode", choices=MODES)
    mode.add_argument("--for", dest="minutes", type=float, default=60.0, metavar="MINUTES", help="default 60")
    requests.add_socket(mode)
    mode.set_defaults(run=run_mode)
    shelve = verbs.add_parser(
        "shelve",
        help="shelve an alarm, a line or a path for a while",
        description="Shelve an alarm, or all alarms of a line, a path or the site: they light and are reported, and "
        "do not sound. It ends by itself.",
        epilog=status,
    )
    shelve.add_argument("what", metavar="WHAT", help="an alarm's id, or that of a line, a path or the site")
    shelve.add_argument("--minutes", type=float, default=60.0, metavar="N", help="at most 1440 (default 60); 0 ends it")
    requests.add_socket(shelve)
    shelve.set_defaults(run=run_shelve)


def run_mode(args: argparse.Namespace) -> int:
    """0 done, 1 no agent answers or it refuses."""
    return _said(args, "mode", {"mode": args.mode, "minutes": args.minutes})


def run_shelve(args: argparse.Namespace) -> int:
    """0 done, 1 no agent answers or it refuses."""
    return _said(args, "shelve", {"what": args.what, "minutes": args.minutes})


def _said(args: argparse.Namespace, do: str, asked: dict[str, Any]) -> int:
    import json

    result = requests.asked(args, do, asked)
    if isinstance(result, int):
        return result
    print(json.dumps(result) if args.json else ", ".join(f"{key} {value}" for key, value in result.items()))
    return 0
