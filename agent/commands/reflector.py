"""``dialtone reflector FILE``: our own far end, outside the firewall, for test calls and knocks."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

DESCRIPTION = """\
Run a reflector at the NOC or on the ESInet's side. It answers OPTIONS; to the probes it knows by their secrets it
echoes test calls with a tone of its own, says what it heard, and calls them back at the addresses in FILE.
It sends nobody more than it was sent before a digest has passed, and calls no other address."""


def add(verbs: argparse._SubParsersAction[Any]) -> None:
    """Add ``reflector`` to the command line."""
    verb = verbs.add_parser(
        "reflector",
        help="our own far end, for test calls and knocks",
        description=DESCRIPTION,
        epilog="Exit status: 0 ended as asked, 1 a port can't be had, 2 wrong usage or file.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verb.add_argument("file", type=Path, nargs="?", metavar="FILE", help="its settings (TOML)")
    verb.add_argument("--example", action="store_true", help="write a complete, commented file to standard output")
    verb.add_argument("--check", action="store_true", help="read FILE and its secrets, and end")
    verb.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """0 ended as asked, 1 a port can't be had, 2 wrong usage or file."""
    if args.example and args.file is None:
        from importlib import resources

        sys.stdout.write((resources.files("agent.reflector") / "example.toml").read_text(encoding="utf-8"))
        return 0
    if args.file is None or args.example:
        print("dialtone reflector: give FILE, or --example for one to start from", file=sys.stderr)
        return 2
    import asyncio
    import logging
    import os

    from agent.reflector.settings import SettingsInvalid, load
    from agent.site.secrets import SecretRefused, SecretStore

    try:
        settings = load(args.file)
        credentials = os.environ.get("CREDENTIALS_DIRECTORY")
        store = SecretStore(Path(settings.secrets.directory), Path(credentials) if credentials else None)
        secrets = {probe.id: store.read(probe.secret) for probe in settings.probe}
    except (SettingsInvalid, SecretRefused, OSError) as error:
        print(f"dialtone reflector: {error}", file=sys.stderr)
        return 2
    if any(len(secret) < 16 for secret in secrets.values()):
        print("dialtone reflector: a secret is at least 16 bytes long", file=sys.stderr)
        return 2
    if args.check:
        print(f"{args.file} is right: {len(settings.probe)} probes")
        return 0
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    from agent.reflector.shell import Shell

    try:
        asyncio.run(Shell(settings, secrets).run())
    except OSError as error:
        print(f"dialtone reflector: {error}", file=sys.stderr)
        return 1
    return 0
