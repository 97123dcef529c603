"""Sending directories to XNAT: its own files, what is in the way, many large files, and what it says."""

import os

import pytest

from connectors.xnat.sender import MOST_PACKED
from tests.servers.xnat import Fault
from tests.servers.xnat.exchange import Answer, Exchange
from tests.servers.xnat.files import Files
from tests.support.program import peak, start
from tests.support.xnat_calls import SCAN, Archive

SMALL = {"a": b"1", "sub/b": b"2", "c": b"3"}


# --- XNAT's own files ---


@pytest.mark.parametrize("overwrite", [True, False])
def test_the_catalogue_of_the_resource_is_never_sent_and_its_neighbours_stay(
    archive: Archive, overwrite: bool
) -> None:
    """In an archive it would take the place of XNAT's own list of the files."""
    for name in ("precious", "sub/precious"):
        archive.site.place(SCAN, "R", name, b"old")
    result = archive.send_dir({**SMALL, "R_catalog.xml": b"<x/>"}, overwriteExistingFile=overwrite)
    assert result.code == 73, result.stderr
    assert "own list" in result.stderr
    assert archive.stored() == {**SMALL, "precious": b"old", "sub/precious": b"old"}
    assert not archive.site.requests("R_catalog.xml", "PUT")


def test_other_files_that_xnat_would_not_list_go_alone_and_arrive(archive: Archive) -> None:
    own = {"x_catalog.xml": b"4", "sub/R_catalog.xml": b"5", ".~lock-x": b"6"}
    for _ in range(2):
        result = archive.send_dir({**SMALL, **own})
        assert result.code == 0, result.stderr
        assert archive.stored() == {**SMALL, **own}
    assert len(archive.site.requests("catalog.xml", "PUT")) == 2


@pytest.mark.parametrize("listed", [True, False])
def test_such_a_file_that_cannot_be_replaced_is_73_with_the_reason(archive: Archive, listed: bool) -> None:
    archive.site.place(SCAN, "R", "x_catalog.xml", b"old")
    if not listed:
        archive.site.resource(SCAN, "R").catalogue.clear()
    archive.env["RED_RETRIES"] = "1"
    result = archive.send_dir({**SMALL, "x_catalog.xml": b"new"}, overwriteExistingFile=True)
    assert result.code == 73, result.stderr
    assert "treats a file with this name as its own" in result.stderr
    assert {name: body for name, body in archive.stored().items() if "catalog" not in name} == SMALL


# --- what is in the way ---


@pytest.mark.parametrize("size", [1, 100_000, 9 << 20])
def test_a_file_where_a_folder_is_and_a_folder_where_a_file_is_are_73_at_once(
    archive: Archive, size: int
) -> None:
    archive.site.place(SCAN, "R", "folder/x", b"old")
    archive.site.place(SCAN, "R", "file", b"old")
    archive.env["RED_RETRIES"] = "4"
    result = archive.send_dir({**SMALL, "folder": bytes(size), "file/y": bytes(size)})
    assert result.code == 73, result.stderr
    assert "folder is a folder in this resource" in result.stderr
    assert "file is a file in this resource" in result.stderr
    assert "again" not in result.stderr
    assert archive.stored() == {**SMALL, "folder/x": b"old", "file": b"old"}


# --- many ---


def test_files_that_must_go_one_by_one_are_looked_for_with_one_list(archive: Archive) -> None:
    """One list for each file would make it quadratic."""
    tree = {f"slice#{number}": os.urandom(500_000) for number in range(20)}
    result = archive.send_dir(tree)
    assert result.code == 0, result.stderr
    assert archive.stored() == tree
    assert len(archive.site.requests("/files/", "PUT")) == 20
    assert len(archive.site.requests("/files?", "GET")) <= 2


def test_the_number_of_requests_grows_with_the_bytes_and_not_with_the_files(archive: Archive) -> None:
    tree = {f"{number}.dcm": os.urandom(500_000) for number in range(100)}
    result = archive.send_dir(tree)
    assert result.code == 0, result.stderr
    assert archive.stored() == tree
    assert len(archive.site.requests("extract=true", "PUT")) == 4, "50 MB are four archives"
    assert len(archive.site.seen) <= 12


@pytest.mark.parametrize(
    ("size", "count"), [(500_000, 400), (4_190_000, 24), (5_590_000, 24), (MOST_PACKED, 12)]
)
def test_memory_holds_one_archive_however_many_are_sent(archive: Archive, size: int, count: int) -> None:
    """The README says how much that is. Two and three to an archive take the most."""
    tree, content = archive.here / "tree", os.urandom(size)
    tree.mkdir()
    for number in range(count):
        (tree / str(number)).write_bytes(content)
    assert peak(start("red-connector-xnat-http", "send-dir", archive.access(None), tree)) < 80
    assert len(archive.stored()) == count


