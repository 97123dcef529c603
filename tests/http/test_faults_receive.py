"""Receiving from a server that cuts, stalls, lies and changes its mind."""

import base64
import hashlib
import json
import random
import time
from email.utils import formatdate
from pathlib import Path

import pytest

from tests.servers.fault import FaultServer, Reply
from tests.support.program import Result, run

HTTP = "red-connector-http"
BODY = random.Random(1).randbytes(3 << 20)
OTHER = random.Random(2).randbytes(3 << 20)
TAG = '"v1"'
DATE = "Sat, 01 Jan 2022 00:00:00 GMT"


def receive(url: str, target: Path, retries: int = 2, timeout: float = 2, **env: str) -> Result:
    settings = {"RED_RETRIES": str(retries), "RED_TIMEOUT": str(timeout), **env}
    return run(HTTP, "receive-file", {"url": url}, target, env=settings)


def left(target: Path) -> list[str]:
    return sorted(one.name for one in target.parent.iterdir())


def ranges(server: FaultServer, path: str = "/x") -> list[str]:
    return [one.headers.get("range", "") for one in server.requests(path, "GET")]


# --- cut short ----------------------------------------------------------------------------------


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_a_body_that_is_cut_short_is_resumed(
    faulty: FaultServer, target: Path, reset: bool, chunked: bool
) -> None:
    cut = Reply(BODY, etag=TAG, cut=2 << 20, reset=reset, chunked=chunked)
    result = receive(faulty.on("/x", cut, Reply(BODY, etag=TAG)), target)
    assert result.code == 0, result.stderr
    assert target.read_bytes() == BODY
    asked = ranges(faulty)
    assert len(asked) == 2
    assert asked[1].startswith("bytes=")
    assert asked[1] != "bytes=0-"
    assert faulty.requests("/x", "GET")[1].headers["if-range"] == TAG
    assert left(target) == ["file.bin"]


def test_a_body_that_is_always_cut_short_is_75_and_no_file(faulty: FaultServer, target: Path) -> None:
    result = receive(faulty.on("/x", Reply(BODY, cut=1000)), target, retries=1)
    assert result.code == 75
    assert len(ranges(faulty)) == 2
    assert not target.exists()


def test_every_cut_attempt_that_brings_bytes_is_progress(faulty: FaultServer, target: Path) -> None:
    """Each attempt brings half a megabyte: with four retries that start from zero it would never end."""
    replies = [Reply(BODY, etag=TAG, cut=700_000)] * 4
    result = receive(faulty.on("/x", *replies, Reply(BODY, etag=TAG)), target, retries=5)
    assert result.code == 0, result.stderr
    assert target.read_bytes() == BODY


def test_the_next_process_resumes_where_the_last_one_ended(faulty: FaultServer, target: Path) -> None:
    url = faulty.on("/x", Reply(BODY, etag=TAG, cut=2 << 20), Reply(BODY, etag=TAG))
    assert receive(url, target, retries=0).code == 75
    assert not target.exists()
    assert receive(url, target, retries=0).code == 0
    assert target.read_bytes() == BODY
    assert ranges(faulty)[1].startswith("bytes=")
    assert left(target) == ["file.bin"]


def test_last_modified_serves_as_validator_too(faulty: FaultServer, target: Path) -> None:
    date = "Sat, 01 Jan 2022 00:00:00 GMT"
    url = faulty.on("/x", Reply(BODY, last_modified=date, cut=2 << 20), Reply(BODY, last_modified=date))
    result = receive(url, target)
    assert result.code == 0, result.stderr
    assert target.read_bytes() == BODY


def test_a_changed_source_is_fetched_afresh(faulty: FaultServer, target: Path) -> None:
    url = faulty.on("/x", Reply(BODY, etag=TAG, cut=2 << 20), Reply(OTHER, etag='"v2"'))
    assert receive(url, target).code == 0
    assert target.read_bytes() == OTHER


def test_a_source_that_changed_between_processes_is_fetched_afresh(faulty: FaultServer, target: Path) -> None:
    url = faulty.on("/x", Reply(BODY, etag=TAG, cut=2 << 20), Reply(OTHER[:2000], etag='"v2"'))
    assert receive(url, target, retries=0).code == 75
    assert receive(url, target, retries=0).code == 0
    assert target.read_bytes() == OTHER[:2000]


@pytest.mark.parametrize("second", ['W/"v1"', ""], ids=["weak", "none"])
def test_nothing_is_resumed_without_a_strong_validator(
    faulty: FaultServer, target: Path, second: str
) -> None:
    url = faulty.on("/x", Reply(BODY, etag=second, cut=2 << 20), Reply(OTHER, etag=second))
    assert receive(url, target).code == 0
    assert target.read_bytes() == OTHER


