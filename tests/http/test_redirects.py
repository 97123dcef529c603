"""red-connector-http: redirects are followed where that is safe, and credentials stay at home."""

from pathlib import Path

import pytest

from tests.http.test_receive import AUTH, CONTENT, receive, validate
from tests.servers import fault
from tests.servers.fault import FaultServer, Reply
from tests.servers.nginx import Nginx
from tests.support.program import TOKEN, run

HTTP = "red-connector-http"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_followed(faulty: FaultServer, target: Path, status: int) -> None:
    faulty.on("/new", Reply(CONTENT))
    url = faulty.on("/old", Reply(status=status, headers={"Location": "/new"}))
    assert receive({"url": url}, target).code == 0
    assert target.read_bytes() == CONTENT
    assert validate({"url": url}).code == 0


def test_a_redirect_whose_location_holds_utf_8_is_followed_to_that_name(
    faulty: FaultServer, target: Path
) -> None:
    faulty.on("/%C3%BC%20%E6%97%A5.txt", Reply(CONTENT))
    location = "/ü 日.txt".encode().decode("latin-1")  # the server sends these very bytes
    url = faulty.on("/old", Reply(status=302, headers={"Location": location}))
    result = receive({"url": url}, target)
    assert result.code == 0, result.stderr
    assert target.read_bytes() == CONTENT


def test_credentials_are_never_sent_to_another_host(faulty: FaultServer, target: Path) -> None:
    with fault.start() as other:
        elsewhere = other.on("/x", Reply(CONTENT)).replace("127.0.0.1", "localhost")
        url = faulty.on("/x", Reply(status=302, headers={"Location": elsewhere}))
        for auth in (AUTH, {"method": "BEARER", "token": TOKEN}):
            access = {"url": url, "auth": auth, "headers": {"X-Api-Key": TOKEN, "Cookie": TOKEN}}
            assert receive(access, target).code == 0
            assert validate(access).code == 0
        assert target.read_bytes() == CONTENT
        for one in other.seen:
            assert "authorization" not in one.headers
            assert TOKEN not in str(one.headers)
    assert all("authorization" in one.headers for one in faulty.requests("/x"))


def test_another_port_is_another_host(faulty: FaultServer, target: Path) -> None:
    with fault.start() as other:
        url = faulty.on("/x", Reply(status=302, headers={"Location": other.on("/x", Reply(CONTENT))}))
        assert receive({"url": url, "auth": AUTH}, target).code == 0
        assert all("authorization" not in one.headers for one in other.seen)


def test_credentials_are_not_sent_from_https_to_http(web: Nginx, faulty: FaultServer, target: Path) -> None:
    with fault.start((str(web.pki.certificate), str(web.pki.key))) as secure:
        url = secure.on("/x", Reply(status=302, headers={"Location": faulty.on("/x", Reply(CONTENT))}))
        receive({"url": url, "auth": AUTH}, target, RED_CA_BUNDLE=str(web.pki.ca))
        assert secure.seen
        assert all("authorization" not in one.headers for one in faulty.seen)


@pytest.mark.parametrize(
    "location", ["file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://127.0.0.1/x", "http://"]
)
def test_a_redirect_to_an_unsupported_url_is_76(faulty: FaultServer, target: Path, location: str) -> None:
    url = faulty.on("/x", Reply(status=302, headers={"Location": location}))
    assert receive({"url": url}, target).code == 76
    assert not target.exists()


def test_an_endless_redirect_is_76(faulty: FaultServer, target: Path) -> None:
    url = faulty.on("/x", Reply(status=302, headers={"Location": "/y"}))
    faulty.on("/y", Reply(status=302, headers={"Location": "/x"}))
    assert receive({"url": url}, target).code == 76
    assert len(faulty.seen) < 60


# --- cookies ------------------------------------------------------------------------------------


def cookies(server: FaultServer, path: str = "") -> list[str]:
    return [one.headers.get("cookie", "") for one in server.requests(path)]


@pytest.mark.parametrize("attributes", ["", "; Path=/; HttpOnly", "; Max-Age=60", "; SameSite=Lax"])
def test_a_cookie_set_by_a_redirect_is_sent_back(faulty: FaultServer, target: Path, attributes: str) -> None:
    access = {"url": faulty.on("/d/x", Reply(CONTENT, wants_cookie=f"seen=yes{attributes}"))}
    result = receive(access, target)
    assert result.code == 0, result.stderr
    assert target.read_bytes() == CONTENT
    assert cookies(faulty) == ["", "seen=yes"]
    assert validate(access).code == 0


