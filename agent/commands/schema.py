"""``dialtone schema``: what is sent and taken over MQTT, as JSON Schema or AsyncAPI, made from the types."""

from __future__ import annotations

import argparse
import sys
from typing import Any


def add(verbs: argparse._SubParsersAction[Any]) -> None:
    """Add ``schema`` to the command line."""
    verb = verbs.add_parser(
        "schema",
        help="what is sent and taken over MQTT, as JSON Schema or AsyncAPI",
        description="JSON Schemas (2020-12) of every payload, or of one, or an AsyncAPI document of all.",
        epilog="Exit status: 0 printed, 2 no payload of that name.",
    )
    verb.add_argument("name", nargs="?", metavar="NAME", help="one payload; without it all")
    verb.add_argument("--asyncapi", action="store_true", help="one AsyncAPI 3.0 document instead")
    verb.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """0 printed, 2 no payload of that name."""
    import json

    from agent import schemas

    if args.asyncapi:
        told = schemas.asyncapi()
    elif args.name is None:
        told = schemas.all_schemas()
    elif args.name in (*schemas.NAMES, "envelope"):
        told = schemas.all_schemas()[args.name]
    else:
        print(
            f"dialtone: no payload {args.name!r}; there is {', '.join((*schemas.NAMES, 'envelope'))}", file=sys.stderr
        )
        return 2
    print(json.dumps(told, indent=1))
    return 0
