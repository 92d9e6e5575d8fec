"""List what a wheel and an sdist hold, and fail when something that must travel is missing."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path


def names(path: Path) -> list[str]:
    """The files in one archive."""
    if path.suffix == ".whl":
        return zipfile.ZipFile(path).namelist()
    with tarfile.open(path) as archive:
        return [name.partition("/")[2] for name in archive.getnames()]


def tracked(*patterns: str) -> list[str]:
    """Files under version control that match."""
    return subprocess.run(["git", "ls-files", *patterns], capture_output=True, text=True, check=True).stdout.split()


def main() -> int:
    """0 when every archive holds everything."""
    must = tracked(
        "agent/*.py",
        "hw/*.py",
        "agent/*.toml",
        "hw/*.toml",
        "systemd/*.service",
        "systemd/*.socket",
        "systemd/etc/*",
        "systemd/install.sh",
    )
    status = 0
    for path in map(Path, sys.argv[1:]):
        held = names(path)
        print(f"{path.name}: {len(held)} files")
        for name in sorted(held):
            print(f"  {name}")
        missing = [name for name in must if not any(h == name or h.endswith(f"/{name}") for h in held)]
        for name in missing:
            print(f"MISSING from {path.name}: {name}")
        status |= bool(missing)
    return status


if __name__ == "__main__":
    sys.exit(main())
