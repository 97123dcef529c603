"""What XNAT lists, and what is said of it: sections 2 and 5 of docs/xnat-rest-api.md."""

import json
import subprocess
import sys
import unicodedata

import pytest

from tests.conformance.promises import visible
from tests.servers.xnat import Resource
from tests.servers.xnat.exchange import Answer, Exchange
from tests.servers.xnat.files import Files
from tests.servers.xnat.resolve import Place, Resolver
from tests.support.program import CHECKOUT, environment, peak, start
from tests.support.xnat_calls import FILES, SCAN, Archive


@pytest.fixture
def archive(archive: Archive) -> Archive:
    """With a file."""
    archive.site.place(SCAN, "R", "x", b"123")
    return archive


# --- what is listed ---


def listing(monkeypatch: pytest.MonkeyPatch, body: bytes) -> None:
    """Let the fake give this as the list of files."""
    read = Files._read

    def answer(files: Files, exchange: Exchange, place: Place, resolver: Resolver) -> Answer:
        is_list = not place.file and exchange.format == "json"
        return Answer(body, "application/json") if is_list else read(files, exchange, place, resolver)

    monkeypatch.setattr(Files, "_read", answer)


def rows(*rows: object) -> bytes:
    return json.dumps({"ResultSet": {"Columns": [{"key": "Name"}], "Result": rows}}).encode()


URI = "/data/experiments/E/scans/1/resources/9/files/"


@pytest.mark.parametrize("verb", ["receive-file", "receive-dir"])
@pytest.mark.parametrize("name", ["a\ud800b", "a \udc80b"])
def test_half_a_character_in_a_listed_name_is_76_and_the_name_is_told(
    archive: Archive, monkeypatch: pytest.MonkeyPatch, verb: str, name: str
) -> None:
    listing(monkeypatch, rows({"URI": URI + name, "Size": "3", "cat_ID": "9", "digest": ""}))
    access = archive.access(None if verb == "receive-dir" else "x")
    result = archive.call(verb, access, archive.here / "x")
    assert result.code == 76, result.stderr
    assert "an invalid character" in result.stderr
    assert "resources/9/files/a" in result.stderr


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[" * 100_000,
        b'{"ResultSet": {}}',
        b'{"ResultSet": {"Result": {}}}',
        rows(1),
        rows("x"),
        rows([]),
        rows(None),
        rows({}),
        rows({"Result": []}),
        rows({"URI": None}),
        rows({"URI": URI, "Size": "3", "cat_ID": "9"}),
        rows({"URI": URI + "x", "Size": None, "cat_ID": "9"}),
        rows({"URI": URI + "x", "Size": "-3", "cat_ID": "9"}),
        rows({"URI": {"URI": [1]}, "Size": "3"}),
    ],
)
def test_a_list_that_is_none_is_76(archive: Archive, monkeypatch: pytest.MonkeyPatch, body: bytes) -> None:
    listing(monkeypatch, body)
    result = archive.receive()
    assert result.code == 76, result.stderr


@pytest.mark.parametrize("verb", ["receive-file", "receive-dir"])
def test_files_that_are_listed_at_another_address_are_76_and_not_taken_for_none(
    archive: Archive, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    monkeypatch.setattr(Resource, "uri", property(lambda self: f"/data/other/resources/{self.id}"))
    access = archive.access(None if verb == "receive-dir" else "x")
    result = archive.call(verb, access, archive.here / "x")
    assert result.code == 76, result.stderr
    assert visible(archive.here) == []


def test_an_empty_resource_beside_a_full_one_of_a_scan_of_that_type_is_empty(archive: Archive) -> None:
    archive.site.make("P/S/E/scans/2", type="T1")
    archive.site.place("P/S/E/scans/2", "R", "x", b"of scan 2")
    archive.site.make("P/S/E/scans/T1", type="MPRAGE")
    archive.site.resource("P/S/E/scans/T1", "R")
    result = archive.receive_dir(None, "P/S/E/scans/T1")
    assert result.code == 0, result.stderr
    assert archive.got == {}


def test_a_list_of_files_takes_no_more_memory_than_its_rows_say(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    listing(monkeypatch, b'{"ResultSet":{"Result":[' + b"{}," * 8_000_000 + b"{}]}}")
    (archive.here / "access").write_text(json.dumps(archive.access()))
    limit = "import resource as r, os, sys; r.setrlimit(r.RLIMIT_AS, (600 << 20,) * 2); "
    limit += "os.execv(sys.argv[1], sys.argv[1:])"
    command = [str(CHECKOUT / "bin/red-connector-xnat-http"), "receive-file"]
    done = subprocess.run(
        [sys.executable, "-c", limit, *command, str(archive.here / "access"), str(archive.here / "x")],
        capture_output=True,
        env=environment(archive.env),
        timeout=60,
    )
    assert done.returncode == 76, done.stderr


def test_a_list_without_end_is_76_and_says_that_it_is_too_long(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Files, "_row", lambda *_: {"URI": URI + "x" * 1_000_000, "Size": "0"})
    for number in range(150):
        archive.site.place(SCAN, "R", str(number), b"")
    result = archive.receive()
    assert result.code == 76, result.stderr
    assert "longer than 128 MiB" in result.stderr


LARGE = [{"URI": f"{URI}{number}", "Size": "3", "cat_ID": "9", "digest": ""} for number in range(20_000)]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'{"ResultSet":{"Result":{"x":', b"}}}"),
        (b'{"ResultSet":[', b"]}"),
        (b'{"Result":', b"}"),
        (b'{"ResultSet":{"Result":[', b"]}}"),
        (b'{"ResultSet":{"Other":', b"}}"),
        (b"", b""),
        (b'{"ResultSet":{"Result":', b"}} and a page"),
        (b'{"ResultSet":{"totalRecords":"20001","Result":', b"}}"),
        (b'{"ResultSet":{"Result":', b',"totalRecords":"30000"}}'),
        (b'{"ResultSet":{"x":' + b"[" * 3_000_000, b""),
    ],
)
def test_a_long_list_that_is_none_is_76(
    archive: Archive, monkeypatch: pytest.MonkeyPatch, before: bytes, after: bytes
) -> None:
    listing(monkeypatch, before + json.dumps(LARGE).encode() + after)
    result = archive.receive_dir()
    assert result.code == 76, result.stderr
    assert "not an answer of XNAT's REST API" in result.stderr


