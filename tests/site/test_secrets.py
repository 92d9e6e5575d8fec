"""Secrets: refused unless they are ours and nobody else's; and the site file tells which and why."""

from __future__ import annotations

import os
from pathlib import Path
from typing import cast

import pytest

from agent.site.load import SiteFileInvalid, load, parse
from agent.site.secrets import SecretRefused, SecretStore

SITE = """
[site]
id = "a-site"
[[line]]
id = "bank"
port = "/dev/ttyS0"
dialect = "tl1"
[[uplink]]
id = "noc"
urls = ["mqtts://noc.example.net"]
user = "us"
password = "password"
ca = "ca"
certificate = "certificate"
key = "key"
"""


def put(directory: Path, name: str = "password", data: bytes = b"let me in\n", mode: int = 0o600) -> Path:
    directory.mkdir(exist_ok=True)
    path = directory / name
    path.write_bytes(data)
    path.chmod(mode)
    return path


def test_a_secret_is_read_without_its_line_end(tmp_path: Path) -> None:
    store = SecretStore(tmp_path, None)
    for data in (b"let me in", b"let me in\n", b"let me in\r\n"):
        put(tmp_path, data=data)
        assert store.read("password") == b"let me in"
    assert store.problem("password") is None
    assert store.path("password") == tmp_path / "password"


@pytest.mark.parametrize("mode", [0o604, 0o602, 0o601, 0o620, 0o666, 0o644])
def test_an_open_secret_is_refused(tmp_path: Path, mode: int) -> None:
    put(tmp_path, mode=mode)
    problem = SecretStore(tmp_path, None).problem("password")
    assert problem is not None
    assert f"{mode:04o}" in problem
    with pytest.raises(SecretRefused):
        SecretStore(tmp_path, None).read("password")


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o640])
def test_a_kept_secret_is_taken(tmp_path: Path, mode: int) -> None:
    put(tmp_path, mode=mode)
    assert SecretStore(tmp_path, None).problem("password") is None


@pytest.mark.parametrize(("mode", "fine"), [(0o644, True), (0o444, True), (0o646, False), (0o664, False)])
def test_a_certificate_may_be_read_but_not_written_by_all(tmp_path: Path, mode: int, fine: bool) -> None:
    put(tmp_path, mode=mode)
    assert (SecretStore(tmp_path, None).problem("password", private=False) is None) is fine


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    store = SecretStore(tmp_path, None)
    assert "there is no file" in str(store.problem("password"))
    (tmp_path / "folder").mkdir(mode=0o700)
    assert "not a regular file" in str(store.problem("folder"))
    os.mkfifo(tmp_path / "fifo", 0o600)
    assert "not a regular file" in str(store.problem("fifo"))
    (tmp_path / "device").symlink_to("/dev/null")
    assert "not a regular file" in str(store.problem("device"))
    (tmp_path / "loop").symlink_to("loop")
    assert "can't be read" in str(store.problem("loop"))
    (tmp_path / "gone").symlink_to("nowhere")
    assert "there is no file" in str(store.problem("gone"))


def test_a_link_is_followed_to_what_it_means(tmp_path: Path) -> None:
    put(tmp_path / "other", mode=0o644)
    (tmp_path / "password").symlink_to(tmp_path / "other" / "password")
    assert "open to everybody" in str(SecretStore(tmp_path, None).problem("password"))
    put(tmp_path / "other", mode=0o600)
    assert SecretStore(tmp_path, None).problem("password") is None


@pytest.mark.parametrize(
    ("data", "message"), [(b"", "is empty"), (b"\n", "is empty"), (b"x" * (64 * 1024 + 1), "larger than 64 KiB")]
)
def test_an_empty_or_huge_secret_is_refused(tmp_path: Path, data: bytes, message: str) -> None:
    put(tmp_path, data=data)
    assert message in str(SecretStore(tmp_path, None).problem("password"))


@pytest.mark.parametrize("name", ["../password", "/etc/passwd", "", ".", "a\0b", "UPPER"])
def test_a_secret_is_a_name_and_never_a_path(tmp_path: Path, name: str) -> None:
    put(tmp_path)
    (tmp_path / "sub").mkdir()
    store = SecretStore(tmp_path / "sub", None)
    assert "a secret's name is" in str(store.problem(name))
    with pytest.raises(SecretRefused):
        store.path(name)


def test_the_credentials_directory_wins_where_it_has_the_name(tmp_path: Path) -> None:
    put(tmp_path / "ours", "both", b"ours")
    put(tmp_path / "ours", "only", b"ours")
    put(tmp_path / "systemd", "both", b"systemd's")
    store = SecretStore(tmp_path / "ours", tmp_path / "systemd")
    assert store.read("both") == b"systemd's"
    assert store.read("only") == b"ours"


def test_a_folder_handed_in_whole_gives_each_secret_by_its_name(tmp_path: Path) -> None:
    put(tmp_path / "systemd", "secrets_password", b"systemd's")
    store = SecretStore(tmp_path / "ours", tmp_path / "systemd")
    assert store.read("password") == b"systemd's"
    put(tmp_path / "systemd", "password", b"its own")
    assert store.read("password") == b"its own"


def test_somebody_elses_secret_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = put(tmp_path).stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: owner + 4711)
    problem = SecretStore(tmp_path, None).problem("password")
    if owner == 0:
        assert problem is None  # root's secrets are anybody's who may read them
    else:
        assert "belongs to" in str(problem)
    store = SecretStore(tmp_path, None)
    monkeypatch.setattr(store, "_trusted", lambda _path: {owner + 1})
    assert "belongs to" in str(store.problem("password"))


def test_root_checks_for_the_agents_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Owned:
        st_uid = 4711
        parent = property(lambda self: self)
        stat = __call__ = lambda self: self

    store, path = SecretStore(tmp_path, None), cast(Path, Owned())
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert store._trusted(path) == {0, 4711}
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert store._trusted(path) == {0, 1000}


def test_every_refused_secret_is_told_with_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    kept = tmp_path / "kept"
    put(kept, "password", mode=0o644)
    put(kept, "ca", mode=0o644)
    put(kept, "certificate", mode=0o666)
    put(kept, "key", mode=0o644)
    file = tmp_path / "site.toml"
    file.write_text(SITE + f'[secrets]\ndirectory = "{kept}"\n')
    with pytest.raises(SiteFileInvalid) as told:
        load(file)
    assert [(error.key, error.line) for error in told.value.errors] == [
        ("uplink[0].password", 12),
        ("uplink[0].certificate", 14),
        ("uplink[0].key", 15),
    ]
    (kept / "password").chmod(0o600)
    (kept / "certificate").chmod(0o644)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(put(tmp_path / "systemd", "key", mode=0o400).parent))
    assert load(file).uplink[0].key == "key"
    assert parse(SITE, secrets=None).uplink[0].key == "key"
