"""An answer that ends before its end is a failure that may pass, wherever it ends: 75, never a success."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.errors import ProtocolViolation, TemporaryFailure
from connectors.http.transport.client import Client, Identity
from connectors.http.transport.reply import Reply as Answer
from tests.servers import fault
from tests.servers.fault import FaultServer, Reply
from tests.servers.nginx import Nginx
from tests.support.program import run
from tests.support.sessions import job

HTTP = "red-connector-http"
OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
LENGTH = OK + b'ETag: "a"\r\nContent-Length: 5\r\n\r\n'
IMAGES = {
    "length": LENGTH + b"hello",
    "nothing": OK + b"Content-Length: 0\r\n\r\n",
    "chunked": CHUNKED + b"5;x=y\r\nhello\r\n3\r\nabc\r\n0\r\n\r\n",
    "trailer": CHUNKED + b"5\r\nhello\r\n0\r\nX-One: 1\r\nHTTP/1.1 200: 2\r\n\r\n",
    "empty chunked with a trailer": CHUNKED + b"0\r\nX-One: 1\r\n\r\n",
    "100": b"HTTP/1.1 100 Continue\r\nX: y\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n" + LENGTH + b"hello",
    "204": b"HTTP/1.1 204 No Content\r\nServer: x\r\n\r\n",
    "206": b"HTTP/1.1 206 P\r\nContent-Range: bytes 0-1/2\r\nContent-Length: 2\r\n\r\nhi",
    "304": b'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\n\r\n',
    "401": b'HTTP/1.1 401 Who\r\nWWW-Authenticate: Basic realm="x"\r\nContent-Length: 2\r\n\r\nno',
    "503": b"HTTP/1.1 503 Busy\r\nContent-Length: 2\r\n\r\nno",
    "lines that end in LF": OK.replace(b"\r", b"") + b"Content-Length: 5\n\nhello",
}
METHODS = ["HEAD", "PUT", "POST", "PROPFIND", "OPTIONS", "MKCOL", "MOVE", "DELETE"]


@pytest.fixture
def client(faulty: FaultServer) -> Iterator[Client]:
    with contextlib.closing(Client(Identity(faulty.url), job(retries=0, timeout=5), verify=True)) as made:
        yield made


def outcome(client: Client, method: str, url: str) -> Answer | TemporaryFailure:
    """The answer, or the failure that may pass; any other failure is a failure of the test."""
    try:
        return client.request(method, url, body=b"x" if method in ("PUT", "POST") else None)
    except TemporaryFailure as failure:
        return failure


@pytest.mark.parametrize("kind", IMAGES)
def test_a_response_cut_at_any_byte_is_75(faulty: FaultServer, client: Client, kind: str) -> None:
    image = IMAGES[kind]
    for length in range(len(image)):
        url = faulty.on("/x", Reply(raw=image[:length]))
        assert isinstance(outcome(client, "GET", url), TemporaryFailure), image[:length]
    assert isinstance(outcome(client, "GET", faulty.on("/x", Reply(raw=image))), Answer)


@pytest.mark.parametrize("method", METHODS)
def test_a_cut_response_is_75_for_every_method(faulty: FaultServer, client: Client, method: str) -> None:
    image = LENGTH if method == "HEAD" else IMAGES["length"]
    for length in range(len(image)):
        url = faulty.on("/x", Reply(raw=image[:length]), method=method)
        failure = outcome(client, method, url)
        assert isinstance(failure, TemporaryFailure), image[:length]
        assert failure.repeatable == (method != "POST")  # a POST may have been taken
        assert len(faulty.requests(method=method)) == length + 1
    assert isinstance(outcome(client, method, faulty.on("/x", Reply(raw=image), method=method)), Answer)


@pytest.mark.parametrize("kind", ["length", "trailer", "100", "204"])
def test_a_response_cut_by_a_reset_is_75(faulty: FaultServer, client: Client, kind: str) -> None:
    image = IMAGES[kind]
    for length in range(1, len(image), 7):
        url = faulty.on("/x", Reply(raw=image[:length], reset=True))
        assert isinstance(outcome(client, "GET", url), TemporaryFailure), image[:length]


@pytest.mark.parametrize("notify", [False, True], ids=["without close_notify", "with close_notify"])
@pytest.mark.parametrize("kind", ["length", "trailer", "100", "204"])
def test_a_cut_response_over_tls_is_75(web: Nginx, kind: str, notify: bool) -> None:
    image = IMAGES[kind]
    with fault.start((str(web.pki.certificate), str(web.pki.key))) as secure:
        work = job(retries=0, timeout=5, ca_bundle=str(web.pki.ca))
        with contextlib.closing(Client(Identity(secure.url), work, verify=True)) as client:
            for length in range(0, len(image), 3):
                url = secure.on("/x", Reply(raw=image[:length], notify=notify))
                assert isinstance(outcome(client, "GET", url), TemporaryFailure), image[:length]
            whole = secure.on("/x", Reply(raw=image, notify=notify))
            assert isinstance(outcome(client, "GET", whole), Answer)


def test_over_tls_a_body_without_a_length_is_complete_only_with_close_notify(web: Nginx) -> None:
    with fault.start((str(web.pki.certificate), str(web.pki.key))) as secure:
        work = job(retries=0, timeout=5, ca_bundle=str(web.pki.ca))
        with contextlib.closing(Client(Identity(secure.url), work, verify=True)) as client:
            for notify in (False, True):
                url = secure.on("/x", Reply(raw=OK + b"\r\nhello", notify=notify))
                assert isinstance(outcome(client, "GET", url), Answer) == notify


@pytest.mark.parametrize(
    "cut",
    [
        OK,
        OK + b"Content-Le",
        OK + b"Server: x\r\n\r",
        OK + b"Transfer-Encoding: chunked\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" + OK,
    ],
)
def test_a_response_without_its_header_does_not_replace_a_file(
    faulty: FaultServer, target: Path, cut: bytes
) -> None:
    target.write_text("good old content")
    url = faulty.on("/x", Reply(raw=cut))
    result = run(HTTP, "receive-file", {"url": url}, target, env={"RED_RETRIES": "0"})
    assert result.code == 75, result.stderr
    assert target.read_text() == "good old content"
    assert run(HTTP, "receive-file-validate", {"url": url}, env={"RED_RETRIES": "0"}).code == 75


def test_a_put_whose_response_is_cut_is_sent_again(faulty: FaultServer, target: Path) -> None:
    target.write_bytes(b"content")
    url = faulty.on("/x", Reply(raw=b"HTTP/1.1 201 Created\r\n"), Reply(status=201), method="PUT")
    result = run(HTTP, "send-file", {"url": url, "method": "PUT"}, target)
    assert result.code == 0, result.stderr
    assert len(faulty.requests("/x", "PUT")) == 2
    faulty.on("/x", Reply(raw=b"HTTP/1.1 201 Created\r\n"), method="PUT")
    result = run(HTTP, "send-file", {"url": url, "method": "PUT"}, target, env={"RED_RETRIES": "0"})
    assert result.code == 75, result.stderr


def test_a_post_whose_response_is_cut_is_not_sent_again(faulty: FaultServer, target: Path) -> None:
    target.write_bytes(b"content")
    url = faulty.on("/x", Reply(raw=b"HTTP/1.1 201 Created\r\n"), method="POST")
    result = run(HTTP, "send-file", {"url": url}, target, env={"RED_RETRIES": "3"})
    assert result.code == 75, result.stderr
    assert len(faulty.requests("/x", "POST")) == 1


STRANGE = {
    "identity": OK + b"Transfer-Encoding: identity\r\nContent-Length: 5\r\n\r\nhel",
    "identity alone": OK + b"Transfer-Encoding: identity\r\n\r\nhello",
    "no coding": OK + b"Transfer-Encoding:\r\nContent-Length: 5\r\n\r\nhel",
    "gzip": OK + b"Transfer-Encoding: gzip\r\n\r\nhello",
    "gzip and chunked": OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "chunked twice": OK + b"Transfer-Encoding: chunked, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "a blank before the colon": OK + b"Transfer-Encoding : chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    "a blank before that of the length": OK + b"Content-Length : 5\r\n\r\nhel",
    "a blank before the length": OK + b" Content-Length: 5\r\n\r\nhel",
    "two lengths": OK + b"Content-Length: 5\r\nContent-Length: 3\r\n\r\nhello",
    "two lengths in one field": OK + b"Content-Length: 5, 3\r\n\r\nhello",
    "an endless length": OK + b"Content-Length: 99999999999999999999999\r\n\r\nhello",
    "a negative length": OK + b"Content-Length: -5\r\n\r\nhello",
    "four digits": b"HTTP/1.1 2000 OK\r\nContent-Length: 5\r\n\r\nhello",
    "two digits": b"HTTP/1.1 20 OK\r\nContent-Length: 5\r\n\r\nhello",
    "no digits": b"HTTP/1.1 OK\r\nContent-Length: 5\r\n\r\nhello",
    "a letter behind the digits": b"HTTP/1.1 200x OK\r\nContent-Length: 5\r\n\r\nhello",
    "another version": b"HTTP/3.0 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    "another protocol": b"ICY 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    "chunk size of letters": CHUNKED + b"zz\r\nhello\r\n0\r\n\r\n",
    "negative chunk size": CHUNKED + b"-5\r\nhello\r\n0\r\n\r\n",
    "no chunk size": CHUNKED + b"\r\nhello\r\n0\r\n\r\n",
    "chunk size without end": CHUNKED + b"1" * 17 + b"\r\nhello\r\n0\r\n\r\n",
    "chunk longer than its size": CHUNKED + b"4\r\nhello\r\n0\r\n\r\n",
    "chunk without its end": CHUNKED + b"5\r\nhello0\r\n\r\n",
    "trailer that is no field": CHUNKED + b"5\r\nhello\r\n0\r\nfoo\r\n\r\n",
}


@pytest.mark.parametrize("kind", STRANGE)
def test_a_response_that_violates_http_is_76(faulty: FaultServer, client: Client, kind: str) -> None:
    with pytest.raises(ProtocolViolation):
        client.request("GET", faulty.on("/x", Reply(raw=STRANGE[kind])))


def test_a_response_that_violates_http_is_not_retried(faulty: FaultServer, target: Path) -> None:
    for number, kind in enumerate(("identity", "four digits", "chunk size of letters")):
        url = faulty.on(f"/{number}", Reply(raw=STRANGE[kind]))
        assert run(HTTP, "receive-file", {"url": url}, target, env={"RED_RETRIES": "3"}).code == 76
        assert len(faulty.requests(f"/{number}")) == 1
    assert not target.exists()


@pytest.mark.parametrize("fields", [b"Content-Length: 5\r\n" * 2, b"Content-Length: 5, 5\r\n"])
def test_a_repeated_content_length_counts_once(faulty: FaultServer, target: Path, fields: bytes) -> None:
    url = faulty.on("/x", Reply(raw=OK + fields + b"\r\nhello"))
    result = run(HTTP, "receive-file", {"url": url}, target)
    assert result.code == 0, result.stderr
    assert target.read_bytes() == b"hello"
    cut = faulty.on("/y", Reply(raw=OK + fields + b"\r\nhell"))
    assert run(HTTP, "receive-file", {"url": cut}, target, env={"RED_RETRIES": "0"}).code == 75
