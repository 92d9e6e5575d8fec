"""The house's own rules, as tests: one way through the code, a pure core, small files and functions."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted([*(ROOT / "agent").rglob("*.py"), *(ROOT / "hw").rglob("*.py")])

# The way data takes. A module may import from its own row and from the rows above it, never from below.
ROWS: tuple[tuple[str, ...], ...] = (
    ("agent",),
    ("agent.readings", "agent.clock", "agent.payloads", "agent.limiter", "agent.callers", "agent.commissioned"),
    ("agent.site",),
    ("agent.lines", "agent.paths"),
    ("agent.panel", "agent.buttons"),
    ("hw",),
    ("agent.alarms",),
    ("agent.calls",),
    ("agent.evidence", "agent.verdict"),
    ("agent.effects",),
    ("agent.opinion", "agent.verbs"),
    ("agent.core",),
    ("agent.journal",),
    ("agent.labels", "agent.standing", "agent.progress", "agent.notify", "agent.supervisor"),
    ("agent.reflector",),
    ("agent.uplink",),
    ("agent.remote",),
    ("agent.fleet",),
    ("agent.schemas",),
    ("agent.client",),
    ("agent.control",),
    ("agent.host_judge",),
    ("agent.host",),
    ("agent.button_shell",),
    ("agent.panel_shell",),
    ("agent.app",),
    ("agent.draw",),
    ("agent.screen",),
    ("agent.commission",),
    ("agent.sim",),
    ("agent.replay",),
    ("agent.commands",),
    ("agent.cli",),
    ("agent.__main__",),
)
# Code that must not touch the world: the same in production, replay and simulation.
PURE = """
    agent/readings.py agent/effects.py agent/panel.py agent/buttons.py agent/core.py agent/evidence agent/limiter.py
    agent/opinion.py agent/verbs.py agent/host_judge.py agent/paths/certificate.py agent/paths/syslog agent/paths/answers.py
    agent/paths/options_outcome.py agent/paths/call/digest.py agent/paths/call/rtp.py agent/paths/call/sdp.py
    agent/paths/call/g711.py agent/paths/call/tone.py agent/paths/call/dialog.py agent/paths/call/states.py
    agent/paths/call/messages.py agent/paths/call/authorising.py agent/paths/call/heard.py agent/paths/call/facts.py
    agent/paths/call/repeats.py agent/paths/call/audio.py agent/paths/call/testcall.py agent/paths/call/framing.py
    agent/reflector/answer.py agent/reflector/calls.py agent/reflector/states.py agent/reflector/reply.py
    agent/reflector/guard.py agent/reflector/media.py agent/paths/schedule.py
    agent/replay/site.py  agent/replay/summary.py
    agent/replay/timeline.py agent/sim/outages/story.py agent/site/checks.py agent/site/path_rules.py agent/site/uris.py
    agent/site/describe_paths.py
    agent/remote/envelope.py agent/remote/commands.py agent/remote/desired.py agent/remote/local_only.py
    agent/remote/trial.py agent/remote/peers.py agent/uplink/inlet.py agent/fleet/said.py agent/fleet/probe.py
    agent/fleet/state.py agent/fleet/together.py agent/fleet/pool.py agent/fleet/screen.py
    agent/screen/letters.py agent/screen/canvas.py agent/screen/face.py agent/screen/layout.py
    agent/commissioned.py agent/commission/steps.py agent/progress.py
    agent/payloads.py agent/callers.py agent/alarms agent/calls agent/verdict agent/lines/tl1.py
    agent/lines/tl1_grammar.py agent/lines/tl1_text.py agent/lines/tl1_session.py agent/lines/tl1_login.py
    agent/lines/tl1_command.py agent/lines/tl1_words.py agent/lines/atag.py agent/lines/framing.py
    agent/lines/parser.py agent/lines/dialects.py agent/lines/csu.py agent/lines/csu_words.py
    agent/lines/cisco.py agent/lines/console.py agent/lines/ali.py agent/lines/ali_framing.py
    agent/lines/ali_text.py agent/lines/ali_place.py agent/lines/smdr agent/lines/text.py
    agent/lines/text_rules.py agent/lines/modbus.py agent/lines/modbus_rtu.py agent/lines/contacts.py
    agent/lines/contact_points.py agent/lines/capture.py agent/lines/guess.py agent/lines/decode.py
    agent/paths/icmp.py agent/paths/outcome.py agent/paths/judge.py agent/paths/sip.py agent/site/words.py
    agent/site/columns.py agent/site/line.py agent/site/schema.py agent/site/walk.py agent/site/where.py
    agent/site/rules.py agent/site/line_rules.py agent/site/hosts.py agent/site/describe.py
    agent/site/describe_lines.py agent/journal/chain.py agent/journal/entry.py agent/uplink/flow.py
    agent/uplink/ranges.py agent/uplink/stream.py agent/uplink/topics.py agent/uplink/messages.py
    agent/uplink/backoff.py
