"""The command line: ``dialtone VERB``. Exit 0 fine, 1 a fault found, 2 wrong usage or file."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

from agent import __version__

# Each module of agent.commands has `add(subparsers)`; it imports what it needs only when it runs.
MODULES = (
    "run",
    "demo",
    "check",
    "status",
    "screen",
    "requests",
    "release",
    "mode",
    "panel_test",
    "capture",
    "play",
    "decode",
    "replay",
    "reflector",
    "config",
    "watch",
    "schema",
    "verify",
    "commission",
    "admission",
)


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = argparse.ArgumentParser(
        prog="dialtone",
        description="Says within seconds that a 911 call centre can no longer be reached, and why.",
        epilog="Exit status: 0 fine, 1 a fault found, 2 wrong usage or a wrong file.",
    )
    top.add_argument("--version", action="version", version=f"dialtone {__version__}")
    verbs = top.add_subparsers(title="what to do", metavar="VERB", required=True)
    for verb in MODULES:
        importlib.import_module(f"agent.commands.{verb}").add(verbs)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; returns the exit status."""
    top = parser()
    args, rest = top.parse_known_args(arguments)
    # argparse gives an optional positional up at the first option; one that stands behind them is taken here.
    if len(rest) == 1 and not rest[0].startswith("-") and getattr(args, getattr(args, "late", ""), None) == "-":
        setattr(args, args.late, rest.pop())
    if rest:
        top.error(f"unrecognized arguments: {' '.join(rest)}")
    try:
        status: int = args.run(args)
    except BrokenPipeError:  # the reader of our output has gone: nothing is wrong with us
        status = 0
    except KeyboardInterrupt:
        status = 130
    try:
        sys.stdout.flush()
    except BrokenPipeError:  # or the interpreter would try again at its end, and fail
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return status


if __name__ == "__main__":
    sys.exit(main())
