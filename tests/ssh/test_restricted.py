"""SSH servers that forbid what others allow: what can be moved all the same is moved, and nothing is left."""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from connectors.errors import Exit
from connectors.ssh.sftp import conversation
from connectors.ssh.sftp.wire import Attributes
from connectors.ssh.shell import proof, scripts
from connectors.ssh.ssh_remote import A_DAY, SETTLED, SshRemote, version_of
from tests.conformance.promises import wait_until
from tests.servers import ssh_others
from tests.servers import sshd as sshd_server
from tests.servers.sshd import Sshd
from tests.support import require
from tests.support.far import SSH, Far, build, snapshot
from tests.support.program import run
from tests.support.sessions import at, job, opened

TREE: dict[bytes, bytes | None] = {b"large": os.urandom(300_000), b"small": b"new", b"none": b""}


def sftp_with(options: str) -> AbstractContextManager[Sshd]:
    """A server with a shell, and with options for its sftp-server."""
    sftp = f"*sftp-server*) exec /usr/lib/openssh/sftp-server {options};;"
    command = f'case "$SSH_ORIGINAL_COMMAND" in {sftp} *) exec sh -c "$SSH_ORIGINAL_COMMAND";; esac'
    return sshd_server.start(f"ForceCommand {command}")


RULES: dict[str, Callable[[], AbstractContextManager[Sshd]]] = {
    "no modes": lambda: ssh_others.proftpd("<Limit SITE_CHMOD>", "DenyAll", "</Limit>"),
    "no replacing in one step": lambda: ssh_others.proftpd("SFTPExtensions -posixRename"),
    "no mode of an open file": lambda: sftp_with("-P fsetstat"),
    "one way to exchange keys": lambda: sshd_server.start("KexAlgorithms curve25519-sha256"),
}


@pytest.fixture(params=RULES)
def strict(request: pytest.FixtureRequest) -> Iterator[Far]:
    with require.running("sshd", RULES[request.param]) as server:
        yield Far(server, "x")


def test_what_is_sent_replaces_what_is_there_and_nothing_else_is_left(strict: Far, tmp_path: Path) -> None:
    for small in (b"first", b"second"):
        tree = {**TREE, b"small": small}
        source = build(tmp_path / small.decode(), tree)
        assert strict.send_dir(source, "d", RED_RETRIES="0").code == 0
        assert strict.send_file(source / "small", "file", RED_RETRIES="0").code == 0
        sent = {b"d/" + path: content for path, content in tree.items()}
        assert snapshot(strict.root) == {b"d": None, b"file": small, **sent}
    assert strict.receive_dir("d", tmp_path / "target").code == 0
    assert snapshot(tmp_path / "target") == tree


def test_a_file_that_others_may_not_read_is_not_sent_where_its_mode_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"x")
    (tmp_path / "secret").chmod(0o600)
    with require.running("proftpd", RULES["no modes"]) as server:
        far = Far(server, "x")
        assert far.send_file(tmp_path / "secret", "file").code == Exit.NOPERM
        assert snapshot(far.root) == {}


@pytest.mark.parametrize("link", ["nowhere", "link"])
@pytest.mark.parametrize("count", [1, 400])
def test_a_broken_link_in_the_path_is_73_also_for_validate(
    far: Far, tmp_path: Path, link: str, count: int
) -> None:
    far.link("link", link)
    source = build(tmp_path / "source", {b"%d" % number: b"x" for number in range(count)})
    for result in (
        far.send_dir(source, "link"),
        far.send_dir(source, "link/d"),
        far.send_file(source / "0", "link/f"),
        run(SSH, "send-dir-validate", far.directory("link")),
        run(SSH, "send-file-validate", far.file("link/d/f")),
    ):
        assert result.code == Exit.CANTCREAT, result.stderr[:1000]
        assert "it is a link that leads nowhere" in result.stderr
    assert [path.name for path in far.root.iterdir()] == ["link"]


@pytest.mark.parametrize(
    ("age", "is_known"), [(SETTLED, True), (SETTLED - 1, False), (-100, False), (-A_DAY, True), (1e10, True)]
)
def test_a_time_within_seconds_of_now_does_not_identify_a_version(age: float, is_known: bool) -> None:
    now = 2_000_000_000
    here = Attributes(5, 0, 0o100644, int(now - age))
    assert bool(version_of(here, now).validator) is is_known


def test_future_times_are_not_waited_for(far: Far, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    far.place("new", bytes(100_000), age=0)
    far.place("to come", bytes(100_000), age=-1000)
    work = job()
    waited: list[float] = []
    monkeypatch.setattr(work, "pause", waited.append)
    with opened(at(far.server)) as session:
        remote = SshRemote(session, far.server.remote(far.folder), work)
        remote._settled("to come")
        assert waited == []
        remote._settled("new")
        assert waited == [SETTLED]


@pytest.mark.parametrize("umask", ["077", "002"])
@pytest.mark.parametrize("count", [3, 400])
def test_the_umask_of_the_sftp_server_applies_to_any_number_of_files(
    tmp_path: Path, umask: str, count: int
) -> None:
    """A shell has another one; neither has to be the one that its administrator chose for SFTP."""
    source = build(tmp_path / "source", {b"sub": None, **{b"sub/%d" % one: b"x" for one in range(count)}})
    with require.running("sshd", lambda: sftp_with(f"-u {umask}")) as server:
        far = Far(server, "x")
        far.root.chmod(0o777)
        assert far.send_dir(source, "d").code == 0
        modes = {one.stat().st_mode & 0o777 for one in (far.root / "d").rglob("*") if one.is_file()}
        folders = {one.stat().st_mode & 0o777 for one in (far.root / "d", far.root / "d" / "sub")}
    taken = 0o777 & ~int(umask, 8)
    assert (modes, folders) == ({0o644 & taken}, {0o777 & taken})


@pytest.mark.parametrize("trouble", [proof.Unusable, KeyboardInterrupt])
def test_the_staging_folder_is_removed_after_a_failure(
    sshd: Sshd, fresh: str, trouble: type[BaseException]
) -> None:
    far = Far(sshd, fresh)
    folder = os.fsencode(far.server.remote(far.folder))

    def fail() -> Iterator[tuple[bytes, int, bytes]]:
        raise trouble
        yield b"x", 0o644, b"x"

    with opened(at(far.server)) as session:
        talk = conversation.start(session, job())
        with pytest.raises(trouble):
            scripts.write(session, talk, folder, b".staging", fail())
        wait_until(lambda: snapshot(far.root) == {}, "all is removed", 5)
