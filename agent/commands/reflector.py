"""``dialtone reflector FILE``: our own far end, outside the firewall, for test calls and knocks."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agent.reflector.settings import Settings

SECRET_MIN = 16
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
        epilog="Exit status: 0 ended as asked, 1 a port can't be had, 2 wrong usage, file or secret.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verb.add_argument("file", type=Path, nargs="?", metavar="FILE", help="its settings (TOML)")
    verb.add_argument("--example", action="store_true", help="write a complete, commented file to standard output")
    verb.add_argument("--check", action="store_true", help="read FILE and its secrets, and end")
    verb.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """0 ended as asked, 1 a port can't be had, 2 wrong usage, file or secret."""
    if args.example and args.file is None and not args.check:
        from importlib import resources

        sys.stdout.write((resources.files("agent.reflector") / "example.toml").read_text(encoding="utf-8"))
        return 0
    if args.file is None or args.example:
        print("dialtone reflector: give FILE, or --example for one to start from", file=sys.stderr)
        return 2
    from agent.reflector.settings import SettingsInvalid, load

    try:
        settings = load(args.file)
    except SettingsInvalid as invalid:
        for error in invalid.errors:
            print(f"{args.file}: {error}", file=sys.stderr)
        return 2
    secrets, problems = read_secrets(settings)
    for problem in problems:
        print(f"{args.file}: {problem}", file=sys.stderr)
    if problems:
        return 2
    if args.check:
        count = len(settings.probe)
        print(f"{args.file} is right: {count} probe{'s' if count != 1 else ''}")
        return 0
    return _serve(settings, secrets)


def read_secrets(settings: Settings) -> tuple[dict[str, bytes], list[str]]:
    """Each probe's secret by its id, and what is wrong with any of them."""
    import os

    from agent.site.secrets import SecretRefused, SecretStore

    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    store = SecretStore(Path(settings.secrets.directory), Path(credentials) if credentials else None)
    secrets: dict[str, bytes] = {}
    problems: list[str] = []
    for probe in settings.probe:
        try:
            secret = store.read(probe.secret)
        except OSError as error:  # SecretRefused is one
            problems.append(f"probe {probe.id}: {error if isinstance(error, SecretRefused) else error.strerror}")
            continue
        if len(secret) < SECRET_MIN:
            problems.append(f"probe {probe.id}: its secret has fewer than {SECRET_MIN} bytes")
        if secret in secrets.values():
            problems.append(f"probe {probe.id}: its secret is an earlier probe's too; each needs its own")
        secrets[probe.id] = secret
    return secrets, problems


def _serve(settings: Settings, secrets: dict[str, bytes]) -> int:
    import asyncio
    import logging

    from agent.reflector.shell import Shell

    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    try:
        asyncio.run(Shell(settings, secrets).run())
    except OSError as error:
        print(f"dialtone reflector: {error.strerror or error}", file=sys.stderr)
        return 1
    return 0
