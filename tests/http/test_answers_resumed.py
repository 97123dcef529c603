"""Going on after a cut never puts two versions of a file together, whatever the second answer says."""

import random
from dataclasses import replace
from pathlib import Path

import pytest

from connectors import http
from connectors.errors import RedError
from connectors.model import RECEIVE_FILE, Promise
from connectors.transfer import engine
from connectors.transfer.job import Job
from tests.servers.fault import FaultServer, Reply
from tests.support.sessions import job

SIZE = 100_000
BODY = random.Random(7).randbytes(SIZE)
OTHER = random.Random(8).randbytes(SIZE)
CUT = 50_000
TAG = '"v1"'
DATE = {"Last-Modified": "Sat, 01 Jan 2022 00:00:00 GMT", "Date": "Sat, 01 Jan 2022 00:01:00 GMT"}
LATER = {"Last-Modified": "Sat, 01 Jan 2022 00:00:30 GMT", "Date": "Sat, 01 Jan 2022 00:01:00 GMT"}
JUST_NOW = {"Last-Modified": "Sat, 01 Jan 2022 00:00:00 GMT", "Date": "Sat, 01 Jan 2022 00:00:00 GMT"}


def part(said: str = f"bytes {CUT}-{SIZE - 1}/{SIZE}", body: bytes = BODY[CUT:], **more: object) -> Reply:
    headers = {"ETag": TAG, "Content-Range": said, **more}
    return Reply(body, 206, {name.replace("_", "-"): str(value) for name, value in headers.items() if value})


RIGHT = part()
WRONG = {
    "weak": part(ETag=f"W/{TAG}"),
    "another version": part(ETag='"v2"'),
    "no version": part(ETag=""),
    "a date in place of the version": part(ETag="", **DATE),
    "compressed": part(Content_Encoding="gzip"),
    "compressed in another way": part(Content_Encoding="br"),
    "another size": part(f"bytes {CUT}-{SIZE - 1}/{SIZE + 1}"),
    "a smaller size": part(f"bytes {CUT}-{CUT + 9}/{CUT + 10}", BODY[CUT : CUT + 10]),
    "no size, and not the end": part(f"bytes {CUT}-{CUT + 9}/*", BODY[CUT : CUT + 10]),
    "an earlier start": part(f"bytes {CUT - 1}-{SIZE - 1}/{SIZE}", BODY[CUT - 1 :]),
    "a later start": part(f"bytes {CUT + 1}-{SIZE - 1}/{SIZE}", BODY[CUT + 1 :]),
    "an end before the start": part(f"bytes {CUT}-{CUT - 1}/{SIZE}", b""),
    "an end behind the end": part(f"bytes {CUT}-{SIZE}/{SIZE}", BODY[CUT:] + b"x"),
    "no range": part(""),
    "another unit": part(f"items {CUT}-{SIZE - 1}/{SIZE}"),
    "two ranges": part("", headers="", Content_Type="multipart/byteranges; boundary=x"),
    "fewer bytes than the range has": part(body=BODY[CUT:-10]),
    "more bytes than the range has": part(f"bytes {CUT}-{CUT + 9}/{SIZE}"),
    "fewer, in chunks": replace(part(body=BODY[CUT:-10]), chunked=True),
    "more, in chunks": replace(part(f"bytes {CUT}-{CUT + 9}/{SIZE}"), chunked=True),
    "a part with 200": replace(part(), status=200, ranges=False),
}


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Job, "pause", lambda self, seconds: None)


def receive(faulty: FaultServer, target: Path, first: Reply, *then: Reply) -> int:
    """The exit code of a receive-file, in this process."""
    access = {"url": faulty.on("/x", first, *then), "method": "GET", "disableSSLVerification": False}
    work = job(retries=2)
    try:
        with http.connect(access, RECEIVE_FILE, work) as remote:
            engine.receive_file(remote, work, str(target), Promise())
    except RedError as error:
        return int(error.code)
    return 0


def asked(faulty: FaultServer) -> list[str]:
    return [one.headers.get("range", "") for one in faulty.requests("/x", "GET")]


