"""Listings become entries, and no name from outside leads out of the folder."""

import json
import os
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.access import listing
from connectors.local import names
from connectors.model import Checksum, Entry
from tests.support.documents import patient

MD5 = "d41d8cd98f00b204e9800998ecf8427e"


def file(name: Any, **more: Any) -> dict[str, Any]:
    return {"class": "File", "basename": name, **more}


def folder(name: Any, *below: Any) -> dict[str, Any]:
    return {"class": "Directory", "basename": name, "listing": list(below)}


def faults(raw: Any) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    listing.parse(raw, lambda path, message: found.append((path, message)))
    return found


def parsed(raw: Any) -> list[Entry]:
    assert faults(raw) == []
    return listing.parse(raw, lambda path, message: None)


def test_a_tree_becomes_entries_with_parents_before_their_children() -> None:
    tree = [
        file("a"),
        folder("b", folder("c", file("d", size=3)), file("e", checksum=f"md5${MD5}")),
        file("f"),
    ]
    assert parsed(tree) == [
        Entry("a", False),
        Entry("b", True),
        Entry("b/c", True),
        Entry("b/c/d", False, 3),
        Entry("b/e", False, None, Checksum("md5", MD5)),
        Entry("f", False),
    ]


def test_a_directory_may_have_an_empty_listing_or_none() -> None:
    entry = Entry("b", True)
    assert parsed([folder("b")]) == parsed([{"class": "Directory", "basename": "b"}]) == [entry]
    assert parsed([{"class": "Directory", "basename": "b", "listing": None}]) == [entry]
    assert parsed([]) == []


def test_other_cwl_fields_are_ignored_and_null_means_unset() -> None:
    raw = file(
        "a",
        size=None,
        checksum=None,
        location="file:///etc/passwd",
        path="/etc/passwd",
        dirname="/",
        nameroot="a",
    )
    assert parsed([{**raw, "nameext": "", "format": "x"}]) == [Entry("a", False)]


@pytest.mark.parametrize(
    ("item", "path", "message"),
    [
        ("a", "[0]", "must be a mapping with class and basename"),
        (None, "[0]", "must be a mapping with class and basename"),
        ({}, "[0].class", "must be File or Directory"),
        ({"class": ["File"], "basename": "a"}, "[0].class", "must be File or Directory"),
        ({"class": "file", "basename": "a"}, "[0].class", "must be File or Directory"),
        ({"class": "File"}, "[0].basename", "required: the name, a string"),
        (file(3), "[0].basename", "must be a string: put it in quotes"),
        (file("a", size=-1), "[0].size", "must be a number of bytes: an integer, 0 or more"),
        (file("a", size=True), "[0].size", "must be a number of bytes: an integer, 0 or more"),
        (file("a", size=1.0), "[0].size", "must be a number of bytes: an integer, 0 or more"),
        (file("a", size=float("nan")), "[0].size", "must be a number of bytes: an integer, 0 or more"),
        (file("a", size="1"), "[0].size", "must be a number of bytes: an integer, 0 or more"),
        (file("a", checksum=3), "[0].checksum", "must be algorithm$digest, the algorithm one of md5, "),
        (
            file("a", checksum="crc32$00"),
            "[0].checksum",
            "must be algorithm$digest, the algorithm one of md5, ",
        ),
        (file("a", checksum="md5$00"), "[0].checksum", "md5 digests are 32 hexadecimal digits"),
        (file("a", sise=3), "[0].sise", "unknown; did you mean size?"),
        (file("a", listing=[]), "[0].listing", "unknown; known are: class, basename, size, checksum"),
        ({**folder("a"), "size": 3}, "[0].size", "unknown; known are: class, basename, listing"),
        ({**folder("a"), "listing": {}}, "[0].listing", "must be a list of files and directories"),
        (folder("a", file("b"), 3), "[0].listing[1]", "must be a mapping with class and basename"),
        (folder("../x", file("..")), "[0].listing[0].basename", "must not be '..'"),
    ],
)
def test_every_error_names_its_path_and_the_correction(item: Any, path: str, message: str) -> None:
    found = dict(faults([item]))
    assert found[path].startswith(message)


def test_all_errors_in_a_tree_are_reported_together() -> None:
    tree = [file("../a", size=-1), folder("b", file(""), folder(".", file("x/y"))), file("ok", extra=1)]
    assert [path for path, _ in faults(tree)] == [
        "[0].basename",
        "[0].size",
        "[1].listing[0].basename",
        "[1].listing[1].basename",
        "[1].listing[1].listing[0].basename",
        "[2].extra",
    ]


def test_two_entries_of_one_folder_may_not_share_a_name() -> None:
    assert faults([file("a"), folder("b", file("a")), folder("a")]) == [
        ("[2].basename", "the same name as entry [0] of this list: keep one")
    ]


def test_anything_but_a_list_is_refused() -> None:
    for raw in ({}, "a", 3, None):
        assert faults(raw) == [("", "must be a list of files and directories")]


def test_a_listing_may_be_nested_deeper_than_python_can_recurse() -> None:
    tree = file("f")
    for _ in range(5000):
        tree = folder("d", tree)
    assert parsed([tree])[-1].path == "d/" * 5000 + "f"


UNSAFE = ["", ".", "..", "/", "a/b", "../x", "/etc/passwd", "a/", "nul\0", "x" * 256, "é" * 128, "\ud800"]


@pytest.mark.parametrize("name", UNSAFE)
def test_unsafe_names_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        names.safe_segment(name)
    assert [path for path, _ in faults([file(name)])] == ["[0].basename"]
    assert [path for path, _ in faults([folder(name)])] == ["[0].basename"]


@pytest.mark.parametrize(
    "name",
    [
        "a",
        "...",
        "..a",
        "a..b",
        ".hidden",
        " ",
        "a b#?%.txt",
        "a\\b",
        "C:",
        "~",
        "-rf",
        "a\nb",
        "x" * 255,
        "\udcff",
        "é",
    ],
)
def test_unusual_names_are_names(name: str) -> None:
    assert names.safe_segment(name) == name
    assert parsed([file(name)]) == [Entry(name, False)]


@pytest.mark.parametrize("path", ["", "/", "/a", "a//b", "a/", "a/../b", "./a", "a/\0", ".."])
def test_a_path_is_as_safe_as_its_segments(path: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        names.safe_path(path)
    assert names.safe_path("a/b c/..d") == "a/b c/..d"


RUBBISH = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.text(max_size=6) | st.sampled_from([*UNSAFE, "a", "b"]) | RUBBISH
TREES = st.recursive(
    st.builds(file, NAMES, size=RUBBISH | st.integers(0), checksum=RUBBISH | st.just(f"md5${MD5}")) | RUBBISH,
    lambda inner: st.builds(folder, NAMES, inner, inner) | st.lists(inner, max_size=3),
    max_leaves=12,
)


@patient
@given(TREES | st.lists(TREES, max_size=3))
def test_any_tree_ends_in_safe_entries_or_faults(raw: Any) -> None:
    found: list[str] = []
    entries = listing.parse(raw, lambda path, message: found.append(path))
    assert len({entry.path for entry in entries}) == len(entries) or found
    for entry in entries:
        inside = os.path.normpath(os.path.join("/root", entry.path))
        assert inside == os.path.join("/root", entry.path)
    json.dumps(found)
