"""red-connector-ssh: directories with links, what may not be read, what is in the way, and full disks."""

import os
import socket
from pathlib import Path

import pytest

from tests.servers.sshd import Sshd
from tests.support.far import (
    SSH,
    Far,
    Snapshot,
    build,
    hidden,
    many,
    modes,
    place,
    small_disk,
    snapshot,
    with_parents,
)
from tests.support.program import Result, run


@pytest.fixture
def there(sftp_only: Sshd, fresh: str) -> Far:
    """For what does not depend on the kind of server: a few files go by SFTP wherever there is a shell."""
    return Far(sftp_only, fresh)


# --- links and what is neither file nor directory -----------------------------------------------------


def test_links_inside_the_tree_are_received_as_their_targets(there: Far, tmp_path: Path) -> None:
    there.place("d/sub/file", b"content", 0o755)
    there.link("d/to-file", "sub/file")
    there.link("d/sub/up-and-down", "../sub/file")
    there.link("d/to-folder", "sub")
    there.link("d/absolute", there.server.remote(f"{there.folder}/d/sub/file"))
    result = there.receive_dir("d", tmp_path / "x")
    assert result.code == 0, result.stderr
    wanted = ["sub/file", "sub/up-and-down", "to-file", "absolute", "to-folder/file", "to-folder/up-and-down"]
    assert modes(tmp_path / "x").keys() == set(wanted)
    assert all((tmp_path / "x" / name).read_bytes() == b"content" for name in wanted)
    assert not any(one.is_symlink() for one in (tmp_path / "x").rglob("*"))


def test_a_directory_that_is_a_link_itself_is_received(there: Far, tmp_path: Path) -> None:
    there.place("d/sub/file", b"content")
    there.link("d/inside", "sub")
    there.link("other", "d")
    assert there.receive_dir("other", tmp_path / "x").code == 0
    assert snapshot(tmp_path / "x").keys() == {b"sub", b"sub/file", b"inside", b"inside/file"}


def make_odd(folder: Path, what: str) -> None:
    """Something at ``folder / "odd"`` that cannot be moved."""
    odd = folder / "odd"
    if what == "fifo":
        os.mkfifo(odd)
    elif what == "socket":
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(odd))
    else:
        target = {
            "out": "../outside", "far-out": "/etc", "dangling": "nothing", "self": "odd", "parent": ".",
            "root": "../d", "to-fifo": "../pipe",
        }[what]  # fmt: skip
        if what == "to-fifo":
            os.mkfifo(folder.parent / "pipe")
        odd.symlink_to(target)


ODD = ["fifo", "socket", "out", "far-out", "dangling", "self", "parent", "root", "to-fifo"]


@pytest.mark.parametrize("what", ODD)
def test_unreceivable_entries_are_reported_before_the_transfer(there: Far, tmp_path: Path, what: str) -> None:
    there.place("outside/secret", b"secret")
    there.place("d/good", b"good")
    make_odd(there.root / "d", what)
    result = there.receive_dir("d", tmp_path / "x", RED_TIMEOUT="3")
    assert result.code in (65, 66), result.stderr
    assert "d/odd" in result.stderr
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("what", ODD)
def test_unsendable_entries_are_reported_before_the_transfer(there: Far, tmp_path: Path, what: str) -> None:
    with_odd = build(tmp_path / "d", {b"good": b"good", b"../outside/secret": b"secret"})
    make_odd(with_odd, what)
    result = there.send_dir(with_odd, "to", RED_TIMEOUT="3")
    assert result.code in (65, 66), result.stderr
    assert "d/odd" in result.stderr
    assert snapshot(there.root) in ({}, {b"to": None})


def test_all_unreceivable_entries_are_reported_together(there: Far, tmp_path: Path) -> None:
    there.place("good", b"good")
    os.mkfifo(there.root / "pipe")
    there.link("nowhere", "gone")
    there.link("outwards", "/etc")
    result = there.receive_dir("", tmp_path / "x")
    assert result.code == 66, result.stderr
    assert all(f"/{name}" in result.stderr for name in ("pipe", "nowhere", "outwards")), result.stderr


# --- what may not be read -----------------------------------------------------------------------------


def test_a_folder_that_may_not_be_read_is_77_and_nothing_moves(there: Far, tmp_path: Path) -> None:
    there.place("a/good", b"good")
    there.make_dir("b/closed").chmod(0)
    there.make_dir("c").chmod(0o311)
    result = there.receive_dir("", tmp_path / "x")
    assert result.code == 77, result.stderr
    assert "b/closed" in result.stderr
    assert "/c" in result.stderr
    assert not (tmp_path / "x").exists()
    for path in ("b/closed", "c"):
        assert run(SSH, "receive-dir-validate", there.directory(path)).code == 77
        assert there.receive_dir(path, tmp_path / "x").code == 77


