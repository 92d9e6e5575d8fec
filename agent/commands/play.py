"""``dialtone play CAPTURE --link PATH``: a capture again, on a port of its own, at its own times."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

WAIT_S = 60.0


def add(verbs: argparse._SubParsersAction[Any]) -> None:
    """Add ``play`` to the command line."""
    verb = verbs.add_parser(
        "play",
        help="play a capture on a port of its own, for an agent to read",
        description="Make a serial port (a pty) under PATH and play a capture on it at its own times. Set port = PATH "
        "in a site file and the agent reads it as if the line spoke now. The port goes away at the end.",
        epilog="Exit status: 0 played to its end, 1 nobody opened the port or it was full, 2 an unreadable capture.",
    )
    verb.add_argument("capture", type=Path, metavar="CAPTURE", help="what dialtone capture has recorded")
    verb.add_argument("--link", type=Path, required=True, metavar="PATH", help="where the port is to be, a new name")
    verb.add_argument("--speed", type=float, default=1.0, metavar="N", help="times as fast; 0 waits for nothing")
    verb.add_argument("--baud", type=int, default=9600, metavar="N", help="with speed 0, no faster than this (9600)")
    verb.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """0 played to its end, 1 nobody opened the port, 2 an unreadable capture or a wrong link."""
    import os
    import tty

    from agent.lines.capture import CaptureInvalid, chunks

    if args.speed < 0 or args.baud <= 0:
        print("dialtone play: --speed and --baud can't be below 0", file=sys.stderr)
        return 2
    try:
        with args.capture.open(encoding="utf-8", errors="replace") as lines:
            master, slave = os.openpty()
            try:
                tty.setraw(slave)
                os.set_blocking(master, False)
                args.link.symlink_to(os.ttyname(slave))
                try:
                    return _play(chunks(iter(lines)), master, args)
                finally:
                    args.link.unlink(missing_ok=True)
            finally:
                os.close(slave)
                os.close(master)
    except CaptureInvalid as error:
        print(f"dialtone: {args.capture}: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"dialtone: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 0


def _play(chunks: Any, master: int, args: argparse.Namespace) -> int:
    import time

    if not _opened(args.link):
        print(f"dialtone: nobody opened {args.link} within {WAIT_S:g} s", file=sys.stderr)
        return 1
    begun_s, sent = time.monotonic(), 0
    for chunk in chunks:
        if args.speed:
            time.sleep(max(0.0, begun_s + chunk.t_ns / 1e9 / args.speed - time.monotonic()))
        elif chunk.data:
            time.sleep(len(chunk.data) * 10 / args.baud)
        if not _send(master, chunk.data):
            print("dialtone: the reader takes nothing any more", file=sys.stderr)
            return 1
        sent += len(chunk.data)
    time.sleep(0.5)  # closing a pty drops what its reader has not taken yet
    print(f"dialtone: {sent} bytes played", file=sys.stderr)
    return 0


def _opened(link: Path) -> bool:
    """Wait until another process has the tty open: what is sent before may be flushed unread."""
    import os
    import time

    device = os.stat(link).st_rdev  # noqa: PTH116
    until_s = time.monotonic() + WAIT_S
    while time.monotonic() < until_s:
        for fd in Path("/proc").glob("[0-9]*/fd/*"):
            try:
                if fd.parts[2] != str(os.getpid()) and fd.stat().st_rdev == device:
                    time.sleep(0.2)
                    return True
            except OSError:
                continue
        time.sleep(0.1)
    return False


def _send(master: int, data: bytes) -> bool:
    import os
    import time

    until_s = time.monotonic() + WAIT_S
    while data:
        try:
            data = data[os.write(master, data) :]
        except BlockingIOError:
            if time.monotonic() > until_s:
                return False
            time.sleep(0.01)
    return True