def test_after_a_cut_only_what_is_missing_is_sent_again(archive: Archive) -> None:
    archive.env["RED_RETRIES"] = "2"
    tree = {f"{number}.dcm": os.urandom(500_000) for number in range(100)}
    archive.site.fail("PUT", "R/files/red", Fault(status=503, after=True))
    result = archive.send_dir(tree)
    assert result.code == 0, result.stderr
    assert archive.stored() == tree
    sent = sum(one.taken for one in archive.site.requests("extract=true", "PUT"))
    assert sent < 55_000_000, "what had arrived was sent twice"


# --- rights, facts ---


@pytest.mark.parametrize(
    "tree", [SMALL, {"a": bytes(9 << 20), "b": bytes(9 << 20)}, {"odd#": b"", "x": b"1"}]
)
def test_one_refusal_is_said_once(archive: Archive, tree: dict[str, bytes]) -> None:
    result = archive.send_dir(tree, **archive.as_user("reader"))
    assert result.code == 77, result.stderr
    assert result.stderr.count("403") == 1, result.stderr
    assert "one by one" not in result.stderr
    assert archive.stored() == {}


def test_format_content_and_tags_are_those_of_each_file_and_not_of_the_resource(archive: Archive) -> None:
    facts = {"format": "NIFTI", "content": "RAW", "tags": "a,b"}
    result = archive.send_dir({**SMALL, "odd#": b"4", "empty": b"", "large": bytes(9 << 20)}, **facts)
    assert result.code == 0, result.stderr
    resource = archive.site.resource(SCAN, "R")
    assert len(resource.catalogue) == 6
    for entry in resource.catalogue.values():
        assert {key: getattr(entry, key) for key in facts} == facts
    assert {getattr(resource, key) for key in facts} == {""}


@pytest.mark.parametrize("overwrite", [True, False])
def test_overwriting_is_asked_for_only_where_it_is_wished(archive: Archive, overwrite: bool) -> None:
    result = archive.send_dir({**SMALL, "odd#": b"4"}, overwriteExistingFile=overwrite)
    assert result.code == 0, result.stderr
    puts = archive.site.requests("/files/", "PUT")
    assert len(puts) == 2
    assert {one.query.get("overwrite", "") for one in puts} == ({"true"} if overwrite else {""})


# --- what XNAT says ---


@pytest.mark.parametrize("checksums", [True, False])
@pytest.mark.parametrize(
    "answer", [Answer(b"<html>blocked</html>", "text/html"), Answer(status=201), Answer(status=204), Answer()]
)
def test_what_is_answered_as_no_success_is_and_not_stored_is_no_success(
    archive: Archive, monkeypatch: pytest.MonkeyPatch, answer: Answer, checksums: bool
) -> None:
    archive.site.switches.checksums = checksums
    for name in ("a", "odd#"):
        archive.site.place(SCAN, "R", name, b"old")

    def swallow(self: Files, exchange: object, *_: object) -> Answer:
        return answer

    monkeypatch.setattr(Files, "_write", swallow)
    result = archive.send_dir({"a": b"new", "odd#": b"new", "n": b"1"}, overwriteExistingFile=True)
    assert result.code in (65, 76), result.stderr
    assert archive.stored() == {"a": b"old", "odd#": b"old"}


def test_without_checksums_what_somebody_else_has_just_put_there_is_not_taken_for_ours(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The archive's answer names it as a duplicate."""
    archive.site.switches.checksums = False
    arriving = Files._arriving

    def overtaken(self: Files, exchange: Exchange, path: str, facts: dict[str, str]) -> object:
        if exchange.flag("extract"):
            archive.site.place(SCAN, "R", "a", b"0")
        return arriving(self, exchange, path, facts)

    monkeypatch.setattr(Files, "_arriving", overtaken)
    result = archive.send_dir(SMALL)
    assert result.code == 73, result.stderr
    assert archive.stored() == {**SMALL, "a": b"0"}


# --- nothing ---


def test_empty_folders_alone_make_the_resource(archive: Archive) -> None:
    (archive.here / "tree" / "empty").mkdir(parents=True)
    result = archive.send_dir({})
    assert result.code == 0, result.stderr
    assert "empty: not created" in result.stderr
    assert archive.receive_dir().code == 0
    assert archive.got == {}


def test_an_empty_directory_for_a_folder_of_the_resource_is_warned_of(archive: Archive) -> None:
    (archive.here / "tree").mkdir()
    result = archive.send_dir({}, "sub/")
    assert result.code == 0, result.stderr
    assert "sub: not created: XNAT has no empty folders" in result.stderr
