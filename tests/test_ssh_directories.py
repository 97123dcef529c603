"""red-connector-ssh: directories, as they are and as nobody would wish them."""

import json
import os
import random
import socket
import stat
import time
from pathlib import Path

import pytest

from tests.conformance import sha1
from tests.conformance_directories import file
from tests.far import SSH, Far, Snapshot, build, hidden, small_disk, snapshot
from tests.program import Result, run
from tests.servers import delay
from tests.servers.sshd import Sshd

NAMES = (
    b"a b", b" ", b"\n", b"two\nlines\n", b"\t", b"\r", b"'", b'"', b"it's \"so\"", b"$(touch x)", b"`id`",
    b"-", b"-rf", b"--", b"~", b"*", b"?", b"[a]", b"{b}", b"\\", b"\\n", b"back\\slash", b"...", b"..a",
    b"#", b"%41", b"a;b&c|d", b"!", b"\x01\x7f", b"\xff\xfe", b"caf\xe9", "日本".encode(), b"x" * 255,
    b"\xe9" * 255, b".hidden", b".x.red-other",
)  # fmt: skip
DEEP = b"/".join(b"d%d" % level for level in range(60))
TREE: Snapshot = {
    **{name: name for name in NAMES},
    **{b"dir " + name[:200] + b"/" + name: name for name in NAMES},
    **{b"empty " + name[:200]: None for name in NAMES},
    DEEP + b"/file": b"deep",
    DEEP + b"/nothing": None,
    b"no bytes": b"",
    b"empty/empty/empty": None,
}
SIZES = (0, 1, 4096, 65535, 65536, 65537, 300_000, (1 << 20) + 1, 3 << 20)


@pytest.fixture
def there(sftp_only: Sshd, fresh: str) -> Far:
    """For what does not depend on the kind of server: a few files go by SFTP wherever there is a shell."""
    return Far(sftp_only, fresh)


def with_parents(tree: Snapshot) -> Snapshot:
    """``tree`` with an entry for each directory that something is in."""
    whole = dict(tree)
    for path in tree:
        while path := os.path.dirname(path):
            whole[path] = None
    return whole


def modes(folder: Path) -> dict[str, int]:
    files = (one for one in folder.rglob("*") if one.is_file())
    return {str(one.relative_to(folder)): stat.S_IMODE(one.stat().st_mode) for one in files}


def many(count: int) -> Snapshot:
    return {b"%d/f%d" % (number % 7, number): b"%d" % number * (number % 50) for number in range(count)}


def place(far: Far, tree: Snapshot) -> None:
    for path, content in tree.items():
        if content is None:
            far.make_dir(path)
        else:
            far.place(path, content)


# --- whatever they are called -----------------------------------------------------------------------


def test_any_name_empty_folders_and_deep_ones_are_received(far: Far, tmp_path: Path) -> None:
    place(far, TREE)
    result = far.receive_dir("", tmp_path / "d")
    assert result.code == 0, result.stderr
    assert snapshot(tmp_path / "d") == with_parents(TREE)


def test_any_name_empty_folders_and_deep_ones_are_sent(far: Far, tmp_path: Path) -> None:
    build(tmp_path / "d", TREE)
    for _ in range(2):
        result = far.send_dir(tmp_path / "d", "to")
        assert result.code == 0, result.stderr
        assert snapshot(far.root / "to") == with_parents(TREE)


def test_an_empty_directory_is_a_directory(far: Far, tmp_path: Path) -> None:
    assert far.receive_dir("", tmp_path / "d").code == 0
    assert snapshot(tmp_path / "d") == {}
    assert far.send_dir(tmp_path / "d", "a/b").code == 0
    assert (far.root / "a/b").is_dir()


def test_files_of_all_sizes_go_together(far: Far, tmp_path: Path) -> None:
    tree: Snapshot = {b"%d" % size: random.Random(size).randbytes(size) for size in SIZES}
    place(far, tree)
    assert far.receive_dir("", tmp_path / "d").code == 0
    assert snapshot(tmp_path / "d") == tree
    assert far.send_dir(tmp_path / "d", "to").code == 0
    assert snapshot(far.root / "to") == tree


def test_three_thousand_files_come_and_go_each_with_its_receipt(far: Far, tmp_path: Path) -> None:
    tree = many(3000)
    place(far, tree)
    results = [
        far.receive_dir("", tmp_path / "d", RED_RECEIPT=str(tmp_path / "received")),
        far.send_dir(tmp_path / "d", "to", RED_RECEIPT=str(tmp_path / "sent")),
    ]
    assert [result.code for result in results] == [0, 0], results
    assert snapshot(tmp_path / "d") == with_parents(tree)
    assert snapshot(far.root / "to") == with_parents(tree)
    for name in ("received", "sent"):
        lines = [json.loads(line) for line in (tmp_path / name).read_text().splitlines()]
        assert len({line["local"] for line in lines}) == len(lines) == 3000
        assert sum(line["bytes"] for line in lines) == sum(len(content or b"") for content in tree.values())


