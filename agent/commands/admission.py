"""``dialtone admission``: the rules by which the box keeps inside and outside apart, for nft."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

NAME = "admission"


def add(sub: argparse._SubParsersAction[Any]) -> None:
    """Add ``admission`` to the command line."""
    verb = sub.add_parser(
        NAME,
        help="the box's own firewall, from the site file, as nft reads it",
        description="Write nftables rules: deny by default, forward nothing, keep inside and outside apart. Nothing is"
        " loaded: dialtone-admission.service does that. A site file that is missing or wrong opens no port.",
    )
    verb.add_argument("site", type=Path, metavar="SITE", help="the site file (TOML)")
    verb.add_argument("--inside", default="", metavar="IF[,IF]", help="interfaces on the 911 LAN")
    verb.add_argument("--outside", default="", metavar="IF[,IF]", help="interfaces towards the NOC that are not of it")
    verb.add_argument("--ssh", default="", metavar="IF[,IF]", help="interfaces by which a technician may log in (none)")
    verb.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """0 written, 2 the interfaces or the usage are wrong."""
    from agent.commands.site_file import read
    from agent.site.admission import AdmissionInvalid, ruleset
    from agent.site.load import SiteFileInvalid

    site = None
    try:
        site = read(args.site)
    except SiteFileInvalid as invalid:
        print(f"dialtone admission: {args.site} has {len(invalid.errors)} mistakes: no port is opened", file=sys.stderr)
    sides = [[name for name in getattr(args, side).split(",") if name] for side in ("inside", "outside", "ssh")]
    try:
        sys.stdout.write(ruleset(site, *sides))
    except AdmissionInvalid as invalid:
        print(f"dialtone admission: {invalid}", file=sys.stderr)
        return 2
    return 0
