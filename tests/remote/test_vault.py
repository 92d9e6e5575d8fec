"""Which site file runs, whatever the disk, a kill or a person has done to what is kept."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.remote.choice import choose
from agent.remote.desired import sha256
from agent.remote.vault import FOLDER, STATE, Kept, Vault
from agent.site import schema
from agent.site.load import parse as parse_text

ROOT = Path(__file__).parent.parent.parent
FSYNCS = 7


def local(folder: Path, name: str = "local") -> str:
    return f"""
[site]
id = "here"
name = "{name}"
[[line]]
id = "bank-a"
port = "/dev/ttyS0"
dialect = "tl1"
[journal]
directory = "{folder}"
[remote]
allowed_signers = "signers"
config = true
"""


def parse(text: str) -> schema.SiteFile:
    return parse_text(text, secrets=None)


def tried(folder: Path, text: str, **more: object) -> Kept:
    """As ``applying.py`` begins a trial."""
    vault = Vault(folder)
    new = vault.put(text)
    kept = Kept(state="trial", version=1, digest="d", local=sha256(local(folder).encode()), new=new)
    vault.save(msgspec.structs.replace(kept, **more))
    return vault.load()


def test_nothing_was_ever_kept(tmp_path: Path) -> None:
    choice = choose(local(tmp_path), parse)
    assert (choice.kept.state, choice.sha256, choice.problem) == ("local", choice.local_sha256, None)
    assert not (tmp_path / FOLDER).exists(), "a site that nobody sent anything to writes nothing"


def test_a_trial_is_started_three_times_and_taken_back(tmp_path: Path) -> None:
    new = local(tmp_path, "new")
    tried(tmp_path, new)
    for _ in range(3):
        choice = choose(local(tmp_path), parse)
        assert (choice.kept.state, choice.site.site.name) == ("trial", "new")
    choice = choose(local(tmp_path), parse)
    assert (choice.kept.state, choice.site.site.name) == ("rolled-back", "local")
    assert "reached nobody" in choice.kept.why
    assert choose(local(tmp_path), parse).kept.state == "rolled-back"


def test_what_is_applied_runs_until_a_person_changes_the_local_file(tmp_path: Path) -> None:
    tried(tmp_path, local(tmp_path, "new"), state="applied", version=9)
    assert choose(local(tmp_path), parse).site.site.name == "new"
    by_hand = choose(local(tmp_path, "by hand"), parse)
    assert (by_hand.site.site.name, by_hand.kept.state, by_hand.kept.version) == ("by hand", "local", 9)
    assert choose(local(tmp_path, "by hand"), parse).kept.version == 9, "an old version can't come back"


@pytest.mark.parametrize("state", ["trial", "applied"])
@pytest.mark.parametrize("harm", ["gone", "other", "no site file"])
def test_a_kept_file_that_is_harmed_is_not_run(tmp_path: Path, state: str, harm: str) -> None:
    previous = Vault(tmp_path).put(local(tmp_path, "before"))
    kept = tried(
        tmp_path, local(tmp_path, "new") if harm != "no site file" else "x = 1", state=state, previous=previous
    )
    path = tmp_path / FOLDER / f"{kept.new}.toml"
    if harm == "gone":
        path.unlink()
    elif harm == "other":
        path.write_text(local(tmp_path, "evil"))
    choice = choose(local(tmp_path), parse)
    assert (choice.site.site.name, choice.kept.state) == ("before", "rolled-back")
    assert choice.problem is not None
    (tmp_path / FOLDER / f"{previous}.toml").unlink()
    choice = choose(local(tmp_path), parse)
    assert (choice.site.site.name, choice.kept.state) == ("local", "local")


@given(st.binary(max_size=200))
def test_any_state_file_gives_a_site_that_runs(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    folder = tmp_path_factory.mktemp("v")
    (folder / FOLDER).mkdir()
    (folder / FOLDER / STATE).write_bytes(data)
    choice = choose(local(folder), parse)
    assert choice.site.site.name == "local"
    assert choice.problem is not None


def test_a_disk_that_takes_nothing_changes_nothing(tmp_path: Path) -> None:
    tried(tmp_path, local(tmp_path, "new"), state="applied")
    before = Vault(tmp_path).load()
    shutil.rmtree(tmp_path / FOLDER)
    (tmp_path / FOLDER).write_text("a file in its place")
    with pytest.raises(NotADirectoryError):
        Vault(tmp_path).save(before)
    assert choose(local(tmp_path), parse).site.site.name == "local"


CODE = """
import sys
from pathlib import Path
from tests.remote.test_vault import local, tried
folder = Path(sys.argv[1])
tried(folder, local(folder, "new"))
"""


def test_killed_at_each_sync_the_old_or_the_new_one_runs(tmp_path: Path) -> None:
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("needs strace (Debian package strace)")
    came = []
    for when in itertools.count(1):
        folder = tmp_path / str(when)
        folder.mkdir()
        inject = f"inject=fdatasync,fsync:signal=SIGKILL:when={when}"
        command = [strace, "-qq", "-o", "/dev/null", "-e", "trace=fdatasync,fsync", "-e", inject]
        child = subprocess.run(
            [*command, sys.executable, "-c", CODE, str(folder)],
            cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False, capture_output=True, timeout=60,
        )  # fmt: skip
        choice = choose(local(folder), parse)
        assert (choice.site.site.name, choice.kept.state) in (("local", "local"), ("new", "trial"))
        assert choice.problem is None
        came.append(choice.site.site.name)
        if child.returncode == 0:
            break
    assert came[0] == "local"
    assert came[-1] == "new"
    assert len(came) >= 4, "it was killed at each of them"
    assert came == sorted(came), "there is one moment from which on the new one counts"
