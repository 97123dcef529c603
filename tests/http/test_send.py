"""red-connector-http: sending to real servers and to the faulty one."""

import random
from pathlib import Path

import pytest

from tests.servers import USERNAME, fault
from tests.servers.apache import Apache
from tests.servers.fault import FaultServer, Reply
from tests.servers.nginx import Nginx
from tests.support.program import PRESIGNED, TOKEN, run
from tests.support.uploads import AUTH, BODY, HTTP, UPLOADS, send, uploads

# --- what is sent -------------------------------------------------------------------------------


def test_a_file_is_sent_by_post_with_its_length_by_default(faulty: FaultServer, source: Path) -> None:
    assert send({"url": f"{faulty.url}/x"}, source).code == 0
    assert send({"url": f"{faulty.url}/y", "method": "put"}, source).code == 0
    assert uploads(faulty) == ["POST"]
    assert uploads(faulty, "/y") == ["PUT"]
    for one in faulty.seen:
        if one.method in UPLOADS:
            assert one.headers["content-length"] == str(len(BODY))
            assert "transfer-encoding" not in one.headers
    assert faulty.stored["/x"] == BODY


@pytest.mark.parametrize("method", UPLOADS)
def test_an_empty_file_is_sent_with_length_zero(faulty: FaultServer, tmp_path: Path, method: str) -> None:
    (tmp_path / "empty").write_bytes(b"")
    assert send({"url": f"{faulty.url}/x", "method": method}, tmp_path / "empty").code == 0
    sent = faulty.requests("/x", method)[0]
    assert sent.headers["content-length"] == "0"
    assert faulty.stored["/x"] == b""


def test_the_method_of_a_send_may_be_get_as_in_the_documentation(faulty: FaultServer, source: Path) -> None:
    url = faulty.on("/x", Reply(b"ok"))
    result = send({"url": url, "method": "GET"}, source)
    assert result.code == 0, result.stderr
    assert faulty.requests("/x", "GET")[0].body == BODY


def test_headers_token_and_query_go_with_an_upload(faulty: FaultServer, source: Path) -> None:
    access = {
        "url": f"{faulty.url}/x?X-Amz-Signature={PRESIGNED}",
        "method": "PUT",
        "auth": {"method": "BEARER", "token": TOKEN},
        "headers": {"Content-Type": "text/csv", "X-Test": "yes"},
    }
    assert send(access, source).code == 0
    sent = faulty.requests("/x", "PUT")[0]
    assert sent.path == f"/x?X-Amz-Signature={PRESIGNED}"
    assert sent.headers["authorization"] == f"Bearer {TOKEN}"
    assert (sent.headers["content-type"], sent.headers["x-test"]) == ("text/csv", "yes")


def test_a_presigned_url_gets_only_a_put(faulty: FaultServer, source: Path) -> None:
    """A signature is good for one method and one name: nothing else can be asked for."""
    for method in ("HEAD", "OPTIONS", "PROPFIND", "GET"):
        faulty.on("/x", Reply(b"<Error>SignatureDoesNotMatch</Error>", 403), method=method)
    access = {"url": f"{faulty.url}/x?X-Amz-Signature={PRESIGNED}", "method": "PUT"}
    result = send(access, source)
    assert result.code == 0, result.stderr
    assert faulty.stored == {"/x": BODY}
    assert run(HTTP, "send-file-validate", access, env={"RED_RETRIES": "0"}).code == 0


def test_a_file_is_sent_with_digest_authentication_without_sending_it_twice(
    httpd: Apache, fresh: str, source: Path
) -> None:
    httpd.folder(httpd.root / fresh)
    access = {"url": f"{httpd.digest}/{fresh}/x", "method": "PUT", "auth": AUTH | {"method": "DIGEST"}}
    result = send(access, source)
    assert result.code == 0, result.stderr
    assert (httpd.root / fresh / "x").read_bytes() == BODY


# --- temporary names ----------------------------------------------------------------------------


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_put_is_repeated(faulty: FaultServer, source: Path, status: int) -> None:
    faulty.on("/x", Reply(b"", status), Reply(status=201), method="PUT")
    result = send({"url": f"{faulty.url}/x", "method": "PUT"}, source)
    assert result.code == 0, result.stderr
    assert faulty.stored["/x"] == BODY


