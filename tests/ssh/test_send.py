"""red-connector-ssh: a file that is sent is there whole or not at all, whatever happens on the way."""

import contextlib
import os
import pwd
import signal
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.promises import wait_until
from tests.servers.delay import Relay
from tests.servers.sshd import ACCOUNT, Sshd
from tests.support.far import SSH, Far, build, hidden, snapshot
from tests.support.program import run, start

OLD = b"old content"
NEW = os.urandom(1 << 20) * 12  # more than what may be under way unanswered


@pytest.fixture
def far(sftp_only: Sshd, fresh: str) -> Far:
    """Files go by SFTP alone, whatever else a server can do."""
    return Far(sftp_only, fresh)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_bytes(NEW)
    return path


@contextlib.contextmanager
def half_sent(
    far: Far, source: Path, relay: Relay, path: str = "to/file"
) -> Iterator["subprocess.Popen[bytes]"]:
    """A transfer that is stuck in the middle: the relay lets 4 MiB through."""
    relay.hold_after(4 << 20, upwards=True)
    process = start(SSH, "send-file", far.file(path, relay.port), source)
    try:
        relay.wait_until_held()
        wait_until(lambda: bool(hidden(far.root)), "the far end has something of it")
        yield process
    finally:
        process.kill()
        process.communicate()


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# --- where it goes ------------------------------------------------------------------------------------


def test_missing_parent_folders_are_created(far: Far, source: Path) -> None:
    result = far.send_file(source, "a/b c/d/file")
    assert result.code == 0, result.stderr
    assert snapshot(far.root) == {b"a": None, b"a/b c": None, b"a/b c/d": None, b"a/b c/d/file": NEW}


@pytest.mark.parametrize("size", [0, 1, 32768, 32769, 261120, 261121])
def test_a_file_at_the_edges_of_blocks_arrives(far: Far, tmp_path: Path, size: int) -> None:
    (tmp_path / "x").write_bytes(NEW[:size])
    assert far.send_file(tmp_path / "x", "x").code == 0
    assert far.receive_file("x", tmp_path / "y").code == 0
    assert snapshot(far.root) == {b"x": NEW[:size]}
    assert (tmp_path / "y").read_bytes() == NEW[:size]


def test_an_incomplete_file_has_a_hidden_name_next_to_the_target(
    far: Far, source: Path, relay: Relay
) -> None:
    far.place("to/file", OLD)
    with half_sent(far, source, relay) as process:
        [name] = hidden(far.root)
        assert (far.root / "to" / name).is_file()
        assert (far.root / "to/file").read_bytes() == OLD
        relay.release()
        assert process.wait(20) == 0
    assert snapshot(far.root / "to") == {b"file": NEW}


def test_the_longest_name_can_be_sent(far: Far, source: Path) -> None:
    for name in ("x" * 255, "ü" * 127):
        result = far.send_file(source, name)
        assert result.code == 0, result.stderr
    assert snapshot(far.root).keys() == {b"x" * 255, ("ü" * 127).encode()}


# --- interrupted --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("sign", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_an_interrupted_send_removes_its_part_file(
    far: Far, source: Path, relay: Relay, sign: signal.Signals, code: int
) -> None:
    """The server still reads: the relay is released as the signal comes."""
    far.place("to/file", OLD)
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)  # a child inherits "ignored"
    try:
        with half_sent(far, source, relay) as process:
            process.send_signal(sign)
            relay.release()
            assert process.wait(3) == code
    finally:
        signal.signal(signal.SIGINT, handler)
    wait_until(lambda: not hidden(far.root), "the hidden file is gone", 2)
    assert snapshot(far.root / "to") == {b"file": OLD}


def test_the_part_of_a_killed_send_is_overwritten_by_the_next(far: Far, source: Path, relay: Relay) -> None:
    far.place("to/file", OLD)
    with half_sent(far, source, relay) as process:
        process.send_signal(signal.SIGKILL)
    relay.release()
    assert len(hidden(far.root)) == 1
    assert (far.root / "to/file").read_bytes() == OLD
    assert far.send_file(source, "to/file").code == 0
    assert snapshot(far.root / "to") == {b"file": NEW}


def test_a_shorter_file_does_not_keep_the_end_of_a_killed_send(far: Far, source: Path, relay: Relay) -> None:
    with half_sent(far, source, relay) as process:
        process.send_signal(signal.SIGKILL)
    source.write_bytes(b"short")
    assert far.send_file(source, "to/file").code == 0
    assert snapshot(far.root / "to") == {b"file": b"short"}


def test_an_interrupted_directory_transfer_leaves_only_whole_files(
    far: Far, tmp_path: Path, relay: Relay
) -> None:
    tree = {b"%d" % number: NEW[number : number + 60_000] for number in range(200)}
    build(tmp_path / "d", tree)
    relay.hold_after(6 << 20, upwards=True)
    process = start(SSH, "send-dir", far.directory("to", relay.port), tmp_path / "d")
    relay.wait_until_held()
    process.send_signal(signal.SIGTERM)
    relay.release()
    process.communicate(timeout=5)
    assert process.returncode == 143
    wait_until(lambda: not hidden(far.root), "the hidden files are gone", 2)
    arrived = snapshot(far.root / "to")
    assert arrived.items() <= tree.items()


def test_the_line_is_cut_once_and_the_file_arrives(far: Far, source: Path, relay: Relay) -> None:
    far.place("to/file", OLD)
    with half_sent(far, source, relay) as process:
        far.server.hang_up()
        relay.release()
        assert process.wait(20) == 0
    assert relay.connections == 2
    assert snapshot(far.root / "to") == {b"file": NEW}


