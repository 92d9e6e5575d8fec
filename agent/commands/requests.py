"""``dialtone ack | silence | reset | test``: what a person asks of the running agent."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

HELP = {
    "ack": "acknowledge alarms: their lamps go steady and the horn falls silent",
    "silence": "silence the horn for what stands now; a new alarm sounds again",
    "reset": "put out the lamps of alarms that are acknowledged and back to normal",
    "test": "light every lamp for a few seconds; --whole shows every lamp, pattern and voice, and reports it",
}


def add_socket(verb: argparse.ArgumentParser, *, json: bool = True) -> None:
    """How every such verb finds the agent."""
    verb.add_argument("--socket", type=Path, metavar="PATH", help="the agent's control socket, if not the usual one")
    verb.add_argument("--site", type=Path, metavar="SITE", help="take the socket's place from this site file")
    if json:
        verb.add_argument("--json", action="store_true", help="print one JSON object")


def add(verbs: argparse._SubParsersAction[Any]) -> None:
    """Add the four to the command line."""
    for do, text in HELP.items():
        verb = verbs.add_parser(do, help=text, description=text[0].upper() + text[1:] + ".")
        add_socket(verb)
        if do == "test":
            verb.add_argument(
                "--seconds", type=float, default=5.0, metavar="N", help="how long, at most 30 (default 5)"
            )
            verb.add_argument("--whole", action="store_true", help="the whole panel, as the test button held for 3 s")
        else:
            verb.add_argument("alarm", nargs="?", metavar="ALARM", help="one alarm's id (default: all)")
        if do == "reset":
            verb.add_argument(
                "--force", action="store_true", help="this one ALARM's condition is gone, whatever was last heard of it"
            )
        verb.set_defaults(run=run, do=do)


def socket_of(args: argparse.Namespace) -> Path:
    """The control socket the arguments name. Raises ``SiteFileInvalid``."""
    from agent.client import default_socket

    if args.socket is not None:
        return Path(args.socket)
    if args.site is not None:
        from agent.site.load import load

        named = load(args.site).control.socket
        if named is not None:
            return Path(named)
    system = Path("/run/dialtone/control.sock")
    return system if system.exists() else default_socket()


def asked(args: argparse.Namespace, do: str, given: dict[str, Any]) -> dict[str, Any] | int:
    """Ask the agent; its result, or the exit status where there is none."""
    from agent.client import Unanswered, ask
    from agent.site.load import SiteFileInvalid

    try:
        return ask(socket_of(args), do, given)
    except SiteFileInvalid as invalid:
        print(f"dialtone: {args.site} is not a valid site file ({len(invalid.errors)} errors)", file=sys.stderr)
        return 2
    except Unanswered as error:
        print(f"dialtone: {error}", file=sys.stderr)
        return 1


def run(args: argparse.Namespace) -> int:
    """Ask, and say what came of it: 0 done, 1 no agent or refused, 2 wrong usage."""
    import json

    given: dict[str, Any] = {"seconds": args.seconds} if args.do == "test" else {}
    if args.do != "test" and args.alarm is not None:
        given["alarm"] = args.alarm
    if args.do == "test" and args.whole:
        given = {"whole": True}
    if args.do == "reset" and args.force:
        given["force"] = True
    result = asked(args, args.do, given)
    if isinstance(result, int):
        return result
    if args.json:
        print(json.dumps(result))
    else:
        name, value = next(iter(result.items()))
        print(f"{name.replace('_s', '').replace('_', ' ')}: {value}")
    return 0
