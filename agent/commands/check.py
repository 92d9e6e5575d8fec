"""``dialtone check SITE``: every mistake at once; or, in plain words, what is watched and what can't be seen."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agent.site.load import SiteError
    from agent.site.schema import SiteFile

NAME = "check"


def add(sub: argparse._SubParsersAction[Any]) -> None:
    """Add ``check`` to the command line."""
    verb = sub.add_parser(
        NAME,
        help="read a site file: every mistake, or what it watches",
        description="Read a site file. Its mistakes are told all at once; a right one is told back in plain words.",
    )
    verb.add_argument("site", type=Path, nargs="?", metavar="SITE", help="the site file (TOML)")
    verb.add_argument("--example", action="store_true", help="write a complete, commented site file to standard output")
    verb.add_argument("--all", action="store_true", help="also the causes that only at times can't be told apart")
    verb.add_argument("--json", action="store_true", help="one JSON object a line")
    verb.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """0 the file is right, 2 it is not or the usage is wrong."""
    if args.example:
        if args.site is not None:
            print("dialtone check: give SITE or --example, not both", file=sys.stderr)
            return 2
        sys.stdout.write(example())
        return 0
    if args.site is None:
        print("dialtone check: give a SITE to check, or --example for one to start from", file=sys.stderr)
        return 2
    from agent.commands.site_file import read
    from agent.site.load import SiteFileInvalid

    try:
        site = read(args.site)
    except SiteFileInvalid as invalid:
        _tell_errors(args.site, invalid.errors, as_json=args.json)
        return 2
    _tell(args.site, site, as_json=args.json, everything=args.all)
    return 0


def example() -> str:
    """The complete, commented example site file."""
    from importlib import resources

    return (resources.files("agent.site") / "example.toml").read_text(encoding="utf-8")


def _tell_errors(path: Path, errors: tuple[SiteError, ...], *, as_json: bool) -> None:
    if as_json:
        for error in errors:
            _print_json({"kind": "error", "key": error.key, "line": error.line, "message": error.message})
        return
    for error in errors:
        print(f"{path}:{error.line or 1}: {error.key}: {error.message}", file=sys.stderr)
    print(f"{path}: {len(errors)} mistake{'s' if len(errors) != 1 else ''}", file=sys.stderr)


def _tell(path: Path, site: SiteFile, *, as_json: bool, everything: bool) -> None:
    from agent.site.describe import unseen, watched

    usually = inseparable(site, usually=True)
    at_times = [text for text in inseparable(site) if text not in usually] if as_json or everything else []
    told = {
        "watched": watched(site),
        "unseen": unseen(site),
        "inseparable": (*usually, *at_times),
        "warning": tuple(warnings(site)),
    }
    if as_json:
        for kind, texts in told.items():
            for text in texts:
                _print_json({"kind": kind, "text": text.strip()})
        return
    print(f"{path} is a valid site file.")
    titles = {
        "watched": "What will be watched:",
        "unseen": "What this site cannot see:",
        "inseparable": "Causes that its senses cannot tell apart (the verdict then names them all):",
        "warning": "Not ready here:",
    }
    for kind, texts in told.items():
        if texts:
            print(f"\n{titles[kind]}")
        for text in texts:
            print(f"  {text}")
        if kind == "inseparable" and not everything:
            print("  In a fault's first minutes and in pauses between calls more stand together: --all lists them.")


def inseparable(site: SiteFile, *, usually: bool = False) -> list[str]:
    """The sets of causes that this site's senses leave together, with what would separate them.

    ``usually``: those alone that stand together when every sense shows what it should.
    """
    from agent.evidence import feeds
    from agent.verdict.apart import confusable, separators

    columns = feeds.columns(site)
    out = []
    for causes in confusable(columns, feeds.covers(site), feeds.doubts(site), usually=usually):
        apart = separators(causes, columns)
        out.append(" or ".join(causes) + (f"; {', '.join(apart)} would tell" if apart else ""))
    return out


def warnings(site: SiteFile) -> list[str]:
    """What this machine lacks right now. No mistakes: a file may be checked elsewhere, and before its equipment is."""
    import os

    out = []
    for line in site.line:
        if line.port.startswith("/") and not Path(line.port).exists():
            out.append(f"line {line.id}: {line.port} is not there; the agent would wait for it")
    directory = Path(site.journal.directory)
    nearest = directory
    while not nearest.exists() and nearest != nearest.parent:
        nearest = nearest.parent
    if not nearest.is_dir():
        out.append(f"journal: {nearest} is no directory")
    elif not os.access(nearest, os.W_OK | os.X_OK):
        made = "cannot be written" if nearest == directory else "is not there and cannot be made"
        out.append(f"journal: {directory} {made} by this user")
    out += deaf_logs(site)
    interfaces = {uplink.interface for uplink in site.uplink if uplink.interface}
    for name in sorted(interfaces):
        if not Path("/sys/class/net", name).exists():
            out.append(f"uplink: there is no network interface {name}")
    return out


def deaf_logs(site: SiteFile) -> list[str]:
    """Logs that are heard and can't be told whose packets they are about."""
    from agent.site import schema

    logs = [path.id for path in site.path if any(isinstance(check, schema.Syslog) for check in path.checks)]
    if not logs or site.listen.calls_at:
        return []
    return [
        f"{', '.join(logs)}: every refusal at a call port counts, a scanner's too: name your far ends in "
        "calls_at in [listen]"
    ]


def _print_json(value: dict[str, object]) -> None:
    import json

    print(json.dumps(value, ensure_ascii=False))
