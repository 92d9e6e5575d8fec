"""``dialtone config``: sign a site file for a box far away, send it, see what runs there, compare."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent.commands import broker

if TYPE_CHECKING:
    from agent.payloads import Reported

WAIT_S = 900.0
ENDS = {"applied": 0, "dry-run": 0, "rejected": 1, "rolled-back": 1}


def add(verbs: argparse._SubParsersAction[Any]) -> None:
    """Add ``config`` to the command line."""
    top = verbs.add_parser(
        "config",
        help="sign a site file for a box far away, send it, see what runs there",
        description="Site files from afar: signed with an SSH key, tried by the box, kept or taken back.",
        epilog="Exit status: 0 fine, 1 refused, taken back or not answered, 2 wrong usage or file.",
    )
    ways = top.add_subparsers(title="what to do", metavar="sign|push|show|diff", required=True)
    sign = ways.add_parser("sign", help="sign FILE for the site and probe that it names")
    sign.add_argument("file", type=Path, metavar="FILE", help="the whole new site file")
    sign.add_argument(
        "--key", type=Path, required=True, metavar="KEY", help="an SSH key: private, or .pub of an agent's"
    )
    sign.add_argument("--version", type=int, required=True, metavar="N", help="must rise over what was tried there")
    sign.add_argument(
        "--base", required=True, metavar="SHA256|FILE", help="what runs there now: `config show` tells it"
    )
    sign.add_argument("--valid-h", type=float, default=24.0, metavar="H", help="not tried after so many hours (24)")
    sign.add_argument("--dry-run", action="store_true", help="the box judges it and changes nothing")
    sign.add_argument("-o", "--output", type=Path, metavar="SIGNED", help="default: standard output")
    sign.set_defaults(run=run_sign)
    push = ways.add_parser("push", help="send SIGNED, and wait for what becomes of it")
    push.add_argument("signed", type=Path, metavar="SIGNED")
    broker.options(push)
    push.add_argument("--wait", type=float, default=WAIT_S, metavar="S", help=f"so long at most ({WAIT_S:g})")
    push.set_defaults(run=run_push)
    show = ways.add_parser("show", help="what runs at a site, as it reports it")
    broker.options(show)
    show.add_argument("--site", required=True, metavar="ID")
    show.add_argument("--probe", default="a", metavar="ID")
    show.add_argument("--wait", type=float, default=10.0, metavar="S", help="so long at most (10)")
    show.add_argument("--json", action="store_true", help="print one JSON object")
    show.set_defaults(run=run_show)
    diff = ways.add_parser("diff", help="what SIGNED would change of the site file SITE")
    diff.add_argument("signed", type=Path, metavar="SIGNED")
    diff.add_argument("site", type=Path, metavar="SITE")
    diff.set_defaults(run=run_diff)


def run_sign(args: argparse.Namespace) -> int:
    """0 signed, 2 the file is wrong or could not be signed."""
    import re
    import time

    import msgspec

    from agent.clock import rfc3339
    from agent.commands.site_file import unusable
    from agent.lines.dialects import refusal
    from agent.remote import ssh
    from agent.remote.desired import Document, sha256
    from agent.remote.envelope import CONFIG, NotSigned, sealed
    from agent.site.load import SiteFileInvalid, parse, text

    try:
        words = text(args.file)
        # Secrets are the other machine's: their names are believed here and looked up there.
        site = parse(words, secrets=None, refusal=refusal, unusable=unusable).site
        base = args.base if re.match(r"[0-9a-f]{64}\Z", args.base) else sha256(Path(args.base).read_bytes())
        told = Document(
            v=1,
            site=site.id,
            probe=site.probe,
            version=args.version,
            base=base,
            not_after=rfc3339(time.time() + args.valid_h * 3600),
            file=words,
            dry_run=args.dry_run,
        )
        document = msgspec.json.encode(told)
        payload = sealed(document, ssh.sign(document, args.key, CONFIG))
    except SiteFileInvalid as invalid:
        for error in invalid.errors:
            print(f"{args.file}:{error.line or 1}: {error.key}: {error.message}", file=sys.stderr)
        return 2
    except (OSError, NotSigned, ssh.NoProgram, ValueError, OverflowError) as error:
        print(f"dialtone: {error}", file=sys.stderr)
        return 2
    if args.output is None:
        sys.stdout.write(payload.decode() + "\n")
    else:
        args.output.write_bytes(payload + b"\n")
        print(f"{args.output}: version {args.version} for {site.id}/{site.probe}, signed")
    return 0


def run_push(args: argparse.Namespace) -> int:
    """0 applied (or judged, of a dry run), 1 refused, taken back, or not answered in time, 2 wrong usage."""
    from agent.uplink.messages import Message
    from agent.uplink.topics import Topics

    problem = broker.wrong(args)
    said = None if problem else _document(args.signed)
    if problem or said is None:
        print(f"dialtone config: {problem or f'{args.signed} is no signed site file'}", file=sys.stderr)
        return 2
    payload = args.signed.read_bytes().strip()
    topics = Topics(said.site, said.probe)
    desired = Message(topics.desired, payload, 1, True)
    for told in _reports(args, topics.reported, desired):
        if told is not None and told.offered == said.version:
            print(_words(told))
            if told.state in ENDS:
                return ENDS[told.state]
    print(f"nothing of version {said.version} was reported within {args.wait:g} s", file=sys.stderr)
    return 1


def run_show(args: argparse.Namespace) -> int:
    """0 told, 1 nothing is known of that site, 2 wrong usage."""
    import msgspec

    from agent.uplink.topics import Topics

    problem = broker.wrong(args)
    if problem:
        print(f"dialtone config: {problem}", file=sys.stderr)
        return 2
    for told in _reports(args, Topics(args.site, args.probe).reported, None):
        if told is not None:
            print(msgspec.json.encode(told).decode() if args.json else _words(told))
            return 0
    print(f"nothing is known of {args.site}/{args.probe} at this broker", file=sys.stderr)
    return 1


def run_diff(args: argparse.Namespace) -> int:
    """0 the same, 1 it would change, 2 wrong usage or file."""
    import difflib

    from agent.site.load import SiteFileInvalid, text

    said = _document(args.signed)
    try:
        here = text(args.site)
    except SiteFileInvalid as invalid:
        print(f"dialtone config: {args.site}: {invalid}", file=sys.stderr)
        return 2
    if said is None:
        print(f"dialtone config: {args.signed} is no signed site file", file=sys.stderr)
        return 2
    lines = list(
        difflib.unified_diff(
            here.splitlines(), said.file.splitlines(), str(args.site), f"version {said.version}", lineterm=""
        )
    )
    print("\n".join(lines) if lines else "no difference")
    return 1 if lines else 0


def _document(path: Path) -> Any:
    """What was signed (whoever did), None where it is nothing of the kind."""
    import msgspec

    from agent.remote.desired import Document
    from agent.remote.envelope import NotSigned, opened

    try:
        return msgspec.json.decode(opened(path.read_bytes().strip())[0], type=Document)
    except (OSError, NotSigned, msgspec.MsgspecError, UnicodeDecodeError) as error:
        print(f"dialtone config: {path}: {error}", file=sys.stderr)
        return None


def _reports(args: argparse.Namespace, topic: str, desired: Any) -> Any:
    """What is reported, as it comes; None now and then. ``desired`` is sent once the connection is up."""
    import time

    import msgspec

    from agent.fleet.listener import Link
    from agent.payloads import Reported

    connection = broker.listener(args, [topic])
    connection.start()
    until_s, sent, why = time.monotonic() + args.wait, desired is None, ""
    try:
        while time.monotonic() < until_s:
            items, _ = connection.inbox.take(0.5)
            for item in items:
                if isinstance(item, Link):
                    why = item.why
                    if item.connected and not sent:
                        sent = connection.publish(desired)
                    continue
                try:
                    yield msgspec.json.decode(item.payload, type=Reported)
                except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                    print(f"dialtone config: {topic}: {str(error)[:120]}", file=sys.stderr)
            yield None
        if why:
            print(f"dialtone config: {args.broker}: {why}", file=sys.stderr)
    finally:
        connection.stop()


def _words(told: Reported) -> str:
    """One report in a few lines."""
    lines = [f"{told.state}: runs {told.running} ({told.source}), highest version tried {told.version}"]
    if told.offered is not None:
        lines.append(f"version {told.offered}" + (f", signed by {told.signer}" if told.signer else ""))
    lines += [told.why] if told.why else []
    lines += [f"at most {told.tried_s} s on trial"] if told.tried_s is not None else []
    return "\n  ".join([*lines, *(f"{error.key}: {error.why}" for error in told.errors)])
