"""The server's shell may show something else than its SFTP: what SFTP shows is what counts."""

import contextlib
import os
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from connectors.errors import Exit
from tests.servers import sshd as servers
from tests.servers.sftp_fault import OLD, READ
from tests.servers.sshd import Sshd
from tests.support import require
from tests.support.calls import Caller
from tests.support.far import SSH, Snapshot, build, snapshot
from tests.support.program import run

COUNT = 400  # files: enough for find and tar to be asked
SFTP_SHOWS: Snapshot = {b"f%03d" % one: b"shown by SFTP  %d" % one for one in range(COUNT)}
SHELL_SHOWS: Snapshot = {b"f%03d" % one: b"shown by shell %d" % one for one in range(COUNT)}
MOUNTS = b"/proc/self/mountinfo"

WORLDS = {
    "a mount": "mount --bind {other} {root} && exec $SSH_ORIGINAL_COMMAND",
    "a chroot": (
        "mount --rbind / {jail} && mount --bind {other} {jail}{root} &&"
        " exec chroot {jail} $SSH_ORIGINAL_COMMAND"
    ),
}
"""How SFTP comes to see another folder under the same name, as root in a namespace of its own."""


def aged(folder: Path) -> None:
    """Everything in it, and the folder itself, looks as old as everything else."""
    for one in (folder, *folder.rglob("*")):
        os.utime(one, (OLD, OLD))


@contextlib.contextmanager
def two_worlds(tmp_path: Path, how: str) -> Iterator[Sshd]:
    """A server that root logs in to; ``tmp_path / "other"`` is what SFTP shows as its log-in directory."""
    if subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode:
        require.missing("unshare", "it may not make a namespace")
    other, jail, script = tmp_path / "other", tmp_path / "jail", tmp_path / "command"
    for folder in (other, jail):
        folder.mkdir()
    with require.running(
        "sshd", lambda: servers.start("PermitRootLogin yes", f"ForceCommand sh {script}")
    ) as sshd:
        command = WORLDS[how].format(other=other, root=sshd.root, jail=jail)
        script.write_text(
            'case "$SSH_ORIGINAL_COMMAND" in\n'
            f"*sftp-server*) exec unshare -m sh -c '{command}';;\n"
            '*) exec sh -c "$SSH_ORIGINAL_COMMAND";;\n'
            "esac\n"
        )
        yield sshd


def document(sshd: Sshd, path: str) -> dict[str, object]:
    auth = {"username": "root", "privateKey": sshd.key.read_text()}
    return {"host": sshd.host, "port": sshd.port, "auth": auth, "dirPath": f"{sshd.root}/{path}"}


@pytest.mark.parametrize("how", WORLDS)
def test_a_directory_is_received_from_sftp_though_the_shell_shows_a_copy(tmp_path: Path, how: str) -> None:
    """The same names, sizes, times and owners; and most of the content: a copy from yesterday."""
    shown = {**SHELL_SHOWS, b"f007": SFTP_SHOWS[b"f007"]}
    with two_worlds(tmp_path, how) as sshd:
        aged(build(sshd.root / "d", SHELL_SHOWS))
        aged(build(tmp_path / "other" / "d", shown))
        result = run(SSH, "receive-dir", document(sshd, "d"), tmp_path / "here")
    assert result.code == 0, result.stderr
    assert snapshot(tmp_path / "here") == shown


@pytest.mark.parametrize("how", WORLDS)
def test_a_directory_is_sent_to_where_sftp_shows_it_and_nowhere_else(tmp_path: Path, how: str) -> None:
    with two_worlds(tmp_path, how) as sshd:
        aged(build(sshd.root / "d", {b"x": b"x"}))
        aged(build(tmp_path / "other" / "d", {b"x": b"x"}))
        source = build(tmp_path / "source", SFTP_SHOWS)
        result = run(SSH, "send-dir", document(sshd, "d"), source)
        assert result.code == 0, result.stderr
        assert snapshot(tmp_path / "other" / "d") == {**SFTP_SHOWS, b"x": b"x"}
        assert snapshot(sshd.root / "d") == {b"x": b"x"}


