"""Local trees of an unusual shape."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.errors import RedError
from connectors.transfer.inventory import Inventory
from connectors.transfer.local_tree import local_tree


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    before = Path.cwd()
    (tmp_path / "root").mkdir()
    yield tmp_path / "root"
    os.chdir(before)
    subprocess.run(["rm", "-rf", tmp_path / "root"], check=True)  # shutil.rmtree calls itself for each folder


def nest(root: Path, depth: int) -> None:
    """Folders inside each other, a file in the innermost: deeper than one path may be long."""
    os.chdir(root)
    for _ in range(depth):
        os.mkdir("d")
        os.chdir("d")
    Path("file").write_bytes(b"x")


def test_deeply_nested_folders_are_listed_beyond_the_recursion_limit(root: Path) -> None:
    nest(root, 1500)
    found = list(local_tree(str(root)))
    assert len(found) == 1501
    assert "d/" * 1500 + "file" in [entry.path for entry in found]


def test_a_path_that_is_too_long_for_the_system_is_a_clear_error(root: Path) -> None:
    nest(root, 2500)
    with pytest.raises(RedError, match="too long"):
        list(local_tree(str(root)))


def test_entries_are_sorted_and_parents_come_before_children(root: Path) -> None:
    for path in ("b/y/1", "b/x", "a", "c/2", "b/z"):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(b"")
    expected = ["a", "b", "b/x", "b/y", "b/y/1", "b/z", "c", "c/2"]
    with Inventory(None) as found:
        found.extend(local_tree(str(root)))
        assert [entry.path for entry in found] == expected
