"""Folders of a local directory are opened by descriptor: what they are replaced by leads nowhere."""

import os
import resource
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.errors import CannotCreate, DataError, NotFound, RedError, TemporaryFailure
from connectors.transfer.folders import MOST_OPEN, LocalTree, single_file


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "root").mkdir()
    (tmp_path / "outside").mkdir()
    return tmp_path / "root"


@pytest.fixture
def few_files() -> Iterator[None]:
    """As with ``ulimit -n``: so many may be open beyond those that are."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) + MOST_OPEN + 8, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def put(tree: LocalTree, path: str, content: bytes = b"x") -> None:
    with tree.file(path) as file:
        fd = os.open(file.name, os.O_WRONLY | os.O_CREAT, dir_fd=file.folder)
        os.write(fd, content)
        os.close(fd)


def content(tree: LocalTree, path: str) -> bytes:
    with open(tree.open(path), "rb") as file:
        return file.read()


def forget(tree: LocalTree) -> None:
    """So many other folders are used that none of the earlier ones is open any more."""
    for number in range(2 * MOST_OPEN):
        tree.make(f"other-{number}")


def test_folders_are_made_with_their_parents_and_may_exist(root: Path) -> None:
    with LocalTree(str(root)) as tree:
        for path in ("a/b/c", "a/b/d", "a", ""):
            tree.make(path)
            tree.make(path)
        put(tree, "a/b/c/f")
        put(tree, "f")
    assert sorted(str(one.relative_to(root)) for one in root.rglob("*")) == [
        "a", "a/b", "a/b/c", "a/b/c/f", "a/b/d", "f",
    ]  # fmt: skip


@pytest.mark.parametrize("is_open", [True, False])
def test_a_folder_replaced_by_a_link_is_not_followed(root: Path, is_open: bool) -> None:
    def transfer() -> None:
        with LocalTree(str(root)) as tree:
            tree.make("sub/deep")
            if not is_open:
                forget(tree)
            (root / "sub").rename(root / "moved")
            (root / "sub").symlink_to("../outside")
            (root.parent / "outside" / "deep").mkdir()
            put(tree, "sub/deep/f")

    with pytest.raises((CannotCreate, TemporaryFailure), match="sub"):
        transfer()
    assert list((root.parent / "outside").rglob("f")) == []


def test_a_folder_replaced_by_a_link_to_a_folder_inside_is_not_followed(root: Path) -> None:
    with LocalTree(str(root)) as tree:
        tree.make("one")
        tree.make("two")
        forget(tree)
        (root / "one").rmdir()
        (root / "one").symlink_to("two")
        with pytest.raises(CannotCreate, match=r"root/one was replaced by a link"):
            put(tree, "one/f")
    assert list((root / "two").iterdir()) == []


def test_a_folder_replaced_by_a_link_between_parts_is_refused(root: Path) -> None:
    """As in a large tree, which comes in parts."""
    with LocalTree(str(root)) as tree:
        tree.make("one")
        tree.make("two")
        forget(tree)
        (root / "one").rmdir()
        time.sleep(0.02)  # the clock of file systems ticks slowly
        (root / "one").symlink_to("two")
        with pytest.raises(CannotCreate, match=r"root/one was replaced by a link"):
            tree.make("one")


@pytest.mark.parametrize("moved", ["sub", ""])
def test_a_folder_moved_during_the_transfer_is_a_failure(root: Path, moved: str) -> None:
    def transfer() -> None:
        with LocalTree(str(root)) as tree:
            tree.make("sub")
            put(tree, "sub/f")
            (root / moved).rename(root.parent / "away")

    with pytest.raises(TemporaryFailure, match="moved, replaced or removed"):
        transfer()


def test_links_that_are_there_at_the_start_are_followed_inside_and_refused_outside(root: Path) -> None:
    (root / "real" / "deep").mkdir(parents=True)
    (root / "in").symlink_to("real")
    (root / "real" / "absolute").symlink_to(root / "real" / "deep")
    (root / "out").symlink_to("../outside")
    (root / "loop").symlink_to("loop")
    with LocalTree(str(root)) as tree:
        tree.make("in/absolute/new")
        put(tree, "in/absolute/new/f")
        for path in ("out", "out/new", "loop"):
            with pytest.raises(CannotCreate):
                tree.make(path)
    assert (root / "real" / "deep" / "new" / "f").read_bytes() == b"x"
    assert list((root.parent / "outside").iterdir()) == []


def test_the_root_itself_may_be_a_link_and_lie_behind_one(root: Path) -> None:
    (root.parent / "link").symlink_to(root.parent)
    (root.parent / "link" / "to").symlink_to("root")
    with LocalTree(str(root.parent / "link" / "to")) as tree:
        tree.make("sub")
        put(tree, "sub/f")
    assert (root / "sub" / "f").read_bytes() == b"x"


def test_a_file_in_the_way_of_a_folder_and_a_missing_root_are_73(root: Path) -> None:
    (root / "f").write_bytes(b"")
    with LocalTree(str(root)) as tree, pytest.raises(CannotCreate, match=r"root/f: Not a directory"):
        tree.make("f")
    with pytest.raises(CannotCreate):
        LocalTree(str(root / "none"))


def test_more_folders_and_deeper_ones_than_open_files_are_created(root: Path, few_files: None) -> None:
    deep = "/".join(["d"] * 300)
    with LocalTree(str(root)) as tree:
        for number in range(300):
            tree.make(str(number))
            put(tree, f"{number}/f", b"%d" % number)
        tree.make(deep)
        put(tree, f"{deep}/f")
        assert all(content(tree, f"{number}/f") == b"%d" % number for number in range(300))
        assert content(tree, f"{deep}/f") == b"x"


def test_threads_share_the_open_folders(root: Path) -> None:
    wrong: list[object] = []
    with LocalTree(str(root)) as tree:
        for number in range(3 * MOST_OPEN):
            tree.make(str(number))

        def work(start: int) -> None:
            try:
                for number in range(3 * MOST_OPEN):
                    folder = (start + 7 * number) % (3 * MOST_OPEN)
                    put(tree, f"{folder}/f{start}", b"%d" % folder)
            except BaseException as error:
                wrong.append(error)

        threads = [threading.Thread(target=work, args=[start]) for start in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []
    files = list(root.rglob("f*"))
    assert len(files) == 8 * 3 * MOST_OPEN
    assert all(one.read_bytes() == one.parent.name.encode() for one in files)


def test_nothing_stays_open(root: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    with LocalTree(str(root)) as tree:
        for number in range(5):
            tree.make(str(number))
        put(tree, "3/f")
        held = tree.file("4/f")
        held.__enter__()
    held.__exit__(None, None, None)  # by a thread that did not end in time
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_single_file_is_where_a_link_leads_at_the_start(root: Path) -> None:
    (root / "link").symlink_to("../outside/f")
    with single_file(str(root / "link")) as file:
        assert os.readlink(f"/proc/self/fd/{file.folder}") == str(root.parent / "outside")
        assert (file.name, file.path) == ("f", str(root / "link"))


# --- reading: what is sent ---


def test_what_is_sent_is_never_read_outside(root: Path) -> None:
    (root.parent / "outside" / "f").write_bytes(b"secret")
    (root / "sub").mkdir()
    (root / "sub" / "f").write_bytes(b"x")
    with LocalTree(str(root), follow=True) as tree:
        assert content(tree, "sub/f") == b"x"
        (root / "sub" / "f").unlink()
        (root / "sub" / "f").symlink_to(root.parent / "outside" / "f")
        with pytest.raises(DataError, match="leads out of"):
            tree.open("sub/f")
        (root / "sub").rename(root / "moved")
        (root / "sub").symlink_to(root.parent / "outside")
        forgotten = LocalTree(str(root), follow=True)
        with forgotten, pytest.raises(DataError, match="leads out of"):
            forgotten.open("sub/f")


def test_links_to_files_and_folders_inside_are_sent(root: Path) -> None:
    (root / "real").mkdir()
    (root / "real" / "f").write_bytes(b"x")
    (root / "folder").symlink_to("real")
    (root / "file").symlink_to("folder/f")
    with LocalTree(str(root), follow=True) as tree:
        assert content(tree, "folder/f") == b"x"
        assert content(tree, "file") == b"x"


def test_a_local_file_is_not_opened_through_a_link(root: Path) -> None:
    (root / "f").write_bytes(b"x")
    (root / "link").symlink_to("f")
    with LocalTree(str(root)) as tree:
        with pytest.raises(RedError):
            tree.open("link")
        with pytest.raises(NotFound):
            tree.open("none")