@pytest.mark.parametrize("parallel", ["1", "256"])
def test_however_many_go_at_once_they_arrive(far: Far, tmp_path: Path, parallel: str) -> None:
    tree = {**many(300), **{b"large%d" % number: b"x" * 70_000 + b"%d" % number for number in range(20)}}
    place(far, tree)
    assert far.receive_dir("", tmp_path / "d", RED_PARALLEL=parallel).code == 0
    assert snapshot(tmp_path / "d") == with_parents(tree)
    assert far.send_dir(tmp_path / "d", "to", RED_PARALLEL=parallel).code == 0
    assert snapshot(far.root / "to") == with_parents(tree)


# --- programs ---------------------------------------------------------------------------------------


def test_a_program_that_is_received_can_be_run(far: Far, tmp_path: Path) -> None:
    for name, mode in (("tool", 0o755), ("text", 0o644), ("mine", 0o700), ("large", 0o555)):
        far.place(name, b"x" * (100_000 if name == "large" else 5), mode)
    result = run(SSH, "receive-dir", far.directory(), tmp_path / "d", umask=0o027)
    assert result.code == 0, result.stderr
    assert modes(tmp_path / "d") == {"tool": 0o750, "text": 0o640, "mine": 0o750, "large": 0o750}


def test_what_is_sent_keeps_its_mode_and_what_is_replaced_that_of_the_old(far: Far, tmp_path: Path) -> None:
    tree: Snapshot = {name: b"x" * (100_000 if b"large" in name else 5) for name in (b"a", b"b", b"large")}
    build(tmp_path / "d", {**tree, **{b"old-" + name: content for name, content in tree.items()}})
    wanted = {}
    for name, mode in (("a", 0o755), ("b", 0o600), ("large", 0o754)):
        (tmp_path / "d" / name).chmod(mode)
        (tmp_path / "d" / f"old-{name}").chmod(0o644)
        far.place(f"to/old-{name}", b"old", 0o662)
        wanted |= {name: mode, f"old-{name}": 0o662}
    result = far.send_dir(tmp_path / "d", "to")
    assert result.code == 0, result.stderr
    assert modes(far.root / "to") == wanted
    assert snapshot(far.root / "to") == snapshot(tmp_path / "d")


# --- links and what is neither file nor directory -----------------------------------------------------


def test_links_inside_the_tree_become_what_they_lead_to(there: Far, tmp_path: Path) -> None:
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
def test_what_cannot_be_received_is_told_before_anything_moves(there: Far, tmp_path: Path, what: str) -> None:
    there.place("outside/secret", b"secret")
    there.place("d/good", b"good")
    make_odd(there.root / "d", what)
    result = there.receive_dir("d", tmp_path / "x", RED_TIMEOUT="3")
    assert result.code in (65, 66), result.stderr
    assert "d/odd" in result.stderr
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("what", ODD)
def test_what_cannot_be_sent_is_told_before_anything_moves(there: Far, tmp_path: Path, what: str) -> None:
    with_odd = build(tmp_path / "d", {b"good": b"good", b"../outside/secret": b"secret"})
    make_odd(with_odd, what)
    result = there.send_dir(with_odd, "to", RED_TIMEOUT="3")
    assert result.code in (65, 66), result.stderr
    assert "d/odd" in result.stderr
    assert snapshot(there.root) in ({}, {b"to": None})


def test_all_that_cannot_be_received_is_told_at_once(there: Far, tmp_path: Path) -> None:
    there.place("good", b"good")
    os.mkfifo(there.root / "pipe")
    there.link("nowhere", "gone")
    there.link("outwards", "/etc")
    result = there.receive_dir("", tmp_path / "x")
    assert result.code in (65, 66), result.stderr
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


# --- once more ----------------------------------------------------------------------------------------


def test_a_second_run_fetches_only_what_has_changed(far: Far, tmp_path: Path) -> None:
    tree: Snapshot = {
        **{b"small%d" % number: random.Random(number).randbytes(60_000) for number in range(10)},
        **{b"large%d" % number: random.Random(number).randbytes(600_000) for number in range(3)},
    }
    place(far, tree)
    with delay.start(far.server.port) as relay:

        def fetched() -> int:
            relay.release()
            result = far.receive_dir("", tmp_path / "x", port=relay.port)
            assert result.code == 0, result.stderr
            assert snapshot(tmp_path / "x") == tree
            return relay.passed

        assert fetched() > 2_000_000
        assert fetched() < 30_000
        for name in (b"small3", b"large1"):  # the size stays
            tree[name] = bytes(reversed(tree[name] or b""))
            far.place(name, tree[name] or b"", age=1800)
        assert 660_000 < fetched() < 800_000
        (tmp_path / "x" / "small5").write_bytes(b"spoilt")
        (tmp_path / "x" / "large2").unlink()
        assert 660_000 < fetched() < 800_000
        assert fetched() < 30_000


