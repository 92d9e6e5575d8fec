"""``dialtone verify``: whether the journal is whole, and if not, where it breaks."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any


def add(verbs: argparse._SubParsersAction[Any]) -> None:
    """Add ``verify`` to the command line."""
    verb = verbs.add_parser(
        "verify",
        help="check the journal's hash chain from end to end",
        description="Check the journal's hash chain from end to end. The agent may be running; nothing is written.",
        epilog="Exit status: 0 whole, 1 broken, 2 there is no journal, or it can't be opened.",
    )
    verb.add_argument("where", type=Path, metavar="DIRECTORY|SITE", help="the journal's directory, or a site file")
    verb.add_argument("--json", action="store_true", help="print one JSON object")
    verb.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """0 whole, 1 broken, 2 wrong usage: no journal there, an invalid site file, no right to read it."""
    import json

    from agent.journal.verify import verify

    directory = _directory(args.where)
    if directory is None:
        return 2
    try:
        report = verify(directory)
    except OSError as error:
        print(f"dialtone: {directory}: no journal to verify: {error.strerror or error}", file=sys.stderr)
        return 2
    broken = report.broken
    if args.json:
        facts = {name: getattr(report, name) for name in report.__slots__ if name != "broken"}
        found = {"seq": broken.seq, "why": broken.why} if broken else None
        print(json.dumps({"whole": broken is None, **facts, "broken": found}))
    elif broken is not None:
        print(f"broken at entry {broken.seq}: {broken.why}")
        print(f"store {report.store or 'unknown'}; whole up to there: {report.entries} entries")
    else:
        span = f"entries {report.first} to {report.head}" if report.entries else "no entries"
        print(f"whole: store {report.store}, {span}, {report.boots} starts of the agent")
        print(f"payloads dropped for room: {report.dropped}; entries cut: {report.cut}")
        if report.entries:
            print(f"newest hash {report.head_hash}")
    return 1 if broken is not None else 0


def _directory(where: Path) -> Path | None:
    """The journal's directory; a file is taken for a site file."""
    if not where.is_file():
        return where
    from agent.site.load import SiteFileInvalid, load

    try:
        return Path(load(where).journal.directory)
    except SiteFileInvalid as invalid:
        for error in invalid.errors:
            print(f"{where}:{error.line or 1}: {error.key}: {error.message}", file=sys.stderr)
        return None
