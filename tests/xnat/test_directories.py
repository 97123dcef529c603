"""Resources as directories: what is sent comes back as it was, whatever XNAT makes of names."""

import gzip
import hashlib
import io
import json
import os
import struct
import subprocess
import threading
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from connectors.xnat.sender import MOST_PACKED
from tests.conformance.promises import NAMES
from tests.servers.xnat import Fault, Xnat, packed
from tests.servers.xnat.exchange import Answer, Writable
from tests.servers.xnat.files import Files
from tests.support.xnat_calls import SCAN, Archive

PLAIN = {f"sub/{number % 7}/{number}.dcm": f"slice {number}".encode() for number in range(200)}
PACKED = io.BytesIO()
with zipfile.ZipFile(PACKED, "w") as _:
    _.writestr("inside", b"1")
ODD = {
    **{f"odd/{name}": name.encode() for name in NAMES},
    "empty": b"",
    "brain.nii.gz": gzip.compress(b"brain"),
    "p.zip": PACKED.getvalue(),
    "folder.zip/x": b"in a folder that is called like an archive",
    "p.tar.gz": b"no archive at all",
    "d#/a b": b"1",
    "d#/c": b"2",
    "files/a": b"3",
    "resources/R/files/a": b"4",
}


@pytest.fixture
def archive(xnat_site: Xnat, tmp_path: Path) -> Archive:
    """The paths in its archives have a blank."""
    xnat_site.make(SCAN, type="T1 w")
    return Archive(xnat_site, tmp_path)


def test_two_hundred_files_are_sent_in_one_archive(archive: Archive) -> None:
    result = archive.send_dir(PLAIN)
    assert result.code == 0, result.stderr
    assert archive.stored() == PLAIN
    assert len(archive.site.seen) <= 6
    (put,) = archive.site.requests("/files/", "PUT")
    assert put.query["extract"] == "true"
    assert archive.site.open_sessions() == 0


def test_two_hundred_files_are_received_in_one_archive(archive: Archive) -> None:
    for name, content in PLAIN.items():
        archive.site.place(SCAN, "R", name, content)
    result = archive.receive_dir()
    assert result.code == 0, result.stderr
    assert archive.got == PLAIN
    assert len(archive.site.seen) == 4
    assert archive.site.open_sessions() == 0


@pytest.mark.parametrize("node", ["P", "P/S", "P/S/E", SCAN, "P/S/E/reconstructions/r", "P/S/E/assessors/a"])
def test_a_tree_with_odd_names_and_archives_makes_the_round_trip_at_any_level(
    archive: Archive, node: str
) -> None:
    archive.site.make(node)
    tree = {**PLAIN, **ODD}
    result = archive.send_dir(tree, None, node)
    assert result.code == 0, result.stderr
    assert archive.site.tree(node, "R") == tree
    result = archive.receive_dir(None, node)
    assert result.code == 0, result.stderr
    assert archive.got == tree
    assert archive.receive("brain.nii.gz", node).code == 0


@pytest.mark.parametrize("checksums", [True, False])
def test_sending_twice_is_the_same_as_once_and_sends_nothing(archive: Archive, checksums: bool) -> None:
    archive.site.switches.checksums = checksums
    tree = {**ODD, "large": bytes(100_000)}
    assert archive.send_dir(tree).code == 0
    before = len(archive.site.requests("/files/", "PUT"))
    result = archive.send_dir(tree)
    assert result.code == 0, result.stderr
    assert archive.stored() == tree
    assert len(archive.site.requests("/files/", "PUT")) == before


def test_every_file_has_a_receipt_with_its_checksum_though_it_was_there_already(archive: Archive) -> None:
    tree = {"small": b"1", "odd#": b"2", "large": bytes(100_000)}
    archive.env["RED_RECEIPT"] = str(archive.here / "receipts")
    for _ in range(2):
        assert archive.send_dir(tree).code == 0
    lines = [json.loads(line) for line in (archive.here / "receipts").read_text().splitlines()]
    found = sorted((os.path.basename(line["local"]), line["sha256"]) for line in lines)
    assert found == sorted(2 * [(name, hashlib.sha256(body).hexdigest()) for name, body in tree.items()])


def test_files_that_differ_are_73_and_stay_as_they_are_and_the_others_arrive(archive: Archive) -> None:
    for name in ("a.txt", "sub/a#b", "large"):
        archive.site.place(SCAN, "R", name, b"old")
    tree = {"a.txt": b"new", "sub/a#b": b"new", "large": bytes(100_000), "b.txt": b"b", "c.txt": b"c"}
    result = archive.send_dir(tree)
    assert result.code == 73, result.stderr
    for name in ("a.txt", "a%23b", "large"):
        assert name in result.stderr
    old = {"a.txt": b"old", "sub/a#b": b"old", "large": b"old"}
    assert archive.stored() == {**old, "b.txt": b"b", "c.txt": b"c"}