def test_another_url_does_not_resume_the_part_of_the_first(faulty: FaultServer, target: Path) -> None:
    assert receive(faulty.on("/x", Reply(BODY, etag=TAG, cut=2 << 20)), target, retries=0).code == 75
    assert receive(faulty.on("/y", Reply(OTHER, etag=TAG)), target, retries=0).code == 0
    assert target.read_bytes() == OTHER


def test_a_server_that_ignores_ranges_still_gives_a_whole_file(faulty: FaultServer, target: Path) -> None:
    url = faulty.on("/x", Reply(BODY, etag=TAG, cut=2 << 20), Reply(BODY, etag=TAG, ranges=False))
    assert receive(url, target).code == 0
    assert target.read_bytes() == BODY


@pytest.mark.parametrize(
    "said",
    [
        "bytes 0-99/3145728",
        "bytes 5-3145727/3145728",
        "bytes 2097152-3145727/9999999",
        "nonsense",
        "bytes */3145728",
    ],
)
def test_a_wrong_content_range_never_yields_a_wrong_file(
    faulty: FaultServer, target: Path, said: str
) -> None:
    url = faulty.on(
        "/x",
        Reply(BODY, etag=TAG, cut=2 << 20),
        Reply(BODY[2 << 20 :], etag=TAG, ranges=False, content_range=said),
        Reply(BODY, etag=TAG, ranges=False),
    )
    result = receive(url, target, retries=3)
    assert result.code == 0, result.stderr
    assert not target.exists() or target.read_bytes() == BODY


def test_a_206_without_content_range_is_refused(faulty: FaultServer, target: Path) -> None:
    url = faulty.on("/x", Reply(BODY, etag=TAG, cut=2 << 20), Reply(BODY[2 << 20 :], 206, ranges=False))
    result = receive(url, target)
    assert result.code == 76, result.stderr
    assert not target.exists()


def test_416_starts_afresh(faulty: FaultServer, target: Path) -> None:
    url = faulty.on("/x", Reply(BODY, etag=TAG, cut=2 << 20), Reply(b"", 416), Reply(OTHER, etag='"v2"'))
    result = receive(url, target, retries=3)
    assert result.code == 0, result.stderr
    assert target.read_bytes() == OTHER


# --- lies about the length ----------------------------------------------------------------------


def test_a_body_shorter_than_its_length_is_a_failure(faulty: FaultServer, target: Path) -> None:
    assert receive(faulty.on("/x", Reply(BODY, length=len(BODY) + 1)), target, retries=0).code == 75
    assert not target.exists()


def test_a_body_longer_than_its_length_ends_at_its_length(faulty: FaultServer, target: Path) -> None:
    """What follows belongs to the next answer (RFC 9112, 6.3); it may be refused, never be stored."""
    result = receive(faulty.on("/x", Reply(BODY, length=1000)), target, retries=0)
    assert not target.exists() or (result.code == 0 and target.read_bytes() == BODY[:1000])


def test_an_invalid_content_length_does_not_crash(faulty: FaultServer, target: Path) -> None:
    for number, value in enumerate(("-5", "abc", "5, 6", "99999999999999999999999")):
        raw = f"HTTP/1.1 200 OK\r\nContent-Length: {value}\r\n\r\nhello".encode()
        result = receive(faulty.on(f"/{number}", Reply(raw=raw)), target, retries=0)
        assert result.code == 76, (value, result.stderr)
        assert not target.exists()


# --- stalls -------------------------------------------------------------------------------------


@pytest.mark.parametrize("after", [-1, 0, 1 << 20], ids=["before-headers", "after-headers", "in-the-body"])
def test_a_stall_is_given_up_after_the_timeout(faulty: FaultServer, target: Path, after: int) -> None:
    url = faulty.on("/x", Reply(BODY, etag=TAG, stall=after), Reply(BODY, etag=TAG))
    result = receive(url, target, retries=1, timeout=1)
    assert result.code == 0, result.stderr
    assert target.read_bytes() == BODY
    assert result.seconds < 6


def test_a_server_that_only_stalls_is_75_in_time(faulty: FaultServer, target: Path) -> None:
    result = receive(faulty.on("/x", Reply(BODY, stall=10)), target, retries=0, timeout=1)
    assert result.code == 75
    assert 0.9 < result.seconds < 4


def test_validate_does_not_hang_either(faulty: FaultServer) -> None:
    url = faulty.on("/x", Reply(BODY, stall=-1))
    result = run(HTTP, "receive-file-validate", {"url": url}, env={"RED_TIMEOUT": "1", "RED_RETRIES": "0"})
    assert result.code == 75
    assert result.seconds < 4


