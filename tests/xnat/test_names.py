"""The names of what is sent to XNAT: what it makes of them, and which there cannot be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.xnat import addresses, catalogue
from tests.support.asking import Asker
from tests.support.xnat_calls import FILES, SCAN, Archive


def test_labels_are_quoted(archive: Archive) -> None:
    node, resource = "P 1%23/S+ä/E_1/scans/1 %41", "my R%41"
    archive.site.make(node)
    for content, overwrite in ((b"1", False), (bytes(3 << 20), True)):
        result = archive.send(content, "x", node, resource=resource, overwriteExistingFile=overwrite)
        assert result.code == 0, result.stderr
        assert archive.stored(node, resource) == {"x": content}


def test_a_name_that_was_kept_as_it_is_is_found_again_without_checksums(archive: Archive) -> None:
    archive.site.switches.checksums = False
    archive.site.place(SCAN, "R", "y", b"123")
    resource = archive.site.resource(SCAN, "R")
    resource.catalogue["%41.txt"] = resource.disk["%41.txt"] = resource.catalogue.pop("y")
    result = archive.send_dir({"A.txt": b"123", "b": b"1"})
    assert result.code == 0, result.stderr


@pytest.mark.parametrize(
    "name", ["a#b?.txt", "ü ö.txt", "100%.dat", "%41.txt", "a+b", "a;b&c=d", "sub/d#/x y"]
)
def test_names_are_quoted_and_come_back_as_they_were(archive: Archive, name: str) -> None:
    for content, overwrite in ((b"1", False), (b"22", True)):
        result = archive.send(content, name, overwriteExistingFile=overwrite)
        assert result.code == 0, result.stderr
        assert archive.stored() == {name: content}


def test_an_older_site_that_decodes_no_names_is_fine_as_well(archive: Archive) -> None:
    archive.site.switches.legacy_names = True
    for content in (b"1", b"22"):
        result = archive.send(content, "a b.txt", overwriteExistingFile=True)
        assert result.code == 0, result.stderr
    (entry,) = archive.site.resource(SCAN, "R").catalogue.values()
    assert entry.data == b"22"
    assert archive.receive("a b.txt").code == 0
    assert (archive.here / "x").read_bytes() == b"22"


def test_a_file_in_another_spelling_is_not_made_into_two(archive: Archive) -> None:
    archive.site.place(SCAN, "R", "y", b"old")
    resource = archive.site.resource(SCAN, "R")
    resource.catalogue["a#b"] = resource.disk["a#b"] = resource.catalogue.pop("y")
    result = archive.send(b"new", "a#b", overwriteExistingFile=True)
    assert result.code == 73, result.stderr
    assert list(resource.catalogue) == ["a#b"]
    result = archive.send_dir({"a#b": b"new", "c": b"1", "d": b"2"}, overwriteExistingFile=True)
    assert result.code == 73, result.stderr
    assert "it is there as a#b" in result.stderr
    assert sorted(resource.catalogue) == ["a#b", "c", "d"]


@pytest.mark.parametrize("checksums", [True, False])
def test_names_of_which_one_is_how_another_is_kept_come_back_as_they_were(
    archive: Archive, checksums: bool
) -> None:
    archive.site.switches.checksums = checksums
    tree = {"a#b": b"1", "a%23b": b"22", "a%2523b": b"333", "plain": b"4444"}
    assert archive.send_dir(tree).code == 0
    result = archive.receive_dir()
    assert result.code == 0, result.stderr
    assert archive.got == tree


@given(
    st.sets(st.sampled_from(["a b", "a%20b", "a%2520b", "a%252520b", "a%2Bb", "a+b", "%41", "A"]), min_size=1)
)
def test_each_file_has_a_name_of_its_own(kept: set[str]) -> None:
    files = catalogue.Catalogue({one: bytes(catalogue.SIZE_BYTES) for one in sorted(kept)})
    names = {row.kept: name for name, row in files.below("")}
    assert set(names) == kept
    assert len(set(names.values())) == len(kept)
    assert all(name in (one, addresses.meant_by(one)) for one, name in names.items())
    assert all(found and found.kept == one for one, name in names.items() if (found := files.find(name)) or 1)


def test_what_is_sent_can_be_asked_for_by_anybody(archive: Archive, ask: Asker) -> None:
    assert archive.send(b"123", "a b#.txt").code == 0
    assert ask("GET", f"{FILES}/a%20b%23.txt").body == b"123"


# --- names that cannot be ---


@pytest.mark.parametrize("name", ["sub", "file/x"])
@pytest.mark.parametrize("size", [0, 3, 3 << 20])
def test_a_file_where_a_folder_is_or_under_a_file_is_73_at_once(
    archive: Archive, name: str, size: int
) -> None:
    for old in ("sub/b.txt", "file"):
        archive.site.place(SCAN, "R", old, b"old")
    archive.env["RED_RETRIES"] = "4"
    for overwrite in (True, False):
        result = archive.send(bytes(size), name, overwriteExistingFile=overwrite)
        assert result.code == 73, result.stderr
        assert f"{name.partition('/')[0]} is a" in result.stderr
        assert "again" not in result.stderr
        assert archive.call("send-file-validate", archive.access(name)).code == 73
    assert archive.stored() == {"sub/b.txt": b"old", "file": b"old"}


def test_a_file_that_xnat_takes_for_its_own_arrives_once_and_is_then_73(archive: Archive) -> None:
    archive.env["RED_RETRIES"] = "2"
    for content, overwrite, code in ((b"1", False, 0), (b"22", False, 73), (b"22", True, 73)):
        result = archive.send(content, "x_catalog.xml", overwriteExistingFile=overwrite)
        assert result.code == code, result.stderr
        assert archive.stored() == {"x_catalog.xml": b"1"}
