"""``dialtone decode DIALECT [FILE]``: a line's bytes or a capture in, readings out, one JSON object a line."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from agent.lines.capture import Chunk
    from agent.site.line import Line

CHUNK = 65_536
CHOICES = ("auto", "tl1", "csu", "cisco", "ali", "smdr", "text")
BEGIN = 64


def add(verbs: argparse._SubParsersAction[Any]) -> None:
    """Add ``decode`` to the command line."""
    verb = verbs.add_parser(
        "decode",
        help="bytes in, readings out, one JSON object a line",
        description="Read what a line has sent, plain or as a capture, and print what Dialtone makes of it, one JSON "
        "object a reading. With auto, first which dialect it is and how sure that is.",
        epilog="Exit status: 0 all understood, 1 some of it was garbage or the dialect is unknown, 2 wrong usage, an "
        "unreadable file, or settings that can't work.",
    )
    verb.add_argument("dialect", nargs="?", metavar="DIALECT", help=f"what the line speaks: {', '.join(CHOICES)}")
    verb.add_argument("file", nargs="?", default="-", metavar="FILE", help="the bytes; - or nothing: standard input")
    verb.add_argument(
        "--map", metavar="TOML", help="what would stand in the site file's [[line]]: a dry run of a column map or rules"
    )
    verb.add_argument("--switch", metavar="NAME", help="smdr: the switch, as in the site file")
    verb.add_argument("--framing", metavar="NAME", help="ali: how a record ends, as in the site file")
    verb.add_argument("--show-callers", action="store_true", help="show numbers, which are masked otherwise")
    verb.set_defaults(run=run, late="file")


def run(args: argparse.Namespace) -> int:
    """0 all understood, 1 garbage was found or nothing recognised, 2 the file or the settings can't be used."""
    import contextlib
    import io

    if args.dialect not in CHOICES and args.map is not None:  # dialtone decode --map FILE CAPTURE
        if args.dialect is not None and args.file == "-":
            args.file, args.dialect = args.dialect, None
        args.dialect = args.dialect or "map"
    elif args.dialect not in CHOICES:
        print(f"dialtone decode: DIALECT must be one of {', '.join(CHOICES)}", file=sys.stderr)
        return 2

    from agent.lines.capture import CaptureInvalid
    from agent.lines.parser import DialectRefused

    try:
        with contextlib.ExitStack() as stack:
            stdin = args.file == "-"
            # Unbuffered: a pipe's bytes are decoded as they come, not when 64 KiB have gathered.
            stream = stack.enter_context(
                io.FileIO(sys.stdin.fileno(), closefd=False) if stdin else io.FileIO(args.file)
            )
            return _decode(args, stream, live=stdin)
    except BrokenPipeError:
        raise
    except (CaptureInvalid, DialectRefused) as error:
        print(f"dialtone: {args.file}: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"dialtone: {args.file}: {error.strerror or error}", file=sys.stderr)
        return 2


def _decode(args: argparse.Namespace, stream: Any, *, live: bool) -> int:
    import json
    import os

    from agent.callers import Callers
    from agent.lines.decode import decode

    line = None if args.dialect == "auto" else _line(args)
    if isinstance(line, int):
        return line
    chunks, timed = _chunks(stream)
    if line is None:
        from agent.lines.guess import guess

        held = list(chunks)
        found = guess(held)
        print(json.dumps(_told(found)))
        if found.best is None:
            return 1
        line, chunks = found.best.line, iter(held)
    reasons: Counter[str] = Counter()
    records = 0
    for told in decode(line, chunks, Callers(os.urandom(32), args.show_callers), timed=timed):
        garbage = told["kind"] == "garbage"
        records += not garbage
        if garbage:
            reasons.update(str(told.get("reason")).split("; "))
        print(json.dumps(told), flush=live)
    sys.stdout.flush()
    if args.map is not None:
        print(f"{records} records understood; garbage: {dict(reasons) or 'none'}", file=sys.stderr)
    return 1 if reasons else 0


def _told(found: Any) -> dict[str, Any]:
    best = found.best
    dialect, _, how = best.name.partition(" ") if best is not None else ("unknown", "", "")
    key = {"smdr": "switch", "ali": "framing"}.get(dialect)
    return {
        "kind": "guess",
        "dialect": dialect,
        **({key: how} if key else {}),
        "sure": found.sure,
        "records": best.records if best is not None else 0,
        "understood": best.understood if best is not None else 0.0,
        "others": found.others,
        "hint": found.hint,
    }


def _line(args: argparse.Namespace) -> Line | int:
    """The line's settings, or an exit status with its reason told."""
    if args.map is not None:
        return _mapped(args)
    keys: dict[str, Any] = {}
    if args.dialect == "smdr":
        if args.switch is None:
            print("dialtone decode: smdr needs --switch NAME, --map TOML, or decode auto", file=sys.stderr)
            return 2
        keys["switch"] = args.switch
    if args.dialect == "ali" and args.framing is not None:
        keys["framing"] = args.framing
    if args.dialect == "text":
        print("dialtone decode: text needs --map TOML with the [[rules]]", file=sys.stderr)
        return 2
    return _checked(args, keys, "the settings given")


def _mapped(args: argparse.Namespace) -> Line | int:
    import tomllib
    from pathlib import Path

    try:
        data = tomllib.loads(Path(args.map).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        print(f"dialtone: {args.map}: {error}", file=sys.stderr)
        return 2
    if args.dialect == "map":
        args.dialect = "text" if "rules" in data else "smdr"
    if args.dialect == "smdr" and "map" not in data and "switch" not in data:
        data = {"map": data}
    if args.dialect == "smdr":
        data.setdefault("switch", "map")
    return _checked(args, data, args.map)


def _checked(args: argparse.Namespace, keys: dict[str, Any], named: str) -> Line | int:
    """The keys as a line of a site file would have them: every mistake is told."""
    import msgspec

    from agent.lines.dialects import refusal
    from agent.site import schema
    from agent.site.line import Line as AnyLine
    from agent.site.walk import Problem, Problems, path_text, walk

    table = {"id": "file", "port": "/dev/null", **keys, "dialect": args.dialect}
    problems = Problems(200)
    walk({"site": {"id": "file"}, "line": [table]}, schema.SiteFile, problems)
    found = list(problems.found)
    if not found:
        line: Line = msgspec.convert(table, AnyLine)
        refused = refusal(line)
        if refused is None:
            return line
        found = [Problem(("line", 0, *refused[0]), refused[1])]
    for problem in found:
        print(f"{named}: {path_text(problem.at[2:])}: {problem.message}", file=sys.stderr)
    return 2


def _chunks(stream: BinaryIO) -> tuple[Iterator[Chunk], bool]:
    """The bytes with their times where they are a capture, else as they come."""
    import itertools
    from functools import partial

    from agent.lines.capture import Chunk, chunks, is_capture

    first = stream.read(CHUNK)
    rest = iter(partial(stream.read, CHUNK), b"")
    pieces = itertools.chain([first], rest)
    if not is_capture(first[:BEGIN]):
        return (Chunk(0, piece) for piece in pieces if piece), False
    return chunks(_text_lines(pieces)), True


def _text_lines(pieces: Iterator[bytes]) -> Iterator[str]:
    tail = b""
    for piece in pieces:
        *lines, tail = (tail + piece).split(b"\n")
        for line in lines:
            yield line.decode("utf-8", "replace")
    if tail:
        yield tail.decode("utf-8", "replace")
