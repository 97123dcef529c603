"""Sending to XNAT: sections 3 to 6 of docs/xnat-rest-api.md, each surprise by name."""

import hashlib
import io
import json
import os
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.servers import delay
from tests.servers.xnat import Fault
from tests.servers.xnat.exchange import Answer
from tests.servers.xnat.files import Files
from tests.support.xnat_calls import SCAN, Archive

TYPE = {"xsiType": "xnat:mrScanData"}


def test_a_file_takes_four_requests_and_one_session_that_is_ended(archive: Archive) -> None:
    assert archive.send(b"123").code == 0
    assert archive.stored() == {"x": b"123"}
    assert sorted(one.method for one in archive.site.seen) == ["DELETE", "GET", "GET", "PUT"]
    assert archive.site.log_ins == 1
    assert archive.site.open_sessions() == 0


@pytest.mark.parametrize("node", ["P", "P/S", "P/S/E", SCAN])
def test_a_file_is_sent_to_any_level(archive: Archive, node: str) -> None:
    result = archive.send(b"123", "sub/x", node)
    assert result.code == 0, result.stderr
    assert archive.stored(node) == {"sub/x": b"123"}
    assert len(archive.site.seen) <= 5


def test_the_resource_is_other_unless_it_is_named(archive: Archive) -> None:
    assert archive.send(b"123", resource=None).code == 0
    assert archive.stored(resource="OTHER") == {"x": b"123"}


@pytest.mark.parametrize("size", [0, 1, 3 << 20])
def test_files_of_any_size_are_sent_empty_ones_too(archive: Archive, size: int) -> None:
    result = archive.send(bytes(size))
    assert result.code == 0, result.stderr
    assert archive.stored() == {"x": bytes(size)}
    assert len(archive.site.seen) <= 8


def test_the_receipt_of_an_empty_file_has_its_checksum(archive: Archive) -> None:
    archive.env["RED_RECEIPT"] = str(archive.here / "receipts")
    assert archive.send(b"").code == 0
    assert archive.send_dir({"alone": b""}).code == 0
    assert archive.send_dir({"one": b"", "other#": b""}).code == 0
    lines = [json.loads(line) for line in (archive.here / "receipts").read_text().splitlines()]
    assert sorted(os.path.basename(line["local"]) for line in lines) == [
        "alone",
        "alone",
        "one",
        "other#",
        "out",
    ]
    assert {line["sha256"] for line in lines} == {hashlib.sha256(b"").hexdigest()}


@pytest.mark.parametrize("size", [0, 3, 3 << 20])
def test_format_content_and_tags_are_those_of_the_file_and_not_of_the_resource(
    archive: Archive, size: int
) -> None:
    assert archive.send(bytes(size), format="NIFTI", content="RAW", tags="a,b").code == 0
    resource = archive.site.resource(SCAN, "R")
    entry = resource.catalogue["x"]
    assert (entry.format, entry.content, entry.tags) == ("NIFTI", "RAW", "a,b")
    assert (resource.format, resource.content, resource.tags) == ("", "", "")


# --- containers ---


@pytest.mark.parametrize(
    ("node", "xsi_type"),
    [
        ("P/S/E/scans/2", "xnat:mrScanData"),
        ("P/S/E/scans/a b", "xnat:mrScanData"),
        ("P/S/E/scans/1/2", "xnat:mrScanData"),
        ("P/S/E/reconstructions/r", None),
        ("P/S/E/reconstructions/r", "xnat:reconstructedImageData"),
        ("P/S/E/assessors/a", "xnat:qcAssessmentData"),
    ],
)
def test_a_container_that_is_missing_is_made_and_used_again(
    archive: Archive, node: str, xsi_type: str | None
) -> None:
    """Reconstructions have no xsiType in their rows (6.1)."""
    for name in ("x", "y"):
        before = len(archive.site.seen)
        result = archive.send(b"123", name, node, xsiType=xsi_type)
        assert result.code == 0, result.stderr
        assert len(archive.site.seen) - before <= 6
    session = archive.site.make("P/S/E")
    made = [one for one in session.children if one.label == node.removeprefix("P/S/E/").partition("/")[2]]
    assert len(made) == 1
    assert sorted(made[0].resources[0].catalogue) == ["x", "y"]