@pytest.mark.parametrize(
    "fault_", [Reply(accept=1 << 20, silent=True), Reply(accept=1 << 20, silent=True, reset=True)]
)
def test_a_put_that_was_cut_is_repeated_from_the_start(
    faulty: FaultServer, source: Path, fault_: Reply
) -> None:
    faulty.on("/x", fault_, Reply(status=201), method="PUT")
    result = send({"url": f"{faulty.url}/x", "method": "PUT"}, source)
    assert result.code == 0, result.stderr
    assert faulty.stored["/x"] == BODY


@pytest.mark.parametrize(
    "fault_", [Reply(silent=True), Reply(stall=-1), Reply(status=500), Reply(status=502), Reply(status=504)]
)
def test_a_post_that_may_have_been_taken_is_not_sent_again(
    faulty: FaultServer, source: Path, fault_: Reply
) -> None:
    faulty.on("/x", fault_, Reply(status=201), method="POST")
    result = send({"url": f"{faulty.url}/x"}, source)
    assert result.code == 75, result.stderr
    assert uploads(faulty) == ["POST"]


def test_a_post_that_was_refused_before_its_body_is_sent_again(faulty: FaultServer, source: Path) -> None:
    faulty.on("/x", Reply(b"", 503, accept=0), Reply(status=201), method="POST")
    result = send({"url": f"{faulty.url}/x"}, source)
    assert result.code in (0, 75), result.stderr
    assert faulty.stored.get("/x") == (BODY if result.code == 0 else None)


def test_a_post_to_a_server_that_is_not_there_is_tried_again(source: Path) -> None:
    result = send({"url": "http://127.0.0.1:9/x"}, source, retries=1)
    assert result.code == 75
    assert result.seconds > 0.3


# --- refused ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "codes"), [(401, {77}), (403, {77}), (413, {65, 73, 76, 77}), (507, {73, 74, 75, 76})]
)
@pytest.mark.parametrize("accept", [0, None], ids=["before-the-body", "after-it"])
def test_a_refused_upload_is_reported(
    faulty: FaultServer, source: Path, status: int, codes: set[int], accept: int | None
) -> None:
    """The answer counts even when the server closes while the body is still on its way."""
    source.write_bytes(BODY * 8)
    faulty.on("/x", Reply(b"no", status, accept=accept), method="PUT")
    result = send({"url": f"{faulty.url}/x", "method": "PUT", "auth": AUTH}, source, retries=0)
    assert result.code in codes, result.stderr
    assert str(status) in result.stderr or status in (401, 403)
    assert len(uploads(faulty)) == 1


def test_a_missing_folder_on_a_server_without_webdav_is_an_error(
    httpd: Apache, source: Path, fresh: str
) -> None:
    result = send({"url": f"{httpd.plain}/{fresh}/x", "method": "PUT"}, source, retries=0)
    assert result.code == 77


def test_a_200_that_stored_something_else_is_noticed(faulty: FaultServer, source: Path) -> None:
    faulty.on("/x", Reply(status=200, store=False), method="PUT")
    faulty.on("/x", Reply(b"an older file"))
    result = send({"url": f"{faulty.url}/x", "method": "PUT"}, source, retries=0)
    assert result.code == 65, result.stderr


def test_an_accepted_upload_that_was_not_stored_is_an_error(faulty: FaultServer, source: Path) -> None:
    """201 and then 404 to HEAD: nothing was stored, and PUT promises that it would be."""
    faulty.on("/x", Reply(status=201, store=False), method="PUT")
    result = send({"url": f"{faulty.url}/x", "method": "PUT"}, source, retries=0)
    assert result.code == 76, result.stderr


@pytest.mark.parametrize("method", ["PUT", "POST"])
def test_a_server_without_expect_support_gets_the_file_without_expect(
    faulty: FaultServer, tmp_path: Path, method: str
) -> None:
    content = random.Random(3).randbytes(3 << 20)
    (tmp_path / "d").mkdir()
    for name in ("a", "b"):
        (tmp_path / "d" / name).write_bytes(content)
    faulty.on("/d/a", Reply(status=417, accept=0), Reply(status=201), method=method)
    access = {"url": f"{faulty.url}/d", "method": method}
    result = run(HTTP, "send-dir", access, tmp_path / "d", env={"RED_PARALLEL": "1", "RED_RETRIES": "0"})
    assert result.code == 0, result.stderr
    assert ["expect" in one.headers for one in faulty.requests(method=method)] == [True, False, False]
    assert faulty.stored == {"/d/a": content, "/d/b": content}


