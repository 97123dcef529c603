"""red-connector-ssh: what people have stumbled over."""

import os
from pathlib import Path

import pytest

from tests.servers import sshd as sshd_server
from tests.servers.sshd import Sshd
from tests.support import require
from tests.support.far import SSH, Far, build
from tests.support.program import run


@pytest.mark.parametrize("count", [2, 400])
@pytest.mark.parametrize("path", ["one", "a/b/c", "a/b/", "./d/e", "~/f/g"])
def test_a_relative_folder_gets_exactly_the_files_sent(
    sshd: Sshd, fresh: str, tmp_path: Path, count: int, path: str
) -> None:
    (tmp_path / "x").mkdir()
    for number in range(count):
        (tmp_path / "x" / str(number)).write_bytes(b"x")
    auth = {"username": sshd.username, "password": sshd.password}
    place = path.replace("~/", f"~/{fresh}/") if path.startswith("~") else f"{fresh}/{path}"
    access = {"host": sshd.host, "port": sshd.port, "auth": auth, "dirPath": place}
    for _ in range(2):
        assert run(SSH, "send-dir", access, tmp_path / "x").code == 0
        root = sshd.root / fresh
        folder = root / path.removeprefix("~/")
        assert sorted(os.listdir(folder)) == sorted(map(str, range(count)))
        folders = {one.relative_to(root) for one in root.rglob("*") if one.is_dir()}
        assert folders == {folder.relative_to(root), *folder.relative_to(root).parents} - {Path()}


def test_the_number_of_failures_is_given_out_of_all_files(sshd: Sshd, fresh: str, tmp_path: Path) -> None:
    far = Far(sshd, fresh)
    build(far.root / "d", {"a": b"1", "b": b"2", "c": b"3"})
    listing = [{"class": "File", "basename": name} for name in ("a", "b", "c", "none")]
    for verb, target in (("receive-dir", [tmp_path / "x"]), ("receive-dir-validate", [])):
        result = run(SSH, verb, far.directory("d"), *target, "--listing", listing)
        assert result.code == 66
        assert "1 of 4 files" in result.stderr


@pytest.mark.parametrize("verb", ["send-file", "send-dir"])
def test_a_system_folder_is_77_for_validate(sshd: Sshd, verb: str) -> None:
    auth = {"username": sshd.username, "password": sshd.password}
    path = {"filePath": "/etc/x/y"} if verb == "send-file" else {"dirPath": "/etc/x"}
    result = run(SSH, f"{verb}-validate", {"host": sshd.host, "port": sshd.port, "auth": auth, **path})
    assert result.code == 77
    assert "/etc" in result.stderr


def test_a_login_shell_that_prints_is_76_and_quoted(tmp_path: Path) -> None:
    prints = "ForceCommand echo Welcome to the cluster; exec /usr/lib/openssh/sftp-server"
    with require.running("sshd", lambda: sshd_server.start(prints)) as server:
        access = Far(server, "x").file("none")
        result = run(SSH, "receive-file", access, tmp_path / "x", env={"RED_RETRIES": "0"})
    assert result.code == 76
    assert "Welcome to the cluster" in result.stderr
    assert ".bashrc" in result.stderr


def test_an_unreceivable_entry_comes_with_a_hint(sshd: Sshd, fresh: str, tmp_path: Path) -> None:
    far = Far(sshd, fresh)
    build(far.root / "d", {"a": b"1"})
    os.symlink("/nowhere", far.root / "d" / "broken")
    result = run(SSH, "receive-dir", far.directory("d"), tmp_path / "x")
    assert result.code == 66
    assert "--listing" in result.stderr
