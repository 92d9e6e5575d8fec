"""The installer on a clean image: install, upgrade, uninstall, install again; what it says, leaves and keeps."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.appliance.nspawn.machine import INSTALLER, SITE, fresh, install

__all__ = ["fresh"]
# Accounts come and go as lines of files that are always there; their backups, and caches, are the system's own.
SYSTEM = ("etc/passwd", "etc/shadow", "etc/group", "etc/gshadow", "etc/subuid", "etc/subgid", "var/lib/systemd", "tmp")
KEPT = ("etc/dialtone", "var/lib/dialtone")


def held(root: Path) -> set[str]:
    """Every path but the system's own."""
    found = {str(path.relative_to(root)) for path in root.rglob("*") if not path.is_relative_to(root / "proc")}
    return {name for name in found if not any(name.rstrip("-") == own or name.startswith(f"{own}/") for own in SYSTEM)}


def test_install_upgrade_uninstall_and_install_again(fresh: tuple[Path, Path], tmp_path: Path) -> None:
    root, wheels = fresh
    before = held(root)
    said = install(root, "--wheels", wheels, "--dry-run")
    assert "would:" in said
    assert held(root) == before, "a dry run did something"

    install(root, "--wheels", wheels)
    first = held(root) - before
    link = (root / "opt/dialtone").readlink()
    assert {"etc/systemd/system/dialtone.service", "usr/local/bin/dialtone"} <= first
    site = root / "etc/dialtone/site.toml"
    site.write_text(SITE)
    entry = root / "var/lib/dialtone/journal.db"
    entry.write_text("what it saw")
    site_and_units = {
        path: path.read_bytes() for path in (root / "etc").rglob("*") if path.is_file() and "dialtone" in str(path)
    }

    said = install(root, "--wheels", wheels)  # an upgrade
    assert "upgrades" in said
    assert "leaves /etc/dialtone/site.toml" in said
    assert "writes /etc/systemd" not in said, "what is the same is not written again"
    assert (root / "opt/dialtone").readlink() != link
    assert not (root / str(link).lstrip("/")).exists()
    assert {path: path.read_bytes() for path in site_and_units} == site_and_units

    install(root, "--uninstall")
    left = held(root) - before
    assert all(name.startswith(KEPT) for name in left), sorted(left)
    assert site.read_text() == SITE
    assert entry.read_text() == "what it saw"
    assert "dialtone" not in (root / "etc/passwd").read_text()
    assert before <= held(root), "it took more than its own"

    install(root, "--wheels", wheels)
    again = {name for name in held(root) - before if not name.startswith(("opt/dialtone.d/", *KEPT))}
    assert again == {name for name in first if not name.startswith(("opt/dialtone.d/", *KEPT))}
    assert site.read_text() == SITE
    install(root, "--uninstall")


def test_an_upgrade_that_fails_leaves_the_old_version_as_it_was(fresh: tuple[Path, Path], tmp_path: Path) -> None:
    root, wheels = fresh
    install(root, "--wheels", wheels)
    link = (root / "opt/dialtone").readlink()
    broken = tmp_path / "wheels"
    shutil.copytree(wheels, broken)
    next(broken.glob("msgspec-*")).write_bytes(b"half a wheel")
    with pytest.raises(RuntimeError, match="the old one is as it was"):
        install(root, "--wheels", broken)
    assert (root / "opt/dialtone").readlink() == link
    assert [path.name for path in (root / "opt/dialtone.d").iterdir()] == [link.name]
    version = ["chroot", root, "dialtone", "--version"]
    assert subprocess.run(version, check=True, capture_output=True, text=True).stdout.startswith("dialtone ")
    install(root, "--uninstall")


def test_wrong_usage_and_no_root_are_told(tmp_path: Path) -> None:
    for words, said in ((["--wat"], "usage:"), (["--root"], "needs a directory")):
        done = subprocess.run(["sh", INSTALLER, *words], capture_output=True, text=True)
        assert done.returncode == 2
        assert said in done.stderr


def test_a_dry_run_needs_no_root(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text("")
    done = subprocess.run(["sh", INSTALLER, "--root", tmp_path, "--dry-run"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.iterdir()) == [tmp_path / "etc"]
