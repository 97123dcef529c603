"""Receiving from XNAT: sections 2, 5 and 6 of docs/xnat-rest-api.md, each surprise by name."""

from typing import Any

import pytest

from tests.conformance.promises import visible
from tests.servers.xnat import Fault
from tests.servers.xnat.exchange import Answer, page
from tests.servers.xnat.files import Files
from tests.support.xnat_calls import SCAN, Archive

BODY = bytes(range(256)) * 40


@pytest.fixture
def archive(archive: Archive) -> Archive:
    """With a file."""
    archive.site.place(SCAN, "R", "x", BODY)
    return archive


def received(archive: Archive) -> bytes:
    return (archive.here / "x").read_bytes()


def nothing(archive: Archive) -> bool:
    return visible(archive.here) == []


def test_a_file_takes_four_requests_and_one_session_that_is_ended(archive: Archive) -> None:
    result = archive.receive()
    assert result.code == 0, result.stderr
    assert received(archive) == BODY
    assert [one.method for one in archive.site.seen] == ["GET", "GET", "GET", "DELETE"]
    assert archive.site.log_ins == 1
    assert archive.site.open_sessions() == 0


@pytest.mark.parametrize("node", ["P", "P/S", "P/S/E", "P/S/E/reconstructions/r", "P/S/E/assessors/a"])
def test_a_file_of_any_level_is_received(archive: Archive, node: str) -> None:
    archive.site.place(node, "R", "sub/x", b"at " + node.encode())
    result = archive.receive("sub/x", node)
    assert result.code == 0, result.stderr
    assert received(archive) == b"at " + node.encode()
    assert len(archive.site.seen) <= 4


def test_an_assessor_is_found_by_its_id_and_by_its_label(archive: Archive) -> None:
    archive.site.place("P/S/E/assessors/a", "R", "x", b"1")
    number = archive.site.make("P/S/E/assessors/a").id
    for name in ("a", number):
        assert archive.receive(node=f"P/S/E/assessors/{name}").code == 0
        assert received(archive) == b"1"


def test_what_went_in_is_another_file_than_what_came_out(archive: Archive) -> None:
    for side in ("in", "out"):
        archive.site.place(f"P/S/E/assessors/a/{side}", "R", "x", side.encode())
    for direction, content in (("in", b"in"), ("out", b"out"), (None, b"out")):
        assert archive.receive(node="P/S/E/assessors/a", direction=direction).code == 0
        assert received(archive) == content


@pytest.mark.parametrize(
    "node", ["P/S/E/scans/9", "P/S/E/reconstructions/9", "P/S/E/assessors/9", "P/S/typo/scans/1", "P/S/typo"]
)
def test_a_typo_does_not_fetch_a_namesake_from_the_subject(archive: Archive, node: str) -> None:
    archive.site.place("P/S", "R", "x", b"the subject's")
    for verb, access in (
        ("receive-file", archive.access(node=node)),
        ("receive-dir", archive.access(None, node)),
    ):
        result = archive.call(verb, access, archive.here / "y")
        assert result.code == 66, result.stderr
        assert nothing(archive)


@pytest.mark.parametrize(
    "node", ["none/S/E/scans/1", "none/S/E/assessors/1", "none", "P/none", "p/S/E/scans/1"]
)
def test_an_unknown_project_or_subject_is_66_though_lists_of_scans_answer_500(
    archive: Archive, node: str
) -> None:
    result = archive.receive(node=node)
    assert result.code == 66, result.stderr
    assert archive.site.open_sessions() == 0


def test_a_project_that_may_not_be_read_is_66(archive: Archive) -> None:
    assert archive.receive(**archive.as_user("stranger")).code == 66


def test_a_500_that_is_no_missing_project_may_pass(archive: Archive) -> None:
    archive.site.fail("GET", r"/scans\?", Fault(500))
    result = archive.call("receive-file", archive.access(), archive.here / "x", RED_RETRIES="1")
    assert result.code == 0, result.stderr
    archive.site.fail("GET", r"/scans\?", Fault(500))
    assert archive.receive().code == 75


def test_a_scan_whose_type_is_anothers_id_is_not_mixed_up_with_it(archive: Archive) -> None:
    archive.site.make("P/S/E/scans/2", type="1")
    archive.site.place("P/S/E/scans/2", "R", "y", b"of scan 2")
    assert archive.receive("y").code == 66
    assert archive.receive("x").code == 0
    assert received(archive) == BODY


