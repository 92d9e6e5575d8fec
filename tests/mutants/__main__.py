"""``python -m tests.mutants [--only NAME] [--jobs N]``: which deliberate bugs the tests catch. Exit 1 if any survives."""

from __future__ import annotations

import argparse
import sys
import time

from tests.mutants.catalogue import MUTANTS
from tests.mutants.run import Ran, all_of, baseline, counted


def main() -> int:
    """0: all were caught. 1: one was not. 2: the tests fail without any bug, or there is no such bug."""
    arguments = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    arguments.add_argument(
        "--only", action="append", metavar="NAME", help="this one alone, or all whose name begins so"
    )
    arguments.add_argument("--jobs", type=int, default=1, metavar="N", help="how many at a time (1)")
    arguments.add_argument("--list", action="store_true", help="name them, and what each would mean for people")
    args = arguments.parse_args()
    chosen = [m for m in MUTANTS if args.only is None or any(m.name.startswith(name) for name in args.only)]
    if not chosen:
        print("no bug of that name; --list names them", file=sys.stderr)
        return 2
    if args.list:
        for mutant in chosen:
            print(f"{mutant.name:40} {mutant.file:32} {mutant.harm}")
        return 0
    began = time.monotonic()
    wrong = baseline(chosen)
    if wrong is not None:
        print(f"without any bug the tests fail already:\n{wrong}", file=sys.stderr)
        return 2
    print(f"without any bug all of their tests pass ({time.monotonic() - began:.0f} s)\n", flush=True)
    rows: list[Ran] = []
    for row in all_of(chosen, max(1, args.jobs)):
        rows.append(row)
        print(f"{row.mutant.name:40} {row.verdict:16} {row.seconds:6.1f} s  {row.by}", flush=True)
    print(f"\n{', '.join(f'{n} {verdict}' for verdict, n in counted(rows).items())}; {time.monotonic() - began:.0f} s")
    missed = [row for row in rows if row.verdict != "caught"]
    for row in missed:
        print(f"{row.verdict}: {row.mutant.name}: {row.mutant.harm}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
