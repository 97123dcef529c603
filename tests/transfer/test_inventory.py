"""The entries of a tree come out sorted and each once, however many they are."""

import os
import random
from collections.abc import Iterable
from pathlib import Path

import pytest

from connectors.errors import LocalIOError
from connectors.model import Checksum, Entry, Version
from connectors.transfer import inventory
from connectors.transfer.inventory import Inventory, empty_folders
from connectors.transfer.spelling import folded

SHA1 = Checksum("sha1", "da39a3ee5e6b4b0d3255bfef95601890afd80709")


@pytest.fixture(params=["in memory", "on disk"])
def small(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Few entries are already more than fit into memory, in the second case."""
    if request.param == "on disk":
        monkeypatch.setattr(inventory, "IN_MEMORY", 2)
        monkeypatch.setattr(inventory, "MOST_TOGETHER", 3)


def through(entries: Iterable[Entry], folder: Path) -> list[Entry]:
    with Inventory(str(folder)) as some:
        some.extend(entries)
        return list(some)


@pytest.mark.usefixtures("small")
def test_the_content_of_a_folder_directly_follows_it(tmp_path: Path) -> None:
    paths = ["a", "a/b", "a/b/c", "a b", "a-b", "a.b", "b/x", "é", "\udcff", "日本"]
    entries = [Entry(path, is_dir=path in ("a", "a/b")) for path in paths]
    random.Random(1).shuffle(entries)
    found = [entry.path for entry in through(entries, tmp_path)]
    assert sorted(found) == sorted(paths)
    assert found[:3] == ["a", "a/b", "a/b/c"]


@pytest.mark.usefixtures("small")
def test_entries_come_out_as_they_went_in(tmp_path: Path) -> None:
    entries = [
        Entry("a", False),
        Entry("b", True),
        Entry("c", False, 0, SHA1, Version()),
        Entry("d", False, 1 << 70, None, Version('"é\udcff"', 1 << 65, (SHA1, SHA1), True)),
        Entry("\udcc3\udca9", False, 3, None, Version("x", None, ())),
    ]
    assert through(entries, tmp_path) == entries


@pytest.mark.usefixtures("small")
def test_a_duplicate_entry_counts_once_and_a_file_is_not_a_folder(tmp_path: Path) -> None:
    entries = [
        Entry("a", False, 1),
        Entry("b", True),
        Entry("a", False, 2),
        Entry("b", False),
        Entry("b", True),
    ]
    assert through(entries, tmp_path) == [Entry("a", False, 1), Entry("b", False), Entry("b", True)]


@pytest.mark.usefixtures("small")
def test_an_inventory_can_be_read_twice_and_cleared(tmp_path: Path) -> None:
    with Inventory(str(tmp_path)) as some:
        some.extend(Entry(f"old{number}", False, 5) for number in range(9))
        some.clear()
        some.extend(Entry(f"f{number}", False, 7) for number in range(8))
        first = list(some)
        assert first == list(some) == [entry for _, entry in some.with_keys()]
        assert [entry.path for entry in first] == [f"f{number}" for number in range(8)]
        assert (some.files, some.bytes) == (8, 56)


def test_a_large_inventory_leaves_no_visible_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inventory, "IN_MEMORY", 2)
    with Inventory(str(tmp_path)) as some:
        some.extend(Entry(f"f{number}", False) for number in range(9))
        assert os.listdir(tmp_path) == []
        assert len(list(some)) == 9
    assert os.listdir(tmp_path) == []


def test_an_inventory_without_a_folder_stays_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inventory, "IN_MEMORY", 2)
    with Inventory(None) as some:
        some.extend(Entry(f"f{number}", False) for number in range(5))
        assert [len(chunk) for chunk in some.chunks(2)] == [2, 2, 1]


def test_a_full_disk_is_74(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inventory, "IN_MEMORY", 2)
    with Inventory(str(tmp_path)) as some:
        some.extend(Entry(f"f{number}", False) for number in range(3))
        assert some._spool
        some._spool._database.execute("PRAGMA max_page_count = 10")
        with pytest.raises(LocalIOError, match="full"):
            some.extend(Entry(f"{number:0200}", False) for number in range(20_000))


def test_folders_without_entries_are_the_empty_ones() -> None:
    assert list(empty_folders([])) == [""]
    tree = ["a/", "a/b/", "c/", "c/x", "d/", "d-e", "f/"]
    entries = [Entry(path.rstrip("/"), path.endswith("/")) for path in tree]
    assert list(empty_folders(entries)) == ["a/b", "d", "f"]


ALIKE = [
    ("README", "readme"),
    ("É", "e\u0301"),
    ("straße", "STRASSE"),
    ("ﬁle", "file"),
    ("a\u200bb", "ab"),
    ("a.", "a"),
    ("a /b. .", "A/B"),
    ("K", "\u212a"),
]


@pytest.mark.parametrize(("one", "other"), ALIKE)
def test_names_equal_on_some_file_system_have_the_same_key(one: str, other: str) -> None:
    assert folded(one) == folded(other)


def test_names_different_on_every_file_system_have_different_keys() -> None:
    paths = ["a", "b", "a/b", "ab", "a-b", "℀", "a/c", "...", "\udcff", "\udcfe", "a\uff0fb"]
    assert len({folded(path) for path in paths}) == len(paths)
