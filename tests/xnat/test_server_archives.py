"""The fake XNAT is like the real one: archives, the catalogue, and what breaks on the way."""

import gzip
import http.client
import io
import socket
import tarfile
import threading
import time
import tracemalloc
import zipfile
from collections.abc import Iterator

import pytest

from tests.conformance.promises import wait_until
from tests.servers.xnat import Fault, Xnat
from tests.support.asking import Asker, basic
from tests.support.xnat_calls import FILES, INBODY, SCAN


def zipped(**files: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in files.items():
            archive.writestr(name.replace("__", "/"), content)
    return packed.getvalue()


# --- archives ---


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz"])
def test_a_resource_comes_as_an_archive_of_unknown_length(site: Xnat, ask: Asker, kind: str) -> None:
    site.make(SCAN).fields["type"] = "T1 w"
    site.place(SCAN, "R", "sub/x", b"1" * 5000)
    site.place("P/S/E", "R", "y", b"2")
    site.make("P/S/E/assessors/a")
    site.place("P/S/E/assessors/a", "R", "z", b"3")
    base = FILES.partition("/scans")[0]
    for path, inside, content in (
        (FILES, "E/scans/1-T1_w/resources/R/files/sub/x", b"1" * 5000),
        (f"{base}/resources/R/files", "E/resources/R/files/y", b"2"),
        (f"{base}/assessors/a/resources/R/files", "a/out/resources/R/files/z", b"3"),
    ):
        reply = ask("GET", f"{path}?format={kind}")
        assert "content-length" not in reply.headers
        assert unpacked(kind, reply.body) == {inside: content}


def unpacked(kind: str, packed: bytes) -> dict[str, bytes]:
    if kind == "zip":
        with zipfile.ZipFile(io.BytesIO(packed)) as archive:
            return {name: archive.read(name) for name in archive.namelist()}
    with tarfile.open(fileobj=io.BytesIO(packed)) as tar:
        files = ((one.name, tar.extractfile(one)) for one in tar)
        return {name: file.read() for name, file in files if file}


def test_an_archive_of_nothing_is_404(site: Xnat, ask: Asker) -> None:
    assert ask("GET", f"{FILES}?format=zip").status == 404
    site.resource(SCAN, "R")
    assert ask("GET", f"{FILES}?format=zip").status == 404


@pytest.mark.parametrize("name", ["p.zip", "p.tar", "p.tar.gz", "p.tgz"])
def test_extract_unpacks_into_the_root_and_keeps_no_archive(site: Xnat, ask: Asker, name: str) -> None:
    if name == "p.zip":
        packed = zipped(sub__x=b"1")
    else:
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w:gz" if "gz" in name else "w") as tar:
            info = tarfile.TarInfo("./sub/x")
            info.size = 1
            tar.addfile(info, io.BytesIO(b"1"))
        packed = stream.getvalue()
    assert ask("PUT", f"{FILES}/ignored/{name}{INBODY}&extract=true", packed).status == 200
    assert site.tree(SCAN, "R") == {"sub/x": b"1"}


def test_extract_takes_the_gz_off_a_nifti_file_but_leaves_archives_in_archives(
    site: Xnat, ask: Asker
) -> None:
    inner = gzip.compress(b"brain")
    ask("PUT", f"{FILES}/x.nii.gz{INBODY}&extract=true", inner)
    ask("PUT", f"{FILES}/p.zip{INBODY}&extract=true", zipped(**{"y.nii.gz": inner}))
    assert site.tree(SCAN, "R") == {"x.nii": b"brain", "y.nii.gz": inner}


def test_extract_never_lists_what_xnat_takes_for_its_own(site: Xnat, ask: Asker) -> None:
    packed = zipped(**{"x_catalog.xml": b"1", "sub__.~lock-y": b"2", "z": b"3"})
    assert ask("PUT", f"{FILES}/p.zip{INBODY}&extract=true", packed).status == 200
    assert site.tree(SCAN, "R") == {"z": b"3"}
    assert ask("PUT", f"{FILES}/x_catalog.xml{INBODY}&overwrite=true", b"4").status == 500


def test_an_archive_with_the_catalogue_in_it_replaces_that_and_all_files_are_lost(
    site: Xnat, ask: Asker
) -> None:
    site.place(SCAN, "R", "precious", b"old")
    packed = zipped(**{"R_catalog.xml": b"<x/>"})
    reply = ask("PUT", f"{FILES}/p.zip{INBODY}&extract=true", packed)
    assert reply.body == b'{"duplicates": ["R_catalog.xml"]}'
    assert site.tree(SCAN, "R") == {"precious": b"old"}
    assert ask("PUT", f"{FILES}/p.zip{INBODY}&extract=true&overwrite=true", packed).status == 500
    assert site.tree(SCAN, "R") == {}


def test_such_a_file_is_taken_once_alone_and_the_catalogue_never(site: Xnat, ask: Asker) -> None:
    for name, statuses in (("x_catalog.xml", [200, 500]), ("R_catalog.xml", [500, 500])):
        assert [ask("PUT", f"{FILES}/{name}{INBODY}", b"1").status for _ in range(2)] == statuses
    assert site.tree(SCAN, "R") == {"x_catalog.xml": b"1"}


def test_extract_tells_of_duplicates_and_stores_the_rest(site: Xnat, ask: Asker) -> None:
    site.place(SCAN, "R", "a", b"old")
    reply = ask("PUT", f"{FILES}/p.zip{INBODY}&extract=true", zipped(a=b"new", b=b"new"))
    assert reply.body == b'{"duplicates": ["a"]}'
    assert site.tree(SCAN, "R") == {"a": b"old", "b": b"new"}


def test_a_path_that_goes_on_behind_a_zip_leads_into_it(site: Xnat, ask: Asker) -> None:
    site.place(SCAN, "R", "p.zip", zipped(**{"sub/a b": b"1"}))
    for path in ("p.zip!sub/a%20b", "p.zip/sub/a%20b"):
        assert ask("GET", f"{FILES}/{path}").body == b"1"
    assert ask("GET", f"{FILES}/p.zip!none").status == 404


def test_a_damaged_archive_is_500(ask: Asker) -> None:
    assert ask("PUT", f"{FILES}/p.zip{INBODY}&extract=true", b"nonsense").status == 500


def test_what_was_unpacked_keeps_its_name_and_is_found_by_the_quoted_one(site: Xnat, ask: Asker) -> None:
    packed = zipped(**{"a#b%.txt": b"1"})
    ask("PUT", f"{FILES}/p.zip{INBODY}&extract=true", packed)
    assert ask("GET", FILES).rows[0]["Name"] == "a#b%.txt"
    assert ask("GET", f"{FILES}/a%23b%25.txt").body == b"1"


# --- the catalogue, and what breaks on the way ---


def slowly(site: Xnat, name: str, ready: threading.Event, go: threading.Event) -> int:
    """PUT a file, whose last byte waits until ``go``; the status."""
    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=20)
    connection.putrequest("PUT", f"{FILES}/{name}{INBODY}")
    connection.putheader("Content-Length", "2")
    connection.putheader("Authorization", basic(site.username, site.password))
    connection.endheaders(b"1")
    ready.set()
    assert go.wait(10)
    connection.send(b"2")
    status = connection.getresponse().status
    connection.close()
    return status


