"""Runs the tests against one deliberate bug at a time, each in a copy of the tree of its own."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.mutants.mutant import Mutant

ROOT = Path(__file__).parent.parent.parent
MOST_S = 300.0
BASELINE_MOST_S = 1800.0
FIRST_FAILED = re.compile(r"^(?:FAILED|ERROR) (.+?)(?: - .*)?$", re.MULTILINE)
Verdict = Literal["caught", "SURVIVED", "broke the import", "took too long"]


@dataclass(frozen=True, slots=True)
class Ran:
    """``by``: the first test that failed, or the command."""

    mutant: Mutant
    verdict: Verdict
    seconds: float
    by: str = ""


@dataclass(frozen=True, slots=True)
class Ended:
    """``status`` None: it was stopped when its time was over."""

    status: int | None
    output: str


@contextmanager
def copied() -> Iterator[Path]:
    """What git has of this tree, and what it would take, in a directory of its own."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    with tempfile.TemporaryDirectory(prefix="dialtone-mutant-") as name:
        tree = Path(name) / "tree"
        for path in map(os.fsdecode, filter(None, listed.stdout.split(b"\0"))):
            if (ROOT / path).is_file():  # one deleted and not yet committed is still listed
                (tree / path).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / path, tree / path)
        yield tree


def execute(command: Sequence[str], tree: Path, most_s: float) -> Ended:
    """Run it in the tree, whose own code is imported; stop it and its children when its time is over."""
    env = {**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    with tempfile.TemporaryFile("w+", errors="replace") as output:
        running = subprocess.Popen(
            command,
            cwd=tree,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            status: int | None = running.wait(most_s)
        except subprocess.TimeoutExpired:
            status = None
        finally:
            end(running)
        output.seek(0)
        return Ended(status, output.read())


def end(running: subprocess.Popen[bytes]) -> None:
    """End what it has left behind, too: a failed test of real processes may leave some."""
    try:
        os.killpg(running.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    running.wait()


def pytest(tests: Sequence[str]) -> list[str]:
    """The command that runs these until the first one fails."""
    return [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests]


def module_of(file: str) -> str:
    """The module's name, as it is imported."""
    return file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def imports(mutant: Mutant, tree: Path) -> bool:
    """Whether the file can be imported at all, and is the copy's own."""
    code = f"import {module_of(mutant.file)} as m, sys; sys.exit(not m.__file__.startswith({str(tree)!r}))"
    return execute([sys.executable, "-c", code], tree, MOST_S).status == 0


def tried(mutant: Mutant, most_s: float = MOST_S) -> Ran:
    """Apply one bug, and see who notices."""
    began = time.monotonic()

    def ran(verdict: Verdict, by: str = "") -> Ran:
        return Ran(mutant, verdict, time.monotonic() - began, by)

    with copied() as tree:
        file = tree / mutant.file
        file.write_text(mutant.applied(file.read_text()))
        if not imports(mutant, tree):
            return ran("broke the import")
        for command in (pytest(mutant.tests), *(shlex.split(one) for one in mutant.commands)):
            of_pytest = command[:3] == [sys.executable, "-m", "pytest"]
            if command[0] == "python":
                command[0] = sys.executable
            ended = execute(command, tree, most_s)
            if ended.status is None:
                return ran("took too long", shlex.join(command[1:])[:100])
            if of_pytest and ended.status not in (0, 1):  # not a test that failed: nothing could be collected
                return ran("broke the import", ended.output.strip().rpartition("\n")[2][:100])
            if ended.status:
                first = FIRST_FAILED.search(ended.output)
                return ran("caught", first[1] if of_pytest and first else shlex.join(command[1:])[:100])
    return ran("SURVIVED")


def baseline(mutants: Sequence[Mutant]) -> str | None:
    """What fails without any bug; None where all is well. Each node once, and none that a wider one holds."""
    nodes = list(dict.fromkeys(test for mutant in mutants for test in mutant.tests))
    wide = [n for n in nodes if not any(n.startswith((f"{other}/", f"{other}::")) for other in nodes)]
    commands = list(dict.fromkeys(command for mutant in mutants for command in mutant.commands))
    with copied() as tree:
        for command in (pytest(wide), *map(shlex.split, commands)):
            if command[0] == "python":
                command[0] = sys.executable
            ended = execute(command, tree, BASELINE_MOST_S)
            if ended.status != 0:
                return ended.output[-4000:] or f"{shlex.join(command)}: status {ended.status}"
    return None


def all_of(mutants: Sequence[Mutant], jobs: int) -> Iterator[Ran]:
    """In the list's order, ``jobs`` at a time."""
    with ThreadPoolExecutor(jobs) as pool:
        yield from pool.map(tried, mutants)


def counted(rows: Sequence[Ran]) -> Mapping[Verdict, int]:
    """How many ended how."""
    return {verdict: sum(row.verdict == verdict for row in rows) for verdict in dict.fromkeys(r.verdict for r in rows)}
