"""Of two names that are one file here, neither is received."""

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.errors import Exit, RedError
from connectors.model import Entry
from connectors.transfer import inventory, spelling
from tests.support.fake_remote import FakeRemote, TogetherRemote, files, receive
from tests.support.file_systems import without_case
from tests.support.trees import read


@pytest.fixture(scope="module")
def ntfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with without_case(tmp_path_factory.mktemp("ntfs")) as place:
        yield place


@pytest.fixture
def target(ntfs: Path, fresh: str) -> Path:
    """A new folder on a file system that ignores case."""
    (ntfs / fresh).mkdir()
    return ntfs / fresh


def everything(folder: Path) -> list[str]:
    return sorted(os.path.relpath(one, folder) for one in folder.rglob("*"))


def refused(target: Path, entries: list[Entry], listing: bool = False) -> str:
    """What is said when they cannot be received; nothing has changed then."""
    before = everything(target)
    remote = FakeRemote([] if listing else entries)
    with pytest.raises(RedError) as caught:
        receive(remote, target, entries if listing else None)
    assert caught.value.code == Exit.CANTCREAT
    assert everything(target) == before
    return "\n".join([caught.value.message, *map(str, caught.value.parts)])


@pytest.mark.parametrize("parallel", [1, 8])
@pytest.mark.parametrize("remote", [FakeRemote, TogetherRemote])
def test_names_of_other_case_are_73_in_any_order_and_nothing_moves(
    target: Path, remote: type[FakeRemote], parallel: int
) -> None:
    for paths in itertools.permutations(("README", "data", "readme")):
        for shown, listing in ((files(*paths), None), ([], files(*paths))):
            with pytest.raises(RedError) as caught:
                receive(remote(shown), target, listing, parallel=parallel)
            assert caught.value.code == Exit.CANTCREAT
            assert "README" in caught.value.message
            assert "readme" in caught.value.message
            assert everything(target) == []


@pytest.mark.parametrize(
    ("one", "other"),
    [("a/x", "A/x"), ("a/B/c", "A/b/C"), ("é", "É"), ("x/é", "X/É"), ("a", "A/x"), ("a/b", "A/B/c/d")],
)
def test_files_in_colliding_folders_collide(target: Path, one: str, other: str) -> None:
    for paths in ((one, other), (other, one)):
        said = refused(target, files(*paths))
        assert one in said
        assert other in said


def test_a_file_and_a_folder_that_collide_are_73(target: Path) -> None:
    refused(target, [Entry("a", True), Entry("A", False)])
    refused(target, [Entry("A", True), Entry("a", False)], listing=True)


def test_colliding_folders_are_merged_if_no_file_is_lost(target: Path) -> None:
    receive(FakeRemote([Entry("A", True), Entry("a", True), *files("A/x", "a/y")]), target)
    assert sorted(one.read_text() for one in (target / "a").iterdir()) == ["A/x", "a/y"]


def test_names_that_only_look_alike_are_received(target: Path) -> None:
    """NTFS ignores case, and knows neither normal forms nor that ß is ss."""
    paths = ["e\u0301", "é", "straße", "strasse", "ﬁ", "fi", "a\u200bb", "ab"]
    receive(FakeRemote(files(*paths)), target)
    assert sorted(read(target).values()) == sorted(path.encode() for path in paths)


def test_a_file_of_other_case_that_was_there_is_replaced(target: Path) -> None:
    (target / "Readme").write_bytes(b"old")
    receive(FakeRemote(files("README")), target)
    assert list(read(target).values()) == [b"README"]


@pytest.mark.parametrize("name", [".README.RED-PART", ".x/.Readme.Red-State", ".a.RED-part/b"])
def test_names_of_local_part_files_are_73(target: Path, tmp_path: Path, name: str) -> None:
    assert name in refused(target, files(name, "README"))
    receive(FakeRemote(files(name, "README")), tmp_path)
    assert read(tmp_path) == {name: name.encode(), "README": b"README"}