@pytest.mark.parametrize("more", [b'"totalRecords":"3"', b'"totalRecords":1'])
def test_a_list_with_fewer_files_than_it_counts_itself_is_76(
    archive: Archive, monkeypatch: pytest.MonkeyPatch, more: bytes
) -> None:
    listing(monkeypatch, b'{"ResultSet":{"Result":[],' + more + b"}}")
    result = archive.receive_dir()
    assert result.code == 76, result.stderr


def test_an_empty_list_of_a_resource_that_has_files_is_76_and_not_an_empty_directory(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    listing(monkeypatch, rows())
    result = archive.receive_dir()
    assert result.code == 76, result.stderr
    assert "XNAT reports 1 file but lists none" in result.stderr


@pytest.mark.parametrize("count", [1, 20_000])
def test_a_list_that_ends_in_the_middle_is_75(
    archive: Archive, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    """Without a length, the end of the connection is the end of the answer."""
    body = rows(*LARGE[:count])
    for end in (len(body) - 1, len(body) - 2, len(body) - 10, len(body) // 2):
        listing(monkeypatch, body[:end])
        result = archive.receive_dir()
        assert result.code == 75, result.stderr


def test_a_list_of_a_hundred_thousand_files_takes_little_memory(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    few, many = rows(*LARGE[:10]), rows(*(
        {"Name": f"{n}.dcm", "Size": str(n * 1000), "URI": f"{URI}folder/file-{n:06}.dcm", "cat_ID": "9",
         "collection": "R", "file_tags": "", "file_format": "", "file_content": "", "digest": f"{n:032x}"}
        for n in range(100_000)
    ))  # fmt: skip
    peaks = []
    for body in (few, many):
        listing(monkeypatch, body)
        peaks.append(peak(start("red-connector-xnat-http", "receive-dir-validate", archive.access(None))))
    assert peaks[1] - peaks[0] < 30, peaks


# --- what is said ---


def test_a_mistyped_resource_is_66_and_the_others_are_named_in_five_requests(archive: Archive) -> None:
    for result in (archive.receive(resource="r"), archive.receive_dir(None, resource="r")):
        assert result.code == 66, result.stderr
        assert "there is no such resource" in result.stderr
        assert "resources there: R" in result.stderr
    assert len(archive.site.seen) <= 2 * 5


def test_a_mistyped_scan_is_66_and_the_others_are_named(archive: Archive) -> None:
    result = archive.receive(node="P/S/E/scans/9")
    assert result.code == 66
    assert "scans there: 1" in result.stderr


def test_a_name_that_only_looks_the_same_is_66_and_told(archive: Archive) -> None:
    archive.site.place(SCAN, "R", unicodedata.normalize("NFC", "ü.txt"), b"1")
    for name in (unicodedata.normalize("NFD", "ü.txt"), "Ü.TXT"):
        result = archive.receive(name)
        assert result.code == 66
        assert "there is ü.txt" in result.stderr
    assert "there is" not in archive.receive("v.txt").stderr


def test_validate_finds_what_receiving_would_find_and_fetches_nothing(archive: Archive) -> None:
    for file, code in (("x", 0), ("y", 66)):
        assert archive.call("receive-file-validate", archive.access(file)).code == code
    assert not archive.site.requests(f"{FILES}/")
    assert archive.site.open_sessions() == 0