# --- modes and owners -----------------------------------------------------------------------------------


@pytest.mark.parametrize("bits", [0o644, 0o600, 0o755, 0o400])
def test_a_new_file_has_the_mode_of_the_local_one(far: Far, source: Path, bits: int) -> None:
    source.chmod(bits)
    assert far.send_file(source, "file").code == 0
    assert mode(far.root / "file") == bits
    assert far.send_file(source, "file").code == 0


@pytest.mark.parametrize("bits", [0o640, 0o777, 0o604, 0o444])
def test_a_file_that_is_replaced_keeps_its_mode(far: Far, source: Path, bits: int) -> None:
    far.place("file", OLD, bits)
    assert far.send_file(source, "file").code == 0
    assert mode(far.root / "file") == bits
    assert (far.root / "file").read_bytes() == NEW


def test_a_private_file_is_never_readable_by_others_during_the_transfer(
    far: Far, source: Path, relay: Relay
) -> None:
    far.place("to/file", OLD, 0o600)
    with half_sent(far, source, relay):
        [name] = hidden(far.root)
        assert mode(far.root / "to" / name) & 0o077 == 0


# --- refused --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["closed/file", "closed/new/file"])
def test_a_folder_that_may_not_be_written_to_is_77(far: Far, source: Path, path: str) -> None:
    far.make_dir("closed").chmod(0o555)
    assert run(SSH, "send-file-validate", far.file(path)).code == 77
    result = far.send_file(source, path)
    assert result.code == 77, result.stderr
    assert "closed" in result.stderr
    assert snapshot(far.root) == {b"closed": None}


def test_a_directory_that_may_not_be_written_to_is_77(far: Far, tmp_path: Path) -> None:
    far.place("closed/theirs", OLD)
    (far.root / "closed").chmod(0o555)
    build(tmp_path / "d", {b"a": b"a", b"b": b"b", b"c/d": b"d"})
    assert run(SSH, "send-dir-validate", far.directory("closed")).code == 77
    assert far.send_dir(tmp_path / "d", "closed").code == 77
    assert far.send_dir(tmp_path / "d", "closed/new").code == 77
    assert snapshot(far.root) == {b"closed": None, b"closed/theirs": OLD}


def test_another_users_folder_is_77_also_for_validate(far: Far, source: Path) -> None:
    folder = far.root / "roots"
    folder.mkdir(mode=0o755)
    assert folder.stat().st_uid != pwd.getpwnam(ACCOUNT).pw_uid
    assert far.send_file(source, "roots/file").code == 77
    assert run(SSH, "send-file-validate", far.file("roots/file")).code in (0, 77)  # SFTP tells no groups
    assert snapshot(folder) == {}


def test_a_target_that_is_a_directory_is_73(far: Far, source: Path) -> None:
    far.place("folder/theirs", OLD)
    for path in ("folder", "folder/"):
        result = far.send_file(source, path)
        assert result.code == 73, result.stderr
    assert run(SSH, "send-file-validate", far.file("folder")).code == 73
    assert snapshot(far.root) == {b"folder": None, b"folder/theirs": OLD}


def test_a_target_that_is_neither_file_nor_directory_is_73_and_stays(far: Far, source: Path) -> None:
    os.mkfifo(far.root / "pipe")
    assert far.send_file(source, "pipe").code == 73
    assert run(SSH, "send-file-validate", far.file("pipe")).code == 73
    assert (far.root / "pipe").is_fifo()


def test_a_file_in_place_of_a_folder_is_73(far: Far, source: Path) -> None:
    far.place("file", OLD)
    for path in ("file/new", "file/a/new"):
        result = far.send_file(source, path)
        assert result.code == 73, (path, result.stderr)
        assert run(SSH, "send-file-validate", far.file(path)).code == 73
    assert snapshot(far.root) == {b"file": OLD}


def test_a_remote_link_is_replaced_and_its_target_stays(far: Far, source: Path) -> None:
    far.place("real/file", OLD)
    far.link("link", "real/file")
    assert far.send_file(source, "link").code == 0
    assert (far.root / "link").read_bytes() == NEW
    assert not (far.root / "link").is_symlink()
    assert (far.root / "real/file").read_bytes() == OLD
    assert hidden(far.root) == []


def test_a_link_to_a_folder_in_the_path_is_followed(far: Far, source: Path) -> None:
    far.make_dir("real")
    far.link("link", "real")
    assert far.send_file(source, "link/new/file").code == 0
    assert (far.root / "real/new/file").read_bytes() == NEW


def test_a_source_that_grows_during_the_transfer_is_a_failure(far: Far, source: Path, relay: Relay) -> None:
    far.place("to/file", OLD)
    with half_sent(far, source, relay) as process:
        with open(source, "ab") as file:
            file.write(b"more")
        relay.release()
        assert process.wait(20) == 65
    assert snapshot(far.root / "to") == {b"file": OLD}


def test_concurrent_sends_to_the_same_name_do_not_mix_their_bytes(far: Far, tmp_path: Path) -> None:
    contents = [bytes([number]) * (5 << 20) for number in range(4)]
    processes = []
    for number, content in enumerate(contents):
        build(tmp_path, {b"%d/file" % number: content})
        processes.append(start(SSH, "send-file", far.file("file"), tmp_path / str(number) / "file"))
    for process in processes:
        process.communicate(timeout=30)
    assert [process.returncode for process in processes] == [0] * 4
    assert snapshot(far.root).keys() == {b"file"}
    assert (far.root / "file").read_bytes() in contents
