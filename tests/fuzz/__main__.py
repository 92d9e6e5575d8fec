"""``python -m tests.fuzz [--only NAME] [--runs N]``: a coverage-guided fuzzer (atheris) over every reader of bytes.

Each target runs in a process of its own, with a bound on memory: growth is a find too. A find prints its input. The
long run is the same command with more runs; what is found goes into the tests as an example.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.fuzz.targets import SEEDS, TARGETS

RSS_MB = 512
BYTES_MAX = 4096


def main() -> int:
    """0 nothing was found, 1 something was, 2 atheris is not installed."""
    arguments = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    arguments.add_argument("--only", choices=sorted(TARGETS))
    arguments.add_argument("--runs", type=int, default=20_000, help="inputs for each target (default 20000)")
    arguments.add_argument("--seconds", type=int, default=0, help="and at most so long each (default: no bound)")
    arguments.add_argument("--seed", type=int, default=0, help="0: a fresh one; atheris prints it")
    arguments.add_argument("--child", choices=sorted(TARGETS), help=argparse.SUPPRESS)
    args, rest = arguments.parse_known_args()
    if args.child:
        return child(args.child, rest)
    failed = []
    for name in [args.only] if args.only else sorted(TARGETS):
        with tempfile.TemporaryDirectory(prefix="dialtone-fuzz-") as corpus:
            for number, seed in enumerate(SEEDS.get(name, ())):
                (Path(corpus) / f"seed-{number}").write_bytes(seed)
            options = [
                f"-runs={args.runs}", f"-max_total_time={args.seconds}", f"-rss_limit_mb={RSS_MB}",
                f"-max_len={BYTES_MAX}", "-timeout=10", f"-artifact_prefix={corpus}/found-", corpus,
            ]  # fmt: skip
            if args.seed:
                options.append(f"-seed={args.seed}")
            command = [sys.executable, "-m", "tests.fuzz", "--child", name, *options]
            done = subprocess.run(command, check=False, capture_output=True, text=True, errors="replace")
            told = [line for line in done.stderr.splitlines() if line.startswith(("Done", "INFO: Seed", "INFO: seed"))]
            print(f"{name}: {'; '.join(told) or 'no word'}; exit {done.returncode}", flush=True)
            if done.returncode == 2:
                print(done.stderr[-400:])
                return 2
            if done.returncode != 0:
                failed.append(name)
                print(done.stderr[-4000:])
                for found in sorted(Path(corpus).glob("found-*")):
                    print(f"  input: {found.read_bytes()!r}")
    return 1 if failed else 0


def child(name: str, options: list[str]) -> int:
    """One target under atheris; does not return but by its end."""
    try:
        import atheris  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        print("atheris is not installed: pip install 'dialtone[fuzz]'", file=sys.stderr)
        return 2
    with atheris.instrument_imports(include=["agent"]):
        run = TARGETS[name]()
    atheris.Setup([sys.argv[0], *options], run)
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
