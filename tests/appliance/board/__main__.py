"""``python -m tests.appliance.board build|test``: an emulated Raspberry Pi with the box on it, shown from outside."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from tests.appliance.board.base import base
from tests.appliance.board.image import image
from tests.appliance.board.steps import ROOT, Missing, cache_folder, require


def main() -> int:
    """0 well, 1 a test failed, 2 this machine lacks something."""
    parser = argparse.ArgumentParser(prog="python -m tests.appliance.board", description=__doc__)
    parser.add_argument("what", choices=("build", "test"), help="the card's image alone, or that and all tests on it")
    parser.add_argument("--cache", type=Path, help="where images are kept; else DIALTONE_BOARD_CACHE, XDG_CACHE_HOME")
    args, more = parser.parse_known_args()
    cache = cache_folder(args.cache)
    try:
        require()
        print(f"the board's image, kept in {cache}", file=sys.stderr, flush=True)
        lower, card = base(cache), image(cache)
    except Missing as missing:
        print(f"this needs {missing}", file=sys.stderr)
        return 2
    print(f"base {lower.name}, image {card.name}", file=sys.stderr, flush=True)
    if args.what == "build":
        return 0
    environment = {**os.environ, "DIALTONE_BOARD": "1", "DIALTONE_BOARD_CACHE": str(cache)}
    tests = str(Path(__file__).parent.relative_to(ROOT))
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-s", "-x", "-q", tests, *more]
    return subprocess.run(command, cwd=ROOT, env=environment).returncode


if __name__ == "__main__":
    sys.exit(main())
