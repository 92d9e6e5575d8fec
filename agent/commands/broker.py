"""The options by which a person's command reaches a broker: TLS, a user, and secrets by file alone."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agent.fleet.listener import Files, Listener


def options(verb: argparse.ArgumentParser) -> None:
    """BROKER and what it takes to be let in."""
    verb.add_argument("broker", metavar="BROKER", help="mqtt://host[:port] or mqtts://host[:port]")
    verb.add_argument("--ca", type=Path, metavar="FILE", help="the CA to trust alone (PEM); else this system's")
    verb.add_argument("--certificate", type=Path, metavar="FILE", help="our certificate (PEM)")
    verb.add_argument("--tls-key", type=Path, metavar="FILE", help="its key (PEM)")
    verb.add_argument("--user", metavar="NAME", help="user name at the broker")
    verb.add_argument("--password-file", type=Path, metavar="FILE", help="its password; never on a command line")


def wrong(args: argparse.Namespace) -> str:
    """What is wrong with these options, or nothing."""
    from agent.uplink.way import Way, WayBlocked

    try:
        way = Way.of(args.broker)
    except WayBlocked:
        return "BROKER is mqtt://host[:port] or mqtts://host[:port]"
    if "@" in args.broker:
        return "a user is given by --user and a password by --password-file, never in BROKER"
    if (args.certificate is None) != (args.tls_key is None):
        return "--certificate and --tls-key go together"
    if not way.tls and (args.ca or args.certificate):
        return "--ca, --certificate and --tls-key are for mqtts://"
    if args.password_file is not None and args.user is None:
        return "--password-file needs --user"
    secrets = files(args)
    for name in secrets.names:
        problem = secrets.problem(name, private=name in ("key", "password"))
        if problem:
            return problem
    return ""


def files(args: argparse.Namespace) -> Files:
    """The secrets of the command line."""
    from agent.fleet.listener import Files

    given = {"ca": args.ca, "certificate": args.certificate, "key": args.tls_key, "password": args.password_file}
    return Files({name: path for name, path in given.items() if path is not None})


def listener(args: argparse.Namespace, topics: Sequence[str] | None = None, **more: Any) -> Listener:
    """The connection that the options ask for. ``topics``: to hear these alone."""
    from agent.fleet.listener import Listener
    from agent.site import schema

    secrets = files(args)
    named = {name: name if name in secrets.names else None for name in ("ca", "certificate", "key", "password")}
    config = schema.Uplink(
        id="watch",
        urls=(args.broker,),
        user=args.user,
        password=named["password"],
        ca=named["ca"],
        certificate=named["certificate"],
        key=named["key"],
    )
    return Listener(config, secrets, topics=topics, **more)
