"""red-connector-ssh: directories, whatever is in them and however often."""

import json
import os
import random
import subprocess
import time
from pathlib import Path

import pytest

from tests.conformance.promises import sha1
from tests.servers import delay
from tests.support.far import SSH, Far, Snapshot, build, many, modes, place, snapshot, with_parents
from tests.support.program import run
from tests.support.trees import file

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


def test_files_of_all_sizes_are_transferred_together(far: Far, tmp_path: Path) -> None:
    tree: Snapshot = {b"%d" % size: random.Random(size).randbytes(size) for size in SIZES}
    place(far, tree)
    assert far.receive_dir("", tmp_path / "d").code == 0
    assert snapshot(tmp_path / "d") == tree
    assert far.send_dir(tmp_path / "d", "to").code == 0
    assert snapshot(far.root / "to") == tree


def test_three_thousand_files_are_received_and_sent_each_with_its_receipt(far: Far, tmp_path: Path) -> None:
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
def test_files_arrive_whatever_red_parallel_is(far: Far, tmp_path: Path, parallel: str) -> None:
    tree = {**many(300), **{b"large%d" % number: b"x" * 70_000 + b"%d" % number for number in range(20)}}
    place(far, tree)
    assert far.receive_dir("", tmp_path / "d", RED_PARALLEL=parallel).code == 0
    assert snapshot(tmp_path / "d") == with_parents(tree)
    assert far.send_dir(tmp_path / "d", "to", RED_PARALLEL=parallel).code == 0
    assert snapshot(far.root / "to") == with_parents(tree)


def test_a_thousand_nested_folders_are_sent_and_received(far: Far, tmp_path: Path) -> None:
    """Deeper than Python can call itself, so the tests leave it to other programs."""
    source, target, there = tmp_path / "source", tmp_path / "target", far.root / "to"
    place = source
    for level in range(1001):
        place.mkdir()
        if level % 250 == 0:
            (place / "file").write_bytes(b"%d" % level)
        place /= "d"
    try:
        for result in (far.send_dir(source, "to"), far.receive_dir("to", target)):
            assert result.code == 0, result.stderr
        for copy in (there, target):
            subprocess.run(["diff", "-r", source, copy], check=True)
    finally:
        subprocess.run(["rm", "-rf", source, target, there], check=True)


# --- programs ---------------------------------------------------------------------------------------


def test_a_program_that_is_received_can_be_run(far: Far, tmp_path: Path) -> None:
    for name, mode in (("tool", 0o755), ("text", 0o644), ("mine", 0o700), ("large", 0o555)):
        far.place(name, b"x" * (100_000 if name == "large" else 5), mode)
    result = run(SSH, "receive-dir", far.directory(), tmp_path / "d", umask=0o027)
    assert result.code == 0, result.stderr
    assert modes(tmp_path / "d") == {"tool": 0o750, "text": 0o640, "mine": 0o750, "large": 0o750}


def test_a_new_file_gets_the_local_mode_and_a_replaced_file_keeps_its_own(far: Far, tmp_path: Path) -> None:
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


def test_a_file_modified_just_now_is_received_again(far: Far, tmp_path: Path) -> None:
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