@pytest.mark.parametrize("kind", WRONG)
def test_a_part_that_may_be_of_another_version_is_discarded(
    faulty: FaultServer, target: Path, kind: str
) -> None:
    wrong = replace(WRONG[kind], body=WRONG[kind].body.translate(bytes(range(255, -1, -1))))
    code = receive(faulty, target, Reply(BODY, etag=TAG, cut=CUT), wrong, Reply(BODY, etag=TAG))
    assert code == 0
    assert target.read_bytes() == BODY
    assert asked(faulty) == ["", f"bytes={CUT}-", ""]  # afresh, and once


@pytest.mark.parametrize("right", [RIGHT, part(f"bytes {CUT}-{SIZE - 1}/*"), replace(RIGHT, chunked=True)])
def test_a_part_that_is_provably_of_the_same_version_is_used(
    faulty: FaultServer, target: Path, right: Reply
) -> None:
    code = receive(faulty, target, Reply(BODY, etag=TAG, cut=CUT), right)
    assert code == 0
    assert target.read_bytes() == BODY


def test_a_range_shorter_than_requested_counts_as_progress(faulty: FaultServer, target: Path) -> None:
    some = part(f"bytes {CUT}-{CUT + 9}/{SIZE}", BODY[CUT : CUT + 10])
    code = receive(faulty, target, Reply(BODY, etag=TAG, cut=CUT), some, Reply(BODY, etag=TAG))
    assert code == 0
    assert target.read_bytes() == BODY
    assert asked(faulty) == ["", f"bytes={CUT}-", f"bytes={CUT + 10}-"]


@pytest.mark.parametrize("size", [f"{SIZE}", "*"])
def test_a_file_of_unknown_size_is_resumed_only_if_its_end_is_known(
    faulty: FaultServer, target: Path, size: str
) -> None:
    """The first answer comes in chunks, and does not say how long it is."""
    first = Reply(BODY, etag=TAG, cut=CUT, chunked=True)
    code = receive(faulty, target, first, part(f"bytes {CUT}-{SIZE - 1}/{size}"), Reply(BODY, etag=TAG))
    assert code == 0
    assert target.read_bytes() == BODY
    assert len(asked(faulty)) == (3 if size == "*" else 2)


@pytest.mark.parametrize("said", [DATE, LATER, JUST_NOW, {}])
def test_last_modified_distinguishes_versions_without_an_etag(
    faulty: FaultServer, target: Path, said: dict[str, str]
) -> None:
    content = BODY if said is DATE else OTHER
    first = Reply(BODY, headers=DATE, cut=CUT)
    second = part(body=content[CUT:], ETag="", **said)
    code = receive(faulty, target, first, second, Reply(content, headers=said))
    assert code == 0
    assert target.read_bytes() == content
    assert len(asked(faulty)) == (2 if said is DATE else 3)


def test_a_compressed_response_is_not_resumed(faulty: FaultServer, target: Path) -> None:
    first = Reply(OTHER, etag=TAG, cut=CUT, headers={"Content-Encoding": "gzip"})
    assert receive(faulty, target, first, Reply(BODY, etag=TAG)) == 0
    assert target.read_bytes() == BODY


@pytest.mark.parametrize("length", [SIZE - 10, SIZE + 10])
def test_the_same_etag_with_another_length_is_another_file(
    faulty: FaultServer, target: Path, length: int
) -> None:
    changed = (OTHER + OTHER)[:length]
    code = receive(faulty, target, Reply(BODY, etag=TAG, cut=CUT), Reply(changed, etag=TAG, ranges=False))
    assert code == 0
    assert target.read_bytes() == changed


@pytest.mark.parametrize("said", [f"bytes {CUT}-{SIZE - 1}/{SIZE}", f"bytes 0-{CUT}/{SIZE}", "bytes 0-9/*"])
def test_an_unrequested_range_is_76(faulty: FaultServer, target: Path, said: str) -> None:
    for status in (200, 206):
        reply = Reply(BODY[CUT:], status, {"Content-Range": said}, ranges=False)
        assert receive(faulty, target, reply) == 76
        assert not target.exists()


def test_a_content_range_that_covers_the_whole_file_is_accepted(faulty: FaultServer, target: Path) -> None:
    whole = Reply(BODY, headers={"Content-Range": f"bytes 0-{SIZE - 1}/{SIZE}"}, ranges=False)
    assert receive(faulty, target, whole) == 0
    assert target.read_bytes() == BODY