def test_417_without_expect_is_retried_once(faulty: FaultServer, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"x")
    url = faulty.on("/x", Reply(status=417), method="PUT")
    assert run(HTTP, "send-file", {"url": url, "method": "PUT"}, tmp_path / "x").code == 76
    assert len(faulty.requests("/x", "PUT")) == 2


@pytest.mark.parametrize("wrong", [Reply(b""), Reply(b"a page"), Reply(b"", 404), Reply(b"", 500)])
@pytest.mark.parametrize("right", [{}, {"ranges": False}, {"ranges": False, "chunked": True}])
def test_a_head_that_contradicts_put_is_repeated_as_get(
    faulty: FaultServer, source: Path, wrong: Reply, right: dict[str, bool]
) -> None:
    faulty.on("/x", wrong, method="HEAD")
    faulty.on("/x", Reply(BODY, **right))  # type: ignore[arg-type]
    result = send({"url": f"{faulty.url}/x", "method": "PUT"}, source, retries=0)
    assert result.code == 0, result.stderr


@pytest.mark.parametrize("kept", [BODY[:-1], BODY + b"x", b""])
@pytest.mark.parametrize("ways", [{}, {"ranges": False}, {"ranges": False, "chunked": True}])
def test_another_length_by_head_and_get_is_65(
    faulty: FaultServer, source: Path, kept: bytes, ways: dict[str, bool]
) -> None:
    faulty.on("/x", Reply(b""), method="HEAD")
    faulty.on("/x", Reply(kept, **ways))  # type: ignore[arg-type]
    result = send({"url": f"{faulty.url}/x", "method": "PUT"}, source, retries=0)
    assert result.code == 65, result.stderr


def test_verifying_the_length_by_get_transfers_no_payload(faulty: FaultServer, source: Path) -> None:
    faulty.on("/x", Reply(b""), method="HEAD")
    faulty.on("/x", Reply(BODY))
    assert send({"url": f"{faulty.url}/x", "method": "PUT"}, source, retries=0).code == 0
    assert faulty.requests("/x", "GET")[0].headers["range"] == "bytes=0-0"


@pytest.mark.parametrize(
    ("status", "code", "says"),
    [(413, 73, "limits the size"), (423, 75, "423"), (501, 76, "501"), (505, 76, "505"), (507, 75, "507")],
)
@pytest.mark.parametrize("method", UPLOADS)
def test_the_status_of_a_refused_upload_has_its_exit_code(
    faulty: FaultServer, source: Path, method: str, status: int, code: int, says: str
) -> None:
    faulty.on("/x", Reply(status=status), method=method)
    result = send({"url": f"{faulty.url}/x", "method": method}, source, retries=0)
    assert result.code == code, result.stderr
    assert says in result.stderr


def test_a_post_refused_by_a_lock_is_sent_again(faulty: FaultServer, source: Path) -> None:
    faulty.on("/x", Reply(status=423), Reply(status=201), method="POST")
    result = send({"url": f"{faulty.url}/x"}, source)
    assert result.code == 0, result.stderr
    assert faulty.stored == {"/x": BODY}


@pytest.mark.parametrize(
    ("method", "status", "hint"),
    [
        ("POST", 404, "most servers want method: PUT"),
        ("POST", 501, "most servers want method: PUT"),
        ("PUT", 501, "this server does not accept uploads"),
    ],
)
def test_an_unsupported_upload_method_comes_with_a_hint(
    faulty: FaultServer, source: Path, method: str, status: int, hint: str
) -> None:
    faulty.on("/x", Reply(status=status), method=method)
    result = send({"url": f"{faulty.url}/x", "method": method}, source, retries=0)
    assert result.code == {404: 73, 501: 76}[status]
    assert hint in result.stderr


@pytest.mark.parametrize(
    ("method", "allow", "hint"),
    [
        ("POST", "GET, HEAD, PUT", "try method: PUT"),
        ("POST", "", "try method: PUT"),
        ("PUT", "GET,post", "try method: POST"),
        ("POST", "GET, HEAD", "it allows GET, HEAD"),
    ],
)
def test_a_method_that_is_not_allowed_comes_with_an_allowed_one(
    faulty: FaultServer, source: Path, method: str, allow: str, hint: str
) -> None:
    faulty.on("/x", Reply(status=405, headers={"Allow": allow} if allow else {}), method=method)
    access = {"url": f"{faulty.url}/x", "method": method}
    result = send(access, source, retries=0)
    assert result.code == 77, result.stderr
    assert hint in result.stderr
    for status in (200, 204, 405):
        headers = {"Allow": allow} if allow else {}
        faulty.on("/x", Reply(status=status, headers=headers), method="OPTIONS")
        validated = run(HTTP, "send-file-validate", access, env={"RED_RETRIES": "0"})
        assert validated.code == (77 if allow else 0), validated.stderr
        assert not allow or hint in validated.stderr


