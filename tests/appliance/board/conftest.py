"""The board's tests take minutes, root and Debian packages: only ``python -m tests.appliance.board test`` collects them."""

from __future__ import annotations

import os

collect_ignore_glob = [] if os.environ.get("DIALTONE_BOARD") == "1" else ["test_*.py"]