def test_case_matters_on_a_case_sensitive_file_system(tmp_path: Path) -> None:
    paths = ["a", "A", "b/x", "B/x", "é", "É", "e\u0301", "a.", "a "]
    for listing in (None, files(*paths)):
        folder = tmp_path / str(listing is None)
        receive(FakeRemote(files(*paths)), folder, listing)
        assert read(folder) == {path: path.encode() for path in paths}
        assert [name for name in os.listdir(folder) if name.startswith(".")] == []


def test_a_folder_that_ignores_case_inside_one_that_does_not_is_seen(target: Path, tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    inner = tmp_path / "x" / "windows"
    inner.mkdir()
    assert os.system(f"mount --bind {target} {inner}") == 0
    try:
        said = refused(tmp_path / "x", files("a", "A", "windows/new/a", "windows/new/A"))
        assert "windows/new/a" in said
        assert "cannot create" in said
        receive(FakeRemote(files("a", "A", "windows/a")), tmp_path / "x")
    finally:
        os.system(f"umount {inner}")


@pytest.mark.parametrize("limit", [2, 20_000])
def test_a_file_where_a_folder_must_be_is_73_on_any_file_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    monkeypatch.setattr(inventory, "IN_MEMORY", limit)
    for entries in (
        files("a", "b", "a/x"),
        files("a/b/c/d", "a/b"),
        [Entry("a", True), Entry("a", False), Entry("b", False)],
        [*files("a", "a-b", "a b", "a.b", "a/x")],
    ):
        for shown in (entries, entries[::-1]):
            said = refused(tmp_path, shown)
            assert "a is a file" in said or "a/b is a file" in said or "a file and a directory" in said


def test_the_same_file_shown_twice_is_received_once(tmp_path: Path) -> None:
    receive(FakeRemote(files("a", "b", "a", "a")), tmp_path)
    assert read(tmp_path) == {"a": b"a", "b": b"b"}


@pytest.mark.parametrize(
    ("link", "to", "paths"),
    [
        ("x", "y", ["x/f", "y/f"]),
        ("x", ".", ["x/f", "f"]),
        ("a/x", "../y", ["a/x/b/f", "y/b/f"]),
        ("x", "y/z", ["x/f", "y/z/f"]),
    ],
)
def test_files_that_collide_through_a_link_are_73(
    tmp_path: Path, link: str, to: str, paths: list[str]
) -> None:
    (tmp_path / link).parent.mkdir(exist_ok=True)
    (tmp_path / link).symlink_to(to)
    (tmp_path / link).resolve().mkdir(parents=True, exist_ok=True)
    for shown in (files(*paths, "other"), files("other", *paths[::-1])):
        said = refused(tmp_path, shown)
        assert all(path in said for path in paths)
    receive(FakeRemote(files(paths[0], "other")), tmp_path)


def test_two_links_to_one_folder_collide_and_a_single_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "y").mkdir()
    for name in ("x", "z"):
        (tmp_path / name).symlink_to("y")
    refused(tmp_path, files("x/f", "z/f"))
    receive(FakeRemote(files("x/f", "z/g", "y/h")), tmp_path)
    assert read(tmp_path / "y") == {"f": b"x/f", "g": b"z/g", "h": b"y/h"}


def test_many_collisions_are_counted_and_the_first_are_named(target: Path) -> None:
    said = refused(target, files(*(f"{name}{number}" for number in range(50) for name in "xX")))
    assert "50 of the names" in said
    assert "and 30 more" in said


def test_a_path_that_is_too_long_for_the_system_is_73_before_the_transfer(tmp_path: Path) -> None:
    said = refused(tmp_path, files("a", "d/" * 2500 + "f"))
    assert "bytes long" in said
    refused(tmp_path, files("a", "é/" * 1400 + "f"))
    assert len(said) < 4000


def test_a_trial_folder_left_by_a_killed_call_does_no_harm(target: Path) -> None:
    left = target / spelling.TRIED_IN
    left.mkdir()
    (left / "readme").write_bytes(b"")
    with pytest.raises(RedError):
        receive(FakeRemote(files("README", "readme")), target)
    assert everything(target) == []
