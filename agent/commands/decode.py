"""``dialtone decode DIALECT [FILE]``: bytes in, readings out, one JSON object a line."""

from __future__ import annotations

import argparse
import sys
from typing import Any

CHUNK = 65_536


def add(verbs: argparse._SubParsersAction[Any]) -> None:
    """Add ``decode`` to the command line."""
    verb = verbs.add_parser(
        "decode",
        help="bytes in, readings out, one JSON object a line",
        description="Read what a line has sent and print what Dialtone makes of it, one JSON object a reading.",
        epilog="Exit status: 0 all understood, 1 some of it was garbage, 2 wrong usage or an unreadable file.",
    )
    verb.add_argument("dialect", choices=("tl1",), metavar="DIALECT", help="what the line speaks: tl1")
    verb.add_argument("file", nargs="?", default="-", metavar="FILE", help="the bytes; - or nothing: standard input")
    verb.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """0 all understood, 1 garbage was found, 2 the file can't be read."""
    import contextlib
    import io
    import json
    from functools import partial

    from agent.lines.decode import decode

    garbage = False
    try:
        with contextlib.ExitStack() as stack:
            stdin = args.file == "-"
            # Unbuffered: a pipe's bytes are decoded as they come, not when 64 KiB have gathered.
            stream = stack.enter_context(
                io.FileIO(sys.stdin.fileno(), closefd=False) if stdin else io.FileIO(args.file)
            )
            for told in decode(args.dialect, iter(partial(stream.read, CHUNK), b"")):
                garbage = garbage or told["kind"] == "garbage"
                print(json.dumps(told), flush=stdin)
            sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        print(f"dialtone: {args.file}: {error.strerror or error}", file=sys.stderr)
        return 2
    return 1 if garbage else 0