def test_a_cookie_for_another_path_or_domain_is_not_sent_back(faulty: FaultServer, target: Path) -> None:
    for number, attributes in enumerate(("; Path=/other", "; Domain=example.com", "; Max-Age=0")):
        url = faulty.on(f"/{number}", Reply(CONTENT, wants_cookie=f"seen=yes{attributes}"))
        assert receive({"url": url}, target).code == 76
        assert set(cookies(faulty, f"/{number}")) == {""}


def test_a_cookie_is_forgotten_after_the_request(faulty: FaultServer, tmp_path: Path) -> None:
    for name in ("a", "b"):
        faulty.on(f"/d/{name}", Reply(CONTENT, wants_cookie="seen=yes; Path=/"))
    names = [{"class": "File", "basename": name} for name in ("a", "b")]
    env = {"RED_PARALLEL": "1"}
    result = run(HTTP, "receive-dir", {"url": f"{faulty.url}/d"}, tmp_path / "d", "--listing", names, env=env)
    assert result.code == 0, result.stderr
    assert cookies(faulty) == ["", "seen=yes"] * 2


def test_cookies_of_two_origins_are_kept_apart(faulty: FaultServer, target: Path) -> None:
    """There to log in, and back: each has its own cookie, though a port does not matter to a browser."""
    with fault.start() as other:
        back = {"Location": f"{faulty.url}/back", "Set-Cookie": "theirs=2; Path=/"}
        there = other.on("/login", Reply(status=302, headers=back))
        url = faulty.on("/x", Reply(status=302, headers={"Location": there, "Set-Cookie": "ours=1; Path=/"}))
        again = {"Location": f"{other.url}/once", "Set-Cookie": "more=3; Path=/"}
        faulty.on("/back", Reply(status=302, headers=again))
        other.on("/once", Reply(status=302, headers={"Location": f"{faulty.url}/file"}))
        faulty.on("/file", Reply(CONTENT))
        result = receive({"url": url}, target)
        assert result.code == 0, result.stderr
        assert [sorted(one.split("; ")) for one in cookies(faulty)] == [
            [""],
            ["ours=1"],
            ["more=3", "ours=1"],
        ]
        assert cookies(other) == ["", "theirs=2"]


def test_a_cookie_from_the_access_document_is_sent_in_one_field(faulty: FaultServer, target: Path) -> None:
    url = faulty.on("/x", Reply(CONTENT, wants_cookie="seen=yes"))
    result = receive({"url": url, "headers": {"Cookie": "mine=1"}}, target)
    assert result.code == 0, result.stderr
    assert [sorted(one.split("; ")) for one in cookies(faulty)] == [["mine=1"], ["mine=1", "seen=yes"]]


def test_an_upload_sends_a_cookie_back_too(faulty: FaultServer, target: Path) -> None:
    target.write_bytes(CONTENT)
    again = Reply(status=307, headers={"Location": "/x", "Set-Cookie": "seen=yes"})
    url = faulty.on("/x", again, Reply(status=201), method="PUT")
    result = run(HTTP, "send-file", {"url": url, "method": "PUT"}, target)
    assert result.code == 0, result.stderr
    assert [one.headers.get("cookie", "") for one in faulty.requests("/x", "PUT")] == ["", "seen=yes"]


# --- what is shown of a redirect ----------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["http", "ftp"])
def test_a_refused_redirect_shows_only_scheme_and_host(
    faulty: FaultServer, target: Path, scheme: str
) -> None:
    target.write_bytes(CONTENT)
    where = f"{scheme}://me:{TOKEN}@example.com:81/{TOKEN}/x;{TOKEN}?token={TOKEN}&{TOKEN}#{TOKEN}"
    url = faulty.on("/x", Reply(status=302, headers={"Location": where}), method="PUT")
    result = run(HTTP, "send-file", {"url": url, "method": "PUT"}, target)
    assert result.code == 76
    assert f"{scheme}://example.com:81" in result.stderr
    assert TOKEN not in result.stderr