@pytest.mark.parametrize("others", [0, 1, 40])
def test_a_file_that_may_not_be_read_is_77_and_the_others_arrive(
    there: Far, tmp_path: Path, others: int
) -> None:
    place(there, many(others))
    there.place("closed", b"secret", 0)
    result = there.receive_dir("", tmp_path / "x")
    assert result.code == 77, result.stderr
    assert "closed" in result.stderr
    assert not others or snapshot(tmp_path / "x") == with_parents(many(others))


# --- in the way ---------------------------------------------------------------------------------------


def test_a_local_file_in_place_of_a_folder_is_73(there: Far, tmp_path: Path) -> None:
    place(there, {b"sub/a": b"a", b"sub/b": b"b", b"c": b"c"})
    build(tmp_path / "x", {b"sub": b"mine"})
    assert there.receive_dir("", tmp_path / "x").code == 73
    assert (tmp_path / "x" / "sub").read_bytes() == b"mine"


@pytest.mark.parametrize("size", [10, 100_000])
def test_a_local_folder_in_place_of_a_file_is_73_and_the_others_arrive(
    there: Far, tmp_path: Path, size: int
) -> None:
    tree: Snapshot = {b"a": b"a" * size, b"b": b"b" * size, b"c": b"c" * size}
    place(there, tree)
    build(tmp_path / "x", {b"b/mine": b"mine"})
    assert there.receive_dir("", tmp_path / "x").code == 73
    assert snapshot(tmp_path / "x") == {**tree, b"b": None, b"b/mine": b"mine"}


@pytest.mark.parametrize("files", [1, 5])
def test_a_remote_file_in_place_of_a_folder_is_73(there: Far, tmp_path: Path, files: int) -> None:
    there.place("to/sub", b"theirs")
    build(tmp_path / "x", {b"sub/%d" % number: b"x" for number in range(files)})
    result = there.send_dir(tmp_path / "x", "to")
    assert result.code == 73, result.stderr
    assert snapshot(there.root / "to") == {b"sub": b"theirs"}
    assert there.send_dir(tmp_path / "x", "to/sub").code == 73
    assert run(SSH, "send-dir-validate", there.directory("to/sub")).code == 73


def test_a_remote_file_in_place_of_an_empty_folder_is_73(there: Far, tmp_path: Path) -> None:
    there.place("to/sub", b"theirs")
    build(tmp_path / "x", {b"sub": None})
    assert there.send_dir(tmp_path / "x", "to").code == 73


@pytest.mark.parametrize("size", [10, 100_000])
def test_a_remote_folder_in_place_of_a_file_is_73_and_the_others_arrive(
    there: Far, tmp_path: Path, size: int
) -> None:
    tree: Snapshot = {b"a": b"a" * size, b"b": b"b" * size, b"c": b"c" * size}
    there.make_dir("to/b")
    result = there.send_dir(build(tmp_path / "x", tree), "to")
    assert result.code == 73, result.stderr
    assert snapshot(there.root / "to") == {**tree, b"b": None}


@pytest.mark.parametrize("size", [10, 100_000])
def test_a_local_link_in_the_way_of_a_file_is_not_written_through(
    there: Far, tmp_path: Path, size: int
) -> None:
    tree: Snapshot = {b"a": b"a" * size, b"b": b"b" * size}
    place(there, tree)
    (tmp_path / "outside").write_bytes(b"mine")
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "a").symlink_to(tmp_path / "outside")
    (tmp_path / "x" / "b").symlink_to(tmp_path / "nothing")
    there.receive_dir("", tmp_path / "x")
    assert (tmp_path / "outside").read_bytes() == b"mine"
    assert not (tmp_path / "nothing").exists()


def test_a_local_link_to_a_folder_outside_is_not_followed(there: Far, tmp_path: Path) -> None:
    place(there, {b"sub/a": b"a", b"sub/b": b"b"})
    (tmp_path / "outside").mkdir()
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "sub").symlink_to(tmp_path / "outside")
    assert there.receive_dir("", tmp_path / "x").code == 73
    assert snapshot(tmp_path / "outside") == {}


def test_a_target_that_is_a_link_to_a_folder_is_that_folder(there: Far, tmp_path: Path) -> None:
    place(there, {b"a": b"a", b"b/c": b"c"})
    (tmp_path / "real").mkdir()
    (tmp_path / "x").symlink_to(tmp_path / "real")
    assert there.receive_dir("", tmp_path / "x").code == 0
    assert snapshot(tmp_path / "real") == {b"a": b"a", b"b": None, b"b/c": b"c"}