@pytest.mark.parametrize("direction", ["in", "out"])
def test_the_direction_says_on_which_side_it_is(archive: Archive, direction: str) -> None:
    archive.site.make("P/S/E/assessors/a")
    assert archive.send(b"1", node="P/S/E/assessors/a", direction=direction).code == 0
    assert archive.stored(f"P/S/E/assessors/a/{direction}") == {"x": b"1"}
    other = "in" if direction == "out" else "out"
    assert archive.stored(f"P/S/E/assessors/a/{other}") == {}


@pytest.mark.parametrize(
    ("node", "xsi_type", "code"),
    [
        ("P/S/E/scans/2", None, 78),
        ("P/S/E/assessors/2", None, 78),
        ("P/S/E/scans/2", "xnat:nonsense", 78),
        ("P/S/E/scans/2", "site:nonsense", 78),
        ("P/S/E/scans/2", "xnat:mrSessionData", 78),
        (SCAN, "xnat:petScanData", 73),
        ("P/S/E/reconstructions/r", "icr:other", 73),
        ("P/S/E/reconstructions/r", "xnat:mrScanData", 78),
        ("P/S/E/assessors/2", "xnat:mrScanData", 78),
        (SCAN, "xnat:qcAssessmentData", 78),
        ("P/S/none/scans/1", "xnat:mrScanData", 73),
        ("P/none/E/scans/1", "xnat:mrScanData", 73),
        ("none/S/E/scans/1", "xnat:mrScanData", 73),
        ("none/S/E/assessors/1", "xnat:qcAssessmentData", 73),
    ],
)
def test_a_container_that_cannot_be_made_or_is_of_another_type_is_an_error(
    archive: Archive, node: str, xsi_type: str | None, code: int
) -> None:
    archive.site.make("P/S/E/reconstructions/r")
    result = archive.send(b"123", node=node, xsiType=xsi_type)
    assert result.code == code, result.stderr
    if code == 78:
        assert "xsiType" in result.stderr
    assert archive.site.find("P/S/E/scans/2") is None
    assert archive.site.open_sessions() == 0
    if xsi_type != "site:nonsense":  # only XNAT knows those
        assert archive.call("send-file-validate", archive.access(node=node, xsiType=xsi_type)).code == code
    assert not archive.site.requests("/files/")


@pytest.mark.parametrize("kind", ["scans", "assessors"])
def test_a_missing_type_is_told_with_its_place_and_a_type_that_fits(archive: Archive, kind: str) -> None:
    access = archive.access(node=f"P/S/E/{kind}/2")
    document = {"command": "red-connector-xnat-http", "access": access}
    result = archive.call("send-file-validate", document)
    assert result.code == 78, result.stderr
    assert "access.xsiType: required to make" in result.stderr
    assert ("xnat:mrScanData" if kind == "scans" else "xnat:qcAssessmentData") in result.stderr


def test_who_may_not_make_a_container_gets_77(archive: Archive) -> None:
    result = archive.send(b"1", node="P/S/E/scans/2", **TYPE, **archive.as_user("reader"))
    assert result.code == 77, result.stderr


# --- what XNAT does not say ---


@pytest.mark.parametrize("size", [0, 3, 3 << 20])
def test_who_may_not_write_gets_77_though_xnat_answers_200(archive: Archive, size: int) -> None:
    result = archive.send(bytes(size), **archive.as_user("reader"))
    assert result.code == 77, result.stderr
    assert archive.stored() == {}
    assert max(one.taken for one in archive.site.seen) <= 1 << 20, "megabytes were streamed for nothing"


@pytest.mark.parametrize("overwrite", [True, False])
@pytest.mark.parametrize("checksums", [True, False])
def test_who_may_not_write_gets_77_though_a_file_of_that_name_and_size_is_there(
    archive: Archive, checksums: bool, overwrite: bool
) -> None:
    archive.site.place(SCAN, "R", "x", b"old")
    archive.site.switches.checksums = checksums
    result = archive.send(b"new", overwriteExistingFile=overwrite, **archive.as_user("reader"))
    assert result.code == 77, result.stderr
    assert archive.stored() == {"x": b"old"}


@pytest.mark.parametrize("change", [lambda old: old[:-1], lambda old: bytes([old[0] ^ 1]) + old[1:]])
def test_what_was_stored_with_other_bytes_is_65(
    archive: Archive, monkeypatch: pytest.MonkeyPatch, change: Callable[[bytes], bytes]
) -> None:
    from tests.servers.xnat.archive import Archive as Store

    keep = Store.keep
    monkeypatch.setattr(
        Store, "keep", lambda self, stream, **facts: keep(self, io.BytesIO(change(stream.read())), **facts)
    )
    result = archive.send(b"123")
    assert result.code == 65, result.stderr


