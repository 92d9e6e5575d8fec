"""``dialtone screen``: the sentence and the lamps, full-screen on the box's own console."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from agent.commands import requests

DESCRIPTION = """\
Show on this terminal what the running agent says, the action first, in letters to be read from four metres, until it is
ended. It needs no network and no desktop: run it on the Linux console (systemd/dialtone-screen.service does). Nothing
moves while nothing changes; an agent that does not answer for 3 s is said to be silent, large."""


def add(verbs: argparse._SubParsersAction[Any]) -> None:
    """Add ``screen`` to the command line."""
    verb = verbs.add_parser(
        "screen",
        help="the sentence and the lamps in big letters, for the box's HDMI console",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    requests.add_socket(verb, json=False)
    verb.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Until it is ended; 2 wrong usage or file."""
    from agent.screen.show import Show

    if args.site is not None:
        from agent.site.load import SiteFileInvalid

        try:
            path = requests.socket_of(args)
        except SiteFileInvalid as invalid:
            print(f"dialtone: {args.site} is not a valid site file ({len(invalid.errors)} errors)", file=sys.stderr)
            return 2
    else:
        path = requests.socket_of(args)
    return Show(path, sys.stdout.fileno()).run()