def test_overwriting_replaces_what_differs_and_leaves_the_neighbours(archive: Archive) -> None:
    old = {"data": b"old", "data2.csv": b"old", "a#b": b"old", "same": b"1", "other": b"2"}
    for name, content in old.items():
        archive.site.place(SCAN, "R", name, content)
    tree = {"data": b"new", "a#b": b"new", "same": b"1", "x": b"3"}
    result = archive.send_dir(tree, overwriteExistingFile=True)
    assert result.code == 0, result.stderr
    assert archive.stored() == {**old, **tree}


def test_a_folder_of_the_resource_is_sent_and_received_alone(archive: Archive) -> None:
    archive.site.place(SCAN, "R", "subway", b"no")
    archive.site.place(SCAN, "R", "y", b"no")
    for folder in ("sub", "a b/#c"):
        result = archive.send_dir(ODD, f"{folder}/")
        assert result.code == 0, result.stderr
        archive.here.joinpath("got").mkdir(exist_ok=True)
        result = archive.receive_dir(folder)
        assert result.code == 0, result.stderr
        assert archive.got == ODD


def test_an_empty_resource_is_an_empty_directory_and_an_unknown_one_is_66(archive: Archive) -> None:
    archive.site.resource(SCAN, "R")
    assert archive.receive_dir().code == 0
    assert archive.got == {}
    for node, fields in ((SCAN, {"resource": "none"}), ("P/S/none", {}), ("none/S/E/scans/1", {})):
        result = archive.receive_dir(None, node, **fields)
        assert result.code == 66, result.stderr
    assert archive.receive_dir("no-such-folder").code == 66


def test_an_empty_directory_makes_the_resource(archive: Archive) -> None:
    (archive.here / "tree").mkdir()
    assert archive.send_dir({}, None, "P/S/E/scans/2", xsiType="xnat:mrScanData").code == 0
    assert archive.receive_dir(None, "P/S/E/scans/2").code == 0
    assert archive.got == {}


def test_who_may_not_write_gets_77(archive: Archive) -> None:
    result = archive.send_dir(PLAIN, **archive.as_user("reader"))
    assert result.code == 77, result.stderr
    assert archive.stored() == {}
    assert len(archive.site.seen) < 10
    assert archive.send_dir({"large": bytes(2 << 20)}, **archive.as_user("reader")).code == 77


