"""``dialtone run SITE``: the agent itself."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agent.remote.choice import Choice


def add(verbs: argparse._SubParsersAction[Any]) -> None:
    """Add ``run`` to the command line."""
    verb = verbs.add_parser("run", help="watch this site until stopped", description="Watch this site until stopped.")
    verb.add_argument("site", type=Path, metavar="SITE", help="the site file (TOML); see `dialtone check --example`")
    verb.add_argument("--verbose", action="store_true", help="log more to standard error")
    verb.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run until SIGTERM or SIGINT. 0 stopped when asked, 1 can't run here, 2 the site file is wrong."""
    import asyncio

    from agent.app import App
    from agent.commands.site_file import parse, text
    from agent.journal.store import StoreBusy
    from agent.remote.choice import choose
    from agent.site.load import SiteFileInvalid

    logging.basicConfig(
        level=logging.DEBUG if args.verbose else logging.INFO, format="%(levelname)s %(name)s: %(message)s"
    )

    async def agent(choice: Choice) -> bool:
        return await App(choice.site, choice=choice, parse=parse).run()

    while True:
        try:
            choice = choose(text(args.site), parse)
        except SiteFileInvalid as invalid:
            for error in invalid.errors:
                print(f"{args.site}:{error.line or 1}: {error.key}: {error.message}", file=sys.stderr)
            return 2
        try:
            if not asyncio.run(agent(choice)):
                return 0
        except (StoreBusy, OSError) as error:
            print(f"dialtone: {error}", file=sys.stderr)
            return 1