@pytest.mark.parametrize("server", ["nginx", "apache"])
def test_validate_accepts_every_send_that_works(
    request: pytest.FixtureRequest, fresh: str, source: Path, server: str
) -> None:
    web = request.getfixturevalue("web" if server == "nginx" else "httpd")
    web.folder(web.root / fresh)
    access = {"url": f"{web.dav}/{fresh}/x", "method": "PUT"}
    for _ in range(2):  # the second time the file is there
        result = run(HTTP, "send-file-validate", access)
        assert result.code == 0, result.stderr
        assert send(access, source).code == 0
    for url in (f"{web.dav}/{fresh}", f"{web.dav}/{fresh}/"):
        assert run(HTTP, "send-dir-validate", {"url": url}).code == 0


# --- redirects ----------------------------------------------------------------------------------


@pytest.mark.parametrize("method", UPLOADS)
@pytest.mark.parametrize("status", [307, 308])
def test_an_upload_follows_redirects_that_keep_the_method(
    faulty: FaultServer, source: Path, method: str, status: int
) -> None:
    faulty.on("/x", Reply(status=status, headers={"Location": "/new"}), method=method)
    faulty.on("/x", Reply(status=status, headers={"Location": "/new"}))
    result = send({"url": f"{faulty.url}/x", "method": method}, source)
    assert result.code == 0, result.stderr
    assert faulty.stored == {"/new": BODY}


@pytest.mark.parametrize("method", UPLOADS)
@pytest.mark.parametrize("status", [301, 302, 303])
def test_an_upload_never_silently_becomes_a_get(
    faulty: FaultServer, source: Path, method: str, status: int
) -> None:
    faulty.on("/x", Reply(status=status, headers={"Location": "/new"}), method=method)
    faulty.on("/new", Reply(b"<html>thank you</html>"))
    result = send({"url": f"{faulty.url}/x", "method": method}, source)
    # 303 after a POST says that it was taken and where to look (RFC 9110, 15.4.4).
    if result.code == 0:
        assert faulty.stored == {"/new": BODY} or (method, status) == ("POST", 303)
    else:
        assert result.code == 76, result.stderr
        assert faulty.stored == {}


def test_credentials_of_an_upload_are_not_sent_to_another_host(faulty: FaultServer, source: Path) -> None:
    with fault.start() as other:
        faulty.on("/x", Reply(status=307, headers={"Location": f"{other.url}/x"}), method="PUT")
        send({"url": f"{faulty.url}/x", "method": "PUT", "auth": AUTH}, source)
        assert all("authorization" not in one.headers for one in other.seen)


# --- validate -----------------------------------------------------------------------------------


def test_validate_changes_nothing_and_sends_nothing(faulty: FaultServer, source: Path) -> None:
    for method in UPLOADS:
        result = run(HTTP, "send-file-validate", {"url": f"{faulty.url}/x", "method": method})
        assert result.code == 0, result.stderr
    assert {one.method for one in faulty.seen} <= {"HEAD", "OPTIONS", "PROPFIND", "GET"}
    assert faulty.stored == {}


def test_validate_of_a_send_finds_a_wrong_password(web: Nginx, httpd: Apache, fresh: str) -> None:
    web.folder(web.root / fresh)
    httpd.folder(httpd.root / fresh)
    wrong = {"username": USERNAME, "password": "wrong"}
    for url, method in ((web.basic, "BASIC"), (httpd.digest, "DIGEST")):
        access = {"url": f"{url}/{fresh}/x", "method": "PUT", "auth": wrong | {"method": method}}
        assert run(HTTP, "send-file-validate", access).code == 77


def test_validate_accepts_a_directory_that_head_may_not_read(faulty: FaultServer) -> None:
    """nginx forbids to look at a directory without an index page."""
    faulty.on("/d", Reply(status=405), method="OPTIONS")
    faulty.on("/d", Reply(status=403), method="HEAD")
    access = {"url": f"{faulty.url}/d", "method": "PUT"}
    assert run(HTTP, "send-dir-validate", access, env={"RED_RETRIES": "0"}).code == 0
    assert run(HTTP, "send-file-validate", access, env={"RED_RETRIES": "0"}).code == 77