@pytest.mark.parametrize("race", [True, False])
def test_two_writers_at_once_may_lose_one_from_the_catalogue(site: Xnat, ask: Asker, race: bool) -> None:
    site.switches.catalog_race = race
    site.place(SCAN, "R", "old", b"1")
    ready, go = threading.Event(), threading.Event()
    status: list[int] = []
    slow = threading.Thread(target=lambda: status.append(slowly(site, "slow", ready, go)))
    slow.start()
    assert ready.wait(10)
    wait_until(lambda: site.log_ins == 1, "the slow one is let in")
    time.sleep(0.05)  # and waits for its last byte
    assert ask("PUT", f"{FILES}/quick{INBODY}", b"1").status == 200
    go.set()
    slow.join()
    assert status == [500 if race else 200]
    if race:
        assert ask("GET", f"{FILES}/slow").status == 404
        assert b"duplicates" in ask("PUT", f"{FILES}/slow{INBODY}", b"12").body
        resource = f"/archive/experiments/{site.make('P/S/E').id}/scans/1/resources/R"
        assert ask("POST", f"/data/services/refresh/catalog?resource={resource}&options=append").status == 200
    assert site.tree(SCAN, "R") == {"old": b"1", "quick": b"1", "slow": b"12"}


def test_overwrite_repairs_what_is_on_disk_but_not_in_the_catalogue(site: Xnat, ask: Asker) -> None:
    site.place(SCAN, "R", "x", b"1")
    site.resource(SCAN, "R").catalogue.clear()
    assert ask("GET", f"{FILES}/x").status == 404
    assert ask("PUT", f"{FILES}/x{INBODY}&overwrite=true", b"2").status == 200
    assert ask("GET", f"{FILES}/x").body == b"2"


def test_a_connection_can_be_dropped_in_an_upload(site: Xnat, ask: Asker) -> None:
    site.fail("PUT", "/files/", Fault(drop=1000))
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        ask("PUT", f"{FILES}/x{INBODY}", b"1" * (8 << 20))
    assert site.tree(SCAN, "R") == {}
    assert [(one.status, one.taken) for one in site.requests("/files/x")] == [(0, 1000)]


def test_a_client_that_goes_away_leaves_nothing(site: Xnat) -> None:
    with socket.create_connection(("127.0.0.1", site.port), 10) as client:
        head = f"PUT {FILES}/x{INBODY} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n"
        head += f"Authorization: {basic(site.username, site.password)}\r\n\r\n"
        client.sendall(head.encode() + b"1" * 50)
    wait_until(lambda: bool(site.requests("/files/x")), "the request is recorded")
    assert site.tree(SCAN, "R") == {}


def test_a_body_can_be_truncated_or_damaged(site: Xnat, ask: Asker) -> None:
    site.place(SCAN, "R", "x", b"0123456789")
    site.fail("GET", "/files/x", Fault(truncate=4))
    with pytest.raises((ConnectionError, http.client.IncompleteRead)):
        ask("GET", f"{FILES}/x")
    site.fail("GET", "/files/x", Fault(damage=True))
    assert ask("GET", f"{FILES}/x").body == b"\xcf123456789"


def test_an_answer_can_be_lost_after_the_deed(site: Xnat, ask: Asker) -> None:
    site.fail("PUT", "/files/x", Fault(status=502, after=True))
    assert ask("PUT", f"{FILES}/x{INBODY}", b"1").status == 502
    assert site.tree(SCAN, "R") == {"x": b"1"}


def test_memory_does_not_grow_with_the_files(site: Xnat, ask: Asker) -> None:
    def content() -> Iterator[bytes]:
        yield from (bytes(1 << 16) for _ in range(1 << 10))

    tracemalloc.start()
    try:
        length = {"Content-Length": str(1 << 26)}
        assert ask("PUT", f"{FILES}/x{INBODY}", content(), length).status == 200
        assert ask("HEAD", f"{FILES}/x").headers["content-length"] == str(1 << 26)
        assert len(ask("GET", f"{FILES}?format=zip").body) < 1 << 20
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()
