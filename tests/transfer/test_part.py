"""Part files: what becomes of them when others interfere at the worst moment, or a kill comes there."""

import os
import shutil
import signal
import stat
import subprocess
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from connectors.errors import CannotCreate, RedError, TemporaryFailure
from connectors.model import Entry, Version
from connectors.remote import Arrived
from connectors.settings import Settings
from connectors.transfer import small
from connectors.transfer.arrival import Arrival
from connectors.transfer.folders import LocalTree, single_file
from connectors.transfer.job import Job
from connectors.transfer.progress import Progress
from connectors.transfer.receipt import Receipts
from tests.conformance.promises import wait_until
from tests.support.mounting import needs_fuse
from tests.support.require import missing

NEW = b"new and whole"
VERSION = Version("etag", len(NEW))
JOB = Job(Settings(), Progress(), Receipts(""))
Swap = Callable[[Path], None]


@pytest.fixture
def target(tmp_path: Path) -> Path:
    (tmp_path / "folder").mkdir()
    return tmp_path / "folder" / "t"


@pytest.fixture(autouse=True)
def umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def left(target: Path) -> list[str]:
    return sorted(one.name for one in target.parent.iterdir())


def receive(target: Path, version: Version = VERSION, content: bytes = NEW) -> None:
    """As receive-file does."""
    with single_file(str(target)) as place, Arrival(place, "source", JOB) as arrival:
        arrival.begin(version)
        arrival.write(content[:5])
        arrival.write(content[5:])
        arrival.verify()
        arrival.commit()


def receive_small(target: Path, version: Version = VERSION) -> bool:
    """As receive-dir does, where the connector has small files together."""
    arrived = Arrived(Entry(target.name, False), version, NEW)
    with LocalTree(str(target.parent)) as tree, tree.one_by_one() as places:
        return small.install(JOB, places, "source", arrived, replace=target.exists())


def interrupt(target: Path) -> None:
    """Receive half of it."""

    def attempt() -> None:
        with single_file(str(target)) as place, Arrival(place, "source", JOB) as arrival:
            arrival.begin(VERSION)
            arrival.write(NEW[:5])
            raise TemporaryFailure("cut")

    with pytest.raises(TemporaryFailure, match="cut"):
        attempt()


