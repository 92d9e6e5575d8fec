"""``dialtone replay OUTAGE``: a recorded outage in virtual time: what this box would have told, and when."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agent.sim.outages.story import Case, Story

NAME = "replay"
DESCRIPTION = """\
Replay a recorded outage against a simulated site in virtual time. The same core, parsers, judges and panel as in
`dialtone run`, from a seed: the same seed gives the same timeline. Without a name it lists what there is. The files of
agent/sim/outages show how an outage is written."""
EPILOG = "Exit status: 0 the verdict was right (or the control stayed quiet), 1 it was not, 2 wrong usage."


def add(sub: argparse._SubParsersAction[Any]) -> None:
    """Add ``replay`` to the command line."""
    verb = sub.add_parser(
        NAME,
        help="a recorded outage in virtual time",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    what = "its name or NAME/VARIANT, or a FILE.toml[/VARIANT] of one's own"
    verb.add_argument("outage", nargs="?", metavar="OUTAGE", help=what)
    verb.add_argument("--all", action="store_true", help="every outage and variant over --seeds: the table")
    verb.add_argument("--set", action="append", default=[], metavar="K=V", help="set a key of the site otherwise")
    verb.add_argument("--seed", type=int, default=1, metavar="N", help="where the chance comes from (default 1)")
    verb.add_argument("--seeds", type=int, default=3, metavar="N", help="with --all: seeds 1 to N (default 3)")
    verb.add_argument("--keep", type=Path, metavar="FILE", help="with --all: keep each result, and go on from there")
    verb.add_argument("--workers", type=int, default=2, metavar="N", help="with --all: processes (default 2)")
    verb.add_argument("--markdown", action="store_true", help="with --all: the table as README has it")
    verb.add_argument("--json", action="store_true", help="one JSON object a line, the summary last")
    verb.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run it; the exit status."""
    if args.all:
        return _all(args)
    if args.outage is None:
        return _list(as_json=args.json)
    try:
        case = _case(args.outage, _settings(args.set))
    except ValueError as error:
        print(f"dialtone replay: {error}", file=sys.stderr)
        return 2
    from agent.replay.learn import learned
    from agent.replay.run import Replay
    from agent.replay.summary import WRONG, summary
    from agent.replay.timeline import lines

    replay = Replay(case, args.seed, learned(case))
    trace = replay.run()
    came = summary(trace, replay.site)
    if args.json:
        for one in trace.told:
            print(json.dumps({"at_s": one.at_s, "who": one.who, "what": one.what, **_plain(one.detail)}))
        print(json.dumps(came.json()))
    else:
        for line in lines(trace, came):
            print(line)
    return 1 if came.answer == WRONG else 0


def _plain(detail: Any) -> dict[str, Any]:
    return {"detail": dict(detail)} if detail else {}


def _settings(given: list[str]) -> dict[str, Any]:
    """``calls_per_hour=20`` as a key of the site and its value. Raises ValueError."""
    out: dict[str, Any] = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not equals:
            raise ValueError(f"--set needs key=value, not {text!r}")
        try:
            out[key.strip().replace("-", "_")] = json.loads(value)
        except ValueError:
            raise ValueError(f"--set {key}: {value!r} is no number, true or false") from None
    return out


def _case(name: str, settings: dict[str, Any]) -> Case:
    """The case of that name. Raises ValueError, with what there is."""
    from agent.sim.outages.story import cases, stories
    from agent.site.walk import did_you_mean

    file, dot, variant = name.partition(".toml")
    if dot:
        told = [_read(Path(file + dot))]
        name = told[0].name + variant
    else:
        told = list(stories())
    found = {case.name: case for story in told for case in cases(story, settings)}
    if name not in found:
        raise ValueError(f"no outage called {name!r}{did_you_mean(name, found)}; `dialtone replay` lists them")
    return found[name]


def _read(path: Path) -> Story:
    """A story of one's own. Raises ValueError where it can't be read or is wrong."""
    from agent.sim.outages import OutageInvalid
    from agent.sim.outages.story import parse

    try:
        return parse(path.read_text(encoding="utf-8"), str(path))
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from None
    except (UnicodeDecodeError, OutageInvalid) as error:
        raise ValueError(str(error)) from None


def _list(*, as_json: bool) -> int:
    from agent.sim.outages.story import cases, stories

    for story in stories():
        for case in cases(story):
            if as_json:
                print(json.dumps({"outage": case.name, "title": case.title, "control": story.control}))
            else:
                print(f"{case.name:<48} {'(control) ' if story.control else ''}{case.title}")
    return 0


def _all(args: argparse.Namespace) -> int:
    from agent.replay.table import markdown, plain, rows, run_all

    def progress(done: int, of: int) -> None:
        if sys.stderr.isatty():
            print(f"\r{done} of {of} runs", end="" if done < of else "\n", file=sys.stderr, flush=True)

    results = run_all(range(1, args.seeds + 1), args.workers, args.keep, progress)
    if args.json:
        for result in results:
            print(json.dumps(result))
    else:
        table = rows(results)
        for line in markdown(table) if args.markdown else plain(table):
            print(line)
    wrong = [result for result in results if result["answer"] == "wrong"]
    for result in wrong:
        print(f"wrong: {result['outage']} seed {result['seed']}: {result['why']}", file=sys.stderr)
    return 1 if wrong else 0