def test_what_was_there_only_for_a_moment_has_no_version(far: Far, tmp_path: Path) -> None:
    """Two versions within a second look the same: what is that young is fetched again."""
    for content in (b"first", b"other"):
        far.place("a", content, age=0)
        far.place("b", content, age=0)
        assert far.receive_dir("", tmp_path / "x").code == 0
        assert snapshot(tmp_path / "x") == {b"a": content, b"b": content}


def test_a_listing_by_checksum_sees_what_the_time_of_modification_does_not(far: Far, tmp_path: Path) -> None:
    hour_ago = time.time() - 3600
    for content in (b"first", b"other"):
        for name in ("a", "b"):
            os.utime(far.place(name, content), (hour_ago, hour_ago))
        facts = [file(name, size=5, checksum=sha1(content)) for name in ("a", "b")]
        result = far.receive_dir("", tmp_path / "x", "--listing", facts)
        assert result.code == 0, result.stderr
        assert snapshot(tmp_path / "x") == {b"a": content, b"b": content}


# --- in the way ---------------------------------------------------------------------------------------


def test_a_local_file_where_a_folder_is_to_be_is_73(there: Far, tmp_path: Path) -> None:
    place(there, {b"sub/a": b"a", b"sub/b": b"b", b"c": b"c"})
    build(tmp_path / "x", {b"sub": b"mine"})
    assert there.receive_dir("", tmp_path / "x").code == 73
    assert (tmp_path / "x" / "sub").read_bytes() == b"mine"


@pytest.mark.parametrize("size", [10, 100_000])
def test_a_local_folder_where_a_file_is_to_be_is_73_and_the_others_arrive(
    there: Far, tmp_path: Path, size: int
) -> None:
    tree: Snapshot = {b"a": b"a" * size, b"b": b"b" * size, b"c": b"c" * size}
    place(there, tree)
    build(tmp_path / "x", {b"b/mine": b"mine"})
    assert there.receive_dir("", tmp_path / "x").code == 73
    assert snapshot(tmp_path / "x") == {**tree, b"b": None, b"b/mine": b"mine"}


@pytest.mark.parametrize("files", [1, 5])
def test_a_remote_file_where_a_folder_is_to_be_is_73(there: Far, tmp_path: Path, files: int) -> None:
    there.place("to/sub", b"theirs")
    build(tmp_path / "x", {b"sub/%d" % number: b"x" for number in range(files)})
    result = there.send_dir(tmp_path / "x", "to")
    assert result.code == 73, result.stderr
    assert snapshot(there.root / "to") == {b"sub": b"theirs"}
    assert there.send_dir(tmp_path / "x", "to/sub").code == 73
    assert run(SSH, "send-dir-validate", there.directory("to/sub")).code == 73


def test_a_remote_file_where_an_empty_folder_is_to_be_is_73(there: Far, tmp_path: Path) -> None:
    there.place("to/sub", b"theirs")
    build(tmp_path / "x", {b"sub": None})
    assert there.send_dir(tmp_path / "x", "to").code == 73


@pytest.mark.parametrize("size", [10, 100_000])
def test_a_remote_folder_where_a_file_is_to_be_is_73_and_the_others_arrive(
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


def test_a_remote_link_in_the_way_of_a_file_is_replaced_or_refused_never_a_crash(
    there: Far, tmp_path: Path
) -> None:
    there.place("real", b"theirs")
    there.make_dir("to")
    there.link("to/a", "../real")
    there.link("to/b", "nothing")
    tree: Snapshot = {b"a": b"new", b"b": b"new"}
    result = there.send_dir(build(tmp_path / "x", tree), "to")
    assert result.code in (0, 73), result.stderr
    assert result.code or snapshot(there.root / "to") == tree
    assert hidden(there.root) == []


def test_other_files_at_the_far_end_stay(there: Far, tmp_path: Path) -> None:
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
def test_a_full_disk_here_is_74(there: Far, tmp_path: Path, size: int) -> None:
    place(there, {b"f%02d" % number: b"x" * size for number in range(2_000_000 // size)})
    (tmp_path / "x").mkdir()
    with small_disk(tmp_path / "x") as disk:
        (disk / "mine").write_bytes(b"mine")
        clean(there.receive_dir("", disk), disk, 74)
        clean(there.receive_file("f00", disk / "one"), disk, 74)


@pytest.mark.parametrize("size", [50_000, 400_000])
def test_a_full_disk_there_is_75_and_says_so(there: Far, tmp_path: Path, size: int) -> None:
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


def test_links_that_multiply_are_given_up_both_ways(far: Far, tmp_path: Path) -> None:
    multiplying(far.root / "d")
    multiplying(tmp_path / "x")
    for result in (far.receive_dir("d", tmp_path / "y"), far.send_dir(tmp_path / "x", "e")):
        assert result.code == 65
        assert "links to more than" in result.stderr
        assert result.seconds < 20