# --- status codes and retries -------------------------------------------------------------------


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_temporary_failures_are_retried(faulty: FaultServer, target: Path, status: int) -> None:
    result = receive(faulty.on("/x", Reply(b"busy", status), Reply(BODY)), target)
    assert result.code == 0, result.stderr
    assert len(ranges(faulty)) == 2
    assert receive(faulty.on("/y", Reply(b"busy", status)), target, retries=0).code == 75


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 410, 451])
def test_permanent_failures_are_not_retried(faulty: FaultServer, target: Path, status: int) -> None:
    result = receive(faulty.on("/x", Reply(b"no", status)), target, retries=3)
    assert result.code in (66, 76, 77, 78), result.stderr
    assert len(ranges(faulty)) == 1


def test_retries_zero_means_one_attempt(faulty: FaultServer, target: Path) -> None:
    assert receive(faulty.on("/x", Reply(b"", 503)), target, retries=0).code == 75
    assert len(ranges(faulty)) == 1


@pytest.mark.parametrize("as_date", [False, True], ids=["seconds", "date"])
def test_retry_after_is_honoured(faulty: FaultServer, target: Path, as_date: bool) -> None:
    value = formatdate(time.time() + 5, usegmt=True) if as_date else "2"
    url = faulty.on("/x", Reply(b"", 503, {"Retry-After": value}), Reply(BODY))
    assert receive(url, target, retries=1).code == 0
    first, second = (one.at for one in faulty.requests("/x", "GET"))
    assert second - first >= 1.9


def test_an_excessive_retry_after_is_not_waited_for(faulty: FaultServer, target: Path) -> None:
    url = faulty.on("/x", Reply(b"", 503, {"Retry-After": "86400"}))
    result = receive(url, target, retries=1)
    assert result.code == 75
    assert result.seconds < 30


def test_pauses_grow(faulty: FaultServer, target: Path) -> None:
    result = receive(faulty.on("/x", Reply(b"", 503)), target, retries=3)
    assert result.code == 75
    at = [one.at for one in faulty.requests("/x", "GET")]
    assert len(at) == 4
    assert at[3] - at[2] > at[1] - at[0]


def test_a_login_page_instead_of_401_is_not_hidden(faulty: FaultServer, target: Path) -> None:
    """A 200 is a 200: but where a listing or digest says what should come, the page is refused."""
    page = b"<html>please log in</html>"
    access = {"url": faulty.url}
    faulty.on("/data.bin", Reply(page, headers={"Content-Type": "text/html"}))
    listing = [{"class": "File", "basename": "data.bin", "size": 3}]
    result = run(HTTP, "receive-dir", access, target.parent / "d", "--listing", listing)
    assert result.code == 65
    assert not (target.parent / "d" / "data.bin").exists()


# --- not HTTP at all ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "raw", [b"SSH-2.0-OpenSSH_9.2\r\n", b"\0\1\2\3" * 50, b"HTTP/1.1 abc\r\n\r\n", b"<html>hello</html>"]
)
def test_garbage_is_76_and_no_traceback(faulty: FaultServer, target: Path, raw: bytes) -> None:
    result = receive(faulty.on("/x", Reply(raw=raw)), target, retries=0)
    assert result.code == 76, result.stderr
    assert not target.exists()


def test_an_empty_response_is_retried(faulty: FaultServer, target: Path) -> None:
    result = receive(faulty.on("/x", Reply(raw=b""), Reply(BODY)), target)
    assert result.code == 0, result.stderr
    assert receive(faulty.on("/y", Reply(raw=b"")), target, retries=0).code == 75


def test_endless_headers_are_given_up(faulty: FaultServer, target: Path) -> None:
    result = receive(faulty.on("/x", Reply(endless=True)), target, retries=0)
    assert result.code == 76
    assert result.seconds < 10


# --- checksums ----------------------------------------------------------------------------------


def digests(body: bytes) -> dict[str, dict[str, str]]:
    sha256 = base64.b64encode(hashlib.sha256(body).digest()).decode()
    sha512 = base64.b64encode(hashlib.sha512(body).digest()).decode()
    md5 = base64.b64encode(hashlib.md5(body).digest()).decode()
    return {
        "repr": {"Repr-Digest": f"sha-256=:{sha256}:"},
        "several": {"Repr-Digest": f"sha-512=:{sha512}:, sha-256=:{sha256}:"},
        "content": {"Content-Digest": f"sha-256=:{sha256}:"},
        "old": {"Digest": f"SHA-256={sha256}"},
        "md5": {"Content-MD5": md5},
    }


@pytest.mark.parametrize("kind", digests(b""))
def test_a_digest_from_the_server_is_checked(faulty: FaultServer, target: Path, kind: str) -> None:
    assert receive(faulty.on("/good", Reply(BODY, headers=digests(BODY)[kind])), target).code == 0
    target.unlink()
    result = receive(faulty.on("/bad", Reply(BODY, headers=digests(OTHER)[kind])), target)
    assert result.code == 65, result.stderr
    assert left(target) == []