""".split()
WORLDLY = {
    "time",
    "socket",
    "threading",
    "random",
    "asyncio",
    "subprocess",
    "sqlite3",
    "serial",
    "psutil",
    "paho",
    "os",
}


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def row_of(module: str) -> int:
    matches = [
        (len(name), index)
        for index, row in enumerate(ROWS)
        for name in row
        if module == name or (module.startswith(name + ".") and name != "agent")
    ]
    assert matches, f"{module} stands in no row: say where it belongs"
    return max(matches)[1]


def imports_of(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            ours = {n for n in names if (ROOT / (n.replace(".", "/") + ".py")).exists() or is_room(n)}
            found |= ours | ({node.module} if len(ours) < len(names) else set())
    return found


def is_room(name: str) -> bool:
    return (ROOT / name.replace(".", "/") / "__init__.py").exists()


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: module_of(p))
def test_imports_go_one_way(path: Path) -> None:
    module = module_of(path)
    for name in sorted(imports_of(path)):
        if name.split(".")[0] in ("agent", "hw"):
            assert row_of(name) <= row_of(module), f"{module} imports {name}, which comes after it"


def test_no_import_cycles() -> None:
    graph = {module_of(p): {n for n in imports_of(p) if n.split(".")[0] in ("agent", "hw")} for p in SOURCES}
    done: set[str] = set()

    def visit(module: str, trail: tuple[str, ...]) -> None:
        assert module not in trail, f"import cycle: {' > '.join((*trail, module))}"
        if module not in done:
            for name in graph.get(module, ()):
                if name != module:
                    visit(name, (*trail, module))
            done.add(module)

    for module in graph:
        visit(module, ())


def pure_sources() -> list[Path]:
    listed = [ROOT / name for name in PURE]
    return [p for entry in listed for p in (sorted(entry.rglob("*.py")) if entry.is_dir() else [entry])]


@pytest.mark.parametrize("path", pure_sources(), ids=lambda p: module_of(p))
def test_pure_code_imports_nothing_worldly(path: Path) -> None:
    assert path.exists()
    assert not {name.split(".")[0] for name in imports_of(path)} & WORLDLY


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: module_of(p))
def test_files_and_functions_are_small_and_told(path: Path) -> None:
    text = path.read_text()
    tree = ast.parse(text)
    assert text.count("\n") <= 450
    assert path.name == "__init__.py" or ast.get_docstring(tree), "no docstring"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno <= 75, f"{node.name} is too long"


def test_nothing_names_a_machine_or_a_registry() -> None:
    forbidden = ("/wo" + "rk/", "/ro" + "ot/", "py" + "pi.org", "python" + "hosted", "registry.np" + "mjs")
    for path in [*SOURCES, ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "setup.cfg", *ROOT.glob("tests/**/*.py")]:
        text = path.read_text() if path.exists() else ""
        assert not [word for word in forbidden if word in text], path


def test_no_possessive_quantifiers() -> None:
    """Python before 3.11.5 matches some of them wrongly, and Debian 12 has 3.11.2."""
    for path in SOURCES:
        assert not re.search(r"(\*\+|\+\+|\?\+|\(\?>)", path.read_text()), path


def test_what_a_site_may_not_need_is_not_loaded() -> None:
    """Each costs memory on a small machine: names, SNMP, the box's own state, rules over text, real pins."""
    heavy = ("dns", "snmp", "psutil", "re2", "gpiozero", "lgpio", "serial", "pymodbus")
    code = f"import sys, agent.app; print(*[name for name in {heavy!r} if name in sys.modules])"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert told.stdout.split() in ([], ["serial"])