def test_an_existing_file_is_73_and_stays_and_so_is_a_nested_one(archive: Archive) -> None:
    """Comparing the base name with a nested path never matches; XNAT then answers 200 (6.2)."""
    for name in ("x", "sub/x", "a#b", "a b#", "ü"):
        archive.site.place(SCAN, "R", name, b"old")
        for content in (b"new", b"old"):
            result = archive.send(content, name)
            assert result.code == 73, result.stderr
            assert "overwriteExistingFile" in result.stderr
        assert archive.call("send-file-validate", archive.access(name)).code == 73
        assert archive.stored()[name] == b"old"


def test_overwriting_replaces_by_put_alone_and_leaves_the_neighbours(archive: Archive) -> None:
    """DELETE matches by prefix, and Members may not do it (6.3)."""
    for name in ("data", "data2.csv", "data.d/x"):
        archive.site.place(SCAN, "R", name, b"old")
    result = archive.send(b"new", "data", overwriteExistingFile=True, **archive.as_user("member"))
    assert result.code == 0, result.stderr
    assert archive.stored() == {"data": b"new", "data2.csv": b"old", "data.d/x": b"old"}
    assert [one.path for one in archive.site.requests(method="DELETE")] == ["/data/JSESSION"]


def test_the_old_file_stays_if_the_new_one_does_not_get_through(archive: Archive) -> None:
    archive.site.place(SCAN, "R", "x", b"old")
    archive.site.fail("PUT", "/files/x", Fault(drop=100_000, times=-1))  # libcurl repeats it itself, once
    assert archive.send(bytes(500_000), overwriteExistingFile=True).code == 75
    assert archive.stored() == {"x": b"old"}


@pytest.mark.parametrize("fault", [Fault(500, after=True), Fault(drop=100_000, times=2), Fault(503)])
@pytest.mark.parametrize("overwrite", [True, False])
def test_after_a_failure_it_is_looked_before_it_is_sent_again(
    archive: Archive, fault: Fault, overwrite: bool
) -> None:
    archive.site.fail("PUT", "/files/x", replace(fault))
    archive.env["RED_RETRIES"] = "1"
    content = bytes(500_000)
    result = archive.send(content, overwriteExistingFile=overwrite)
    assert result.code == 0, result.stderr
    assert archive.stored() == {"x": content}
    assert len(archive.site.requests("/files/x", "PUT")) == (1 if fault.after else 1 + fault.times)


@pytest.mark.parametrize("overwrite", [True, False])
def test_a_file_that_lost_a_race_for_the_catalogue_is_repaired(archive: Archive, overwrite: bool) -> None:
    """On the disk and not in the catalogue: GET 404, the next PUT answers "duplicates"."""
    archive.site.place(SCAN, "R", "x", b"123")
    resource = archive.site.resource(SCAN, "R")
    resource.catalogue.clear()
    result = archive.send(b"123", overwriteExistingFile=overwrite)
    assert result.code == 0, result.stderr
    assert archive.stored() == {"x": b"123"}
    resource.catalogue.clear()
    result = archive.send(b"other", overwriteExistingFile=overwrite)
    assert result.code == (0 if overwrite else 73), result.stderr
    assert resource.disk["x"].data == (b"other" if overwrite else b"123")


