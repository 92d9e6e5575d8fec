"""What the agent has learned of this site's calls, in a small file beside the journal: hourly rates, no call's data.

It is not an entry: it says nothing that happened, and losing it costs only the time to learn it again.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from agent.journal.files import sync_directory

FILE = "learned.json"
SIZE_MAX = 1024 * 1024


def save(directory: Path, learned: Mapping[str, Any]) -> None:
    """Replace the file in one step: after a power cut there is the old one or the new one. Raises OSError."""
    data = json.dumps(learned, separators=(",", ":"), sort_keys=True).encode()
    new = directory / f"{FILE}.new"
    with contextlib.suppress(FileNotFoundError):
        new.unlink()
    fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    new.replace(directory / FILE)
    sync_directory(directory)


def load(directory: Path) -> tuple[Mapping[str, Any] | None, str | None]:
    """What was learned, and why it can't be used where it can't; neither where there is no file yet."""
    try:
        with (directory / FILE).open("rb") as file:
            data = file.read(SIZE_MAX + 1)
        learned = json.loads(data) if len(data) <= SIZE_MAX else None
    except FileNotFoundError:
        return None, None
    except (OSError, ValueError, RecursionError) as error:
        return None, f"{type(error).__name__}: {error}"[:200]
    if not isinstance(learned, dict):
        return None, "it holds something else, or too much"
    return learned, None