def with_shell(caller: Caller, folder: Path) -> list[str]:
    """The server gets a real shell, in which ``folder`` is there; the commands that it has been asked for."""
    asked: list[str] = []

    def command(script: bytes, said: bytes) -> Iterable[bytes]:
        done = subprocess.run(["sh", "-c", os.fsdecode(script)], input=said, capture_output=True)
        asked.append("find" if b"exec find" in script else "tar")
        return [done.stdout] if not done.returncode else []

    caller.server.command = command
    here = os.fsencode(folder)
    caller.server.folders |= {here, *(os.fsencode(one) for one in folder.parents)}
    return asked


def shown_by_sftp(caller: Caller, folder: Path, tree: Snapshot) -> None:
    """``tree`` at the name of ``folder``, each file as old and as its owner's as the shell's is."""
    for one in (folder, *folder.iterdir()):
        os.chown(one, 1000, 1000)
        one.chmod(0o755 if one.is_dir() else 0o644)
    aged(folder)
    for name, content in tree.items():
        caller.server.files[os.fsencode(folder) + b"/" + name] = bytearray(content or b"")


def received(caller: Caller, folder: Path) -> int:
    return caller.call("receive-dir", {"dirPath": str(folder)}, caller.target)


def test_the_shell_of_a_server_that_maps_names_is_not_used(caller: Caller, tmp_path: Path) -> None:
    """Such a server may show its own /proc, where it has the same mounts as the shell."""
    folder = build(tmp_path / "d", SHELL_SHOWS)
    with_shell(caller, folder)
    shown_by_sftp(caller, folder, SFTP_SHOWS)
    caller.server.files[MOUNTS] = bytearray(Path(os.fsdecode(MOUNTS)).read_bytes())
    assert received(caller, folder) == Exit.OK
    assert snapshot(caller.target) == SFTP_SHOWS


def test_files_that_the_shell_does_not_show_are_received(caller: Caller, tmp_path: Path) -> None:
    fewer = {name: SFTP_SHOWS[name] for name in sorted(SFTP_SHOWS)[COUNT // 4 :]}
    folder = build(tmp_path / "d", fewer)
    with_shell(caller, folder)
    shown_by_sftp(caller, folder, SFTP_SHOWS)
    caller.server.files[MOUNTS] = bytearray(Path(os.fsdecode(MOUNTS)).read_bytes())
    assert received(caller, folder) == Exit.OK
    assert snapshot(caller.target) == SFTP_SHOWS


@pytest.mark.parametrize("mounts", [None, b"", b"25 1 8:1 / / rw - ext4 /dev/sda1 rw\n"])
def test_without_the_same_mounts_the_shell_is_not_used(
    caller: Caller, tmp_path: Path, mounts: bytes | None
) -> None:
    folder = build(tmp_path / "d", SFTP_SHOWS)
    asked = with_shell(caller, folder)
    shown_by_sftp(caller, folder, SFTP_SHOWS)
    if mounts is not None:
        caller.server.files[MOUNTS] = bytearray(mounts)
    assert received(caller, folder) == Exit.OK
    assert snapshot(caller.target) == SFTP_SHOWS
    assert bool(asked) is bool(mounts)


def test_the_shell_is_used_if_it_shows_the_same_files_as_sftp(caller: Caller, tmp_path: Path) -> None:
    folder = build(tmp_path / "d", SFTP_SHOWS)
    asked = with_shell(caller, folder)
    shown_by_sftp(caller, folder, SFTP_SHOWS)
    caller.server.files[MOUNTS] = bytearray(Path(os.fsdecode(MOUNTS)).read_bytes())
    assert received(caller, folder) == Exit.OK
    assert snapshot(caller.target) == SFTP_SHOWS
    assert asked == ["find", "tar"]
    assert caller.server.kinds().count(READ) < 10  # for proof
