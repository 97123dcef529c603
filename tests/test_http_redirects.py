"""red-connector-http: redirects are followed where that is safe, and credentials stay at home."""

from pathlib import Path

import pytest

from tests.program import TOKEN
from tests.servers import fault
from tests.servers.fault import FaultServer, Reply
from tests.servers.nginx import Nginx
from tests.test_http_receive import AUTH, CONTENT, receive, validate


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
def test_a_redirect_to_something_else_is_76(faulty: FaultServer, target: Path, location: str) -> None:
    url = faulty.on("/x", Reply(status=302, headers={"Location": location}))
    assert receive({"url": url}, target).code == 76
    assert not target.exists()


def test_a_redirect_without_end_is_76(faulty: FaultServer, target: Path) -> None:
    url = faulty.on("/x", Reply(status=302, headers={"Location": "/y"}))
    faulty.on("/y", Reply(status=302, headers={"Location": "/x"}))
    assert receive({"url": url}, target).code == 76
    assert len(faulty.seen) < 60