@pytest.mark.parametrize("kind", digests(b""))
def test_a_digest_in_the_trailer_is_checked_too(faulty: FaultServer, target: Path, kind: str) -> None:
    good = Reply(BODY, chunked=True, trailer=digests(BODY)[kind])
    assert receive(faulty.on("/good", good), target).code == 0
    assert target.read_bytes() == BODY
    target.unlink()
    bad = Reply(BODY, chunked=True, headers=digests(BODY)["repr"], trailer=digests(OTHER)[kind])
    result = receive(faulty.on("/bad", bad), target)
    assert result.code == 65, result.stderr
    assert left(target) == []


def test_a_digest_in_the_trailer_of_a_range_is_of_the_whole_file(faulty: FaultServer, target: Path) -> None:
    for number, content in enumerate((BODY, OTHER)):
        cut = Reply(BODY, etag=TAG, cut=2 << 20)
        rest = Reply(BODY, etag=TAG, chunked=True, trailer=digests(content)["repr"])
        result = receive(faulty.on(f"/{number}", cut, rest), target.with_name(f"{number}"))
        assert result.code == (0 if content is BODY else 65), result.stderr


def test_a_part_that_fails_its_checksum_is_discarded_once(faulty: FaultServer, target: Path) -> None:
    right = digests(BODY)["repr"]
    url = faulty.on("/x", Reply(OTHER, headers=right), Reply(BODY, headers=right))
    assert receive(url, target).code == 0
    assert target.read_bytes() == BODY
    assert receive(faulty.on("/y", Reply(OTHER, headers=right)), target).code == 65
    assert len(ranges(faulty, "/y")) == 2


def test_a_digest_of_a_resumed_file_is_of_the_whole_file(faulty: FaultServer, target: Path) -> None:
    """Content-Digest of a 206 is about the part only (RFC 9530, 2), Repr-Digest about the whole."""
    right = digests(BODY)["repr"]
    url = faulty.on(
        "/x", Reply(BODY, etag=TAG, headers=right, cut=2 << 20), Reply(BODY, etag=TAG, headers=right)
    )
    result = receive(url, target)
    assert result.code == 0, result.stderr
    assert target.read_bytes() == BODY


def test_an_unknown_or_unreadable_digest_is_ignored(faulty: FaultServer, target: Path) -> None:
    for number, value in enumerate(("crc32c=:AAAAAA==:", "sha-256=nonsense", "", ":::", "unixsum=30637")):
        for header in ("Repr-Digest", "Digest"):
            url = faulty.on(f"/{number}-{header}", Reply(BODY, headers={header: value}))
            result = receive(url, target)
            assert result.code == 0, (header, value, result.stderr)


def test_the_receipt_counts_attempts(faulty: FaultServer, target: Path, tmp_path: Path) -> None:
    url = faulty.on("/x", Reply(BODY, etag=TAG, cut=2 << 20), Reply(BODY, etag=TAG))
    assert receive(url, target, RED_RECEIPT=str(tmp_path / "receipt")).code == 0
    receipt = json.loads((tmp_path / "receipt").read_text())
    assert receipt["attempts"] == 2
    assert receipt["sha256"] == hashlib.sha256(BODY).hexdigest()


# --- everything a validate meets ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (Reply(b"", 404), 66),
        (Reply(b"", 401), 77),
        (Reply(b"", 403), 77),
        (Reply(b"", 503), 75),
        (Reply(raw=b"garbage\n\n"), 76),
        (Reply(BODY), 0),
        (Reply(BODY, ranges=False), 0),
        (Reply(b""), 0),
    ],
)
def test_validate_contacts_the_server(faulty: FaultServer, reply: Reply, code: int) -> None:
    access = {"url": faulty.on("/x", reply)}
    result = run(HTTP, "receive-file-validate", access, env={"RED_RETRIES": "0", "RED_TIMEOUT": "2"})
    assert result.code == code, result.stderr


def test_validate_retries_temporary_failures(faulty: FaultServer) -> None:
    url = faulty.on("/x", Reply(BODY))
    faulty.on("/x", Reply(b"", 503), Reply(BODY), method="HEAD")
    assert run(HTTP, "receive-file-validate", {"url": url}).code == 0


def test_validate_of_a_server_without_head_moves_no_payload(faulty: FaultServer) -> None:
    big = b"x" * (64 << 20)
    url = faulty.on("/x", Reply(big, ranges=False))
    faulty.on("/x", Reply(b"", 405), method="HEAD")
    result = run(HTTP, "receive-file-validate", {"url": url})
    assert result.code == 0, result.stderr
    assert result.seconds < 2
