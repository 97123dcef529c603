"""Receiving from XNAT: sections 2, 5 and 6 of docs/xnat-rest-api.md, each surprise by name."""

from pathlib import Path

import pytest

from tests.archive import FILES, SCAN, Archive
from tests.conformance import visible
from tests.servers.xnat import Fault, Xnat

BODY = bytes(range(256)) * 40


@pytest.fixture
def archive(xnat_site: Xnat, tmp_path: Path) -> Archive:
    xnat_site.place(SCAN, "R", "x", BODY)
    return Archive(xnat_site, tmp_path)


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


def test_a_site_without_checksums_continues_by_the_date(archive: Archive) -> None:
    archive.site.switches.checksums = False
    archive.site.fail("GET", "/files/x$", Fault(truncate=5000))
    assert archive.receive().code == 75
    assert archive.receive().code == 0
    assert received(archive) == BODY
    assert archive.site.requests("/files/x")[-1].headers["range"] == "bytes=5000-"


def test_wrong_bytes_are_65_after_a_second_try(archive: Archive) -> None:
    archive.site.fail("GET", "/files/x$", Fault(damage=True))
    assert archive.receive().code == 0
    archive.site.fail("GET", "/files/x$", Fault(damage=True, times=-1))
    result = archive.receive()
    assert result.code == 65, result.stderr
    assert received(archive) == BODY, "the first one's"


def test_a_page_of_html_is_never_saved_as_the_file(archive: Archive) -> None:
    archive.site.switches.maintenance = True
    result = archive.receive()
    assert result.code == 76, result.stderr
    assert "baseUrl" in result.stderr
    assert nothing(archive)


def test_a_page_of_html_in_place_of_the_bytes_alone_is_not_saved_either(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.servers.xnat.exchange import page
    from tests.servers.xnat.files import Files

    monkeypatch.setattr(Files, "_one", lambda *_: page(200, "Please log in."))
    for verb, access in (("receive-file", archive.access()), ("receive-dir", archive.access(None))):
        result = archive.call(verb, access, archive.here / "x")
        assert result.code == 75, result.stderr
    assert not [one for one in archive.here.rglob("*") if one.is_file()]


def test_a_listed_file_that_is_not_on_the_disk_is_66(archive: Archive) -> None:
    archive.site.resource(SCAN, "R").catalogue["x"].file.unlink()
    assert archive.receive().code == 66
    assert nothing(archive)


def test_validate_finds_what_receiving_would_find_and_fetches_nothing(archive: Archive) -> None:
    for file, code in (("x", 0), ("y", 66)):
        assert archive.call("receive-file-validate", archive.access(file)).code == code
    assert not archive.site.requests(f"{FILES}/")
    assert archive.site.open_sessions() == 0