def test_two_calls_at_once_both_arrive(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.support.program import start

    archive.site.switches.catalog_race = True
    met, write = threading.Barrier(3, timeout=20), Files._arriving

    def together(self: Files, *given: Any) -> Any:
        arrived = list(write(self, *given))
        if not met.broken and len(archive.site.requests("/files/", "PUT")) == 0:
            met.wait()
        return arrived

    monkeypatch.setattr(Files, "_arriving", together)
    (archive.here / "out").write_bytes(b"1")
    calls = [
        start(
            "red-connector-xnat-http", "send-file", archive.access(name), archive.here / "out",
            env={"RED_RETRIES": "4"},
        )
        for name in ("a", "b", "c")
    ]  # fmt: skip
    for one in calls:
        one.communicate(timeout=60)
        assert one.returncode == 0
    assert archive.stored() == {"a": b"1", "b": b"1", "c": b"1"}
    assert [one for one in archive.site.requests("/files/", "PUT") if one.status == 500], "there was no race"


def test_a_refused_upload_is_not_streamed_to_its_end(archive: Archive) -> None:
    with delay.start(archive.site.port) as relay:
        access = archive.access(baseUrl=f"http://127.0.0.1:{relay.port}", **archive.as_user("reader"))
        (archive.here / "out").write_bytes(bytes(20 << 20))
        result = archive.call("send-file", access, archive.here / "out")
        assert result.code == 77, result.stderr
        assert relay.passed < 2 << 20
        assert sum(one.taken for one in archive.site.seen) < 2 << 20


def test_a_guest_gets_77_though_xnat_answers_200(archive: Archive) -> None:
    archive.site.switches.require_login = False
    archive.site.make("P").public = True
    archive.site.users["guest"].password = archive.site.password
    for size in (0, 3, 3 << 20):
        result = archive.send(bytes(size), **archive.as_user("guest"))
        assert result.code == 77, result.stderr
    assert archive.stored() == {}


@pytest.mark.parametrize("checksums", [True, False])
@pytest.mark.parametrize("name", ["new", "old", "odd#"])
@pytest.mark.parametrize(
    "answer", [Answer(b"<html>blocked</html>", "text/html"), Answer(status=201), Answer(status=204), Answer()]
)
def test_what_is_not_stored_is_no_success_whatever_is_answered(
    archive: Archive, monkeypatch: pytest.MonkeyPatch, answer: Answer, name: str, checksums: bool
) -> None:
    """The old file may have the same size, and no digest that tells the two apart."""
    archive.site.switches.checksums = checksums
    for one in ("old", "odd#"):
        archive.site.place(SCAN, "R", one, b"OLDBYTES")
    monkeypatch.setattr(Files, "_write", lambda *_: answer)
    result = archive.send(b"NEWBYTES", name, overwriteExistingFile=True)
    assert result.code == (76 if name == "new" or answer != Answer() else 65), result.stderr


@pytest.mark.parametrize("size", [3, 3 << 20])
def test_without_checksums_a_file_that_was_there_is_read_again(archive: Archive, size: int) -> None:
    archive.site.switches.checksums = False
    archive.site.place(SCAN, "R", "x", bytes(size))
    new = b"1" * size
    result = archive.send(new, overwriteExistingFile=True)
    assert result.code == 0, result.stderr
    assert archive.stored() == {"x": new}
    assert [one.taken for one in archive.site.requests("/files/x", "PUT")] == [size]
    assert len(archive.site.requests("/files/x", "GET")) == 1


@pytest.mark.parametrize("checksums", [True, False])
@pytest.mark.parametrize("overwrite", [True, False])
@pytest.mark.parametrize("size", [0, 10, 3_000_000])
@pytest.mark.parametrize("times", [1, 3])
def test_a_file_that_arrived_but_whose_answer_was_lost_is_sent(
    archive: Archive, times: int, size: int, overwrite: bool, checksums: bool
) -> None:
    archive.site.switches.checksums = checksums
    archive.site.fail("PUT", "/files/x", Fault(lose=True, times=times))
    archive.env["RED_RETRIES"] = "3"
    content = os.urandom(size)
    result = archive.send(content, overwriteExistingFile=overwrite)
    assert result.code == 0, result.stderr
    assert archive.stored() == {"x": content}


@pytest.mark.parametrize("checksums", [True, False])
def test_a_file_that_was_there_before_is_73_though_an_answer_was_lost(
    archive: Archive, checksums: bool
) -> None:
    archive.site.switches.checksums = checksums
    archive.site.place(SCAN, "R", "x", b"theirs")
    archive.site.fail("PUT", "/files/x", Fault(lose=True))
    archive.env["RED_RETRIES"] = "3"
    result = archive.send(b"ours !")
    assert result.code == 73, result.stderr
    assert archive.stored() == {"x": b"theirs"}


def test_a_file_that_is_too_large_for_the_server_is_73_at_once_with_a_hint(archive: Archive) -> None:
    archive.site.switches.largest_body = 1 << 20
    archive.env["RED_RETRIES"] = "4"
    result = archive.send(bytes(1_500_000))
    assert result.code == 73, result.stderr
    assert "413" in result.stderr
    assert "hint: the server, or a proxy in front of it, limits the size" in result.stderr
    assert len(archive.site.requests("/files/x", "PUT")) == 1
