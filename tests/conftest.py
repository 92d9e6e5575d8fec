"""What all tests share: hypothesis without deadlines, and skips that count as failures where nothing may be skipped."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "dialtone", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow], max_examples=100
)
settings.register_profile("long", parent=settings.get_profile("dialtone"), max_examples=5000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dialtone"))

NOTHING_SKIPPED = os.environ.get("DIALTONE_NOTHING_SKIPPED") == "1"


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """With DIALTONE_NOTHING_SKIPPED=1 (CI) a skipped test fails the run."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = len(reporter.stats.get("skipped", [])) if reporter is not None else 0
    if NOTHING_SKIPPED and skipped and session.exitstatus == 0:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say in words what a skip means."""
    skipped = len(terminalreporter.stats.get("skipped", []))
    if skipped and NOTHING_SKIPPED:
        terminalreporter.write_line(f"{skipped} skipped, and nothing may be skipped here: this run FAILS.", red=True)
    elif skipped:
        terminalreporter.write_line(
            f"{skipped} skipped for want of root or of a Debian package; each says above what it needs.", yellow=True
        )
