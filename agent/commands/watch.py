"""``dialtone watch BROKER``: all sites at once, for the NOC."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from agent.commands import broker

DESCRIPTION = """\
Listen to what the probes of all sites report to BROKER and show it, worst first: who is in alarm, who is lost, which
sites were lost together, and where the calls of many sites together have fallen silent (pooled silence tells in
minutes what one site tells in hours). A probe whose alarms are not those it says stand is asked for its state."""
EPILOG = """\
With --share NAME the heartbeats, calls and events are divided among all watchers of that name: each then has the
whole picture only of what the broker retains, and judges no pools.
Exit status: 0 fine, 1 with --once: a site is in alarm or lost, a pool is silent, or the broker can't be reached,
2 wrong usage or file."""


def add(verbs: argparse._SubParsersAction[Any]) -> None:
    """Add ``watch`` to the command line."""
    verb = verbs.add_parser(
        "watch",
        help="all sites at once, for the NOC",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    broker.options(verb)
    verb.add_argument("--json", action="store_true", help="print one JSON object a line, on change and each minute")
    verb.add_argument("--once", type=float, metavar="SECONDS", help="listen so long, print once, and end")
    verb.add_argument("--sites", nargs="+", metavar="ID", help="only these sites")
    verb.add_argument("--pool", nargs="+", metavar="SHARE", help="pool only these shares, not all that sites list")
    verb.add_argument("--sign", type=Path, metavar="KEY", help="publish the pools, signed with this SSH key")
    verb.add_argument("--as", dest="name", metavar="NAME", help="who signs")
    verb.add_argument("--share", metavar="NAME", help="divide the load among the watchers of this name (MQTT 5)")
    verb.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """0 fine, 1 a fault found (with ``--once``), 2 wrong usage or file."""
    problem = wrong(args)
    if problem:
        print(f"dialtone watch: {problem}", file=sys.stderr)
        return 2
    from agent.fleet.watching import Settings, Watching

    settings = Settings(
        json=args.json,
        once_s=args.once,
        sites=args.sites,
        pool=args.pool,
        key=args.sign,
        name=args.name or "",
        share=args.share,
    )
    connection = broker.listener(args, sites=args.sites, share=args.share)
    return Watching(settings, connection).run()


def wrong(args: argparse.Namespace) -> str:
    """What is wrong with the options, or nothing."""
    import re

    from agent.fleet.said import ID

    for name in [*(args.sites or ()), *(args.pool or ())]:
        if not ID.match(name):
            return f"{name[:40]!r} is no id: lower-case letters, digits and hyphens, at most 32"
    if args.once is not None and not 0.1 <= args.once <= 86_400:
        return "--once is from 0.1 to 86400 seconds"
    if (args.sign is None) != (args.name is None):
        return "--sign KEY and --as NAME go together"
    if args.name is not None and not re.match(r"[\x21-\x7e]{1,64}\Z", args.name):
        return "--as is a name of at most 64 plain characters"
    if args.sign is not None and not args.sign.is_file():
        return f"there is no key {args.sign}"
    if args.share is not None and not re.match(r"[A-Za-z0-9_-]{1,32}\Z", args.share):
        return "--share is letters, digits, hyphens and underscores, at most 32"
    if args.share is not None and (args.sign or args.pool):
        return "with --share a watch hears only a part of the calls and can judge no pools; leave --pool and --sign out"
    return broker.wrong(args)