@pytest.mark.parametrize("checksums", [True, False])
def test_a_scan_without_the_resource_does_not_give_that_of_a_scan_whose_type_is_its_id(
    archive: Archive, checksums: bool
) -> None:
    archive.site.switches.checksums = checksums
    archive.site.make("P/S/E/scans/T1", type="MPRAGE")
    archive.site.make("P/S/E/scans/2", type="T1")
    for name in ("x", "y"):
        archive.site.place("P/S/E/scans/2", "R", name, b"of scan 2")
    assert archive.receive(node="P/S/E/scans/T1").code == 66
    assert archive.receive_dir(None, "P/S/E/scans/T1").code == 66
    assert nothing(archive)


@pytest.mark.parametrize("checksums", [True, False])
def test_of_two_scans_that_both_answer_to_a_name_the_one_with_that_id_is_received(
    archive: Archive, checksums: bool
) -> None:
    archive.site.switches.checksums = checksums
    for scan, kind in (("2", "T1"), ("T1", "MPRAGE")):
        archive.site.make(f"P/S/E/scans/{scan}", type=kind)
        for name in ("x", "y"):
            archive.site.place(f"P/S/E/scans/{scan}", "R", name, f"{scan:2}".encode())
    session = archive.site.make("P/S/E")
    session.children.sort(key=lambda one: one.id)  # scan 2 is the first
    assert archive.receive(node="P/S/E/scans/T1").code == 0
    assert received(archive) == b"T1"
    result = archive.receive_dir(None, "P/S/E/scans/T1")
    assert result.code == 0, result.stderr
    assert archive.got == {"x": b"T1", "y": b"T1"}
    (packed,) = archive.site.requests("format=zip")
    number = archive.site.resource("P/S/E/scans/T1", "R").id
    assert f"/resources/{number}/files" in packed.path, "by its label XNAT would pack those of both"


def test_a_scan_with_a_slash_in_its_id_is_received(archive: Archive) -> None:
    archive.site.place("P/S/E/scans/z", "R", "x", b"of 1/2")
    scan = archive.site.make("P/S/E/scans/z")
    scan.id = scan.label = "1/2"
    result = archive.receive("x", "P/S/E/scans/1/2")
    assert result.code == 0, result.stderr
    assert received(archive) == b"of 1/2"


@pytest.mark.parametrize(
    "name", ["a#b.txt", "ü.txt", "a b#.txt", "d#/a b.txt", "%41.txt", "a+b.txt", "100%.dat"]
)
def test_a_file_is_found_under_both_spellings_of_its_name(archive: Archive, name: str) -> None:
    archive.site.place(SCAN, "R", name, b"put")
    resource = archive.site.resource(SCAN, "R")
    assert archive.receive(name).code == 0
    assert received(archive) == b"put"
    kept = next(one for one in resource.catalogue if one != "x")
    resource.catalogue[name] = resource.catalogue.pop(kept)  # as an archive leaves it
    result = archive.receive(name)
    assert result.code == 0, result.stderr
    assert received(archive) == b"put"


def test_the_base_name_alone_is_no_match(archive: Archive) -> None:
    archive.site.place(SCAN, "R", "sub/y", b"nested")
    assert archive.receive("y").code == 66
    assert archive.receive("sub/y").code == 0
    assert received(archive) == b"nested"


# --- what arrives ---


def test_a_transfer_that_is_cut_goes_on_where_it_ended(archive: Archive) -> None:
    archive.site.fail("GET", "/files/x$", Fault(truncate=5000))
    result = archive.call("receive-file", archive.access(), archive.here / "x", RED_RETRIES="1")
    assert result.code == 0, result.stderr
    assert received(archive) == BODY
    first, second = archive.site.requests("/files/x", "GET")
    assert "range" not in first.headers
    assert second.headers["range"] == "bytes=5000-"


def test_what_changed_meanwhile_is_not_continued(archive: Archive) -> None:
    archive.site.fail("GET", "/files/x$", Fault(truncate=5000))
    assert archive.receive().code == 75
    archive.site.place(SCAN, "R", "x", BODY[::-1])
    assert archive.receive().code == 0
    assert received(archive) == BODY[::-1]


@pytest.fixture
def cut(archive: Archive) -> Archive:
    """A site without checksums, and 5000 bytes of a file that was there for a while."""
    archive.site.switches.checksums = False
    archive.site.resource(SCAN, "R").catalogue["x"].at -= 60
    archive.site.fail("GET", "/files/x$", Fault(truncate=5000))
    assert archive.receive().code == 75
    return archive


def ranges(archive: Archive) -> list[str]:
    return [one.headers.get("range", "") for one in archive.site.requests("/files/x")]


def test_a_site_without_checksums_continues_by_the_date(cut: Archive) -> None:
    assert cut.receive().code == 0
    assert received(cut) == BODY
    assert ranges(cut) == ["", "bytes=5000-"]


