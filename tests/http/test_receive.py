"""red-connector-http: receiving from real servers, with all the ways to log in, and through proxies."""

import hashlib
import os
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.servers import PASSWORD, USERNAME, authority, fault, proxy
from tests.servers.apache import Apache
from tests.servers.fault import FaultServer, Reply
from tests.servers.nginx import Nginx
from tests.servers.simple import Simple
from tests.support.program import PRESIGNED, TOKEN, Result, run

HTTP = "red-connector-http"
AUTH = {"username": USERNAME, "password": PASSWORD}
CONTENT = b"what was asked for\n" * 1000


def receive(access: dict[str, object], target: Path, **env: str) -> Result:
    return run(HTTP, "receive-file", access, target, env={"RED_RETRIES": "0", "RED_TIMEOUT": "3", **env})


def validate(access: dict[str, object], **env: str) -> Result:
    return run(HTTP, "receive-file-validate", access, env={"RED_RETRIES": "0", "RED_TIMEOUT": "3", **env})


# --- who we are ---------------------------------------------------------------------------------


@pytest.mark.parametrize("method", [None, "BASIC", "basic"])
def test_basic_authentication_is_the_default_and_taken_in_any_case(
    web: Nginx, fresh: str, target: Path, method: str | None
) -> None:
    web.place(f"{fresh}/x", CONTENT)
    auth = AUTH | ({"method": method} if method else {})
    result = receive({"url": f"{web.basic}/{fresh}/x", "auth": auth}, target)
    assert result.code == 0, result.stderr
    assert target.read_bytes() == CONTENT


def test_digest_authentication_works_and_never_sends_the_password(
    httpd: Apache, fresh: str, target: Path
) -> None:
    httpd.place(f"{fresh}/x", CONTENT)
    result = receive({"url": f"{httpd.digest}/{fresh}/x", "auth": AUTH | {"method": "DIGEST"}}, target)
    assert result.code == 0, result.stderr
    sent = [
        one.headers["authorization"] for one in httpd.requests(f"/{fresh}") if "authorization" in one.headers
    ]
    assert sent
    assert all(one.startswith("Digest ") for one in sent)


def test_protected_keys_are_taken(web: Nginx, fresh: str, target: Path) -> None:
    web.place(f"{fresh}/x", CONTENT)
    auth = {"_username": USERNAME, "_password": PASSWORD}
    assert receive({"url": f"{web.basic}/{fresh}/x", "auth": auth}, target).code == 0


def test_credentials_in_the_url_are_used_and_not_shown(web: Nginx, fresh: str, target: Path) -> None:
    web.place(f"{fresh}/x", CONTENT)
    url = f"{web.basic}/{fresh}/x".replace("://", f"://{USERNAME}:{quote(PASSWORD, safe='')}@")
    assert receive({"url": url}, target).code == 0
    assert receive({"url": url + "-none"}, target).code == 66


def test_a_bearer_token_and_own_headers_are_sent(faulty: FaultServer, target: Path) -> None:
    url = faulty.on("/x", Reply(CONTENT))
    access = {
        "url": url,
        "auth": {"method": "BEARER", "token": TOKEN},
        "headers": {"X-Test": "yes", "Accept": "text/csv", "_X-Secret": TOKEN},
    }
    assert receive(access, target).code == 0
    headers = faulty.requests("/x")[-1].headers
    assert headers["authorization"] == f"Bearer {TOKEN}"
    assert (headers["x-test"], headers["accept"]) == ("yes", "text/csv")
    assert headers["accept-encoding"] == "identity"


def test_a_secret_that_the_server_repeats_is_not_shown(faulty: FaultServer, target: Path) -> None:
    raw = f"HTTP/1.1 403 no entry for {TOKEN}\r\nContent-Length: 0\r\n\r\n".encode()
    access = {"url": faulty.on("/x", Reply(raw=raw)), "auth": {"method": "BEARER", "token": TOKEN}}
    for log in ("text", "json"):
        result = receive(access, target, RED_LOG=log)
        assert result.code == 77
        assert "no entry for" in result.stderr


def test_the_method_of_a_receive_may_be_post(faulty: FaultServer, target: Path) -> None:
    url = faulty.on("/x", Reply(CONTENT, store=False), method="POST")
    result = receive({"url": url, "method": "post"}, target)
    assert result.code == 0, result.stderr
    assert target.read_bytes() == CONTENT
    assert [one.method for one in faulty.requests("/x")] == ["POST"]


