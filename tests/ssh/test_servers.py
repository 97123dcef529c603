"""SSH servers as other people set them up: other log-in shells, other tools than GNU's, other rules.

What all of them must keep is in the conformance suite: dropbear, ProFTPD, AsyncSSH, rclone are cases of it.
"""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.errors import Exit
from connectors.ssh.sftp import conversation
from connectors.ssh.shell import proof, scripts
from tests.conformance.promises import MIB
from tests.servers import folder, needs
from tests.servers import sshd as sshd_server
from tests.servers.sshd import Sshd
from tests.support import require
from tests.support.far import SSH, Far, build, snapshot
from tests.support.program import run
from tests.support.sessions import at, job, opened

TREE: dict[bytes, bytes | None] = {
    b"deep": None,
    b"deep/er": None,
    b"empty": None,
    "ü\n'\"\\ $(x)!".encode(): b"odd",
    b"not \xff UTF-8": b"odd too",
    **{b"deep/er/%d" % number: b"%d" % number for number in range(400)},
}
"""With enough files for find and tar to be asked."""


@contextlib.contextmanager
def with_shell(name: str) -> Iterator[Sshd]:
    """A server whose account has that log-in shell; with busybox, the other programs are its own too."""
    with folder() as tools:
        program = needs(name)
        if name == "busybox":
            subprocess.run([program, "--install", "-s", tools], check=True)
            program = f"env PATH={tools} {tools}/sh"
        with sshd_server.start(f'ForceCommand exec {program} -c "$SSH_ORIGINAL_COMMAND"') as server:
            yield server


@pytest.mark.parametrize("name", ["tcsh", "fish"])
def test_find_and_tar_run_in_any_login_shell(name: str) -> None:
    with require.running(name, lambda: with_shell(name)) as server, opened(at(server)) as session:
        folder = os.fsencode(server.root)
        talk = conversation.start(session, job())
        scripts.write(session, talk, folder, b".staging", [(b"it's", 0o640, b"content")])
        assert [path for path, _ in scripts.find(session, talk, folder, {})] == ["it's"]
        batches = list(scripts.read(session, talk, folder, [[b"it's"]]))
        assert batches == [[(b"it's", b"content")]]
        assert (server.root / "it's").stat().st_mode & 0o777 == 0o640


def test_find_and_tar_of_another_kind_are_not_used() -> None:
    with require.running("busybox", lambda: with_shell("busybox")) as server, opened(at(server)) as session:
        talk = conversation.start(session, job())
        with pytest.raises(proof.Unusable):
            scripts.find(session, talk, os.fsencode(server.root), {})


@pytest.mark.parametrize("name", ["tcsh", "fish", "busybox"])
def test_directories_are_transferred_with_any_login_shell(name: str, tmp_path: Path) -> None:
    source = build(tmp_path / "source", TREE)
    with require.running(name, lambda: with_shell(name)) as server:
        far = Far(server, "x")
        assert run(SSH, "send-dir", far.directory("d"), source).code == 0
        assert snapshot(far.root) == {b"d": None, **{b"d/" + path: one for path, one in TREE.items()}}
        assert run(SSH, "receive-dir", far.directory("d"), tmp_path / "target").code == 0
        assert snapshot(tmp_path / "target") == TREE


def test_a_directory_can_be_sent_again_to_a_server_that_forbids_overwriting(
    proftpd: Sshd, fresh: str, tmp_path: Path
) -> None:
    far = Far(proftpd, fresh)
    files: dict[bytes, bytes | None] = {b"large": os.urandom(MIB), b"small": b"new", b"none": b""}
    source = build(tmp_path / "source", files)
    for path in files:
        far.place(b"d/" + path, b"old")
    for _ in range(2):
        assert far.send_dir(source, "d").code == 0
        assert snapshot(far.root / "d") == files


def test_the_owner_of_a_folder_is_ignored_if_users_are_not_system_accounts(
    asyncssh: Sshd, fresh: str, tmp_path: Path
) -> None:
    """There all of them may write as root."""
    if os.getuid() != 0:
        require.missing("root", "the server's files must be root's")
    far = Far(asyncssh, fresh)
    far.root.chmod(0o755)
    source = build(tmp_path / "source", {b"x": b"x"})
    assert run(SSH, "send-file-validate", far.file("d/x")).code == 0
    assert run(SSH, "send-file", far.file("d/x"), source / "x").code == 0


@pytest.mark.parametrize("server", ["proftpd", "rclone"])
@pytest.mark.parametrize("verb", ["send-file", "send-dir"])
def test_a_file_in_the_way_is_not_retried(
    request: pytest.FixtureRequest, fresh: str, tmp_path: Path, verb: str, server: str
) -> None:
    """They call it a failure, of which a full disk is another one."""
    far = Far(request.getfixturevalue(server), fresh)
    far.place("in-the-way", b"x")
    source = build(tmp_path / "source", {b"x": b"x"})
    if verb == "send-file":
        result = run(SSH, verb, far.file("in-the-way/x"), source / "x")
    else:
        result = run(SSH, verb, far.directory("in-the-way/x"), source)
    assert result.code == Exit.CANTCREAT
    assert "in-the-way: something else" in result.stderr
    assert "trying again" not in result.stderr