def test_a_resource_has_one_writer_at_a_time(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Files._write
    under_way: list[int] = []
    most = 0

    def counted(*given: Any) -> Answer:
        nonlocal most
        under_way.append(1)
        most = max(most, len(under_way))
        time.sleep(0.02)
        try:
            return store(*given)
        finally:
            under_way.pop()

    monkeypatch.setattr(Files, "_write", counted)
    tree = {f"large {number}": bytes(MOST_PACKED + 1 + number) for number in range(4)}
    archive.env["RED_PARALLEL"] = "8"
    result = archive.send_dir(tree)
    assert result.code == 0, result.stderr
    assert archive.stored() == tree
    assert len(archive.site.requests("/files/", "PUT")) == 4
    assert most == 1


def test_after_a_cut_archive_what_is_missing_is_fetched_one_by_one(archive: Archive) -> None:
    for name, content in PLAIN.items():
        archive.site.place(SCAN, "R", name, content)
    archive.site.fail("GET", "format=zip", Fault(truncate=10_000))
    result = archive.receive_dir()
    assert result.code == 0, result.stderr
    assert archive.got == PLAIN
    assert 10 < len(archive.site.requests("/files/")) < len(PLAIN)


@pytest.mark.parametrize("fault", [Fault(damage=True), Fault(500), Fault(404)])
def test_without_a_sound_archive_the_files_come_one_by_one(archive: Archive, fault: Fault) -> None:
    for name, content in ODD.items():
        archive.site.place(SCAN, "R", name, content)
    archive.site.fail("GET", "format=zip", fault)
    result = archive.receive_dir()
    assert result.code == 0, result.stderr
    assert archive.got == ODD


def test_where_extracting_fails_the_files_are_sent_one_by_one(archive: Archive) -> None:
    archive.site.fail("PUT", "extract=true", Fault(500, times=-1))
    tree = {"a": b"1", "b": b"2", "c#": b"3"}
    result = archive.send_dir(tree)
    assert result.code == 0, result.stderr
    assert archive.stored() == tree


def as_zip(monkeypatch: pytest.MonkeyPatch, content: Callable[[Writable], None] | bytes) -> None:
    """Let the fake give this when it is asked for an archive."""

    def write(output: Writable) -> None:
        content(output) if callable(content) else output.write(content)

    monkeypatch.setattr(packed, "answer", lambda *_: Answer(write, "application/zip"))


def members(*files: tuple[str, bytes]) -> bytes:
    packed_ = io.BytesIO()
    with zipfile.ZipFile(packed_, "w") as target:
        for name, content in files:
            target.writestr(name, content)
    return packed_.getvalue()


@pytest.mark.parametrize(
    "files",
    [
        [("E/scans/9/resources/OTHER/files/a", b"X"), ("E/scans/9/resources/OTHER/files/b", b"X")],
        [("E/files/a", b"X"), ("a", b"X"), ("E/resources/R/a", b"X"), ("/resources//files/a", b"X")],
    ],
)
def test_without_checksums_members_of_another_resource_are_not_taken_for_the_files(
    archive: Archive, monkeypatch: pytest.MonkeyPatch, files: list[tuple[str, bytes]]
) -> None:
    archive.site.switches.checksums = False
    for name in ("a", "b"):
        archive.site.place(SCAN, "R", name, name.encode())
    as_zip(monkeypatch, members(*files))
    result = archive.receive_dir()
    assert result.code == 0, result.stderr
    assert archive.got == {"a": b"a", "b": b"b"}


def test_folders_that_are_called_like_those_around_them_come_in_the_archive_too(archive: Archive) -> None:
    tree = {"files/a": b"1", "resources/R/files/a": b"2", "a": b"3", "b/files/resources/R/files/a": b"4"}
    for name, content in tree.items():
        archive.site.place(SCAN, "R", name, content)
    assert archive.receive_dir().code == 0
    assert archive.got == tree
    assert not archive.site.requests("/files/")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_of_two_members_of_one_name_the_first_counts(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive.site.switches.checksums = False
    tree = {"a": b"a", "b": b"b"}
    for name, content in tree.items():
        archive.site.place(SCAN, "R", name, content)
    sound = [(f"E/resources/R/files/{name}", content) for name, content in tree.items()]
    as_zip(monkeypatch, members(*sound, ("E/resources/R/files/a", b"X")))
    assert archive.receive_dir().code == 0
    assert archive.got == tree
    assert not archive.site.requests("/files/a")


@pytest.mark.parametrize("step", [bytes(1 << 20), b"\0\0\0\xff\xff" * 100_000])
def test_an_archive_without_end_is_given_up_and_the_files_come_one_by_one(
    archive: Archive, monkeypatch: pytest.MonkeyPatch, step: bytes
) -> None:
    method, size = (0, 1 << 60) if len(step) == 1 << 20 else (8, 0)  # stored, or deflated to nothing

    def endless(output: Writable) -> None:
        name, wide = b"E/resources/R/files/q", struct.pack("<HHQQ", 1, 16, size, size)
        facts = (b"PK\3\4", 20, 0, method, 0, 0, 0, 0xFFFFFFFF, 0xFFFFFFFF, len(name), len(wide))
        output.write(struct.pack("<4s5H3I2H", *facts) + name + wide)
        while True:
            output.write(step)

    for name in ("a", "b"):
        archive.site.place(SCAN, "R", name, name.encode())
    as_zip(monkeypatch, endless)
    result = archive.receive_dir()
    assert result.code == 0, result.stderr
    assert archive.got == {"a": b"a", "b": b"b"}
    assert result.seconds < 5


def test_large_files_are_not_fetched_for_the_sake_of_small_ones(archive: Archive) -> None:
    archive.site.place(SCAN, "R", "large", bytes(3 << 20))
    for name in ("a", "b"):
        archive.site.place(SCAN, "R", name, b"1")
    assert archive.receive_dir().code == 0
    assert sorted(archive.got) == ["a", "b", "large"]
    assert not archive.site.requests("format=zip")


def test_large_files_come_several_at_once(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    met = threading.Barrier(2, timeout=10)
    one = Files._one
    monkeypatch.setattr(Files, "_one", lambda *given: (met.wait(), one(*given))[1])  # type: ignore[func-returns-value]
    tree = {f"large {number}": bytes(100_000 + number) for number in range(2)}
    for name, content in tree.items():
        archive.site.place(SCAN, "R", name, content)
    result = archive.receive_dir()
    assert result.code == 0, result.stderr
    assert archive.got == tree


def test_a_second_receive_fetches_what_changed_alone(archive: Archive) -> None:
    for name, content in PLAIN.items():
        archive.site.place(SCAN, "R", name, content)
    assert archive.receive_dir().code == 0
    before = len(archive.site.seen)
    archive.site.place(SCAN, "R", "sub/3/3.dcm", b"changed")
    assert archive.receive_dir().code == 0
    assert archive.got == {**PLAIN, "sub/3/3.dcm": b"changed"}
    assert len(archive.site.seen) - before == 4


def test_a_dangerous_name_in_the_archive_is_76_and_nothing_is_written(archive: Archive) -> None:
    archive.site.place(SCAN, "R", "y", b"1")
    resource = archive.site.resource(SCAN, "R")
    resource.catalogue["../../evil"] = resource.catalogue.pop("y")
    archive.site.place(SCAN, "R", "z", b"2")
    result = archive.receive_dir()
    assert result.code == 76, result.stderr
    assert "'../../evil'" in result.stderr
    assert not (archive.here.parent / "evil").exists()
    assert "--listing" in result.stderr
    listing = [{"class": "File", "basename": "z"}]
    assert (
        archive.call("receive-dir", archive.access(None), archive.here / "got", "--listing", listing).code
        == 0
    )
    assert archive.got == {"z": b"2"}


def test_names_of_part_files_are_left_out_both_ways_and_that_is_said_once(archive: Archive) -> None:
    hidden = {f"{folder}.x.red-part": b"?" for folder in ("", "a/", "b/", "c/", "d/")}
    result = archive.send_dir({"x": b"1", **hidden})
    assert result.code == 0, result.stderr
    assert archive.stored() == {"x": b"1"}
    for name, content in hidden.items():
        archive.site.place(SCAN, "R", name, content)
    for said in (result.stderr, archive.receive_dir().stderr):
        assert said.count("left out") == 1
        assert "left out: .x.red-part, a/.x.red-part, b/.x.red-part and 2 more: the names of" in said
    assert archive.got == {"x": b"1"}


def test_folders_may_be_as_deep_as_the_machine_takes_them(archive: Archive) -> None:
    deep = "d/" * 1500 + "x"
    archive.site.place(SCAN, "R", deep, b"1")
    try:
        result = archive.receive_dir()
        assert result.code == 0, result.stderr
        assert os.path.isfile(archive.here / "got" / deep)
    finally:
        subprocess.run(["rm", "-rf", str(archive.here / "got")], check=True)  # deeper than Python's own goes


def test_two_files_that_mean_the_same_name_both_arrive(archive: Archive) -> None:
    for name in ("y", "a#b"):
        archive.site.place(SCAN, "R", name, name.encode())
    resource = archive.site.resource(SCAN, "R")
    resource.catalogue["a#b"] = resource.catalogue.pop("y")
    assert archive.receive_dir().code == 0
    assert archive.got == {"a#b": b"y", "a%23b": b"a#b"}


# --- the archive is a short cut ---


@pytest.mark.parametrize("checksums", [True, False])
def test_files_that_are_too_large_together_are_sent_in_smaller_archives(
    archive: Archive, checksums: bool
) -> None:
    archive.site.switches.checksums = checksums
    archive.site.switches.largest_body = 1 << 20
    tree = {f"{number}.dcm": os.urandom(100_000) for number in range(40)} | {"one": bytes(1 << 20)}
    result = archive.send_dir(tree)
    assert result.code == 0, result.stderr
    assert archive.stored() == tree
    assert len(archive.site.requests("/files/", "PUT")) < 20


def test_of_many_files_only_the_one_that_is_too_large_alone_fails_and_its_name_is_told(
    archive: Archive,
) -> None:
    archive.site.switches.largest_body = 100_000
    tree = {f"{number}": os.urandom(20_000) for number in range(30)}
    result = archive.send_dir({**tree, "huge.dcm": os.urandom(200_000)})
    assert result.code == 73, result.stderr
    assert "huge.dcm" in result.stderr
    assert "413" in result.stderr
    assert archive.stored() == tree


@pytest.mark.parametrize("status", [400, 403, 404, 405, 406, 409, 411, 413, 415, 422, 500, 501, 502])
@pytest.mark.parametrize("verb", ["send-dir", "receive-dir"])
def test_whatever_a_server_answers_to_an_archive_the_files_go_one_by_one(
    archive: Archive, verb: str, status: int
) -> None:
    tree = {"a": b"1", "b": b"22", "c/d": b"333"}
    if verb == "receive-dir":
        for name, content in tree.items():
            archive.site.place(SCAN, "R", name, content)
    archive.site.fail("", "extract=true|format=zip", Fault(status, times=-1))
    result = archive.send_dir(tree) if verb == "send-dir" else archive.receive_dir()
    assert result.code == 0, result.stderr
    assert (archive.stored() if verb == "send-dir" else archive.got) == tree


@pytest.mark.parametrize("checksums", [True, False])
def test_an_archive_that_arrived_but_whose_answer_was_lost_is_sent(archive: Archive, checksums: bool) -> None:
    archive.site.switches.checksums = checksums
    archive.site.fail("PUT", "extract=true", Fault(lose=True, times=3))
    archive.env["RED_RETRIES"] = "3"
    result = archive.send_dir(PLAIN)
    assert result.code == 0, result.stderr
    assert archive.stored() == PLAIN
