"""``python -m tests.bench [--quick] [--only NAME] [--json FILE]``: every figure that exists so far, beside its goal."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import platform
import random
import sys
from collections.abc import Callable
from pathlib import Path

from tests.bench import (
    dialects,
    fleet,
    forwarding,
    latency,
    namespaces,
    rest,
    silence,
    simulated,
    throughput,
    voice,
    year,
)
from tests.bench.rows import Row


def main() -> int:
    """0 whatever the figures say: goals are printed, never asserted."""
    arguments = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    arguments.add_argument("--quick", action="store_true", help="shorter runs, for CI")
    arguments.add_argument("--only", help="one of the groups")
    arguments.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    arguments.add_argument("--json", type=Path, help="also write the rows there")
    args = arguments.parse_args()
    quick = args.quick
    groups: dict[str, Callable[[], list[Row]]] = {
        "simulated": lambda: simulated.measure(7 if quick else 365, args.seed),
        "year": lambda: year.measure(7 if quick else 365, args.seed),
        "latency": lambda: latency.measure(50 if quick else 500),
        "rest": lambda: rest.measure(20 if quick else 600),
        "forwarding": lambda: forwarding.measure(1 if quick else 10),
        "namespaces": lambda: namespaces.measure(quick),
        "throughput": lambda: throughput.measure(quick),
        "silence": lambda: silence.measure(quick, args.seed),
        "voice": lambda: voice.measure(quick, args.seed),
        "dialects": lambda: dialects.measure(quick),
        "fleet": lambda: fleet.measure(quick),
    }
    machine = (
        f"{platform.machine()}, {os.cpu_count()} cores, {platform.python_implementation()} {platform.python_version()}"
    )
    print(f"{machine}; seed {args.seed}; figures beside goals, nothing is asserted\n")
    rows: list[Row] = []
    for name, measure in groups.items():
        if args.only in (None, name):
            for row in measure():
                rows.append(row)
                mark = {True: "met", False: "NOT MET", None: "-"}[row.met]
                print(f"{mark:8} {row.what}: {row.measured}  (goal {row.goal}; {row.how})", flush=True)
    told = {"machine": machine, "seed": args.seed, "rows": [dataclasses.asdict(row) for row in rows]}
    print("\n" + json.dumps(told))
    if args.json:
        args.json.write_text(json.dumps(told, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