def test_without_checksums_a_file_of_this_very_second_is_not_continued(archive: Archive) -> None:
    archive.site.switches.checksums = False
    archive.site.resource(SCAN, "R").catalogue["x"].at += 60  # whatever the clock says while this runs
    archive.site.fail("GET", "/files/x$", Fault(truncate=5000))
    assert archive.receive().code == 75
    archive.site.place(SCAN, "R", "x", BODY[::-1]).at += 60
    assert archive.receive().code == 0
    assert received(archive) == BODY[::-1]
    assert ranges(archive) == ["", ""]


@pytest.mark.parametrize("body", [BODY[::-1], BODY + b"more", BODY[:6000], BODY[:5000], BODY[:10]])
def test_without_checksums_a_file_that_changed_is_fetched_afresh(cut: Archive, body: bytes) -> None:
    cut.site.place(SCAN, "R", "x", body).at -= 30
    result = cut.call("receive-file", cut.access(), cut.here / "x", RED_RETRIES="1")
    assert result.code == 0, result.stderr
    assert received(cut) == body
    assert ranges(cut) == ["", "bytes=5000-", ""]


@pytest.mark.parametrize("field", ["bytes 4000-10239/10240", "bytes 5000-10239/9999", "none", ""])
def test_a_part_that_is_not_the_one_asked_for_is_not_put_behind_the_others(
    cut: Archive, monkeypatch: pytest.MonkeyPatch, field: str
) -> None:
    one = Files._one

    def wrong(*given: Any) -> Answer:
        answer = one(*given)
        if answer.status == 206:
            answer.headers["Content-Range"] = field
        return answer

    monkeypatch.setattr(Files, "_one", wrong)
    result = cut.call("receive-file", cut.access(), cut.here / "x", RED_RETRIES="1")
    assert result.code == 0, result.stderr
    assert "starting over" in result.stderr
    assert received(cut) == BODY


def test_wrong_bytes_are_65_after_a_second_try(archive: Archive) -> None:
    archive.site.fail("GET", "/files/x$", Fault(damage=True))
    assert archive.receive().code == 0
    archive.site.fail("GET", "/files/x$", Fault(damage=True, times=-1))
    result = archive.receive()
    assert result.code == 65, result.stderr
    assert received(archive) == BODY, "the first one's"


@pytest.mark.parametrize("verb", ["receive-file", "receive-dir"])
def test_a_file_that_is_replaced_between_the_list_and_its_delivery_is_received(
    archive: Archive, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    one = Files._one
    fresh = [BODY[::-1]]

    def replaced(*given: Any) -> Answer:
        while fresh:
            archive.site.place(SCAN, "R", "x", fresh.pop())
        return one(*given)

    monkeypatch.setattr(Files, "_one", replaced)
    access = archive.access(None if verb == "receive-dir" else "x")
    result = archive.call(verb, access, archive.here / "got")
    assert result.code == 0, result.stderr
    found = archive.here / ("got/x" if verb == "receive-dir" else "got")
    assert found.read_bytes() == BODY[::-1]


def test_a_page_of_html_is_never_saved_as_the_file(archive: Archive) -> None:
    archive.site.switches.maintenance = True
    result = archive.receive()
    assert result.code == 76, result.stderr
    assert "baseUrl" in result.stderr
    assert nothing(archive)


def test_a_page_of_html_in_place_of_the_bytes_alone_is_not_saved_either(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Files, "_one", lambda *_: page(200, "Please log in."))
    for verb, access in (("receive-file", archive.access()), ("receive-dir", archive.access(None))):
        result = archive.call(verb, access, archive.here / "x")
        assert result.code == 75, result.stderr
    assert not [one for one in archive.here.rglob("*") if one.is_file()]


def test_a_page_as_long_as_the_file_is_not_saved_where_there_are_no_checksums(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive.site.switches.checksums = False
    archive.site.place(SCAN, "R", "x.html", b"<p>")
    archive.site.place(SCAN, "R", "x", b"<p>")
    monkeypatch.setattr(Files, "_one", lambda *_: Answer(b"<p>", "text/html"))
    assert archive.receive("x").code == 75
    assert nothing(archive)
    assert archive.receive("x.html").code == 0


def test_a_listed_file_that_is_not_on_the_disk_is_66_and_said_to_be_listed(archive: Archive) -> None:
    archive.site.resource(SCAN, "R").catalogue["x"].file.unlink()
    result = archive.receive()
    assert result.code == 66
    assert "lists this file but does not have it" in result.stderr
    assert nothing(archive)