def before(monkeypatch: pytest.MonkeyPatch, call: str, number: int, action: Callable[[], None]) -> None:
    """Something happens just before the ``number``-th call of that function of the operating system."""
    original: Callable[..., Any] = getattr(os, call)
    calls = 0

    def hooked(*arguments: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == number:
            action()
        return original(*arguments, **options)

    monkeypatch.setattr(os, call, hooked)


def remove(name: Path) -> None:
    name.unlink()


def put_another(name: Path) -> None:
    name.unlink()
    name.write_bytes(b"half of anoth")


def put_a_link(name: Path) -> None:
    name.unlink()
    name.symlink_to("/nowhere")


def put_a_link_to_itself(name: Path) -> None:
    name.rename(name.with_name("moved"))
    name.symlink_to("moved")


def put_a_folder(name: Path) -> None:
    name.unlink()
    name.mkdir()


SWAPS = [remove, put_another, put_a_link, put_a_link_to_itself, put_a_folder]


@pytest.mark.parametrize("proc", [True, False])
@pytest.mark.parametrize("swap", SWAPS)
@pytest.mark.parametrize("call", ["fsync", "rename"])
def test_a_replaced_part_file_is_never_installed(
    target: Path, monkeypatch: pytest.MonkeyPatch, swap: Swap, call: str, proc: bool
) -> None:
    """Even when that happens in the last moment, and where /proc is not mounted."""
    if not proc:
        monkeypatch.setattr("connectors.transfer.part.place_of", lambda _: "")
    target.write_bytes(b"old")
    part = target.with_name(".t.red-part")
    before(monkeypatch, call, 1, lambda: swap(part))
    with pytest.raises(TemporaryFailure, match=r"\.t\.red-part was removed or replaced during the transfer"):
        receive(target)
    assert target.read_bytes() == b"old"
    assert not target.is_symlink()
    monkeypatch.undo()
    if part.is_dir():
        part.rmdir()
    receive(target)
    assert target.read_bytes() == NEW
    assert [name for name in left(target) if name != "moved"] == ["t"]


@pytest.mark.parametrize("swap", SWAPS)
def test_a_replaced_last_temporary_name_is_a_failure(
    target: Path, monkeypatch: pytest.MonkeyPatch, swap: Swap
) -> None:
    before(monkeypatch, "rename", 2, lambda: swap(target.with_name("..t.red-part.red-part")))
    with pytest.raises(RedError):
        receive(target)


def test_the_part_of_another_call_is_given_back(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other call goes on writing into it, and installs it."""
    part = target.with_name(".t.red-part")
    with single_file(str(target)) as place:

        def take_over() -> None:
            part.unlink()
            other.__enter__()
            other.begin(Version("other", 5))
            other.write(b"oth")

        other = Arrival(place, "source", JOB)
        before(monkeypatch, "rename", 1, take_over)
        with pytest.raises(TemporaryFailure, match="removed or replaced"):
            receive(target)
        assert not target.exists()
        other.write(b"er")
        other.commit()
    assert target.read_bytes() == b"other"
    assert left(target) == ["t"]


@pytest.mark.parametrize("swap", SWAPS)
def test_a_small_file_is_done_only_if_it_is_the_one_that_was_written(
    target: Path, monkeypatch: pytest.MonkeyPatch, swap: Swap
) -> None:
    before(monkeypatch, "rename", 1, lambda: swap(target.with_name("..t.red-part.red-part")))
    assert receive_small(target) is False


def test_a_state_file_of_another_part_is_ignored(target: Path) -> None:
    interrupt(target)
    state = target.with_name(".t.red-state").read_bytes()
    target.with_name(".t.red-part").rename(target.with_name("moved"))
    target.with_name(".t.red-part").write_bytes(b"other")
    target.with_name(".t.red-state").write_bytes(state)
    with single_file(str(target)) as place, Arrival(place, "source", JOB) as arrival:
        assert arrival.offset == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="gives files to somebody else")
def test_a_state_file_of_another_user_is_ignored(target: Path) -> None:
    interrupt(target)
    os.chown(target.with_name(".t.red-state"), 12345, 12345)
    with single_file(str(target)) as place, Arrival(place, "source", JOB) as arrival:
        assert arrival.offset == 0


def test_a_leftover_part_is_resumed(target: Path) -> None:
    interrupt(target)
    with single_file(str(target)) as place, Arrival(place, "source", JOB) as arrival:
        assert arrival.offset == 5


def test_an_orphaned_state_file_is_removed_by_the_next_success(target: Path) -> None:
    interrupt(target)
    target.with_name(".t.red-part").unlink()
    receive(target, VERSION._replace(validator=""))
    assert left(target) == ["t"]


def test_a_target_that_becomes_a_folder_is_73_and_the_part_stays_no_longer(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before(monkeypatch, "fsync", 1, target.mkdir)
    with pytest.raises(CannotCreate, match=r"cannot create .*/t: Is a directory"):
        receive(target)
    assert left(target) == ["t"]


# --- modes ---


@pytest.mark.parametrize("receiving", [receive, receive_small])
@pytest.mark.parametrize("old", [0o600, 0o640, 0o400, 0o755, 0o666, 0o4755])
def test_a_file_that_replaces_another_has_its_mode(
    target: Path, monkeypatch: pytest.MonkeyPatch, old: int, receiving: Callable[[Path], object]
) -> None:
    target.write_bytes(b"old")
    target.chmod(old)
    seen: list[int] = []

    def look() -> None:
        seen.extend(mode(one) & ~old for one in target.parent.iterdir())

    before(monkeypatch, "write", 1, look)
    before(monkeypatch, "rename", 1, look)
    receiving(target)
    assert target.read_bytes() == NEW
    assert mode(target) == old & 0o777
    assert not any(bits & 0o077 for bits in seen), "more could read it on the way"


def test_a_received_executable_is_executable_for_all_who_may_read_it(target: Path) -> None:
    target.write_bytes(b"old")
    for old, new in ((0o600, 0o700), (0o640, 0o750), (0o644, 0o755)):
        target.chmod(old)
        assert receive_small(target, VERSION._replace(executable=True))
        assert mode(target) == new


def test_a_leftover_part_takes_the_mode_of_a_newer_private_target(target: Path) -> None:
    interrupt(target)
    assert mode(target.with_name(".t.red-part")) == 0o644
    target.write_bytes(b"private")
    target.chmod(0o600)
    with single_file(str(target)) as place, Arrival(place, "source", JOB) as arrival:
        assert arrival.offset == 5
        assert mode(target.with_name(".t.red-part")) == 0o600


def test_a_file_whose_predecessor_was_deleted_gets_the_default_mode(target: Path) -> None:
    target.write_bytes(b"private")
    target.chmod(0o600)
    interrupt(target)
    target.unlink()
    receive(target)
    assert mode(target) == 0o644


def test_a_private_target_created_during_the_transfer_stays_private(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def come() -> None:
        target.write_bytes(b"private")
        target.chmod(0o600)

    before(monkeypatch, "write", 1, come)
    receive(target)
    assert mode(target) == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="gives files to somebody else")
@pytest.mark.parametrize("receiving", [receive, receive_small])
def test_owner_and_group_are_kept_if_allowed(target: Path, receiving: Callable[[Path], object]) -> None:
    target.write_bytes(b"old")
    os.chown(target, 12345, 23456)
    target.chmod(0o640)
    receiving(target)
    here = target.stat()
    assert (here.st_uid, here.st_gid, mode(target)) == (12345, 23456, 0o640)


@pytest.mark.parametrize("receiving", [receive, receive_small])
def test_another_group_gets_the_permissions_of_others(
    target: Path, monkeypatch: pytest.MonkeyPatch, receiving: Callable[[Path], object]
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    target.write_bytes(b"old")
    if os.geteuid() == 0:
        os.chown(target, -1, 23456)
    target.chmod(0o664)
    monkeypatch.setattr(os, "fchown", refuse)
    receiving(target)
    assert mode(target) == (0o644 if os.geteuid() == 0 else 0o664)


def test_the_state_is_private(target: Path) -> None:
    interrupt(target)
    assert mode(target.with_name(".t.red-state")) == 0o600


# --- file systems that lack something ---


def test_files_arrive_without_locks_attributes_or_modes(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unsupported(*_: object, **__: object) -> None:
        raise OSError(95, "Operation not supported")

    for name in ("setxattr", "getxattr", "fchmod", "fchown"):
        monkeypatch.setattr(os, name, unsupported)
    monkeypatch.setattr("fcntl.flock", unsupported)
    for _ in range(2):
        receive(target)
        assert receive_small(target, VERSION._replace(executable=True))
    assert target.read_bytes() == NEW
    assert left(target) == ["t"]


@pytest.fixture
def renumbering(tmp_path: Path) -> Iterator[Path]:
    """A file system that numbers files anew when they are renamed: a mount of rclone."""
    needs_fuse()
    if not shutil.which("rclone"):
        missing("rclone", "rclone is not installed: run tests/install-servers.sh")
    (tmp_path / "store").mkdir()
    (tmp_path / "mount").mkdir()
    words = [
        "rclone",
        "mount",
        f":local:{tmp_path}/store",
        str(tmp_path / "mount"),
        "--vfs-cache-mode",
        "writes",
    ]
    words += ["--config", os.devnull, "--cache-dir", str(tmp_path / "cache")]
    process = subprocess.Popen(words, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: os.path.ismount(tmp_path / "mount"), "it is mounted")
        yield tmp_path / "mount"
    finally:
        subprocess.run(["fusermount3", "-u", str(tmp_path / "mount")], check=False)
        process.terminate()
        process.wait(10)


def test_files_arrive_though_a_rename_changes_the_inode(renumbering: Path) -> None:
    for _ in range(5):
        receive(renumbering / "t")
        assert (renumbering / "t").read_bytes() == NEW
        assert receive_small(renumbering / "s")
        assert (renumbering / "s").read_bytes() == NEW
    assert left(renumbering / "t") == ["s", "t"]


# --- kill -9 ---

CALLS = ("open", "write", "fsync", "fchmod", "setxattr", "rename", "unlink", "close")


def killed_before(number: int, receiving: Callable[[Path], object], target: Path) -> bool:
    """Receive in a process that is killed before its ``number``-th call; False if it has not so many."""
    child = os.fork()
    if not child:
        calls = count(1)

        def killing(original: Callable[..., Any]) -> Callable[..., Any]:
            def call(*arguments: Any, **options: Any) -> Any:
                if next(calls) == number:
                    os.kill(os.getpid(), signal.SIGKILL)
                return original(*arguments, **options)

            return call

        for name in CALLS:
            setattr(os, name, killing(getattr(os, name)))
        try:
            receiving(target)
        finally:
            os._exit(0)
    return os.waitpid(child, 0)[1] == signal.SIGKILL


@pytest.mark.parametrize("receiving", [receive, receive_small])
@pytest.mark.parametrize("there", [True, False])
def test_a_kill_at_any_moment_leaves_the_old_file_or_the_new_one_and_the_next_call_tidies_up(
    target: Path, receiving: Callable[[Path], object], there: bool
) -> None:
    for number in count(1):
        target.unlink(missing_ok=True)
        if there:
            target.write_bytes(b"old")
        killed = killed_before(number, receiving, target)
        assert (target.read_bytes() if target.exists() else None) in (NEW, b"old" if there else None)
        if receiving is receive or not receive_small(target):
            receive(target)  # the engine does one by one what does not go well together
        assert target.read_bytes() == NEW
        assert left(target) == ["t"], f"left by a kill before call {number}"
        if not killed:
            break
    assert number > 5