def test_401_and_403_are_77_and_not_tried_again(faulty: FaultServer, target: Path) -> None:
    for status in (401, 403):
        url = faulty.on(f"/{status}", Reply(b"no", status, {"WWW-Authenticate": 'Basic realm="x"'}))
        assert receive({"url": url, "auth": AUTH}, target, RED_RETRIES="3").code == 77
        assert len(faulty.requests(f"/{status}")) == 1
        assert validate({"url": url, "auth": AUTH}, RED_RETRIES="3").code == 77


# --- TLS ----------------------------------------------------------------------------------------


def test_an_unknown_authority_is_76_with_a_hint(web: Nginx, fresh: str, target: Path) -> None:
    web.place(f"{fresh}/x", CONTENT)
    for result in (
        receive({"url": f"{web.tls}/{fresh}/x"}, target),
        validate({"url": f"{web.tls}/{fresh}/x"}),
    ):
        assert result.code == 76
        assert "RED_CA_BUNDLE" in result.stderr


@pytest.mark.parametrize("name", ["RED_CA_BUNDLE", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
def test_an_authority_can_be_trusted_by_the_environment(
    web: Nginx, fresh: str, target: Path, name: str
) -> None:
    web.place(f"{fresh}/x", CONTENT)
    result = receive({"url": f"{web.tls}/{fresh}/x"}, target, **{name: str(web.pki.ca)})
    assert result.code == 0, result.stderr


def test_red_ca_bundle_overrides_ssl_cert_file(web: Nginx, fresh: str, target: Path) -> None:
    web.place(f"{fresh}/x", CONTENT)
    env = {"RED_CA_BUNDLE": str(web.pki.ca), "SSL_CERT_FILE": "/etc/ssl/certs/ca-certificates.crt"}
    assert receive({"url": f"{web.tls}/{fresh}/x"}, target, **env).code == 0


def test_verification_can_be_switched_off(web: Nginx, fresh: str, target: Path) -> None:
    web.place(f"{fresh}/x", CONTENT)
    assert receive({"url": f"{web.tls}/{fresh}/x", "disableSSLVerification": True}, target).code == 0


def test_a_certificate_for_another_host_is_76(web: Nginx, target: Path) -> None:
    with fault.start((str(web.pki.other_certificate), str(web.pki.other_key))) as server:
        url = server.on("/x", Reply(CONTENT))
        assert receive({"url": url}, target, RED_CA_BUNDLE=str(web.pki.ca)).code == 76
        assert server.seen == []


@pytest.mark.parametrize("inline", [False, True])
def test_a_client_certificate_is_a_path_or_the_text_itself(
    web: Nginx, fresh: str, target: Path, inline: bool
) -> None:
    web.place(f"{fresh}/x", CONTENT)
    pki: authority.Authority = web.pki
    certificate, key = (
        one.read_text() if inline else str(one) for one in (pki.client_certificate, pki.client_key)
    )
    access = {"url": f"{web.client}/{fresh}/x", "clientCertificate": certificate, "clientKey": key}
    result = receive(access, target, RED_CA_BUNDLE=str(pki.ca))
    assert result.code == 0, result.stderr
    assert receive({"url": f"{web.client}/{fresh}/x"}, target, RED_CA_BUNDLE=str(pki.ca)).code == 76


def test_plain_http_to_a_tls_port_and_tls_to_a_plain_one_are_76_without_retries(
    web: Nginx, plain: Simple, target: Path
) -> None:
    for url in (web.plain, plain.url):
        result = receive({"url": url.replace("http:", "https:") + "/x"}, target)
        assert result.code == 76, result.stderr
        assert "hint: is it http:// instead?" in result.stderr
    assert receive({"url": web.tls.replace("https:", "http:") + "/x"}, target).code == 76


# --- proxies ------------------------------------------------------------------------------------


@pytest.mark.parametrize("upper", [True, False])
def test_the_http_proxy_is_used_and_no_proxy_goes_around_it(
    web: Nginx, forward: proxy.Proxy, fresh: str, target: Path, upper: bool
) -> None:
    web.place(f"{fresh}/x", CONTENT)
    name, exempt = ("HTTP_PROXY", "NO_PROXY") if upper else ("http_proxy", "no_proxy")
    access = {"url": f"{web.plain}/{fresh}/x"}
    assert receive(access, target, **{name: forward.url}).code == 0
    assert [one.path for one in forward.seen if one.method == "GET"] == [access["url"]]
    count = len(forward.seen)
    assert receive(access, target, **{name: forward.url, exempt: "example.org,127.0.0.1"}).code == 0
    assert len(forward.seen) == count


def test_the_https_proxy_is_asked_for_a_tunnel(
    web: Nginx, forward: proxy.Proxy, fresh: str, target: Path
) -> None:
    web.place(f"{fresh}/x", CONTENT)
    env = {"HTTPS_PROXY": forward.url, "RED_CA_BUNDLE": str(web.pki.ca)}
    result = receive({"url": f"{web.tls}/{fresh}/x", "auth": AUTH}, target, **env)
    assert result.code == 0, result.stderr
    assert {one.method for one in forward.seen} == {"CONNECT"}
    assert all("authorization" not in one.headers for one in forward.seen)


def test_a_proxy_with_a_password_gets_it_and_the_server_does_not(
    web: Nginx, fresh: str, target: Path
) -> None:
    web.place(f"{fresh}/x", CONTENT)
    access = {"url": f"{web.plain}/{fresh}/x"}
    with proxy.start(USERNAME, PASSWORD) as guarded:
        address = guarded.url.replace("://", f"://{USERNAME}:{quote(PASSWORD, safe='')}@")
        assert receive(access, target, HTTP_PROXY=address).code == 0
        wrong = receive(access, target, HTTP_PROXY=guarded.url)
        assert wrong.code == 77, wrong.stderr
    assert all("authorization" not in one.headers for one in web.requests(f"/{fresh}"))


def test_a_proxy_that_is_not_there_is_75_and_named(web: Nginx, target: Path) -> None:
    result = receive({"url": f"{web.plain}/x"}, target, HTTP_PROXY="http://127.0.0.1:9")
    assert result.code == 75
    assert "proxy" in result.stderr.lower() or "127.0.0.1:9" in result.stderr or "port 9" in result.stderr


def test_a_proxy_whose_name_does_not_exist_is_68_and_named(web: Nginx, target: Path) -> None:
    proxy_url = "http://no-such-proxy.invalid:3128"
    result = receive({"url": f"{web.plain}/x"}, target, HTTP_PROXY=proxy_url)
    assert result.code == 68, result.stderr
    assert "no-such-proxy.invalid" in result.stderr
    assert "check the host name" not in result.stderr


# --- names and addresses ------------------------------------------------------------------------


def test_a_query_string_is_kept_and_not_shown(faulty: FaultServer, target: Path) -> None:
    url = faulty.on("/x", Reply(CONTENT)) + f"?part=1&X-Amz-Signature={PRESIGNED}&token={TOKEN}"
    assert receive({"url": url}, target).code == 0
    assert faulty.seen[-1].path == f"/x?part=1&X-Amz-Signature={PRESIGNED}&token={TOKEN}"
    missing = url.replace("/x?", "/none?")
    result = receive({"url": missing}, target)
    assert result.code == 66
    assert "/none" in result.stderr


def test_a_presigned_url_that_refuses_head_validates(faulty: FaultServer, target: Path) -> None:
    for status in (403, 405, 501, 400):
        url = faulty.on(f"/{status}", Reply(CONTENT * 500))
        faulty.on(f"/{status}", Reply(status=status), method="HEAD")
        result = validate({"url": f"{url}?X-Amz-Signature={PRESIGNED}"})
        assert result.code == 0, (status, result.stderr)


def test_a_url_with_spaces_and_unicode_is_sent_quoted(faulty: FaultServer, target: Path) -> None:
    faulty.on("/a%20b/%C3%BC.txt", Reply(CONTENT))
    result = receive({"url": f"{faulty.url}/a b/ü.txt"}, target)
    assert result.code == 0, result.stderr


def test_a_fragment_is_not_sent(faulty: FaultServer, target: Path) -> None:
    assert receive({"url": faulty.on("/x", Reply(CONTENT)) + "#part"}, target).code == 0
    assert all("#" not in one.path for one in faulty.seen)


@pytest.mark.parametrize(
    "url", ["ftp://127.0.0.1/x", "file:///etc/passwd", "127.0.0.1/x", "http://", "", "http://a b/"]
)
def test_a_url_that_is_not_http_is_78(target: Path, url: str) -> None:
    for result in (
        receive({"url": url}, target),
        run(HTTP, "receive-file-validate", "--offline", {"url": url}),
    ):
        assert result.code == 78


def test_a_server_on_ipv6_is_reached_or_refused_without_a_crash(target: Path) -> None:
    assert receive({"url": "http://[::1]:9/x"}, target).code == 75


# --- what arrives -------------------------------------------------------------------------------


def test_bytes_are_stored_as_sent_even_if_the_server_compresses(faulty: FaultServer, target: Path) -> None:
    packed = b"\x1f\x8b\x08\0not really gzip"
    url = faulty.on(
        "/x.gz", Reply(packed, headers={"Content-Encoding": "gzip", "Content-Type": "text/plain"})
    )
    result = receive({"url": url}, target)
    assert result.code == 0, result.stderr
    assert not target.exists() or target.read_bytes() == packed
    assert faulty.seen[0].headers["accept-encoding"] == "identity"


def test_a_sparse_body_without_length_is_received_unchanged(faulty: FaultServer, target: Path) -> None:
    for number, reply in enumerate(
        (Reply(CONTENT, chunked=True), Reply(CONTENT, length=-1), Reply(b"", chunked=True))
    ):
        assert receive({"url": faulty.on(f"/{number}", reply)}, target).code == 0
        assert target.read_bytes() == reply.body


def test_an_error_page_is_never_saved(faulty: FaultServer, target: Path) -> None:
    for status, code in (
        (400, None),
        (404, 66),
        (410, 66),
        (418, None),
        (500, 75),
        (503, 75),
        (204, None),
        (304, None),
    ):
        result = receive({"url": faulty.on(f"/{status}", Reply(b"<html>sorry", status))}, target)
        assert result.code != 0, status
        assert code in (None, result.code), status
        assert not target.exists()
        assert str(status) in result.stderr or code == 66


def test_a_target_that_cannot_be_written_is_73(faulty: FaultServer, tmp_path: Path) -> None:
    url = faulty.on("/x", Reply(CONTENT))
    assert receive({"url": url}, Path("/proc/none/x")).code == 73
    if os.path.exists("/dev/full"):
        assert receive({"url": url}, Path("/dev/full")).code == 73
    assert receive({"url": url}, tmp_path / ("n" * 300)).code == 73


def test_a_document_in_yaml_works_as_in_the_documentation(web: Nginx, fresh: str, tmp_path: Path) -> None:
    web.place(f"{fresh}/data.csv", CONTENT)
    (tmp_path / "in.yml").write_text(
        f"""
command: "red-connector-http"
access:
  url: "{web.basic}/{fresh}/data.csv"
  method: "GET"
  auth:
    username: "{USERNAME}"
    password: "{{{{password}}}}"
    method: "BASIC"
  disableSSLVerification: False
"""
    )
    for executable in (HTTP, "red-connectors"):
        env = {"RED_VAR_password": PASSWORD}
        result = run(executable, "receive-file", "in.yml", "out.csv", cwd=tmp_path, env=env)
        assert result.code == 0, result.stderr
        assert (
            hashlib.sha256((tmp_path / "out.csv").read_bytes()).digest() == hashlib.sha256(CONTENT).digest()
        )
        (tmp_path / "out.csv").unlink()


def test_a_big_file_takes_little_memory(web: Nginx, fresh: str, target: Path) -> None:
    big = web.place(f"{fresh}/big", b"")
    os.truncate(big, 300 << 20)
    limit = "ulimit -v 400000; "  # KiB of address space: far less than twice the file
    result = run_shell(limit, {"url": f"{web.plain}/{fresh}/big"}, target)
    assert result == 0
    assert target.stat().st_size == 300 << 20


def run_shell(prefix: str, access: dict[str, object], target: Path) -> int:
    import shlex
    import subprocess

    from tests.support.program import command, environment

    line = prefix + shlex.join(command(HTTP, "receive-file", access, target))
    return subprocess.run(["sh", "-c", line], env=environment(), timeout=60).returncode