def test_a_remote_link_in_the_way_of_a_file_is_replaced(there: Far, tmp_path: Path) -> None:
    there.place("real", b"theirs")
    there.make_dir("to")
    there.link("to/a", "../real")
    there.link("to/b", "nothing")
    tree: Snapshot = {b"a": b"new", b"b": b"new"}
    result = there.send_dir(build(tmp_path / "x", tree), "to")
    assert result.code == 0, result.stderr
    assert snapshot(there.root / "to") == tree
    assert hidden(there.root) == []


def test_other_remote_files_stay(there: Far, tmp_path: Path) -> None:
    there.place("to/sub/theirs", b"theirs")
    assert there.send_dir(build(tmp_path / "x", {b"sub/a": b"a", b"b": b"b"}), "to").code == 0
    assert snapshot(there.root / "to") == {b"sub": None, b"sub/theirs": b"theirs", b"sub/a": b"a", b"b": b"b"}


# --- full disks ---------------------------------------------------------------------------------------


def clean(result: Result, folder: Path, code: int) -> None:
    """It failed with ``code``, every file that is there is whole, and nothing hidden is left."""
    assert result.code == code, result.stderr
    assert hidden(folder) == []
    assert all(one.stat().st_size in (4, 50_000, 400_000) for one in folder.rglob("*") if one.is_file())


@pytest.mark.parametrize("size", [50_000, 400_000])
def test_a_full_local_disk_is_74(there: Far, tmp_path: Path, size: int) -> None:
    place(there, {b"f%02d" % number: b"x" * size for number in range(2_000_000 // size)})
    (tmp_path / "x").mkdir()
    with small_disk(tmp_path / "x") as disk:
        (disk / "mine").write_bytes(b"mine")
        clean(there.receive_dir("", disk), disk, 74)
        clean(there.receive_file("f00", disk / "one"), disk, 74)


@pytest.mark.parametrize("size", [50_000, 400_000])
def test_a_full_remote_disk_is_75_and_reported(there: Far, tmp_path: Path, size: int) -> None:
    tree: Snapshot = {b"f%02d" % number: b"x" * size for number in range(2_000_000 // size)}
    build(tmp_path / "x", tree)
    with small_disk(there.make_dir("full")):
        there.place("full/f01", b"old\n")
        result = there.send_dir(tmp_path / "x", "full", RED_RETRIES="0")
        clean(result, there.root / "full", 75)
        assert "full" in result.stderr
        (tmp_path / "large").write_bytes(b"x" * 3_000_000)
        there.place("full/f01", b"old\n")
        clean(there.send_file(tmp_path / "large", "full/f01", RED_RETRIES="0"), there.root / "full", 75)
        assert (there.root / "full/f01").read_bytes() == b"old\n"


def multiplying(root: Path) -> None:
    """Nine folders with six links each to the next: ten million paths."""
    for number in range(9):
        (root / str(number)).mkdir(parents=True)
        for link in range(6 if number < 8 else 0):
            (root / str(number) / f"l{link}").symlink_to(f"../{number + 1}")


def test_links_that_multiply_are_refused_in_both_directions(far: Far, tmp_path: Path) -> None:
    multiplying(far.root / "d")
    multiplying(tmp_path / "x")
    for result in (far.receive_dir("d", tmp_path / "y"), far.send_dir(tmp_path / "x", "e")):
        assert result.code == 65
        assert "links to more than" in result.stderr
        assert result.seconds < 20


@pytest.mark.parametrize("count", [3, 400])
@pytest.mark.parametrize("verb", ["receive-dir", "receive-dir-validate"])
def test_a_folder_that_may_be_read_but_not_entered_is_not_empty(
    far: Far, tmp_path: Path, count: int, verb: str
) -> None:
    """Its mode lacks the x, as after chmod -R 644."""
    for number in range(count):
        far.place(f"d/sub/{number}", b"x")
    far.place("d/more/f", b"x")
    (far.root / "d" / "sub").chmod(0o644)
    target = [] if verb.endswith("validate") else [tmp_path / "x"]
    inside = run(SSH, verb, far.directory("d/sub"), *target)
    assert (inside.code, "permission denied" in inside.stderr) == (77, True)
    if target:
        around = run(SSH, verb, far.directory("d"), *target)
        assert (around.code, "d/sub: permission denied" in around.stderr) == (77, True)
    (far.root / "d" / "sub").chmod(0o755)
