"""Every case over several seeds: the table of ``replay --all``. Resumable: what a file holds is not run again."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from agent.replay.learn import learned
from agent.replay.run import Replay
from agent.replay.summary import summary
from agent.replay.timeline import clock
from agent.sim.outages.story import Case, cases, stories

HEAD = (
    "outage",
    "runs",
    "right",
    "in a set",
    "wrong",
    "critical after",
    "horn after",
    "report after",
    "in public after",
)
RUNS_A_JOB = 20


@dataclass(frozen=True, slots=True)
class Job:
    """Some runs of one story, by its number: pairs of a case's number and a seed.

    Together, since a story's cases share what the box has learned of the site, which takes longer than a run.
    """

    story: int
    runs: tuple[tuple[int, int], ...]


def one(case: Case, seed: int) -> dict[str, Any]:
    """One run's summary as ``--json`` prints it. Deterministic: the same case and seed give the same object."""
    replay = Replay(case, seed, learned(case))
    return summary(replay.run(), replay.site).json()


def all_cases() -> list[list[Case]]:
    """Every case, by story."""
    return [cases(story) for story in stories()]


def run_all(
    seeds: Sequence[int],
    workers: int,
    kept: Path | None,
    progress: Callable[[int, int], None],
    only: Callable[[Case], bool] = lambda _case: True,
) -> list[dict[str, Any]]:
    """Every case with every seed. ``kept``: a file of one result a line, read first and added to."""
    listed = all_cases()
    done = {(str(r["outage"]), int(r["seed"])): r for r in _read(kept)}
    jobs = []
    for number, group in enumerate(listed):
        runs = [
            (index, seed)
            for seed in seeds
            for index, case in enumerate(group)
            if only(case) and (case.name, seed) not in done
        ]
        jobs += [Job(number, tuple(runs[at : at + RUNS_A_JOB])) for at in range(0, len(runs), RUNS_A_JOB)]
    wanted = {(case.name, seed) for group in listed for case in group if only(case) for seed in seeds}
    progress(len(wanted) - sum(len(job.runs) for job in jobs), len(wanted))
    with ProcessPoolExecutor(max_workers=workers) as pool:
        futures = [pool.submit(_job, job) for job in jobs]
        for future in as_completed(futures):
            results = future.result()
            done |= {(str(result["outage"]), int(result["seed"])): result for result in results}
            if kept is not None:
                with kept.open("a", encoding="utf-8") as file:
                    file.writelines(json.dumps(result) + "\n" for result in results)
            progress(sum(key in done for key in wanted), len(wanted))
    return [done[key] for key in sorted(wanted)]


def _job(job: Job) -> list[dict[str, Any]]:
    group = _cases()[job.story]
    return [one(group[case], seed) for case, seed in job.runs]


_cases = lru_cache(maxsize=1)(all_cases)


def _read(kept: Path | None) -> Iterator[dict[str, Any]]:
    if kept is None or not kept.exists():
        return
    for line in kept.read_text(encoding="utf-8").splitlines():
        try:
            yield json.loads(line)
        except ValueError:  # the last line of a run that was cut off
            continue


def rows(results: Sequence[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """The table: a row a case, in the order of the stories; times are medians over the seeds, with the worst."""
    by_name: dict[str, list[Mapping[str, Any]]] = {}
    for result in results:
        by_name.setdefault(str(result["outage"]), []).append(result)
    out = []
    for group in all_cases():
        for case in group:
            runs = by_name.get(case.name, [])
            if not runs:
                continue
            counts = [sum(r["answer"] in kinds for r in runs) for kinds in (("right", "quiet"), ("set",), ("wrong",))]
            times = [_times([r[key] for r in runs]) for key in ("critical_after_s", "horn_after_s", "report_after_s")]
            public = "" if case.story.control else clock(case.story.public_s)
            out.append((case.name, str(len(runs)), *map(str, counts), *times, public))
    return out


def _times(values: Sequence[float | None]) -> str:
    known = sorted(value for value in values if value is not None)
    if not known:
        return "never"
    middle, worst = statistics.median(known), known[-1]
    told = clock(middle) if worst - middle < 1 else f"{clock(middle)} (at most {clock(worst)})"
    return told if len(known) == len(values) else f"{told} in {len(known)} of {len(values)}"


def markdown(table: Sequence[Sequence[str]]) -> Iterator[str]:
    """The table as README shows it."""
    yield "| " + " | ".join(HEAD) + " |"
    yield "|" + "---|" * len(HEAD)
    for row in table:
        yield "| " + " | ".join(row) + " |"


def plain(table: Sequence[Sequence[str]]) -> Iterator[str]:
    """The table for a terminal."""
    widths = [max(len(row[n]) for row in [HEAD, *table]) for n in range(len(HEAD))]
    for row in [HEAD, *table]:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
